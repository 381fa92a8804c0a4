"""Which side of a flow is a device of ours, and in which scope: the rules of attribution; pure.

The rules, in the order they are tried, for the sender and the receiver of a flow alike:
multicast and broadcast are no device; an address of this machine is this machine; a local address
behind this machine's MAC was forwarded by it. Behind another router's MAC (configured, or learned by
the hosts it carries, routers.py) an IPv4 address of a network that this machine is not on is a device of its
own; an address of this network behind a configured router is forwarded. Any other local address is the device
of its MAC, and so is an address that exchanges packets with a link-local one: it is on the link. Where neither side is
local by address, the side opposite to a router's MAC is
the device (a new IPv6 prefix, a forged source): this machine's, a configured one's, or one that was seen to
carry the outside to a local device. A flow between two local devices is booked to
both, out for the one and in for the other. Where map files (maps.py) give an address or a MAC another MAC, the device
is that one's; whether a packet is forwarded is told by the MAC it had.

What this machine forwarded for a host whose network a counting point meters is booked as the device's frame there;
seen again it is in no row. For any other host it is booked here, to the host's address. An address that only received
is this machine's: else a scan of an IPv6 prefix from outside would begin devices. On an uplink all that this machine's
MAC stands for is home, and nothing on the other side is a device.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from whitestat.attribution.devices.episodes import EpisodeTable
from whitestat.attribution.locality import UNSPECIFIED, Locality, Uplink, is_group_mac, is_ipv4, is_link_local
from whitestat.attribution.maps import Maps
from whitestat.attribution.nat_dedup import NatCrossing, NatPath
from whitestat.attribution.routers import Carriers, Routers
from whitestat.core.model import PROTOCOL_OTHER, UNATTRIBUTED, Address, FlowKey, Mac, Scope, UsageKey

ETHERTYPE_ARP = 0x0806
VERDICTS_MAX = 3_000
"""Flows whose verdict is remembered, 0.6 kB each: more than a home of fifty devices has at once."""
VERDICTS_MS = 3_600_000
"""How long they are: what goes on for days is evidence all that time."""


class Verdict(NamedTuple):
    """Verdict about a flow: the usage of its sender's side, of its receiver's; neither where it is booked already.

    `known` is false for what no device was found for. `source` is the sender's own address, where it can be one;
    `crossing` the flow's place on a gateway's only arm.
    """

    sender: UsageKey | None
    receiver: UsageKey | None
    known: bool
    source: Address | None = None
    crossing: NatCrossing | None = None

    @property
    def episodes(self) -> tuple[int | None, int | None]:
        """The sender's and the receiver's."""
        return self.sender.episode if self.sender else None, self.receiver.episode if self.receiver else None


class End(NamedTuple):
    """One end of a flow; `kind` is as `Locality.kind` tells, or as packets tell better."""

    mac: Mac | None
    address: Address
    kind: str


_new = tuple.__new__  # two for every new flow
_LINK_LOCAL_6 = 0xFE
"""The octet that link-local addresses of IPv6 begin with: what is looked at first."""
UNDECIDED = Verdict(None, None, False)
"""A flow that others of the same interval may tell more about."""


@dataclass(slots=True)
class Learned:
    """What packets told of routers."""

    routers: Routers = field(default_factory=Routers)
    carriers: Carriers = field(default_factory=Carriers)


class Judge:
    """Holds what is local and which devices are known; the verdict of a flow is remembered."""

    def __init__(self, locality: Locality, devices: EpisodeTable, learned: Learned) -> None:
        self.locality = locality
        self.devices = devices
        self.maps = Maps()
        self.learned = learned
        self.verdicts: dict[FlowKey, Verdict] = {}
        self._since_ms: int | None = None

    def forget(self) -> None:
        """Every verdict is open again."""
        self.verdicts.clear()

    def expire(self, at_ms: int) -> None:
        """Let go what is old: verdicts after an hour, what was learned after a day without evidence."""
        if self._since_ms is not None and 0 <= at_ms - self._since_ms < VERDICTS_MS:
            return
        self._since_ms = at_ms
        self.learned.routers.expire(at_ms)
        self.learned.carriers.expire(at_ms)
        self.forget()

    def verdict(self, key: FlowKey, at_ms: int, *, last: bool = False) -> Verdict:
        """Return the devices of the flow; UNDECIDED where later flows may tell, unless it is the `last` time."""
        return self.verdicts.get(key) or self.decide(key, at_ms, last)

    def decide(self, key: FlowKey, at_ms: int, last: bool = False) -> Verdict:
        """The same for a flow that none of the `verdicts` is about."""
        verdict = self._judge(key, at_ms, last)
        if verdict.known and not last:
            if len(self.verdicts) >= VERDICTS_MAX:
                self.forget()
            self.verdicts[key] = verdict
        return verdict

    def _judge(self, key: FlowKey, at_ms: int, last: bool) -> Verdict:
        if key.mac is None and key.address is None:
            return _nobody(key, inside=False)
        if key.protocol != PROTOCOL_OTHER and key.address is not None and key.peer_mac is None and key.peer is None:
            return self._judge_row(key, key.address, at_ms)
        if key.protocol == PROTOCOL_OTHER or key.address is None or key.peer is None:
            return self._judge_link(key, at_ms, last)
        here = _new(End, (key.mac, key.address, self.locality.kind(key.address)))
        there = _new(End, (key.peer_mac, key.peer, self.locality.kind(key.peer)))
        return self._judge_packets(key, here, there, at_ms, last)

    def _judge_packets(self, key: FlowKey, here: End, there: End, at_ms: int, last: bool) -> Verdict:
        if here.kind == "outside" and there.address[0] == _LINK_LOCAL_6:
            here = self._near(here, there, at_ms)
        elif there.kind == "outside" and here.address[0] == _LINK_LOCAL_6:
            there = self._near(there, here)
        scope = Scope.WAN if here.kind == "outside" or there.kind == "outside" else Scope.LAN
        away = key.point in self.locality.uplinks and self._is_away(here, there)
        forwarded = there.kind == "local" and (away or there.mac in self.locality.own_macs)
        undecided = forwarded and self._is_silent(here, there, away)
        if not away:
            undecided |= self._learn(key.point, here, there, at_ms)
        if undecided and not last:
            return UNDECIDED
        sender, receiver = (self._ends_away if away else self._ends)(key.point, here, there, at_ms)
        crossing = self._crossing(key, here.kind, there.kind, sender, receiver) if scope is Scope.WAN else None
        if sender is None and receiver is None:
            if self._passes(here, away) or self._passes(there, away):
                return Verdict(None, None, True, None, crossing)
            return _nobody(key, inside=here.kind != "outside")
        source = here.address if here.kind in ("own", "local") and here.address not in UNSPECIFIED else None
        return Verdict(_key(sender, key.point, scope), _key(receiver, key.point, scope), True, source, crossing)

    def _near(self, end: End, other: End, at_ms: int | None = None) -> End:
        """Opposite to a link-local address one that is not known to be local is on the link; `at_ms` where it sent.

        Of IPv4 that proves nothing: hosts that found no server send from 169.254.0.0/16 to the outside all the same.
        """
        if not is_link_local(other.address) or is_ipv4(end.address):
            return end
        if at_ms is not None and end.mac is not None:
            self.learned.carriers.saw_neighbour(end.mac, end.address, at_ms)
        return end._replace(kind="own" if end.mac in self.locality.own_macs else "local")

    def _learn(self, point: str, here: End, there: End, at_ms: int) -> bool:
        """Take what the flow tells of routers; true where more of that would change whose it is."""
        if here.kind == there.kind == "outside":
            fixed = self.locality.own_macs | self.locality.routers
            return point in self.locality.outward or (here.mac in fixed) == (there.mac in fixed)
        own = self.locality.own_macs
        if here.kind == "outside" and here.mac not in own:
            self._learn_carrier(here, there, at_ms)
        elif there.kind == "outside" and there.mac not in own:
            self._learn_carrier(there, here, at_ms)
        behind = here.kind == "local" and here.mac not in own and self._is_behind(here, at_ms, sent=True)
        return (there.kind == "local" and there.mac not in own and self._is_behind(there, at_ms, sent=False)) or behind

    def _is_behind(self, end: End, at_ms: int, *, sent: bool) -> bool:
        """Hosts of another network behind one MAC are evidence of a router; true where it is none yet."""
        mac = end.mac
        if mac is None or not is_ipv4(end.address) or is_group_mac(mac):
            return False
        if mac in self.locality.routers or not self.locality.is_elsewhere(end.address):
            return False
        known = self.devices.is_known(end.address)
        if self.learned.routers.saw(mac, end.address, at_ms, sent=sent, known=known):
            self.forget()
        return mac not in self.learned.routers.learned

    def _learn_carrier(self, outside: End, near: End, at_ms: int) -> None:
        """The MAC that stands for an outside address, opposite to a local one, is a router's."""
        mac = outside.mac
        if mac is None or is_group_mac(mac):
            return
        if near.kind in ("own", "local") and near.address not in UNSPECIFIED:
            self.learned.carriers.saw(mac, outside.address, at_ms)

    def _ends(self, point: str, here: End, there: End, at_ms: int) -> tuple[int | None, int | None]:
        """The episodes of sender and receiver; None for what is none of ours, or was only forwarded."""
        if here.kind == there.kind == "outside":
            near = [side for side in (here, there) if self.learned.carriers.is_neighbour(side.mac, side.address)]
            if len(near) == 1:
                episode = self._find(near[0].mac, None, at_ms)
                return (episode, None) if near[0] is here else (None, episode)
            return self._opposite_of_router(point, here.mac, there.mac, at_ms)
        sender, receiver = self._side(here, at_ms), self._side(there, at_ms)
        if sender is None and receiver is None:
            return self._through(here, at_ms, sent=True), self._through(there, at_ms, sent=False)
        return sender, receiver

    def _ends_away(self, point: str, here: End, there: End, at_ms: int) -> tuple[int | None, int | None]:
        """The same on an uplink, where this machine's side is home; it is also what hears a group there."""
        home = self.locality.uplinks[point]
        ours, theirs = self._is_home(here), self._is_home(there)
        theirs |= not ours and (there.kind == "group" or (there.mac is not None and is_group_mac(there.mac)))
        sender = self._home_side(home, here, at_ms, sent=True) if ours else None
        return sender, self._home_side(home, there, at_ms, sent=False) if theirs else None

    def _home_side(self, home: Uplink, end: End, at_ms: int, *, sent: bool) -> int | None:
        """The device that this machine stands for; this machine itself where the address shows none."""
        if end.kind == "local" and not is_link_local(end.address):
            if self.locality.is_metered(end.address):
                return None
            if sent or self._has(end.address):
                return self._find(None, end.address, at_ms)
        return self.devices.find(home.mac, home.address, at_ms)

    def _is_home(self, end: End) -> bool:
        """Whether this machine sent or takes it; without MACs its addresses and those behind it tell."""
        if end.mac is not None:
            return end.mac in self.locality.own_macs
        return end.kind == "own" or (end.kind == "local" and not is_link_local(end.address))

    def _is_away(self, here: End, there: End) -> bool:
        """Whether a flow of an uplink is not one of a host there that has this machine as its gateway."""
        own = self.locality.own_macs
        for end, other in ((here, there), (there, here)):
            if end.kind == "local" and other.kind == "outside" and end.mac not in own and other.mac in own:
                return not self.locality.is_metered(end.address)
        return True

    def _is_silent(self, here: End, there: End, away: bool) -> bool:
        """Whether the receiver lies behind this machine, not metered there, and no packet of its was seen."""
        if not away and here.kind != "outside":
            return False
        if is_link_local(there.address) or self.locality.is_metered(there.address):
            return False
        return not self._has(there.address)

    def _has(self, address: Address) -> bool:
        """Whether the address, or the MAC that map files give it, is a device."""
        return self.devices.episode_of(self.maps.mac(None, address), address) is not None

    def _crossing(
        self, key: FlowKey, here: str, there: str, sender: int | None, receiver: int | None
    ) -> NatCrossing | None:
        """What a flow to or from the outside is on the arm of a gateway that has only one."""
        if key.point not in self.locality.outward or key.address is None or key.peer is None:
            return None
        ours, theirs = key.mac in self.locality.own_macs, key.peer_mac in self.locality.own_macs
        up = NatPath(key.point, key.peer, key.protocol, True)
        down = NatPath(key.point, key.address, key.protocol, False)
        if ours and there == "outside" and receiver is None:
            return NatCrossing(up, 0) if here != "local" else NatCrossing(up, -1) if sender is None else None
        if theirs and there == "outside" and sender:
            return NatCrossing(up, 1)
        if theirs and here == "outside" and sender is None:
            return NatCrossing(down, 0) if there != "local" else NatCrossing(down, -1) if receiver is None else None
        if ours and here == "outside" and receiver:
            return NatCrossing(down, 1)
        return None

    def _judge_link(self, key: FlowKey, at_ms: int, last: bool) -> Verdict:
        """Frames that are not IP, and what found the flow map full: by link address alone.

        Only ARP begins a device here: spanning tree and its like come from devices without users.
        """
        full, own = key.protocol is None, self.locality.own_macs
        routed = full and bool({key.mac, key.peer_mac} & own)
        scope = Scope.WAN if routed else Scope.LAN
        if key.point in self.locality.uplinks:
            return self._judge_uplink_frame(key, scope, at_ms)
        arm = routed and key.point in self.locality.outward
        if arm and not last:
            return UNDECIDED
        sides: list[int | None] = []
        for mac, other in ((key.mac, key.peer_mac), (key.peer_mac, key.mac)):
            # Next to the way out it is this machine that speaks, else the other one, through it.
            way_out, through = (other, mac) if mac in own else (mac, other)
            next_to = arm and through is not None and way_out in self.learned.carriers
            left_out = routed and (mac in own) != next_to
            nobody = mac is None or is_group_mac(mac) or left_out
            begin = full or key.service == ETHERTYPE_ARP
            sides.append(None if nobody else self._find(mac, None, at_ms, begin=begin))
        if sides == [None, None]:
            return _nobody(key, inside=True)
        return Verdict(_key(sides[0], key.point, scope), _key(sides[1], key.point, scope), True)

    def _judge_uplink_frame(self, key: FlowKey, scope: Scope, at_ms: int) -> Verdict:
        """The same on an uplink: this machine's, or what it hears."""
        home, own = self.locality.uplinks[key.point], self.locality.own_macs
        is_received = key.peer_mac in own or (key.peer_mac is not None and is_group_mac(key.peer_mac))
        episode = self.devices.find(home.mac, home.address, at_ms) if key.mac in own or is_received else None
        if episode is None:
            return _nobody(key, inside=False)
        usage = UsageKey(episode, key.point, scope)
        return Verdict(usage, None, True) if key.mac in own else Verdict(None, usage, True)

    def _judge_row(self, key: FlowKey, address: Address, at_ms: int) -> Verdict:
        """A host in the table of another program, which knows no peers: the wide area, as far as is known.

        A known router's MAC stands for a host behind it, which is left out as configured; this machine's own
        MAC at a host's address only says that the table was made beyond this machine.
        """
        kind = self.locality.kind(address)
        if kind in ("outside", "group"):
            return _nobody(key, inside=False)
        mac = self.maps.mac(key.mac, address)
        routed = mac in self.locality.routers
        if routed and self.locality.is_left_out(address):
            return Verdict(None, None, True)
        mapped = mac != key.mac
        own = kind == "local" and mac in self.locality.own_macs and not mapped
        behind = mac is None or is_group_mac(mac) or routed or own
        nameless = address in UNSPECIFIED  # a device that has no address yet
        episode = None if behind and nameless else self.devices.find(None if behind else mac, address, at_ms)
        if episode is None:
            return _nobody(key, inside=True)
        return Verdict(UsageKey(episode, key.point, Scope.WAN), None, True, None if nameless else address)

    def _side(self, end: End, at_ms: int) -> int | None:
        """The episode of one side, or None when it is none of ours, or was only forwarded."""
        mac = end.mac
        if end.kind in ("outside", "group") or (mac is not None and is_group_mac(mac)):
            return None
        if end.kind == "local" and mac is not None:
            if mac in self.locality.own_macs or self._is_skipped(mac, end.address):
                return None
            if self._is_router(mac) and is_ipv4(end.address) and self.locality.is_elsewhere(end.address):
                return self._find(None, end.address, at_ms)
        return self._find(mac, end.address, at_ms)

    def _through(self, end: End, at_ms: int, *, sent: bool) -> int | None:
        """The host that this machine forwarded for, where it is metered nowhere; this machine for a silent one."""
        if end.kind != "local" or end.mac not in self.locality.own_macs or self.locality.is_metered(end.address):
            return None
        return self._find(None if sent or self._has(end.address) else end.mac, end.address, at_ms)

    def _find(self, mac: Mac | None, address: Address | None, at_ms: int, *, begin: bool = True) -> int | None:
        """The episode of one side, under the MAC that the map files give it."""
        return self.devices.find(self.maps.mac(mac, address), address, at_ms, begin=begin)

    def _passes(self, end: End, away: bool) -> bool:
        """Whether a side is booked where a counting point meters its network, or left out as configured."""
        if end.kind != "local":
            return False
        if end.mac in self.locality.own_macs or (away and end.mac is None):
            return self.locality.is_metered(end.address)
        return end.mac is not None and self._is_skipped(end.mac, end.address)

    def _is_skipped(self, mac: Mac, address: Address) -> bool:
        """A local address behind a configured router's MAC: the packet only passes here, or passes again.

        IPv6 behind a second router is the router's own: hosts there change their addresses every day.
        """
        return mac in self.locality.routers and not self.locality.is_elsewhere(address)

    def _is_router(self, mac: Mac | None) -> bool:
        return mac in self.locality.routers or mac in self.learned.routers.learned

    def _opposite_of_router(
        self, point: str, here: Mac | None, there: Mac | None, at_ms: int
    ) -> tuple[int | None, int | None]:
        """The device of a flow of which neither address is local; on the way out it may be this machine."""
        own = self.locality.own_macs if point in self.locality.outward else frozenset[Mac]()
        for router, mac, is_sender in ((there, here, True), (here, there, False)):
            if mac is None or is_group_mac(mac) or not self._carries(router):
                continue
            if not self._carries(mac) or (mac in own and router not in own):
                episode = self._find(mac, None, at_ms)
                return (episode, None) if is_sender else (None, episode)
        return None, None

    def _carries(self, mac: Mac | None) -> bool:
        """Whether the MAC is known to stand for the outside."""
        return mac in self.locality.own_macs or mac in self.locality.routers or mac in self.learned.carriers


def _nobody(key: FlowKey, *, inside: bool) -> Verdict:
    """Unattributed, as its sender's out when that lies inside, else as in; totals keep their own view."""
    usage = UsageKey(UNATTRIBUTED, key.point, Scope.WAN)
    if key.address is None and key.mac is None:
        return Verdict(usage, None, False)
    return Verdict(usage, None, False) if inside else Verdict(None, usage, False)


def _key(episode: int | None, point: str, scope: Scope) -> UsageKey | None:
    return None if episode is None else UsageKey(episode, point, scope)
