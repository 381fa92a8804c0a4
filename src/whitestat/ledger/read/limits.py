"""Limit of the work for one answer: how long it may take, and whether it is still wanted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import local

from whitestat.core.errors import AnswerCancelled, AnswerTooLong, WhiteStatError


class AnswerLimit:
    """Ends an answer `seconds` after `begin`, or when it is cancelled; any thread may cancel it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_cancelled = False
        self._until_s = float("inf")

    def begin(self) -> None:
        """Start the time that the answer has."""
        self._until_s = time.monotonic() + self.seconds

    def cancel(self) -> None:
        """End the answer: its client has left."""
        self.is_cancelled = True

    def is_over(self) -> bool:
        """Return whether to end now; SQLite calls this every few thousand steps (sqlite3_progress_handler)."""
        return self.is_cancelled or time.monotonic() > self._until_s

    def fault(self) -> WhiteStatError:
        """Return the error of an answer that was ended."""
        return AnswerCancelled() if self.is_cancelled else AnswerTooLong(self.seconds)


_current = local()


def current() -> AnswerLimit | None:
    """Return the limit of what this thread answers, None for an answer without a limit."""
    return getattr(_current, "limit", None)


@contextmanager
def limited(limit: AnswerLimit) -> Iterator[None]:
    """Apply the limit to all that this thread reads from the ledger inside."""
    limit.begin()
    _current.limit = limit
    try:
        yield
    finally:
        _current.limit = None
