"""Where devices can be slowed: the interfaces on which their packets are counted, if this machine passes them on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from whitestat.collectors.links import forwards_on
from whitestat.config.points import PointConfig
from whitestat.config.sections import Config
from whitestat.core.system.collector_plugins import spec_of

NO_INTERFACE = (
    "no point of this machine counts packets on an interface, so what they use does not pass here and cannot be held "
    "up; WhiteStat has to run on the gateway, with a point on its LAN"
)
NOT_FORWARDING = (
    "this machine does not forward (net.ipv4.ip_forward and net.ipv6.conf.all.forwarding are 0) and {} is no bridge, "
    "so what other devices use does not pass here and cannot be slowed; WhiteStat has to run on the gateway"
)


class ThrottlePlace(NamedTuple):
    """The interfaces on which devices can be slowed; `fault` is why there are none, else empty."""

    interfaces: tuple[str, ...]
    fault: str = ""


def interfaces(points: Sequence[PointConfig]) -> list[str]:
    """Return the interfaces on which devices can be slowed: their packets are counted there, and pass."""
    return list(place(points).interfaces)


def place(points: Sequence[PointConfig]) -> ThrottlePlace:
    """Return where devices can be slowed now, or why nowhere; forwarding may change while the service runs."""
    counting = [
        point.interface
        for point in points
        if point.counts and point.interface and spec_of(point.collector).counts_packets_here
    ]
    if not counting:
        return ThrottlePlace((), NO_INTERFACE)
    passing = tuple(filter(forwards_on, counting))
    return ThrottlePlace(passing, "" if passing else NOT_FORWARDING.format(", ".join(counting)))


def notices(config: Config, points: Sequence[PointConfig]) -> list[str]:
    """Return why plans that slow have no effect here, a sentence for each."""
    ruled = [plan.name for plan in config.plans if plan.when_over is not None]
    fault = place(points).fault if ruled else ""
    return [f"plan {name!r}: when_over: {fault}" for name in ruled] if fault else []
