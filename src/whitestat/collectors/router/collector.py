"""Reads the counters of a router in a thread that nobody waits for; what is one router's own is in a `Router`."""

from __future__ import annotations

import logging
import secrets
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping

from whitestat.collectors import CollectorFacts
from whitestat.collectors.login import Login
from whitestat.collectors.router.follow import TotalsChange, TotalsFollower
from whitestat.collectors.router.protocol import (
    LINE,
    LoginRefused,
    Router,
    RouterKey,
    RouterTotals,
    TemporarilyUnavailable,
)
from whitestat.collectors.settings import PointSettings
from whitestat.core.errors import CollectorError
from whitestat.core.model import (
    Audit,
    CounterReading,
    Counts,
    Delta,
    FlowKey,
    HostName,
    Mac,
    Point,
    PointState,
    PointStatus,
    Poll,
    ReadResult,
    Receipt,
)
from whitestat.core.units import octets_text

__all__ = ["LoginRefused", "Router", "RouterCollector", "RouterTotals", "TemporarilyUnavailable"]

log = logging.getLogger("whitestat")

BACKOFF_S = (5, 10, 20, 40, 60, 120, 300)
"""Seconds from one failure to the next try: routers are slow, and some count tries."""
CLOSELY_EVERY_S = 600.0
NAMES_MAX = 4096
LEAVE_S = 1.0
"""How long the end waits for a poll that is under way to log out; one that hangs in a connection is left."""
REFUSED = 1
"""The service number under which a refused login is noted in the ledger: no counter has one."""


