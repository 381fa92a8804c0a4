"""Warning of a database connection that is collected before it is closed, as Python gives it from 3.13 on."""

from __future__ import annotations

import gc
import sqlite3
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar


class WatchedConnection(sqlite3.Connection):
    open: ClassVar[set[int]] = set()

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **more)
        self.open.add(id(self))

    def close(self) -> None:
        super().close()
        self.open.discard(id(self))

    def __del__(self) -> None:
        if id(self) in self.open:
            self.open.discard(id(self))
            if sys.version_info < (3, 13):
                warnings.warn("unclosed database", ResourceWarning, stacklevel=1)


def watch_connections() -> None:
    """Watch each connection that this process opens from now on."""
    sqlite3.connect = partial(sqlite3.connect, factory=WatchedConnection)  # type: ignore[assignment]


@contextmanager
def unclosed_are_collected() -> Iterator[None]:
    """Collect what was opened inside and left open, so that the warning comes now: a connection is part of a cycle."""
    before = set(WatchedConnection.open)
    yield
    if WatchedConnection.open - before:
        gc.collect()
