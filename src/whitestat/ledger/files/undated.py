"""Usage that has no date yet, as the clock is not believed: kept beside the journal until it is.

A row has what one flush would have booked, labelled on the line that the monotonic clock of its boot draws on. Its
receipts, readings and audits are in the journal, so that no meter hands the same counts out again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from itertools import groupby
from operator import add, itemgetter
from typing import NamedTuple

from whitestat.core.calendar import DAY_S, HOUR_S, MINUTE_S, minute_start
from whitestat.core.model import Hold
from whitestat.ledger.files.journal import JournalEntry, packed, unpacked
from whitestat.ledger.resolutions import Resolution

ROWS_MAX = 200
"""So many rows are put together to one, so that a clock that is never set costs no card."""

MOST_ENTRIES = 50_000
"""Amounts in one row; where there are more they are put together by the hour, then by the day."""

_PUT_HOLD = "INSERT OR REPLACE INTO hold VALUES (1, ?, ?, ?, ?, ?)"
_HOLD = "SELECT boot, offset_ms, since_ms, wall_offset_ms, steady_ms FROM hold"
_PUT = "INSERT INTO held (boot, offset_ms, content) VALUES (?, ?, ?)"
_ALL = "SELECT boot, offset_ms, content FROM held ORDER BY id"
_NOT_LATER = (
    "UPDATE episode SET last_seen_ms = :now_ms WHERE last_seen_ms > :now_ms",
    "UPDATE episode_address SET last_ms = :now_ms, first_ms = min(first_ms, :now_ms) WHERE last_ms > :now_ms",
)

_COARSER = {"second": Resolution.MINUTE, "minute": Resolution.HOUR, "hour": Resolution.DAY} | dict.fromkeys(
    ("day", "month"), Resolution.MONTH
)

_Amounts = dict[tuple[int, int], Sequence[int]]
"""By instant and series or point."""


class Batch(NamedTuple):
    """What was held on one line: its boot, how far the line is ahead of that boot's monotonic clock, ms."""

    boot: str
    offset_ms: int
    usage: _Amounts
    coverage: _Amounts

    @property
    def span(self) -> tuple[int, int]:
        """From its first to the end of its last minute, UTC seconds on its line."""
        instants = [at_s for at_s, _ in (*self.usage, *self.coverage)]
        return min(instants, default=0), max(instants, default=-MINUTE_S) + MINUTE_S

    def moved(self, by_s: int) -> JournalEntry:
        return JournalEntry(_rows(self.usage, by_s), _rows(self.coverage, by_s))


def hold_of(connection: sqlite3.Connection) -> Hold | None:
    """What the last process was held by, None where it was not."""
    row = connection.execute(_HOLD).fetchone()
    return row and Hold(*row)


def is_any(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM held) OR EXISTS (SELECT 1 FROM hold)").fetchone()[0])


def append(connection: sqlite3.Connection, hold: Hold, entry: JournalEntry) -> None:
    """Put an entry's usage and coverage aside. Call it in the transaction that journals the rest of it."""
    connection.execute(_PUT_HOLD, hold)
    if entry.usage or entry.coverage:
        content = packed(JournalEntry(entry.usage, entry.coverage))
        connection.execute(_PUT, (hold.boot, hold.offset_ms, content))
    if connection.execute("SELECT count(*) FROM held").fetchone()[0] > ROWS_MAX:
        _replace(connection, list(batches(connection)))


def release(connection: sqlite3.Connection, boot: str, offset_ms: int) -> Iterator[JournalEntry]:
    """All that is held, where it belongs now that instants are so far ahead of the boot's monotonic clock.

    What was held in an earlier boot lies before this one began, how long before is not known. Call it in the
    transaction that journals what it yields.
    """
    began_s = offset_ms // 1000
    for batch in reversed(list(batches(connection))):
        first_s, end_s = batch.span
        by_s = (offset_ms - batch.offset_ms) // 1000 if batch.boot == boot else began_s - end_s
        by_s = minute_start(by_s)
        began_s = min(began_s, first_s + by_s)
        yield batch.moved(by_s)
    connection.execute("DELETE FROM held")
    connection.execute("DELETE FROM hold")


def not_later(connection: sqlite3.Connection, zone: tzinfo, now_ms: int) -> None:
    """Nothing was seen or dropped after now: a clock that was ahead said so.

    What it dropped stays dropped; from the next coarser bucket on everything is there again.
    """
    for statement in _NOT_LATER:
        connection.execute(statement, {"now_ms": now_ms})
    now_s = now_ms // 1000
    for name, since_s in connection.execute("SELECT resolution, since FROM kept").fetchall():
        again_s = _COARSER[name.rpartition("_")[2]].ceiling(now_s, zone)
        if since_s > again_s:
            connection.execute("UPDATE kept SET since = ? WHERE resolution = ?", (again_s, name))


def batches(connection: sqlite3.Connection) -> Iterator[Batch]:
    """The earliest first."""
    for (boot, offset_ms), rows in groupby(connection.execute(_ALL), itemgetter(0, 1)):
        usage: _Amounts = {}
        coverage: _Amounts = {}
        for _, _, content in rows:
            entry = unpacked(content)
            _gather(usage, entry.usage)
            _gather(coverage, entry.coverage)
        yield Batch(boot, offset_ms, _bounded(usage), _bounded(coverage))


def _replace(connection: sqlite3.Connection, batches: Iterable[Batch]) -> None:
    connection.execute("DELETE FROM held")
    rows = [(batch.boot, batch.offset_ms, packed(batch.moved(0))) for batch in batches]
    connection.executemany(_PUT, rows)


def _gather(to: _Amounts, rows: Iterable[Sequence[int]]) -> None:
    for at_s, key, *amounts in rows:
        place = at_s, key
        to[place] = tuple(map(add, to[place], amounts)) if place in to else tuple(amounts)


def _bounded(amounts: _Amounts) -> _Amounts:
    for length_s in (MINUTE_S, HOUR_S, DAY_S):
        if len(amounts) > MOST_ENTRIES:
            coarser: _Amounts = {}
            _gather(coarser, ((at_s - at_s % length_s, key, *row) for (at_s, key), row in amounts.items()))
            amounts = coarser
    return amounts


def _rows(amounts: _Amounts, by_s: int) -> list[Sequence[int]]:
    return [(max(0, at_s + by_s), key, *row) for (at_s, key), row in sorted(amounts.items())]
