"""The kernel meter as a collector: any number of interfaces, one program, one pair of maps."""

from __future__ import annotations

import contextlib
import errno
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from whitestat.collectors import CollectorFacts
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
from whitestat.collectors.kernel.pins import Pins
from whitestat.collectors.links import (
    COUNT_SEGMENTS,
    NetworkInterface,
    boot_id,
    counters,
    default_interface,
    frames,
    hidden_octets,
    links,
)
from whitestat.collectors.packet.promiscuous import Promiscuous
from whitestat.collectors.presence import NewInterfaces, indexes, is_up
from whitestat.collectors.settings import PointSettings
from whitestat.core.errors import CollectorError
from whitestat.core.model import (
    PROTOCOL_OTHER,
    Audit,
    Counts,
    Delta,
    FlowKey,
    Point,
    PointState,
    PointStatus,
    ReadResult,
    Receipt,
)

FULL = (
    "there were more flows at once than the table holds (a flood, or flows in [[point]] set too low): "
    "no octet is missing, but some were counted by link address alone, or as unattributed"
)
FULL_SHOWN_MS = 3_600_000
NOT_PINNED = (
    "the kernel's tables cannot be kept in /sys/fs/bpf by this user: if this process is killed, what it metered "
    "since its last flush shows as unattributed"
)


