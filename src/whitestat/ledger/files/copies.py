"""Copies of the ledger: on request while the service runs, and before a migration.

A copy is taken from one snapshot (a read transaction in WAL mode), so it holds whole flushes and is never begun anew
because the writer writes, which in turn never waits for it. It is written beside its place, in steps that
are synced one by one so that a card is not flooded, checked, and renamed: a file that bears the name is complete.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from whitestat.core.errors import DamagedLedger, LedgerError
from whitestat.ledger.files import journal
from whitestat.ledger.files.blocks import Blocks, file_of

PAGES = 256
"""How many pages a step copies: 1 MiB."""

_ROOM_KEPT = 1 << 20
"""Free space that must remain after an automatic copy."""


def copy(source: sqlite3.Connection, to: Path) -> int:
    """One snapshot of the source as a file of its own, replaced as a whole; LedgerError, and nothing is left."""
    part = to.with_name(f"{to.name}.part")
    try:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _write(source, part)
        _check(part)
        part.rename(to)
        _sync(to.parent)
        return to.stat().st_size
    except OSError as error:
        raise LedgerError(f"{to}: the copy cannot be written: {error.strerror}") from error
    except sqlite3.Error as error:
        damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT
        fault = DamagedLedger if damaged else LedgerError
        raise fault(f"{to}: the copy cannot be written: {error}") from error
    finally:
        for left in (part, part.with_name(f"{part.name}-journal")):
            with contextlib.suppress(OSError):
                left.unlink()


def copy_before_migration(connection: sqlite3.Connection, path: Path, version: int) -> Path:
    """Keep the database of an older version beside the new one. LedgerError where there is no room for it."""
    to = path.with_name(f"{path.name}.v{version}")
    pages, octets = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    disk = os.statvfs(path.parent)
    free, needed = disk.f_bavail * disk.f_frsize, pages * octets + _ROOM_KEPT
    if free < needed:
        raise LedgerError(
            f"{path}: is of version {version}, and there is no room to keep a copy of it before it is brought to the "
            f"next: {path.parent} has {free >> 20} MiB free, {-(-needed >> 20)} are needed; make room, and start again"
        )
    copy(connection, to)
    return to


def _write(source: sqlite3.Connection, part: Path) -> None:
    begun = not source.in_transaction
    if begun:
        source.execute("BEGIN")
    flushes = None
    with contextlib.suppress(sqlite3.DatabaseError):  # of a damaged one the check of the copy speaks
        missed: set[int] = set()
        while True:
            try:
                flushes = _not_folded(source, missed if begun else None)
                break
            except _TooOldError:
                source.execute("ROLLBACK")
                source.execute("BEGIN")
    file = os.open(part, os.O_RDWR)
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as target:
            target.execute("PRAGMA synchronous = OFF")  # each step is synced here
            source.backup(target, pages=PAGES, progress=lambda *_: os.fdatasync(file), sleep=0)
            _take_along(target, flushes)
        os.fsync(file)
    finally:
        os.close(file)
        if begun:
            source.execute("ROLLBACK")


class _TooOldError(Exception):
    """A flush is in the database since the snapshot was taken, and later ones are behind it in the file."""


def _not_folded(source: sqlite3.Connection, missed: set[int] | None) -> list[bytes] | None:
    """What was flushed since the last fold, None in a version that keeps all of it in its tables.

    What two snapshots do not have was damaged, and is left out; `missed` is None where there can be one alone.
    """

    def miss(first: int, _: int) -> None:
        if missed is not None and first not in missed:
            missed.add(first)
            raise _TooOldError

    if not source.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'chain'").fetchone()[0]:
        return None
    path = Path(source.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchone()[0])
    with contextlib.ExitStack() as stack:
        there = file_of(path).exists()
        blocks = stack.enter_context(closing(Blocks(path))) if there else None
        folded = journal.folded(source)
        return [content for _, content in journal.contents(source, blocks, folded, folded, miss, thorough=True)]


def _take_along(target: sqlite3.Connection, flushes: list[bytes] | None) -> None:
    """The copy has no file of flushes beside it: they go into its table, and no block written later is its own."""
    if flushes is None:
        return
    folded = sequence = journal.folded(target)
    target.execute("BEGIN")
    target.execute("DELETE FROM journal")
    for content in flushes:
        sequence = journal.append(target, folded, sequence, content)
    journal.new_chain(target)
    target.execute("COMMIT")


def _check(part: Path) -> None:
    """Read every page of the copy once."""
    with closing(sqlite3.connect(f"{part.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if fault != "ok":
            raise DamagedLedger(f"{part}: the copy is damaged, as the ledger may be: {' '.join(fault.split())}")


def _sync(folder: Path) -> None:
    """The name of a new file is on the disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
