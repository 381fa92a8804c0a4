"""Counts packets in this process, from a receive ring: where the kernel takes no program, CAP_NET_RAW suffices.

A limit: before Linux 6.2 a giant packet (TSO, GRO) is seen once, as the interface carries it, so the headers of its
segments are not counted; where the interface itself counts them (hardware), they are booked as unattributed.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping

from whitestat.collectors import CollectorFacts
from whitestat.collectors.decode import LinkType as Layer
from whitestat.collectors.decode import decode
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
from whitestat.collectors.offload import SegmentedPacket, giant
from whitestat.collectors.packet.promiscuous import Promiscuous
from whitestat.collectors.packet.ring import BLOCK_OCTETS, BLOCKS, RETIRE_MS, Frame, Ring
from whitestat.collectors.presence import NewInterfaces, indexes, is_up
from whitestat.collectors.settings import PointSettings
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
    ReadResult,
    Receipt,
)

FLOWS = 65_536
PAIRS = 4_096

ONE_BY_ONE = "packets are counted one by one in this process, and those that come too fast not at all (see coverage)"
GIANTS = (
    "packets are counted one by one in this process: giant packets (TSO, GRO) without the headers of "
    "their segments, and packets that come too fast not at all (see coverage)"
)
_POLL_MS = 100
_SETTLE_NS = 3 * RETIRE_MS * 1_000_000
_SETTLE_LIMIT_S = 1.0
_NO_MAC = bytes(6)

_Flow = tuple[Mac | None, Mac | None, Address | None, Address | None, int, int, int]
"""The first seven values of a decoded packet."""
_Pair = tuple[Mac | None, Mac | None]


class _Carried:
    """What one interface carried: pairs of figures are of what it received and what it sent."""

    def __init__(self) -> None:
        self.wire = ([0, 0], [0, 0])  # frame octets and packets
        self.tags = [0, 0]  # octets of tags beside the frames
        self.giants = ([0, 0], [0, 0])  # frame octets and packets that giant packets have more on the wire


class _Table:
    """Octets and packets by flow; beyond FLOWS by pair of MACs, beyond PAIRS by direction alone.

    Beside them what each interface carried of just these packets, by its index.
    """

    def __init__(self) -> None:
        self.flows: dict[_Flow, list[int]] = {}
        self.pairs: dict[_Pair, list[int]] = {}
        self.rest = ([0, 0], [0, 0])  # received, sent
        self.carried: dict[int, _Carried] = {}

    def room(self, flow: _Flow, sent: bool) -> list[int]:
        """The counts for a flow that has none of its own yet."""
        if len(self.flows) < FLOWS:
            return self.flows.setdefault(flow, [0, 0])
        pair = flow[:2]
        if pair in self.pairs or len(self.pairs) < PAIRS:
            return self.pairs.setdefault(pair, [0, 0])
        return self.rest[sent]


class PacketCollector:
    """Counts what passes one interface. A thread of its own, begun by the first read, empties the ring."""

    def __init__(self, point: Point, *, promiscuous: bool = False) -> None:
        self._point = point
        self._wanted = promiscuous
        self._interface = str(point.interface)
        self._ring: Ring | None = None
        self._promiscuous: Promiscuous | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._changed = threading.Condition()
        self._caught_up_ns = 0
        self._table = _Table()
        self._layer = Layer.ETHERNET
        self._once = False  # what loopback sends it receives: counted once, as its interface counters are
        self._mark: tuple[int, int] | None = None  # when the referee was read, until a later packet is seen
        self._cut: _Table | None = None  # what had been counted then, until it is handed out
        self._has_read = self._halted = False
        self._meter, self._number = uuid.uuid4().hex[:16], 0  # each harvest is a life of the meter
        self._gone = Counts()  # frames of interfaces that are gone, which no audit has yet
        self._is_parted = True
        self._unread = Counts()  # frames that the interface had when it was bound to, as far as no audit has them
        self._newcomers = NewInterfaces()
        self._index = 0  # of the interface that the socket is or was bound to
        self._foreign = Counts()
        self._boot = ""
        self._is_outward = False
        self._link: NetworkInterface | None = None
        self._status = PointStatus(PointState.STARTING)

    @property
    def points(self) -> tuple[Point, ...]:
        return (self._point,)

    def open(self, booked: Mapping[str, int]) -> None:
        """What needs CAP_NET_RAW is done here; the thread must wait until privileges were given up."""
        self._boot = boot_id()
        self._ring = Ring()
        if self._wanted:
            self._promiscuous = Promiscuous()
        self._follow(links())

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        """What was counted since the last read, the ring's last block included."""
        self._begin()
        known = links()
        if not self._halted:
            self._follow(known)
        seen = counters()
        with self._changed:
            self._mark = divmod(time.time_ns(), 1_000_000_000)
            due = time.monotonic_ns() + _SETTLE_NS
            self._changed.wait_for(lambda: self._caught_up_ns > due, _SETTLE_LIMIT_S)
            lost = self._opened().dropped()
            if self._mark:
                self._cut_here()
            table, self._cut = self._cut or _Table(), None
            self._has_read = True
            audits = self._audits(table, lost, known, seen)
        return ReadResult(since_ms, now_ms, deltas=self._deltas(table, since_ms, now_ms), audits=audits)

    def acknowledge(self, receipt: Receipt) -> None:
        """Nothing is kept here: whoever reads keeps what was handed out until it is written."""

    def halt(self) -> None:
        """Receive nothing more; what is in the ring is counted still."""
        self._halted = True
        self._opened().unbind()

    def peek(self) -> Iterable[Delta]:
        with self._changed:
            return list(self._deltas(self._table, 0, 0))

    def statuses(self) -> Mapping[str, PointStatus]:
        return {self._point.name: self._status}

    def facts(self) -> CollectorFacts:
        return CollectorFacts("packets in this process")

    def maintain(self) -> None:
        """Follow the interface when it comes, goes, or comes back under another index."""
        present, link = indexes(), self._link
        moved = present.get(self._interface) != (link.index if link else None)
        if not self._halted and (moved or (link and is_up(self._interface) is not link.up)):
            self._follow(links())
        self._newcomers.look(present.values())

    def memory(self) -> int:
        return BLOCK_OCTETS * BLOCKS if self._ring else 0

    def close(self) -> None:
        self._stopping = True
        if self._thread:
            self._thread.join()
            self._thread = None
        if self._promiscuous:
            self._promiscuous.close()
            self._promiscuous = None
        if self._ring:
            self._ring.close()
            self._ring = None

    def _opened(self) -> Ring:
        if self._ring is None:
            raise CollectorError(f"the packet socket on {self._interface} is not open")
        return self._ring

    def _begin(self) -> None:
        ring = self._opened()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._empty, args=(ring,), name="packets", daemon=True)
            self._thread.start()

    def _empty(self, ring: Ring) -> None:
        """The thread: a block at a time, and the time when there was none left."""
        while not self._stopping:
            if ring.ready():
                with self._changed:
                    self._count(ring.frames())
                continue
            with self._changed:
                self._caught_up_ns = time.monotonic_ns()
                self._changed.notify_all()
            ring.wait(_POLL_MS)

    def _count(self, block: Iterable[Frame]) -> None:
        table, layer, once = self._table, self._layer, self._once
        mark, carried, interface = self._mark, _Carried(), 0
        for second, nanosecond, index, sent, tag, wire_length, captured, beside in block:
            if mark and (second, nanosecond) > mark:
                self._cut_here()
                mark, table, interface = None, self._table, 0
            if index != interface:
                interface, carried = index, table.carried.setdefault(index, _Carried())
            if sent and once:
                continue
            if tag is None:
                packet = decode(captured, wire_length, layer)
            else:
                packet = decode(captured[:12] + tag + captured[12:], wire_length + 4, layer)
                carried.tags[sent] += 4
            flow = packet[:7]
            counts = table.flows.get(flow) or table.room(flow, sent)
            counts[0] += packet[7]
            counts[1] += 1
            wire = carried.wire[sent]
            wire[0] += wire_length
            wire[1] += 1
            if beside:
                _add_giant(giant(beside, captured, wire_length, packet[7]), counts, wire, carried.giants[sent])

    def _cut_here(self) -> None:
        """What was counted until the referee was read is one harvest: the ring tells of packets later than that."""
        self._mark, self._cut, self._table = None, self._table, _Table()

    def _deltas(self, table: _Table, start_ms: int, end_ms: int) -> Iterator[Delta]:
        """Counts are the sender's: out is what it sent. The rest is of no device, seen from the people's side."""
        point = self._point.name
        for flow, (octets, packets) in table.flows.items():
            src_mac, dst_mac, src, dst, protocol, service, vlan = flow
            if src_mac == dst_mac == _NO_MAC:
                src_mac = dst_mac = None
            key = FlowKey(point, src_mac, src, dst_mac, dst, protocol, service, vlan)
            yield Delta(key, Counts(0, octets, 0, packets), start_ms, end_ms)
        for (src_mac, dst_mac), (octets, packets) in table.pairs.items():
            yield Delta(FlowKey(point, src_mac, None, dst_mac), Counts(0, octets, 0, packets), start_ms, end_ms)
        rest = _both(table.rest)
        if any(rest):
            yield Delta(FlowKey(point), rest if self._is_outward else rest.turned(), start_ms, end_ms)

    def _follow(self, known: Mapping[str, NetworkInterface]) -> None:
        """Receive from the interface under the index it has now."""
        self._is_outward = default_interface() == self._interface
        link = known.get(self._interface)
        if link and (self._link is None or link.index != self._link.index) and not self._bound(link):
            link = None  # it went while we looked
        self._link = link
        if link is None:
            notice = f"interface {self._interface} is not there; waiting for it"
            self._status = PointStatus(PointState.WAITING, notice)
        elif not link.up:
            self._status = PointStatus(PointState.WAITING, f"interface {link.name} is down")
        else:
            self._status = PointStatus(PointState.OK, ONE_BY_ONE if self._opened().tells_giants else GIANTS)
        self._newcomers.look(link.index for link in known.values())

    def _bound(self, link: NetworkInterface) -> bool:
        """Bind anew: a new life of the meter, because the interface's counters have a new one.

        One that was renamed and has its name again has its counters still, and was heard meanwhile.
        """
        with self._changed:
            begun = frames(link, counters().get(link.name, Counts()))
            try:
                self._opened().bind(self._interface)
                if self._promiscuous:
                    self._promiscuous.ask(link.index)
            except OSError:
                return False
            if link.index == self._index:
                return True
            self._index = link.index
            self._layer = Layer.ETHERNET if link.header else Layer.RAW
            self._once = link.type == "loopback"
            self._foreign = begun if self._newcomers.had_another_name(link.index) else Counts()
            self._gone, self._is_parted = self._gone.plus(self._unread), False
            # What was there at the start, an audit may have.
            self._unread = _less(begun, self._foreign) if self._has_read else Counts()
        return True

    def _audits(
        self, table: _Table, lost: int, known: Mapping[str, NetworkInterface], seen: Mapping[str, Counts]
    ) -> dict[str, Audit]:
        """The interface's own counter, `seen` as the table was cut, beside what is in the table."""
        self._number += 1
        link, parted = self._link, self._parted(known)
        audit = Audit("", f"{self._meter}:{self._number}", Counts(), packets_lost=lost)
        for index, carried in table.carried.items():
            wire = _both(carried.wire)
            audit = audit._replace(frames_metered=audit.frames_metered.plus(wire))
            if link and index == link.index:
                audit = _beside(audit, link, carried)
            elif link or parted:
                self._gone = self._gone.plus(wire)
        if link and link.name in seen:
            self._unread = Counts()
            carried_in_all = frames(link, seen[link.name])
            audit = audit._replace(epoch=f"{self._boot}:{link.index}", frames_interface=carried_in_all)
            audit = audit._replace(link_header=link.header, frames_foreign=self._foreign)
        if parted or any(self._gone):
            audit, self._gone = audit._replace(frames_gone=self._gone), Counts()
        return (
            {self._point.name: audit if self._is_outward else audit.turned()} if link or parted or table.carried else {}
        )

    def _parted(self, known: Mapping[str, NetworkInterface]) -> bool:
        """Whether the interface is gone for good; said once."""
        if self._link or self._is_parted or self._index in {link.index for link in known.values()}:
            return False
        self._is_parted, self._gone, self._unread = True, self._gone.plus(self._unread), Counts()
        return True


