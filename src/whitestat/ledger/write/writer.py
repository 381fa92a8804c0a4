"""The one writer: every flush is one block of the journal, folded into buckets once an hour."""

from __future__ import annotations

import errno
import logging
import os
import shlex
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import tzinfo
from pathlib import Path

from whitestat.core.calendar import day_bounds, hour_start
from whitestat.core.errors import DamagedLedger, LedgerError
from whitestat.core.model import Address, Counts, Hold, Point, Receipt, UsageKey
from whitestat.ledger.files import journal, undated
from whitestat.ledger.files.blocks import Blocks, fits
from whitestat.ledger.files.copies import copy
from whitestat.ledger.files.database import fault_in, is_damage, lock, open_alone, open_for_writing, transaction
from whitestat.ledger.files.place import Place, knows_alike, place_of
from whitestat.ledger.files.wal import WalReader, log_of
from whitestat.ledger.resolutions import KEPT_S, Resolution
from whitestat.ledger.tables import buckets, details, plans, zones
from whitestat.ledger.tables.flush import DeviceRecord, Flush, LedgerState
from whitestat.ledger.tables.rows import SCOPES, audit_text, device_row, episode_row, reading_row
from whitestat.ledger.tables.unflushed import handed_in
from whitestat.ledger.write import troubles
from whitestat.ledger.write.folding import ADDRESSES_KEPT, Folded, FoldedSums, Loss, fold, gather
from whitestat.ledger.write.state import receipts, state_of
from whitestat.plans.plan import Plan

__all__ = ["ADDRESSES_KEPT", "DeviceRecord", "Flush", "LedgerState", "Place", "Writer"]

log = logging.getLogger("whitestat")

SLOTS_MAX = 400
"""The journal is folded when it holds so many: 0.8 MB, an hour of flushes every 10 s."""

ADDRESS_EVERY_MS = 600_000
"""An address that goes on being seen is journaled this often: it would fill half of each entry."""

DETAILS_MAX = 24
"""Services and peers are folded when so many were handed in, twice a day at one in half an hour: each fold
rewrites most pages of the day's peers, and questions read what is not folded."""

BY_DAYS_S = 2 * 86_400
"""Minutes that are kept so long are dropped by whole days: by the hour it wrote as much as it took to book them."""

READINGS_KEPT_S = 400 * 86_400
"""A counter that was not read for so long is forgotten."""

_COARSER = {
    Resolution.SECOND: Resolution.MINUTE,
    Resolution.MINUTE: Resolution.HOUR,
    Resolution.HOUR: Resolution.DAY,
    Resolution.DAY: Resolution.MONTH,
}
_PUT_POINT = """INSERT INTO point (name, collector, interface, counts) VALUES (?, ?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET collector = excluded.collector, interface = excluded.interface,
    counts = excluded.counts"""
_PUT_DEVICE = "INSERT OR REPLACE INTO device (id, name, name_source, person) VALUES (?, ?, ?, ?)"
_PUT_EPISODE = """INSERT INTO episode (id, device, mac, address, start_ms, end_ms, last_seen_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET device = excluded.device, mac = excluded.mac,
    address = excluded.address, start_ms = excluded.start_ms, end_ms = excluded.end_ms"""
_SERIES = "SELECT s.id, s.episode, p.name, s.scope FROM series s JOIN point p ON p.id = s.point"


