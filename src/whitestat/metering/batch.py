"""What was counted and is not written yet; pure.

One draft gathers all collectors of a tick into one flush. It is kept, and grows, while nothing can be written: the
disk is full, or the clock is not set. Then it is bounded: seconds become minutes, minutes hours and hours days, no
octet is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TypeVar

from whitestat.core import calendar
from whitestat.core.model import Audit, CounterReading, Counts, Coverage, FlowKey, Receipt, UsageKey
from whitestat.core.sums import Additive, add_to
from whitestat.metering.timekeeper import Correction

MOST_ENTRIES = 50_000
"""Usage by minute and key that is kept before it is coarsened: about 12 MB."""

_Start = Callable[[int, tzinfo], int]

K = TypeVar("K")
A = TypeVar("A", bound=Additive)


@dataclass(slots=True)
class PendingBatch:
    """Times are labels of the timeline: usage and coverage by the start of their minute, UTC seconds; of their
    second where `finest_s` is 1."""

    finest_s: int = calendar.MINUTE_S
    usage: dict[tuple[int, UsageKey], Counts] = field(default_factory=dict)
    coverage: dict[tuple[int, str], Coverage] = field(default_factory=dict)
    readings: dict[FlowKey, CounterReading] = field(default_factory=dict)
    audits: dict[str, Audit] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    results: int = 0

    @property
    def octets(self) -> int:
        # Another thread may ask meanwhile: the copy is made in one step.
        return sum(counts.octets for counts in tuple(self.usage.values()))

    def add_usage(self, key: UsageKey, counts: Counts, start_ms: int, end_ms: int) -> None:
        self.add_parts(key, calendar.split(counts, start_ms, end_ms, self.finest_s))

    def add_parts(self, key: UsageKey, parts: Iterable[tuple[int, Counts]]) -> None:
        """Usage that is shared out already, by the start of its minute or second."""
        for at_s, part in parts:
            add_to(self.usage, (at_s, key), part)

    def add_coverage(self, point: str, covered: Coverage, start_ms: int, end_ms: int) -> None:
        for at_s, part in calendar.split_integers(covered, start_ms, end_ms, self.finest_s):
            add_to(self.coverage, (at_s, point), Coverage(*part))

    def add(self, readings: Iterable[CounterReading], audits: Mapping[str, Audit], receipt: Receipt | None) -> None:
        """A harvest is whole: what the next one starts from, and the receipt for what the meter still holds."""
        self.readings.update((reading.key, reading) for reading in readings)
        self.audits.update(audits)
        if receipt:
            self.receipts[receipt.meter] = receipt
        self.results += 1

    def bound(self, zone: tzinfo) -> bool:
        """Coarsen while there is too much: to minutes, to local hours, then to local days, which every sum survives.

        Whether anything was.
        """
        coarsened = False
        for start in (_minute_start, calendar.hour_start, _day_start):
            if len(self.usage) + len(self.coverage) > MOST_ENTRIES:
                self.usage = _coarser(self.usage, start, zone)
                self.coverage = _coarser(self.coverage, start, zone)
                coarsened = True
        return coarsened

    def move(self, correction: Correction) -> None:
        """The clock was set: what lies after the correction's instant moves by whole minutes."""
        since_s = calendar.minute_start(correction.since_ms // 1000)
        self.usage = _moved(self.usage, since_s, correction.by_ms // 1000)
        self.coverage = _moved(self.coverage, since_s, correction.by_ms // 1000)
        for key, reading in self.readings.items():
            self.readings[key] = reading._replace(at_ms=correction.of(reading.at_ms))
        for name, audit in self.audits.items():
            at_ms, since_ms = correction.of(audit.at_ms), correction.of(audit.since_ms)
            self.audits[name] = audit._replace(at_ms=at_ms, since_ms=since_ms)


def _minute_start(at_s: int, _: tzinfo) -> int:
    return calendar.minute_start(at_s)


def _day_start(at_s: int, zone: tzinfo) -> int:
    return calendar.day_bounds(calendar.day_of(at_s, zone), zone)[0]


def _coarser(entries: dict[tuple[int, K], A], start: _Start, zone: tzinfo) -> dict[tuple[int, K], A]:
    starts = {minute: start(minute, zone) for minute, _ in entries}
    summed: dict[tuple[int, K], A] = {}
    for (minute, key), part in entries.items():
        add_to(summed, (starts[minute], key), part)
    return summed


def _moved(entries: dict[tuple[int, K], A], since_s: int, by_s: int) -> dict[tuple[int, K], A]:
    summed: dict[tuple[int, K], A] = {}
    for (minute, key), part in entries.items():
        add_to(summed, (minute + by_s if minute >= since_s else minute, key), part)
    return summed
