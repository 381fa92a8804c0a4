"""When points were not watched: what their minutes lack, or their hours where minutes are not kept any more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import tzinfo
from typing import NamedTuple

from whitestat.ledger.resolutions import Kept, Resolution
from whitestat.periods import DAY_S, HOUR_S, MINUTE_S

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


_EARLIER = """SELECT p.name, EXISTS (SELECT 1 FROM coverage_hour c WHERE c.point = p.id AND c.bucket < ?)
    FROM point p ORDER BY p.name"""


def gaps(connection: sqlite3.Connection, zone: tzinfo, kept: Kept, start_s: int, end_s: int) -> Gaps:
    """Those of all points up to `end_s`, which is now or earlier; before it was first watched a point has none."""
    end_s = Resolution.MINUTE.floor(end_s, zone)
    start_s = middle_s = max(Resolution.MINUTE.floor(start_s, zone), end_s - LONGEST_S)
    if start_s < kept.since_s(Resolution.MINUTE):
        start_s = Resolution.HOUR.ceiling(max(start_s, kept.since_s(Resolution.HOUR)), zone)
        middle_s = max(start_s, Resolution.HOUR.ceiling(kept.since_s(Resolution.MINUTE), zone))
    watched: dict[str, list[Watched]] = {}
    for resolution, low_s, high_s in ((Resolution.HOUR, start_s, middle_s), (Resolution.MINUTE, middle_s, end_s)):
        for name, bucket, observed_ms, before in _incomplete(connection, resolution, low_s, high_s):
            before_s = None if before is None else resolution.ceiling(before + 1, zone)
            each = Watched(bucket, resolution.ceiling(bucket + 1, zone), observed_ms, before_s)
            watched.setdefault(name, []).append(each)
    earlier = connection.execute(_EARLIER, (Resolution.HOUR.floor(start_s, zone),))
    found = {name: between(watched.get(name, ()), start_s if was else None, end_s) for name, was in earlier}
    return Gaps(start_s, end_s, found)


def _incomplete(
    connection: sqlite3.Connection, resolution: Resolution, low_s: int, high_s: int
) -> Iterable[tuple[str, int, int, int | None]]:
    """Buckets of each point that were not watched throughout, that follow on none, or that none follows on."""
    if low_s >= high_s:
        return ()
    length_s = HOUR_S if resolution is Resolution.HOUR else MINUTE_S
    tail = "UNION ALL SELECT point, bucket, observed_ms FROM tail_coverage" if resolution is Resolution.MINUTE else ""
    sql = f"""WITH seen AS (SELECT point, bucket, sum(observed_ms) AS observed_ms FROM (
            SELECT point, bucket, observed_ms FROM coverage_{resolution} WHERE chunk BETWEEN ? AND ? {tail})
            WHERE bucket >= ? AND bucket < ? GROUP BY point, bucket),
        found AS (SELECT *, lag(bucket) OVER each AS before, lead(bucket) OVER each AS after FROM seen
            WINDOW each AS (PARTITION BY point ORDER BY bucket))
        SELECT p.name, f.bucket, f.observed_ms, f.before FROM found f JOIN point p ON p.id = f.point
        WHERE abs(f.observed_ms - ?) >= ? OR f.before IS NOT f.bucket - ? OR f.after IS NULL
        ORDER BY f.point, f.bucket"""  # noqa: S608 - words of this module
    chunks = resolution.chunk(low_s), resolution.chunk(high_s)
    return connection.execute(sql, (*chunks, low_s, high_s, length_s * 1000, LEAST_MS, length_s))


def between(watched: Iterable[Watched], start_s: int | None, end_s: int) -> list[Gap]:
    """The gaps of one point; `start_s` is where the span begins if the point was watched earlier, else None."""
    runs = _Runs()
    last_s = start_s
    for each in watched:
        runs.skip(last_s if each.before_s is None else each.before_s, each.start_s)
        runs.add(each.start_s, each.end_s, (each.end_s - each.start_s) * 1000 - each.observed_ms)
        last_s = each.end_s
    runs.skip(last_s, end_s)
    return [_joined(run, end_s) for run in runs.found]


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
    missed_ms = sum(each.missed_ms for each in run)
    if len(run) == 1:
        return Gap(first.start_s, last.end_s, missed_ms)
    until_s = end_s if last.end_s == end_s else last.start_s + _seconds(last.missed_ms)
    return Gap(first.end_s - _seconds(first.missed_ms), until_s, missed_ms)


def _seconds(ms: int) -> int:
    return -(-ms // 1000)
