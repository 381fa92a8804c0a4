"""Reading every page of a large ledger once, after the start: at the start it would cost seconds without metering."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from whitestat.core.errors import LedgerError
from whitestat.ledger.files.database import CHECKED_AT_ONCE_OCTETS, fault_in, open_for_reading
from whitestat.ledger.files.place import Place, place_of


class Inspection:
    """Runs in a thread and says what is damaged, and in which file; SQLite lets other threads run meanwhile."""

    def __init__(self, path: Path, tell: Callable[[str, Place | None], None]) -> None:
        self._path = path
        self._tell = tell
        self._place = place_of(path)
        self._stopped = False
        self._thread = threading.Thread(target=self._inspect, name="inspection", daemon=True)

    def start(self) -> None:
        """Begin, unless the ledger is so small that it was checked when it was opened."""
        if self._path.stat().st_size > CHECKED_AT_ONCE_OCTETS:
            self._thread.start()

    def stop(self) -> None:
        """End it at once; of no consequence when it has ended or was never begun."""
        self._stopped = True
        if self._thread.is_alive():
            self._thread.join(0.5)

    def _inspect(self) -> None:
        try:
            with closing(open_for_reading(self._path)) as connection:
                # SQLite asks every so many steps whether to go on: a stop is not missed before the check begins.
                connection.set_progress_handler(lambda: int(self._stopped), 10_000)
                fault = fault_in(connection)
        except (LedgerError, sqlite3.Error) as error:
            fault = "" if self._stopped else str(error)
        if fault:
            self._tell(f"{self._path}: the database is damaged: {fault}", self._place)
