"""What a reader of old data yields: hosts as the other program told them apart, and their usage by day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from whitestat.attribution.locality import is_group_mac
from whitestat.attribution.names import Name
from whitestat.model import Address, Counts, Mac


class Host(NamedTuple):
    """One line of the other program's table; without both it is what belongs to nobody."""

    mac: Mac | None = None
    address: Address | None = None


NOBODY = Host()


class HostDay(NamedTuple):
    """Usage of one host on one local day, YYYYMMDD; `seen_s` is its last sight of that day where it is known."""

    day: int
    host: Host
    counts: Counts
    seen_s: int | None = None


class Sight(NamedTuple):
    """What is known of a host: its best name, its first day, and its last sight, UTC seconds."""

    name: Name | None
    first_s: int
    last_s: int


@dataclass(frozen=True, slots=True)
class History:
    """Old data, read through once and found sound.

    `days` reads the rows again, oldest day first, each host once a day; `rows` is how many it yields. `point` is
    where they were counted. `left_out` says what is not imported, and why.
    """

    point: str
    rows: int
    days: Callable[[], Iterator[HostDay]]
    hosts: Mapping[Host, Sight] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    routers: frozenset[Mac] = frozenset()


def device_mac(mac: Mac) -> Mac | None:
    """None for what is no device's: zeros, which stand for a link without MACs, and groups."""
    return mac if any(mac) and not is_group_mac(mac) else None
