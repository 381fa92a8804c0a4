"""Books what collectors yield: readings to deltas, deltas to usage, that of all collectors in one flush.

Everything here runs in one thread, one call at a time. What is booked, what is gathered and what the meters still
hold add up to the live view, so a flush never shows in it. What could not be written is kept and goes with the next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from itertools import chain
from typing import NamedTuple

from whitestat import counters, coverage, periods
from whitestat.attribution.attribute import Attributed, Attributor
from whitestat.attribution.locality import Locality
from whitestat.attribution.map_files import MapFiles
from whitestat.attribution.maps import Maps
from whitestat.attribution.names import RANKS, Name, by_address, configured, in_dns, stronger
from whitestat.attribution.shape import Shape
from whitestat.collectors import Collector
from whitestat.detail import Detail
from whitestat.draft import Draft
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
    PeerKey,
    Point,
    Quality,
    Receipt,
    Scope,
    ServiceKey,
    UsageKey,
)
from whitestat.timeline import Correction

log = logging.getLogger("whitestat")


FORGOTTEN = "forgotten device"


@dataclass(slots=True)
class Tally:
    """What the health page counts."""

    flushes: int = 0
    deltas_discarded: dict[Quality, int] = field(default_factory=dict)


class DeviceToday(NamedTuple):
    """One device in the live view; device 0 is what is unattributed, `last_seen_ms` 0 not seen by us.

    `points` has its counts by the point that counted them.
    """

    device: int
    name: str
    mac: Mac | None
    last_seen_ms: int
    counts: Counts
    points: Mapping[str, Counts] = {}


class Booker:
    """Holds the last readings and audits, gathers harvests, and writes them in one transaction of the ledger."""

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
        detail_s: int = 300,
        finest_s: int = 60,
        maps: MapFiles | None = None,
    ) -> None:
        """`detail_s` is how often services and peers go into a flush; usage is in each, by the minute or, where
        `finest_s` is 1, the second, and `maps` are looked at."""
        self._writer = writer
        self._detail = Detail()
        self._detail_ms = detail_s * 1000
        self._detail_since_ms: int | None = None
        self._attributor = attributor
        self._zone = zone
        self._new_points = tuple(points)
        self._locality = locality
        self._configured = self._names = names
        self._map_files = maps or MapFiles()
        self._maps = Maps()
        self._maps_told: frozenset[str] = frozenset()
        self._people = people
        self._vendor = vendor
        self._host_name = host_name
        state = writer.state()
        self._readings: dict[FlowKey, CounterReading] = {each.key: each for each in state.readings}
        self._audits: dict[str, Audit] = dict(state.audits)
        self._booked = dict(state.receipts)
        self._finest_s = finest_s
        self._draft = Draft(finest_s)
        self._held: set[str] = set()  # points whose meters hold what the draft has of them
        self._records = {record.id: record for record in state.devices}
        self._changed_records: dict[int, DeviceRecord] = {}
        self._seen: dict[int, int] = {}
        self._today: dict[UsageKey, Counts] = {}
        self._day = 0
        self._shape = Shape()
        self._shape_told: tuple[str, ...] = ()
        self.tally = Tally()
        self._follow_maps()
        for episode in attributor.devices.episodes():
            self._name(episode)

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
        return *self._map_files.notices, *self._shape_told

    @property
    def unwritten_octets(self) -> int:
        return self._draft.octets

    def locate(self) -> None:
        """Look what is local now, and what map files say. Raises CollectorError where the kernel does not say."""
        self._follow_maps()
        self._attributor.move(self._locality())

    def gather(self, collector: Collector, harvest: Harvest, observed_ms: int) -> bool:
        """Add a harvest of the collector, which watched for `observed_ms`, to the next flush.

        False for one that is gathered or booked already: a drained meter hands its counts out until they are
        settled. Whatever error reading the harvest raises, nothing of it was added.
        """
        receipt = harvest.receipt
        if receipt and (self.is_booked(receipt) or self._draft.receipts.get(receipt.meter) == receipt):
            return False
        readings = list(harvest.readings)
        deltas = chain(self._differences(readings), harvest.deltas)
        attributed = self._attributor.attribute(deltas, harvest.end_ms, detail=True)
        steps = self._steps(harvest)
        on = self._attributor.attribute(harvest.details, harvest.end_ms, detail=True).services
        self._add(harvest, attributed, steps, observed_ms)
        self._add_detail(harvest, attributed.services | on, attributed.peers)
        self._attributor.settle(attributed)
        self._hear(harvest.names)
        self._notice(attributed, harvest.end_ms)
        audits = {name: step.baseline for name, step in steps.items()}
        self._draft.add([*readings, *harvest.marks], audits, receipt)
        if self._draft.bound(self._zone):
            self._detail.clear()
        self._readings.update((reading.key, reading) for reading in readings)
        self._audits.update(audits)
        if receipt:
            self._held.update(point.name for point in collector.points)
        return True

    def _hear(self, names: Iterable[tuple[Mac | None, Address, str]]) -> None:
        """Names that another program has from the DNS, for devices that our own DNS did not name."""
        for mac, address, text in names:
            episode = self._attributor.devices.episode_of(self._maps.mac(mac, address), address)
            name = in_dns(text)
            if episode and name:
                record = self._records.get(episode.device) or self._name(episode)
                if record.name_source != name.source:
                    self.rename(episode.device, name)

    def flush(self, *, last: bool = False) -> None:
        """Write what was gathered, all of it or nothing. Raises LedgerError: it is kept, and goes with the next.

        Services and peers go with it when they are due, or when it is the last.
        """
        if not self._draft.harvests and not self._attributor.devices.has_news:
            return
        flush = self._flush()
        if last or self._detail_is_due():
            flush = replace(flush, services=self._detail.services, peers=self._detail.peers)
        self._writer.commit(flush)
        self.tally.flushes += bool(self._draft.harvests)
        if flush.services or flush.peers:
            self._detail = Detail()
            self._detail_since_ms = None
        self._booked.update((each.meter, each.epoch) for each in flush.receipts)
        self._draft = Draft(self._finest_s)
        self._held.clear()
        self._remember(flush)

    def is_booked(self, receipt: Receipt) -> bool:
        """Whether the meter may forget the counts behind the receipt."""
        return receipt.epoch <= self._booked.get(receipt.meter, receipt.epoch - 1)

    def move(self, correction: Correction) -> None:
        """The clock was set: what is not written yet is moved to where it belongs."""
        self._draft.move(correction)
        self._detail = Detail()  # its hours would not be those of the usage
        self._detail_since_ms = None
        self._readings.update(self._draft.readings)
        self._audits.update(self._draft.audits)
        self._attributor.devices.move(correction.of)
        self._seen = {episode: correction.of(at_ms) for episode, at_ms in self._seen.items()}

    def _follow_maps(self) -> None:
        """Map files that changed hold from now on; what is booked stays. A name that a file takes back is forgotten."""
        maps, before = self._map_files.look(), self._configured
        for notice in self._map_files.notices:
            if notice not in self._maps_told:
                log.warning("%s", notice)
        self._maps_told = frozenset(self._map_files.notices)
        if maps is self._maps:
            return
        self._maps = maps
        self._attributor.follow(maps)
        self._configured = {**maps.names, **self._names}
        for episode in self._attributor.devices.episodes():
            record, had = self._records.get(episode.device), configured(before, episode.mac)
            gone = had is not None and had != configured(self._configured, episode.mac)
            if had and gone and record and (record.name, record.name_source) == had:
                self._keep(DeviceRecord(record.id, None, None, record.person))
            self._name(episode)

    def _notice(self, attributed: Attributed, now_ms: int) -> None:
        """What the page should say of the home's shape; the log says it when it is new."""
        self._shape.saw_doubles(attributed.doubles, now_ms)
        counting = self._attributor.locality.counting
        used = {key.episode for key in attributed.usage if key.scope is Scope.WAN and key.point in counting}
        own = {episode for episode in used if episode and self._is_own(episode)}
        self._shape.saw_users(own=bool(own), others=bool(used - own - {UNATTRIBUTED}), at_ms=now_ms)
        told, routers = self._shape_told, self._attributor.routers.learned
        self._shape_told = self._shape.notices(lambda each: self._row(each).name, routers, now_ms)
        for notice in set(self._shape_told).difference(told):
            log.warning("%s", notice)

    def _is_own(self, episode: int) -> bool:
        found, locality = self._attributor.devices.by_id(episode), self._attributor.locality
        return found.mac in locality.own_macs or found.address in locality.own_addresses

    def live(self, collectors: Iterable[Collector], counting: Container[str], now_ms: int) -> dict[int, DeviceToday]:
        """Wide-area usage of the local day so far by device, what the meters still hold included."""
        readable = list(collectors)
        self._begin_day(now_ms // 1000)
        pending = chain.from_iterable(collector.peek() for collector in readable)
        fresh = self._attributor.attribute(pending, now_ms).counts()
        self._seen.update(self._attributor.devices.changes()[1])
        rows: dict[int, DeviceToday] = {}
        points: dict[int, dict[str, Counts]] = {}
        for key, counts in chain(self._today.items(), self._unwritten(readable), fresh.items()):
            if key.scope is Scope.WAN and key.point in counting:
                row = self._row(key.episode)
                held = rows.setdefault(row.device, row)
                rows[row.device] = held._replace(
                    counts=held.counts.plus(counts), last_seen_ms=max(held.last_seen_ms, row.last_seen_ms)
                )
                at_points = points.setdefault(row.device, {})
                at_points[key.point] = at_points[key.point].plus(counts) if key.point in at_points else counts
        return {device: row._replace(points=points[device]) for device, row in rows.items()}

    def _unwritten(self, readable: Iterable[Collector]) -> Iterator[tuple[UsageKey, Counts]]:
        """Today's part of the draft, without the points whose meters still show it themselves."""
        shown = self._held.intersection(point.name for each in readable for point in each.points)
        for (minute, key), counts in self._draft.usage.items():
            if key.point not in shown and periods.day_of(minute, self._zone) == self._day:
                yield key, counts

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

    def episode_of(self, mac: Mac | None, address: Address | None) -> int | None:
        """The running episode of an address, None where no device has it."""
        found = self._attributor.devices.episode_of(mac, address)
        return found.id if found else None

    def is_episode(self, episode: int) -> bool:
        """Whether there ever was one of that number."""
        return self._attributor.devices.is_episode(episode)

    def device_of(self, episode: int) -> int:
        return self._attributor.devices.by_id(episode).device

    def name_of(self, device: int) -> str:
        """As it is shown, empty where nobody knows one."""
        record = self._records.get(device)
        return (record.name if record else None) or ""

    def episodes(self) -> list[Episode]:
        """The running ones."""
        return self._attributor.devices.episodes()

    def addressed(self, address: Address | None = None) -> list[Episode]:
        """The running episodes of addresses that are devices of their own: that of one address, or all."""
        return self._attributor.devices.by_address(address)

    def first_seen_ms(self) -> dict[int, int]:
        """When each device began, whether or not it still has that address."""
        return self._attributor.devices.first_seen_ms()

    def end(self, episode: int, at_ms: int) -> None:
        """The address is nobody's any more; who has it next is found anew."""
        self._attributor.devices.end(episode, at_ms)
        self._attributor.judge_again()

    def found_at(self, episode: int, mac: Mac, *, is_new: bool) -> None:
        """Where an address alone is seen: the MAC that holds it names its device, by the configuration or its vendor.

        A private MAC is no better a name than the address, but where that was another device's until now.
        """
        name = configured(self._configured, mac) or by_address(mac, None, self._vendor)
        if is_new or name.source != "mac":
            self.rename(self.device_of(episode), name)

    @property
    def may_hand_on(self) -> bool:
        """Whether there is room for one more episode."""
        return not self._attributor.devices.is_full

    def hand_on(self, episode: int, device: int | None, at_ms: int) -> Episode:
        """The address of an episode is another device's from now on; returns the episode that begins.

        What the meters hold at that moment is booked to the next one.
        """
        begun = self._attributor.devices.hand_on(episode, device, at_ms)
        self._attributor.judge_again()
        return begun

    def stands_for_others(self, mac: Mac) -> bool:
        """Whether a MAC is this machine's or a router's, so that an address behind it is somebody else's."""
        routers = self._attributor.routers.learned
        return mac in self._attributor.locality.own_macs | self._attributor.locality.routers or mac in routers

    def last_seen_ms(self, episode: int) -> int:
        """When this process saw it last; 0 for never."""
        return self._seen.get(episode, 0)

    def keep_names(self) -> None:
        """Write changed names now, and not with the next flush."""
        self._writer.name(self._changed_records.values())
        self._changed_records.clear()

    def reassign(self, episode: int, device: int) -> None:
        """The episode is another device's: live figures and what is booked from now on follow."""
        self._attributor.devices.reassign(episode, device)
        if device not in self._records and self.is_episode(episode):
            self._name(self._attributor.devices.by_id(episode))

    def call(self, device: int, text: str | None, *, afresh: bool = True) -> None:
        """The user's name for a device; None takes it away, and the best of the others holds.

        Not `afresh`, a name that is not the user's stays unless an address of the device has a stronger one.
        """
        old = self._records.get(device, DeviceRecord(device, None, None, None))
        if text is not None:
            self._keep(DeviceRecord(device, text, "user", old.person))
            return
        if afresh or old.name_source == "user":
            self._keep(DeviceRecord(device, None, None, old.person))
        # An address that was handed on names nobody while there is another.
        for episode in sorted(self._attributor.devices.ever(device), key=lambda each: (each.end_ms is None, -each.id)):
            if episode.mac or episode.address:
                self._name(episode)

    def forget(self, device: int, episodes: Iterable[int]) -> None:
        """The device keeps its usage and nothing that tells who it was."""
        self._attributor.devices.forget(episodes)
        self._attributor.judge_again()
        self._keep(DeviceRecord(device, FORGOTTEN, "user", None))

    def _add(self, harvest: Harvest, attributed: Attributed, steps: dict[str, coverage.Step], observed_ms: int) -> None:
        """Usage and coverage of a harvest, into the minutes of its span."""
        draft, span = self._draft, (harvest.start_ms, harvest.end_ms)
        for key, counts in attributed.counts().items():
            draft.add_usage(key, counts, *span)
        for name, point in attributed.points.items():
            draft.add_coverage(name, Coverage(0, 0, 0, point.attributed, point.unattributed), *span)
        for name, step in steps.items():
            frames = step.frame_octets_interface, step.frame_octets_metered
            draft.add_coverage(name, Coverage(observed_ms, *frames, packets_lost=step.packets_lost), *span)
            missed = UsageKey(UNATTRIBUTED, name, Scope.WAN)
            draft.add_usage(missed, step.unmetered, step.since_ms, harvest.end_ms)
            unmetered = Coverage(octets_unattributed=step.unmetered.octets)
            draft.add_coverage(name, unmetered, step.since_ms, harvest.end_ms)

    def _add_detail(
        self, harvest: Harvest, services: Mapping[ServiceKey, list[int]], peers: Mapping[PeerKey, list[int]]
    ) -> None:
        """What usage was on and with whom; a point says it with its deltas or beside them, never both."""
        self._detail.add(
            {service: Counts._make(held) for service, held in services.items()},
            {peer: Counts._make(held) for peer, held in peers.items()},
            (harvest.start_ms, harvest.end_ms),
            self._zone,
        )
        if self._detail and self._detail_since_ms is None:
            self._detail_since_ms = harvest.end_ms

    def _detail_is_due(self) -> bool:
        since_ms = self._detail_since_ms
        return bool(self._detail) and since_ms is not None and self.newest_ms - since_ms >= self._detail_ms

    def _flush(self) -> Flush:
        draft = self._draft
        episodes, seen, addresses = self._attributor.devices.changes()
        for episode in episodes:
            if episode.device not in self._records:
                self._name(episode)
        return Flush(
            usage=draft.usage,
            coverage=draft.coverage,
            readings=tuple(draft.readings.values()),
            audits=draft.audits,
            receipts=tuple(draft.receipts.values()),
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

    def _remember(self, flush: Flush) -> None:
        self._changed_records.clear()
        self._seen.update(flush.seen)
        self._new_points = ()
        self._attributor.devices.forget_changes()
        for (minute, key), counts in flush.usage.items():
            if periods.day_of(minute, self._zone) == self._day:
                held = self._today.get(key)
                self._today[key] = held.plus(counts) if held else counts

    def _begin_day(self, at_s: int) -> None:
        day = periods.day_of(at_s, self._zone)
        if day != self._day:  # a clock that was ahead comes back to the day before
            self._today = dict(self._writer.day_usage(day))
            self._day = day

    def _name(self, episode: Episode) -> DeviceRecord:
        """The best name known without asking anybody, kept for the next flush when it is new."""
        old = self._records.get(episode.device)
        devices = self._attributor.devices
        first = devices.by_id(episode.device) if devices.is_episode(episode.device) else episode
        if first.device != episode.device or first.end_ms is not None:
            first = episode
        # Of equal names that of the device's own first address holds: who is merged into it does not rename it.
        name = max(self._said_of(first), self._said_of(episode), key=lambda each: RANKS[each.source])
        person = self._people.get(episode.mac) if episode.mac else None
        held = Name(old.name, old.name_source) if old and old.name and old.name_source else None
        if old and not stronger(name, held) and person in (None, old.person):
            return old
        best = name if stronger(name, held) or held is None else held
        return self._keep(DeviceRecord(episode.device, best.text, best.source, person or (old.person if old else None)))

    def _said_of(self, episode: Episode) -> Name:
        """What the configuration, this machine or the address calls it."""
        name = configured(self._configured, episode.mac)
        if name is None and episode.mac in self._attributor.locality.own_macs:
            name = Name(self._host_name, "host")
        return name or by_address(episode.mac, episode.address, self._vendor)

    def _keep(self, record: DeviceRecord) -> DeviceRecord:
        self._records[record.id] = self._changed_records[record.id] = record
        return record
