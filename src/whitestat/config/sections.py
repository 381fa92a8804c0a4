"""All settings as frozen values: each key of a section is declared here with its description."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated

from whitestat.config.alerts import NotifyConfig, WatchConfig
from whitestat.config.layers import Layers
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
    LISTEN_UNPRIVILEGED,
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
    """The page and the API."""

    listen: Annotated[
        str,
        ConfigKey(
            "Address and port of the page and the API; port 0 takes any free port.",
            LISTEN,
            narrowed=LISTEN_UNPRIVILEGED,
        ),
    ] = "127.0.0.1:7777"
    open: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        ConfigKey("Networks that need no log-in to read; requests through a proxy always need one.", NETWORKS),
    ] = ()
    edit: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        ConfigKey("Networks that need no log-in to read and to edit devices and people.", NETWORKS),
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
        tuple[str, ...],
        ConfigKey(
            "Further host names of the page, besides this machine's own; for example the name of a proxy.", HOSTS
        ),
    ] = ()
    base: Annotated[str, ConfigKey("The path under which a proxy serves the page.", BASE)] = ""
    certificate: Annotated[
        Path | None,
        ConfigKey(
            "The certificate file with its chain; with it everything is served by TLS.",
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
            otherwise='`"both"` if other machines reach `listen`; `"off"` with `certificate`, `base` or `proxies`, or '
            "in WhiteStat 5's place",
        ),
    ] = None
    https_listen: Annotated[
        str | None,
        ConfigKey(
            "Address and port of HTTPS.",
            LISTEN,
            example='"0.0.0.0:7778"',
            otherwise="the host of `listen` and the port after its port; 443 after 80",
            narrowed=LISTEN_UNPRIVILEGED,
        ),
    ] = None
    hsts: Annotated[
        bool,
        ConfigKey(
            "Whether browsers must use TLS for this host name, on all ports, for a year (RFC 6797); only with "
            "`certificate`.",
            FLAG,
        ),
    ] = False
    proxies: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        ConfigKey("Trusted proxies: their X-Forwarded-For and X-Forwarded-Proto are used.", NETWORKS, roots=True),
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
        """`off`, `both` or `only`: the setting, else a default that suits the other settings."""
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
            "The user that the service runs as when root starts it; `root` stays root, without capabilities.",
            TEXT,
            example='"whitestat"',
            otherwise="`whitestat` if that user exists, else the number 60777",
            roots=True,
        ),
    ] = None


HOUR_S, DAY_S = 3_600, 86_400

LEAST_KEPT_S = {"second": 60, "minute": HOUR_S, "hour": 3 * DAY_S, "day": 63 * DAY_S}
"""Days are made of hours when they are over, and months of days."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the rows of each resolution are kept, in seconds, None for ever. Months are kept for ever."""

    second: Annotated[
        int | None, ConfigKey("Usage by second; the database is then written every second.", KEEPING_OR_NOT)
    ] = 0
    minute: Annotated[int | None, ConfigKey("Usage by minute; at least an hour.", KEEPING)] = 7 * DAY_S
    hour: Annotated[int | None, ConfigKey("Usage by hour; at least 3 days.", KEEPING)] = 400 * DAY_S
    day: Annotated[int | None, ConfigKey("Usage by day; at least 63 days.", KEEPING)] = None
    service_hour: Annotated[int | None, ConfigKey("Usage by service and hour.", KEEPING)] = 31 * DAY_S
    service_day: Annotated[int | None, ConfigKey("Usage by service and day.", KEEPING)] = 400 * DAY_S
    peer_day: Annotated[int | None, ConfigKey("Usage by peer and day.", KEEPING)] = 31 * DAY_S
    peer_month: Annotated[int | None, ConfigKey("Usage by peer and month.", KEEPING)] = 400 * DAY_S

    @property
    def finest_s(self) -> int:
        """The length of the shortest bucket that is kept."""
        return 60 if self.second == 0 else 1


