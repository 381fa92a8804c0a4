"""What the kernel says of its network interfaces: addresses, kind, counters, the default route."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_interface
from itertools import islice
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

from whitestat.core.errors import CollectorError
from whitestat.core.model import Address, Counts, Mac
from whitestat.core.system import children
from whitestat.core.units import address_bytes, mac_bytes

VIRTUAL_WITHOUT_HEADER = {"bridge", "vlan"}
"""Kinds whose `rx_bytes` leave out the Ethernet header that their `tx_bytes` have (seen in Linux 6.1 to 6.18)."""

COUNT_SEGMENTS = {"", "wireguard"}
"""Kinds whose counters see the segments of a giant packet: hardware (no kind), and tunnels that encrypt each."""

WIFI_MORE = 34
"""Octets that a packet sent by Wi-Fi has at most beyond its Ethernet frame: 30 of IEEE 802.11 and 2 of QoS, 6 of SNAP,
8 of a cipher, less the 12 of Ethernet's addresses."""

WIREGUARD_MORE = 47
"""Octets that a packet has at most in WireGuard's counters beyond itself: 16 of header, 16 of tag, 15 of padding."""


FORWARDING = (Path("/proc/sys/net/ipv4/ip_forward"), Path("/proc/sys/net/ipv6/conf/all/forwarding"))
FORWARDING_OF = ("/proc/sys/net/ipv4/conf/{}/forwarding", "/proc/sys/net/ipv6/conf/{}/forwarding")
BRIDGED = ("/sys/class/net/{}/bridge", "/sys/class/net/{}/brport")
"""What exists for a bridge, and for a port of one."""
ROUTES = (Path("/proc/net/route"), Path("/proc/net/ipv6_route"))
ROUTES_MAX = 4096
_UP, _REJECT, _LOCAL = 0x1, 0x200, 0x8000_0000
"""Flags of route(8) and, the last, of the kernel's ipv6_route.h."""


@dataclass(frozen=True, slots=True)
class NetworkInterface:
    """One interface. `kind` is iproute2's: `veth`, `bridge`, `tun`; empty for hardware. `below` is a VLAN's link."""

    name: str
    index: int
    up: bool
    kind: str
    type: str
    mac: Mac | None
    interfaces: tuple[IPv4Interface | IPv6Interface, ...]
    wireless: bool = False
    altnames: tuple[str, ...] = ()
    below: str | None = None

    @property
    def header(self) -> int:
        """Octets of the link header in front of each packet."""
        return 14 if self.type in ("ether", "loopback") else 0

    @property
    def addresses(self) -> tuple[Address, ...]:
        return tuple(address_bytes(str(interface.ip)) for interface in self.interfaces)


def links() -> dict[str, NetworkInterface]:
    """All interfaces of this network namespace by name (`ip -j -d address`)."""
    return {link.name: link for link in map(_link, _ip("-d", "address", "show"))}


def default_interface() -> str | None:
    """The interface of the default route, IPv4 before IPv6; None without one."""
    for family in ("-4", "-6"):
        for route in _ip(family, "route", "show", "default"):
            if "dev" in route:
                return str(route["dev"])
    return None


def default_interfaces() -> frozenset[str]:
    """The interfaces of all default routes, those of several at once (multipath) included."""
    routes = [*_ip("-4", "route", "show", "default"), *_ip("-6", "route", "show", "default")]
    hops = [hop for route in routes for hop in (route, *route.get("nexthops", ()))]
    return frozenset(str(hop["dev"]) for hop in hops if "dev" in hop)


def forwards() -> bool:
    """Whether this machine passes on packets of other hosts, of either family (ip-sysctl of the kernel)."""
    return any(map(_is_on, FORWARDING))


def forwards_on(interface: str) -> bool:
    """Whether packets of other hosts may pass this interface: the machine or it alone forwards, or it is bridged."""
    return (
        forwards()
        or any(_is_on(Path(path.format(interface))) for path in FORWARDING_OF)
        or any(Path(path.format(interface)).exists() for path in BRIDGED)
    )


def _is_on(switch: Path) -> bool:
    try:
        return switch.read_text(encoding="ascii").strip() == "1"
    except OSError:  # a kernel without that family, an interface that is gone
        return False


def routed(ipv4: str | None = None, ipv6: str | None = None) -> dict[str, tuple[IPv4Network | IPv6Network, ...]]:
    """The networks behind each interface by the kernel's main tables, default routes left out.

    Texts of `/proc/net/route` and `/proc/net/ipv6_route` (proc(5)), `ROUTES_MAX` lines of each: a table of the whole
    Internet is none of a home's.
    """
    networks_by_name: dict[str, dict[IPv4Network | IPv6Network, None]] = {}
    for text, read in ((ipv4, _route_4), (ipv6, _route_6)):
        for line in text.splitlines() if text is not None else _lines(ROUTES[read is _route_6]):
            route = read(line.split())
            if route is not None and route[1].prefixlen:
                networks_by_name.setdefault(route[0], {})[route[1]] = None
    return {name: tuple(networks) for name, networks in networks_by_name.items()}


def _lines(path: Path) -> list[str]:
    try:
        with path.open(encoding="ascii", errors="replace") as table:
            return list(islice(table, ROUTES_MAX))
    except OSError:  # a kernel without that family
        return []


