"""Books minutes into the tables of every resolution; closes days and months when they are over.

A bucket that is not closed has no row: its octets are in the next finer resolution. What comes late for a
closed one is added to it as well, so that each resolution sums to the same octets at any time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, NamedTuple

from whitestat.ledger.resolutions import Kept, Resolution, fold
from whitestat.model import Counts, Coverage
from whitestat.periods import day_bounds, day_of

Rows = Mapping[tuple[int, int], Any]
"""Counts or coverage by bucket and number of the series or point."""


class Kind(NamedTuple):
    """What is counted: the tables' name, and how to make a sum of a row."""

    name: str
    key: str
    columns: tuple[str, ...]
    make: Any

    @property
    def sums(self) -> str:
        return ", ".join(f"sum({column})" for column in self.columns)

    def adding(self, resolution: Resolution) -> str:
        """Adds a row to the bucket that is there; the names are this module's own."""
        places = ", ".join("?" * (len(self.columns) + 3))
        sums = ", ".join(f"{column} = {column} + excluded.{column}" for column in self.columns)
        return f"INSERT INTO {self.name}_{resolution} VALUES ({places}) ON CONFLICT DO UPDATE SET {sums}"  # noqa: S608


USAGE = Kind("usage", "series", Counts._fields, Counts._make)
COVERAGE = Kind("coverage", "point", Coverage._fields, Coverage._make)

_ADD = {(kind.name, resolution): kind.adding(resolution) for kind in (USAGE, COVERAGE) for resolution in Resolution}
_SET_CLOSED = "INSERT OR REPLACE INTO closed VALUES (?, ?)"
_PUT_KEPT = """INSERT INTO kept VALUES (?, ?)
    ON CONFLICT DO UPDATE SET since = excluded.since WHERE since < excluded.since"""


class Closed(NamedTuple):
    """Hours that start before `hours_s` (UTC seconds) are in days, days before `day` (YYYYMMDD) in months."""

    hours_s: int
    day: int


def closed(connection: sqlite3.Connection) -> Closed:
    found = dict(connection.execute("SELECT resolution, until FROM closed"))
    return Closed(found.get(Resolution.DAY, 0), found.get(Resolution.MONTH, 0))


def kept(connection: sqlite3.Connection, zone: tzinfo) -> Kept:
    """What a question may be answered from."""
    hours_s, day = closed(connection)
    until = {Resolution.DAY: hours_s, Resolution.MONTH: day_bounds(day, zone)[0] if day else 0}
    since = dict(connection.execute("SELECT resolution, since FROM kept"))  # tables of detail have theirs there too
    return Kept({each: since[each] for each in Resolution if each in since}, until)


def book(connection: sqlite3.Connection, zone: tzinfo, kind: Kind, minutes: Rows) -> None:
    """Add minutes to their buckets of all resolutions."""
    until = closed(connection)
    _add(connection, kind, Resolution.MINUTE, minutes)
    _add(connection, kind, Resolution.HOUR, fold(minutes, Resolution.HOUR, zone))
    late = {place: counted for place, counted in minutes.items() if place[0] < until.hours_s}
    add_days(connection, kind, fold(late, Resolution.DAY, zone))


def add_days(connection: sqlite3.Connection, kind: Kind, days: Rows) -> None:
    """Add to days, and to the months of those that are in closed ones."""
    _add(connection, kind, Resolution.DAY, days)
    before = closed(connection).day
    months: dict[tuple[int, int], Any] = {}
    for (day, key), counted in days.items():
        if day < before:
            place = day // 100, key
            months[place] = months[place].plus(counted) if place in months else counted
    _add(connection, kind, Resolution.MONTH, months)


def close(connection: sqlite3.Connection, zone: tzinfo, newest_s: int) -> None:
    """Close the days and months before that of the newest minute."""
    until, today = closed(connection), day_of(newest_s, zone)
    start_s, month = day_bounds(today, zone)[0], today // 100 * 100 + 1
    if until.hours_s < start_s:
        _close_days(connection, zone, until.hours_s, start_s)
    if until.day < month:
        _close_months(connection, until.day, month)


def align(connection: sqlite3.Connection, zone: tzinfo) -> None:
    """Close a day that is closed in part (the time zone is another one than before) up to its end."""
    until_s = closed(connection).hours_s
    if until_s:
        start_s, end_s = day_bounds(day_of(until_s, zone), zone)
        if until_s != start_s:
            _close_days(connection, zone, until_s, end_s)


def expire(connection: sqlite3.Connection, zone: tzinfo, resolution: Resolution, since_s: int) -> int:
    """Drop what is older and in closed buckets; returns since when rows are there now."""
    until_s = kept(connection, zone).until
    coarser = {Resolution.HOUR: Resolution.DAY, Resolution.DAY: Resolution.MONTH}.get(resolution)
    since_s = min(since_s, until_s[coarser]) if coarser else since_s
    bucket = resolution.bucket(since_s, zone)
    for kind in (USAGE, COVERAGE):
        connection.execute(
            f"DELETE FROM {kind.name}_{resolution} WHERE chunk <= ? AND bucket < ?",  # noqa: S608
            (resolution.chunk(bucket), bucket),
        )
    connection.execute(_PUT_KEPT, (resolution, since_s))
    return since_s


def newest_minute(connection: sqlite3.Connection) -> int | None:
    """The start of the last minute that has usage, UTC seconds."""
    found = connection.execute(
        "SELECT max(bucket) FROM usage_minute WHERE chunk = (SELECT max(chunk) FROM usage_minute)"
    ).fetchone()[0]
    return None if found is None else int(found)


def _close_days(connection: sqlite3.Connection, zone: tzinfo, start_s: int, end_s: int) -> None:
    for kind in (USAGE, COVERAGE):
        hours = _between(connection, kind, Resolution.HOUR, start_s, end_s)
        add_days(connection, kind, fold(hours, Resolution.DAY, zone))
    connection.execute(_SET_CLOSED, (Resolution.DAY, end_s))


def _close_months(connection: sqlite3.Connection, first: int, last: int) -> None:
    for kind in (USAGE, COVERAGE):
        months: dict[tuple[int, int], Any] = {}
        for (day, key), counted in _between(connection, kind, Resolution.DAY, first, last).items():
            place = day // 100, key
            months[place] = months[place].plus(counted) if place in months else counted
        _add(connection, kind, Resolution.MONTH, months)
    connection.execute(_SET_CLOSED, (Resolution.MONTH, last))


def _between(connection: sqlite3.Connection, kind: Kind, resolution: Resolution, low: int, high: int) -> Rows:
    rows = connection.execute(
        f"""SELECT bucket, {kind.key}, {", ".join(kind.columns)} FROM {kind.name}_{resolution}
            WHERE chunk BETWEEN ? AND ? AND bucket >= ? AND bucket < ?""",  # noqa: S608
        (resolution.chunk(low), resolution.chunk(high), low, high),
    )
    return {(bucket, key): kind.make(counted) for bucket, key, *counted in rows}


def _add(connection: sqlite3.Connection, kind: Kind, resolution: Resolution, rows: Rows) -> None:
    """In the order of the table, so that each page is found once."""
    connection.executemany(
        _ADD[kind.name, resolution],
        sorted((resolution.chunk(bucket), key, bucket, *counted) for (bucket, key), counted in rows.items()),
    )
