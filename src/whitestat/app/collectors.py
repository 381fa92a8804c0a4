"""Opens the collectors of the configured points, or what stands in for them."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from whitestat.collectors import Collector
from whitestat.collectors.interface import InterfaceCollector
from whitestat.collectors.links import (
    NetworkInterface,
    default_interface,
    default_interfaces,
    forwards,
    links,
    real_name,
    unknown_interface,
)
from whitestat.collectors.placement import lan_sides, metered_instead, misplaced
from whitestat.config.points import PointConfig
from whitestat.config.sections import Config
from whitestat.core.errors import CollectorError, ConfigError, NotPermitted
from whitestat.core.model import Address, CounterReading, Point
from whitestat.core.system import privileges
from whitestat.core.units import address_text

log = logging.getLogger("whitestat")


def points_of(config: Config) -> tuple[PointConfig, ...]:
    """The configured points with interfaces by their own names, or those of a default start."""
    known = links()
    if config.points:
        return tuple(replace(point, interface=real_name(point.interface, known)) for point in config.points)
    outward = default_interface()
    sides = _sides(known)
    if outward is None and not sides:
        names = ", ".join(sorted(known))
        raise CollectorError(
            f"there is no default route to tell which interface to meter; name one in a [[point]]; there are: {names}"
        )
    kind = "kernel" if os.geteuid() == 0 or privileges.may_meter() else "interface"
    interfaces = [link.name for link in sides] or [str(outward)]
    return tuple(PointConfig(name=each, collector=kind, interface=each) for each in interfaces)


def default_notices(config: Config) -> list[str]:
    """Which interface a default start meters, and why, where it is not that of the default route."""
    outward, sides = default_interface(), _sides(links())
    return [] if config.points or not sides or outward is None else [metered_instead(sides, outward)]


def _sides(known: Mapping[str, NetworkInterface]) -> list[NetworkInterface]:
    """The LAN side of a machine that routes."""
    return lan_sides(known, default_interfaces()) if forwards() else []


def point_of(config: PointConfig) -> Point:
    return Point(config.name, config.collector, config.interface, config.counts)


class PreviousState(NamedTuple):
    """What the ledger has from the last process: epochs by meter, and readings; `ledger` is whose maps are kept."""

    receipts: Mapping[str, int]
    readings: Sequence[CounterReading]
    ledger: Path | None


NOTHING_BEFORE = PreviousState({}, (), None)


def open_collectors(
    points: Sequence[PointConfig],
    local: Callable[[Address], bool],
    before: PreviousState = NOTHING_BEFORE,
    told: Iterable[str] = (),
) -> tuple[list[Collector], list[str]]:
    """Every collector open and ready, with what the user should know; `local` says which addresses are ours.

    `told` is what the user should know already.
    Where the kernel refuses the meter, packet sockets stand in, and without the rights to these the
    interface's own counters.
    """
    known = links()
    for point in points:
        if point.interface is not None and point.interface not in known and not point.wait:
            raise unknown_interface(point.interface, known)
    collectors: list[Collector] = []
    notices = list(told)
    kernel = [point for point in points if point.collector == "kernel"]
    if kernel:
        collectors += _open_kernel(kernel, before.receipts, notices, before.ledger)
    for point in points:
        if point.collector != "kernel":
            collectors.append(_build(point, local, before.readings))
            collectors[-1].open(before.receipts)
    if any(point.collector == "interface" for point in points) and os.geteuid() != 0:
        notices.append(NOT_ROOT)
    notices += misplaced(map(point_of, points), known, default_interfaces(), forwards=forwards())
    return collectors, notices


NOT_PINNED = (
    "the kernel's tables cannot be kept in /sys/fs/bpf by this user: if this process is killed, what it metered "
    "since its last flush shows as unattributed"
)
NOT_ROOT = (
    "only the interface's totals are counted: to see each device, run as root "
    "(sudo make run), so that the kernel may count for us"
)

Builder = Callable[[PointConfig, Callable[[Address], bool], Sequence[CounterReading]], Collector]


def _darkstat(config: PointConfig, local: Callable[[Address], bool], readings: Sequence[CounterReading]) -> Collector:
    from whitestat.collectors.darkstat.collector import DarkstatCollector  # 1 MB that who meters spares

    if config.url is None:
        raise ConfigError(f"point {config.name!r}: url is missing: collector 'darkstat' needs it")
    kept = [each for each in readings if each.key.point == config.name]
    return DarkstatCollector(point_of(config), config.url, config.interval_s, _only(config.only, local), kept)


def _only(pattern: str | None, local: Callable[[Address], bool]) -> Callable[[Address], bool]:
    """Which hosts are ours, where a pattern leaves some out."""
    if pattern is None:
        return local
    found = re.compile(pattern).search
    return lambda address: found(address_text(address)) is not None and local(address)


def _packet(config: PointConfig) -> Collector:
    from whitestat.collectors.packet.collector import PacketCollector

    return PacketCollector(point_of(config), promiscuous=config.promiscuous)


def _router(config: PointConfig, local: Callable[[Address], bool], readings: Sequence[CounterReading]) -> Collector:
    from whitestat.app.router_collectors import build  # whoever counts here himself spares it

    return build(config, point_of(config), [each for each in readings if each.key.point == config.name])


BUILDERS: dict[str, Builder] = {
    "packet": lambda config, local, readings: _packet(config),
    "interface": lambda config, local, readings: InterfaceCollector(point_of(config)),
    "darkstat": _darkstat,
    "archer-c20": _router,
    "huawei-b593": _router,
    "hilink": _router,
}


def _build(config: PointConfig, local: Callable[[Address], bool], readings: Sequence[CounterReading]) -> Collector:
    if config.collector not in BUILDERS:
        raise ConfigError(f"point {config.name!r}: the collector {config.collector!r} is not in this version")
    return BUILDERS[config.collector](config, local, readings)


def _open_kernel(
    points: Sequence[PointConfig], booked: Mapping[str, int], notices: list[str], ledger: Path | None
) -> list[Collector]:
    from whitestat.collectors.kernel.collector import (
        KernelCollector,  # 1 MB that who reads another program's table spares
    )

    meter = KernelCollector(
        [point_of(point) for point in points],
        flows=max(point.flows for point in points),
        pairs=max(point.devices for point in points),
        promiscuous=[point.name for point in points if point.promiscuous],
        ledger=ledger,
    )
    try:
        meter.open(booked)
    except CollectorError as error:
        packets = _open_packet(points, booked)
        missing = ", ".join(privileges.missing_for_metering()) if isinstance(error, NotPermitted) else ""
        lacking = f"; missing here: {missing}" if missing else ""
        instead = "packets in this process" if packets else "interface totals"
        notice = f"{error}{lacking}; counting {instead} instead"
        log.warning("%s", notice)
        notices.append(notice)
        if packets:
            return packets
        stand_ins: list[Collector] = [InterfaceCollector(point_of(point)) for point in points]
        for each in stand_ins:
            each.open(booked)
        return stand_ins
    if ledger and meter.pins is None:
        notices.append(NOT_PINNED)
    return [meter]


def _open_packet(points: Sequence[PointConfig], booked: Mapping[str, int]) -> list[Collector]:
    """A packet collector for each point, open; none at all where one of them could not be opened."""
    collectors: list[Collector] = [_packet(point) for point in points]
    try:
        for each in collectors:
            each.open(booked)
    except CollectorError:
        for each in collectors:
            each.close()
        return []
    return collectors
