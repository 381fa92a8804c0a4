"""`whitestat check`: reports of every part whether it would work, and what it would see."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing

from whitestat.alerting.rules import RULES, active, check_names
from whitestat.app import build, passwords
from whitestat.app.collectors import default_notices, open_collectors, points_of
from whitestat.app.control_client import is_running
from whitestat.app.https import check as check_https
from whitestat.app.https import check_keys
from whitestat.app.local_network import locality, maps_of
from whitestat.app.local_time import zone_found, zone_of
from whitestat.app.throttle_place import notices as cannot_slow
from whitestat.attribution.attribute import Attributor
from whitestat.collectors import Collector
from whitestat.config.sections import Config
from whitestat.core.errors import WhiteStatError
from whitestat.core.model import PointState
from whitestat.core.system.clock import SystemClock
from whitestat.core.units import octets_text
from whitestat.ledger.files import condition
from whitestat.ledger.read.queries import Queries

LOOK_S = 2
SETTLED_S = 45
"""The longest that a meter may take for its first answer: some routers are asked five times for it."""


def check(config: Config, say: Callable[[str], None]) -> int:
    """Try every point for two seconds; 0 when all of them work as configured, else 1. Writes nothing."""
    say(f"configuration: {config.source or 'none, the defaults'}: valid")
    zone, doubt = zone_found(config)
    say(f"time zone: {zone}")
    check_names(config.watch.off)
    check_keys(config)
    say(f"alerts: {_alerts(config)}")
    works = _check_store(config, say) & _check_maps(config, say) & _check_csv(config, say) & check_https(config, say)
    points = points_of(config)
    attributor = build.attributor(locality(config, points))
    collectors, notices = open_collectors(points, attributor.is_local)
    notices += [doubt] if doubt else []
    notices += cannot_slow(config, points)
    if any(point.password_file for point in points):
        notices += [notice for point in points for notice in passwords.notices(point)]
    for notice in [*notices, *default_notices(config)]:
        say(f"note: {notice}")
    try:
        for collector in collectors:
            works &= look(collector, build.attributor(locality(config, points)), say)
    finally:
        for collector in collectors:
            collector.close()
    if config.layers and config.layers.fault:
        say(f"settings of the page: {config.layers.fault}; those of the last start are in use")
        works = False
    say("Everything works." if works and not notices else "Not everything works as configured: see the lines above.")
    return 0 if works and not notices else 1


def _alerts(config: Config) -> str:
    """Return the alerts that are on, and those that are off with their setting."""
    on = {rule.key for rule, _ in active(config.watch, config.notify)}
    off = ", ".join(f"{rule.key} ({rule.setting})" for rule in RULES if rule.key not in on)
    return ", ".join(rule.key for rule in RULES if rule.key in on) + (f"; off: {off}" if off else "")


def _check_store(config: Config, say: Callable[[str], None]) -> bool:
    """Whether the ledger is sound, and all of it in one file where no service has it open."""
    path = config.store.path
    works = True
    for fault in condition.set_aside(path):
        say(f"store: {fault}")
        works = False
    if not path.exists():
        say(f"store: {path}: will be made at the first start")
        return works
    try:
        faults = condition.faults(path, runs=is_running(path))
        with closing(Queries(path, zone_of(config))) as queries:
            devices = len(queries.devices())
    except WhiteStatError as error:
        say(f"store: {error}")
        return False
    for fault in faults:
        say(f"store: {fault}")
    say(f"store: {path}: {octets_text(path.stat().st_size)}, {devices} devices known")
    return works and not faults


def _check_maps(config: Config, say: Callable[[str], None]) -> bool:
    """What map files say; a line that would be left out falls short."""
    files = maps_of(config)
    maps = files.look()
    if any(maps):
        say(f"map files: {len(maps.by_address)} addresses, {len(maps.by_mac)} MACs, {len(maps.names)} names")
    for notice in files.notices:
        say(f"map file: {notice}")
    return not files.notices


def _check_csv(config: Config, say: Callable[[str], None]) -> bool:
    """Whether this user could write logs there; the service's own may differ."""
    folder = config.csv.folder
    if folder is None:
        return True
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    works = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    say(f"csv: {folder}: {'can be written' if works else 'cannot be written by this user'}")
    return works


def _await(collector: Collector) -> None:
    """Wait two seconds, or for as long as a polled meter takes for its first answer, within bounds."""
    until_s = time.monotonic() + SETTLED_S
    time.sleep(0 if collector.facts().is_polled else LOOK_S)
    while not collector.facts().settled and time.monotonic() < until_s:
        time.sleep(0.05)


def look(collector: Collector, attributor: Attributor, say: Callable[[str], None]) -> bool:
    """Read twice, two seconds apart, and report what was seen in between."""
    clock = SystemClock()
    first_ms = clock.now_ms()
    started = collector.read(first_ms, first_ms)
    if started.receipt:
        collector.acknowledge(started.receipt)
    _await(collector)
    now_ms = clock.now_ms()
    seen = attributor.attribute(collector.read(first_ms, now_ms).deltas, now_ms)
    works, facts = True, collector.facts()
    for point in collector.points:
        status = collector.statuses()[point.name]
        figures = seen.points.get(point.name)
        octets = figures.attributed + figures.unattributed if figures else 0
        devices = {key.episode for key in seen.usage if key.point == point.name and key.episode}
        what = f"{octets_text(octets)} of {len(devices)} devices in {LOOK_S} s" if devices or octets else "no traffic"
        if collector.memory() == 0:
            what = "totals can be read" if status.state is PointState.OK else "nothing can be read"
        what = facts.progress or what
        where = f"at {facts.url}" if facts.url else f"on {point.interface}"
        say(f"point {point.name} ({point.collector} {where}): {status.notice or status.state}; {what}")
        works &= status.state is PointState.OK and not facts.doubt
    return works
