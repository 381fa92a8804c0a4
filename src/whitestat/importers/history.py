"""Result of a reader of old data: hosts as the other program listed them, and their usage by day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from whitestat.attribution.devices.names import ShownName
from whitestat.attribution.locality import is_group_mac
from whitestat.core.model import Address, Counts, Mac


class ImportedHost(NamedTuple):
    """One line of the other program's table; without both addresses it is unattributed usage."""

    mac: Mac | None = None
    address: Address | None = None


NOBODY = ImportedHost()


class HostDay(NamedTuple):
    """Usage of one host on one local day, YYYYMMDD; `seen_s` is its last sight of that day where it is known."""

    day: int
    host: ImportedHost
    counts: Counts
    seen_s: int | None = None


class Span(NamedTuple):
    """What a source counted from one local day to another, both included, YYYYMMDD: the days in it are part of it."""

    first: int
    last: int
    counts: Counts


class HostSummary(NamedTuple):
    """What is known of a host: its best name, its first day, and its last sight, UTC seconds."""

    name: ShownName | None
    first_s: int
    last_s: int

    def until(self, now_s: int) -> HostSummary:
        """Without what would be after now: the last second of a day that is not over, or a clock ahead of this one."""
        return self._replace(first_s=min(self.first_s, now_s), last_s=min(self.last_s, now_s))


@dataclass(frozen=True, slots=True)
class ImportedHistory:
    """Old data, read through once and found sound.

    `days` reads the rows again, oldest day first, each host once a day; `rows` is how many it yields. `point` is
    where they were counted. `left_out` lists what is not imported, and why. `spans` are totals of NOBODY that
    are longer than days, each after those that lie in it.
    """

    point: str
    rows: int
    days: Callable[[], Iterator[HostDay]]
    hosts: Mapping[ImportedHost, HostSummary] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    routers: frozenset[Mac] = frozenset()
    spans: tuple[Span, ...] = ()


class BadRows:
    """Rows that cannot be read, which cost themselves alone: their number, and place and reason of the first."""

    NAMED = 3

    def __init__(self) -> None:
        self.count = 0
        self._named: list[str] = []

    def add(self, place: str, reason: str) -> None:
        self.count += 1
        if len(self._named) < self.NAMED:
            self._named.append(f"{place}: {reason}")

    def left_out(self) -> tuple[str, ...]:
        """A sentence for the report, or none."""
        if not self.count:
            return ()
        more = self.count - len(self._named)
        rest = f"; and {more} more" if more else ""
        return (f"{self.count} {'row' if self.count == 1 else 'rows'} that cannot be read: {self.first}{rest}",)

    @property
    def first(self) -> str:
        """The first of them with place and reason, `; ` between."""
        return "; ".join(self._named)


def device_mac(mac: Mac) -> Mac | None:
    """None for what is no device's: zeros, which stand for a link without MACs, and groups."""
    return mac if any(mac) and not is_group_mac(mac) else None