class _Life(NamedTuple):
    """An interface of a point that has the point's name no more: gone for good, or away under another name.

    `unread` are the frames it had carried when the meter began to watch it, as far as no audit has them.
    """

    interface: int
    is_gone: bool
    unread: Counts


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
        self._pins: Pins | None = None
        self._sizes = (flows, pairs)
        self._meter: Meter | None = None
        self._promiscuous: Promiscuous | None = None
        self._boot = ""
        self._outward: str | None = None
        self._now_ms = self._full_ms = 0
        self._links: dict[str, NetworkInterface] = {}
        self._begun: dict[str, Counts | None] = {}
        self._foreign: dict[str, Counts] = {}
        self._unread: dict[str, Counts] = {}  # of `_Life`, while the interface is there
        self._lives: dict[str, list[_Life]] = {}  # since the last epoch ended
        self._newcomers = NewInterfaces()
        self._halted = False
        self._interfaces = {point.name: str(point.interface) for point in self._points}
        self._numbers = {zlib.crc32(point.name.encode()): point.name for point in self._points}
        self._ended: int | None = None
        self._audits: dict[str, Audit] = {}  # of the ended epoch, as long as that is kept
        self._statuses = {point.name: PointStatus(PointState.STARTING) for point in self._points}

    @property
    def points(self) -> tuple[Point, ...]:
        return self._points

    @property
    def pins(self) -> Path | None:
        """The folder where the maps are pinned; None where they are not."""
        return self._pins.path if self._pins else None

    @property
    def meter(self) -> Meter:
        if self._meter is None:
            raise CollectorError("the kernel meter is not open")
        return self._meter

    def open(self, booked: Mapping[str, int]) -> None:
        known = links()
        self._boot = boot_id()
        if self._ledger:
            self._pins = pins.folder(self._ledger, shape(*self._sizes))
        self._meter = Meter(*self._sizes, self.pins, links=len(self._points))
        self._recover(booked.get(self._name), known)
        if self._wanted:
            self._promiscuous = Promiscuous()
        self._follow(known)

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        """Turn the maps and hand out what the ended epoch holds.

        An epoch that was handed out and never settled is handed out again before the next one is turned.
        """
        known = links()
        if not self._halted:
            self._follow(known)
        self._now_ms = now_ms
        if self._ended is None:
            # The referee is read first: what the meter sees in between can only make the interface look
            # behind, never invent traffic that nobody metered.
            seen = counters()
            self._ended = self.meter.turn()
            self._audits = self._audits_of(self._ended, seen)
        return ReadResult(
            since_ms,
            now_ms,
            deltas=self._deltas(self._ended, since_ms, now_ms),
            receipt=Receipt(self._name, self._ended),
            audits=self._audits,
        )

    def acknowledge(self, receipt: Receipt) -> None:
        if receipt.epoch == self._ended:
            self.meter.clear(receipt.epoch)
            self._ended = None

    def halt(self) -> None:
        """Let go of every interface: what was counted until now is in the next epoch that ends."""
        self._halted = True
        self.meter.halt()

    def peek(self) -> Iterable[Delta]:
        """Everything not yet booked: the running epoch, and an ended one that is not settled."""
        epochs = [self.meter.epoch] if self._ended is None else [self._ended, self.meter.epoch]
        for epoch in epochs:
            yield from self._deltas(epoch, 0, 0)

    def statuses(self) -> Mapping[str, PointStatus]:
        return dict(self._statuses)

    def facts(self) -> CollectorFacts:
        is_unpinned = self._ledger is not None and self._meter is not None and self.pins is None
        return CollectorFacts("in the kernel", pins=self.pins, notices=(NOT_PINNED,) if is_unpinned else ())

    def memory(self) -> int:
        return self._meter.memory() if self._meter else 0

    def maintain(self) -> None:
        """Watch interfaces that came back, under whatever index, and let go of those that went."""
        present = indexes()
        if not self._halted and any(self._moved(point, present) for point in self._points):
            self._follow(links())
        self._newcomers.look(present.values())

    def close(self) -> None:
        """Stop counting. Maps are forgotten when all is booked that was counted until `halt`; others wait for the next
        process."""
        if self._promiscuous:
            self._promiscuous.close()
            self._promiscuous = None
        if self._meter:
            self._meter.close()
            self._meter = None
            if self._pins and self._halted and self._ended is None:
                self._pins.remove()
        if self._pins:
            self._pins.close()
            self._pins = None

    @property
    def _name(self) -> str:
        """The meter's name in receipts."""
        return f"kernel:{self.meter.id:x}"

    def _recover(self, booked: int | None, known: Mapping[str, NetworkInterface]) -> None:
        """Take over the maps of a process that died: its last epoch is booked, or is yet to be.

        Interfaces it watched and we do not are let go; those we watch go on. What their own counters said
        when the epoch ended is not known here.
        """
        ended = self.meter.epoch - 1
        if ended < 0:
            return
        if booked is not None and booked >= ended:
            self.meter.clear(ended)
        else:
            self._ended = ended
        self._outward = default_interface()
        present = {link.index for link in known.values()}
        for index, number in self.meter.watched().items():
            name = self._numbers.get(number, "")
            link = known.get(self._interfaces.get(name, ""))
            if link and link.index == index:
                self._links[name] = link
            else:
                self.meter.unwatch(index)
                self._lives.setdefault(name, []).append(_Life(index, index not in present, Counts()))
        lives = {name: list(life_list) for name, life_list in self._lives.items()}
        self._audits = {} if self._ended is None else self._audits_of(self._ended, {})
        self._links, self._lives = {}, lives  # which are in the running epoch too

    def _moved(self, point: Point, present: Mapping[str, int]) -> bool:
        """Whether the point's interface came, went, was made anew, or was set up or down."""
        link, interface = self._links.get(point.name), str(point.interface)
        if link is None:
            return interface in present
        return present.get(interface) != link.index or is_up(interface) is not link.up

    def _follow(self, known: Mapping[str, NetworkInterface]) -> None:
        """Watch the interfaces of our points under the index they have now."""
        self._outward = default_interface()
        present = {link.index for link in known.values()}
        for point in self._points:
            link = known.get(str(point.interface))
            before = self._links.get(point.name)
            if before and (link is None or link.index != before.index):
                self.meter.unwatch(before.index)
                life = _Life(before.index, before.index not in present, self._unread.pop(point.name, Counts()))
                self._lives.setdefault(point.name, []).append(life)
                del self._links[point.name]
            if link is None or not (point.name in self._links or self._watch(point, link)):
                notice = f"interface {point.interface} is not there; waiting for it"
                self._statuses[point.name] = PointStatus(PointState.WAITING, notice)
                continue
            self._links[point.name] = link
            self._statuses[point.name] = self._status(link)
        self._newcomers.look(link.index for link in known.values())

    def _watch(self, point: Point, link: NetworkInterface) -> bool:
        """Watch an interface from now on; False where it went while we looked."""
        if point.name in self._wanted and self._promiscuous:
            with contextlib.suppress(OSError):
                self._promiscuous.ask(link.index)
        lives = self._lives.get(point.name, [])
        here = [life for life in lives if life.interface == link.index]  # it has its name again
        is_fresh = not here and link.index not in self.meter.watched()
        begun = frames(link, counters().get(link.name, Counts())) if is_fresh else None
        try:
            self.meter.watch(link.index, _link_type(link), zlib.crc32(point.name.encode()))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return False
        if here:
            lives.remove(here[0])
            self._unread[point.name] = here[0].unread
            return True
        foreign = begun if begun and self._newcomers.had_another_name(link.index) else Counts()
        self._begun[point.name], self._foreign[point.name] = begun, foreign
        if begun and self._now_ms:  # what was there at the start, an audit may have
            self._unread[point.name] = Counts(*(a - b for a, b in zip(begun, foreign, strict=True)))
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
        for _, number, (received, sent) in self.meter.carried(epoch):
            lost = Counts(received.lost_octets, sent.lost_octets, received.lost_packets, sent.lost_packets)
            if any(lost):  # it found every map full
                name = names.get(number, "")
                yield Delta(FlowKey(name), self._seen_by_people(name, lost), start_ms, end_ms)

    def _status(self, link: NetworkInterface) -> PointStatus:
        if not link.up:
            return PointStatus(PointState.WAITING, f"interface {link.name} is down")
        if self._full_ms and self._full_ms + FULL_SHOWN_MS > self._now_ms:
            return PointStatus(PointState.OK, FULL)
        return PointStatus(PointState.OK)

    def _audits_of(self, epoch: int, seen: Mapping[str, Counts]) -> dict[str, Audit]:
        """What the meter saw in an epoch that has ended, beside the interfaces' own counters, `seen` as it ended."""
        totals = {index: carried for index, _, carried in self.meter.carried(epoch)}
        lives, self._lives = self._lives, {}
        audits = {}
        for name, interface in self._interfaces.items():
            audit = Audit("", f"{self.meter.id:x}:{epoch:x}", Counts(), frames_metered=Counts())
            link, before = self._links.get(name), lives.get(name, [])
            if link and link.index in totals:
                audit = _metered(audit, link, totals[link.index])
                if interface in seen:
                    audit = self._read(audit, name, link, seen[interface])
            for life in before:
                carried = _wire(totals[life.interface]) if life.interface in totals else Counts()
                audit = audit._replace(frames_metered=audit.frames_metered.plus(carried))
                if life.is_gone or link:
                    gone = (audit.frames_gone or Counts()).plus(carried).plus(life.unread)
                    audit = audit._replace(frames_gone=gone)
            if link or before:
                audits[name] = audit if interface == self._outward else audit.turned()
        return audits

    def _read(self, audit: Audit, name: str, link: NetworkInterface, seen: Counts) -> Audit:
        """With what the interface's own counter says."""
        self._unread.pop(name, None)
        return audit._replace(
            epoch=f"{self._boot}:{link.index}",
            frames_interface=frames(link, seen),
            frames_at_attach=self._begun.get(name),
            frames_foreign=self._foreign.get(name, Counts()),
        )

    def _seen_by_people(self, name: str, counts: Counts) -> Counts:
        return counts if self._interfaces.get(name) == self._outward else counts.turned()


