"""Whether the points are where people can be told apart, and where to meter by default; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from whitestat.collectors.links import NetworkInterface
from whitestat.core.model import Point

MACHINES_WITHIN = re.compile("docker|br-[0-9a-f]{12}$|podman|cni|virbr|lxcbr|lxdbr|veth|vnet|tap")
"""How containers' and virtual machines' interfaces are called: behind these are no people."""


def inside(known: Mapping[str, NetworkInterface], outward: Collection[str]) -> list[NetworkInterface]:
    """The links of a gateway that other hosts may be on: any network of some size, and no default route."""
    return [link for link in known.values() if link.name not in outward and _has_hosts(link)]


def lan_sides(known: Mapping[str, NetworkInterface], outward: Collection[str]) -> list[NetworkInterface]:
    """Those of them with a private IPv4 network; a VLAN's frames are seen on the link below, so that one is enough."""
    links = [link for link in inside(known, outward) if _private(link)]
    names = {link.name for link in links}
    return [link for link in links if link.below not in names]


def metered_instead(sides: Iterable[NetworkInterface], outward: str) -> str:
    """Why a default start meters the LAN side, in a sentence."""
    named = ", ".join(f"{link.name} ({_private(link)[0]})" for link in sides)
    return (
        f"this machine routes, so {named} is metered, which shows each device, and not {outward}, the way to "
        "the outside; name another interface in a [[point]]"
    )


def misplaced(
    points: Iterable[Point], known: Mapping[str, NetworkInterface], outward: Collection[str], *, forwards: bool
) -> list[str]:
    """A gateway's way to the outside shows its people as one machine: what to meter instead, or besides.

    `outward` are the interfaces of default routes; `forwards` whether this machine passes packets on.
    """
    counting = [point for point in points if point.counts]
    sides = [link.name for link in lan_sides(known, outward)]
    metered = [point.name for point in counting if point.interface in sides]
    if not forwards or not sides:
        return []
    return [_sentence(point, sides, metered) for point in counting if point.interface in outward]


def _sentence(point: Point, sides: list[str], metered: list[str]) -> str:
    if metered:
        return (
            f"the point {point.name} on {point.interface}, the interface to the Internet, counts the same "
            f"traffic as {', '.join(metered)}: set counts = false in its [[point]]"
        )
    return (
        f"the point {point.name} meters {point.interface}, the interface to the Internet: after address translation "
        f"all traffic there has this machine's address; to count each device, set interface = "
        f'"{sides[0]}" in its [[point]]'
    )


def _has_hosts(link: NetworkInterface) -> bool:
    """Whether it is up, has room for other hosts in a network of its own, and people on it."""
    room = any(
        not address.is_link_local and address.network.prefixlen <= (29 if address.version == 4 else 64)
        for address in link.interfaces
    )
    return room and link.up and link.type == "ether" and not MACHINES_WITHIN.match(link.name)


def _private(link: NetworkInterface) -> list[str]:
    """Its addresses in private IPv4 networks of some size."""
    return [
        str(address)
        for address in link.interfaces
        if address.version == 4 and address.is_private and not address.is_link_local and address.network.prefixlen <= 29
    ]
