"""The opening of a database that is surely ours, brought to the newest version of its tables.

A file that is not ours, newer, or damaged is looked at through a read-only connection alone, which
SQLite never lets write: it is refused with a sentence and stays as it was.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from whitestat.core.errors import DamagedLedger, LedgerError
from whitestat.ledger.files.blocks import has_blocks
from whitestat.ledger.files.copies import copy_before_migration
from whitestat.ledger.files.migrations import APPLICATION_ID, MIGRATIONS, PAGE_OCTETS
from whitestat.ledger.files.place import as_owner_of, open_plain
from whitestat.ledger.files.wal import log_of

__all__ = ["APPLICATION_ID", "MIGRATIONS", "lock", "open_for_reading", "open_for_writing", "transaction"]

log = logging.getLogger("whitestat")

SMALLEST_OCTETS = 512
"""The smallest page of SQLite, and so the smallest database."""

CHECKED_AT_ONCE_OCTETS = 32 * 1024 * 1024
"""Up to here a ledger is checked before it is written (0.1 s); a larger one after the start, see `inspection`."""

_MARK_AT = 68
"""Where the header has the application's mark."""

_UNREADABLE = frozenset((sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS))
"""A sector that the disk cannot read any more is damage as well."""

_TREE = re.compile(r"(?:[Tt]ree(?: page)?|Page) (\d+)")

BUSY_MS = 1000
"""How long a connection waits for another one's lock before it gives up."""

WAL_PAGES = 4096
"""How long the write-ahead log grows before it is moved into the database: a page of the journal that is
rewritten every hour is then moved once in many hours."""

READERS_KIB = 512
"""Of pages that a reading connection keeps; SQLite's own 2,000 make no answer quicker, the kernel has the file."""

