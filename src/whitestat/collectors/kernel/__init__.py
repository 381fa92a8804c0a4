"""The kernel meter as a collector: any number of interfaces, one program, one pair of maps."""

from __future__ import annotations

import contextlib
import errno
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from whitestat.collectors.kernel import pins
from whitestat.collectors.kernel.meter import (
    FLOW_KEY,
    LINK_ETHERNET,
    LINK_LOOPBACK,
    LINK_RAW,
    PAIR_KEY,
    Meter,
    Totals,
    shape,
)
from whitestat.collectors.links import (
    COUNT_SEGMENTS,
    Link,
    boot_id,
    counters,
    default_interface,
    frames,
    hidden_octets,
    links,
)
from whitestat.collectors.presence import Newcomers, indexes, is_up
from whitestat.collectors.promiscuous import Promiscuous
from whitestat.errors import CollectorError
from whitestat.model import (
    PROTOCOL_OTHER,
    Audit,
    CounterReading,
    Counts,
    Delta,
    FlowKey,
    Harvest,
    Point,
    PointState,
    PointStatus,
    Receipt,
)

FULL = (
    "there were more flows at once than the table holds (a flood, or flows in [[point]] set too low): "
    "no octet is missing, but some were counted by link address alone, or as unattributed"
)
FULL_SHOWN_MS = 3_600_000


