"""Limits of devices, and the scripts of tc(8) and nft(8) for them; pure.

Devices are found by their link address on the LAN's interface, so IPv4 and IPv6 are slowed alike, and by their IP
address where links have none. Their packets take a detour over two intermediate devices (IFB) with a hierarchical
token bucket on each: the interface keeps its queue, and the rules of other programs stay. Traffic for the gateway
itself is never slowed, so it always stays reachable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from whitestat.core.model import Address, Mac, Network
from whitestat.core.units import SLOWEST_BPS, address_text, mac_text

UP, DOWN = "wstat-up", "wstat-down"
"""The intermediate devices: what devices send, and what they receive."""
PREFERENCE = 7777
"""The number of our filters among those of others, by which they are removed again."""
TABLE = "whitestat"
"""Our table of nftables, of the family inet."""

MOST = 1_000
"""How many limits there may be: each is a class of 16-bit number on both devices."""

_FRAME = 1_514
_BURST_S = 0.01
_QUEUE_S = 0.1


class Limit(NamedTuple):
    """Limit of a person or device: all its devices share the rate, in bits per second; None cuts them off.

    Packets match by link address or, for devices without one, by IP address; for a cut-off both should
    be given. `spared` networks stay reachable after a cut-off.
    """

    name: str
    macs: tuple[Mac, ...]
    addresses: tuple[Address, ...] = ()
    rate_bps: int | None = None
    spared: tuple[Network, ...] = ()


class Way(NamedTuple):
    """One direction: the device it is slowed on, where packets are taken off the interface, and how a device shows."""

    device: str
    hook: str
    side: str
    far_side: str


_WAYS = (Way(UP, "ingress", "src", "dst"), Way(DOWN, "egress", "dst", "src"))


def shaping(interfaces: Sequence[str], limits: Sequence[Limit], own: Sequence[str], queue: str) -> Iterator[str]:
    """Lines for `tc -batch`, on interfaces that have a `clsact` queue and intermediate devices without any.

    `own` are the gateway's addresses. `queue` is what waits behind each class: `fq_codel`, or `pfifo` where the
    kernel has nothing better.
    """
    slowed = [limit for limit in limits if limit.rate_bps is not None]
    for way in _WAYS:
        yield f"qdisc add dev {way.device} root handle 1: htb"
        yield from _spare(way, own)
        for number, limit in enumerate(slowed, start=2):
            yield from _class(way, number, limit, queue)
            for match in _matches(limit, way.side):
                yield _filter(f"{way.device} parent 1:", 10, match, f"flowid 1:{number:x}")
    for interface in interfaces:
        for way in _WAYS:
            for limit in slowed:
                for match in _matches(limit, way.side):
                    action = f"action mirred egress redirect dev {way.device}"
                    yield _filter(f"{interface} {way.hook}", PREFERENCE, match, action)


def blocking(limits: Iterable[Limit]) -> str:
    """Return our whole table for `nft -f`, which replaces the one before in one step; removed if no device is cut
    off. It applies only to forwarded traffic."""
    rules = [rule for limit in limits if limit.rate_bps is None for rule in _block(limit)]
    removed = f"table inet {TABLE}\ndelete table inet {TABLE}\n"
    if not rules:
        return removed
    body = "".join(f"    {rule}\n" for rule in rules)
    chain = f"  chain forward {{\n    type filter hook forward priority filter - 5; policy accept;\n{body}  }}\n"
    return f"{removed}table inet {TABLE} {{\n{chain}}}\n"


def queue_packets(rate_bps: int) -> int:
    """A tenth of a second of whole frames: longer queues make everything late, shorter ones lose the rate."""
    return max(16, round(rate_bps * _QUEUE_S / 8 / _FRAME))


def _class(way: Way, number: int, limit: Limit, queue: str) -> Iterator[str]:
    rate_bps = limit.rate_bps or SLOWEST_BPS
    burst = max(10 * _FRAME, round(rate_bps * _BURST_S / 8))
    rate = f"rate {rate_bps}bit ceil {rate_bps}bit burst {burst} cburst {burst} quantum {_FRAME}"
    yield f"class add dev {way.device} parent 1: classid 1:{number:x} htb {rate}"
    waiting = f"limit {queue_packets(rate_bps)}" if queue == "pfifo" else ""
    yield f"qdisc add dev {way.device} parent 1:{number:x} {queue} {waiting}".rstrip()


def _spare(way: Way, own: Sequence[str]) -> Iterator[str]:
    """What is between a device and the gateway itself is of no class, and passes as it came."""
    for text in own:
        kind = "ip" if ip_address(text).version == 4 else "ip6"
        yield f"filter add dev {way.device} parent 1: pref {_pref(1, kind)} protocol {_protocol(kind)} u32 match " + (
            f"{kind} {way.far_side} {text} flowid 1:0"
        )


def _matches(limit: Limit, side: str) -> Iterator[tuple[str, str]]:
    """Return (kind, match of the packets of a device)."""
    for mac in limit.macs:
        yield "all", f"ether {side} {mac_text(mac)}"
    for address in limit.addresses:
        text = address_text(address)
        kind = "ip" if ip_address(text).version == 4 else "ip6"
        yield kind, f"{kind} {side} {text}"


def _filter(place: str, preference: int, match: tuple[str, str], then: str) -> str:
    kind, what = match
    pref = _pref(preference, kind)
    return f"filter add dev {place} pref {pref} protocol {_protocol(kind)} u32 match {what} {then}"


def _pref(first: int, kind: str) -> int:
    """The kernel keeps filters of one number to one protocol."""
    return first + ("all", "ip", "ip6").index(kind)


PREFERENCES = tuple(_pref(PREFERENCE, kind) for kind in ("all", "ip", "ip6"))
"""All numbers that our filters on an interface of others may have."""


def _protocol(kind: str) -> str:
    return {"all": "all", "ip": "ip", "ip6": "ipv6"}[kind]


def _block(limit: Limit) -> Iterator[str]:
    """Rules that drop what it sends and what is sent to it, but for what is spared."""
    spared: dict[str, list[str]] = {"ip": [], "ip6": []}
    for network in limit.spared:
        spared["ip" if network.version == 4 else "ip6"].append(str(network))
    for kind, networks in spared.items():
        # One rule for each family, as what is spared has a family; without any, all of it is dropped.
        family = "nfproto ipv4" if kind == "ip" else "nfproto ipv6"
        saved = f"{kind} daddr != {{ {', '.join(networks)} }} " if networks else ""
        for mac in limit.macs:
            yield f"meta {family} ether saddr {mac_text(mac)} {saved}drop"
    for address in limit.addresses:
        text = address_text(address)
        kind = "ip" if ip_address(text).version == 4 else "ip6"
        near = ", ".join(spared[kind])
        for side, far in (("saddr", "daddr"), ("daddr", "saddr")):
            saved = f"{kind} {far} != {{ {near} }} " if near else ""
            yield f"{kind} {side} {text} {saved}drop"
