"""The configuration: `whitestat.toml` and the environment to frozen values; each key is declared here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from whitestat import legacy_config
from whitestat.errors import ConfigError
from whitestat.keys import (
    BASE,
    COLLECTOR,
    DURATION,
    FIRMWARE,
    FLAG,
    HOSTS,
    HOUR,
    KEEPING,
    LISTEN,
    MAC,
    MACS,
    MONTH_DAY,
    NAME,
    NETWORKS,
    PATH,
    PATHS,
    PATTERN,
    SIZE,
    TEXT,
    UNIT,
    URL,
    ZONE,
    Key,
    Reader,
    declared,
    shown,
)
from whitestat.plan_config import PLANS_MAX, PlanConfig, ShareConfig, TariffConfig, faults
from whitestat.units import duration_text, mac_bytes
from whitestat.watch_config import NotifyConfig, WatchConfig

PASSWORD = "WHITESTAT_PASSWORD_"  # noqa: S105 - the beginning of a name
"""Variables of the environment that begin so hold the password of the point whose name follows, in capitals."""

ON_AN_INTERFACE = ("kernel", "packet", "interface")
"""The collectors that cannot do without `interface`."""


_AT_HOME = "127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 ::1 fc00::/7 fe80::/10"
AT_HOME = tuple(map(ip_network, _AT_HOME.split()))
"""Where WhiteStat 5's addresses need no log-in in its place (RFC 1918, 3927, 4193, 4291)."""


@dataclass(frozen=True, slots=True)
class Web:
    """The pages and the API."""

    listen: Annotated[str, Key("Where they are served; port 0 takes any free one.", LISTEN)] = "127.0.0.1:7777"
    open: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Key("Networks that need no log-in to look; what comes through a proxy always does.", NETWORKS),
    ] = ()
    edit: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Key("Networks that need no log-in to look, and to edit devices and people.", NETWORKS),
    ] = ()
    open_v5: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Key(
            "Networks that need no log-in for the addresses of WhiteStat 5 (`/json`, `/table` and the like).",
            NETWORKS,
            example='["192.168.0.0/16"]',
            otherwise="none; in WhiteStat 5's place, without a whitestat.toml, private networks",
        ),
    ] = ()
    names: Annotated[
        tuple[str, ...], Key("Host names it may be opened by, besides this machine's own: a proxy's.", HOSTS)
    ] = ()
    base: Annotated[str, Key("The path that a proxy has in front of its addresses.", BASE)] = ""
    certificate: Annotated[
        Path | None,
        Key(
            "The file of the certificate, with those it is made by: then all is served by TLS.",
            PATH,
            example='"/etc/whitestat/certificate.pem"',
        ),
    ] = None
    key: Annotated[
        Path | None,
        Key("The file of the certificate's private key.", PATH, example='"/etc/whitestat/key.pem"'),
    ] = None
    proxies: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Key("Proxies that are believed when they say whom they ask for (X-Forwarded-For and -Proto).", NETWORKS),
    ] = ()

    @property
    def host(self) -> str:
        """Without the brackets of an IPv6 address."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


@dataclass(frozen=True, slots=True)
class Service:
    """The process."""

    user: Annotated[
        str | None,
        Key(
            "Whom it becomes once it meters, when started as root.",
            TEXT,
            example='"whitestat"',
            otherwise="`whitestat` where there is such a user, else `nobody`",
        ),
    ] = None


HOUR_S, DAY_S = 3_600, 86_400

LEAST_KEPT_S = {"minute": HOUR_S, "hour": 3 * DAY_S, "day": 63 * DAY_S}
"""Days are made of hours when they are over, and months of days."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the rows of each resolution are kept, in seconds, None for ever. Months always are."""

    minute: Annotated[int | None, Key("Usage of each minute; at least an hour.", KEEPING)] = 7 * DAY_S
    hour: Annotated[int | None, Key("Usage of each hour; at least 3 days.", KEEPING)] = 400 * DAY_S
    day: Annotated[int | None, Key("Usage of each day; at least 63 days.", KEEPING)] = None
    service_hour: Annotated[int | None, Key("What the usage of each hour was on.", KEEPING)] = 31 * DAY_S
    service_day: Annotated[int | None, Key("What the usage of each day was on.", KEEPING)] = 400 * DAY_S
    peer_day: Annotated[int | None, Key("With whom the usage of each day was.", KEEPING)] = 31 * DAY_S
    peer_month: Annotated[int | None, Key("With whom the usage of each month was.", KEEPING)] = 400 * DAY_S


