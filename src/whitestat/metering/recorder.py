"""Books what collectors yield: readings to deltas, deltas to usage, that of all collectors in one flush.

Everything here runs in one thread, one call at a time. What is booked, what is gathered and what the meters still
hold add up to the live view, so a flush never shows in it. What could not be written is kept and goes with the next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from itertools import chain
from operator import sub

from whitestat.attribution.attribute import Attributed, Attributor, PointSum
from whitestat.attribution.devices.registry import DeviceRegistry
from whitestat.attribution.locality import Locality
from whitestat.attribution.shape import Shape
from whitestat.collectors import Collector
from whitestat.core import counters, coverage
from whitestat.core.model import (
    UNATTRIBUTED,
    Audit,
    CounterReading,
    Counts,
    Coverage,
    Delta,
    Episode,
    FlowKey,
    Hold,
    PeerKey,
    Point,
    Poll,
    Quality,
    ReadResult,
    Receipt,
    Scope,
    ServiceKey,
    UsageKey,
)
from whitestat.core.sums import add_to
from whitestat.core.units import mac_text
from whitestat.ledger.tables.unflushed import Unflushed
from whitestat.ledger.usage_query import DeviceName
from whitestat.ledger.write.writer import Flush, Writer
from whitestat.metering.batch import PendingBatch
from whitestat.metering.breakdown import BreakdownBuffer
from whitestat.metering.shown_usage import Shown
from whitestat.metering.timekeeper import Correction
from whitestat.metering.today import DeviceToday, Spread, TodayUsage

log = logging.getLogger("whitestat")


@dataclass(slots=True)
class RecorderCounts:
    """What the health page counts."""

    flushes: int = 0
    deltas_discarded: dict[Quality, int] = field(default_factory=dict)


FIRST_DETAIL_MS = 60_000
"""Time after the start until services and peers are handed in first; it doubles each time, up to `detail_s`, so that
the page shows them soon after a start."""


class Recorder:
    """Holds the last readings and audits, gathers harvests, and writes them in one transaction of the ledger."""

    def __init__(
        self,
        writer: Writer,
        attributor: Attributor,
        known: DeviceRegistry,
        *,
        zone: tzinfo,
        points: Iterable[Point],
        locality: Callable[[], Locality],
        detail_s: int = 300,
        finest_s: int = 60,
    ) -> None:
        """`detail_s` is how often services and peers go into a flush; usage is in each, by the minute or, where
        `finest_s` is 1, the second."""
        self.known = known
        self._writer = writer
        self._detail = BreakdownBuffer()
        self._detail_ms = detail_s * 1000
        self._detail_wait_ms = min(FIRST_DETAIL_MS, self._detail_ms)
        self._detail_since_ms: int | None = None
        self._attributor = attributor
        self._zone = zone
        self._points = self._new_points = tuple(points)
        self._replaced = writer.replaced
        self._locality = locality
        state = writer.state()
        self._readings: dict[FlowKey, CounterReading] = {reading.key: reading for reading in state.readings}
        self._audits: dict[str, Audit] = dict(state.audits)
        self._booked = dict(state.receipts)
        self._finest_s = finest_s
        self._draft = PendingBatch(finest_s)
        self._shown = Shown(finest_s)
        self._made = 0  # of what is unflushed, so far
        self._held: set[str] = set()  # points whose meters hold what the draft has of them
        self._today = TodayUsage(writer, known, zone)
        self._polls: dict[str, tuple[int, dict[UsageKey, Counts]]] = {}
        self._shape = Shape()
        self._shape_told: tuple[str, ...] = ()
        self.tally = RecorderCounts()

    def last_read_ms(self, collector: Collector) -> int | None:
        """When the collector's points were last read, by this process or the one before it."""
        names = {point.name for point in collector.points}
        return max((audit.at_ms for name, audit in self._audits.items() if name in names), default=None)

    @property
    def newest_ms(self) -> int:
        """The latest instant that a meter was read at, 0 for none: where time goes on from.

        Not the newest bucket: a clock that was a year ahead for a while has left one there for good.
        """
        audits = [audit.at_ms for audit in self._audits.values()]
        return max(audits or [reading.at_ms for reading in self._readings.values()], default=0)

    @property
    def notices(self) -> tuple[str, ...]:
        """What the page should say of map files and of the home's shape."""
        return *self.known.notices, *self._shape_told

    @property
    def unwritten_octets(self) -> int:
        return self._draft.octets

    def locate(self) -> None:
        """Look what is local now, and what map files say. Raises CollectorError where the kernel does not say."""
        self.known.follow_maps()
        self._attributor.move(self._locality())

    def gather(self, collector: Collector, result: ReadResult, observed_ms: int) -> bool:
        """Add a harvest of the collector, which watched for `observed_ms`, to the next flush.

        False for one that is gathered or booked already: a drained meter hands its counts out until they are
        settled. Whatever error reading the harvest raises, nothing of it was added.
        """
        receipt = result.receipt
        if receipt and (self.is_booked(receipt) or self._draft.receipts.get(receipt.meter) == receipt):
            return False
        readings = list(result.readings)
        deltas = chain(self._differences(readings), result.deltas)
        attributed = self._attributor.attribute(deltas, result.end_ms, detail=True)
        steps = self._steps(result)
        on = self._attributor.attribute(result.details, result.end_ms, detail=True, sees=False).services
        self._add(result, attributed, steps, observed_ms)
        self._add_detail(result, attributed.services | on, attributed.peers)
        self._attributor.commit(attributed)
        self.known.hear(result.names)
        self._notice(attributed, result.end_ms)
        audits = {name: step.baseline for name, step in steps.items()}
        self._draft.add([*readings, *result.marks], audits, receipt)
        if self._draft.bound(self._zone):
            self._detail.clear()
        self._readings.update((reading.key, reading) for reading in readings)
        self._audits.update(audits)
        self._shown.forget({point.name for point in collector.points})
        if receipt:
            self._held.update(point.name for point in collector.points)
        return True

    def flush(self, *, last: bool = False, hold: Hold | None = None) -> None:
        """Write what was gathered, all of it or nothing. Raises LedgerError: it is kept, and goes with the next.

        Services and peers go with it when they are due, or when it is the last. With a `hold` it has no date yet: then
        they stay, and so does when devices were seen.
        """
        if not self._draft.results and not self._attributor.devices.has_news:
            self._writer.look_at_place()
            return
        if self._replaced != self._writer.replaced:
            self._replaced = self._writer.replaced
            self._new_points = self._points
            self.known.renew()
        flush = self._flush()
        if hold:
            self._writer.keep_held(replace(flush, seen={}, addresses={}), hold)
            self._written(flush)
            self.known.written_names()
            self.known.saw(flush.seen)
            return
        if last or self._detail_is_due():
            flush = replace(flush, services=self._detail.services, peers=self._detail.peers)
        self._writer.commit(flush)
        if flush.services or flush.peers:
            self._detail = BreakdownBuffer()
            self._detail_since_ms = None
            self._detail_wait_ms = min(2 * self._detail_wait_ms, self._detail_ms)
        self._written(flush)
        self.known.written(flush.seen)

    def _written(self, flush: Flush) -> None:
        self.tally.flushes += bool(self._draft.results)
        self._booked.update((receipt.meter, receipt.epoch) for receipt in flush.receipts)
        self._draft = PendingBatch(self._finest_s)
        self._held.clear()
        self._new_points = ()
        self._today.add(flush.usage)

    def is_booked(self, receipt: Receipt) -> bool:
        """Whether the meter may forget the counts behind the receipt."""
        return receipt.epoch <= self._booked.get(receipt.meter, receipt.epoch - 1)

    def move(self, correction: Correction, now_ms: int) -> None:
        """The clock was set: what has no date yet is moved to where it belongs, and nothing was read after now."""

        def at(at_ms: int) -> int:
            return min(correction.of(at_ms), now_ms)

        self._draft.move(correction)
        self._shown.forget()
        self._attributor.sender_times.clear()
        self._detail = BreakdownBuffer()  # its hours would not be those of the usage
        self._detail_since_ms = None
        for key, reading in self._readings.items():
            if reading.at_ms != at(reading.at_ms):
                self._readings[key] = self._draft.readings[key] = reading._replace(at_ms=at(reading.at_ms))
        for name, audit in self._audits.items():
            moved = audit._replace(at_ms=at(audit.at_ms), since_ms=at(audit.since_ms))
            if moved != audit:
                self._audits[name] = self._draft.audits[name] = moved
        self.known.move(at)

    def release(self, boot: str, offset_ms: int, now_ms: int) -> bool:
        """Book the held usage once the clock is trusted; return whether there was any. LedgerError leaves it held."""
        if not self._writer.is_holding:
            return False
        self._writer.release(boot, offset_ms, now_ms)
        self._today.forget()
        return True

    def _notice(self, attributed: Attributed, now_ms: int) -> None:
        """What the page should say of the home's shape; the log says it when it is new."""
        self._shape.saw_doubles(attributed.duplicates, now_ms)
        counting = self._attributor.locality.counting
        used = {key.episode for key in attributed.usage if key.scope is Scope.WAN and key.point in counting}
        own = {episode for episode in used if episode and self._is_own(episode)}
        self._shape.saw_users(own=bool(own), others=bool(used - own - {UNATTRIBUTED}), at_ms=now_ms)
        reported, routers = self._shape_told, self._attributor.routers.learned
        self._shape_told = self._shape.notices(self.known.called, routers, now_ms)
        for notice in set(self._shape_told).difference(reported):
            log.warning("%s", notice)

    def _is_own(self, episode: int) -> bool:
        row, locality = self._attributor.devices.by_id(episode), self._attributor.locality
        return row.mac in locality.own_macs or row.address in locality.own_addresses

    def live(self, collectors: Iterable[Collector], counting: Container[str], now_ms: int) -> dict[int, DeviceToday]:
        """Wide-area usage of the local day so far by device, what the meters still hold included."""
        readable = list(collectors)
        self._today.begin(now_ms // 1000)
        fresh = self._attribute_pending(readable, now_ms).counts()
        self.known.saw(self._attributor.devices.changes()[1])
        return self._today.by_device(chain(self._unwritten(readable), fresh.items()), counting)

    def unflushed(self, collectors: Iterable[Collector], now_ms: int, *, dated: bool = True) -> Unflushed:
        """What the ledger does not have yet, what these meters hold included; nothing while usage is not `dated`.

        LedgerError where the ledger does not say what it has.
        """
        self._made += 1
        place = self._made, self._writer.sequence, self._writer.handed_in
        if not dated:
            return Unflushed(*place)
        coverage = dict(self._draft.coverage)
        for name, point in self._look(collectors, now_ms).items():
            at = now_ms // 1000 // self._finest_s * self._finest_s, name
            add_to(coverage, at, Coverage(0, 0, 0, point.attributed, point.unattributed))
        usage = dict(self._draft.usage)
        for at_key, part in self._shown.usage():
            add_to(usage, at_key, part)
        episodes = self.known.changes()[0]
        return Unflushed(
            *place,
            usage=usage,
            coverage=coverage,
            services=dict(self._detail.services),
            peers=dict(self._detail.peers),
            devices={episode.id: self._device_name(episode) for episode in episodes},
            sighted=self.known.sighted(),
        )

    def _look(self, collectors: Iterable[Collector], now_ms: int) -> Mapping[str, PointSum]:
        """Look at counts in meters beyond those collected; return the octets of points without any collected."""
        readable = list(collectors)
        since = {
            point.name: self.last_read_ms(collector) or now_ms for collector in readable for point in collector.points
        }
        attributed = self._attribute_pending(readable, now_ms)
        gathered: dict[UsageKey, Counts] = {}
        for (_, key), part in self._draft.usage.items():
            if key.point in self._held:  # its meter still shows that too
                gathered[key] = gathered[key].plus(part) if key in gathered else part
        for key, counts in attributed.counts().items():
            more = Counts(*map(sub, counts, gathered.get(key, Counts())))
            self._shown.look(key, more, since.get(key.point, now_ms), now_ms)
        return {name: point for name, point in attributed.points.items() if name not in self._held}

    def _attribute_pending(self, collectors: Collection[Collector], now_ms: int) -> Attributed:
        """Attribute what these meters hold, and note which devices have sent more since the look before."""
        pending = chain.from_iterable(collector.peek() for collector in collectors)
        attributed = self._attributor.attribute(pending, now_ms)
        points = {point.name for collector in collectors for point in collector.points}
        self._attributor.sender_times.look(attributed.sent, now_ms, points)
        return attributed

    def _device_name(self, episode: Episode) -> DeviceName:
        name, mac = self.known.called(episode.id), episode.mac
        return DeviceName(episode.device, name or None, None if mac is None else mac_text(mac))

    def spreads(
        self, collectors: Iterable[Collector], counting: Container[str], now_ms: int
    ) -> dict[str, Spread | None]:
        """Wide-area usage between the last two polls of each polled point, None where it is unknown."""
        result: dict[str, Spread | None] = {}
        for collector in collectors:
            facts = collector.facts()
            if facts.is_polled:
                for point in collector.points:
                    if point.name in counting:
                        result[point.name] = self._spread(point.name, facts.last_poll, now_ms)
        return result

    def _spread(self, point: str, poll: Poll | None, now_ms: int) -> Spread | None:
        if poll is None:
            return None
        number, usage = self._polls.get(point, (0, {}))
        if number != poll.number:  # attributed once: to ask again would say that devices are seen now
            usage = self._attributor.attribute(poll.deltas, min(poll.at_ms, now_ms)).counts()
            self._polls[point] = poll.number, usage
        by_device: dict[int, Counts] = {}
        for key, counts in usage.items():
            if key.scope is Scope.WAN:
                device = self.known.device_of(key.episode) if self.known.is_episode(key.episode) else UNATTRIBUTED
                add_to(by_device, device, counts)
        return Spread(poll.span_ms, by_device)

    def _unwritten(self, readable: Iterable[Collector]) -> Iterator[tuple[UsageKey, Counts]]:
        """Yield today's part of the draft, without points still shown by their meters."""
        shown = self._held.intersection(point.name for collector in readable for point in collector.points)
        for (minute, key), counts in self._draft.usage.items():
            if key.point not in shown and self._today.has(minute):
                yield key, counts

    def keep_names(self) -> None:
        """Write changed names now, and not with the next flush."""
        self._writer.name(self.known.renamed)
        self.known.written_names()

    def _add(
        self, result: ReadResult, attributed: Attributed, steps: dict[str, coverage.CoverageStep], observed_ms: int
    ) -> None:
        """Usage and coverage of a harvest, into the minutes of its span."""
        draft, span = self._draft, (result.start_ms, result.end_ms)
        for key, counts in attributed.counts().items():
            draft.add_parts(key, self._shown.read(key, counts, *span))
        for name, point in attributed.points.items():
            draft.add_coverage(name, Coverage(0, 0, 0, point.attributed, point.unattributed), *span)
        for name, step in steps.items():
            frames = step.frame_octets_interface, step.frame_octets_metered
            draft.add_coverage(name, Coverage(observed_ms, *frames, packets_lost=step.packets_lost), *span)
            missed = UsageKey(UNATTRIBUTED, name, Scope.WAN)
            draft.add_usage(missed, step.unmetered, step.since_ms, result.end_ms)
            unmetered = Coverage(octets_unattributed=step.unmetered.octets)
            draft.add_coverage(name, unmetered, step.since_ms, result.end_ms)

    def _add_detail(
        self, result: ReadResult, services: Mapping[ServiceKey, list[int]], peers: Mapping[PeerKey, list[int]]
    ) -> None:
        """Add usage by service and peer; a point reports it with its deltas or beside them, never both."""
        self._detail.add(
            {service: Counts._make(row) for service, row in services.items()},
            {peer: Counts._make(row) for peer, row in peers.items()},
            (result.start_ms, result.end_ms),
            self._zone,
        )
        if self._detail and self._detail_since_ms is None:
            self._detail_since_ms = result.end_ms

    def _detail_is_due(self) -> bool:
        since_ms = self._detail_since_ms
        return bool(self._detail) and since_ms is not None and self.newest_ms - since_ms >= self._detail_wait_ms

    def _flush(self) -> Flush:
        draft = self._draft
        episodes, seen, addresses = self.known.changes()
        return Flush(
            usage=draft.usage,
            coverage=draft.coverage,
            readings=tuple(draft.readings.values()),
            audits=draft.audits,
            receipts=tuple(draft.receipts.values()),
            points=self._new_points,
            devices=self.known.renamed,
            episodes=episodes,
            seen=seen,
            addresses=addresses,
        )

    def _differences(self, readings: Iterable[CounterReading]) -> Iterator[Delta]:
        for reading in readings:
            growth = counters.delta(self._readings.get(reading.key), reading)
            if growth is None:
                continue
            if growth.quality in (Quality.IMPLAUSIBLE, Quality.AMBIGUOUS):
                discarded = self.tally.deltas_discarded
                discarded[growth.quality] = discarded.get(growth.quality, 0) + 1
            yield growth

    def _steps(self, result: ReadResult) -> dict[str, coverage.CoverageStep]:
        """What the referees say of each point."""
        return {
            name: coverage.step(self._audits.get(name), audit._replace(at_ms=result.end_ms))
            for name, audit in result.audits.items()
            if audit.epoch or name in self._audits  # an interface that was not read is no baseline
        }