class KernelCollector:
    """Counts in the kernel and is drained: no packet reaches user space, and none is counted twice."""

    def __init__(
        self,
        points: Iterable[Point],
        *,
        flows: int = 65536,
        pairs: int = 4096,
        ledger: Path | None = None,
        promiscuous: Collection[str] = (),
    ) -> None:
        """`ledger` names whose maps outlive this process; None keeps none. `promiscuous` are names of points."""
        self._wanted = promiscuous
        self._points = tuple(points)
        self._ledger = ledger
        self.pins: Path | None = None
        self._sizes = (flows, pairs)
        self._meter: Meter | None = None
        self._promiscuous: Promiscuous | None = None
        self._boot = ""
        self._outward: str | None = None
        self._now_ms = self._full_ms = 0
        self._links: dict[str, Link] = {}
        self._begun: dict[str, Counts | None] = {}
        self._foreign: dict[str, Counts] = {}
        self._newcomers = Newcomers()
        self._left: dict[str, tuple[int, bytes | None]] = {}  # totals of an interface that was renamed, by its index
        self._numbers = {zlib.crc32(point.name.encode()): point.name for point in self._points}
        self._ended: int | None = None
        self._statuses = {point.name: PointStatus(PointState.STARTING) for point in self._points}

    @property
    def points(self) -> tuple[Point, ...]:
        return self._points

    @property
    def meter(self) -> Meter:
        if self._meter is None:
            raise CollectorError("the kernel meter is not open")
        return self._meter

    def open(self, booked: Mapping[str, int]) -> None:
        known = links()
        self._boot = boot_id()
        if self._ledger:
            self.pins = pins.folder(self._ledger, shape(*self._sizes))
        self._meter = Meter(*self._sizes, self.pins, links=len(self._points))
        self._recover(booked.get(self._name))
        if self._wanted:
            self._promiscuous = Promiscuous()
        self._follow(known)

    def read(self, since_ms: int, now_ms: int) -> Harvest:
        """Turn the maps and hand out what the ended epoch holds.

        An epoch that was handed out and never settled is handed out again before the next one is turned.
        """
        known = links()
        self._now_ms = now_ms
        self._follow(known)
        # The referee is read first: what the meter sees in between can only make the interface look
        # behind, never invent traffic that nobody metered.
        seen = counters()
        if self._ended is None:
            self._ended = self.meter.turn()
        receipt = Receipt(self._name, self._ended)
        return Harvest(
            since_ms,
            now_ms,
            readings=self._lost(now_ms),
            deltas=self._deltas(self._ended, since_ms, now_ms),
            receipt=receipt,
            audits=self._audits(known, seen),
        )

    def settle(self, receipt: Receipt) -> None:
        if receipt.epoch == self._ended:
            self.meter.clear(receipt.epoch)
            self._ended = None

    def peek(self) -> Iterable[Delta]:
        """Everything not yet booked: the running epoch, and an ended one that is not settled."""
        epochs = [self.meter.epoch] if self._ended is None else [self._ended, self.meter.epoch]
        for epoch in epochs:
            yield from self._deltas(epoch, 0, 0)

    def statuses(self) -> Mapping[str, PointStatus]:
        return dict(self._statuses)

    def memory(self) -> int:
        return self._meter.memory() if self._meter else 0

    def tend(self) -> None:
        """Watch interfaces that came back, under whatever index, and let go of those that went."""
        present = indexes()
        if any(self._moved(point, present) for point in self._points):
            self._follow(links())
        self._newcomers.look(present.values())

    def close(self) -> None:
        """Stop counting. Maps that hold nothing unbooked are forgotten; others wait for the next process."""
        if self._promiscuous:
            self._promiscuous.close()
            self._promiscuous = None
        if self._meter:
            self._meter.close()
            self._meter = None
            if self.pins and self._ended is None:
                pins.remove(self.pins)

    @property
    def _name(self) -> str:
        """The meter's name in receipts."""
        return f"kernel:{self.meter.id:x}"

    def _recover(self, booked: int | None) -> None:
        """Take over the maps of a process that died: its last epoch is booked, or is yet to be.

        Interfaces it watched and we do not are let go; those we watch go on with their totals.
        """
        ended = self.meter.epoch - 1
        if ended < 0:
            return
        if booked is not None and booked >= ended:
            self.meter.clear(ended)
        else:
            self._ended = ended
        ours = {link.index for link in links().values() for point in self._points if point.interface == link.name}
        for index in set(self.meter.watched()) - ours:
            self.meter.unwatch(index)

    def _moved(self, point: Point, present: Mapping[str, int]) -> bool:
        """Whether the point's interface came, went, was made anew, or was set up or down."""
        link, interface = self._links.get(point.name), str(point.interface)
        if link is None:
            return interface in present
        return present.get(interface) != link.index or is_up(interface) is not link.up

    def _follow(self, known: Mapping[str, Link]) -> None:
        """Watch the interfaces of our points under the index they have now."""
        self._outward = default_interface()
        for point in self._points:
            link = known.get(str(point.interface))
            before = self._links.get(point.name)
            if before and (link is None or link.index != before.index):
                self._left[point.name] = before.index, self.meter.unwatch(before.index)
                del self._links[point.name]
            if link is None or not (point.name in self._links or self._watch(point, link)):
                notice = f"interface {point.interface} is not there; waiting for it"
                self._statuses[point.name] = PointStatus(PointState.WAITING, notice)
                continue
            self._links[point.name] = link
            self._statuses[point.name] = self._status(link)
        self._newcomers.look(link.index for link in known.values())

    def _watch(self, point: Point, link: Link) -> bool:
        """Watch an interface from now on; False where it went while we looked."""
        if point.name in self._wanted and self._promiscuous:
            with contextlib.suppress(OSError):
                self._promiscuous.ask(link.index)
        fresh = self.meter.totals(link.index) is None
        begun = frames(link, counters().get(link.name, Counts())) if fresh else None
        foreign = begun if begun and self._newcomers.had_another_name(link.index) else Counts()
        self._begun[point.name], self._foreign[point.name] = begun, foreign
        index, left = self._left.pop(point.name, (0, None))
        left = left if index == link.index else None
        try:
            self.meter.watch(link.index, _link_type(link), zlib.crc32(point.name.encode()), left)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return False
        return True

    def _deltas(self, epoch: int, start_ms: int, end_ms: int) -> Iterator[Delta]:
        """The entries of an epoch; counts are the sender's: out is what it sent."""
        names, unpack = self._numbers, FLOW_KEY.unpack
        for raw, octets, packets in self.meter.flows(epoch):
            point, vlan, protocol, service, mac, peer_mac, _, source, target = unpack(raw)
            other = protocol == PROTOCOL_OTHER
            linked = mac != _NO_MAC or peer_mac != _NO_MAC
            key = FlowKey(
                names.get(point, ""),
                mac if linked else None,
                None if other else source,
                peer_mac if linked else None,
                None if other else target,
                protocol,
                service,
                vlan,
            )
            yield Delta(key, Counts(0, octets, 0, packets), start_ms, end_ms)
        for raw, octets, packets in self.meter.pairs(epoch):
            self._full_ms = end_ms or self._full_ms
            point, mac, peer_mac = PAIR_KEY.unpack(raw)
            key = FlowKey(names.get(point, ""), mac, None, peer_mac, None)
            yield Delta(key, Counts(0, octets, 0, packets), start_ms, end_ms)

    def _lost(self, now_ms: int) -> Iterator[CounterReading]:
        """What found every map full, by point: running totals of IP octets that are nobody's."""
        for name, link in self._links.items():
            totals = self.meter.totals(link.index)
            if totals:
                lost = Counts(
                    totals.lost_octets_in, totals.lost_octets_out, totals.lost_packets_in, totals.lost_packets_out
                )
                counts = lost if link.name == self._outward else lost.turned()
                yield CounterReading(FlowKey(name), counts, now_ms, f"{self.meter.id:x}:{totals.life:x}")

    def _status(self, link: Link) -> PointStatus:
        if not link.up:
            return PointStatus(PointState.WAITING, f"interface {link.name} is down")
        if self._full_ms and self._full_ms + FULL_SHOWN_MS > self._now_ms:
            return PointStatus(PointState.OK, FULL)
        return PointStatus(PointState.OK)

    def _audits(self, known: Mapping[str, Link], seen: Mapping[str, Counts]) -> dict[str, Audit]:
        audits = {}
        for name, link in self._links.items():
            totals = self.meter.totals(link.index)
            if totals and link.name in seen and link.name in known:
                epoch = f"{self._boot}:{link.index}"
                audit = _audit(link, frames(link, seen[link.name]), totals, epoch, self.meter.id)
                audit = audit._replace(frames_at_attach=self._begun[name], frames_foreign=self._foreign[name])
                audits[name] = audit if link.name == self._outward else _turned(audit)
        return audits


