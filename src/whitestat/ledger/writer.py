"""The one writer: every flush is one transaction, into minutes, hours and days at once."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path

from whitestat.errors import LedgerError
from whitestat.ledger.flush import DeviceRecord, Flush, State
from whitestat.ledger.resolutions import HOURS_KEPT_S, MINUTES_KEPT_S, Resolution, fold
from whitestat.ledger.rows import (
    SCOPES,
    audit_of,
    audit_text,
    device_row,
    episode_row,
    reading_of,
    reading_row,
)
from whitestat.ledger.schema import lock, open_for_writing, transaction
from whitestat.ledger.wal import WalReader
from whitestat.model import Audit, Counts, Coverage, Episode, Point, Receipt, UsageKey

__all__ = ["ADDRESSES_KEPT", "DeviceRecord", "Flush", "State", "Writer"]

ADDRESSES_KEPT = 16
"""How many addresses of an episode are remembered: the latest; IPv6 privacy addresses change daily."""


def _adding(table: str, columns: Sequence[str]) -> str:
    """Adds a row to the bucket that is there; the names are this module's own."""
    places = ", ".join("?" * (len(columns) + 2))
    sums = ", ".join(f"{column} = {column} + excluded.{column}" for column in columns)
    return f"INSERT INTO {table} VALUES ({places}) ON CONFLICT DO UPDATE SET {sums}"  # noqa: S608


_ADD_USAGE = {each: _adding(f"usage_{each}", Counts._fields) for each in Resolution}
_ADD_COVERAGE = {each: _adding(f"coverage_{each}", Coverage._fields) for each in Resolution}
_DELETE_OLD = {
    each: (
        f"DELETE FROM usage_{each} WHERE bucket < ?",  # noqa: S608
        f"DELETE FROM coverage_{each} WHERE bucket < ?",  # noqa: S608
    )
    for each in (Resolution.MINUTE, Resolution.HOUR)
}
_PUT_POINT = """INSERT INTO point (name, collector, interface, counts) VALUES (?, ?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET collector = excluded.collector, interface = excluded.interface,
    counts = excluded.counts"""
_PUT_DEVICE = "INSERT OR REPLACE INTO device (id, name, name_source, person) VALUES (?, ?, ?, ?)"
_PUT_EPISODE = """INSERT INTO episode (id, device, mac, address, start_ms, end_ms, last_seen_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET device = excluded.device, mac = excluded.mac,
    address = excluded.address, start_ms = excluded.start_ms, end_ms = excluded.end_ms"""
_SEE_EPISODE = "UPDATE episode SET last_seen_ms = ? WHERE id = ? AND last_seen_ms < ?"
_SEE_ADDRESS = """INSERT INTO episode_address VALUES (?1, ?2, ?3, ?3)
    ON CONFLICT DO UPDATE SET last_ms = excluded.last_ms WHERE last_ms < excluded.last_ms"""
_FORGET_ADDRESSES = """DELETE FROM episode_address WHERE episode = ?1 AND address NOT IN
    (SELECT address FROM episode_address WHERE episode = ?1 ORDER BY last_ms DESC, address LIMIT ?2)"""
_PUT_READING = "INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_AUDIT = "INSERT OR REPLACE INTO audit VALUES (?, ?)"
_PUT_RECEIPT = "INSERT OR REPLACE INTO receipt VALUES (?, ?)"
_PUT_KEPT = """INSERT INTO kept VALUES (?, ?)
    ON CONFLICT DO UPDATE SET since = excluded.since WHERE since < excluded.since"""
_READINGS = """SELECT p.name, mac, address, peer_mac, peer, protocol, service, vlan, octets_in, octets_out,
    packets_in, packets_out, octets_unsplit, at_ms, epoch, width
    FROM reading r JOIN point p ON p.id = r.point"""