class RouterCollector:
    """One router as a meter that is drained: what passed between polls is held until it is booked.

    Its figures go to the ledger with it, so the next process goes on from there; `kept` is what the last one left.
    A login that was refused is noted there too, and never tried again.
    """

    def __init__(
        self,
        point: Point,
        router: Router,
        interval_s: int,
        login: Login | None = None,
        kept: Iterable[CounterReading] = (),
    ) -> None:
        self._point = point
        self._router = router
        self._interval_s = interval_s
        self._login = login
        known = list(kept)
        self._noted = next((each.epoch for each in known if each.key.service == REFUSED), "")
        self._follower = TotalsFollower(
            point.name, router.ceiling_bps, (each for each in known if each.key.service is None)
        )
        self._told_ms = self._follower.looked_ms
        self._thread: threading.Thread | None = None
        self._ended = False
        """Whether the thread ended for good."""
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._fresh: dict[RouterKey, Counts] = {}  # since the last read
        self._marks: dict[FlowKey, CounterReading] = {}
        self._names: dict[Mac, HostName] = {}
        self._told_names: dict[Mac, str] = {}
        self._handed: ReadResult | None = None  # read, and not yet settled
        self._epoch = 0
        self._looked_s: float | None = None  # by the monotonic clock
        self._polls = 0
        self._last_poll: Poll | None = None
        self._told_s: float | None = None
        self._closely_s = -CLOSELY_EVERY_S
        self._news = False
        self._life = uuid.uuid4().hex
        self._passed = Counts()
        self._doubt = ""
        self.doubt = ""
        """Why the figures may not be right; empty where nothing speaks for that."""
        self.seen = ""
        """What the last poll saw, for people; empty before the first."""
        self._status = PointStatus(PointState.STARTING)

    @property
    def points(self) -> tuple[Point, ...]:
        return (self._point,)

    @property
    def url(self) -> str:
        return self._router.url

    def open(self, booked: Mapping[str, int]) -> None:
        """Nothing is asked yet: the thread must wait until privileges were given up."""
        self._epoch = booked.get(self._meter, 0)

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        """What passed between the polls since what was handed out last; the same again until that is settled."""
        self._begin()
        with self._lock:
            if self._handed is None and self._marks:
                self._handed = self._result(since_ms, now_ms)
            return self._handed or ReadResult(since_ms, now_ms)

    def acknowledge(self, receipt: Receipt) -> None:
        with self._lock:
            if self._handed is not None and receipt == self._handed.receipt:
                self._handed = None

    def halt(self) -> None:
        """Nothing to do: the router counts on."""

    def peek(self) -> Iterable[Delta]:
        with self._lock:
            handed = list(self._handed.deltas) if self._handed else []
            return [*handed, *self._deltas(0, 0)]

    def last_poll(self) -> Poll | None:
        with self._lock:
            return self._last_poll if self._status.state is PointState.OK else None

    def facts(self) -> CollectorFacts:
        return CollectorFacts(
            url=self.url,
            settled=self._status.state is not PointState.STARTING,
            progress=self.seen,
            doubt=self.doubt,
            is_polled=True,
            last_poll=self.last_poll(),
        )

    def statuses(self) -> Mapping[str, PointStatus]:
        return {self._point.name: self._status}

    def maintain(self) -> None:
        """Nothing to do: each poll connects anew."""

    def memory(self) -> int:
        return 0

    def close(self) -> None:
        self._stopped.set()
        self._router.abort()
        if thread := self._thread:
            thread.join(LEAVE_S)
            self._thread = None

    @property
    def _meter(self) -> str:
        return f"{self._point.collector} {self._point.name}"

    def _begin(self) -> None:
        thread = self._thread
        if self._stopped.is_set():
            return
        if thread is None:
            self._thread = threading.Thread(target=self._run, name=self._meter, daemon=True)
            self._thread.start()
        elif not thread.is_alive() and not self._ended:
            self._thread = None
            reason = f"{self.url}: a fault ended the thread that asks; it is begun anew"
            self._status = PointStatus(PointState.FAILED, reason)  # until a poll works
            raise CollectorError(reason)

    def _run(self) -> None:
        """Poll for as long as the collector is open, or until the router refuses the password."""
        if self._login and self._noted and self._login.is_sealed_in(self._noted, self.url):
            self._tell(PointState.FAILED, f"{self.url}: did not take this name and password before; {_ONCE}")
            self._ended = True
            return
        failures = 0
        try:
            while not self._stopped.is_set():
                began = time.monotonic()
                wait_s = float(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
                try:
                    self._poll()
                except LoginRefused as error:
                    self._refuse(str(error))
                    self._ended = True
                    return
                except TemporarilyUnavailable as error:
                    failures, wait_s = 0, max(float(self._interval_s), error.wait_s)
                    self._tell(PointState.WAITING, f"{error}; it is asked again in {wait_s:.0f} s")
                except CollectorError as error:
                    failures += 1
                    self._tell(PointState.FAILED, f"{error}; it is asked again, and goes on from what it has by then")
                else:
                    failures, wait_s = 0, max(0.0, began + self._interval_s - time.monotonic())
                self._stopped.wait(wait_s)
        finally:
            self._router.close()

    def _poll(self) -> None:
        """One look, which is taken over whole or not at all: what a fault cuts off is found by the next."""
        closely = self._news or time.monotonic() - self._closely_s >= CLOSELY_EVERY_S
        look = self._router.look(closely)
        at_ms, at_s = time.time_ns() // 1_000_000, time.monotonic()
        with self._lock:
            follower = self._follower.copy()
            elapsed_ms = self._elapsed_ms(at_ms, at_s)
            step = follower.take(look, at_ms, elapsed_ms)
            self._take(step)
            self._polls += 1
            is_known = elapsed_ms > 0 and not step.implausible and not step.restored
            self._last_poll = Poll(self._polls, at_ms, step.spanned_ms, step.deltas) if is_known else None
            self._follower, self._looked_s = follower, at_s
            self._news = step.new_rows > 0 and not closely
            if closely:
                self._closely_s = at_s
            self._names.update((each.mac, each) for each in look.names[:NAMES_MAX] if each.mac)
            if len(self._names) > NAMES_MAX:
                self._names = {each.mac: each for each in look.names[:NAMES_MAX] if each.mac}
        self._works(step, look)

    def _elapsed_ms(self, at_ms: int, at_s: float) -> int:
        """Since the poll before: by the wall clock where another process made it, else by the monotonic one.

        A clock that is behind says nothing: it may be right later, so an hour is assumed.
        """
        if self._looked_s is not None:
            return int((at_s - self._looked_s) * 1000)
        before_ms = self._follower.looked_ms
        if before_ms is None:
            return 0
        return at_ms - before_ms if at_ms > before_ms else 3_600_000

    def _take(self, step: TotalsChange) -> None:
        fresh, passed = self._fresh.copy(), self._passed
        for delta in step.deltas:
            who = (delta.key.mac, delta.key.address)
            fresh[who] = fresh.get(who, Counts()).plus(delta.counts)
            passed = passed.plus(delta.counts)
        marks = self._marks | {each.key: each for each in step.changed}
        self._fresh, self._passed, self._marks = fresh, passed, marks

    def _result(self, since_ms: int, now_ms: int) -> ReadResult:
        """All that is fresh, over the time it took: longer than since the last read where the router was away."""
        at_s = time.monotonic()
        began_ms = self._told_ms if self._told_s is None else now_ms - int((at_s - self._told_s) * 1000)
        start_ms = min(since_ms, now_ms, since_ms if began_ms is None else began_ms)
        looked = self._looked_s is not None
        audit = Audit(self._life, self._life, self._passed, self._passed, link_header=0, frames_at_attach=Counts())
        self._epoch += 1
        result = ReadResult(
            start_ms,
            now_ms,
            deltas=list(self._deltas(start_ms, now_ms)),
            receipt=Receipt(self._meter, self._epoch),
            audits={self._point.name: audit} if looked else {},
            marks=tuple(self._marks.values()),
            hosts=self._news_of_names(),
        )
        if looked:
            self._told_s = at_s
        self._fresh, self._marks = {}, {}
        return result

    def _news_of_names(self) -> tuple[HostName, ...]:
        """Names of devices that had traffic, which are known from then on: each once, and when it is another."""
        macs = {mac for mac, _ in self._fresh if mac}
        found = [each for mac, each in self._names.items() if mac in macs and self._told_names.get(mac) != each.name]
        if len(self._told_names) > NAMES_MAX:
            self._told_names.clear()
        self._told_names.update((each.mac, each.name) for each in found if each.mac)
        return tuple(found)

    def _deltas(self, start_ms: int, end_ms: int) -> Iterator[Delta]:
        for who, counts in self._fresh.items():
            yield Delta(FlowKey(self._point.name, *who), counts, start_ms, end_ms)

    def _works(self, step: TotalsChange, look: RouterTotals) -> None:
        if step.implausible:
            self._doubt = "figures that the line cannot have carried were not booked"
        elif step.unsure:
            self._doubt = "the router may have counted round more often than was seen: ask it more often (interval)"
        elif step.restored:
            self._doubt = "the router went back to older figures: what it lost by that is not booked"
        elif look.unreadable:
            self._doubt = f"{look.unreadable} rows could not be read"
        self.seen = _seen(look)
        self.doubt = "; ".join(filter(None, (look.doubt, self._doubt)))
        notice = "; ".join(filter(None, (look.notice, self.doubt)))
        self._tell(PointState.OK, notice)

    def _refuse(self, reason: str) -> None:
        if self._login:
            note = self._login.sealed(self.url, secrets.token_bytes(16))
            key = FlowKey(self._point.name, service=REFUSED)
            with self._lock:
                self._marks[key] = CounterReading(key, Counts(), time.time_ns() // 1_000_000, note)
        self._tell(PointState.FAILED, f"{reason}; {_ONCE}")

    def _tell(self, state: PointState, notice: str) -> None:
        """The state for the page; the log says what is new of it."""
        if self._stopped.is_set():
            return
        before, self._status = self._status, PointStatus(state, notice)
        if state is PointState.OK:
            if before.state in (PointState.FAILED, PointState.WAITING):
                log.info("%s: %s answers again", self._point.name, self.url)
            if self.doubt and self.doubt not in before.notice:
                log.warning("%s: %s: %s", self._point.name, self.url, self.doubt)
        elif before.notice != notice:
            log.log(
                logging.ERROR if state is PointState.FAILED else logging.WARNING, "%s: %s", self._point.name, notice
            )


def collector_of(settings: PointSettings, router: Router) -> RouterCollector:
    """Return the collector of a point that asks that router."""
    return RouterCollector(settings.point, router, settings.interval_s, settings.login, settings.readings)


def timeout_s(settings: PointSettings) -> float:
    """Return how long a router may take for an answer, seconds."""
    return max(5.0, min(10.0, float(settings.interval_s)))


def _seen(look: RouterTotals) -> str:
    line = look.totals.get(LINE)
    if line is None:
        octets = sum(counts.octets for counts in look.totals.values())
        return f"{len(look.totals)} devices with {octets_text(octets)} on their counters"
    return f"its counters stand at {octets_text(line.octets_in)} down and {octets_text(line.octets_out)} up"


_ONCE = (
    "it is not tried again, so that the router is not locked, until the name, the password or the address in the "
    "configuration changes, or the file that holds the password is saved anew"
)