_NO_MAC = bytes(6)


def _audit(link: Link, frame_counts: Counts, totals: Totals, epoch: str, meter: int) -> Audit:
    wire = Counts(totals.wire_in, totals.wire_out, totals.packets_in, totals.packets_out)
    giants = Counts()
    if link.kind not in COUNT_SEGMENTS:
        giants = Counts(totals.wire_in - totals.frames_in, totals.wire_out - totals.frames_out)
    tags = hidden_octets(link, Counts(totals.tags_in, totals.tags_out, totals.packets_in, totals.packets_out))
    return Audit(epoch, f"{meter:x}:{totals.life:x}", frame_counts, wire, giants, 0, link.header, tags)


def _turned(audit: Audit) -> Audit:
    """What a LAN interface receives is what the people there send."""
    return audit._replace(
        frames_interface=audit.frames_interface.turned(),
        frames_metered=audit.frames_metered.turned(),
        giants=audit.giants.turned(),
        tags=audit.tags.turned(),
        frames_foreign=audit.frames_foreign.turned(),
        frames_at_attach=audit.frames_at_attach.turned() if audit.frames_at_attach else None,
    )


def _link_type(link: Link) -> int:
    if link.type == "loopback":
        return LINK_LOOPBACK
    return LINK_ETHERNET if link.header else LINK_RAW
