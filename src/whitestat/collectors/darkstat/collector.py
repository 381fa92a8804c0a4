"""Collector of a darkstat over HTTP: usage by its table of hosts."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from whitestat.collectors import CollectorFacts
from whitestat.collectors.darkstat import prefixes
from whitestat.collectors.darkstat.follow import TableChange, TableFollower, TableSnapshot, same_life
from whitestat.collectors.darkstat.parse import DarkstatError, HostTotals
from whitestat.collectors.darkstat.reader import TableReader
from whitestat.collectors.darkstat.services import Services
from whitestat.collectors.darkstat.unread import UnreadFrames
from whitestat.collectors.http import Http
from whitestat.collectors.polling import DeviceAddresses, PolledCollector
from whitestat.collectors.settings import PointSettings
from whitestat.core.errors import CollectorError
from whitestat.core.model import (
    PROTOCOL_OTHER,
    Address,
    Audit,
    CounterReading,
    Counts,
    Delta,
    FlowKey,
    Mac,
    Point,
    Poll,
    Quality,
    ReadResult,
)
from whitestat.core.units import address_text

__all__ = ["DarkstatCollector", "DarkstatError"]

log = logging.getLogger("whitestat")

PAGE_EVERY_S = 2.0
"""The pace at which hosts' own pages are looked at: darkstat answers from the loop that it captures in."""
GONE = "gone"
"""The epoch of a row that darkstat shows no more."""
UNKNOWN_SIZE = 600
"""Octets that a packet is taken for where darkstat could not read a single one."""


