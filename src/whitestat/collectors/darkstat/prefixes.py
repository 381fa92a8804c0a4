"""Which IPv6 networks are on darkstat's link, told by its table; pure.

A reader on another machine, or in a container, has no address of these networks. A host beyond a router is shown
with the router's MAC, so a network whose hosts have MACs of several of our devices is on the link. A MAC that stands
for IPv4 addresses of the outside is a router's, and proves nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv6Network

from whitestat.collectors.darkstat.parse import HostTotals
from whitestat.core.model import Address, Mac
from whitestat.core.units import MAPPED_IPV4

DEVICES_MIN = 2
NETWORKS_MAX = 16
_GLOBAL = 0x20, 0x3F  # 2000::/3 (RFC 4291, section 2.4)


def networks(rows: Mapping[Address, HostTotals], local: Collection[Address]) -> frozenset[IPv6Network]:
    """The /64 networks among the rows that are not `local`, by the MACs of those that are."""
    outside = {host.mac for address, host in rows.items() if address.startswith(MAPPED_IPV4) and address not in local}
    ours = {rows[address].mac for address in local} - outside - {None}
    macs_by_prefix: dict[bytes, set[Mac | None]] = {}
    for address, host in rows.items():
        if host.mac in ours and address not in local and _is_global(address):
            macs_by_prefix.setdefault(address[:8], set()).add(host.mac)
    return frozenset(_network(prefix) for prefix, macs in macs_by_prefix.items() if len(macs) >= DEVICES_MIN)


def of_addresses(addresses: Iterable[Address | None]) -> frozenset[IPv6Network]:
    """The networks of hosts that were ours before."""
    return frozenset(_network(address[:8]) for address in addresses if address and _is_global(address))


def _is_global(address: Address) -> bool:
    return _GLOBAL[0] <= address[0] <= _GLOBAL[1]


def _network(prefix: bytes) -> IPv6Network:
    return IPv6Network((prefix + bytes(8), 64))
