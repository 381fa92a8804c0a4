"""Wires the parts of the running service together and holds them until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from whitestat import __version__, privileges
from whitestat.attribution.attribute import Attributor
from whitestat.attribution.devices import Devices
from whitestat.attribution.evidence.listen import Listener
from whitestat.attribution.gather import KNOWN_LEASES, Gatherer
from whitestat.attribution.locality import PRIVATE, Locality, Network
from whitestat.attribution.map_files import MapFile, MapFiles
from whitestat.attribution.names import resolve
from whitestat.attribution.vendors import vendor
from whitestat.booking import Booker
from whitestat.collectors import Collector
from whitestat.collectors.interface import InterfaceCollector
from whitestat.collectors.links import Link, default_interface, default_interfaces, links, unknown_interface
from whitestat.control import close_control, control_socket
from whitestat.engine import Engine, SystemClock
from whitestat.errors import CollectorError, ConfigError, LedgerError, NotPermitted, WhiteStatError
from whitestat.identity import Identity
from whitestat.ledger.inspection import Inspection
from whitestat.ledger.queries import Queries
from whitestat.ledger.writer import Writer
from whitestat.live import Live
from whitestat.lookout import Lookout
from whitestat.memory import one_heap
from whitestat.model import Address, CounterReading, Point
from whitestat.periods import Cycle
from whitestat.placement import misplaced
from whitestat.plan_config import plan_of
from whitestat.point_config import PointConfig
from whitestat.settings import Config
from whitestat.units import address_bytes, address_text

if TYPE_CHECKING:
    from whitestat.csv_logs import CsvLogs
    from whitestat.web import Access
    from whitestat.web.connections import Certificate

log = logging.getLogger("whitestat")

OLD_POINT = "whitestat import"
OLD_STORE = "WhiteStat.db"
"""What WhiteStat 1 to 11 called their database, in the folder `DATA_STORE`."""


def run(config: Config) -> int:
    """Meter, keep and show until SIGTERM or SIGINT; returns the exit status."""
    one_heap()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="whitestat: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # what is no HTTP is anybody's, and no news
    for notice in config.notices:
        log.info("%s", notice)
    _make_home(config.store.path)
    import_old(config, zone_of(config))
    return asyncio.run(_serve(config))


async def _serve(config: Config) -> int:
    from whitestat.web import Sources, create_app, serve

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    zone = zone_of(config)
    points = points_of(config)
    writer = Writer(config.store.path, zone, asdict(config.retention))
    agree(writer, config)
    state = writer.state()
    attributor = Attributor(locality(config, points), Devices(state.episodes))
    clock = SystemClock()
    gatherer = gatherer_of(config, points)
    before = Before(state.receipts, state.readings, config.store.path)
    collectors, notices = open_collectors(points, attributor.is_local, before)
    booker = Booker(
        writer,
        attributor,
        zone=zone,
        points=[point_of(each) for each in points],
        locality=lambda: locality(config, points, (*gatherer.networks(clock.monotonic_ms()), *networks_of(collectors))),
        names={each.mac: each.name for each in config.devices},
        people={each.mac: each.person for each in config.devices if each.person},
        vendor=vendor,
        host_name=socket.gethostname(),
        detail_s=config.store.detail_s,
        maps=maps_of(config),
    )
    owners = {each.mac: each.person for each in config.devices if each.person}
    engine = Engine(
        collectors,
        writer,
        booker,
        flush_s=config.store.flush_s,
        clock=clock,
        notices=notices,
        identity=Identity(writer, booker, clock.now_ms(), owners),
        gatherer=gatherer,
    )
    access = access_of(config)
    live = Live(engine.today, zone=zone, now_ms=engine.now_ms)
    if access.accounts.fault:
        notices.append(f"nobody can log in: {access.accounts.fault}")
    queries = Queries(config.store.path, zone, cycle_of(config))
    lookout = Lookout(config, points)
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
    web = serve(create_app(sources), config.web.host, config.web.port, control, certificate)
    logger = csv_logs_of(config, zone)
    user = _unprivileged(config, collectors)
    await engine.start()
    inspection = Inspection(config.store.path, notices.append)
    inspection.start()
    logs = asyncio.create_task(logger.run(engine, config.csv.every_s, notices)) if logger else None
    lookout.start(engine, queries, zone)
    try:
        _announce(config, _address(web.url, access, engine.now_ms()), collectors, notices, user)
        ends = [asyncio.create_task(web.run_until_stopped()), asyncio.create_task(stopped.wait())]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        web.stop()
        await ends[0]
        ends[1].cancel()
    finally:
        if logs:
            logs.cancel()
        inspection.stop()
        await lookout.stop()
        close_control(config.store.path, control)
        await engine.stop()
    return 0


def access_of(config: Config) -> Access:
    """Who may look and edit, with the accounts beside the ledger."""
    from whitestat.access import file
    from whitestat.access.accounts import Accounts
    from whitestat.web import Access

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


def _address(url: str, access: Access, now_ms: int) -> str:
    """Where a browser finds the page, or at first the form that sets the owner's password."""
    page = f"{url.rstrip('/')}{access.base}/"
    key = access.accounts.first_link(now_ms)
    return f"{page}first?key={key} to set your password; the link works once" if key else page


