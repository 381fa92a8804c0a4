"""Reads a darkstat over HTTP: who used how much by its table of hosts, in a thread that nobody waits for."""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping

from whitestat.collectors import CollectorFacts
from whitestat.collectors.darkstat import prefixes
from whitestat.collectors.darkstat.follow import TableChange, TableFollower, TableSnapshot, same_life
from whitestat.collectors.darkstat.parse import DarkstatError, HostTotals
from whitestat.collectors.darkstat.reader import TableReader
from whitestat.collectors.darkstat.services import Services
from whitestat.collectors.http import Http
from whitestat.collectors.settings import PointSettings
from whitestat.core.errors import CollectorError
from whitestat.core.model import (
    Address,
    Audit,
    CounterReading,
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
from whitestat.core.units import address_text

__all__ = ["DarkstatCollector", "DarkstatError"]

log = logging.getLogger("whitestat")

BACKOFF_S = (1, 2, 4, 8, 15, 30, 60)
"""Seconds from one failure to the next try: short at first, so that a restart is caught at its beginning."""
PAGE_EVERY_S = 2.0
"""The pace at which hosts' own pages are looked at: darkstat answers from the loop that it captures in."""
LEAVE_S = 1.0
"""How long the end waits for a poll that is under way; one that hangs in a connection is left."""
GONE = "gone"
"""The epoch of a row that darkstat shows no more."""

_Key = tuple[Mac | None, Address | None]


class DarkstatCollector:
    """One darkstat as a meter that is drained: what passed between polls is held until it is booked.

    The table last seen goes to the ledger with it, so the next process goes on from there; `kept` is what
    the last one left. In and out are as darkstat has them: in is towards the host.
    """

    def __init__(
        self,
        point: Point,
        url: str,
        interval_s: int,
        local: Callable[[Address], bool],
        kept: Iterable[CounterReading] = (),
    ) -> None:
        self._point = point
        self._http = Http(url, timeout_s=max(5.0, min(30.0, float(interval_s))))
        self._reader = TableReader(self._http, local)
        self._interval_s = interval_s
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._kept = {each.key.address: each for each in kept if each.epoch != GONE}
        self._reader.networks = prefixes.of_addresses(self._kept)
        before = _sight_of(self._kept)
        self._follower = TableFollower(before)
        self._services = Services()
        self._page_at_s = 0.0
        self._fresh: dict[_Key, Counts] = {}  # since the last read
        self._handed: ReadResult | None = None  # read, and not yet settled
        self._epoch = 0
        self._seen: TableSnapshot | None = None
        self._told: TableSnapshot | None = None  # the last one that was handed out
        self._told_at_s = 0.0
        self._before_ms = before.at_ms if before else None
        self._polled_s: float | None = None  # by the monotonic clock
        self._polls = 0
        self._last_poll: Poll | None = None
        self._life = uuid.uuid4().hex
        self._passed = self._lost = Counts()
        self._packets_lost = 0
        self._status = PointStatus(PointState.STARTING)

    @property
    def points(self) -> tuple[Point, ...]:
        return (self._point,)

    @property
    def url(self) -> str:
        return self._http.url

    def open(self, booked: Mapping[str, int]) -> None:
        """Nothing is asked yet: the thread must wait until privileges were given up."""
        self._epoch = booked.get(self._meter, 0)

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        """What passed between the polls since what was handed out last; the same again until that is settled."""
        self._begin()
        with self._lock:
            if self._handed is None and self._seen is not None and self._seen is not self._told:
                self._handed = self._result(self._seen, since_ms, now_ms)
                self._fresh = {}
            return self._handed or ReadResult(since_ms, now_ms)

    def acknowledge(self, receipt: Receipt) -> None:
        """What was read is booked, and the next process knows up to where."""
        with self._lock:
            if self._handed is None or receipt != self._handed.receipt:
                return
            self._kept |= {mark.key.address: mark for mark in self._handed.marks}
            self._kept = {key: each for key, each in self._kept.items() if each.epoch != GONE}
            self._handed = None

    def halt(self) -> None:
        """Nothing to do: darkstat counts on."""

    def peek(self) -> Iterable[Delta]:
        with self._lock:
            handed = list(self._handed.deltas) if self._handed else []
            return [*handed, *self._deltas(self._fresh, 0, 0)]

    def last_poll(self) -> Poll | None:
        with self._lock:
            return self._last_poll if self._status.state is PointState.OK else None

    def facts(self) -> CollectorFacts:
        return CollectorFacts(
            url=self.url,
            settled=self._status.state is not PointState.STARTING,
            networks=self._reader.networks,
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
        self._http.abort()
        if thread := self._thread:
            thread.join(LEAVE_S)
            self._thread = None

    @property
    def _meter(self) -> str:
        return f"darkstat {self._point.name}"

    def _begin(self) -> None:
        thread = self._thread
        if self._stopped.is_set():
            return
        if thread is None:
            self._thread = threading.Thread(target=self._run, name=self._meter, daemon=True)
            self._thread.start()
        elif not thread.is_alive():
            self._thread = None
            reason = f"{self.url}: a fault ended the thread that asks; it is begun anew"
            self._status = PointStatus(PointState.FAILED, reason)  # until a poll works
            raise CollectorError(reason)

    def _run(self) -> None:
        """Poll for as long as the collector is open; a failure is told once, and tried again ever later."""
        failures = 0
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                self._poll()
            except CollectorError as error:
                wait_s = float(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
                failures += 1
                self._failed(str(error))
            else:
                failures = 0
                self._look_closer(began + self._interval_s)
                wait_s = max(0.0, began + self._interval_s - time.monotonic())
            self._stopped.wait(wait_s)

    def _look_closer(self, until_s: float) -> None:
        """One page of a host after the other, slowly, until the table is due; a failure is no matter of the table's."""
        while not self._stopped.is_set() and max(self._page_at_s, time.monotonic()) < until_s:
            if self._stopped.wait(max(0.0, self._page_at_s - time.monotonic())):
                return
            with self._lock:
                address = self._services.due()
            if address is None:
                return
            self._page_at_s = time.monotonic() + PAGE_EVERY_S
            try:
                page = self._reader.detail(address)
            except CollectorError as error:
                log.debug("%s: the page of a host: %s", self._point.name, error)
                return
            if page:
                with self._lock:
                    self._services.looked(address, page)

    def _poll(self) -> None:
        """One look, which is taken over whole or not at all: what a fault cuts off is found by the next."""
        sight = self._reader.look(lambda: time.time_ns() // 1_000_000)
        at_s = time.monotonic()
        with self._lock:
            before, follower = self._follower.before, self._follower.copy()
            step = follower.take(sight)
            grown = self._booked(step, sight)
            fresh = _sum(self._fresh, grown)
            self._last_poll = self._poll_of(before, sight, grown, at_s)
            self._audit(before, sight)
            self._follower, self._seen, self._fresh = follower, follower.before, fresh
            self._services.polled(step.grown, same_life=before is not None and same_life(before, sight))
        self._works(sight)

    def _booked(self, step: TableChange, sight: TableSnapshot) -> dict[_Key, Counts]:
        """What the step adds to what is fresh."""
        grown: dict[_Key, Counts] = {
            (sight.rows[address].mac, address): counts for address, counts in step.grown.items()
        }
        if step.nobodys:
            grown[None, None] = Counts(octets_unsplit=step.nobodys)
            log.warning(
                "%s: %s was restored from an export older than what is remembered: %d octets are unattributed",
                self._point.name,
                self.url,
                step.nobodys,
            )
        if step.refused:
            log.warning(
                "%s: %d hosts of %s grew by more than passed; not booked", self._point.name, step.refused, self.url
            )
        return grown

    def _poll_of(
        self, before: TableSnapshot | None, sight: TableSnapshot, grown: Mapping[_Key, Counts], at_s: float
    ) -> Poll | None:
        """What came since the sight before: by the wall clock where another process had it, else by the monotonic."""
        span_ms = 0
        if self._polled_s is not None:
            span_ms = int((at_s - self._polled_s) * 1000)
        elif before is not None:
            span_ms = sight.at_ms - before.at_ms
        self._polled_s = at_s
        self._polls += 1
        deltas = list(self._deltas(grown, sight.at_ms - span_ms, sight.at_ms))
        return Poll(self._polls, sight.at_ms, span_ms, deltas) if span_ms > 0 else None

    def _audit(self, before: TableSnapshot | None, now: TableSnapshot) -> None:
        """What darkstat saw of all traffic, and what pcap dropped before it could, at the average packet's size."""
        if before is None or now.passed is None:
            return
        same = same_life(before, now)
        octets = max(0, now.passed - (before.passed or 0) if same else now.passed)
        packets = max(0, now.packets - before.packets if same else now.packets)
        # The count of drops goes on through a wipe, and begins anew at a restart.
        dropped = now.dropped - before.dropped if now.dropped >= before.dropped else now.dropped
        size = octets // packets if packets else now.passed // now.packets if now.packets else 0
        passed = self._passed.plus(Counts(octets_unsplit=octets, packets_in=packets))
        lost = self._lost.plus(Counts(octets_unsplit=dropped * size, packets_in=dropped))
        self._passed, self._lost, self._packets_lost = passed, lost, self._packets_lost + dropped

    def _result(self, seen: TableSnapshot, since_ms: int, now_ms: int) -> ReadResult:
        """All that is fresh, over the time it took: longer than since the last read where darkstat was away."""
        began_ms = self._before_ms if self._told is None else now_ms - int((time.monotonic() - self._told_at_s) * 1000)
        start_ms = min(since_ms, now_ms, since_ms if began_ms is None else began_ms)
        audit = Audit(
            f"wire {self._life}",  # another name than the meter's: what pcap dropped is missing from it
            f"darkstat {self._life}",
            self._passed.plus(self._lost),
            self._passed,
            packets_lost=self._packets_lost,
            link_header=0,
            frames_at_attach=Counts(),
        )
        details = self._services.explain(self._fresh, start_ms, now_ms)
        names = self._reader.names
        named = [(mac, address, names[address]) for mac, address in self._fresh if address in names and address]
        self._epoch += 1
        self._told, self._told_at_s = seen, time.monotonic()
        return ReadResult(
            start_ms,
            now_ms,
            deltas=list(self._deltas(self._fresh, start_ms, now_ms)),
            receipt=Receipt(self._meter, self._epoch),
            audits={self._point.name: audit},
            marks=tuple(self._marks(seen)),
            names=named,
            details=[
                Delta(FlowKey(self._point.name, *host, protocol=on.protocol, service=on.port), counts, start_ms, now_ms)
                for (host, on), counts in details.items()
            ],
        )

    def _marks(self, seen: TableSnapshot) -> Iterator[CounterReading]:
        """Readings that differ from those in the ledger: rows that changed or went, and darkstat's own totals."""
        name, epoch = self._point.name, str(seen.life)
        for address, host in seen.rows.items():
            counts, kept = Counts(host.octets_in, host.octets_out), self._kept.get(address)
            if kept is None or kept.counts != counts or kept.epoch != epoch:
                yield CounterReading(FlowKey(name, address=address), counts, seen.at_ms, epoch)
        for place, last in self._kept.items():
            if place is not None and place not in seen.rows:
                yield last._replace(epoch=GONE)
        totals = Counts(seen.octets_in, seen.octets_out, seen.packets, seen.dropped, seen.passed or 0)
        yield CounterReading(FlowKey(name), totals, seen.at_ms, epoch)

    def _deltas(self, held: Mapping[_Key, Counts], start_ms: int, end_ms: int) -> Iterator[Delta]:
        for (mac, address), counts in held.items():
            quality = Quality.AMBIGUOUS if address is None else Quality.EXACT
            yield Delta(FlowKey(self._point.name, mac, address), counts, start_ms, end_ms, quality)

    def _works(self, sight: TableSnapshot) -> None:
        if self._status.state is PointState.FAILED:
            log.info("%s: %s answers again", self._point.name, self.url)
        notice = ""
        if self._reader.unreadable:
            notice = f"{self._reader.unreadable} rows of {self.url} could not be read"
        elif self._packets_lost:
            notice = f"darkstat lost {self._packets_lost} packets since we started: their octets are an estimate"
        self._status = PointStatus(PointState.OK, notice)

    def _failed(self, reason: str) -> None:
        if self._stopped.is_set():
            return
        notice = f"{reason}; it is asked again, and goes on from what it has by then"
        if self._status.notice != notice:
            log.error("%s: %s", self._point.name, notice)
        self._status = PointStatus(PointState.FAILED, notice)


def build(settings: PointSettings) -> DarkstatCollector:
    is_local = _only(settings.only, settings.is_local)
    return DarkstatCollector(settings.point, settings.url, settings.interval_s, is_local, settings.readings)


def _only(pattern: str | None, is_local: Callable[[Address], bool]) -> Callable[[Address], bool]:
    """Return which hosts are of the home, where a pattern leaves some out."""
    if pattern is None:
        return is_local
    matches = re.compile(pattern).search
    return lambda address: matches(address_text(address)) is not None and is_local(address)


def _sight_of(kept: Mapping[Address | None, CounterReading]) -> TableSnapshot | None:
    """The table as the last process left it in the ledger, None where there is none; without the hosts outside."""
    totals = kept.get(None)
    if totals is None or not totals.epoch.removeprefix("-").isdigit():
        return None
    rows = {
        address: HostTotals(each.counts.octets_in, each.counts.octets_out)
        for address, each in kept.items()
        if address is not None and each.epoch == totals.epoch
    }
    octets_in, octets_out, packets, dropped, passed = totals.counts
    return TableSnapshot(totals.at_ms, int(totals.epoch), rows, octets_in, octets_out, passed, passed, packets, dropped)


def _sum(held: Mapping[_Key, Counts], more: Mapping[_Key, Counts]) -> dict[_Key, Counts]:
    return {**held, **{key: held[key].plus(counts) if key in held else counts for key, counts in more.items()}}
