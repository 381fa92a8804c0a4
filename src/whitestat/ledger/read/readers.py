"""Reading connections to the ledger: several answer at the same time, each one answer at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import tzinfo
from pathlib import Path
from sqlite3 import Error as SQLiteError
from threading import Condition

from whitestat.core.calendar import Cycle
from whitestat.core.errors import LedgerError
from whitestat.ledger.files.database import open_for_reading
from whitestat.ledger.files.place import place_of
from whitestat.ledger.read.breakdown import BreakdownReader
from whitestat.ledger.read.sums import SumReader
from whitestat.ledger.read.tail import JournalTail, OvertakenError
from whitestat.ledger.tables import zones
from whitestat.ledger.tables.unflushed import Overlay, Unflushed

CLOSING_S = 0.05
"""How often those in use are interrupted while they are waited for: an interrupt ends the running statement alone."""


class LedgerReader:
    """A connection that cannot write, and what reads through it.

    `is_spent` is set for one that was interrupted: its TEMP tables may have been rolled back, so it is closed.
    """

    def __init__(self, path: Path, zone: tzinfo, cycle: Cycle) -> None:
        """Open it. Raises LedgerError."""
        self.is_spent = False
        self.place, self.connection = place_of(path), open_for_reading(path)
        try:
            self.tail = JournalTail(self.connection, path)
            self.booked = zones.booked_zone(self.connection, zone)
            self.overlay = Overlay(self.connection, self.booked)
        except BaseException:
            self.connection.close()
            raise
        self.sums = SumReader(self.connection, zone, self.booked, cycle, self.overlay)
        self.detailed = BreakdownReader(self.connection, zone, cycle, self.sums, self.overlay)

    def begin(self, unflushed: Unflushed | None) -> bool:
        """Begin a snapshot in which the journal's tail was followed, anew where the writer came round meanwhile.

        Return whether it has no later flush than what is unflushed, which was asked for before.
        """
        while True:
            self.connection.execute("BEGIN")
            try:
                self.tail.follow()
                return self.overlay.show(unflushed, self.tail.sequence)
            except OvertakenError:
                self.connection.execute("COMMIT")
            except BaseException:
                self.connection.execute("COMMIT")
                raise

    def close(self) -> None:
        """Close the connection and the journal."""
        self.connection.close()
        self.tail.close()


class ReaderPool:
    """At most `most` readers, the first opened at once and others when all are in use; any thread may take one."""

    def __init__(self, path: Path, opened: Callable[[], LedgerReader], most: int) -> None:
        self._path = path
        self._opened = opened
        self._most = most
        self._idle = [opened()]
        self._used: list[LedgerReader] = []
        self._opening = 0
        self._is_closed = False
        self._changed = Condition()

    @contextmanager
    def one(self) -> Iterator[LedgerReader]:
        """Yield a reader of the file in the ledger's place now; wait while all are used. Raises LedgerError."""
        reader = self._take()
        try:
            yield reader
        finally:
            with self._changed:
                self._used.remove(reader)
                if reader.is_spent:
                    reader.close()
                else:
                    self._idle.append(reader)
                self._changed.notify_all()

    def wait_idle(self, seconds: float) -> None:
        """Return when no reader is in use, or after this time."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used, seconds)

    def close(self) -> None:
        """Close all, from any thread; what is being answered fails at once, with a LedgerError."""
        with self._changed:
            self._is_closed = True
            while self._used or self._opening:
                for reader in self._used:
                    reader.connection.interrupt()
                self._changed.wait(CLOSING_S)
            for reader in self._idle:
                reader.close()
            self._idle.clear()

    def _take(self) -> LedgerReader:
        with self._changed:
            while not self._is_closed:
                if self._idle:
                    reader = self._current(self._idle.pop())
                elif len(self._used) + self._opening < self._most:
                    reader = self._one_more()
                else:
                    self._changed.wait()
                    continue
                self._used.append(reader)
                return reader
        raise LedgerError(f"{self._path}: cannot be read: it was closed")

    def _one_more(self) -> LedgerReader:
        self._opening += 1
        self._changed.release()
        try:
            return self._opened()
        finally:
            self._changed.acquire()
            self._opening -= 1
            self._changed.notify_all()

    def _current(self, reader: LedgerReader) -> LedgerReader:
        """Go over to another file in the ledger's place; where there is none, what was open still answers."""
        if place_of(self._path) in (None, reader.place):
            return reader
        with suppress(LedgerError, SQLiteError):
            other = self._opened()
            reader.close()
            return other
        return reader
