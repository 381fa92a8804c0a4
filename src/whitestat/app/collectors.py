"""Opens the collectors of the configured points, or what stands in for them."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from whitestat.collectors import Collector
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
from whitestat.collectors.registry import build
from whitestat.collectors.settings import PointSettings
from whitestat.config.points import PointConfig
from whitestat.config.sections import Config
from whitestat.core.collector_specs import BEST, UNPRIVILEGED, CollectorSpec
from whitestat.core.errors import CollectorError, NotPermitted
from whitestat.core.model import Address, CounterReading, Point
from whitestat.core.system import privileges
from whitestat.core.system.collector_plugins import spec_of

if TYPE_CHECKING:
    from whitestat.collectors.login import Login

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
            f"there is no default route that shows which interface to meter; name one in a [[point]]: {names}"
        )
    kind = BEST if os.getuid() == 0 or privileges.may_meter() else UNPRIVILEGED
    interfaces = [link.name for link in sides] or [str(outward)]
    return tuple(PointConfig(name=interface, collector=kind, interface=interface) for interface in interfaces)


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
    """State that the last process left in the ledger: epochs by meter, and readings. `ledger` is its path, if kept."""

    receipts: Mapping[str, int]
    readings: Sequence[CounterReading]
    ledger: Path | None


NOTHING_BEFORE = PreviousState({}, (), None)
NOT_ROOT = (
    "only the interface's totals are counted: to see each device, run as root "
    "(sudo make run), so that the kernel may count for us"
)


def open_collectors(
    points: Sequence[PointConfig],
    local: Callable[[Address], bool],
    before: PreviousState = NOTHING_BEFORE,
    notices: Iterable[str] = (),
) -> tuple[list[Collector], list[str]]:
    """Return every collector, open and ready, and the notices with those that come up here.

    `local` says which addresses are of the home. Where a collector cannot be opened, its stand-ins count instead.
    """
    known = links()
    for point in points:
        if point.interface is not None and point.interface not in known and not point.wait:
            raise unknown_interface(point.interface, known)
    collectors: list[Collector] = []
    all_notices = list(notices)
    for spec, group in _groups(points):
        collectors += _open(spec, [settings_of(point, local, before) for point in group], before.receipts, all_notices)
    all_notices += [notice for collector in collectors for notice in collector.facts().notices]
    specs = [spec_of(point.collector) for point in points]
    if os.getuid() != 0 and any(spec.counts_packets_here and spec.measures == "line" for spec in specs):
        all_notices.append(NOT_ROOT)
    all_notices += misplaced(map(point_of, points), known, default_interfaces(), forwards=forwards())
    return collectors, all_notices


def _groups(points: Sequence[PointConfig]) -> list[tuple[CollectorSpec, list[PointConfig]]]:
    """Return the points that make one collector each, those of shared kinds first."""
    shared: dict[str, list[PointConfig]] = {}
    alone: list[tuple[CollectorSpec, list[PointConfig]]] = []
    for point in points:
        spec = spec_of(point.collector)
        if spec.is_shared:
            shared.setdefault(spec.name, []).append(point)
        else:
            alone.append((spec, [point]))
    return [(spec_of(name), group) for name, group in shared.items()] + alone


def settings_of(
    config: PointConfig, local: Callable[[Address], bool], before: PreviousState = NOTHING_BEFORE
) -> PointSettings:
    """Return what the collector of a point is built from. Raises ConfigError if its password cannot be read."""
    return PointSettings(
        point_of(config),
        url=config.url or "",
        listen=config.listen or "",
        interval_s=config.interval_s,
        login=_login(config),
        only=config.only,
        firmware=config.firmware,
        unit=config.unit,
        flows=config.flows,
        devices=config.devices,
        promiscuous=config.promiscuous,
        is_local=local,
        readings=[reading for reading in before.readings if reading.key.point == config.name],
        ledger=before.ledger,
    )


def _login(config: PointConfig) -> Login | None:
    if config.password is None and config.password_file is None:
        return None
    from whitestat.app.passwords import login_of  # loads OpenSSL's hashes

    return login_of(config)


def _open(
    spec: CollectorSpec, points: Sequence[PointSettings], booked: Mapping[str, int], notices: list[str]
) -> list[Collector]:
    """Return the collector of the points, open, or its stand-ins with a notice why. Raises CollectorError."""
    collector = build(spec, *points)
    try:
        collector.open(booked)
    except CollectorError as error:
        collector.close()
        if not spec.stand_ins:
            raise
        reason = error
    else:
        return [collector]
    collectors = _stand_ins(spec, points, booked)
    missing = ", ".join(privileges.missing_for_metering()) if isinstance(reason, NotPermitted) else ""
    lacking = f"; missing here: {missing}" if missing else ""
    notice = f"{reason}{lacking}; counting {collectors[0].facts().how} instead"
    log.warning("%s", notice)
    notices.append(notice)
    return collectors


def _stand_ins(spec: CollectorSpec, points: Sequence[PointSettings], booked: Mapping[str, int]) -> list[Collector]:
    """Return collectors of the first stand-in that opens for every point. Raises CollectorError if none does."""
    *others, last = map(spec_of, spec.stand_ins)
    for stand_in in others:
        with contextlib.suppress(CollectorError):
            return _open_each(stand_in, points, booked)
    return _open_each(last, points, booked)


def _open_each(spec: CollectorSpec, points: Sequence[PointSettings], booked: Mapping[str, int]) -> list[Collector]:
    """Return a collector for each point, open; all are closed where one of them could not be opened."""
    collectors = [build(spec, point) for point in points]
    try:
        for collector in collectors:
            collector.open(booked)
    except CollectorError:
        for collector in collectors:
            collector.close()
        raise
    return collectors
