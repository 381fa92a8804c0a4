"""Restore a backup: the ledger in use is renamed, and a copy of the backup takes its place."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from datetime import UTC
from pathlib import Path

from whitestat.core.calendar import wall_time
from whitestat.core.errors import LedgerError
from whitestat.ledger.files.blocks import file_of
from whitestat.ledger.files.copies import copy
from whitestat.ledger.files.database import fault_in, lock, open_for_reading
from whitestat.ledger.files.wal import log_of
from whitestat.ledger.recovery.aside import copy_owner, sync_folder, temporary

REPLACED = ".before-restore-"


def restore(path: Path, backup: Path, now_ms: int) -> Path | None:
    """Put a copy of `backup` in the place of the ledger at `path`, and return what the old ledger is named now.

    None where there was no ledger. The backup is read throughout first and stays as it is. Raises LedgerError, and
    nothing is changed, if the service runs, if the backup is damaged, of a newer version or no ledger, or if the disk
    is full.
    """
    if not path.parent.is_dir():
        raise LedgerError(f"{path}: the folder {path.parent} does not exist; create it for the user of the service")
    if path.is_symlink() and os.geteuid() == 0 and path.lstat().st_uid != 0:  # root would write where it leads
        raise LedgerError(
            f"{path}: is a link that another user than root made: remove it, or name in [store] its target"
        )
    path = path.resolve()
    if path.exists() and backup.exists() and path.samefile(backup):
        raise LedgerError(f"{backup}: is the ledger in use")
    descriptor = lock(path)
    try:
        with temporary(path.with_name(f"{path.name}.restoring")) as part:
            with closing(open_for_reading(backup)) as source:
                if fault := fault_in(source):
                    raise LedgerError(f"{backup}: the backup is damaged: {fault}")
                copy(source, part)
            copy_owner(path if path.exists() else path.parent, part)
            replaced = _rename(path, now_ms) if path.exists() else None
            part.rename(path)
            sync_folder(path.parent)
            return replaced
    except OSError as error:
        raise LedgerError(f"{path}: the backup cannot be restored: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _rename(path: Path, now_ms: int) -> Path:
    """Rename the ledger with its log and its flushes: the log first, as SQLite would take it for the new file's."""
    to = path.with_name(f"{path.name}{REPLACED}{wall_time(now_ms // 1000, UTC):%Y%m%dT%H%M%SZ}")
    if to.exists():
        raise LedgerError(f"{to}: exists; try again in a second")
    for old, new in ((log_of(path), log_of(to)), (file_of(path), file_of(to))):
        with suppress(FileNotFoundError):
            old.rename(new)
    with suppress(FileNotFoundError):
        path.with_name(f"{path.name}-shm").unlink()
    path.rename(to)
    return to