def _route_4(column: Sequence[str]) -> tuple[str, IPv4Network | IPv6Network] | None:
    """Interface, network, gateway and flags; numbers are hexadecimal, addresses as they lie in memory."""
    if len(column) < 8 or not _is_route(column[3]):
        return None
    address, mask = (int.from_bytes(int(column[at], 16).to_bytes(4, sys.byteorder), "big") for at in (1, 7))
    return column[0], IPv4Network((address & mask, mask.bit_count()))


def _route_6(column: Sequence[str]) -> tuple[str, IPv4Network | IPv6Network] | None:
    """Network, its length, source and its length, gateway, metric, two counters, flags, interface."""
    if len(column) < 10 or not _is_route(column[8]):
        return None
    network = IPv6Network((int(column[0], 16), int(column[1], 16)), strict=False)
    return None if network.is_link_local or network.is_multicast else (column[9], network)


def _is_route(flags: str) -> bool:
    """Up, of another host than this one, and no rejection; False for the heading of the table."""
    try:
        return int(flags, 16) & (_UP | _REJECT | _LOCAL) == _UP
    except ValueError:
        return False


def kernel_width() -> int:
    """Bits of what a driver may count in (`unsigned long`): on a 32-bit kernel some counters begin again at 2^32."""
    return 64 if "64" in os.uname().machine or os.uname().machine == "s390x" else 32


BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Names this boot: interface counters start from zero with it.

    Where /proc/sys is hidden every boot has the same name, so counters below those before are what tells a new one.
    """
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def counters(text: str | None = None) -> dict[str, Counts]:
    """The interface counters of `/proc/net/dev` (proc(5)): in is received; 64 bit, or as `kernel_width` says."""
    if text is None:
        text = Path("/proc/net/dev").read_text(encoding="utf-8", errors="replace")
    counts_by_name = {}
    for line in text.splitlines()[2:]:
        name, _, figures = line.rpartition(":")
        column = figures.split()
        if len(column) >= 10:
            counts_by_name[name.strip()] = Counts(int(column[0]), int(column[8]), int(column[1]), int(column[9]))
    return counts_by_name


def frames(link: NetworkInterface, seen: Counts) -> Counts:
    """An interface's counters as frame octets, the link header of each packet included both ways.

    A bridge and a VLAN interface leave the Ethernet header out of what they receive. Loopback leaves it out
    both ways, and what it sends is what it receives: that is counted once.
    """
    if link.type == "loopback":
        return Counts(seen.octets_in + link.header * seen.packets_in, 0, seen.packets_in, 0)
    if link.kind in VIRTUAL_WITHOUT_HEADER:
        return seen._replace(octets_in=seen.octets_in + link.header * seen.packets_in)
    return seen


def hidden_octets(link: NetworkInterface, tags: Counts) -> Counts:
    """Octets that the interface's counter may hold and no frame shows: VLAN tags kept beside frames, Wi-Fi's headers,
    WireGuard's. `tags` are the octets of the first, with the packets that were metered.

    A network card or a veth counts tags or not, as its driver does, or as the frame came: a tag that the kernel
    took out of the frame after it was counted is in, one that was never in the frame is not. A VLAN interface counts
    a second tag, which is in the frame until then (net/8021q, vlan_do_receive; seen in Linux 6.1). A bridge never
    counts tags (seen in Linux 6.18). Wi-Fi counts what it sends with the header it has on the air,
    unless the card makes that header (mac80211, __ieee80211_subif_start_xmit). WireGuard counts what its packets are
    outside, both ways (drivers/net/wireguard, update_rx_stats; udp_tunnel_xmit_skb).
    """
    if link.kind == "bridge":
        return Counts()
    more_in = WIREGUARD_MORE if link.kind == "wireguard" else 0
    more_out = WIFI_MORE if link.wireless else more_in
    return Counts(tags.octets_in + more_in * tags.packets_in, tags.octets_out + more_out * tags.packets_out)


def real_name(interface: str | None, known: Mapping[str, NetworkInterface]) -> str | None:
    """The name an interface goes by, where it was called by another name of its (`ip link property add`)."""
    if interface is None or interface in known:
        return interface
    return next((link.name for link in known.values() if interface in link.altnames), interface)


def unknown_interface(name: str, known: Mapping[str, NetworkInterface]) -> CollectorError:
    """The error for an interface that does not exist; names those that do."""
    return CollectorError(f"interface {name!r} does not exist; there are: {', '.join(sorted(known))}")


def _link(entry: Mapping[str, Any]) -> NetworkInterface:
    mac = entry.get("address", "")
    return NetworkInterface(
        name=entry["ifname"],
        index=entry["ifindex"],
        up="UP" in entry.get("flags", ()),
        kind=entry.get("linkinfo", {}).get("info_kind", ""),
        type=entry.get("link_type", ""),
        mac=mac_bytes(mac) if entry.get("link_type") == "ether" else None,
        interfaces=tuple(
            ip_interface(f"{info['local']}/{info['prefixlen']}")
            for info in entry.get("addr_info", ())
            if "local" in info
        ),
        wireless=(Path("/sys/class/net") / entry["ifname"] / "phy80211").exists(),
        altnames=tuple(map(str, entry.get("altnames", ()))),
        below=entry.get("link"),
    )


def _ip(*arguments: str) -> list[dict[str, Any]]:
    try:
        done = children.run("ip", "-j", *arguments, timeout_s=10)
        done.check_returncode()
    except FileNotFoundError:
        raise CollectorError("the program ip is missing; install it: apt install iproute2") from None
    except SubprocessError as error:
        raise CollectorError(f"ip {' '.join(arguments)} failed: {error}") from None
    entries = json.loads(done.stdout or b"[]")
    return [entry for entry in entries if entry]
