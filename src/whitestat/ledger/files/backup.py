"""A backup on request, while the service runs too; to restore is to copy it back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from whitestat.core.errors import LedgerError
from whitestat.ledger.files.copies import copy
from whitestat.ledger.files.database import open_for_reading


def back_up(path: Path, to: Path, *, replace: bool) -> int:
    """Copy the ledger at `path` to the file `to`; returns the copy's octets.

    Raises LedgerError when `to` exists and is not to be replaced, when it is the
    ledger, or cannot be written: then nothing is left of it.
    """
    if to.is_dir():
        raise LedgerError(f"{to}: is a folder; name a file in it")
    if to.exists() and path.exists() and to.samefile(path):
        raise LedgerError(f"{to}: is the ledger itself; name another file")
    if to.exists() and not replace:
        raise LedgerError(f"{to}: exists; --force replaces it")
    if not to.parent.is_dir():
        raise LedgerError(f"{to}: the folder {to.parent} does not exist")
    with closing(open_for_reading(path)) as source:
        return copy(source, to)
