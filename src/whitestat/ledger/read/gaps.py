"""When points were not watched: what their minutes lack, or their hours where minutes are not kept any more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import NamedTuple

from whitestat.core.calendar import DAY_S, HOUR_S, MINUTE_S, minute_start
from whitestat.ledger.resolutions import Resolution, RetainedSpans
from whitestat.ledger.tables import buckets

LEAST_MS = 1_000
"""What a bucket may lack and is watched all the same: clocks are set by a little all the time."""

LONGEST_S = 31 * DAY_S
"""All minutes of the span are read: 16 ms for 7 days of one point."""


class Watched(NamedTuple):
    """A bucket in which a point was watched, UTC seconds, and where the one before it ended; None for the first."""

    start_s: int
    end_s: int
    observed_ms: int
    before_s: int | None


class Gap(NamedTuple):
    """From when to when, UTC seconds, and how much of that was not watched.

    Within one bucket it is not known when, so start and end are the bucket's.
    """

    start_s: int
    end_s: int
    missed_ms: int


class Gaps(NamedTuple):
    """By point, the earliest first, and the whole minutes that were looked at: 31 days at most, if so much is kept."""

    start_s: int
    end_s: int
    points: dict[str, list[Gap]]


_TAIL = "SELECT point, bucket, observed_ms FROM tail_coverage WHERE bucket >= ? AND bucket < ?"


def gaps(connection: sqlite3.Connection, zone: tzinfo, kept: RetainedSpans, start_s: int, end_s: int) -> Gaps:
    """Those of all points up to `end_s`, which is now or earlier; before it was first watched a point has none."""
    end_s = Resolution.MINUTE.floor(end_s, zone)
    start_s = middle_s = max(Resolution.MINUTE.floor(start_s, zone), end_s - LONGEST_S)
    if start_s < kept.since_s(Resolution.MINUTE):
        start_s = Resolution.HOUR.ceiling(max(start_s, kept.since_s(Resolution.HOUR)), zone)
        middle_s = max(start_s, Resolution.HOUR.ceiling(kept.since_s(Resolution.MINUTE), zone))
    watched: dict[int, list[Watched]] = {}
    for resolution, low_s, high_s in ((Resolution.HOUR, start_s, middle_s), (Resolution.MINUTE, middle_s, end_s)):
        for point, bucket, observed_ms, before in _incomplete(connection, resolution, low_s, high_s):
            before_s = None if before is None else resolution.ceiling(before + 1, zone)
            seen = Watched(bucket, resolution.ceiling(bucket + 1, zone), observed_ms, before_s)
            watched.setdefault(point, []).append(seen)
    hours = buckets.read(connection, buckets.COVERAGE, Resolution.HOUR, (0, Resolution.HOUR.floor(start_s, zone)))
    earlier = {point for _, point, _ in hours}
    gaps_by_point = {
        name: between(watched.get(point, ()), start_s if point in earlier else None, end_s)
        for point, name in connection.execute("SELECT id, name FROM point ORDER BY name")
    }
    return Gaps(start_s, end_s, gaps_by_point)


def _incomplete(
    connection: sqlite3.Connection, resolution: Resolution, low_s: int, high_s: int
) -> Iterator[tuple[int, int, int, int | None]]:
    """Buckets of each point that were not watched throughout, that follow on none, or that none follows on."""
    length_s = HOUR_S if resolution is Resolution.HOUR else MINUTE_S
    for point, seen in _seen(connection, resolution, low_s, high_s).items():
        order = sorted(seen)
        for before, bucket, after in zip([None, *order], order, [*order[1:], None], strict=False):
            whole = abs(seen[bucket] - length_s * 1000) < LEAST_MS
            if not whole or before != bucket - length_s or after is None:
                yield point, bucket, seen[bucket], before


def _seen(connection: sqlite3.Connection, resolution: Resolution, low_s: int, high_s: int) -> dict[int, dict[int, int]]:
    """For how long buckets were watched, ms, by point and start."""
    seen: dict[int, dict[int, int]] = {}
    if low_s >= high_s:
        return seen
    for chunk, point, columns in buckets.read(connection, buckets.COVERAGE, resolution, (low_s, high_s)):
        seen.setdefault(point, {}).update(zip(resolution.buckets(chunk, columns[0]), columns[1], strict=True))
    if resolution is Resolution.MINUTE:
        for point, at_s, observed_ms in connection.execute(_TAIL, (low_s, high_s)):
            of_point, minute_s = seen.setdefault(point, {}), minute_start(at_s)
            of_point[minute_s] = of_point.get(minute_s, 0) + observed_ms
    return seen


def between(watched: Iterable[Watched], start_s: int | None, end_s: int) -> list[Gap]:
    """The gaps of one point; `start_s` is where the span begins if the point was watched earlier, else None."""
    runs = _Runs()
    last_s = start_s
    for bucket in watched:
        runs.skip(last_s if bucket.before_s is None else bucket.before_s, bucket.start_s)
        runs.add(bucket.start_s, bucket.end_s, (bucket.end_s - bucket.start_s) * 1000 - bucket.observed_ms)
        last_s = bucket.end_s
    runs.skip(last_s, end_s)
    return [_joined(run, end_s) for run in runs.found]


def by_step(observed_ms: Mapping[int, int], starts: Sequence[int], start_s: int, end_s: int) -> list[Gap]:
    """Return what each step lacks, by the start of the step, where it lacks anything.

    `starts` are the steps of a span from `start_s`, in which the first may have begun earlier, to `end_s`.
    """
    missing: list[Gap] = []
    for step_s, following_s in zip(starts, [*starts[1:], end_s], strict=True):
        low_s, high_s = max(step_s, start_s), min(following_s, end_s)
        missed_ms = (high_s - low_s) * 1000 - observed_ms.get(step_s, 0)
        if missed_ms >= LEAST_MS:
            missing.append(Gap(low_s, high_s, missed_ms))
    return missing


class _Runs:
    """Joins what follows on each other; what was watched beyond a bucket's length was so in those after it."""

    def __init__(self) -> None:
        self.found: list[list[Gap]] = []
        self._surplus_ms = 0
        self._until_s = 0

    def skip(self, start_s: int | None, end_s: int) -> None:
        """Nothing is kept of this time; None where nothing was watched before it."""
        if start_s is not None and start_s < end_s:
            self.add(start_s, end_s, (end_s - start_s) * 1000)

    def add(self, start_s: int, end_s: int, missed_ms: int) -> None:
        missed_ms -= self._surplus_ms if start_s == self._until_s else 0
        self._surplus_ms = max(0, -missed_ms)
        self._until_s = end_s
        if missed_ms < LEAST_MS:
            return
        if not self.found or self.found[-1][-1].end_s != start_s:
            self.found.append([])
        self.found[-1].append(Gap(start_s, end_s, missed_ms))


def _joined(run: list[Gap], end_s: int) -> Gap:
    """One longer than a bucket began at the end of its first and ended at the start of its last, or goes on."""
    first, last = run[0], run[-1]
    missed_ms = sum(gap.missed_ms for gap in run)
    if len(run) == 1:
        return Gap(first.start_s, last.end_s, missed_ms)
    until_s = end_s if last.end_s == end_s else last.start_s + _seconds(last.missed_ms)
    return Gap(first.end_s - _seconds(first.missed_ms), until_s, missed_ms)


def _seconds(ms: int) -> int:
    return -(-ms // 1000)