def build(settings: PointSettings) -> PacketCollector:
    return PacketCollector(settings.point, promiscuous=settings.promiscuous)


def _add_giant(more: SegmentedPacket, counts: list[int], wire: list[int], giants: list[int]) -> None:
    """A giant packet counts as the wire carries it."""
    counts[0] += more.octets
    counts[1] += more.packets - 1
    for figures in (wire, giants):
        figures[0] += more.frame_octets
        figures[1] += more.packets - 1


def _beside(audit: Audit, link: NetworkInterface, carried: _Carried) -> Audit:
    """With what the interface's own counter has less or more than the wire."""
    wire, giants = _both(carried.wire), _both(carried.giants)
    tags = hidden_octets(link, wire._replace(octets_in=carried.tags[0], octets_out=carried.tags[1]))
    return audit._replace(giants=Counts() if link.kind in COUNT_SEGMENTS else giants, tags=tags)


def _less(a: Counts, b: Counts) -> Counts:
    return Counts(*(x - y for x, y in zip(a, b, strict=True)))


def _both(counted: tuple[list[int], list[int]]) -> Counts:
    """Received and sent, each octets and packets."""
    (octets_in, packets_in), (octets_out, packets_out) = counted
    return Counts(octets_in, octets_out, packets_in, packets_out)
