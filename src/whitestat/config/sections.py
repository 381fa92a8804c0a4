"""All there is to set, as frozen values: each key of a section is declared here with its sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated

from whitestat.config.alerts import NotifyConfig, WatchConfig
from whitestat.config.plans import PlanConfig
from whitestat.config.points import PointConfig
from whitestat.config.schema import (
    BASE,
    DURATION,
    FLAG,
    HOSTS,
    HOUR,
    HTTPS,
    KEEPING,
    KEEPING_OR_NOT,
    LISTEN,
    MAC,
    MACS,
    MONTH_DAY,
    NETWORKS,
    PATH,
    PATHS,
    SIZE,
    TEXT,
    ZONE,
    ConfigKey,
)
from whitestat.core.system.collector_plugins import spec_of


@dataclass(frozen=True, slots=True)
class Web:
    """The pages and the API."""

    listen: Annotated[str, ConfigKey("Where they are served; port 0 takes any free one.", LISTEN)] = "127.0.0.1:7777"
    open: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        ConfigKey("Networks that need no log-in to look; what comes through a proxy always does.", NETWORKS),
    ] = ()
    edit: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        ConfigKey("Networks that need no log-in to look, and to edit devices and people.", NETWORKS),
    ] = ()
    open_v5: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        ConfigKey(
            "Networks that need no log-in for the addresses of WhiteStat 5 (`/json`, `/table` and the like).",
            NETWORKS,
            example='["192.168.0.0/16"]',
            otherwise="none; in WhiteStat 5's place, without a whitestat.toml, private networks",
        ),
    ] = ()
    names: Annotated[
        tuple[str, ...], ConfigKey("Host names it may be opened by, besides this machine's own: a proxy's.", HOSTS)
    ] = ()
    base: Annotated[str, ConfigKey("The path that a proxy has in front of its addresses.", BASE)] = ""
    certificate: Annotated[
        Path | None,
        ConfigKey(
            "The file of the certificate, with those it is made by: then all is served by TLS.",
            PATH,
            example='"/etc/whitestat/certificate.pem"',
        ),
    ] = None
    key: Annotated[
        Path | None,
        ConfigKey("The file of the certificate's private key.", PATH, example='"/etc/whitestat/key.pem"'),
    ] = None
    https: Annotated[
        str | None,
        ConfigKey(
            'HTTPS at another port: `"off"`, `"both"` beside `listen`, or `"only"`: then `listen` redirects to it.',
            HTTPS,
            example='"both"',
            otherwise='`"both"` where others reach `listen`; `"off"` with `certificate`, `base` or `proxies`, and in '
            "WhiteStat 5's place",
        ),
    ] = None
    https_listen: Annotated[
        str | None,
        ConfigKey(
            "Where HTTPS is served.",
            LISTEN,
            example='"0.0.0.0:7778"',
            otherwise="the host of `listen` and the port after its port; 443 after 80",
        ),
    ] = None
    hsts: Annotated[
        bool,
        ConfigKey(
            "Whether browsers are told to use TLS alone with this host name, at all its ports, for a year (RFC 6797); "
            "only with `certificate`.",
            FLAG,
        ),
    ] = False
    proxies: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        ConfigKey("Proxies that are believed when they say whom they ask for (X-Forwarded-For and -Proto).", NETWORKS),
    ] = ()

    @property
    def host(self) -> str:
        """Without the brackets of an IPv6 address."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def https_mode(self) -> str:
        """`off`, `both` or `only`: what is set, else what suits the rest."""
        if self.https:
            return self.https
        has_tls = self.certificate is not None or bool(self.base or self.proxies)
        return "off" if has_tls or _is_loopback(self.host) else "both"

    @property
    def https_host(self) -> str:
        """Without the brackets of an IPv6 address."""
        return (self.https_listen or self.listen).rpartition(":")[0].strip("[]")

    @property
    def https_port(self) -> int:
        """0 for any that is free."""
        if self.https_listen:
            return int(self.https_listen.rpartition(":")[2])
        return {0: 0, 80: 443, 65_535: 65_534}.get(self.port, self.port + 1)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """The process."""

    user: Annotated[
        str | None,
        ConfigKey(
            "The user that it becomes when root starts it; `root` stays root, without capabilities.",
            TEXT,
            example='"whitestat"',
            otherwise="`whitestat` where there is such a user, else the number 60777",
        ),
    ] = None


HOUR_S, DAY_S = 3_600, 86_400

LEAST_KEPT_S = {"second": 60, "minute": HOUR_S, "hour": 3 * DAY_S, "day": 63 * DAY_S}
"""Days are made of hours when they are over, and months of days."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the rows of each resolution are kept, in seconds, None for ever. Months always are."""

    second: Annotated[
        int | None, ConfigKey("Usage of each second; it is written each second then.", KEEPING_OR_NOT)
    ] = 0
    minute: Annotated[int | None, ConfigKey("Usage of each minute; at least an hour.", KEEPING)] = 7 * DAY_S
    hour: Annotated[int | None, ConfigKey("Usage of each hour; at least 3 days.", KEEPING)] = 400 * DAY_S
    day: Annotated[int | None, ConfigKey("Usage of each day; at least 63 days.", KEEPING)] = None
    service_hour: Annotated[int | None, ConfigKey("What the usage of each hour was on.", KEEPING)] = 31 * DAY_S
    service_day: Annotated[int | None, ConfigKey("What the usage of each day was on.", KEEPING)] = 400 * DAY_S
    peer_day: Annotated[int | None, ConfigKey("With whom the usage of each day was.", KEEPING)] = 31 * DAY_S
    peer_month: Annotated[int | None, ConfigKey("With whom the usage of each month was.", KEEPING)] = 400 * DAY_S

    @property
    def finest_s(self) -> int:
        """How long the shortest bucket is that is kept."""
        return 60 if self.second == 0 else 1


