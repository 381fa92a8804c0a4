"""Books usage into the tables of every resolution; closes days and months when they are over.

A row holds the buckets that one series, or one point, has in a chunk (see `packed`). Its key is both numbers in one:
what is booked together lies together, and a device's span is read by seeks.

A bucket that is not closed has no row: its octets are in the next finer resolution. What comes late for a
closed one is added to it as well, so that each resolution sums to the same octets at any time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import tzinfo
from functools import cache, partial
from typing import NamedTuple

from whitestat.core.calendar import MINUTE_S, day_bounds, day_of, minute_start
from whitestat.core.errors import DamagedLedger
from whitestat.core.model import Counts, Coverage
from whitestat.ledger.resolutions import Resolution, RetainedSpans, Rows, folded
from whitestat.ledger.tables import packed
from whitestat.ledger.tables.cuts import SEEKS_MAX
from whitestat.ledger.tables.packed import Columns


class BucketKind(NamedTuple):
    """What is counted: the tables' name, and the columns."""

    name: str
    columns: tuple[str, ...]


USAGE = BucketKind("usage", Counts._fields)
COVERAGE = BucketKind("coverage", Coverage._fields)

CHUNK_BITS = 32
"""A key is the chunk, shifted by so many bits, and the number of the series or point."""

_KEY_MASK = (1 << CHUNK_BITS) - 1

CHUNKS_MAX = 10_000
"""In no more chunks than this each row is sought by itself: a year of minutes."""

ROWS_A_PAUSE = 16
"""Others may go first after so many rows written, about a millisecond."""

_SET_CLOSED = "INSERT OR REPLACE INTO closed VALUES (?, ?)"
_PUT_KEPT = """INSERT INTO kept VALUES (?, ?)
    ON CONFLICT DO UPDATE SET since = excluded.since WHERE since < excluded.since"""


BucketRange = tuple[int, int, Columns]
"""Chunk, number of the series or point, and its buckets there."""


def go_on() -> None:
    """Continue without a pause."""


class ClosedUntil(NamedTuple):
    """Hours that start before `hours_s` (UTC seconds) are in days, days before `day` (YYYYMMDD) in months."""

    hours_s: int
    day: int


def closed(connection: sqlite3.Connection) -> ClosedUntil:
    until = dict(connection.execute("SELECT resolution, until FROM closed"))
    return ClosedUntil(until.get(Resolution.DAY, 0), until.get(Resolution.MONTH, 0))


def kept(connection: sqlite3.Connection, zone: tzinfo) -> RetainedSpans:
    """What a question may be answered from."""
    hours_s, day = closed(connection)
    until = {Resolution.DAY: hours_s, Resolution.MONTH: day_bounds(day, zone)[0] if day else 0}
    since = dict(connection.execute("SELECT resolution, since FROM kept"))  # tables of detail have theirs there too
    return RetainedSpans({resolution: since[resolution] for resolution in Resolution if resolution in since}, until)


def keep_seconds(connection: sqlite3.Connection, *, keep: bool) -> None:
    """Keep each second from now on, which is what comes behind the newest minute, or no second at all any more."""
    row = connection.execute("SELECT 1 FROM kept WHERE resolution = ?", (Resolution.SECOND,)).fetchone()
    if keep and not row:
        last = newest(connection, Resolution.MINUTE)
        connection.execute(_PUT_KEPT, (Resolution.SECOND, 0 if last is None else last + MINUTE_S))
    elif row and not keep:
        connection.execute("DELETE FROM kept WHERE resolution = ?", (Resolution.SECOND,))
        for kind in (USAGE, COVERAGE):
            connection.execute(f"DELETE FROM {kind.name}_{Resolution.SECOND}")  # noqa: S608 - words of this module


