"""What is local and who is who there, as the configuration, this machine and map files tell."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence

from whitestat.attribution.evidence.listen import Listener
from whitestat.attribution.gather import KNOWN_LEASES, Gatherer
from whitestat.attribution.locality import PRIVATE, Locality, Network
from whitestat.attribution.map_files import MapFile, MapFiles
from whitestat.collectors import Collector
from whitestat.collectors.links import Link, default_interface, default_interfaces, links
from whitestat.point_config import PointConfig
from whitestat.settings import Config
from whitestat.units import address_bytes


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
