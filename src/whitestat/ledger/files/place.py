"""Which file is where a ledger should be, as files are deleted, moved and replaced while it is open."""

from __future__ import annotations

import sqlite3
from pathlib import Path

Place = tuple[int, int]
"""Device and number of a file (stat(2)): no other file has them as long as it is open."""


def place_of(path: Path) -> Place | None:
    """None where nothing is."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def knows_alike(one: sqlite3.Connection, other: sqlite3.Connection) -> bool:
    """Whether episodes that both ledgers have are the same, as in a backup and what it was made of."""
    get = "SELECT id, mac, address FROM episode"
    there = {number: names for number, *names in one.execute(get)}
    return all(names in (there.get(number, names), [None, None]) for number, *names in other.execute(get))
