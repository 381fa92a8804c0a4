"""Composition: attribution, metering, queries and web, each put together here and nowhere else.

The service uses all of it; commands, benches and the support of tests use what they need. `tests/test_architecture.py`
enforces it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import tzinfo
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from whitestat import __version__
from whitestat.app.collectors import PreviousState, default_notices, open_collectors, point_of
from whitestat.app.local_network import gatherer_of, locality, maps_of, networks_of
from whitestat.app.local_time import cycle_of
from whitestat.attribution.attribute import Attributor
from whitestat.attribution.devices.episodes import EpisodeTable
from whitestat.attribution.devices.identity import Identity
from whitestat.attribution.devices.names import resolve
from whitestat.attribution.devices.registry import DeviceRegistry
from whitestat.attribution.devices.vendors import vendor
from whitestat.attribution.judge import Learned
from whitestat.attribution.locality import Locality
from whitestat.collectors import Collector
from whitestat.config.plans import plan_of
from whitestat.config.points import PointConfig
from whitestat.config.sections import Config
from whitestat.core.errors import WhiteStatError
from whitestat.core.model import Episode, Mac, Point
from whitestat.core.system.clock import SystemClock, boot_id
from whitestat.core.system.service_user import as_root
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.tables.unflushed import Memory
from whitestat.ledger.write.writer import LedgerState, Writer
from whitestat.metering.engine import Engine
from whitestat.metering.live import Live
from whitestat.metering.recorder import Recorder

if TYPE_CHECKING:
    from whitestat.app.csv_logs import CsvLogs
    from whitestat.config.settings_file import SettingsFile
    from whitestat.web.connections import Certificate
    from whitestat.web.sources import Access, DeviceEditor, PointTrial, Sources, ThrottleControl

log = logging.getLogger("whitestat")


class Attribution(NamedTuple):
    """The rules that find a packet's device, and the devices."""

    attributor: Attributor
    registry: DeviceRegistry


class Metering(NamedTuple):
    """The engine with its open collectors; `notices` is the list that the engine reports, to be added to."""

    engine: Engine
    collectors: Sequence[Collector]
    notices: list[str]


def attributor(local: Locality, episodes: Iterable[Episode] = (), learned: Learned | None = None) -> Attributor:
    """Return the rules of attribution, with the devices known by these episodes and what was `learned` of routers."""
    return Attributor(local, EpisodeTable(episodes), learned)


def attribution(config: Config, state: LedgerState, local: Locality, host_name: str = "") -> Attribution:
    """Return attribution with the devices of the ledger, the configuration and the map files."""
    rules = attributor(local, state.episodes)
    registry = DeviceRegistry(
        rules,
        state.devices,
        names={device.mac: device.name for device in config.devices},
        people=owners(config),
        vendor=vendor,
        host_name=host_name,
        maps=maps_of(config),
    )
    return Attribution(rules, registry)


def owners(config: Config) -> dict[Mac, str]:
    """Return the configured owner of each device that has one."""
    return {device.mac: device.person for device in config.devices if device.person}


def recorder(
    config: Config,
    writer: Writer,
    attribution: Attribution,
    *,
    zone: tzinfo,
    local: Callable[[], Locality],
    points: Iterable[Point] = (),
) -> Recorder:
    """Return the recorder of usage at these points; `local` returns what is local at the time of the call."""
    return Recorder(
        writer,
        *attribution,
        zone=zone,
        points=points,
        locality=local,
        detail_s=config.store.detail_s,
        finest_s=config.retention.finest_s,
    )


def identity(config: Config, writer: Writer, recorder: Recorder, now_ms: int) -> Identity:
    """Return what merges, splits and edits the devices of a recorder."""
    return Identity(writer, recorder, now_ms, owners(config))


def metering(
    config: Config,
    points: Sequence[PointConfig],
    ledger: tuple[Writer, LedgerState],
    zone: tzinfo,
    notices: Iterable[str] = (),
) -> Metering:
    """Open the collectors of the points and return them with their engine. Raises CollectorError."""
    (writer, state), clock = ledger, SystemClock()
    devices = attribution(config, state, locality(config, points), socket.gethostname())
    with as_root():
        gatherer = gatherer_of(config, points)
    previous = PreviousState(state.receipts, state.readings, config.store.path)
    first = [*default_notices(config), *notices]
    with as_root():
        collectors, notices_of_collectors = open_collectors(points, devices.attributor.is_local, previous, first)

    def local() -> Locality:
        return locality(config, points, gatherer.networks(clock.monotonic_ms()), networks_of(collectors))

    recording = recorder(config, writer, devices, zone=zone, local=local, points=map(point_of, points))
    engine = Engine(
        collectors,
        writer,
        recording,
        flush_s=config.store.flush_s,
        clock=clock,
        notices=notices_of_collectors,
        identity=identity(config, writer, recording, clock.now_ms()),
        gatherer=gatherer,
        boot=boot_id(),
        synchronised=clock.synchronised,
    )
    return Metering(engine, collectors, notices_of_collectors)


