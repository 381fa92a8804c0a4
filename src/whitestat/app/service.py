"""Wires the parts of the running service together and holds them until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import asdict
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from whitestat import __version__
from whitestat.app.alerting import AlertService
from whitestat.app.alerting import notices as cannot_slow
from whitestat.app.banner import address, announce
from whitestat.app.collectors import PreviousState, default_notices, open_collectors, point_of, points_of
from whitestat.app.control import close_control, control_socket
from whitestat.app.legacy_v5_files import make_files
from whitestat.app.local_network import gatherer_of, locality, maps_of, networks_of
from whitestat.attribution.attribute import Attributor
from whitestat.attribution.devices.episodes import EpisodeTable
from whitestat.attribution.devices.identity import Identity
from whitestat.attribution.devices.names import resolve
from whitestat.attribution.devices.registry import DeviceRegistry
from whitestat.attribution.devices.vendors import vendor
from whitestat.collectors import Collector
from whitestat.config.plans import plan_of
from whitestat.config.sections import Config
from whitestat.core.calendar import Cycle
from whitestat.core.errors import ConfigError, DamagedLedger, LedgerError, WhiteStatError
from whitestat.core.system import privileges
from whitestat.core.system.clock import SystemClock, boot_id
from whitestat.core.system.memory import one_heap
from whitestat.core.system.time_zone import Zone, system_zone, zone_named
from whitestat.ledger.files.inspection import Inspection
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.tables.unflushed import Memory
from whitestat.ledger.write.writer import LedgerState, Writer
from whitestat.metering.engine import Engine
from whitestat.metering.live import Live
from whitestat.metering.recorder import Recorder

if TYPE_CHECKING:
    from whitestat.app.csv_logs import CsvLogs
    from whitestat.web.connections import Certificate
    from whitestat.web.server import Server
    from whitestat.web.sources import Access

log = logging.getLogger("whitestat")

STOP_S = 1.0
"""How long the end waits for what slows devices to be taken back (its process does that when ours has ended, too), and
for a question of the ledger that is being answered."""
OLD_POINT = "whitestat import"
OLD_STORE = "WhiteStat.db"
"""What WhiteStat 1 to 11 called their database, in the folder `DATA_STORE`."""


def run(config: Config) -> NoReturn:
    """Meter, keep and show until SIGTERM or SIGINT, then end the process.

    Threads may wait for a name server or a network for a minute, and the interpreter would wait for them: when all
    that counts is written and closed, nothing is waited for.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # by children too; a terminal that is closed ends nothing
    one_heap()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="whitestat: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # what is no HTTP is anybody's, and no news
    for notice in config.notices:
        log.info("%s", notice)
    _make_home(config.store.path)
    make_files(config, os.environ)
    import_old(config, zone_of(config))
    vendor("")  # by threads of its own, which are gone when rights are given up: those are a thread's
    with asyncio.Runner() as runner:
        status = runner.run(_serve(config))
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