WAL_OCTETS_KEPT = 9 * 1024 * 1024
"""What the log is cut back to after a large transaction: a little more than its usual size."""


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing of it; the lock is taken at once, so that a busy database fails early."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def lock(path: Path) -> int:
    """Hold the ledger against a second writer for as long as the descriptor returned is open; LedgerError.

    The lock (flock(2)) is on a file of its own, as closing the database's would drop SQLite's locks, and ends
    with the process, however that ends.
    """
    descriptor = open_plain(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise LedgerError(f"{path}: another whitestat keeps usage here; stop it first") from None
    return descriptor


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The one writing connection, in WAL mode and migrated to the newest version.

    A missing or empty file becomes a new database, in a missing folder too if the folder's own parent
    exists. Raises LedgerError for anything else that is not a sound database of ours.
    """
    _check_place(path)
    if path.exists() and path.stat().st_size:
        _check_content(path, for_writing=True)
    elif path.exists() and has_blocks(path):
        raise DamagedLedger(f"{path}: the database is damaged: it is empty, and usage was kept in it")
    try:
        _make(path)
        return _prepared(path, _connect(path, "mode=rwc"))
    except OSError as error:
        raise LedgerError(
            f"{path}: the database cannot be written: {(error.strerror or str(error)).lower()}"
        ) from error
    except sqlite3.Error as error:
        raise LedgerError(f"{path}: the database cannot be written: {error}") from error


def _make(path: Path) -> None:
    """An empty database that its user alone can read; SQLite gives its mode to the log and the shared memory."""
    with suppress(FileExistsError):
        os.close(open_plain(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; raises LedgerError where there is no sound database of ours.

    Its content is not checked throughout, as that would cost a command its first second.
    """
    if path.is_dir():
        raise LedgerError(f"{path}: is a folder, not a database")
    if not path.exists():
        raise LedgerError(f"{path}: there is no database yet; the service creates it when it starts")
    if not path.is_file():
        raise LedgerError(f"{path}: is neither a file nor a folder")
    _check_content(path, for_writing=False)
    return _connect(path, _reading_mode(path))


def open_alone(path: Path) -> sqlite3.Connection:
    """As `open_for_reading`, without looking at a log beside the file, which may be that of another one."""
    head = _head(path)
    if head[_MARK_AT:] != APPLICATION_ID.to_bytes(4, "big"):
        raise LedgerError(f"{path}: is not a database of WhiteStat")
    connection = _connect(path, "mode=ro&immutable=1")
    try:
        _check_owner(path, connection, may_be_empty=False)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise LedgerError(f"{path}: is a folder, not a database")
    if path.exists() and not path.is_file():
        raise LedgerError(f"{path}: is neither a file nor a folder")
    if not path.parent.parent.is_dir():
        raise LedgerError(f"{path}: the folder {path.parent.parent} does not exist")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise LedgerError(f"{path}: the folder {path.parent} cannot be created: {error.strerror}") from error
    if os.statvfs(path.parent).f_flag & os.ST_RDONLY:  # SQLite would not say why
        raise LedgerError(f"{path}: the folder {path.parent} is on a read-only file system")


def _check_content(path: Path, *, for_writing: bool) -> None:
    """Refuses what is not a sound database of ours; an empty one is let through only to a writer."""
    if path.stat().st_size < SMALLEST_OCTETS:  # SQLite would take it for empty, and write over it
        raise _fault(path, is_ours=_was_ours(path))(f"{path}: is not a database")
    try:
        with closing(_connect(path, _reading_mode(path))) as connection:
            _check_owner(path, connection, may_be_empty=for_writing)
            if for_writing and path.stat().st_size <= CHECKED_AT_ONCE_OCTETS:
                _check_pages(path, connection)
    except sqlite3.DatabaseError as error:
        fault = _fault(path, is_ours=is_damage(error) and _was_ours(path))
        raise fault(f"{path}: {_reason(path, error)}") from error


def _fault(path: Path, *, is_ours: bool) -> type[LedgerError]:
    """What is no database may be anything, named by mistake: only what was a ledger is one that is damaged."""
    return DamagedLedger if is_ours else LedgerError


def _was_ours(path: Path) -> bool:
    """Whether what cannot be read was a ledger: by its mark, by the journal beside it, or by tables in it."""
    head = _head(path)
    if head.startswith(b"SQLite format 3\0") and head[_MARK_AT:] == APPLICATION_ID.to_bytes(4, "big"):
        return True
    if has_blocks(path):
        return True
    from whitestat.ledger.recovery.salvage import (
        has_content_of_ours,  # of use where something is wrong, and else not loaded
    )

    return has_content_of_ours(path)


def _head(path: Path) -> bytes:
    """The first octets of a file, up to the application's mark. Raises LedgerError where it may not be read."""
    try:
        with as_owner_of(path), path.open("rb") as file:
            return file.read(_MARK_AT + 4)
    except OSError as error:
        raise LedgerError(f"{path}: the database cannot be read: {(error.strerror or str(error)).lower()}") from None


def is_damage(error: BaseException) -> bool:
    """Whether SQLite says that the database itself is not what it should be, or that the disk cannot read it."""
    code = getattr(error, "sqlite_errorcode", None)
    if not isinstance(error, sqlite3.Error) or code is None:
        return False
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or code in _UNREADABLE


def _check_owner(path: Path, connection: sqlite3.Connection, *, may_be_empty: bool) -> None:
    owner, version, tables = connection.execute(
        """SELECT (SELECT application_id FROM pragma_application_id),
            (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)"""
    ).fetchone()
    if may_be_empty and (owner, version, tables) == (0, 0, 0):
        return
    if owner != APPLICATION_ID:
        raise LedgerError(f"{path}: is not a database of WhiteStat, but of another program")
    if version > len(MIGRATIONS):
        raise LedgerError(
            f"{path}: was written by a newer WhiteStat (version {version}; this one knows {len(MIGRATIONS)})"
        )


def _check_pages(path: Path, connection: sqlite3.Connection) -> None:
    fault = fault_in(connection)
    if fault:
        raise DamagedLedger(f"{path}: the database is damaged: {fault}")


def fault_in(connection: sqlite3.Connection) -> str:
    """What is damaged, empty for nothing: reads every page once (3.6 ms for a megabyte on the reference machine)."""
    fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if fault == "ok":
        return ""
    text = " ".join(fault.split())
    tree = _TREE.search(text)
    with suppress(sqlite3.Error):
        if tree and (
            row := connection.execute(
                "SELECT tbl_name FROM sqlite_schema WHERE rootpage = ?", (int(tree[1]),)
            ).fetchone()
        ):
            return f"table {row[0]}: {text}"
    return text


def _reason(path: Path, error: sqlite3.DatabaseError) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_NOTADB:
        return "is not a database"
    if code is not None and code & 0xFF == sqlite3.SQLITE_CORRUPT:
        return f"the database is damaged: {error}"
    if not os.access(path, os.R_OK):
        return "the database cannot be read: permission denied"
    return f"the database cannot be read: {error}"


def _reading_mode(path: Path) -> str:
    """Return the mode that opens for reading without leaving anything behind.

    Without a write-ahead log no process writes in WAL mode, and `immutable` needs no shared memory file
    beside the database: so a user with read access to the folder only can read the ledger of a stopped service.
    """
    return "mode=ro" if log_of(path).exists() else "mode=ro&immutable=1"


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    with as_owner_of(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{mode}",
            uri=True,
            timeout=BUSY_MS / 1000,
            isolation_level=None,  # transactions are opened by name, never by the driver's guess
            check_same_thread=False,
        )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        if mode.startswith("mode=ro"):
            connection.execute(f"PRAGMA cache_size = -{READERS_KIB}")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepared(path: Path, connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        _set_up(path, connection)
        _migrate(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(path: Path, connection: sqlite3.Connection) -> None:
    """WAL, so that readers and the writer never wait for each other, synced at every commit.

    `synchronous = NORMAL` would leave commits to the kernel's write-back, 30 s later or more: added to the
    30 s between flushes, a power cut could cost a minute. FULL costs one sync per flush, and keeps the
    promise that a committed flush is on the disk.
    """
    connection.execute(f"PRAGMA page_size = {PAGE_OCTETS}")
    with transaction(connection):  # fails here, before any change, where the file may not be written
        pass
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise LedgerError(f"{path}: the file system cannot hold a write-ahead log (journal mode is {mode})")
    connection.execute("PRAGMA synchronous = FULL")
    # Zeroing what is deleted would write every page of expired minutes once more; `forget` asks for it.
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_OCTETS_KEPT}")


def _migrate(path: Path, connection: sqlite3.Connection) -> None:
    """Migrate under the lock of the writer; the old version is kept beside the new one."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == len(MIGRATIONS):
        return
    descriptor = lock(path)
    try:
        if version:
            log.info("%s: brought from version %d to %d; years of usage take minutes", path, version, len(MIGRATIONS))
            copy_before_migration(connection, path, version)
        steps = range(version, len(MIGRATIONS))
        for several in [[number] for number in steps] if version else [steps]:
            _migrate_at_once(connection, several)
        _compact(connection)
    finally:
        os.close(descriptor)


def _migrate_at_once(connection: sqlite3.Connection, steps: Iterable[int]) -> None:
    """Several steps in one transaction: a new ledger is whole or absent, with one sync instead of one for each."""
    with transaction(connection):
        for number in steps:
            MIGRATIONS[number](connection)
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _compact(connection: sqlite3.Connection) -> None:
    """Give back what a migration left free, if it is much; where there is no room to do so, it is used in time."""
    free, pages = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count"))
    if free > pages // 4:
        with suppress(sqlite3.Error):
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