@dataclass(frozen=True, slots=True)
class Store:
    """The database."""

    path: Annotated[
        Path,
        Key(
            "The file; a relative path starts at the folder of the configuration file.",
            PATH,
            example='"/var/lib/whitestat/whitestat.db"',
            otherwise="`/var/lib/whitestat/whitestat.db`, or under `~/.local/share` if not root",
        ),
    ]
    flush_s: Annotated[int, Key("How often usage is written: what a power cut can cost.", DURATION, name="flush")] = 30
    detail_s: Annotated[
        int,
        Key("How often services and peers are written.", DURATION, name="detail"),
    ] = 1800
    old: Annotated[
        Path | None,
        Key(
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
        Key(
            "Local networks, instead of the interface's own and private space; link-local space always is.",
            NETWORKS,
            example='["192.168.50.0/24"]',
        ),
    ] = ()
    routers: Annotated[
        tuple[bytes, ...],
        Key(
            "Routers that forward for others: what they carry is somebody else's.",
            MACS,
            example='["02:50:00:00:00:01"]',
        ),
    ] = ()
    segments: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Key(
            "WhiteStat 5's LAN_SEGMENT_MASKS: local too, told by `/json/lansegments`; of a table of hosts, `routers` "
            "leave out these alone.",
            NETWORKS,
            example='["192.168.50.0/24"]',
        ),
    ] = ()
    hear: Annotated[bool, Key("Whether to hear what devices call themselves.", FLAG)] = True
    leases: Annotated[
        tuple[Path, ...],
        Key(
            "Lease files of the DHCP server, or folders of them.",
            PATHS,
            example='["/var/lib/misc/dnsmasq.leases"]',
            otherwise="where dnsmasq, Pi-hole, ISC dhcpd, Kea, systemd-networkd and udhcpd keep them",
        ),
    ] = ()
    ip_mac: Annotated[
        Path | None,
        Key(
            "Map file: the MAC address that an IP address counts as.",
            PATH,
            example='"IP_MAC.txt"',
            otherwise="`IP_MAC.txt` beside the database, where there is one",
        ),
    ] = None
    mac_mac: Annotated[
        Path | None,
        Key(
            "Map file: a MAC address that counts as another one.",
            PATH,
            example='"MAC_MAC.txt"',
            otherwise="`MAC_MAC.txt` beside the database, where there is one",
        ),
    ] = None
    mac_host: Annotated[
        Path | None,
        Key(
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
        int, Key("The day of the month it begins on; in a shorter month the last, so 31 is always that.", MONTH_DAY)
    ] = 1
    hour: Annotated[int, Key("The local hour it begins at.", HOUR)] = 0


@dataclass(frozen=True, slots=True)
class Csv:
    """Logs in CSV, as dalla-stats wrote them."""

    folder: Annotated[
        Path | None, Key("The folder they are written to; without it there are none.", PATH, '"/srv/whitestat/logs"')
    ] = None
    every_s: Annotated[int, Key("How often a row is added.", DURATION, name="every")] = HOUR_S
    keep: Annotated[int, Key("For how many months they are kept; summaries of months are for ever.", SIZE)] = 12


@dataclass(frozen=True, slots=True)
class PointConfig:
    """Where octets are counted."""

    name: Annotated[str, Key("What the point is called.", NAME, '"lan"')]
    collector: Annotated[str, Key("How it counts.", COLLECTOR, '"kernel"')]
    interface: Annotated[
        str | None,
        Key("The network interface; kernel, packet and interface cannot do without.", TEXT, '"br0"'),
    ] = None
    counts: Annotated[bool, Key("Whether it counts people's usage; false for a referee.", FLAG)] = True
    url: Annotated[
        str | None, Key("Where a router or a darkstat answers.", URL, '"http://192.168.1.1"', hidden=True)
    ] = None
    interval_s: Annotated[int, Key("How often a router or a darkstat is asked.", DURATION, name="interval")] = 30
    only: Annotated[
        str | None,
        Key(
            "Leave out hosts in whose IP address this pattern is not found; darkstat alone.",
            PATTERN,
            r"'^192\.168\.1\.'",
        ),
    ] = None
    username: Annotated[
        str | None, Key("The name to log in with.", TEXT, '"admin"', otherwise="`admin`", hidden=True)
    ] = None
    password_file: Annotated[
        Path | None,
        Key("The file that holds the password.", PATH, '"/etc/whitestat/router.password"', hidden=True),
    ] = None
    password: Annotated[
        str | None,
        Key(
            "The password itself, in a file that its owner alone may read; WHITESTAT_PASSWORD_NAME of the environment "
            "goes before it.",
            TEXT,
            '"as on the label"',
            hidden=True,
        ),
    ] = field(default=None, repr=False)
    firmware: Annotated[
        str | None,
        Key("Which firmware a huawei-b593 has.", FIRMWARE, '"V100R001C07SP102"', otherwise="as its pages tell"),
    ] = None
    unit: Annotated[
        str | None,
        Key(
            "What a huawei-b593 counts in; kB are 1,024 octets.",
            UNIT,
            '"kB"',
            otherwise="kB for firmware V100R001, bytes for V200R001",
        ),
    ] = None
    flows: Annotated[int, Key("Flows the kernel can tell apart at once.", SIZE)] = 65_536
    wait: Annotated[bool, Key("Whether to wait for an interface that is not there when the service starts.", FLAG)] = (
        False
    )
    promiscuous: Annotated[
        bool, Key("Whether to take frames meant for others too: for a mirror port (kernel and packet).", FLAG)
    ] = False
    devices: Annotated[int, Key("Devices it can tell apart once its flows are full.", SIZE)] = 4_096


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """A device that is known beforehand."""

    mac: Annotated[bytes, Key("Its link address.", MAC, '"02:50:00:00:00:11"')]
    name: Annotated[str, Key("What it is called.", TEXT, '"phone"')]
    person: Annotated[str | None, Key("Whose it is.", TEXT, '"Anna"')] = None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything there is to set; `source` is the file it came from, None without one."""

    timezone: Annotated[
        str | None,
        Key("Where days begin and end.", ZONE, '"Europe/Stockholm"', otherwise="the system's"),
    ]
    web: Web
    service: Service
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


class _Section(NamedTuple):
    """A table of the file; `many` tables of that name make a list."""

    name: str
    holds: type
    sentence: str
    many: bool = False


_SECTIONS = (
    _Section("web", Web, "The pages and the API."),
    _Section("service", Service, "The process."),
    _Section("store", Store, "The database."),
    _Section("store.retention", Retention, "How long usage is kept; that of months always is."),
    _Section("lan", Lan, "What is local."),
    _Section("billing", Billing, "The billing period, which `cycle` names in questions."),
    _Section("csv", Csv, "Logs in CSV, a month a folder, as dalla-stats wrote them."),
    _Section(
        "point",
        PointConfig,
        "Where octets are counted; without any, the interface of the default route.",
        many=True,
    ),
    _Section("device", DeviceConfig, "Devices that are known beforehand.", many=True),
    _Section("plan", PlanConfig, "What a line may carry in a period, of everyone or of somebody.", many=True),
    _Section("plan.tariff", TariffConfig, "Times of the plan above that count otherwise.", many=True),
    _Section("plan.share", ShareConfig, "A person's share of the plan above.", many=True),
    _Section("watch", WatchConfig, "What is told without asking; all of it is in the list of events."),
    _Section("notify", NotifyConfig, "Where messages go."),
)

_PARTS = {"tariff": "tariffs", "share": "given"}
"""The tables within a plan, and the fields that hold them."""


class _Variable(NamedTuple):
    """A variable of the environment: the section and field it sets, what it is and how it is read."""

    section: str
    field: str
    words: str
    read: Callable[[str], object]


_VARIABLES = {
    "DATA_STORE": _Variable("store", "path", "the folder of whitestat.db", lambda v: Path(v) / "whitestat.db"),
    "SERVER_PORT": _Variable(
        "web", "listen", "a port from 0 to 65535, on every address", lambda v: LISTEN.read(f"0.0.0.0:{v}")
    ),
    "TZ": _Variable("", "timezone", ZONE.words, lambda v: ZONE.read(v.removeprefix(":"))),
    "DARKSTAT_URL": _Variable("point", "url", f"{URL.words}: the darkstat to read", URL.read),
    "LAN_SEGMENT_MASKS": _Variable(
        "lan",
        "segments",
        "beginnings of IPv4 addresses like 192.168.1|10.0",
        lambda v: tuple(map(ip_network, legacy_config.networks(v))),
    ),
    "LAN_ROUTERS_TO_SKIP": _Variable(
        "lan",
        "routers",
        "MAC addresses with | between them",
        lambda v: tuple(map(mac_bytes, legacy_config.routers(v))),
    ),
}


def load(path: Path | None, environ: Mapping[str, str], *, root: bool) -> Config:
    """The values of the file, or of none, under those of the environment and over the defaults.

    Without a file, one of WhiteStat 5 in the folder `DATA_STORE` is read. `root` picks the default place of the
    database. Raises ConfigError with every fault there is.
    """
    path = path or _left_behind(environ)
    reader, notices = Reader(path, _homes()), list[str]()
    values = _read(reader, _document(path, notices) if path else {})
    _follow_v5(path, environ, values["web"], notices)
    faults = [*reader.faults, *_exposed(path, values["point"]), *_take(environ, values, notices)]
    faults += _take_passwords(environ, values["point"], notices)
    if faults:
        raise ConfigError(*faults)
    return Config(
        timezone=values[""].get("timezone"),
        web=Web(**values["web"]),
        service=Service(**values["service"]),
        store=Store(**{"path": _store_path(environ, root=root), **values["store"]}),
        lan=Lan(**values["lan"]),
        points=tuple(PointConfig(**row) for row in values["point"]),
        devices=tuple(DeviceConfig(**row) for row in values["device"]),
        source=str(path) if path else None,
        billing=Billing(**values["billing"]),
        retention=Retention(**values["store.retention"]),
        plans=tuple(map(_plan, values["plan"])),
        csv=Csv(**values["csv"]),
        watch=WatchConfig(**values["watch"]),
        notify=NotifyConfig(**values["notify"]),
        notices=tuple(notices),
    )


def _follow_v5(path: Path | None, environ: Mapping[str, str], web: dict[str, Any], notices: list[str]) -> None:
    """In WhiteStat 5's place its addresses stay as they were for workbooks and scripts at home."""
    in_place = path.suffix == ".json" if path else bool(environ.get("DATA_STORE"))
    if in_place:
        web["open_v5"] = AT_HOME
        notices.append(
            "in WhiteStat 5's place: its addresses (/json, /table, /history) need no log-in from private networks, as "
            "before; all others do (web.open_v5 of a whitestat.toml says otherwise)"
        )


def _plan(row: Mapping[str, Any]) -> PlanConfig:
    parts = {
        "tariffs": tuple(TariffConfig(**each) for each in row["tariffs"]),
        "given": tuple(ShareConfig(**each) for each in row["given"]),
    }
    return PlanConfig(**{**row, **parts})


def _left_behind(environ: Mapping[str, str]) -> Path | None:
    """The file of WhiteStat 5, where there is one."""
    path = Path(environ.get("DATA_STORE", "")) / legacy_config.NAME
    return path if environ.get("DATA_STORE") and path.exists() else None


def _document(path: Path, notices: list[str]) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text at octet {error.start}") from None
    try:
        if path.suffix == ".json":
            legacy = legacy_config.document(text)
            notices += [f"{path}: {each}" for each in ("read as WhiteStat 5 wrote it", *legacy.notices)]
            return legacy.document
        import tomllib  # half a megabyte that who starts by the environment alone never needs

        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        said = str(error) if path.suffix == ".json" else _syntax(str(error), text)
        raise ConfigError(f"{path}: {said}") from None


def _syntax(said: str, text: str) -> str:
    """What the parser said, with the place in front, where people and editors look for it."""
    found = re.fullmatch(r"(.*) \(at (.*)\)", said, re.DOTALL)
    what, place = found.groups() if found else (said, "not TOML")
    place = place.replace("end of document", f"line {len(text.splitlines())}")
    return f"{place}: {what[:1].lower()}{what[1:]}"


def _read(reader: Reader, document: Mapping[str, Any]) -> dict[str, Any]:
    """By section what the document gives: field values, or a list of them; the top level is section ''."""
    values: dict[str, Any] = {"": reader.table(Config, document, "", _within(""))}
    for section in _SECTIONS:
        if section.name.startswith("plan."):  # within each plan
            continue
        raw = _found(document, section)
        values[section.name] = (_rows if section.many else _table)(reader, section, raw)
    _check_retention(reader, values["store.retention"])
    _read_plans(reader, document.get("plan", []), values)
    return values


def _read_plans(reader: Reader, raw: object, values: Mapping[str, list[dict[str, Any]]]) -> None:
    """The tables within each plan, and what does not go together."""
    plans = values["plan"]
    points = [str(each["name"]) for each in values["point"] if "name" in each]
    if len(plans) > PLANS_MAX:
        reader.fault("plan", f"there may be at most {PLANS_MAX}, got {len(plans)}")
    for number, (table, row) in enumerate(zip(raw if isinstance(raw, list) else (), plans, strict=False), 1):
        where = f"plan[{number}]"
        for section in _SECTIONS:
            parent, _, name = section.name.partition(".")
            if parent == "plan" and name:
                row[_PARTS[name]] = _rows(reader, section, table.get(name, []), f"{where}.{name}")
        for key, what in faults(row, points):
            reader.fault(f"{where}.{key}", what)


def _within(parent: str) -> list[str]:
    """The names of the tables within a section."""
    return [section.name.rpartition(".")[2] for section in _SECTIONS if section.name.rpartition(".")[0] == parent]


def _found(document: Mapping[str, Any], section: _Section) -> object:
    *parents, name = section.name.split(".")
    for parent in parents:
        within = document.get(parent, {})
        document = within if isinstance(within, dict) else {}  # told where the parent is read
    return document.get(name, [] if section.many else {})


def _check_retention(reader: Reader, kept: Mapping[str, int | None]) -> None:
    for name, least_s in LEAST_KEPT_S.items():
        kept_s = kept.get(name)
        if kept_s is not None and kept_s < least_s:
            reader.fault(f"store.retention.{name}", f"must be at least {shown(duration_text(least_s))}")


def _table(reader: Reader, section: _Section, raw: object) -> dict[str, Any]:
    if isinstance(raw, dict):
        return reader.table(section.holds, raw, f"{section.name}.", _within(section.name))
    reader.fault(section.name, f"must be a table, got {shown(raw)}")
    return {}


def _rows(reader: Reader, section: _Section, raw: object, place: str = "") -> list[dict[str, Any]]:
    """`place` is where the tables are, where that is not the section's name."""
    place = place or section.name
    if not isinstance(raw, list) or not all(isinstance(row, dict) for row in raw):
        reader.fault(place, f"must be tables under [[{section.name}]], got {shown(raw)}")
        return []
    rows = [reader.table(section.holds, row, f"{place}[{n}].", _within(section.name)) for n, row in enumerate(raw, 1)]
    first = declared(section.holds)[0]
    seen: dict[object, int] = {}
    for number, (row, values) in enumerate(zip(raw, rows, strict=True), 1):
        where, name = f"{place}[{number}]", values.get(first.field)
        if name is not None and seen.setdefault(name, number) != number:
            reader.fault(f"{where}.{first.name}", f"{shown(row[first.name])} is {place}[{seen[name]}] already")
        if values.get("collector") in ON_AN_INTERFACE and "interface" not in row:
            reader.fault(f"{where}.interface", f"is missing: collector {values['collector']!r} needs it")
    return rows


def _take(environ: Mapping[str, str], values: dict[str, Any], notices: list[str]) -> Iterator[str]:
    """Puts the environment's values over those of the file, with a notice; yields the faults. Empty counts as unset."""
    for name, variable in _VARIABLES.items():
        text = environ.get(name, "")
        # Some systems name TZ's own default in every process's environment.
        if not text or text.removeprefix(":") == "/etc/localtime":
            continue
        try:
            value = variable.read(text)
        except ValueError:
            yield f"environment: {name}: must be {variable.words}, got {shown(text)}"
            continue
        fields = _darkstat_point(values["point"]) if variable.section == "point" else values[variable.section]
        if fields.get(variable.field, value) != value:
            notices.append(f"{name} of the environment goes before the configuration file")
        fields[variable.field] = value


def _exposed(path: Path | None, points: list[dict[str, Any]]) -> Iterator[str]:
    """Passwords in a file that others may read."""
    for number, point in enumerate(points, 1):
        if path and "password" in point and path.stat().st_mode & 0o077:
            yield f"{path}: point[{number}].password: others may read this file: chmod 600 {path}, or use password_file"


def _take_passwords(environ: Mapping[str, str], points: list[dict[str, Any]], notices: list[str]) -> Iterator[str]:
    """Puts passwords of the environment over those of the file; yields the faults."""
    names = {f"{PASSWORD}{str(point.get('name', '')).upper().replace('-', '_')}": point for point in points}
    for name, text in environ.items():
        if not name.startswith(PASSWORD) or not text:
            continue
        if name not in names:
            notices.append(f"{name} of the environment belongs to no point")
            continue
        try:
            names[name]["password"] = TEXT.read(text)
        except ValueError:
            yield f"environment: {name}: must be {TEXT.words}"


def _darkstat_point(points: list[dict[str, Any]]) -> dict[str, Any]:
    """The point that reads a darkstat; one more where there is none."""
    for point in points:
        if point.get("collector") == "darkstat":
            return point
    points.append({"name": legacy_config.POINT, "collector": "darkstat"})
    return points[-1]


def _store_path(environ: Mapping[str, str], *, root: bool) -> Path:
    """The default database: the system's as root, else the user's (a relative XDG folder is void)."""
    if root:
        return Path("/var/lib/whitestat/whitestat.db")
    data = Path(environ.get("XDG_DATA_HOME", ""))
    if not data.is_absolute():
        data = Path(environ.get("HOME") or Path.home()) / ".local/share"
    return data / "whitestat/whitestat.db"


def _homes() -> dict[str, str]:
    """Where each key belongs that some table has, but not the one it was found in."""
    return {one.name: f"{section.name}.{one.name}" for section in _SECTIONS for one in declared(section.holds)}


def example() -> str:
    """A configuration file that loads as it is and sets nothing but defaults; all else waits behind `#`."""
    lines = ["# Take the # from the front of a key to set it; what has none in front is the default.", ""]
    lines += _lines(Config)
    for section in _SECTIONS:
        title = f"#[[{section.name}]]" if section.many else f"[{section.name}]"
        lines += ["", f"# {section.sentence}", title, *_lines(section.holds, off=section.many)]
    return "\n".join(lines) + "\n"


def _lines(holds: type, *, off: bool = False) -> Iterator[str]:
    for one in declared(holds):
        yield f"# {one.key.sentence} ({one.key.kind.words})"
        yield f"{'#' if off or one.key.example else ''}{one.name} = {one.toml}"


def reference() -> str:
    """Every key and every variable of the environment, as Markdown tables."""
    lines = ["| key | value | default | what it is |", "|---|---|---|---|"]
    for prefix, holds in [("", Config), *((f"{section.name}.", section.holds) for section in _SECTIONS)]:
        for one in declared(holds):
            cells = (f"`{prefix}{one.name}`", one.key.kind.words, one.default_text, one.key.sentence)
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| variable | value | key it goes before |", "|---|---|---|"]
    for name, variable in _VARIABLES.items():
        lines.append(f"| `{name}` | {variable.words} | `{f'{variable.section}.{variable.field}'.lstrip('.')}` |")
    lines.append(f"| `{PASSWORD}NAME` | {TEXT.words}; NAME as in `point.name`, - as _ | `point.password` |")
    return "\n".join(lines) + "\n"
