"""The condition of a ledger as `whitestat check` tells it: every page and every flush read once, nothing written."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from whitestat.core.errors import DamagedLedger
from whitestat.ledger.files import journal
from whitestat.ledger.files.blocks import Blocks, file_of
from whitestat.ledger.files.database import fault_in, is_damage, open_for_reading
from whitestat.ledger.files.wal import log_of

ASIDE = ".damaged-"
_REMEDY = "the service sets it aside when it starts; whitestat recover brings back what can be read"


def aside(path: Path) -> list[Path]:
    """What was set aside and not recovered yet, the oldest first."""
    real = path.resolve()
    return sorted(path for path in real.parent.glob(f"{real.name}{ASIDE}*Z") if path.is_file())


def set_aside(path: Path) -> list[str]:
    """A sentence for each damaged ledger that waits to be recovered."""
    return [
        f"{path}: was damaged and is set aside; whitestat recover brings back what can be read" for path in aside(path)
    ]


def faults(path: Path, *, runs: bool) -> list[str]:
    """Sentences about what is damaged, or outside the file although no service `runs`. LedgerError."""
    try:
        with closing(open_for_reading(path)) as connection:
            fault = fault_in(connection)
            if fault:
                return [f"{path}: the database is damaged: {fault}; {_REMEDY}"]
            return [] if runs else _outside(path, connection)
    except DamagedLedger as error:
        raise DamagedLedger(f"{error}; {_REMEDY}") from error
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        return [f"{path}: the database is damaged: {error}; {_REMEDY}"]


def _outside(path: Path, connection: sqlite3.Connection) -> list[str]:
    """After a clean stop there is neither a log nor a flush beside the file: it can be copied alone."""
    log = log_of(path)
    names = [log.name] if log.exists() and log.stat().st_size else []
    damaged: list[int] = []
    if connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'chain'").fetchone()[0]:
        folded, flushes = journal.folded(connection), 0
        with ExitStack() as stack:
            blocks = None
            with suppress(FileNotFoundError):
                blocks = stack.enter_context(closing(Blocks(path)))
            lose = lambda first, last: damaged.extend(range(first, last + 1))  # noqa: E731
            for _ in journal.entries(connection, blocks, folded, folded, lose, thorough=True):
                flushes += 1
        if flushes and blocks:
            names.append(f"{file_of(path).name} ({flushes} flushes)")
    sentences = (
        [f"{path}: {len(damaged)} flushes of the journal are damaged; the others can be read"] if damaged else []
    )
    if names:
        sentences.append(
            f"{path}: the service was not stopped cleanly: part of the ledger is in {' and '.join(names)}; its next "
            "start takes it in; until then, copy these files too, or use whitestat backup"
        )
    return sentences
