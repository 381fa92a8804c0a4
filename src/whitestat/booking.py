"""Books what collectors yield: readings to deltas, deltas to usage, all of it in one flush.

Everything here runs in one thread, one call at a time. What is booked and what the meters still hold add
up to the live view, so a flush never shows in it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import chain
from typing import NamedTuple

from whitestat import counters, coverage, periods
from whitestat.attribution.attribute import Attributed, Attributor
from whitestat.attribution.locality import Locality
from whitestat.attribution.names import Name, by_address, configured, stronger
from whitestat.collectors import Collector
from whitestat.ledger.writer import DeviceRecord, Flush, Writer
from whitestat.model import (
    UNATTRIBUTED,
    Address,
    Audit,
    CounterReading,
    Counts,
    Coverage,
    Delta,
    Episode,
    FlowKey,
    Harvest,
    Mac,
    Point,
    Quality,
    Scope,
    UsageKey,
)


@dataclass(slots=True)
class Tally:
    """What the health page counts."""

    flushes: int = 0
    deltas_discarded: dict[Quality, int] = field(default_factory=dict)


class DeviceToday(NamedTuple):
    """One device in the live view; device 0 is what is unattributed, `last_seen_ms` 0 not seen by us."""

    device: int
    name: str
    mac: Mac | None
    last_seen_ms: int
    counts: Counts


class Booker:
    """Holds the last readings and audits, and turns each harvest into one transaction of the ledger."""

    def __init__(
        self,
        writer: Writer,
        attributor: Attributor,
        *,
        zone: tzinfo,
        points: Iterable[Point],
        locality: Callable[[], Locality],
        names: Mapping[Mac, str],
        people: Mapping[Mac, str],
        vendor: Callable[[str], str | None],
        host_name: str,
    ) -> None:
        self._writer = writer
        self._attributor = attributor
        self._zone = zone
        self._new_points = tuple(points)
        self._locality = locality
        self._configured = names
        self._people = people
        self._vendor = vendor
        self._host_name = host_name
        state = writer.state()
        self._readings: dict[FlowKey, CounterReading] = {each.key: each for each in state.readings}
        self._audits: dict[str, Audit] = dict(state.audits)
        self._records = {record.id: record for record in state.devices}
        self._changed_records: dict[int, DeviceRecord] = {}
        self._seen: dict[int, int] = {}
        self._today: dict[UsageKey, Counts] = {}
        self._day = 0
        self.tally = Tally()
        for episode in attributor.devices.episodes():
            self._name(episode)

    def last_read_ms(self, collector: Collector) -> int | None:
        """When the collector's points were last read, by this process or the one before it."""
        names = {point.name for point in collector.points}
        return max((audit.at_ms for name, audit in self._audits.items() if name in names), default=None)

    def book(self, collector: Collector, since_ms: int, now_ms: int, observed_ms: int) -> None:
        """Read `collector`, commit what it yields, and let it forget; it watched for `observed_ms`.

        Raises CollectorError when it cannot be read and LedgerError when the flush cannot be written; the
        meter then keeps its counts and the next call books them.
        """
        self._attributor.move(self._locality())
        harvest = collector.read(since_ms, now_ms)
        readings = list(harvest.readings)
        attributed = self._attributor.attribute(chain(self._differences(readings), harvest.deltas), now_ms)
        steps = self._steps(harvest)
        audits = {name: each.baseline for name, each in steps.items()}
        flush = self._flush(harvest, attributed, readings, steps, observed_ms)
        for minute, _ in flush.usage:
            self._begin_day(minute)  # what the ledger has of the day must be read before this flush is in it
        if self._writer.commit(flush):
            self._attributor.settle(attributed)
            self._remember(readings, audits, flush)
        if harvest.receipt:
            collector.settle(harvest.receipt)

    def live(self, collectors: Iterable[Collector], counting: Container[str], now_ms: int) -> dict[int, DeviceToday]:
        """Wide-area usage of the local day so far by device, what the meters still hold included."""
        self._begin_day(now_ms // 1000)
        pending = chain.from_iterable(collector.peek() for collector in collectors)
        fresh = self._attributor.attribute(pending, now_ms).counts()
        self._seen.update(self._attributor.devices.changes()[1])
        rows: dict[int, DeviceToday] = {}
        for key, counts in chain(self._today.items(), fresh.items()):
            if key.scope is Scope.WAN and key.point in counting:
                row = self._row(key.episode)
                held = rows.setdefault(row.device, row)
                rows[row.device] = held._replace(
                    counts=held.counts.plus(counts), last_seen_ms=max(held.last_seen_ms, row.last_seen_ms)
                )
        return rows

    def _row(self, episode: int) -> DeviceToday:
        if episode == UNATTRIBUTED:
            return DeviceToday(UNATTRIBUTED, "", None, 0, Counts())
        found = self._attributor.devices.by_id(episode)
        record = self._records.get(found.device) or self._name(found)
        return DeviceToday(found.device, record.name or "", found.mac, self._seen.get(episode, 0), Counts())

    def unnamed(self) -> list[tuple[int, Address]]:
        """(device, an address of it) where the DNS may know a better name than ours."""
        devices, found = self._attributor.devices, []
        for episode in devices.episodes():
            record = self._records.get(episode.device)
            addresses = devices.addresses(episode.id)
            if addresses and (record is None or record.name_source in ("vendor", "mac", "dns", None)):
                found.append((episode.device, addresses[0]))
        return found

    def rename(self, device: int, name: Name) -> None:
        """Give the device a name from a source at least as strong as that of the one it has."""
        record = self._records.get(device, DeviceRecord(device, None, None, None))
        old = Name(record.name, record.name_source) if record.name and record.name_source else None
        if stronger(name, old):
            self._keep(DeviceRecord(device, name.text, name.source, record.person))

    def _flush(
        self,
        harvest: Harvest,
        attributed: Attributed,
        readings: list[CounterReading],
        steps: dict[str, coverage.Step],
        observed_ms: int,
    ) -> Flush:
        span = harvest.start_ms, harvest.end_ms
        usage: dict[tuple[int, UsageKey], Counts] = {}
        covered: dict[tuple[int, str], Coverage] = {}
        for key, counts in attributed.counts().items():
            _add_usage(usage, key, counts, *span)
        for name, point in attributed.points.items():
            _add_coverage(covered, name, Coverage(0, 0, 0, point.attributed, point.unattributed), *span)
        for name, step in steps.items():
            frames = step.frame_octets_interface, step.frame_octets_metered
            _add_coverage(covered, name, Coverage(observed_ms, *frames, packets_lost=step.packets_lost), *span)
            missed = UsageKey(UNATTRIBUTED, name, Scope.WAN)
            _add_usage(usage, missed, step.unmetered, step.since_ms, harvest.end_ms)
            unmetered = Coverage(octets_unattributed=step.unmetered.octets)
            _add_coverage(covered, name, unmetered, step.since_ms, harvest.end_ms)
        episodes, seen, addresses = self._attributor.devices.changes()
        for episode in episodes:
            if episode.device not in self._records:
                self._name(episode)
        return Flush(
            usage=usage,
            coverage=covered,
            readings=readings,
            audits={name: step.baseline for name, step in steps.items()},
            receipts=(harvest.receipt,) if harvest.receipt else (),
            points=self._new_points,
            devices=tuple(self._changed_records.values()),
            episodes=episodes,
            seen=seen,
            addresses=addresses,
        )

    def _differences(self, readings: Iterable[CounterReading]) -> Iterator[Delta]:
        for reading in readings:
            found = counters.delta(self._readings.get(reading.key), reading)
            if found is None:
                continue
            if found.quality in (Quality.IMPLAUSIBLE, Quality.AMBIGUOUS):
                discarded = self.tally.deltas_discarded
                discarded[found.quality] = discarded.get(found.quality, 0) + 1
            yield found

    def _steps(self, harvest: Harvest) -> dict[str, coverage.Step]:
        """What the referees say of each point."""
        return {
            name: coverage.step(self._audits.get(name), audit._replace(at_ms=harvest.end_ms))
            for name, audit in harvest.audits.items()
        }

    def _remember(self, readings: list[CounterReading], audits: dict[str, Audit], flush: Flush) -> None:
        self._readings.update((reading.key, reading) for reading in readings)
        self._audits.update(audits)
        self._changed_records.clear()
        self._seen.update(flush.seen)
        self._new_points = ()
        self._attributor.devices.forget_changes()
        self.tally.flushes += 1
        for (minute, key), counts in flush.usage.items():
            if periods.day_of(minute, self._zone) == self._day:
                held = self._today.get(key)
                self._today[key] = held.plus(counts) if held else counts

    def _begin_day(self, at_s: int) -> None:
        day = periods.day_of(at_s, self._zone)
        if day > self._day:
            self._day = day
            self._today = dict(self._writer.day_usage(day))

    def _name(self, episode: Episode) -> DeviceRecord:
        """The best name known without asking anybody, kept for the next flush when it is new."""
        old = self._records.get(episode.device)
        name: Name | None = configured(self._configured, episode.mac)
        if name is None and episode.mac in self._attributor.locality.own_macs:
            name = Name(self._host_name, "host")
        if name is None:
            name = by_address(episode.mac, episode.address, self._vendor)
        person = self._people.get(episode.mac) if episode.mac else None
        held = Name(old.name, old.name_source) if old and old.name and old.name_source else None
        if old and not stronger(name, held) and person in (None, old.person):
            return old
        best = name if stronger(name, held) or held is None else held
        return self._keep(DeviceRecord(episode.device, best.text, best.source, person or (old.person if old else None)))

    def _keep(self, record: DeviceRecord) -> DeviceRecord:
        self._records[record.id] = self._changed_records[record.id] = record
        return record


def _add_usage(
    to: dict[tuple[int, UsageKey], Counts], key: UsageKey, counts: Counts, start_ms: int, end_ms: int
) -> None:
    for minute, part in periods.split(counts, start_ms, end_ms):
        held = to.get((minute, key))
        to[minute, key] = held.plus(part) if held else part


def _add_coverage(
    to: dict[tuple[int, str], Coverage], name: str, covered: Coverage, start_ms: int, end_ms: int
) -> None:
    for minute, part in periods.split_integers(covered, start_ms, end_ms):
        to[minute, name] = to.get((minute, name), Coverage()).plus(Coverage(*part))
