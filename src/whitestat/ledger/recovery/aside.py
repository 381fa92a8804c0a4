"""Setting a damaged ledger aside: it is renamed as it is, and a new one has the same devices, people and plans."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC
from itertools import count
from pathlib import Path

from whitestat.core.calendar import wall_time
from whitestat.core.errors import LedgerError
from whitestat.ledger.files import journal
from whitestat.ledger.files.blocks import Blocks, file_of
from whitestat.ledger.files.condition import ASIDE
from whitestat.ledger.files.database import lock, open_for_writing, transaction
from whitestat.ledger.files.wal import log_of
from whitestat.ledger.recovery.salvage import salvage
from whitestat.ledger.write import troubles
from whitestat.ledger.write.folding import mark


def set_aside(path: Path, reason: str, now_ms: int) -> Path:
    """Rename a damaged ledger with its log and journal, and begin a new one with the same devices. Raises LedgerError.

    The writer's connection to it must be closed. Devices, people, plans and the last readings of meters are those that
    can still be read, under the same numbers, so that what is recovered later belongs to them.
    """
    descriptor = lock(path)
    try:
        return _set_aside(path, reason, now_ms)
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"{path}: {reason}; and it cannot be set aside: {error}") from error
    finally:
        os.close(descriptor)


def _set_aside(path: Path, reason: str, now_ms: int) -> Path:
    path = path.resolve()
    names = (f"{path.name}{ASIDE}{wall_time(at_s, UTC):%Y%m%dT%H%M%SZ}" for at_s in count(now_ms // 1000))
    to = next(path.with_name(name) for name in names if not list(path.parent.glob(f"{name}*")))
    with temporary(path.with_name(f"{path.name}.new")) as new:
        salvage(path, new, lambda table: not table.is_usage)
        with closing(open_for_writing(new)) as connection, transaction(connection):
            _go_on(connection, path)
            message = reason.removeprefix(f"{path}: ")
            text = (
                f"the ledger was damaged ({message}) and is set aside as {to.name}; a new one goes on with "
                "the devices, people and plans that could be read; whitestat recover brings back what usage can be read"
            )
            troubles.note(connection, now_ms, text, aside=to.name)
        copy_owner(path, new)
        # The log goes first: left beside a new database, SQLite would take it for that one's.
        for old, place in ((log_of(path), log_of(to)), (file_of(path), file_of(to))):
            with suppress(FileNotFoundError):
                old.rename(place)
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}-shm").unlink()
        path.rename(to)
        new.rename(path)
        sync_folder(path.parent)
    return to


def _go_on(connection: sqlite3.Connection, path: Path) -> None:
    """What the journal of the damaged one says of meters holds, so that nothing is counted twice; its usage is left."""
    find_chain(connection, path)
    folded, lost = journal.folded(connection), lambda *_: None
    blocks = None
    with suppress(OSError):
        blocks = Blocks(path)
    try:
        entries = [entry for _, entry in journal.entries(connection, blocks, folded, folded, lost, thorough=True)]
    finally:
        if blocks:
            blocks.close()
    mark(connection, entries, {})
    for table in ("journal", "closed", "kept"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - words from above
    journal.new_chain(connection)


def find_chain(connection: sqlite3.Connection, path: Path) -> None:
    """Where the row is lost that says which flushes are not folded, the blocks of the newest chain say it: a fold gives
    the next one a chain of its own."""
    if not connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'chain'").fetchone()[0]:
        return
    if connection.execute("SELECT count(*) FROM chain").fetchone()[0]:
        return
    number, first = 0, 0
    with suppress(OSError), closing(Blocks(path)) as blocks:
        number, first = blocks.newest_chain() or (0, 0)
    connection.execute("INSERT INTO chain VALUES (1, ?)", (number,))
    if number and not journal.folded(connection):
        journal.set_folded(connection, first - 1)


@contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """Yield a file of that name; it is removed afterwards with all that SQLite and the ledger put beside it."""

    def remove() -> None:
        for file in path.parent.glob(f"{path.name}*"):
            with suppress(OSError):
                file.unlink()

    remove()
    try:
        yield path
    finally:
        remove()


def copy_owner(path: Path, new: Path) -> None:
    status = path.stat()
    if os.geteuid() == 0:
        with suppress(OSError):
            os.chown(new, status.st_uid, status.st_gid, follow_symlinks=False)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
