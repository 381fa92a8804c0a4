"""Backups on request, while the service runs too: one file, or a series in a folder of which the newest are kept."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC
from pathlib import Path
from typing import NamedTuple

from whitestat.core.calendar import wall_time
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


class BackupSet(NamedTuple):
    """A backup of a series: the copies, the octets of all of them, and the older files that were removed."""

    ledger: Path
    beside: tuple[Path, ...]
    octets: int
    removed: tuple[Path, ...]


def back_up_series(path: Path, folder: Path, beside: Sequence[Path], *, keep: int, now_ms: int) -> BackupSet:
    """Copy the ledger and the files `beside` it into `folder`, named by the time in UTC; then keep the newest `keep`.

    The folder is made, mode 0700, if only it is missing. Older backups are removed when the new one is complete, and
    no file of another name is. Raises LedgerError if a copy cannot be written: then none of this backup is left.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise LedgerError(f"{folder}: the folder cannot be made: {error.strerror}") from error
    name = f"{path.stem}-{wall_time(now_ms // 1000, UTC):%Y%m%dT%H%M%SZ}.db"
    ledger = folder / name
    copies = [(file, folder / f"{name}{file.name.removeprefix(path.name)}") for file in beside if file.exists()]
    octets = back_up(path, ledger, replace=False)
    try:
        octets += sum(_copy_file(file, to) for file, to in copies)
    except OSError as error:
        for to in (ledger, *(to for _, to in copies)):
            to.unlink(missing_ok=True)
        raise LedgerError(f"{folder}: the copy cannot be written: {error.strerror}") from error
    return BackupSet(ledger, tuple(to for _, to in copies), octets, tuple(_remove_older(path.stem, folder, keep)))


def _copy_file(file: Path, to: Path) -> int:
    """Copy a file for its owner alone, and return its octets."""
    part = to.with_name(f"{to.name}.part")
    part.unlink(missing_ok=True)
    try:
        with (
            file.open("rb") as source,
            os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as new,
        ):
            shutil.copyfileobj(source, new)
            new.flush()
            os.fsync(new.fileno())
            octets = new.tell()
        part.rename(to)
    finally:
        part.unlink(missing_ok=True)
    return octets


def _remove_older(stem: str, folder: Path, keep: int) -> list[Path]:
    """Remove all but the newest backups of the series, with the files that go with each; return what is gone."""
    pattern = re.compile(rf"({re.escape(stem)}-\d{{8}}T\d{{6}}Z\.db)((?:\.\w+)*)")
    names = [match for file in folder.iterdir() if (match := pattern.fullmatch(file.name))]
    old = set(sorted({match[1] for match in names})[:-keep])
    gone = []
    for match in sorted((match for match in names if match[1] in old), key=lambda match: match[0]):
        with suppress(OSError):
            (folder / match[0]).unlink()
            gone.append(folder / match[0])
    return gone