class Writer:
    """Holds the writing connection. Any thread may call it, one call at a time.

    `octets_written` is what was written since this writer opened: blocks of the journal, SQLite's write-ahead log,
    and the pages that went from there into the database.
    """

    def __init__(self, path: Path, zone: tzinfo, kept_s: Mapping[str, int | None] = KEPT_S | details.KEPT_S) -> None:
        """`kept_s` is how long the rows of each resolution are kept, as KEPT_S; 0 seconds is no second. Without a word
        on seconds they are kept if they were."""
        self._path = path
        self._kept_s = kept_s
        self._zone = self._booked = zone
        self._chain = self._octets_before = 0
        self._points: dict[str, int] = {}
        self._series: dict[UsageKey, int] = {}
        self._addresses: dict[tuple[int, Address], int] = {}
        self._seen_again: dict[tuple[int, Address], int] = {}
        self._receipts: dict[str, int] = {}
        self._sequence = self._folded = 0
        self._hour_s: int | None = None
        self._details = 0
        self._pause: Callable[[], None] = buckets.go_on
        self.flushes = 0
        self.hold: Hold | None = None
        """What the last process was held by, when this one opened."""
        self.is_holding = False
        """Whether there is usage that waits for a date, or a hold that is over."""
        self.notices: tuple[str, ...] = ()
        """What the disk lost in the last month, the latest first, for the page."""
        self.replaced = 0
        """How often another ledger was opened in place of the one before: it may lack what was written to that one."""
        self._open()

    def _open(self) -> None:
        self._connection = open_for_writing(self._path)
        try:
            self._lock = lock(self._path)
        except LedgerError:
            self._connection.close()
            raise
        self._wal = WalReader(self._path)
        self._blocks = self._opened_blocks()
        self._is_open = True
        self.place, self._mode = place_of(self._path), self._path.stat().st_mode & 0o777
        try:
            self._begin()
        except LedgerError:
            self._shut()
            raise
        self._log_place = place_of(log_of(self._path))

    def _shut(self) -> None:
        """Let go of all files. `_find_place` opens them anew."""
        self._is_open = False
        self._connection.close()
        self._wal.checkpointed()
        self._octets_before = self.octets_written
        if self._blocks:
            self._blocks.close()
            self._blocks = None
        self._wal.octets = 0
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        for cache in (self._points, self._series, self._addresses, self._seen_again):
            cache.clear()
        self._hour_s = None

    def give_way(self, pause: Callable[[], None]) -> None:
        """From now on `pause` is called every few milliseconds of a fold: it returns when no other work is urgent."""
        self._pause = pause

    def _opened_blocks(self) -> Blocks | None:
        """None where there can be no such file: all flushes then go into the database."""
        try:
            return Blocks(self._path, writing=True)
        except OSError:
            return None

    @property
    def sequence(self) -> int:
        """The number of the last flush."""
        return self._sequence

    @property
    def handed_in(self) -> int:
        """The number of the last hand-in of services and peers; LedgerError."""
        with self._reading():
            return handed_in(self._connection)

    @property
    def octets_written(self) -> int:
        return self._octets_before + self._wal.octets + (self._blocks.octets if self._blocks else 0)

    def close(self) -> None:
        if self._is_open:
            with suppress(LedgerError):  # what cannot be folded now is journaled, and folded by the next writer
                self.fold()
            self._shut()

    def set_aside(self, reason: str, now_ms: int) -> None:
        """The ledger is damaged: go on with a new one that has this writer's state. Raises LedgerError."""
        from whitestat.ledger.recovery.aside import set_aside  # of use where a disk failed, and else not loaded

        if self._is_open and "table " not in reason:
            with suppress(sqlite3.Error):  # which part it is takes a look at all of it
                reason = f"{reason}: {fault_in(self._connection)}".removesuffix(": ")
        if self._is_open:
            self._shut()
        place = set_aside(self._path, reason, now_ms)
        log.error("%s; it is set aside as %s, and a new one goes on: whitestat recover", reason, place)
        self.replaced += 1
        self._open()

    def look_at_place(self) -> None:
        """As before a commit, where there is nothing to write: what is gone is noticed. Raises LedgerError."""
        if self._is_open:
            self._find_place()

    def _find_place(self) -> None:
        """See to it that the path leads to what is open. LedgerError where it cannot be made to, yet."""
        if not self._is_open:
            self._open()
            return
        place = place_of(self._path)
        if place is None:
            self._put_back()
        elif place != self.place:
            self._take_over()
        elif self._blocks and not self._blocks.is_at(self._path):
            self.fold()
            self._blocks.close()
            self._blocks = self._opened_blocks()

    def _put_back(self) -> None:
        """The file that is open has no name any more, or another one: all of it is written to its place."""
        path = self._path.resolve()
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with suppress(LedgerError):  # a copy takes along what is not folded
                self.fold()
            self._remove_log()  # SQLite would take it for that of the new file
            copy(self._connection, path)
            path.chmod(self._mode)
        except (OSError, LedgerError) as error:
            text = f"{path}: is gone (deleted or moved) and cannot be written again yet: {error}"
            raise LedgerError(f"{text}{_remedy(path.parent)}") from error
        self._reopen("the ledger was deleted or moved while the service ran; all of it was written to its place again")

    def _remove_log(self) -> None:
        path = self._path.resolve()
        for log in (log_of(path), path.with_name(f"{path.name}-shm")):
            log.unlink(missing_ok=True)

    def _take_over(self) -> None:
        """Another ledger was put in the place of the one that is open, as from a backup."""
        try:
            with closing(open_alone(self._path)) as other:
                if not knows_alike(self._connection, other):
                    raise LedgerError("it knows other devices")
        except (LedgerError, OSError, sqlite3.Error) as error:
            raise LedgerError(
                f"{self._path}: another file was put in the place of the ledger while the service ran: {error}; "
                "put the ledger back, or start the service anew"
            ) from error
        with suppress(LedgerError, sqlite3.Error):
            self.fold()
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if place_of(log_of(self._path)) == self._log_place:  # SQLite would take it for that of the new file
            self._remove_log()
        self._reopen("another ledger was put in the place of the one in use, and is used from now on")

    def _reopen(self, text: str) -> None:
        self._shut()
        self.replaced += 1
        self._open()
        newest_s = buckets.newest(self._connection, Resolution.MINUTE) or 0
        with self._writing("noting"):
            troubles.note(self._connection, newest_s * 1000, text)
        self._tell([text])

    def commit(self, flush: Flush) -> bool:
        """Books the flush, all of it or nothing; False where its receipts were booked before.

        A receipt is booked when its epoch is not past the last one of its meter: then the same counts are in
        the ledger already, and booking them again changes nothing. Raises LedgerError when the flush could
        not be booked (disk full, database locked): the same flush may be committed again later. Raises it too
        when some of its receipts were booked and others not, as its usage cannot be told apart by meter.
        """
        self._find_place()
        if self._is_booked(flush.receipts):
            return False
        newest_s = max((at_s for at_s, _ in (*flush.usage, *flush.coverage)), default=None)
        if self._is_due(newest_s):
            self.fold()
        self._sequence = self._append_block(flush) or self._append_row(flush)
        self._receipts.update(flush.receipts)
        if newest_s is not None:
            self._hour_s = max(hour_start(newest_s, self._zone), self._hour_s or 0)
        self.flushes += 1
        return True

    def keep_held(self, flush: Flush, hold: Hold) -> bool:
        """As `commit`, of usage and coverage that have no date yet: they are kept apart until `release`."""
        self._find_place()
        if self._is_booked(flush.receipts):
            return False
        if self._sequence - self._folded >= SLOTS_MAX:
            self.fold()
        with self._writing("commit"):
            entry = self._entry(flush)
            undated.append(self._connection, hold, entry)
            rest = journal.packed(entry._replace(usage=[], coverage=[]))
            sequence = journal.append(self._connection, self._folded, self._sequence, rest)
        self._sequence, self.is_holding = sequence, True
        self._receipts.update(flush.receipts)
        self.flushes += 1
        return True

    def release(self, boot: str, offset_ms: int, now_ms: int) -> None:
        """Book what is held, all or nothing: instants are so far ahead of the boot's monotonic clock. LedgerError.

        What was seen later than now was seen now.
        """
        with self._writing("commit"):
            sequence = self._sequence
            for entry in undated.release(self._connection, boot, offset_ms):
                sequence = journal.append(self._connection, self._folded, sequence, journal.packed(entry))
            undated.not_later(self._connection, self._booked, now_ms)
        self._sequence, self.is_holding = sequence, False
        self.fold()

    def _append_block(self, flush: Flush) -> int | None:
        """The flush in blocks of the file; None where it has what the database does not know, or is too long."""
        if self._blocks is None or not self._is_known(flush):
            return None
        try:
            content = journal.packed(self._entry(flush))
            return self._blocks.append(self._chain, self._sequence, content) if fits(content) else None
        except (OSError, OverflowError, UnicodeError) as error:
            self._addresses.clear()
            full = isinstance(error, OSError) and error.errno == errno.ENOSPC
            raise LedgerError(f"{self._path}: commit failed: {'disk is full' if full else error}") from error

    def _append_row(self, flush: Flush) -> int:
        with self._writing("commit"):
            entry = self._entry(flush)
            self._append_detail(flush)
            return journal.append(self._connection, self._folded, self._sequence, journal.packed(entry))

    def _is_known(self, flush: Flush) -> bool:
        """Whether there is nothing in it but figures of series and points that have numbers."""
        if flush.points or flush.devices or flush.episodes or flush.services or flush.peers:
            return False
        points = {
            *(name for _, name in flush.coverage),
            *flush.audits,
            *(reading.key.point for reading in flush.readings),
        }
        return points <= self._points.keys() and {key for _, key in flush.usage} <= self._series.keys()

    def fold(self) -> None:
        """Move what was journaled into buckets; raises LedgerError, and the journal is as it was."""
        if self._sequence == self._folded:
            return
        with self._writing("fold"):
            done = self._folded_journal()
            sentences = self._note(done.losses)
            chain = journal.new_chain(self._connection)
        self._sequence = self._folded = done.sequence
        self._tell(sentences)
        self._chain = chain
        self._hour_s = None
        if self._details >= DETAILS_MAX:
            self.fold_details()
        self._addresses.clear()
        self._seen_again.clear()

    def _folded_journal(self) -> Folded:
        connection, seen, pause = self._connection, self._seen_again, self._pause
        return fold(connection, self._blocks, self._booked, seen, pause)

    def fold_details(self) -> None:
        """Move services and peers into their tables; raises LedgerError, and they stay as handed in."""
        with self._writing("fold"):
            details.fold(self._connection, self._booked, self._pause)
        self._details = 0

    def follow_plans(self, agreed: Sequence[Plan], now_s: int) -> list[str]:
        """These plans hold from now on, those before up to now; returns the names that changed; LedgerError."""
        self.fold()  # what was metered under the terms before is classed by them
        with self._writing("agreeing on plans"):
            newest = buckets.newest(self._connection, Resolution.MINUTE)
            return plans.follow(self._connection, self._booked, agreed, max(now_s, newest or 0))

    def reprice(self, plan: int, from_s: int | None) -> int:
        """Class a plan's usage anew under the terms that hold now; returns from when on; LedgerError."""
        self.fold()
        with self._writing("repricing"):
            return plans.reprice(self._connection, self._booked, plan, from_s)

    def name(self, devices: Iterable[DeviceRecord]) -> None:
        """Put the rows of devices at once; raises LedgerError."""
        with self._writing("naming"):
            self._connection.executemany(_PUT_DEVICE, map(device_row, devices))

    @contextmanager
    def erasing(self) -> Iterator[None]:
        """What is deleted meanwhile is overwritten, in the database, in its log and in the journal; LedgerError."""
        self.fold()
        self._connection.execute("PRAGMA secure_delete = ON")
        try:
            self._connection.execute("DELETE FROM journal")
            yield
            if self._blocks:
                self._blocks.erase()
            with suppress(sqlite3.Error):  # a reader may hold it back; the next one moves it
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._connection.execute("PRAGMA secure_delete = OFF")

    @contextmanager
    def transaction(self, what: str) -> Iterator[sqlite3.Connection]:
        """A transaction of the writing connection, for what is no usage; LedgerError where it fails."""
        with self._writing(what):
            yield self._connection

    def expire(self, now_s: int) -> None:
        """Drops minutes and hours, and readings, that are past their time; raises LedgerError.

        Counted from the newest minute booked where that is before now, so that a clock gone wild deletes
        nothing.
        """
        with self._writing("expire"):
            newest = buckets.newest(self._connection, Resolution.MINUTE)
            if newest is not None:
                self._expire(min(now_s, newest))

    def state(self) -> LedgerState:
        """What is known from before; raises LedgerError."""
        self.fold()
        with self._reading():
            return state_of(self._connection)

    def day_usage(self, day: int) -> dict[UsageKey, Counts]:
        """What is booked to a local date (YYYYMMDD), or held and noted by it, of all points; raises LedgerError."""
        start_s, end_s = day_bounds(day, self._zone)
        with self._reading():
            keys = {
                series: UsageKey(episode, point, SCOPES[scope])
                for series, episode, point, scope in self._connection.execute(_SERIES)
            }
            sums: FoldedSums = {}
            for _, series, columns in buckets.read(self._connection, buckets.USAGE, Resolution.HOUR, (start_s, end_s)):
                gather(sums, [(day, series, *map(sum, columns[1:]))])
            for _, entry in self._entries():
                gather(sums, [(day, *row[1:]) for row in entry.usage if start_s <= row[0] < end_s])
            for batch in undated.batches(self._connection) if self.is_holding else ():
                gather(sums, [(day, *row[1:]) for row in batch.moved(0).usage if start_s <= row[0] < end_s])
        return {keys[series]: Counts._make(steps[day]) for series, steps in sums.items()}

    def _entries(self) -> Iterator[tuple[int, journal.JournalEntry]]:
        """What is not folded; the fold tells of what cannot be read."""
        folded, connection = self._folded, self._connection
        return journal.entries(connection, self._blocks, folded, folded, lambda *_: None, thorough=True)

    def _begin(self) -> None:
        """Fold what a writer before left behind."""
        with self._writing("opening"):
            zones.note(self._connection, self._zone)
            self._booked = zones.booked_zone(self._connection, self._zone)
            buckets.align(self._connection, self._booked)
            done = self._folded_journal()
            self._sequence = self._folded = done.sequence
            if Resolution.SECOND in self._kept_s:
                buckets.keep_seconds(self._connection, keep=self._kept_s[Resolution.SECOND] != 0)
            sentences = self._note(done.losses)
            self._chain = journal.new_chain(self._connection)
            self._know(receipts(self._connection))
            self._details = self._connection.execute("SELECT count(*) FROM detail").fetchone()[0]
            newest_s = buckets.newest(self._connection, Resolution.MINUTE) or 0
            self.notices = troubles.told(self._connection, newest_s * 1000)
            self.hold, self.is_holding = undated.hold_of(self._connection), undated.is_any(self._connection)
        for sentence in sentences:
            log.error("%s", sentence)

    def _know(self, booked: Mapping[str, int]) -> None:
        """What this writer booked to the ledger before is not booked again to the one that took its place."""
        newer = {meter: epoch for meter, epoch in self._receipts.items() if epoch > booked.get(meter, epoch - 1)}
        self._connection.executemany("INSERT OR REPLACE INTO receipt VALUES (?, ?)", newer.items())
        self._receipts = {**booked, **newer}

    def _note(self, losses: Iterable[Loss]) -> list[str]:
        """Record the unreadable parts of a fold, to be reported after a restart too; return the sentences."""
        sentences = []
        for loss in losses:
            sentences.append(troubles.of_journal(loss, self._zone))
            troubles.note(self._connection, loss.before_s * 1000, sentences[-1])
        return sentences

    def _tell(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            log.error("%s", sentence)
            self.notices = (sentence, *self.notices)[: troubles.TOLD]

    def _is_due(self, newest_s: int | None) -> bool:
        """Whether to fold before the next flush: an hour is whole, or the journal is full."""
        if self._sequence - self._folded >= SLOTS_MAX:
            return True
        return self._hour_s is not None and newest_s is not None and hour_start(newest_s, self._zone) > self._hour_s

    def _is_booked(self, receipts: Sequence[Receipt]) -> bool:
        known = [
            receipt for receipt in receipts if receipt.epoch <= self._receipts.get(receipt.meter, receipt.epoch - 1)
        ]
        if known and len(known) < len(receipts):
            meter, epoch = known[0]
            raise LedgerError(f"{self._path}: epoch {epoch} of {meter} is booked, others of its flush are not")
        return bool(known)

    def _entry(self, flush: Flush) -> journal.JournalEntry:
        """The flush as rows; what is new and rare goes to its table at once, since questions need its name."""
        self._put_points(flush.points)
        self._connection.executemany(_PUT_DEVICE, map(device_row, flush.devices))
        self._connection.executemany(_PUT_EPISODE, map(episode_row, flush.episodes))
        return journal.JournalEntry(
            usage=[[at_s, self._series_of(key), *counts] for (at_s, key), counts in flush.usage.items()],
            coverage=[[at_s, self._point(name), *coverage] for (at_s, name), coverage in flush.coverage.items()],
            seen=[[episode, at_ms] for episode, at_ms in flush.seen.items()],
            addresses=list(self._fresh(flush)),
            readings=[_hexadecimal(reading_row(self._point(reading.key.point), reading)) for reading in flush.readings],
            audits=[[self._point(name), audit_text(audit)] for name, audit in flush.audits.items()],
            receipts=[list(receipt) for receipt in flush.receipts],
        )

    def _append_detail(self, flush: Flush) -> None:
        if flush.services or flush.peers:
            service = [
                [hour_s, self._series_of(key.usage), key.protocol, key.service, *counts]
                for (hour_s, key), counts in flush.services.items()
            ]
            peer = [
                [hour_s, self._series_of(key.usage), details.stored(key.peer).hex(), *counts]
                for (hour_s, key), counts in flush.peers.items()
            ]
            details.append(self._connection, details.DetailEntry(service, peer))
            self._details += 1

    def _fresh(self, flush: Flush) -> Iterator[list[int | str]]:
        """Addresses that were not journaled just before."""
        for key, at_ms in flush.addresses.items():
            if at_ms - self._addresses.get(key, -ADDRESS_EVERY_MS) >= ADDRESS_EVERY_MS:
                self._addresses[key] = at_ms
                yield [key[0], key[1].hex(), at_ms]
            else:
                self._seen_again[key] = at_ms

    def _put_points(self, points: Sequence[Point]) -> None:
        rows = [(point.name, point.collector, point.interface, point.counts) for point in points]
        self._connection.executemany(_PUT_POINT, rows)

    def _point(self, name: str) -> int:
        if name not in self._points:
            self._connection.execute("INSERT OR IGNORE INTO point VALUES (NULL, ?, '', NULL, 1)", (name,))
            row = self._connection.execute("SELECT id FROM point WHERE name = ?", (name,))
            self._points[name] = row.fetchone()[0]
        return self._points[name]

    def _series_of(self, key: UsageKey) -> int:
        if key not in self._series:
            columns = key.episode, self._point(key.point), SCOPES.index(key.scope)
            self._connection.execute("INSERT OR IGNORE INTO series VALUES (NULL, ?, ?, ?)", columns)
            row = self._connection.execute(
                "SELECT id FROM series WHERE episode = ? AND point = ? AND scope = ?", columns
            )
            self._series[key] = row.fetchone()[0]
        return self._series[key]

    def _expire(self, now_s: int) -> None:
        """Each ends where a bucket of a coarser resolution begins, so that no bucket is half there."""
        for resolution, coarser in _COARSER.items():
            kept_s = self._kept_s.get(resolution)
            if kept_s:
                by_days = resolution is Resolution.MINUTE and kept_s >= BY_DAYS_S
                since_s = (Resolution.DAY if by_days else coarser).floor(now_s - kept_s, self._booked)
                buckets.expire(self._connection, self._booked, resolution, since_s)
        kept_s = self._kept_s.get(Resolution.DAY)
        if kept_s is not None:
            plans.expire(self._connection, now_s - kept_s)
        details.expire(self._connection, self._booked, now_s, self._kept_s)
        self._connection.execute("DELETE FROM reading WHERE at_ms < ?", ((now_s - READINGS_KEPT_S) * 1000,))

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        try:
            with transaction(self._connection):
                yield
        except BaseException as error:
            self._points.clear()  # numbers given inside a transaction that came to nothing
            self._series.clear()
            self._addresses.clear()
            if isinstance(error, sqlite3.Error | OverflowError | UnicodeError):
                fault = DamagedLedger if is_damage(error) else LedgerError
                raise fault(f"{self._path}: {what} failed: {error}") from error
            if isinstance(error, LedgerError):
                raise type(error)(f"{self._path}: {error}") from error
            raise
        finally:
            self._wal.follow()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            fault = DamagedLedger if is_damage(error) else LedgerError
            raise fault(f"{self._path}: cannot be read: {error}") from error


def _hexadecimal(row: Sequence[object]) -> list[object]:
    return [value.hex() if isinstance(value, bytes) else value for value in row]


def _remedy(folder: Path) -> str:
    """What to do where the folder is gone and its user may not make it anew."""
    if folder.is_dir():  # one that was deleted is still there, without a name, where the process sees it by a mount
        return "" if folder.stat().st_nlink else "; its folder was deleted: start the service anew"
    words = ("install", "-d", "-m", "700", "-o", str(os.geteuid()), "-g", str(os.getegid()), str(folder))
    return f"; make the folder anew, as root: {shlex.join(words)}"
