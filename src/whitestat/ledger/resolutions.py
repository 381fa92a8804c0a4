"""Minutes, hours and days: which bucket an instant falls in, and which buckets cover a span; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from enum import StrEnum
from functools import cache
from itertools import islice
from typing import NamedTuple, Protocol, Self, TypeVar

from whitestat.periods import day_bounds, day_of, hour_start, minute_start, steps

MINUTES_KEPT_S = 7 * 86_400
HOURS_KEPT_S = 400 * 86_400

LONGEST_BUCKETS_S = 4 * 86_400
"""Holds two buckets of any resolution, in zones that skip a day too."""

EARLIEST_S = 0
LATEST_S = 7_258_118_400
"""What a question may ask about: 1970 to 2200, where every time zone has a calendar."""


class Resolution(StrEnum):
    """How long a bucket is. Hours are local (a zone may be 45 minutes off), days are local dates."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    def bucket(self, at_s: int, zone: tzinfo) -> int:
        """The bucket's number: its start as UTC seconds, or for a day the local date YYYYMMDD."""
        return day_of(at_s, zone) if self is Resolution.DAY else self.floor(at_s, zone)

    def floor(self, at_s: int, zone: tzinfo) -> int:
        """The start of the bucket that holds the instant, UTC seconds."""
        if self is Resolution.MINUTE:
            return minute_start(at_s)
        if self is Resolution.HOUR:
            return hour_start(at_s, zone)
        return day_bounds(day_of(at_s, zone), zone)[0]

    def ceiling(self, at_s: int, zone: tzinfo) -> int:
        """The instant itself where a bucket starts, else the start of the next one, UTC seconds."""
        start, following = islice(steps(at_s, at_s + LONGEST_BUCKETS_S, self.value, zone), 2)
        return at_s if start == at_s else following


class Additive(Protocol):
    def plus(self, other: Self) -> Self: ...


K = TypeVar("K")
A = TypeVar("A", bound=Additive)


def fold(minutes: Mapping[tuple[int, K], A], resolution: Resolution, zone: tzinfo) -> dict[tuple[int, K], A]:
    """What was counted per minute, summed per bucket of the resolution."""

    @cache
    def bucket(minute_s: int) -> int:
        return resolution.bucket(minute_s, zone)

    sums: dict[tuple[int, K], A] = {}
    for (minute_s, key), counted in minutes.items():
        place = bucket(minute_s), key
        sums[place] = sums[place].plus(counted) if place in sums else counted
    return sums


class Kept(NamedTuple):
    """Since when minutes and hours are there, UTC seconds: the start of an hour, and of a day."""

    minutes_since_s: int = EARLIEST_S
    hours_since_s: int = EARLIEST_S

    def since(self, resolution: Resolution) -> int:
        return {Resolution.MINUTE: self.minutes_since_s, Resolution.HOUR: self.hours_since_s}.get(
            resolution, EARLIEST_S
        )

    def aligned(self, at_s: int, zone: tzinfo) -> int:
        """The instant moved back to the start of its finest bucket that is still there."""
        if at_s < self.hours_since_s:
            return Resolution.DAY.floor(at_s, zone)
        if at_s < self.minutes_since_s:
            return Resolution.HOUR.floor(at_s, zone)
        return Resolution.MINUTE.floor(at_s, zone)


class Piece(NamedTuple):
    """Whole buckets of one resolution, from `low` up to and without `high`; the first starts at `start_s`."""

    resolution: Resolution
    low: int
    high: int
    start_s: int


COARSEST_FIRST = (Resolution.DAY, Resolution.HOUR, Resolution.MINUTE)


def pieces(start_s: int, end_s: int, zone: tzinfo, levels: tuple[Resolution, ...] = COARSEST_FIRST) -> list[Piece]:
    """The span as whole buckets, as coarse as they come: days, with hours and minutes at both ends.

    `levels` are the resolutions to choose from, coarsest first. Edges must fit the last of them.
    """
    if start_s >= end_s:
        return []
    level, *rest = levels
    finer = tuple(rest)
    low_s, high_s = level.ceiling(start_s, zone), level.floor(end_s, zone)
    if low_s > high_s:  # the span lies within one bucket
        return pieces(start_s, end_s, zone, finer)
    before = pieces(start_s, low_s, zone, finer)
    after = pieces(high_s, end_s, zone, finer)
    if low_s == high_s:
        return before + after
    whole = Piece(level, level.bucket(low_s, zone), level.bucket(high_s, zone), low_s)
    return [*before, whole, *after]
