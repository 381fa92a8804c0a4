"""Collector of a meter that is asked every interval, in a thread of its own that no read waits for."""

# ruff: noqa: B027 - a subclass may leave its hooks empty
from __future__ import annotations

import logging
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

from whitestat.collectors import CollectorFacts
from whitestat.core.errors import CollectorError
from whitestat.core.model import (
    Address,
    Audit,
    Counts,
    Delta,
    FlowKey,
    Mac,
    Point,
    PointState,
    PointStatus,
    Poll,
    Quality,
    ReadResult,
    Receipt,
)

log = logging.getLogger("whitestat")

DeviceAddresses = tuple[Mac | None, Address | None]
"""A device by its addresses; (None, None) for the line, or for what belongs to no device."""

LEAVE_S = 1.0
"""Longest wait at the end for a poll that is under way; one that hangs in a connection is left."""
STAND_BACK_S = 60.0


class TemporarilyUnavailable(CollectorError):
    """The meter gives no figures for `wait_s` seconds, and nothing is broken: another user is logged in, say."""

    def __init__(self, message: str, wait_s: float = STAND_BACK_S) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class PollingEnded(CollectorError):
    """The meter must not be asked again by this process: it would lock us out, for example."""


class PolledCollector(ABC):
    """Counts that are taken over from another program or device every `interval_s` seconds.

    A subclass has `poll`, which asks once and calls `record`. What was recorded is handed out with a receipt until that
    is acknowledged; the marks with it go to the ledger, so the next process goes on from there. The thread begins with
    the first read, after privileges were given up. Failures are logged once, shown in the point's state, and
    tried again after the seconds of `backoff_s`, one after the other.
    """

    backoff_s: ClassVar[Sequence[float]] = (1, 2, 4, 8, 15, 30, 60)

    def __init__(self, point: Point, url: str, interval_s: int, *, before_ms: int | None = None) -> None:
        """`before_ms` is when the last process polled last, None if that is unknown."""
        self._point = point
        self.url = url
        self._interval_s = interval_s
        self._before_ms = before_ms
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._has_ended = False
        self._status = PointStatus(PointState.STARTING)
        self._doubt = self._progress = ""
        self._life = uuid.uuid4().hex
        self._fresh: dict[DeviceAddresses, Counts] = {}  # since the last read
        self._is_news = False  # something was recorded since the last read
        self._handed: ReadResult | None = None  # read, and not yet acknowledged
        self._handed_s: float | None = None  # when counts were handed out last, by the monotonic clock
        self._epoch = 0
        self._polled_s: float | None = None  # by the monotonic clock
        self._polls = 0
        self._last_poll: Poll | None = None

    @abstractmethod
    def poll(self) -> str:
        """Ask the meter once and `record` what it counted; return what the user should know, empty for nothing.

        Runs in the collector's thread. Raises TemporarilyUnavailable, PollingEnded or CollectorError with a sentence
        that names the URL. A poll is taken over whole or not at all: what a failure cuts off is in the next.
        """

    def abort(self) -> None:
        """End an exchange that another thread waits for; called once, when the collector is closed."""

    def leave(self) -> None:
        """Log out of the meter; called in the collector's thread when that ends."""

    def use_pause(self, until_s: float) -> None:
        """Use the time after a poll that worked, until the next is due by the monotonic clock."""

    def complete(self, result: ReadResult) -> ReadResult:
        """Return what is handed out with marks, audits, names and details; called with the lock held."""
        return result

    def acknowledged(self, result: ReadResult) -> None:
        """Note that a result is booked; called with the lock held."""

    def record(
        self, counts: Mapping[DeviceAddresses, Counts], poll: Poll | None, at_s: float, *, is_news: bool = True
    ) -> None:
        """Add the counts since the poll before, all or none; call it with the lock held, before own state changes.

        `poll` are the same counts for rates, None if the time they took is unknown; `at_s` is when the meter answered,
        by the monotonic clock. Without `is_news` nothing is handed out for this poll alone.
        """
        fresh = sums(self._fresh, counts)
        self._fresh, self._last_poll, self._polled_s = fresh, poll, at_s
        self._polls += 1
        self._is_news = self._is_news or is_news

    def elapsed_ms(self, at_ms: int, at_s: float) -> int | None:
        """Return the time since the poll before: by the wall clock if another process made it, else by the monotonic.

        None if there was none; not positive if the wall clock is behind.
        """
        if self._polled_s is not None:
            return int((at_s - self._polled_s) * 1000)
        return None if self._before_ms is None else at_ms - self._before_ms

    @property
    def points(self) -> tuple[Point, ...]:
        return (self._point,)

    def open(self, booked: Mapping[str, int]) -> None:
        """Note the last booked epoch. The meter is not asked yet: the thread waits until privileges were given up."""
        self._epoch = booked.get(self._meter, 0)

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        """Return what was recorded since the last result; the same again until that is acknowledged."""
        self._begin()
        with self._lock:
            if self._handed is None and self._is_news:
                self._handed = self._result(since_ms, now_ms)
                self._fresh, self._is_news = {}, False
            return self._handed or ReadResult(since_ms, now_ms)

    def acknowledge(self, receipt: Receipt) -> None:
        with self._lock:
            if self._handed is not None and receipt == self._handed.receipt:
                self.acknowledged(self._handed)
                self._handed = None

    def halt(self) -> None:
        """Do nothing: the meter counts on."""

    def peek(self) -> Iterable[Delta]:
        with self._lock:
            handed = list(self._handed.deltas) if self._handed else []
            return [*handed, *self.deltas(self._fresh, 0, 0)]

    def last_poll(self) -> Poll | None:
        """Return the traffic between the last two polls, None if it is unknown."""
        with self._lock:
            return self._last_poll if self._status.state is PointState.OK else None

    def statuses(self) -> Mapping[str, PointStatus]:
        return {self._point.name: self._status}

    def facts(self) -> CollectorFacts:
        return CollectorFacts(
            url=self.url,
            settled=self._status.state is not PointState.STARTING,
            progress=self._progress,
            doubt=self._doubt,
            is_polled=True,
            last_poll=self.last_poll(),
        )

    def maintain(self) -> None:
        """Do nothing: each poll connects anew."""

    def memory(self) -> int:
        return 0

    def close(self) -> None:
        self._stopped.set()
        self.abort()
        if thread := self._thread:
            thread.join(LEAVE_S)
            self._thread = None

    def deltas(self, counts: Mapping[DeviceAddresses, Counts], start_ms: int, end_ms: int) -> Iterator[Delta]:
        """Yield counts as deltas of the point."""
        for (mac, address), amount in counts.items():
            yield Delta(FlowKey(self._point.name, mac, address), amount, start_ms, end_ms, self.quality(mac, address))

    def quality(self, mac: Mac | None, address: Address | None) -> Quality:
        """Return how sure it is that counts are of those addresses."""
        return Quality.EXACT

    @property
    def _meter(self) -> str:
        return f"{self._point.collector} {self._point.name}"

    def _result(self, since_ms: int, now_ms: int) -> ReadResult:
        """Return all that is fresh, over the time it took: longer than since the last read if the meter was away."""
        at_s = time.monotonic()
        began_ms = self._before_ms if self._handed_s is None else now_ms - int((at_s - self._handed_s) * 1000)
        start_ms = min(since_ms, now_ms, since_ms if began_ms is None else began_ms)
        deltas = list(self.deltas(self._fresh, start_ms, now_ms))
        receipt = Receipt(self._meter, self._epoch + 1)
        result = self.complete(ReadResult(start_ms, now_ms, deltas=deltas, receipt=receipt))
        self._epoch += 1
        if self._polls:
            self._handed_s = at_s
        return result

    def _begin(self) -> None:
        """Start the thread at the first read. Raises CollectorError if an unforeseen fault ended it."""
        thread = self._thread
        if self._stopped.is_set():
            return
        if thread is None:
            self._thread = threading.Thread(target=self._run, name=self._meter, daemon=True)
            self._thread.start()
        elif not thread.is_alive() and not self._has_ended:
            self._thread = None
            reason = f"{self.url}: a fault ended the thread that asks; it is begun anew"
            self._status = PointStatus(PointState.FAILED, reason)  # until a poll works
            raise CollectorError(reason)

    def _run(self) -> None:
        """Poll for as long as the collector is open, or until the meter must not be asked again."""
        failures = 0
        try:
            while not self._stopped.is_set():
                began_s = time.monotonic()
                wait_s = float(self.backoff_s[min(failures, len(self.backoff_s) - 1)])
                try:
                    self._poll()
                except PollingEnded as error:
                    self._tell(PointState.FAILED, str(error))
                    self._has_ended = True
                    return
                except TemporarilyUnavailable as error:
                    failures, wait_s = 0, max(float(self._interval_s), error.wait_s)
                    self._tell(PointState.WAITING, f"{error}; the next attempt is in {wait_s:.0f} s")
                except CollectorError as error:
                    failures += 1
                    self._tell(
                        PointState.FAILED,
                        f"{error}; it is read again, and counting continues from the figures it has by then",
                    )
                else:
                    self.use_pause(began_s + self._interval_s)
                    failures, wait_s = 0, max(0.0, began_s + self._interval_s - time.monotonic())
                self._stopped.wait(wait_s)
        finally:
            self.leave()

    def _poll(self) -> None:
        self._tell(PointState.OK, self.poll())

    def _tell(self, state: PointState, notice: str) -> None:
        """Set the point's state, and log what is new about it."""
        if self._stopped.is_set():
            return
        before, self._status = self._status, PointStatus(state, notice)
        if state is PointState.OK:
            if before.state in (PointState.FAILED, PointState.WAITING):
                log.info("%s: %s answers again", self._point.name, self.url)
            if self._doubt and self._doubt not in before.notice:
                log.warning("%s: %s: %s", self._point.name, self.url, self._doubt)
        elif before.notice != notice:
            level = logging.ERROR if state is PointState.FAILED else logging.WARNING
            log.log(level, "%s: %s", self._point.name, notice)


def audit_of_itself(life: str, passed: Counts) -> Audit:
    """Return the audit of a meter that sees all there is: it has no interface to be compared with."""
    return Audit(life, life, passed, passed, link_header=0, frames_at_attach=Counts())


def sums(
    counts: Mapping[DeviceAddresses, Counts], more: Mapping[DeviceAddresses, Counts]
) -> dict[DeviceAddresses, Counts]:
    """Return the counts of both, added up by device."""
    return {**counts, **{key: counts[key].plus(part) if key in counts else part for key, part in more.items()}}