async def _serve(config: Config) -> int:
    from whitestat.web import app, server
    from whitestat.web.sources import Sources

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    zone, doubt = zone_found(config)
    points = points_of(config)
    writer, state = ledger_of(config, zone)
    agree(writer, config)
    attributor = Attributor(locality(config, points), EpisodeTable(state.episodes))
    clock = SystemClock()
    gatherer = gatherer_of(config, points)
    before = PreviousState(state.receipts, state.readings, config.store.path)
    first = default_notices(config) + ([doubt] if doubt else [])
    collectors, notices = open_collectors(points, attributor.is_local, before, first)
    owners = {each.mac: each.person for each in config.devices if each.person}
    known = DeviceRegistry(
        attributor,
        state.devices,
        names={each.mac: each.name for each in config.devices},
        people=owners,
        vendor=vendor,
        host_name=socket.gethostname(),
        maps=maps_of(config),
    )
    recorder = Recorder(
        writer,
        attributor,
        known,
        zone=zone,
        points=[point_of(each) for each in points],
        locality=lambda: locality(config, points, gatherer.networks(clock.monotonic_ms()), networks_of(collectors)),
        detail_s=config.store.detail_s,
        finest_s=config.retention.finest_s,
    )
    engine = Engine(
        collectors,
        writer,
        recorder,
        flush_s=config.store.flush_s,
        clock=clock,
        notices=notices,
        identity=Identity(writer, recorder, clock.now_ms(), owners),
        gatherer=gatherer,
        boot=boot_id(),
        synchronised=clock.synchronised,
    )
    access = access_of(config)
    live = Live(engine.today, zone=zone, now_ms=engine.now_ms)
    if access.accounts.fault:
        notices.append(f"nobody can log in: {access.accounts.fault}")
    queries = Queries(config.store.path, zone, cycle_of(config), engine)
    queries.tell = engine.damaged
    writer.give_way(queries.let_pass)
    lookout = AlertService(config, points)
    notices.extend(cannot_slow(config, points))
    sources = Sources(
        queries=queries,
        zone=zone,
        version=__version__,
        now_ms=engine.now_ms,
        health=engine.health,
        live=live.listen,
        lan=config.lan.segments or locality(config, points).networks,
        cycle=cycle_of(config),
        edits=engine,
        slowing=lookout,
        access=access,
        resolve=resolve,
    )
    control = control_socket(config.store.path)
    certificate = certificate_of(config)
    web = server.serve(app.create_app(sources), config.web.host, config.web.port, control, certificate)
    logger = csv_logs_of(config, zone, engine)
    user = _unprivileged(config, collectors)
    await engine.start()
    inspection = Inspection(config.store.path, engine.damaged)
    inspection.start()
    logs = asyncio.create_task(logger.run(engine, config.csv.every_s, notices)) if logger else None
    lookout.start(engine, queries, zone)
    try:
        announce(config, address(web.url, access, engine.now_ms()), collectors, notices, user)
        await _until(stopped, web, lookout)
    finally:
        if logs:
            logs.cancel()
        inspection.stop()
        await _within(STOP_S, lookout.stop())
        close_control(config.store.path, control)
        await _close_readers(queries, logger)
        await engine.stop()
    return 0


def ledger_of(config: Config, zone: tzinfo) -> tuple[Writer, LedgerState]:
    """The ledger open for writing, and what it knows from before. A damaged one is set aside, and a new one goes on."""
    path, kept_s = config.store.path, asdict(config.retention)
    try:
        return _opened(path, zone, kept_s)
    except DamagedLedger as damage:
        from whitestat.ledger.recovery.aside import set_aside  # of use where a disk failed, and else not loaded

        place = set_aside(path, str(damage), SystemClock().now_ms())
        log.error("%s; it is set aside as %s, and a new one goes on: whitestat recover", damage, place)
        return _opened(path, zone, kept_s)


def _opened(path: Path, zone: tzinfo, kept_s: dict[str, int | None]) -> tuple[Writer, LedgerState]:
    writer = Writer(path, zone, kept_s)
    try:
        return writer, writer.state()
    except LedgerError:
        writer.close()
        raise


async def _until(stopped: asyncio.Event, web: Server, lookout: AlertService) -> None:
    """Serve until then, or until the server ends by itself; answers and limits end at the same time."""
    ends = [asyncio.create_task(web.run_until_stopped()), asyncio.create_task(stopped.wait())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    web.stop()
    await asyncio.gather(ends[0], _within(STOP_S, lookout.stop()))
    ends[1].cancel()


async def _close_readers(*readers: Queries | CsvLogs | None) -> None:
    """The last of all connections to the ledger makes one file of it, and must be the one that writes."""
    for reader in readers:
        if reader:
            await _within(STOP_S, asyncio.to_thread(reader.close))


async def _within(limit_s: float, ending: Coroutine[Any, Any, None]) -> None:
    """Wait for so long; what has not ended by then ends with the process. Raises what it raises."""
    done, _ = await asyncio.wait({asyncio.create_task(ending)}, timeout=limit_s)
    for each in done:
        each.result()


def access_of(config: Config) -> Access:
    """Who may look and edit, with the accounts beside the ledger."""
    from whitestat.web.auth import file
    from whitestat.web.auth.accounts import Accounts
    from whitestat.web.sources import Access

    web = config.web
    return Access(
        accounts=Accounts(file.path_of(config.store.path)),
        open=web.open,
        edit=web.edit,
        open_v5=web.open_v5,
        proxies=web.proxies,
        names=web.names,
        base=web.base,
    )


def certificate_of(config: Config) -> Certificate | None:
    """Read now, and at each SIGHUP as far as the service may still read it."""
    from whitestat.web.connections import Certificate

    if config.web.certificate is None:
        if config.web.key:
            raise ConfigError("web.key: is of no use without web.certificate")
        return None
    found = Certificate(config.web.certificate, config.web.key)

    def again() -> None:
        try:
            found.read()
        except WhiteStatError as fault:
            log.error("%s; the one that was read before goes on", fault)
        else:
            log.info("the certificate was read anew")

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, again)
    return found


