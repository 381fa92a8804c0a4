"""Which addresses are ours: local networks, this machine's own, groups; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network
from typing import NamedTuple

from whitestat.core.model import Address, Mac, Network
from whitestat.core.units import MAPPED_IPV4

PRIVATE: tuple[Network, ...] = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
"""RFC 1918 and RFC 4193."""
ALWAYS_LOCAL: tuple[Network, ...] = tuple(map(ip_network, ("169.254.0.0/16", "fe80::/10", "127.0.0.0/8", "::1/128")))
"""Link-local (RFC 3927, RFC 4291) and loopback space never leaves the link."""
GROUPS: tuple[Network, ...] = tuple(map(ip_network, ("224.0.0.0/4", "255.255.255.255/32", "ff00::/8")))
_LINK_LOCAL_4 = MAPPED_IPV4 + b"\xa9\xfe"
UNSPECIFIED = (MAPPED_IPV4 + bytes(4), bytes(16))
CACHE_MAX = 4096


class Uplink(NamedTuple):
    """This machine on an interface that leads away from home: its MAC there, and an address where there is none."""

    mac: Mac | None
    address: Address | None = None


_Table = tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]
"""Masks and prefixes of IPv6, and of IPv4: every flow that is new asks for both its ends."""


@dataclass(frozen=True, slots=True)
class Locality:
    """What lies inside: `networks`, and this machine by its MACs and addresses.

    `routers` are MACs that forward for others: what they carry belongs to hosts behind or beyond.
    `outward` are the points that have the way to the outside on their own interface, `counting` those that are
    summed for people, in the order of the configuration. `on_link` are the networks that this machine is on. `segments`
    are networks to which a configured router's leaving out is limited in a table of hosts; empty limits nothing.
    `uplinks` are the outward points of a gateway that has its devices on other interfaces. `metered` are the networks
    behind interfaces of counting points: what is forwarded for a host there is booked where it enters or arrives.
    """

    networks: tuple[Network, ...] = PRIVATE
    own_macs: frozenset[Mac] = frozenset()
    own_addresses: frozenset[Address] = frozenset()
    routers: frozenset[Mac] = frozenset()
    outward: frozenset[str] = frozenset()
    counting: tuple[str, ...] = ()
    on_link: tuple[Network, ...] = ()
    segments: tuple[Network, ...] = ()
    uplinks: Mapping[str, Uplink] = field(default_factory=dict)
    metered: tuple[Network, ...] = ()
    _local: _Table = field(init=False, repr=False, compare=False)
    _groups: _Table = field(init=False, repr=False, compare=False)
    _near: _Table = field(init=False, repr=False, compare=False)
    _left_out: _Table = field(init=False, repr=False, compare=False)
    _metered: _Table = field(init=False, repr=False, compare=False)
    _known: dict[Address, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        broadcasts = [
            ip_network(net.broadcast_address)
            for net in self.networks
            if isinstance(net, IPv4Network) and 8 < net.prefixlen < 31 and net not in PRIVATE
        ]
        object.__setattr__(self, "_local", _table((*self.networks, *ALWAYS_LOCAL)))
        object.__setattr__(self, "_groups", _table((*GROUPS, *broadcasts)))
        object.__setattr__(self, "_near", _table((*self.on_link, *ALWAYS_LOCAL)))
        object.__setattr__(self, "_left_out", _table(self.segments))
        object.__setattr__(self, "_metered", _table(self.metered))

    def kind(self, address: Address) -> str:
        """`own`, `group` (multicast, broadcast), `local` or `outside`."""
        known = self._known.get(address)
        if known is None:
            known = self._kind(address)
            if len(self._known) >= CACHE_MAX:
                self._known.clear()
            self._known[address] = known
        return known

    def is_elsewhere(self, address: Address) -> bool:
        """Whether the address is of no network that this machine is on, where it is on one of that family."""
        version = 4 if is_ipv4(address) else 6
        return any(network.version == version for network in self.on_link) and not _is_in(address, self._near)

    def is_left_out(self, address: Address) -> bool:
        """Whether a host of this address behind a configured router is not of the home."""
        return not self.segments or _is_in(address, self._left_out)

    def is_metered(self, address: Address) -> bool:
        """Whether a counting point meters the network of the address."""
        return _is_in(address, self._metered)

    def _kind(self, address: Address) -> str:
        if address in self.own_addresses:
            return "own"
        if _is_in(address, self._groups):
            return "group"
        if address in UNSPECIFIED or _is_in(address, self._local):
            return "local"
        return "outside"


def is_ipv4(address: Address) -> bool:
    """IPv4-mapped (RFC 4291, section 2.5.5.2)."""
    return address.startswith(MAPPED_IPV4)


def is_link_local(address: Address) -> bool:
    """169.254.0.0/16 or fe80::/10, which no router forwards (RFC 3927, section 2.7; RFC 4291, section 2.5.6)."""
    if address[0]:
        return address[0] == 0xFE and address[1] & 0xC0 == 0x80
    return address.startswith(_LINK_LOCAL_4)


def is_group_mac(mac: Mac) -> bool:
    """Multicast or broadcast: the I/G bit of IEEE 802, the lowest of the first octet."""
    return bool(mac[0] & 1)


def _table(networks: Sequence[Network]) -> _Table:
    return (
        _masks(network for network in networks if network.version == 6),
        _masks(network for network in networks if network.version == 4),
    )


def _is_in(address: Address, table: _Table) -> bool:
    number = int.from_bytes(address, "big")
    for mask, prefix in table[address.startswith(MAPPED_IPV4)]:  # noqa: SIM110 - a generator would cost as much again
        if number & mask == prefix:
            return True
    return False


def _masks(networks: Iterable[Network]) -> tuple[tuple[int, int], ...]:
    """(mask, prefix) of each network as 128-bit numbers, IPv4 in its IPv4-mapped place."""
    masks = []
    for network in networks:
        bits = 128 - network.max_prefixlen + network.prefixlen
        mask = (1 << 128) - (1 << (128 - bits))
        prefix = int(network.network_address)
        masks.append((mask, prefix | (0xFFFF << 32) if network.version == 4 else prefix))
    return tuple(masks)
