"""A line that shows how far a long import is; on a terminal alone."""

from __future__ import annotations

from typing import TextIO

_CELLS = 40


class Progress:
    """Called with the number of rows done; draws when another hundredth is."""

    def __init__(self, rows: int, out: TextIO) -> None:
        self._rows = rows
        self._out = out
        self._drawn = -1
        self._shown = out.isatty()

    def __call__(self, done: int) -> None:
        percent = done * 100 // max(1, self._rows)
        if self._shown and percent != self._drawn:
            self._drawn = percent
            filled = percent * _CELLS // 100
            self._out.write(f"\r[{'#' * filled}{'.' * (_CELLS - filled)}] {percent:3} % of {self._rows} rows")
            self._out.flush()

    def end(self) -> None:
        """Wipes the line."""
        if self._shown:
            self._out.write("\r\x1b[K")
            self._out.flush()
