"""Local networks and device identities by the configuration, this machine and map files."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence

from whitestat.attribution.evidence.listen import Listener
from whitestat.attribution.gather import KNOWN_LEASES, EvidenceGatherer
from whitestat.attribution.locality import PRIVATE, Locality, Uplink
from whitestat.attribution.map_files import MapFile, MapFiles
from whitestat.collectors import Collector
from whitestat.collectors.links import NetworkInterface, default_interface, default_interfaces, forwards, links, routed
from whitestat.collectors.placement import inside
from whitestat.config.points import PointConfig
from whitestat.config.sections import Config
from whitestat.core.model import Address, Network
from whitestat.core.units import address_bytes


def gatherer_of(config: Config, points: Sequence[PointConfig]) -> EvidenceGatherer:
    """What hears of devices on the points that count; without the right to listen it looks into tables alone."""
    listener: Listener | None = None
    if config.lan.hear:
        with contextlib.suppress(OSError):
            listener = Listener(listening_on(config, points, links()))
    return EvidenceGatherer(listener, config.lan.leases or KNOWN_LEASES)


def listening_on(config: Config, points: Sequence[PointConfig], known: Mapping[str, NetworkInterface]) -> list[str]:
    """The interfaces of points that count; where one has none, as the table of another program, those of the LAN.

    Devices of a gateway are heard on its LAN side, wherever it is metered.
    """
    counting = [point for point in points if point.counts]
    away = _uplinks(counting, known, default_interfaces())
    named = [point.interface for point in counting if point.interface and point.name not in away]
    if all(point.interface for point in counting):
        return named + ([link.name for link in inside(known, default_interfaces())] if away else [])
    local = Locality(tuple(config.lan.networks) or PRIVATE)

    def is_local(link: NetworkInterface) -> bool:
        own = [address_bytes(str(interface.ip)) for interface in link.interfaces if not interface.is_link_local]
        return link.type == "ether" and any(local.kind(address) == "local" for address in own)

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


def locality(
    config: Config,
    points: Sequence[PointConfig],
    advertised: Iterable[Network] = (),
    shown: Iterable[Network] = (),
) -> Locality:
    """What is local now: configured networks, or those of the points that count, segments, and private space.

    `advertised` are those that routers announce, local in any case; `shown` those in tables of other programs.
    """
    known, outward, routes = links(), default_interfaces(), routed()
    counting = [point for point in points if point.counts]
    away = _uplinks(points, known, outward)
    networks: list[Network] = list(config.lan.networks)
    if not networks:
        networks += [*PRIVATE, *config.lan.segments]
        for link in _homes(counting, known, away, outward):
            networks += _behind(link, routes)
        networks += shown
    networks += advertised
    metered = [link for link in (known.get(str(point.interface)) for point in counting) if link]
    return Locality(
        tuple(dict.fromkeys(networks)),
        own_macs=frozenset(link.mac for link in known.values() if link.mac),
        own_addresses=frozenset(address for link in known.values() for address in link.addresses),
        routers=frozenset(config.lan.routers),
        outward=frozenset(point.name for point in points if point.interface in outward),
        counting=tuple(point.name for point in counting),
        on_link=tuple(
            interface.network for link in known.values() for interface in link.interfaces if not interface.is_link_local
        ),
        segments=config.lan.segments,
        uplinks=away,
        metered=tuple(dict.fromkeys(network for link in metered for network in _behind(link, routes))),
    )


def configured_locality(config: Config) -> Locality:
    """Return what is local as far as the configuration says, for old data and captures of another machine."""
    return Locality(config.lan.networks or (*PRIVATE, *config.lan.segments), routers=frozenset(config.lan.routers))


def _homes(
    counting: Iterable[PointConfig],
    known: Mapping[str, NetworkInterface],
    away: Collection[str],
    outward: Collection[str],
) -> list[NetworkInterface]:
    """The links whose networks are home's: those metered, and all other sides of a gateway metered at its uplink."""
    # Another program's table tells of the network this machine is in, as far as we know.
    default = None if all(point.interface for point in counting) else default_interface()
    sides = inside(known, outward) if forwards() else []
    homes: list[NetworkInterface] = []
    for point in counting:
        link = known.get(str(point.interface or default))
        if point.name in away or (point.interface is None and sides):
            homes += sides
        elif link:
            homes.append(link)
    return homes


def _uplinks(
    points: Iterable[PointConfig], known: Mapping[str, NetworkInterface], outward: Collection[str]
) -> dict[str, Uplink]:
    """The points on a way to the outside of a machine that forwards for hosts on other links."""
    if not inside(known, outward) or not forwards():
        return {}
    pairs = [(point.name, known[point.interface]) for point in points if point.interface in known.keys() & set(outward)]
    return {name: Uplink(link.mac, _address(link)) for name, link in pairs}


def _address(link: NetworkInterface) -> Address | None:
    """The first that is not link-local."""
    return next(
        (address_bytes(str(interface.ip)) for interface in link.interfaces if not interface.is_link_local), None
    )


def _behind(link: NetworkInterface, routes: Mapping[str, Sequence[Network]]) -> list[Network]:
    """The networks on the link, and those that this machine reaches over it."""
    return [*(interface.network for interface in link.interfaces), *routes.get(link.name, ())]


def networks_of(collectors: Iterable[Collector]) -> Iterable[Network]:
    """IPv6 networks that tables of other programs show to be local."""
    for collector in collectors:
        yield from sorted(collector.facts().networks)