@dataclass(frozen=True, slots=True)
class Store:
    """The database."""

    path: Annotated[
        Path,
        ConfigKey(
            "The file; a relative path starts at the folder of the configuration file.",
            PATH,
            example='"/var/lib/whitestat/whitestat.db"',
            otherwise="`/var/lib/whitestat/whitestat.db`, or under `~/.local/share` if not root",
        ),
    ]
    flush_s: Annotated[
        int,
        ConfigKey(
            "How often usage is written: what a power cut can cost.",
            DURATION,
            name="flush",
            otherwise='`"30s"`, or `"1s"` where seconds are kept',
        ),
    ] = 30
    detail_s: Annotated[
        int,
        ConfigKey("How often services and peers are written; sooner after a start.", DURATION, name="detail"),
    ] = 1800
    old: Annotated[
        Path | None,
        ConfigKey(
            "The database of a WhiteStat 1 to 11, taken over at the first start.",
            PATH,
            example='"WhiteStat.db"',
            otherwise="`WhiteStat.db` beside the file, where there is one",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Lan:
    """What is local."""

    networks: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        ConfigKey(
            "Local networks, instead of the interface's own and private space; link-local space always is.",
            NETWORKS,
            example='["192.168.50.0/24"]',
        ),
    ] = ()
    routers: Annotated[
        tuple[bytes, ...],
        ConfigKey(
            "Routers that forward for others: what they carry is somebody else's.",
            MACS,
            example='["02:50:00:00:00:01"]',
        ),
    ] = ()
    segments: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        ConfigKey(
            "WhiteStat 5's LAN_SEGMENT_MASKS: local too, told by `/json/lansegments`; of a table of hosts, `routers` "
            "leave out these alone.",
            NETWORKS,
            example='["192.168.50.0/24"]',
        ),
    ] = ()
    hear: Annotated[bool, ConfigKey("Whether to hear what devices call themselves.", FLAG)] = True
    leases: Annotated[
        tuple[Path, ...],
        ConfigKey(
            "Lease files of the DHCP server, or folders of them.",
            PATHS,
            example='["/var/lib/misc/dnsmasq.leases"]',
            otherwise="where dnsmasq, Pi-hole, ISC dhcpd, Kea, systemd-networkd and udhcpd keep them",
        ),
    ] = ()
    ip_mac: Annotated[
        Path | None,
        ConfigKey(
            "Map file: the MAC address that an IP address counts as.",
            PATH,
            example='"IP_MAC.txt"',
            otherwise="`IP_MAC.txt` beside the database, where there is one",
        ),
    ] = None
    mac_mac: Annotated[
        Path | None,
        ConfigKey(
            "Map file: a MAC address that counts as another one.",
            PATH,
            example='"MAC_MAC.txt"',
            otherwise="`MAC_MAC.txt` beside the database, where there is one",
        ),
    ] = None
    mac_host: Annotated[
        Path | None,
        ConfigKey(
            "Map file: the name of a MAC address; those of `[[device]]` go before it.",
            PATH,
            example='"MAC_HOST.txt"',
            otherwise="`MAC_HOST.txt` beside the database, where there is one",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Billing:
    """The billing period, which `cycle` names in questions."""

    day: Annotated[
        int,
        ConfigKey("The day of the month it begins on; in a shorter month the last, so 31 is always that.", MONTH_DAY),
    ] = 1
    hour: Annotated[int, ConfigKey("The local hour it begins at.", HOUR)] = 0


@dataclass(frozen=True, slots=True)
class Csv:
    """Logs in CSV, as dalla-stats wrote them."""

    folder: Annotated[
        Path | None,
        ConfigKey("The folder they are written to; without it there are none.", PATH, '"/srv/whitestat/logs"'),
    ] = None
    every_s: Annotated[int, ConfigKey("How often a row is added.", DURATION, name="every")] = HOUR_S
    keep: Annotated[int, ConfigKey("For how many months they are kept; summaries of months are for ever.", SIZE)] = 12


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """A device that is known beforehand."""

    mac: Annotated[bytes, ConfigKey("Its link address.", MAC, '"02:50:00:00:00:11"')]
    name: Annotated[str, ConfigKey("What it is called.", TEXT, '"phone"')]
    person: Annotated[str | None, ConfigKey("Whose it is.", TEXT, '"Anna"')] = None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything there is to set; `source` is the file it came from, None without one."""

    timezone: Annotated[
        str | None,
        ConfigKey("Where days begin and end.", ZONE, '"Europe/Stockholm"', otherwise="the system's"),
    ]
    web: Web
    service: ServiceConfig
    store: Store
    lan: Lan
    points: tuple[PointConfig, ...]
    devices: tuple[DeviceConfig, ...]
    source: str | None
    billing: Billing = Billing()
    retention: Retention = Retention()
    plans: tuple[PlanConfig, ...] = ()
    csv: Csv = Csv()
    watch: WatchConfig = field(default_factory=WatchConfig)
    notify: NotifyConfig = field(default_factory=NotifyConfig)
    notices: tuple[str, ...] = ()
    """What the log should say of how it came about."""

    @property
    def needs_tls(self) -> bool:
        """Whether the service serves by TLS, or asks somebody who may want it, or other cryptography."""
        asked = any(
            spec_of(point.collector).needs_tls or (point.url or "").startswith("https") for point in self.points
        )
        return self.web.certificate is not None or self.web.https_mode != "off" or asked
