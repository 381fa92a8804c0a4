"""Collector of the counters of a router; what is particular to one kind of router is in a `Router`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import replace

from whitestat.collectors.login import Login
from whitestat.collectors.polling import PolledCollector, PollingEnded, audit_of_itself
from whitestat.collectors.router.follow import TotalsChange, TotalsFollower
from whitestat.collectors.router.protocol import LINE, LoginRefused, Router, RouterKey, RouterTotals
from whitestat.collectors.settings import PointSettings
from whitestat.core.model import CounterReading, Counts, FlowKey, HostName, Mac, Point, Poll, ReadResult
from whitestat.core.units import octets_text

__all__ = ["LoginRefused", "Router", "RouterCollector", "RouterTotals"]

CLOSELY_EVERY_S = 600.0
NAMES_MAX = 4096
REFUSED = 1
"""The service number under which a refused login is noted in the ledger: no counter has one."""


class RouterCollector(PolledCollector):
    """One router as a meter that is drained: what passed between polls is kept until it is booked.

    Its totals go to the ledger as marks; `kept` are those of the last process. A login that was refused is noted
    there too, and never tried again.
    """

    backoff_s = (5, 10, 20, 40, 60, 120, 300)
    """Longer than others': routers are slow, and some count tries."""

    def __init__(
        self,
        point: Point,
        router: Router,
        interval_s: int,
        login: Login | None = None,
        kept: Iterable[CounterReading] = (),
    ) -> None:
        readings = list(kept)
        totals = (reading for reading in readings if reading.key.service is None)
        self._follower = TotalsFollower(point.name, router.ceiling_bps, totals)
        super().__init__(point, router.url, interval_s, before_ms=self._follower.looked_ms)
        self._router = router
        self._login = login
        self._refusal = next((reading.epoch for reading in readings if reading.key.service == REFUSED), "")
        self._marks: dict[FlowKey, CounterReading] = {}
        self._names: dict[Mac, HostName] = {}
        self._told_names: dict[Mac, str] = {}
        self._closely_s = -CLOSELY_EVERY_S
        self._has_new_rows = False
        self._passed = Counts()
        self._figures_doubt = ""

    def abort(self) -> None:
        self._router.abort()

    def leave(self) -> None:
        self._router.close()

    def poll(self) -> str:
        if self._login and self._refusal and self._login.is_sealed_in(self._refusal, self.url):
            raise PollingEnded(f"{self.url}: did not take this name and password before; {_ONCE}")
        self._refusal = ""
        closely = self._has_new_rows or time.monotonic() - self._closely_s >= CLOSELY_EVERY_S
        try:
            look = self._router.look(closely)
        except LoginRefused as error:
            self._note_refusal()
            raise PollingEnded(f"{error}; {_ONCE}") from error
        return self._take(look, closely)

    def complete(self, result: ReadResult) -> ReadResult:
        audits = {self._point.name: audit_of_itself(self._life, self._passed)} if self._polls else {}
        result = replace(result, audits=audits, marks=tuple(self._marks.values()), hosts=self._news_of_names())
        self._marks = {}
        return result

    def _take(self, look: RouterTotals, closely: bool) -> str:
        """Take over the totals of one poll, and return what the user should know of them."""
        at_ms, at_s = time.time_ns() // 1_000_000, time.monotonic()
        with self._lock:
            follower = self._follower.copy()
            elapsed_ms = self.elapsed_ms(at_ms, at_s) or 0
            if elapsed_ms <= 0 and self._polled_s is None and self._before_ms is not None:
                elapsed_ms = 3_600_000  # the clock is behind, and may be right later: an hour is assumed
            step = follower.take(look, at_ms, elapsed_ms)
            counts, passed = dict[RouterKey, Counts](), self._passed
            for delta in step.deltas:
                host = (delta.key.mac, delta.key.address)
                counts[host] = counts[host].plus(delta.counts) if host in counts else delta.counts
                passed = passed.plus(delta.counts)
            marks = self._marks | {reading.key: reading for reading in step.changed}
            is_known = elapsed_ms > 0 and not step.implausible and not step.restored
            poll = Poll(self._polls + 1, at_ms, step.spanned_ms, step.deltas) if is_known else None
            self.record(counts, poll, at_s, is_news=bool(marks))
            self._follower, self._passed, self._marks = follower, passed, marks
            self._has_new_rows = step.new_rows > 0 and not closely
            if closely:
                self._closely_s = at_s
            self._names.update((name.mac, name) for name in look.names[:NAMES_MAX] if name.mac)
            if len(self._names) > NAMES_MAX:
                self._names = {name.mac: name for name in look.names[:NAMES_MAX] if name.mac}
        self._figures_doubt = _doubt_of(step, look) or self._figures_doubt
        self._progress = _progress_of(look)
        self._doubt = "; ".join(filter(None, (look.doubt, self._figures_doubt)))
        return "; ".join(filter(None, (look.notice, self._doubt)))

    def _news_of_names(self) -> tuple[HostName, ...]:
        """Return names of devices that had traffic, each once, and again when it is another."""
        macs = {mac for mac, _ in self._fresh if mac}
        news = [name for mac, name in self._names.items() if mac in macs and self._told_names.get(mac) != name.name]
        if len(self._told_names) > NAMES_MAX:
            self._told_names.clear()
        self._told_names.update((name.mac, name.name) for name in news if name.mac)
        return tuple(news)

    def _note_refusal(self) -> None:
        """Have the ledger keep that this name and password were refused."""
        if self._login:
            note = self._login.sealed(self.url, secrets.token_bytes(16))
            key = FlowKey(self._point.name, service=REFUSED)
            with self._lock:
                self._marks[key] = CounterReading(key, Counts(), time.time_ns() // 1_000_000, note)
                self._is_news = True


def _doubt_of(step: TotalsChange, look: RouterTotals) -> str:
    if step.implausible:
        return "figures that the line cannot have carried were not booked"
    if step.unsure:
        return "the router may have counted round more often than was seen: ask it more often (interval)"
    if step.restored:
        return "the router went back to older figures: what it lost by that is not booked"
    return f"{look.unreadable} rows could not be read" if look.unreadable else ""


def collector_of(settings: PointSettings, router: Router) -> RouterCollector:
    """Return the collector of a point that asks that router."""
    return RouterCollector(settings.point, router, settings.interval_s, settings.login, settings.readings)


def timeout_s(settings: PointSettings) -> float:
    """Return how long a router may take for an answer, seconds."""
    return max(5.0, min(10.0, float(settings.interval_s)))


def _progress_of(look: RouterTotals) -> str:
    line = look.totals.get(LINE)
    if line is None:
        octets = sum(counts.octets for counts in look.totals.values())
        return f"{len(look.totals)} devices with {octets_text(octets)} on their counters"
    return f"its counters stand at {octets_text(line.octets_in)} down and {octets_text(line.octets_out)} up"


_ONCE = (
    "it is not tried again, so that the router is not locked, until the name, the password or the address in the "
    "configuration changes, or the file that holds the password is saved anew"
)
