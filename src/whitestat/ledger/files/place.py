"""Which file is where a ledger should be, as files are deleted, moved and replaced while it is open."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whitestat.core.system.service_user import as_owner


def open_plain(path: Path, flags: int) -> int:
    """Open a file of the ledger, made for its user alone; OSError for a link, a pipe or anything else that is no file.

    Root opens it with the rights of its folder's owner.
    """
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with as_owner(path.parent):
            flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            opened = os.open(path.name, flags, 0o600, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(errno.EINVAL, "is not a plain file", str(path))
    return opened


@contextmanager
def as_owner_of(path: Path) -> Iterator[None]:
    """Open a database by its path as `open_plain` would, which SQLite cannot be given a descriptor for.

    Below a private home its owner cannot use the path: root opens it, if it is no link. OSError for one.
    """
    with as_owner(path.parent):
        if os.access(path.parent, os.X_OK, effective_ids=True):
            yield
            return
    if path.is_symlink():
        raise OSError(errno.ELOOP, "is a link in a folder of another user", str(path))
    yield


Place = tuple[int, int]
"""Device and number of a file (stat(2)): no other file has them as long as it is open."""


def place_of(path: Path) -> Place | None:
    """None where nothing is."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


def knows_alike(one: sqlite3.Connection, other: sqlite3.Connection) -> bool:
    """Whether episodes that both ledgers have are the same, as in a backup and what it was made of."""
    get = "SELECT id, mac, address FROM episode"
    there = {number: names for number, *names in one.execute(get)}
    return all(names in (there.get(number, names), [None, None]) for number, *names in other.execute(get))