_NO_MAC = bytes(6)


def build(*points: PointSettings) -> KernelCollector:
    """Return one collector of all the points: they share a program and its maps."""
    return KernelCollector(
        [settings.point for settings in points],
        flows=max(settings.flows for settings in points),
        pairs=max(settings.devices for settings in points),
        promiscuous=[settings.point.name for settings in points if settings.promiscuous],
        ledger=points[0].ledger,
    )


def _wire(totals: Totals) -> Counts:
    """Frames as the wire carries them: a giant packet cut to its segments."""
    (octets_in, packets_in), (octets_out, packets_out) = (
        (way.frames + way.more_frames, way.packets + way.more_packets) for way in totals
    )
    return Counts(octets_in, octets_out, packets_in, packets_out)


def _metered(audit: Audit, link: NetworkInterface, totals: Totals) -> Audit:
    wire, (received, sent) = _wire(totals), totals
    giants = Counts(received.more_frames, sent.more_frames, received.more_packets, sent.more_packets)
    return audit._replace(
        frames_metered=wire,
        giants=Counts() if link.kind in COUNT_SEGMENTS else giants,
        link_header=link.header,
        tags=hidden_octets(link, wire._replace(octets_in=received.tags, octets_out=sent.tags)),
    )


def _link_type(link: NetworkInterface) -> int:
    if link.type == "loopback":
        return LINK_LOOPBACK
    return LINK_ETHERNET if link.header else LINK_RAW
