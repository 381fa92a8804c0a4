"""Rows that a ledger cannot do without, made anew from the rest of it where their pages are lost."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing, suppress
from datetime import tzinfo
from pathlib import Path

from whitestat.core.calendar import day_bounds
from whitestat.ledger.files import journal
from whitestat.ledger.files.blocks import Blocks
from whitestat.ledger.recovery.salvage import PACKED_SINCE
from whitestat.ledger.resolutions import Resolution
from whitestat.ledger.tables import buckets, zones
from whitestat.ledger.tables.buckets import COVERAGE, USAGE
from whitestat.ledger.write.folding import instant_of

_POINTS = """SELECT point FROM series
    UNION SELECT id & 0xffffffff FROM coverage_minute UNION SELECT id & 0xffffffff FROM coverage_hour
    UNION SELECT id & 0xffffffff FROM coverage_day UNION SELECT id & 0xffffffff FROM coverage_month
    EXCEPT SELECT id FROM point"""
_SET_CLOSED = "INSERT OR IGNORE INTO closed VALUES (?, ?)"


def complete(connection: sqlite3.Connection, path: Path, zone: tzinfo) -> None:
    """Add what is missing: names of points, and up to where days, months and the journal are booked.

    The ledger's journal is beside `path`. A flush of the newest minute counts as booked, since a flush that is missing
    is better than one that is booked twice.
    """
    if connection.execute("PRAGMA user_version").fetchone()[0] < PACKED_SINCE:
        return
    for (point,) in connection.execute(_POINTS).fetchall():
        connection.execute(
            "INSERT INTO point VALUES (?, ?, 'lost', NULL, 1)", (point, f"point {point}, its name is lost")
        )
    day, month = (_newest(connection, resolution) for resolution in (Resolution.DAY, Resolution.MONTH))
    if day:
        end_s = day_bounds(day, zones.booked_zone(connection, zone))[1]
        connection.execute(_SET_CLOSED, (Resolution.DAY, end_s))
    if month:
        following = month + 1 if month % 100 < 12 else month + 89
        connection.execute(_SET_CLOSED, (Resolution.MONTH, following * 100 + 1))
    minute_s = _newest(connection, Resolution.MINUTE)
    if minute_s and not journal.folded(connection):
        _set_folded(connection, path, minute_s)


def _newest(connection: sqlite3.Connection, resolution: Resolution) -> int:
    return max(buckets.newest(connection, resolution, kind) or 0 for kind in (USAGE, COVERAGE))


def _set_folded(connection: sqlite3.Connection, path: Path, minute_s: int) -> None:
    """Take the flushes up to and with the newest minute for booked."""
    with ExitStack() as opened:
        blocks = None
        with suppress(OSError):
            blocks = opened.enter_context(closing(Blocks(path)))
        entries = journal.entries(connection, blocks, 0, 0, lambda *_: None, thorough=True)
        booked = [number for number, entry in entries if 0 < instant_of(entry) <= minute_s]
    if booked:
        journal.set_folded(connection, max(booked))