def book(
    connection: sqlite3.Connection, zone: tzinfo, kind: BucketKind, rows: Rows, pause: Callable[[], None] = go_on
) -> None:
    """Add what was counted by the second or minute to its buckets of all resolutions; `pause` is called in between."""
    _add(connection, kind, Resolution.SECOND, _from(rows, kept(connection, zone).since_s(Resolution.SECOND)), pause)
    minutes = rows if all(at_s % MINUTE_S == 0 for steps in rows.values() for at_s in steps) else _minutes(rows)
    _add(connection, kind, Resolution.MINUTE, minutes, pause)
    hours = folded(minutes, cache(partial(Resolution.HOUR.bucket, zone=zone)))
    _add(connection, kind, Resolution.HOUR, hours, pause)
    late = _before(minutes, closed(connection).hours_s)
    add_days(connection, kind, folded(late, cache(partial(Resolution.DAY.bucket, zone=zone))))


def add_days(connection: sqlite3.Connection, kind: BucketKind, days: Rows) -> None:
    """Add to days, and to the months of those that are in closed ones."""
    _add(connection, kind, Resolution.DAY, days)
    _add(connection, kind, Resolution.MONTH, folded(_before(days, closed(connection).day), _month))


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
    """Drop chunks that are older and in closed buckets; returns since when buckets are told to be there now."""
    until_s = kept(connection, zone).until
    coarser = {Resolution.HOUR: Resolution.DAY, Resolution.DAY: Resolution.MONTH}.get(resolution)
    since_s = min(since_s, until_s[coarser]) if coarser else since_s
    chunk = resolution.chunk(resolution.bucket(since_s, zone))
    for kind in (USAGE, COVERAGE):
        connection.execute(f"DELETE FROM {kind.name}_{resolution} WHERE id < ?", (_id(chunk, 0),))  # noqa: S608
    connection.execute(_PUT_KEPT, (resolution, since_s))
    return since_s


def newest(connection: sqlite3.Connection, resolution: Resolution, kind: BucketKind = USAGE) -> int | None:
    """Return the number of the last bucket that has rows of the kind; None if there is none."""
    return _edge(connection, kind, resolution, "DESC", -1)


def oldest(connection: sqlite3.Connection, resolution: Resolution) -> int | None:
    """The number of the first bucket that has usage."""
    return _edge(connection, USAGE, resolution, "ASC", 0)


def read(
    connection: sqlite3.Connection,
    kind: BucketKind,
    resolution: Resolution,
    span: tuple[int, int],
    keys: Collection[int] | None = None,
) -> Iterator[BucketRange]:
    """Buckets from the one of the span up to and without the other, of some series or points or of all, chunk by chunk.

    LedgerError where a row is damaged.
    """
    low, high = span
    ends = first, last = resolution.chunk(low), resolution.chunk(high - 1)
    for id, content in _rows(connection, f"{kind.name}_{resolution}", first, last, keys):
        try:
            columns: Columns = packed.unpacked(content, len(kind.columns))
        except ValueError as error:
            raise _damaged(kind, resolution, id, error) from error
        chunk = id >> CHUNK_BITS
        if chunk in ends:
            columns = packed.between(
                columns,
                resolution.offset(low) if chunk == first else 0,
                resolution.offset(high - 1) + 1 if chunk == last else columns[0][-1] + 1,
            )
            if not columns[0]:
                continue
        yield chunk, id & _KEY_MASK, columns


def _close_days(connection: sqlite3.Connection, zone: tzinfo, start_s: int, end_s: int) -> None:
    for kind in (USAGE, COVERAGE):
        hours = _between(connection, kind, Resolution.HOUR, start_s, end_s)
        add_days(connection, kind, folded(hours, cache(partial(Resolution.DAY.bucket, zone=zone))))
    connection.execute(_SET_CLOSED, (Resolution.DAY, end_s))


def _close_months(connection: sqlite3.Connection, first: int, last: int) -> None:
    for kind in (USAGE, COVERAGE):
        days = _between(connection, kind, Resolution.DAY, first, last)
        _add(connection, kind, Resolution.MONTH, folded(days, _month))
    connection.execute(_SET_CLOSED, (Resolution.MONTH, last))


def _month(day: int) -> int:
    return day // 100


def _minutes(rows: Rows) -> Rows:
    return folded(rows, minute_start)


