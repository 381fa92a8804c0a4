"""A small polled collector that keeps the contract of collectors, and variants that each break one promise of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from whitestat.collectors.http import Http
from whitestat.collectors.polling import PolledCollector
from whitestat.collectors.settings import PointSettings
from whitestat.core.errors import CollectorError
from whitestat.core.model import (
    CounterReading,
    Counts,
    Delta,
    FlowKey,
    Point,
    PointState,
    ReadResult,
    Receipt,
)


class PageCounter(PolledCollector):
    """Counter of octets that a web page shows as one number; goes on from the mark in the ledger."""

    def __init__(self, settings: PointSettings) -> None:
        super().__init__(settings.point, settings.url, settings.interval_s)
        self._http = Http(settings.url)
        self._key = FlowKey(settings.point.name)
        self.octets = next((reading.counts.octets_in for reading in settings.readings), None)

    def poll(self) -> str:
        octets = int(self._http.get("/").text)
        with self._lock:
            grown = 0 if self.octets is None else octets - self.octets
            self.record({(None, None): Counts(grown)}, None, time.monotonic())
            self.octets = octets
        return ""

    def complete(self, result: ReadResult) -> ReadResult:
        return replace(result, marks=(CounterReading(self._key, Counts(self.octets or 0), result.end_ms, "life"),))


class ListensAtOnce(PageCounter):
    """Opens a file before it is opened itself."""

    def __init__(self, settings: PointSettings) -> None:
        super().__init__(settings)
        self.file = open("/proc/self/stat")  # noqa: PTH123, SIM115 - left open, as a collector must not

    def __del__(self) -> None:
        self.file.close()


class CountsForOthers(PageCounter):
    """Counts for a point that is not its own."""

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        result = super().read(since_ms, now_ms)
        return replace(result, deltas=[delta._replace(key=FlowKey("other")) for delta in result.deltas])


class HasAnotherName(PageCounter):
    """Calls its points another kind than its specification."""

    @property
    def points(self) -> tuple[Point, ...]:
        return (replace(self._point, collector="another"),)


class HandsOutMore(PageCounter):
    """Hands out the next epoch before the one before is acknowledged."""

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        result = super().read(since_ms, now_ms)
        if result.receipt is None:
            return result
        self._epoch += 1
        return replace(result, receipt=Receipt(result.receipt.meter, self._epoch))


class ShowsLessThanNothing(PageCounter):
    """Shows negative counts to the live view."""

    def peek(self) -> Iterable[Delta]:
        return [Delta(self._key, Counts(-1), 0, 0)]


class FailsToRead(PageCounter):
    """Raises an error of the read where the meter is away."""

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        result = super().read(since_ms, now_ms)
        while self._status.state is PointState.STARTING:
            time.sleep(0.01)
        if self._status.state is PointState.FAILED:
            raise CollectorError(self._status.notice)
        return result


class BooksAgain(PageCounter):
    """Begins at zero, whatever the last process left in the ledger."""

    def __init__(self, settings: PointSettings) -> None:
        super().__init__(settings)
        self.octets = 0