def queries(config: Config, zone: tzinfo, engine: Engine, writer: Writer) -> Queries:
    """Return queries that include what the engine has not written, and that the writer makes way for."""
    ledger_queries = Queries(config.store.path, zone, cycle_of(config), engine)
    ledger_queries.tell = engine.damaged
    writer.give_way(ledger_queries.let_pass)
    return ledger_queries


def sources(
    config: Config,
    points: Sequence[PointConfig],
    *,
    zone: tzinfo,
    engine: Engine,
    queries: Queries,
    throttle: ThrottleControl,
    restart: Callable[[], None] | None = None,
    try_point: Callable[[Config, str], PointTrial] | None = None,
) -> Sources:
    """Return what the web part answers from."""
    from whitestat.web.sources import Sources

    return Sources(
        queries=queries,
        zone=zone,
        version=__version__,
        now_ms=engine.now_ms,
        health=engine.health,
        live=Live(engine.today, zone=zone, now_ms=engine.now_ms).listen,
        lan=config.lan.segments or locality(config, points).networks,
        cycle=cycle_of(config),
        edits=engine,
        slowing=throttle,
        access=access(config),
        resolve=resolve,
        settings=settings_file(config),
        restart=restart,
        try_point=try_point,
    )


def sources_without_service(config: Config, zone: tzinfo, queries: Queries, edits: DeviceEditor) -> Sources:
    """Return what the web part answers from while no service runs: no live figures, health or limits."""
    from whitestat.web.sources import Sources

    clock = SystemClock()
    return Sources(
        *(queries, zone, __version__, clock.now_ms, dict, _nothing_live),
        edits=edits,
        access=access(config),
        settings=settings_file(config),
    )


def settings_file(config: Config) -> Callable[[], SettingsFile]:
    """Return what makes the page's file of settings, once; its code is loaded with the first use."""

    @cache
    def file() -> SettingsFile:
        from whitestat.alerting.rules import check_names
        from whitestat.config.settings_file import SettingsFile

        return SettingsFile(config, lambda changed: check_names(changed.watch.off))

    return file


async def _nothing_live() -> AsyncIterator[dict[str, object]]:
    yield {}


def access(config: Config) -> Access:
    """Return the accounts beside the ledger, and the networks that need no log-in."""
    from whitestat.web.auth import file
    from whitestat.web.auth.accounts import Accounts
    from whitestat.web.sources import Access
    from whitestat.web.tls.state import Https

    web = config.web
    return Access(
        accounts=Accounts(file.path_of(config.store.path)),
        open=web.open,
        edit=web.edit,
        open_v5=web.open_v5,
        proxies=web.proxies,
        names=web.names,
        base=web.base,
        https=Https(only=web.https_mode == "only", hsts=web.hsts),
    )


def certificate(config: Config) -> Certificate | None:
    """Read the certificate now, and again at each SIGHUP as far as the service may still read it.

    None if none is configured.
    """
    from whitestat.web.connections import Certificate

    if config.web.certificate is None:
        return None
    pair = Certificate(config.web.certificate, config.web.key)

    def read_again() -> None:
        try:
            pair.read()
        except WhiteStatError as fault:
            log.error("%s; the previous certificate stays in use", fault)
        else:
            log.info("the certificate was read again")

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, read_again)
    return pair


def csv_logs(config: Config, zone: tzinfo, memory: Memory | None = None) -> CsvLogs | None:
    """Return what writes the CSV logs, with what `memory` has not written yet; None if no folder is configured."""
    if config.csv.folder is None:
        return None
    from whitestat.app.csv_logs import CsvLogs, clock_of

    clock = clock_of(map(plan_of, config.plans), zone)
    return CsvLogs(config.csv.folder, Queries(config.store.path, zone, memory=memory), zone, clock, config.csv.keep)
