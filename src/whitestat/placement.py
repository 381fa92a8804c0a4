"""Whether the points are where people can be told apart, in sentences for who is to move them; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from whitestat.collectors.links import Link
from whitestat.model import Point

MACHINES_WITHIN = ("docker", "br-", "podman", "cni", "virbr", "lxcbr", "lxdbr", "veth", "vnet", "tap")
"""How containers' and virtual machines' interfaces are called: behind these are no people."""


def misplaced(
    points: Iterable[Point], known: Mapping[str, Link], outward: Collection[str], *, forwards: bool
) -> list[str]:
    """A gateway's way to the outside shows its people as one machine: what to meter instead, or besides.

    `outward` are the interfaces of default routes; `forwards` whether this machine passes packets on.
    """
    counting = [point for point in points if point.counts]
    inside = [link.name for link in known.values() if link.name not in outward and _is_lan(link)]
    metered = [point.name for point in counting if point.interface in inside]
    if not forwards or not inside:
        return []
    return [_sentence(point, inside, metered) for point in counting if point.interface in outward]


def _sentence(point: Point, inside: list[str], metered: list[str]) -> str:
    if metered:
        return (
            f"the point {point.name} on {point.interface}, the way to the outside, counts again what "
            f"{', '.join(metered)} counts already: set counts = false in its [[point]]"
        )
    return (
        f"the point {point.name} meters {point.interface}, the way to the outside: behind address translation "
        f'everybody looks like this machine there; to tell people apart, set interface = "{inside[0]}" in its [[point]]'
    )


def _is_lan(link: Link) -> bool:
    """A link with a private IPv4 network of some size, and people on it."""
    private = any(
        each.version == 4 and each.is_private and not each.is_link_local and each.network.prefixlen <= 29
        for each in link.interfaces
    )
    return private and link.up and link.type == "ether" and not link.name.startswith(MACHINES_WITHIN)
