"""Queries of the ledger and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from whitestat.core.errors import QueryError
from whitestat.core.model import Address, Counts, Scope
from whitestat.ledger.resolutions import EARLIEST_S, LATEST_S

USAGE_WORDS = ("device", "scope", "point", "person")
DETAIL_WORDS = ("service", "protocol", "peer")
BY_WORDS = USAGE_WORDS + DETAIL_WORDS
"""Words that usage can be split by: device, person, point and scope, and service, protocol and peer."""


class TimeStep(StrEnum):
    """How long a span each row of an answer stands for."""

    TOTAL = "total"
    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    CYCLE = "cycle"


def check_span(start_s: int, end_s: int) -> None:
    """Raises QueryError for instants without a calendar, and for an end that is not after the start."""
    for parameter, at_s in (("start", start_s), ("end", end_s)):
        if not EARLIEST_S <= at_s <= LATEST_S:
            raise QueryError(parameter, "must be between the years 1970 and 2200")
    if end_s <= start_s:
        raise QueryError("end", "must be after start")


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """Usage from `start_s` up to and without `end_s`, UTC seconds, told apart `by` the words of BY_WORDS.

    Devices, points, persons (what was theirs at the time) and scope narrow it down; without them all is meant, the
    unattributed too. Of more than `top` kinds of rows, those of the most octets in the whole span stay, and all
    others are one rest. QueryError names the parameter at fault.

    Services are ports and protocols numbers. Peers are kept apart from them, so a question is about the ones or the
    others.
    """

    start_s: int
    end_s: int
    step: TimeStep = TimeStep.TOTAL
    by: tuple[str, ...] = ("device",)
    devices: tuple[int, ...] = ()
    scope: Scope | None = None
    points: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    top: int | None = None
    services: tuple[int, ...] = ()
    protocols: tuple[int, ...] = ()
    peers: tuple[Address, ...] = ()

    def __post_init__(self) -> None:
        check_span(self.start_s, self.end_s)
        for word in self.by:
            if word not in BY_WORDS:
                raise QueryError("by", f"unknown word {word!r}, expected some of {', '.join(BY_WORDS)}")
        if self.top is not None and self.top < 1:
            raise QueryError("top", f"must be at least 1, got {self.top}")
        if self._asks_services and self.about == "peer":
            raise QueryError("by", "peers are kept apart from services and protocols; ask for the ones or the others")

    @property
    def span(self) -> tuple[int, int]:
        return self.start_s, self.end_s

    @property
    def about(self) -> str | None:
        """`service` or `peer` where it takes that kind of detail to answer."""
        if self.peers or "peer" in self.by:
            return "peer"
        return "service" if self._asks_services else None

    @property
    def _asks_services(self) -> bool:
        return bool(self.services or self.protocols or "service" in self.by or "protocol" in self.by)

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves out usage with unknown service or peer."""
        return bool(self.services or self.protocols or self.peers)


class DeviceName(NamedTuple):
    """Name of a device for display; `name` is None if it has none, `mac` if none was seen."""

    id: int
    name: str | None
    mac: str | None


class UsageRow(NamedTuple):
    """One row of an answer. `device` is None if unattributed, and like `scope` and `point` if the query does not
    split by it. `rest` is all that is not among the top of a query.
    `person` is None without an owner. Protocol, service and peer are None if unknown, and
    OTHER_SERVICE or OTHER_PEER for the smaller ones of a device, which are kept as one."""

    start_s: int
    device: DeviceName | None
    scope: Scope | None
    point: str | None
    counts: Counts
    rest: bool = False
    person: str | None = None
    protocol: int | None = None
    service: int | None = None
    peer: Address | None = None


class DeviceRow(NamedTuple):
    """A device with its latest MAC and its addresses, latest first, as text; times are None if never seen."""

    id: int
    name: str | None
    name_source: str | None
    mac: str | None
    addresses: tuple[str, ...]
    person: str | None
    first_seen_ms: int | None
    last_seen_ms: int | None
    labels: tuple[str, ...] = ()
