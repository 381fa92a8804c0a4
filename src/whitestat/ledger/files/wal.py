"""How many octets SQLite writes: the write-ahead log read along, frame by frame.

SQLite tells no program what it wrote, and `/proc/self/io` cannot be opened once privileges are dropped.
The log says it all (SQLite file format, "The Write-Ahead Log"): a header of 32 octets, then frames of 24
octets and one page. Only the log may be opened beside SQLite: to close the database or its shared memory
would drop SQLite's own locks on them.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from struct import Struct

from whitestat.ledger.files.place import open_plain

_HEADER = Struct(">8xI4xQ8x")  # page size, salts; skips magic, version, checkpoint number, checksums
_FRAME = Struct(">I4xQ8x")  # page number, salts; skips the database size and the checksums


def log_of(database: Path) -> Path:
    """Where SQLite keeps the write-ahead log: beside the file itself, not beside a link to it."""
    real = database.resolve()
    return real.with_name(real.name + "-wal")


class WalReader:
    """Follows one database's log; `octets` is all that went into the log and from there into the database."""

    def __init__(self, database: Path) -> None:
        self._log = log_of(database)
        self._salts: int | None = None
        self._frames = 0
        self._pages: set[int] = set()
        self._page_octets = 0
        self.octets = 0
        self.follow()
        self.octets = 0  # what was there before us was written by somebody else

    def follow(self) -> None:
        """Counts what was appended since the last call; call it after each commit.

        Raises nothing: a disk that cannot be read costs a figure, and must not look like a commit that failed.
        """
        with contextlib.suppress(OSError):
            file = open_plain(self._log, os.O_RDONLY)
            try:
                self._read(file)
            finally:
                os.close(file)

    def checkpointed(self) -> None:
        """The pages in the log have gone to the database, each once however often it was logged."""
        self.octets += len(self._pages) * self._page_octets
        self._pages.clear()

    def _read(self, file: int) -> None:
        header = os.pread(file, _HEADER.size, 0)
        if len(header) < _HEADER.size:
            return
        page_octets, salts = _HEADER.unpack(header)
        if salts != self._salts:  # a log starts over, with other salts, once all of it is in the database
            self.checkpointed()
            self._salts, self._frames, self._page_octets = salts, 0, page_octets
            self.octets += _HEADER.size
        self._read_frames(file, salts)

    def _read_frames(self, file: int, salts: int) -> None:
        frame_octets = _FRAME.size + self._page_octets
        while True:
            head = os.pread(file, _FRAME.size, _HEADER.size + self._frames * frame_octets)
            if len(head) < _FRAME.size:
                return
            page, of = _FRAME.unpack(head)
            if of != salts:
                return
            self._frames += 1
            self._pages.add(page)
            self.octets += frame_octets