def _from(rows: Rows, start: int) -> Rows:
    return {
        key: {at: amounts for at, amounts in steps.items() if at >= start}
        for key, steps in rows.items()
        if max(steps) >= start
    }


def _before(rows: Rows, end: int) -> Rows:
    return {
        key: {at: amounts for at, amounts in steps.items() if at < end}
        for key, steps in rows.items()
        if min(steps) < end
    }


def _between(connection: sqlite3.Connection, kind: BucketKind, resolution: Resolution, low: int, high: int) -> Rows:
    rows: dict[int, dict[int, Sequence[int]]] = {}
    for chunk, key, (offsets, *amounts) in read(connection, kind, resolution, (low, high)):
        numbers = resolution.buckets(chunk, offsets)
        rows.setdefault(key, {}).update(zip(numbers, zip(*amounts, strict=True), strict=True))
    return rows


def _add(
    connection: sqlite3.Connection,
    kind: BucketKind,
    resolution: Resolution,
    rows: Rows,
    pause: Callable[[], None] = go_on,
) -> None:
    """In the order of the table, so that each page is found once."""
    chunks = {
        _id(chunk, key): [(offset, *steps[number]) for number, offset in zip(numbers, offsets, strict=True)]
        for key, steps in rows.items()
        for chunk, numbers, offsets in resolution.chunks(sorted(steps))
    }
    table = f"{kind.name}_{resolution}"
    get = f"SELECT content FROM {table} WHERE id = ?"  # noqa: S608 - words of this module
    put = f"INSERT OR REPLACE INTO {table} VALUES (?, ?)"  # noqa: S608
    for number, id in enumerate(sorted(chunks)):
        if number % ROWS_A_PAUSE == 0:
            pause()
        row = connection.execute(get, (id,)).fetchone()
        try:
            content = packed.added(row[0], chunks[id], len(kind.columns)) if row else packed.packed(chunks[id])
        except ValueError as error:
            raise _damaged(kind, resolution, id, error) from error
        connection.execute(put, (id, content))


def _rows(
    connection: sqlite3.Connection, table: str, first: int, last: int, keys: Collection[int] | None
) -> sqlite3.Cursor:
    """By seeks for a few, else in one sweep."""
    bound: tuple[object, ...] = (_id(first, 0), _id(last + 1, 0) - 1)
    where = "id BETWEEN ? AND ?"
    if keys is not None and len(keys) <= SEEKS_MAX and last - first < CHUNKS_MAX:
        where = "id IN (SELECT value FROM json_each(?))"
        bound = (json.dumps([_id(chunk, key) for chunk in range(first, last + 1) for key in keys]),)
    elif keys is not None:
        where += f" AND id & {_KEY_MASK} IN (SELECT value FROM json_each(?))"  # noqa: S608 - a number
        bound = (*bound, json.dumps(list(keys)))
    return connection.execute(f"SELECT id, content FROM {table} WHERE {where} ORDER BY id", bound)  # noqa: S608


def _edge(connection: sqlite3.Connection, kind: BucketKind, resolution: Resolution, order: str, at: int) -> int | None:
    """The chunk of the first row in that order holds it, in whichever series."""
    table = f"{kind.name}_{resolution}"
    row = connection.execute(f"SELECT id FROM {table} ORDER BY id {order} LIMIT 1").fetchone()  # noqa: S608
    if row is None:
        return None
    chunk = row[0] >> CHUNK_BITS
    rows = _rows(connection, table, chunk, chunk, None)
    offsets = (packed.unpacked(content, len(kind.columns))[0][at] for _, content in rows)
    return resolution.buckets(chunk, [max(offsets) if at else min(offsets)])[0]


def _id(chunk: int, key: int) -> int:
    return chunk << CHUNK_BITS | key


def _damaged(kind: BucketKind, resolution: Resolution, id: int, error: ValueError) -> DamagedLedger:
    return DamagedLedger(f"the table {kind.name}_{resolution} is damaged at {id}: {error}")