def csv_logs_of(config: Config, zone: tzinfo) -> CsvLogs | None:
    """What writes logs in CSV, where that is wanted."""
    if config.csv.folder is None:
        return None
    from whitestat.csv_logs import CsvLogs, clock_of

    clock = clock_of(map(plan_of, config.plans), zone)
    return CsvLogs(config.csv.folder, Queries(config.store.path, zone), zone, clock, config.csv.keep)


def import_old(config: Config, zone: tzinfo) -> None:
    """On the first start beside a WhiteStat.db of version 1 to 11, its history becomes ours.

    A child does it, before there are any threads: years of history take 100 MB, which this process would keep.
    """
    store = config.store.path
    old = config.store.old or store.with_name(OLD_STORE)
    if not old.is_file() or old.name == store.name or _has_old(store, zone):
        return
    from multiprocessing import get_context

    child = get_context("fork").Process(target=_take_over, args=(config, zone, old))
    child.start()
    child.join()


def _take_over(config: Config, zone: tzinfo, old: Path) -> None:
    from whitestat.importers import run

    store = config.store.path
    home = run.Home(store, zone, run.locality_of(config), SystemClock().now_ms() // 1000)
    with contextlib.suppress(LedgerError), contextlib.closing(Writer(store, zone)) as writer:  # told at the start
        run.import_once(writer, old, home)


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
    from whitestat.web import load_all, loaded_later

    vendor("")
    user, store = config.service.user, config.store.path
    if os.geteuid() == 0 and privileges.effective() and not privileges.reads_afterwards(user, store, loaded_later()):
        load_all()
    pins = next((each.pins for each in collectors if hasattr(each, "pins")), None)
    return privileges.drop(config.service.user, config.store.path, pins)


def _make_home(path: Path) -> None:
    """The folder of the default store may be the first in ~/.local/share; a folder that was named must exist."""
    if path.parts[-2:] == ("whitestat", "whitestat.db") and path.is_relative_to(Path.home()):
        with contextlib.suppress(OSError):  # opening the store then says what is wrong
            path.parent.mkdir(parents=True, exist_ok=True)


def zone_of(config: Config) -> tzinfo:
    """The configured zone, else the system's."""
    if config.timezone:
        return ZoneInfo(config.timezone)
    with contextlib.suppress(OSError, ValueError):
        return ZoneInfo(str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2])
    return ZoneInfo("UTC")


def cycle_of(config: Config) -> Cycle:
    return Cycle(config.billing.day, config.billing.hour)


def points_of(config: Config) -> tuple[PointConfig, ...]:
    """The configured points, or one on the interface of the default route."""
    if config.points:
        return config.points
    interface = default_interface()
    if interface is None:
        known = ", ".join(sorted(links()))
        raise CollectorError(
            f"there is no default route to tell which interface to meter; name one in a [[point]]; there are: {known}"
        )
    kind = "kernel" if os.geteuid() == 0 or privileges.may_meter() else "interface"
    return (PointConfig(name=interface, collector=kind, interface=interface),)


def point_of(config: PointConfig) -> Point:
    return Point(config.name, config.collector, config.interface, config.counts)


class Before(NamedTuple):
    """What the ledger has from the last process: epochs by meter, and readings; `ledger` is whose maps are kept."""

    receipts: Mapping[str, int]
    readings: Sequence[CounterReading]
    ledger: Path | None


NOTHING_BEFORE = Before({}, (), None)


def open_collectors(
    points: Sequence[PointConfig], local: Callable[[Address], bool], before: Before = NOTHING_BEFORE
) -> tuple[list[Collector], list[str]]:
    """Every collector open and ready, with what the user should know; `local` says which addresses are ours.

    Where the kernel refuses the meter, packet sockets stand in, and without the rights to these the
    interface's own counters.
    """
    known = links()
    for point in points:
        if point.interface is not None and point.interface not in known and not point.wait:
            raise unknown_interface(point.interface, known)
    collectors: list[Collector] = []
    notices: list[str] = []
    kernel = [point for point in points if point.collector == "kernel"]
    if kernel:
        collectors += _open_kernel(kernel, before.receipts, notices, before.ledger)
    for point in points:
        if point.collector != "kernel":
            collectors.append(_build(point, local, before.readings))
            collectors[-1].open(before.receipts)
    if any(point.collector == "interface" for point in points) and os.geteuid() != 0:
        notices.append(NOT_ROOT)
    forwards = FORWARDING.exists() and FORWARDING.read_text().strip() == "1"
    notices += misplaced(map(point_of, points), known, default_interfaces(), forwards=forwards)
    return collectors, notices


FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
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
    from whitestat.collectors.darkstat import DarkstatCollector  # 1 MB that who meters spares

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
    from whitestat.collectors.packet import PacketCollector

    return PacketCollector(point_of(config), promiscuous=config.promiscuous)


def _router(config: PointConfig, local: Callable[[Address], bool], readings: Sequence[CounterReading]) -> Collector:
    from whitestat.routers import build  # whoever counts here himself spares it

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
    from whitestat.collectors.kernel import KernelCollector  # 1 MB that who reads another program's table spares

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


def gatherer_of(config: Config, points: Sequence[PointConfig]) -> Gatherer:
    """What hears of devices on the points that count; without the right to listen it looks into tables alone."""
    listener: Listener | None = None
    if config.lan.hear:
        with contextlib.suppress(OSError):
            listener = Listener(listening_on(config, points, links()))
    return Gatherer(listener, config.lan.leases or KNOWN_LEASES)


def listening_on(config: Config, points: Sequence[PointConfig], known: Mapping[str, Link]) -> list[str]:
    """The interfaces of points that count; where one has none, as the table of another program, those of the LAN."""
    named = [point.interface for point in points if point.counts and point.interface]
    if all(point.interface for point in points if point.counts):
        return named
    local = Locality(tuple(config.lan.networks) or PRIVATE)

    def is_local(link: Link) -> bool:
        own = [address_bytes(str(each.ip)) for each in link.interfaces if not each.is_link_local]
        return link.type == "ether" and any(local.kind(each) == "local" for each in own)

    return named + [link.name for link in known.values() if is_local(link)]


def maps_of(config: Config) -> MapFiles:
    """The map files that are configured, else those that WhiteStat 5 left beside the database."""
    home, lan = config.store.path, config.lan
    return MapFiles(
        *(
            MapFile(named or home.with_name(usual), named is not None)
            for named, usual in (
                (lan.ip_mac, "IP_MAC.txt"),
                (lan.mac_mac, "MAC_MAC.txt"),
                (lan.mac_host, "MAC_HOST.txt"),
            )
        )
    )


def locality(config: Config, points: Sequence[PointConfig], advertised: Iterable[Network] = ()) -> Locality:
    """What is local now: configured networks, or those of the points that count, segments, and private space.

    `advertised` are those that routers, or tables of other programs, tell of.
    """
    known, outward = links(), default_interfaces()
    networks: list[Network] = list(config.lan.networks)
    if not networks:
        networks += [*PRIVATE, *config.lan.segments]
        for point in points:
            # Another program's table tells of the network this machine is in, as far as we know.
            name = point.interface or default_interface()
            link = known.get(str(name)) if point.counts else None
            networks += [each.network for each in link.interfaces] if link else []
        networks += advertised
    return Locality(
        tuple(dict.fromkeys(networks)),
        own_macs=frozenset(link.mac for link in known.values() if link.mac),
        own_addresses=frozenset(address for link in known.values() for address in link.addresses),
        routers=frozenset(config.lan.routers),
        outward=frozenset(point.name for point in points if point.interface in outward),
        counting=tuple(point.name for point in points if point.counts),
        on_link=tuple(each.network for link in known.values() for each in link.interfaces if not each.is_link_local),
        segments=config.lan.segments,
    )


def networks_of(collectors: Iterable[Collector]) -> Iterable[Network]:
    """IPv6 networks that tables of other programs show to be local."""
    for each in collectors:
        yield from sorted(getattr(each, "networks", ()))


HOW = {"KernelCollector": "in the kernel", "PacketCollector": "packet by packet"}


def _how(collector: Collector) -> str:
    url = getattr(collector, "url", None)
    if url:
        return f"from {url}"
    return HOW.get(type(collector).__name__, "totals")


def _announce(config: Config, url: str, collectors: Sequence[Collector], notices: Sequence[str], user: str) -> None:
    metered = ", ".join(
        f"{point.interface or point.name} ({_how(each)})" for each in collectors for point in each.points
    )
    print(f"WhiteStat {__version__} counts {metered}, keeps it in {config.store.path} and runs as {user}")
    for notice in notices:
        print(f"Note: {notice}.")
    print(f"Open {url}", flush=True)