@dataclass(frozen=True, slots=True)
class Store:
    """The database."""

    path: Annotated[
        Path,
        ConfigKey(
            "The database file; a relative path starts at the folder of the configuration file.",
            PATH,
            example='"/var/lib/whitestat/whitestat.db"',
            otherwise="`/var/lib/whitestat/whitestat.db`, or under `~/.local/share` if not root",
        ),
    ]
    flush_s: Annotated[
        int,
        ConfigKey(
            "How often usage is written; a power cut loses at most this much.",
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
            "The database of WhiteStat 1 to 11, imported at the first start.",
            PATH,
            example='"WhiteStat.db"',
            otherwise="`WhiteStat.db` beside the file, where there is one",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Lan:
    """Local networks and devices."""

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
            "Routers that forward for other devices: their traffic belongs to those devices.",
            MACS,
            example='["02:50:00:00:00:01"]',
        ),
    ] = ()
    segments: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        ConfigKey(
            "WhiteStat 5's LAN_SEGMENT_MASKS: local networks, listed by `/json/lansegments`; in tables of hosts, "
            "`routers` applies to these only.",
            NETWORKS,
            example='["192.168.50.0/24"]',
        ),
    ] = ()
    hear: Annotated[bool, ConfigKey("Whether to listen for the names that devices announce.", FLAG)] = True
    leases: Annotated[
        tuple[Path, ...],
        ConfigKey(
            "Lease files of the DHCP server, or folders of them.",
            PATHS,
            example='["/var/lib/misc/dnsmasq.leases"]',
            otherwise="the usual files of dnsmasq, Pi-hole, ISC dhcpd, Kea, systemd-networkd and udhcpd",
        ),
    ] = ()
    ip_mac: Annotated[
        Path | None,
        ConfigKey(
            "Map file: the MAC address to use for an IP address.",
            PATH,
            example='"IP_MAC.txt"',
            otherwise="`IP_MAC.txt` beside the database, where there is one",
        ),
    ] = None
    mac_mac: Annotated[
        Path | None,
        ConfigKey(
            "Map file: the MAC address to use for another MAC address.",
            PATH,
            example='"MAC_MAC.txt"',
            otherwise="`MAC_MAC.txt` beside the database, where there is one",
        ),
    ] = None
    mac_host: Annotated[
        Path | None,
        ConfigKey(
            "Map file: the name of a MAC address; `[[device]]` takes precedence.",
            PATH,
            example='"MAC_HOST.txt"',
            otherwise="`MAC_HOST.txt` beside the database, where there is one",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Billing:
    """The billing period that the word `cycle` stands for."""

    day: Annotated[
        int,
        ConfigKey(
            "The day of the month that it begins on; the last day in a shorter month, so 31 is always the last.",
            MONTH_DAY,
        ),
    ] = 1
    hour: Annotated[int, ConfigKey("The local hour that it begins at.", HOUR)] = 0


@dataclass(frozen=True, slots=True)
class Csv:
    """Logs in CSV, in the format of dalla-stats."""

    folder: Annotated[
        Path | None,
        ConfigKey("The folder of the logs; without it none are written.", PATH, '"/srv/whitestat/logs"'),
    ] = None
    every_s: Annotated[int, ConfigKey("How often a row is added.", DURATION, name="every")] = HOUR_S
    keep: Annotated[int, ConfigKey("How many months of logs are kept; monthly summaries are kept for ever.", SIZE)] = 12


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """A device listed in the configuration."""

    mac: Annotated[bytes, ConfigKey("MAC address of the device.", MAC, '"02:50:00:00:00:11"')]
    name: Annotated[str, ConfigKey("Name of the device.", TEXT, '"phone"')]
    person: Annotated[str | None, ConfigKey("Person who owns the device.", TEXT, '"Anna"')] = None


@dataclass(frozen=True, slots=True)
class Config:
    """All settings; `source` is the configuration file, None without one."""

    timezone: Annotated[
        str | None,
        ConfigKey(
            "Time zone that days, hours and periods are counted in.",
            ZONE,
            '"Europe/Stockholm"',
            otherwise="the system's",
        ),
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
    """Notices for the log about how the settings were read."""
    layers: Layers | None = field(default=None, compare=False, repr=False)
    """The files and variables that they come from."""

    @property
    def needs_tls(self) -> bool:
        """Whether the service serves TLS, or a collector may use TLS or other cryptography."""
        reads_tls = any(
            spec_of(point.collector).needs_tls or (point.url or "").startswith("https") for point in self.points
        )
        return self.web.certificate is not None or self.web.https_mode != "off" or reads_tls
