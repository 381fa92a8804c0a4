"""Seconds, minutes, hours, days and months: which bucket an instant falls in, and which buckets cover a span; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum
from itertools import groupby, islice, pairwise
from typing import NamedTuple

from whitestat.core.calendar import day_bounds, day_of, hour_start, minute_start, steps

LONGEST_BUCKETS_S = 64 * 86_400
"""Holds two buckets of any resolution, in zones that skip a day too."""

EARLIEST_S = 0
LATEST_S = 7_258_118_400
"""What a question may ask about: 1970 to 2200, where every time zone has a calendar."""


class Resolution(StrEnum):
    """How long a bucket is. Hours are local (a zone may be 45 minutes off), days and months are local dates.

    Seconds are kept if the configuration says so.
    """

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    def bucket(self, at_s: int, zone: tzinfo) -> int:
        """The bucket's number: its start as UTC seconds; the local date YYYYMMDD of a day, YYYYMM of a month."""
        if self is Resolution.MONTH:
            return day_of(at_s, zone) // 100
        return day_of(at_s, zone) if self is Resolution.DAY else self.floor(at_s, zone)

    def floor(self, at_s: int, zone: tzinfo) -> int:
        """The start of the bucket that holds the instant, UTC seconds."""
        if self is Resolution.SECOND:
            return at_s
        if self is Resolution.MINUTE:
            return minute_start(at_s)
        if self is Resolution.HOUR:
            return hour_start(at_s, zone)
        return self.start(self.bucket(at_s, zone), zone)

    def start(self, bucket: int, zone: tzinfo) -> int:
        """Where a bucket begins, by its number, UTC seconds."""
        if self is Resolution.MONTH:
            return day_bounds(bucket * 100 + 1, zone)[0]
        return day_bounds(bucket, zone)[0] if self is Resolution.DAY else bucket

    def ceiling(self, at_s: int, zone: tzinfo) -> int:
        """The instant itself where a bucket starts, else the start of the next one, UTC seconds."""
        start, following = islice(steps(at_s, at_s + LONGEST_BUCKETS_S, self.value, zone), 2)
        return at_s if start == at_s else following

    def middle(self, bucket: int, zone: tzinfo) -> int:
        """Return the middle of a bucket, by its number, UTC seconds."""
        start_s = self.start(bucket, zone)
        return (start_s + self.ceiling(start_s + 1, zone)) // 2

    def nearest(self, at_s: int, zone: tzinfo) -> int:
        """Return the start or the end of the bucket that holds the instant: before or after its middle, UTC seconds."""
        start_s, end_s = self.floor(at_s, zone), self.ceiling(at_s, zone)
        return start_s if at_s <= (start_s + end_s) // 2 else end_s

    def chunk(self, bucket: int) -> int:
        """What the bucket is stored with: those of its ten minutes, hour, UTC day, month or year."""
        return bucket // _CHUNKS[self]

    def offset(self, bucket: int) -> int:
        """Where in its chunk the bucket is."""
        return bucket % _CHUNKS[self] // _UNITS.get(self, 1)

    def chunks(self, numbers: Iterable[int]) -> Iterator[tuple[int, list[int], list[int]]]:
        """Chunks with the numbers of their buckets and their offsets; the numbers are in ascending order."""
        length, unit = _CHUNKS[self], _UNITS.get(self, 1)
        for chunk, several in groupby(numbers, lambda number: number // length):
            pieces = list(several)
            yield chunk, pieces, [number % length // unit for number in pieces]

    def buckets(self, chunk: int, offsets: Sequence[int]) -> list[int]:
        """The numbers of a chunk's buckets."""
        base, unit = chunk * _CHUNKS[self], _UNITS.get(self, 1)
        return [base + offset * unit for offset in offsets]


_CHUNKS = {
    Resolution.SECOND: 600,
    Resolution.MINUTE: 3_600,
    Resolution.HOUR: 86_400,
    Resolution.DAY: 100,
    Resolution.MONTH: 100,
}
_UNITS = {Resolution.MINUTE: 60}


KEPT_S: dict[str, int | None] = {
    Resolution.MINUTE: 7 * 86_400,
    Resolution.HOUR: 400 * 86_400,
    Resolution.DAY: None,
}
"""How long rows are kept where nothing else is configured, in seconds; None is for ever. Months always are."""


Steps = Mapping[int, Sequence[int]]
"""Amounts by the number of a bucket, or by an instant, UTC seconds."""
Rows = Mapping[int, Steps]
"""Steps by the number of a series or point."""


def folded(rows: Rows, bucket: Callable[[int], int]) -> Rows:
    """Summed by the bucket that each instant, or shorter bucket, lies in; later ones lie in none before."""
    return {key: _folded(steps, bucket) for key, steps in rows.items()}


def _folded(steps: Steps, bucket: Callable[[int], int]) -> Steps:
    sums: dict[int, Sequence[int]] = {}
    for place, several in groupby(sorted(steps), bucket):
        part = [steps[at] for at in several]
        sums[place] = part[0] if len(part) == 1 else [sum(column) for column in zip(*part, strict=True)]
    return sums


COARSEST_FIRST = (Resolution.MONTH, Resolution.DAY, Resolution.HOUR, Resolution.MINUTE, Resolution.SECOND)


@dataclass(frozen=True, slots=True)
class RetainedSpans:
    """What is where, in UTC seconds: `since` when a resolution's rows are there (from the beginning where it is
    not named; seconds never), and `until` when days and months are closed: what came after is in finer rows alone.
    """

    since: Mapping[Resolution, int] = field(default_factory=dict)
    until: Mapping[Resolution, int] = field(default_factory=dict)

    def since_s(self, resolution: Resolution) -> int:
        return self.since.get(resolution, LATEST_S if resolution is Resolution.SECOND else EARLIEST_S)

    def aligned(self, at_s: int, zone: tzinfo) -> int:
        """The instant moved back to the start of its finest bucket that is still there."""
        return self.finest(at_s).floor(at_s, zone)

    def finest(self, at_s: int) -> Resolution:
        """Return the finest resolution of which buckets are still there at an instant."""
        for coarser, finer in pairwise(COARSEST_FIRST):
            if at_s < self.since_s(finer):
                return coarser
        return COARSEST_FIRST[-1]


class Piece(NamedTuple):
    """Whole buckets of one resolution, from `low` up to and without `high`; they span `start_s` to `end_s`."""

    resolution: Resolution
    low: int
    high: int
    start_s: int
    end_s: int


def pieces(
    start_s: int,
    end_s: int,
    zone: tzinfo,
    levels: tuple[Resolution, ...] = COARSEST_FIRST,
    until: Mapping[Resolution, int] | None = None,
) -> list[Piece]:
    """The span as whole buckets, as coarse as they come: months, with days, hours, minutes and seconds at both ends.

    `levels` are the resolutions to choose from, coarsest first. Edges must fit the last of them. `until` says
    up to which instant the buckets of a resolution may be taken.
    """
    if start_s >= end_s:
        return []
    level, *rest = levels
    finer = tuple(rest)
    low_s = level.ceiling(start_s, zone)
    high_s = level.floor(min(end_s, (until or {}).get(level, end_s)), zone)
    if low_s >= high_s:
        return pieces(start_s, end_s, zone, finer, until)
    whole = Piece(level, level.bucket(low_s, zone), level.bucket(high_s, zone), low_s, high_s)
    before = pieces(start_s, low_s, zone, finer, until)
    return [*before, whole, *pieces(high_s, end_s, zone, finer, until)]
