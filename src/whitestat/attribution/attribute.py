"""From deltas to usage: which side of a flow is a device of ours, and in which scope; pure.

The rules, in the order they are tried, for the sender and the receiver of a flow alike:
multicast and broadcast are nobody; an address of this machine is this machine; a local address
behind this machine's MAC is somebody else's, forwarded. Behind another router's MAC (configured, or learned by
the hosts it carries, routers.py) an IPv4 address of a network that this machine is not on is a device of its
own; an address of this network behind a configured router is forwarded. Any other local address is the device
of its MAC. Where neither side is local by address, the side opposite to a router's MAC is
the device (a new IPv6 prefix, a forged source): this machine's, a configured one's, or one that was seen to
carry the outside to a local device. A flow between two local devices is booked to
both, out for the one and in for the other. Where map files (maps.py) give an address or a MAC another MAC, the device
is that one's; whether a packet is forwarded is told by the MAC it had. On a gateway's only arm, what its own
address carried for devices is theirs (arm.py); what two counting points see of one flow is booked at one of
them (sightings.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from whitestat.attribution.arm import Amount, Crossing, Crossings, Road
from whitestat.attribution.devices import Devices
from whitestat.attribution.locality import UNSPECIFIED, Locality, is_group_mac, is_ipv4
from whitestat.attribution.maps import Maps
from whitestat.attribution.routers import Routers
from whitestat.attribution.sightings import Double, Flow, Sighting, Sightings
from whitestat.model import (
    OTHER_PEER,
    OTHER_SERVICE,
    PROTOCOL_OTHER,
    UNATTRIBUTED,
    Address,
    Counts,
    Delta,
    FlowKey,
    Mac,
    PeerKey,
    Scope,
    ServiceKey,
    UsageKey,
)

ETHERTYPE_ARP = 0x0806
VERDICTS_MAX = 3_000
"""Flows whose verdict is remembered, 0.6 kB each: more than a home of fifty devices has at once."""
CARRIERS_MAX = 64
DETAILS_MAX = 2_500
"""Services, and peers, that one interval tells apart; a flood of flows costs detail, never memory."""

K = TypeVar("K")


@dataclass(slots=True)
class PointSum:
    """IP octets of one point: found a device, found none."""

    attributed: int = 0
    unattributed: int = 0


@dataclass(slots=True)
class Attributed:
    """Usage of one interval by key; each octet once in `points`, whoever it was booked to.

    `debts` is what the gateways with one arm among the points left over for the next interval; `seen` and `doubles`
    are the flows that other counting points may have too, and those that had been booked at another.
    """

    usage: dict[UsageKey, list[int]] = field(default_factory=dict)
    services: dict[ServiceKey, list[int]] = field(default_factory=dict)
    peers: dict[PeerKey, list[int]] = field(default_factory=dict)
    points: dict[str, PointSum] = field(default_factory=dict)
    debts: dict[Road, Amount] = field(default_factory=dict)
    seen: dict[Flow, Sighting] = field(default_factory=dict)
    doubles: list[Double] = field(default_factory=list)

    def book(self, key: UsageKey, counts: Counts) -> None:
        _add(self.usage, key, counts)

    def book_detail(self, key: UsageKey, flow: FlowKey, peer: Address | None, counts: Counts) -> None:
        """What the usage was on, and with whom, where the meter can tell."""
        if flow.protocol is not None:
            service = ServiceKey(key, flow.protocol, flow.service or 0)
            if len(self.services) >= DETAILS_MAX and service not in self.services:
                service = ServiceKey(key, *OTHER_SERVICE)
            _add(self.services, service, counts)
        if peer is not None:
            whom = PeerKey(key, peer)
            if len(self.peers) >= DETAILS_MAX and whom not in self.peers:
                whom = PeerKey(key, OTHER_PEER)
            _add(self.peers, whom, counts)

    def counts(self) -> dict[UsageKey, Counts]:
        return {key: Counts(*held) for key, held in self.usage.items()}


class Verdict(NamedTuple):
    """Whose a flow is: the usage of its sender's side, of its receiver's; `known` when somebody was found.

    `source` is the sender's own address, where it can be one; `crossing` the flow's place on a gateway's only arm.
    """

    sender: UsageKey | None
    receiver: UsageKey | None
    known: bool
    source: Address | None = None
    crossing: Crossing | None = None

    @property
    def episodes(self) -> tuple[int | None, int | None]:
        """The sender's and the receiver's."""
        return self.sender.episode if self.sender else None, self.receiver.episode if self.receiver else None


class Attributor:
    """Holds what is local and which devices are known; the verdict of a flow is remembered."""

    def __init__(self, locality: Locality, devices: Devices) -> None:
        self.locality = locality
        self.devices = devices
        self.maps = Maps()
        self._verdicts: dict[FlowKey, Verdict] = {}
        self._carriers: set[Mac] = set()
        self.routers = Routers()
        self._debts: dict[Road, Amount] = {}
        self._seen: dict[Flow, Sighting] = {}

    def move(self, locality: Locality) -> None:
        """Addresses of this machine or its networks changed: every verdict is open again."""
        if locality != self.locality:
            self.locality = locality
            self._verdicts.clear()

    def follow(self, maps: Maps) -> None:
        """Map files changed: from now on what they say holds."""
        if maps is not self.maps:
            self.maps = maps
            self._verdicts.clear()

    def judge_again(self) -> None:
        """Devices changed: every verdict is open again."""
        self._verdicts.clear()

    def is_local(self, address: Address) -> bool:
        """Whether a host of this address may be a device of ours. Any thread may ask."""
        return self.locality.kind(address) in ("own", "local")

    def attribute(self, deltas: Iterable[Delta], at_ms: int, *, detail: bool = False) -> Attributed:
        """Book every delta to the devices at its ends, or to `UNATTRIBUTED`; `at_ms` is when they were seen.

        `detail` asks for services and peers too.
        Once the result is kept for good, it is to be `settle`d; a look at what is pending is not.
        """
        result, crossings = Attributed(), Crossings(self._debts)
        sightings = Sightings(self.locality.counting, self._seen)
        verdicts, several = self._verdicts, len(self.locality.counting) > 1
        for delta in deltas:
            verdict = verdicts.get(delta.key) or self._verdict(delta.key, at_ms)
            point = result.points.get(delta.key.point)
            if point is None:
                point = result.points[delta.key.point] = PointSum()
            if verdict.known:
                point.attributed += delta.counts.octets
            else:
                point.unattributed += delta.counts.octets
            if verdict.crossing and crossings.held(verdict.crossing, delta):
                continue
            if several and verdict.known and sightings.held(delta, *verdict.episodes):
                continue
            self._book(result, delta, verdict, at_ms, detail)
        for delta in crossings.own():
            verdict = self._verdict(delta.key, at_ms)
            if not (several and sightings.held(delta, *verdict.episodes)):
                self._book(result, delta, verdict, at_ms, detail)
        for delta in sightings.rest():
            self._book(result, delta, self._verdict(delta.key, at_ms), at_ms, detail)
        result.debts, result.seen, result.doubles = crossings.debts(), sightings.seen, sightings.doubles
        return result

    def settle(self, result: Attributed) -> None:
        """What `attribute` returned is booked: its points' next interval goes on where it ended."""
        others = {road: amount for road, amount in self._debts.items() if road.point not in result.points}
        self._debts = others | result.debts
        elsewhere = {flow: each for flow, each in self._seen.items() if each.point not in result.points}
        self._seen = elsewhere | result.seen if len(elsewhere) < VERDICTS_MAX else result.seen

    def _verdict(self, key: FlowKey, at_ms: int) -> Verdict:
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._judge(key, at_ms)
            if len(self._verdicts) >= VERDICTS_MAX:
                self._verdicts.clear()
            if verdict.known:
                self._verdicts[key] = verdict
        return verdict

    def _book(self, result: Attributed, delta: Delta, verdict: Verdict, at_ms: int, detail: bool) -> None:
        counts = delta.counts
        sender, receiver = verdict.sender, verdict.receiver
        if sender:
            result.book(sender, counts)
            if sender.episode:
                if counts.packets_out or counts.octets_out or counts.octets_unsplit:
                    self.devices.saw(sender.episode, verdict.source, at_ms)
                if detail:
                    result.book_detail(sender, delta.key, delta.key.peer, counts)
        if receiver:
            turned = counts.turned()
            result.book(receiver, turned)
            if detail and receiver.episode:
                result.book_detail(receiver, delta.key, delta.key.address, turned)

    def _judge(self, key: FlowKey, at_ms: int) -> Verdict:
        if key.mac is None and key.address is None:
            return self._nobody(key, inside=False)
        if key.protocol != PROTOCOL_OTHER and key.address is not None and key.peer_mac is None and key.peer is None:
            return self._judge_row(key, key.address, at_ms)
        if key.protocol == PROTOCOL_OTHER or key.address is None or key.peer is None:
            return self._judge_link(key, at_ms)
        here, there = self.locality.kind(key.address), self.locality.kind(key.peer)
        scope = Scope.WAN if "outside" in (here, there) else Scope.LAN
        self._learn_router(key.mac, key.address, here, at_ms, sent=True)
        self._learn_router(key.peer_mac, key.peer, there, at_ms, sent=False)
        sender = self._side(key.mac, key.address, here, at_ms)
        receiver = self._side(key.peer_mac, key.peer, there, at_ms)
        if here == there == "outside":
            sender, receiver = self._opposite_of_router(key, at_ms)
        elif scope is Scope.WAN:
            self._learn_carrier(key, here, sender, receiver)
        crossing = self._crossing(key, here, there, sender, receiver) if scope is Scope.WAN else None
        if sender is None and receiver is None:
            if self._forwarded(key.mac, key.address, here) or self._forwarded(key.peer_mac, key.peer, there):
                return Verdict(None, None, True, None, crossing)
            return self._nobody(key, inside=here != "outside")
        source = key.address if here in ("own", "local") and key.address not in UNSPECIFIED else None
        return Verdict(_key(sender, key.point, scope), _key(receiver, key.point, scope), True, source, crossing)

    def _crossing(
        self, key: FlowKey, here: str, there: str, sender: int | None, receiver: int | None
    ) -> Crossing | None:
        """What a flow to or from the outside is on the arm of a gateway that has only one."""
        if key.point not in self.locality.outward or key.address is None or key.peer is None:
            return None
        ours, theirs = key.mac in self.locality.own_macs, key.peer_mac in self.locality.own_macs
        up = Road(key.point, key.peer, key.protocol, True)
        down = Road(key.point, key.address, key.protocol, False)
        if ours and there == "outside" and receiver is None:
            return Crossing(up, 0 if here == "own" else -1)
        if theirs and there == "outside" and sender:
            return Crossing(up, 1)
        if theirs and here == "outside" and sender is None:
            return Crossing(down, 0 if there == "own" else -1)
        if ours and here == "outside" and receiver:
            return Crossing(down, 1)
        return None

    def _judge_link(self, key: FlowKey, at_ms: int) -> Verdict:
        """Frames that are not IP, and what found the flow map full: by link address alone.

        Only ARP begins a device here: spanning tree and its like come from boxes nobody would name.
        """
        begin = key.protocol is None or key.service == ETHERTYPE_ARP
        routed = key.protocol is None and bool({key.mac, key.peer_mac} & self.locality.own_macs)
        scope = Scope.WAN if routed else Scope.LAN
        sides: list[int | None] = []
        for mac in (key.mac, key.peer_mac):
            nobody = mac is None or is_group_mac(mac) or (routed and mac in self.locality.own_macs)
            sides.append(None if nobody else self._find(mac, None, at_ms, begin=begin))
        if sides == [None, None]:
            return self._nobody(key, inside=True)
        return Verdict(_key(sides[0], key.point, scope), _key(sides[1], key.point, scope), True)

    def _judge_row(self, key: FlowKey, address: Address, at_ms: int) -> Verdict:
        """A host in the table of another program, which knows no peers: the wide area, as far as anybody can tell.

        A known router's MAC stands for somebody behind it, who is left out as configured; this machine's own
        MAC at a host's address only says that the table was made beyond this machine.
        """
        kind = self.locality.kind(address)
        if kind in ("outside", "group"):
            return self._nobody(key, inside=False)
        mac = self.maps.mac(key.mac, address)
        routed = mac in self.locality.routers
        if routed and self.locality.is_left_out(address):
            return Verdict(None, None, True)
        mapped = mac != key.mac
        own = kind == "local" and mac in self.locality.own_macs and not mapped
        behind = mac is None or is_group_mac(mac) or routed or own
        nameless = address in UNSPECIFIED  # a device that has no address yet
        found = None if behind and nameless else self.devices.find(None if behind else mac, address, at_ms)
        if found is None:
            return self._nobody(key, inside=True)
        return Verdict(UsageKey(found, key.point, Scope.WAN), None, True, None if nameless else address)

    def _side(self, mac: Mac | None, address: Address, kind: str, at_ms: int) -> int | None:
        """The episode of one side, or None when it is nobody's of ours."""
        if kind in ("outside", "group") or (mac is not None and is_group_mac(mac)):
            return None
        if kind == "local" and mac is not None:
            if self._forwarded(mac, address, kind):
                return None
            if self._is_router(mac) and is_ipv4(address) and self.locality.is_elsewhere(address):
                return self._find(None, address, at_ms)
        return self._find(mac, address, at_ms)

    def _find(self, mac: Mac | None, address: Address | None, at_ms: int, *, begin: bool = True) -> int | None:
        """The episode of one side, under the MAC that the map files give it."""
        return self.devices.find(self.maps.mac(mac, address), address, at_ms, begin=begin)

    def _forwarded(self, mac: Mac | None, address: Address, kind: str) -> bool:
        """A local address behind a router's MAC: the packet only passes here, or passes again.

        IPv6 behind a second router is the router's own: hosts there change their addresses every day.
        """
        if kind != "local":
            return False
        again = mac in self.locality.routers and not self.locality.is_elsewhere(address)
        return mac in self.locality.own_macs or again

    def _is_router(self, mac: Mac) -> bool:
        return mac in self.locality.routers or mac in self.routers.learned

    def _learn_router(self, mac: Mac | None, address: Address, kind: str, at_ms: int, *, sent: bool) -> None:
        """Hosts of another network behind one MAC are evidence of a router; verdicts are open again."""
        if mac is None or kind != "local" or mac in self.locality.own_macs or is_group_mac(mac):
            return
        if not is_ipv4(address) or self._is_router(mac) or not self.locality.is_elsewhere(address):
            return
        if self.routers.saw(mac, address, at_ms, sent=sent, known=self.devices.is_known(address)):
            self._verdicts.clear()

    def _learn_carrier(self, key: FlowKey, here: str, sender: int | None, receiver: int | None) -> None:
        """The MAC that stands for an outside address, opposite to a device of ours, is a router's."""
        carrier, device = (key.mac, receiver) if here == "outside" else (key.peer_mac, sender)
        if carrier and device and not is_group_mac(carrier) and len(self._carriers) < CARRIERS_MAX:
            self._carriers.add(carrier)

    def _opposite_of_router(self, key: FlowKey, at_ms: int) -> tuple[int | None, int | None]:
        routers = self.locality.own_macs | self.locality.routers | self._carriers
        for router, mac, is_sender in (
            (key.peer_mac, key.mac, True),
            (key.mac, key.peer_mac, False),
        ):
            if router in routers and mac is not None and mac not in routers and not is_group_mac(mac):
                found = self._find(mac, None, at_ms)
                return (found, None) if is_sender else (None, found)
        return None, None

    def _nobody(self, key: FlowKey, *, inside: bool) -> Verdict:
        """Unattributed, as its sender's out when that lies inside, else as in; totals keep their own view."""
        usage = UsageKey(UNATTRIBUTED, key.point, Scope.WAN)
        if key.address is None and key.mac is None:
            return Verdict(usage, None, False)
        return Verdict(usage, None, False) if inside else Verdict(None, usage, False)


def _add(to: dict[K, list[int]], key: K, counts: Counts) -> None:
    held = to.get(key)
    if held is None:
        to[key] = list(counts)
    else:
        for at, amount in enumerate(counts):
            held[at] += amount


def _key(episode: int | None, point: str, scope: Scope) -> UsageKey | None:
    return None if episode is None else UsageKey(episode, point, scope)