_RECEIPTS = "SELECT meter, epoch FROM receipt"
_AUDITS = "SELECT p.name, a.content FROM audit a JOIN point p ON p.id = a.point"
_DAY_USAGE = """SELECT s.episode, p.name, s.scope, u.octets_in, u.octets_out, u.packets_in, u.packets_out,
    u.octets_unsplit FROM usage_day u JOIN series s ON s.id = u.series JOIN point p ON p.id = s.point
    WHERE u.bucket = ?"""


class Writer:
    """Holds the writing connection. Any thread may call it, one call at a time.

    `octets_written` is what SQLite wrote since this writer opened: the write-ahead log, and the pages that
    went from there into the database.
    """

    def __init__(self, path: Path, zone: tzinfo) -> None:
        self._path = path
        self._zone = zone
        self._connection = open_for_writing(path)
        try:
            self._lock = lock(path)
        except LedgerError:
            self._connection.close()
            raise
        self._wal = WalReader(path)
        self._points: dict[str, int] = {}
        self._series: dict[UsageKey, int] = {}
        self.flushes = 0

    @property
    def octets_written(self) -> int:
        return self._wal.octets

    def close(self) -> None:
        self._connection.close()
        self._wal.checkpointed()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def commit(self, flush: Flush) -> bool:
        """Books the flush, all of it or nothing; False where its receipts were booked before.

        A receipt is booked when its epoch is not past the last one of its meter: then the same counts are in
        the ledger already, and booking them again changes nothing. Raises LedgerError when the flush could
        not be booked (disk full, database locked): the same flush may be committed again later. Raises it too
        when some of its receipts were booked and others not, as its usage cannot be told apart by meter.
        """
        with self._writing("commit"):
            if self._is_booked(flush.receipts):
                return False
            self._book(flush)
        self.flushes += 1
        return True

    def expire(self, now_s: int) -> None:
        """Drops minutes and hours, and readings, that are past their time; raises LedgerError.

        Counted from the newest minute booked where that is before now, so that a clock gone wild deletes
        nothing.
        """
        with self._writing("expire"):
            newest = self._connection.execute("SELECT max(bucket) FROM usage_minute").fetchone()[0]
            if newest is None:
                return
            self._expire(min(now_s, newest))

    def state(self) -> State:
        """What is known from before; raises LedgerError."""
        with self._reading():
            return State(
                readings=tuple(map(reading_of, self._connection.execute(_READINGS))),
                audits=dict(self._audits()),
                receipts=dict(self._connection.execute(_RECEIPTS)),
                devices=tuple(DeviceRecord(*row) for row in self._rows("device", DeviceRecord.__slots__)),
                episodes=tuple(Episode(*row) for row in self._rows("episode", Episode.__slots__)),
                points=tuple(
                    Point(name, collector, interface, bool(counts))
                    for name, collector, interface, counts in self._rows("point", Point.__slots__)
                ),
            )

    def day_usage(self, day: int) -> dict[UsageKey, Counts]:
        """What is booked to a local date (YYYYMMDD), of all points; raises LedgerError."""
        with self._reading():
            return {
                UsageKey(episode, point, SCOPES[scope]): Counts(*counts)
                for episode, point, scope, *counts in self._connection.execute(_DAY_USAGE, (day,))
            }

    def _rows(self, table: str, columns: Iterable[str]) -> sqlite3.Cursor:
        return self._connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id")  # noqa: S608

    def _is_booked(self, receipts: Sequence[Receipt]) -> bool:
        booked = dict(self._connection.execute(_RECEIPTS))
        known = [each for each in receipts if each.epoch <= booked.get(each.meter, each.epoch - 1)]
        if known and len(known) < len(receipts):
            meter, epoch = known[0]
            raise LedgerError(f"{self._path}: epoch {epoch} of {meter} is booked, others of its flush are not")
        return bool(known)

    def _book(self, flush: Flush) -> None:
        self._put_points(flush.points)
        self._book_usage(flush.usage)
        self._book_coverage(flush.coverage)
        self._put_devices(flush)
        run = self._connection.executemany
        run(_PUT_READING, (reading_row(self._point(each.key.point), each) for each in flush.readings))
        run(_PUT_AUDIT, ((self._point(name), audit_text(each)) for name, each in flush.audits.items()))
        run(_PUT_RECEIPT, flush.receipts)

    def _put_points(self, points: Sequence[Point]) -> None:
        rows = [(each.name, each.collector, each.interface, each.counts) for each in points]
        self._connection.executemany(_PUT_POINT, rows)

    def _book_usage(self, usage: Mapping[tuple[int, UsageKey], Counts]) -> None:
        for resolution in Resolution:
            rows = fold(usage, resolution, self._zone)
            self._connection.executemany(
                _ADD_USAGE[resolution],
                [(bucket, self._series_of(key), *counts) for (bucket, key), counts in rows.items()],
            )

    def _book_coverage(self, coverage: Mapping[tuple[int, str], Coverage]) -> None:
        for resolution in Resolution:
            rows = fold(coverage, resolution, self._zone)
            self._connection.executemany(
                _ADD_COVERAGE[resolution],
                [(bucket, self._point(name), *covered) for (bucket, name), covered in rows.items()],
            )

    def _put_devices(self, flush: Flush) -> None:
        run = self._connection.executemany
        run(_PUT_DEVICE, map(device_row, flush.devices))
        run(_PUT_EPISODE, map(episode_row, flush.episodes))
        run(_SEE_EPISODE, ((at_ms, episode, at_ms) for episode, at_ms in flush.seen.items()))
        run(_SEE_ADDRESS, ((*key, at_ms) for key, at_ms in flush.addresses.items()))
        run(
            _FORGET_ADDRESSES,
            ((episode, ADDRESSES_KEPT) for episode in {each for each, _ in flush.addresses}),
        )

    def _point(self, name: str) -> int:
        if name not in self._points:
            self._connection.execute("INSERT OR IGNORE INTO point VALUES (NULL, ?, '', NULL, 1)", (name,))
            found = self._connection.execute("SELECT id FROM point WHERE name = ?", (name,))
            self._points[name] = found.fetchone()[0]
        return self._points[name]

    def _series_of(self, key: UsageKey) -> int:
        if key not in self._series:
            columns = key.episode, self._point(key.point), SCOPES.index(key.scope)
            self._connection.execute("INSERT OR IGNORE INTO series VALUES (NULL, ?, ?, ?)", columns)
            found = self._connection.execute(
                "SELECT id FROM series WHERE episode = ? AND point = ? AND scope = ?", columns
            )
            self._series[key] = found.fetchone()[0]
        return self._series[key]

    def _expire(self, now_s: int) -> None:
        minutes_since = Resolution.HOUR.floor(now_s - MINUTES_KEPT_S, self._zone)
        hours_since = Resolution.DAY.floor(now_s - HOURS_KEPT_S, self._zone)
        for resolution, since in ((Resolution.MINUTE, minutes_since), (Resolution.HOUR, hours_since)):
            for delete in _DELETE_OLD[resolution]:
                self._connection.execute(delete, (since,))
            self._connection.execute(_PUT_KEPT, (resolution, since))
        self._connection.execute("DELETE FROM reading WHERE at_ms < ?", (hours_since * 1000,))

    def _audits(self) -> Iterator[tuple[str, Audit]]:
        for name, content in self._connection.execute(_AUDITS):
            audit = audit_of(content)
            if audit is not None:
                yield name, audit

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        try:
            with transaction(self._connection):
                yield
        except BaseException as error:
            self._points.clear()  # numbers given inside a transaction that came to nothing
            self._series.clear()
            if isinstance(error, sqlite3.Error | OverflowError | UnicodeError):
                raise LedgerError(f"{self._path}: {what} failed: {error}") from error
            raise
        finally:
            self._wal.follow()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise LedgerError(f"{self._path}: cannot be read: {error}") from error