def csv_logs_of(config: Config, zone: tzinfo, memory: Memory | None = None) -> CsvLogs | None:
    """Return what writes the CSV logs, with what `memory` has not written yet; None if no folder is configured."""
    if config.csv.folder is None:
        return None
    from whitestat.app.csv_logs import CsvLogs, clock_of

    clock = clock_of(map(plan_of, config.plans), zone)
    return CsvLogs(config.csv.folder, Queries(config.store.path, zone, memory=memory), zone, clock, config.csv.keep)


def import_old(config: Config, zone: tzinfo) -> None:
    """On the first start beside a WhiteStat.db of version 1 to 11, its history becomes ours.

    A child does it, before there are any threads: years of history take 100 MB, which this process would keep.
    """
    store = config.store.path
    old = config.store.old or store.with_name(OLD_STORE)
    if old.is_file() and store.exists() and old.samefile(store):
        _refuse_old_as_ledger(store, old)
        return
    if not old.is_file() or old.name == store.name or _has_old(store, zone):
        return
    from multiprocessing import get_context

    child = get_context("fork").Process(target=_take_over, args=(config, zone, old))
    child.start()
    child.join()


def _refuse_old_as_ledger(store: Path, old: Path) -> None:
    """Where a file system takes WhiteStat.db for whitestat.db, the one that is there is left as it is.

    A ledger has a number of its own in its head (SQLite's file format, section 1.3), a database of WhiteStat 1 to 11
    none.
    """
    with store.open("rb") as opened:
        head = opened.read(72)
    if head[:15] == b"SQLite format 3" and not any(head[68:72]):
        raise ConfigError(
            f"store.path: {store} is the database of an older WhiteStat, as this file system does not tell capital "
            f"letters from small ones: name another file in [store] path, and {old.name} beside it is taken over"
        )


def _take_over(config: Config, zone: tzinfo, old: Path) -> None:
    from whitestat.app.commands import importing

    privileges.end_with_parent()
    store = config.store.path
    home = importing.ImportTarget(store, zone, importing.locality_of(config), SystemClock().now_ms() // 1000)
    with contextlib.suppress(LedgerError), contextlib.closing(Writer(store, zone)) as writer:  # told at the start
        importing.import_once(writer, old, home)


def _has_old(store: Path, zone: tzinfo) -> bool:
    """Whether the ledger took old history over already."""
    if not store.exists():
        return False
    try:
        with contextlib.closing(Queries(store, zone)) as queries:
            return OLD_POINT in queries.points()
    except LedgerError:
        return False


def agree(writer: Writer, config: Config) -> None:
    """The plans of the configuration hold from now on; a ledger that cannot be written keeps nobody from metering."""
    try:
        changed = writer.follow_plans([plan_of(each) for each in config.plans], SystemClock().now_ms() // 1000)
    except LedgerError as fault:
        log.error("the plans of the configuration do not hold yet, those before do: %s", fault)
        return
    for name in changed:
        log.info("plan %s: the terms of the configuration hold from now on", name)


def _unprivileged(config: Config, collectors: Sequence[Collector]) -> str:
    """Give up root. What answers need later is loaded before only where it could not be read afterwards."""
    from whitestat.web.preload import deferred_files, load_all

    user, store = config.service.user, config.store.path
    if os.geteuid() == 0 and privileges.effective() and not privileges.reads_afterwards(user, store, deferred_files()):
        load_all()
    pins = next((facts.pins for facts in (each.facts() for each in collectors) if facts.pins), None)
    return privileges.drop(config.service.user, config.store.path, pins)


def _make_home(path: Path) -> None:
    """The folder of the default store may be the first in ~/.local/share; a folder that was named must exist."""
    with contextlib.suppress(OSError, RuntimeError):  # without a home; opening the store says what else is wrong
        if path.parts[-2:] == ("whitestat", "whitestat.db") and path.is_relative_to(Path.home()):
            path.parent.mkdir(parents=True, exist_ok=True)


def zone_of(config: Config) -> tzinfo:
    """The configured zone, else the system's."""
    return zone_found(config).zone


def zone_found(config: Config) -> Zone:
    """The zone of `zone_of`, with a notice where it is a guess."""
    return Zone(zone_named(config.timezone)) if config.timezone else system_zone()


def cycle_of(config: Config) -> Cycle:
    return Cycle(config.billing.day, config.billing.hour)