class DarkstatCollector(PolledCollector):
    """One darkstat as a meter that is drained: what passed between polls is kept until it is booked.

    The table of the last poll goes to the ledger as marks; `kept` are those of the last process. In and out are as
    darkstat has them: in is towards the host.
    """

    def __init__(
        self,
        point: Point,
        url: str,
        interval_s: int,
        local: Callable[[Address], bool],
        kept: Iterable[CounterReading] = (),
    ) -> None:
        kept = list(kept)
        self._kept = {reading.key.address: reading for reading in kept if reading.epoch != GONE}
        before = _sight_of(self._kept)
        self._http = Http(url, timeout_s=max(5.0, min(30.0, float(interval_s))))
        super().__init__(point, self._http.url, interval_s, before_ms=before.at_ms if before else None)
        self._reader = TableReader(self._http, local)
        self._reader.networks = prefixes.of_addresses(self._kept)
        self._follower = TableFollower(before)
        self._services = Services()
        self._page_at_s = 0.0
        self._seen: TableSnapshot | None = None
        self._passed = self._lost = Counts()
        self._packets_lost = 0
        self._unread = _unread_of(kept, before)
        self._frames_unread = 0

    def facts(self) -> CollectorFacts:
        return super().facts()._replace(networks=self._reader.networks)

    def abort(self) -> None:
        self._http.abort()

    def quality(self, mac: Mac | None, address: Address | None) -> Quality:
        return Quality.AMBIGUOUS if address is None else Quality.EXACT

    def acknowledged(self, result: ReadResult) -> None:
        self._kept |= {mark.key.address: mark for mark in result.marks if mark.key.protocol is None}
        self._kept = {address: reading for address, reading in self._kept.items() if reading.epoch != GONE}

    def use_pause(self, until_s: float) -> None:
        """Read one page of a host after the other, slowly, until the table is due; a failure does not concern it."""
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

    def poll(self) -> str:
        sight = self._reader.look(lambda: time.time_ns() // 1_000_000)
        at_s = time.monotonic()
        with self._lock:
            before, follower = self._follower.before, self._follower.copy()
            step = follower.take(sight)
            grown = self._booked(step, sight)
            unread, frames = self._unread.take(sight)
            audited = self._audited(before, sight, frames)
            self.record(grown, self._poll_of(sight, grown, at_s), at_s)
            self._passed, self._lost, self._packets_lost = audited
            self._unread, self._frames_unread = unread, self._frames_unread + frames
            self._follower, self._seen = follower, follower.before
            self._services.polled(step.grown, same_life=before is not None and same_life(before, sight))
        return self._notice()

    def _notice(self) -> str:
        if self._reader.unreadable:
            return f"{self._reader.unreadable} rows of {self.url} could not be read"
        if self._frames_unread:
            return (
                f"darkstat could not read {self._frames_unread} of the frames it captured since we started (VLAN tags,"
                " or PPPoE without --pppoe): their octets are an estimate, and unattributed"
            )
        if self._packets_lost:
            return f"darkstat lost {self._packets_lost} packets since we started: their octets are an estimate"
        return ""

    def _poll_of(self, sight: TableSnapshot, grown: Mapping[DeviceAddresses, Counts], at_s: float) -> Poll | None:
        span_ms = self.elapsed_ms(sight.at_ms, at_s) or 0
        deltas = list(self.deltas(grown, sight.at_ms - span_ms, sight.at_ms))
        return Poll(self._polls + 1, sight.at_ms, span_ms, deltas) if span_ms > 0 else None

    def _booked(self, step: TableChange, sight: TableSnapshot) -> dict[DeviceAddresses, Counts]:
        """What the step adds to what is fresh."""
        grown: dict[DeviceAddresses, Counts] = {
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

    def _audited(self, before: TableSnapshot | None, now: TableSnapshot, unread: int) -> tuple[Counts, Counts, int]:
        """Return what darkstat saw, what it did not (dropped or `unread` frames, at the average packet's size), and
        the packets that pcap dropped."""
        if before is None or now.passed is None:
            return self._passed, self._lost, self._packets_lost
        same = same_life(before, now)
        octets = max(0, now.passed - (before.passed or 0) if same else now.passed)
        packets = max(0, now.packets - before.packets if same else now.packets)
        # The count of drops goes on through a wipe, and begins anew at a restart.
        dropped = now.dropped - before.dropped if now.dropped >= before.dropped else now.dropped
        size = octets // packets if packets else now.passed // now.packets if now.packets else UNKNOWN_SIZE
        passed = self._passed.plus(Counts(octets_unsplit=octets, packets_in=packets))
        missed = dropped + unread
        lost = self._lost.plus(Counts(octets_unsplit=missed * size, packets_in=missed))
        return passed, lost, self._packets_lost + dropped

    def complete(self, result: ReadResult) -> ReadResult:
        audit = Audit(
            f"wire {self._life}",  # another name than the meter's: what pcap dropped is missing from it
            f"darkstat {self._life}",
            self._passed.plus(self._lost),
            self._passed,
            packets_lost=self._packets_lost,
            link_header=0,
            frames_at_attach=Counts(),
        )
        details = self._services.explain(self._fresh, result.start_ms, result.end_ms)
        names = self._reader.names
        return replace(
            result,
            audits={self._point.name: audit},
            marks=tuple(self._marks(self._seen)) if self._seen else (),
            names=[(mac, address, names[address]) for mac, address in self._fresh if address in names and address],
            details=[
                Delta(
                    FlowKey(self._point.name, *host, protocol=service.protocol, service=service.port),
                    counts,
                    result.start_ms,
                    result.end_ms,
                )
                for (host, service), counts in details.items()
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
        if (captured := self._unread.captured) is not None:
            # By its epoch it is no row, so that releases that do not know it leave it alone.
            key = FlowKey(name, protocol=PROTOCOL_OTHER)
            yield CounterReading(key, Counts(captured, self._unread.unread, self._unread.at_ms), seen.at_ms, GONE)


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
        address: HostTotals(reading.counts.octets_in, reading.counts.octets_out)
        for address, reading in kept.items()
        if address is not None and reading.epoch == totals.epoch
    }
    octets_in, octets_out, packets, dropped, passed = totals.counts
    return TableSnapshot(totals.at_ms, int(totals.epoch), rows, octets_in, octets_out, passed, passed, packets, dropped)


def _unread_of(kept: Iterable[CounterReading], before: TableSnapshot | None) -> UnreadFrames:
    """The state of unread frames that the last process left with the table `before`."""
    for reading in kept:
        if before and reading.key.protocol == PROTOCOL_OTHER and reading.at_ms == before.at_ms:
            captured, unread, at_ms, *_ = reading.counts
            return UnreadFrames(before.life, at_ms, captured, unread)
    return UnreadFrames()
