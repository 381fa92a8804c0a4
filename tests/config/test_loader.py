"""The configuration file and the environment: what each key does and what each fault says."""

import os
import re
import string
import subprocess
import sys
import tempfile
from dataclasses import fields
from datetime import date
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.configuration import HOME, faults, read
from whitestat.config.alerts import NotifyConfig, WatchConfig
from whitestat.config.loader import load
from whitestat.config.plans import PlanConfig, ShareConfig, TariffConfig
from whitestat.config.points import PointConfig
from whitestat.config.reference import example, reference
from whitestat.config.schema import declared
from whitestat.config.sections import Billing, Config, Csv, DeviceConfig, Lan, Retention, ServiceConfig, Store, Web
from whitestat.core.collector_specs import NAMES, SPECS, CollectorSpec
from whitestat.core.errors import ConfigError
from whitestat.plans.tariff import Window

POINT = '[[point]]\nname = "lan"\ncollector = "kernel"\ninterface = "br0"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "whitestat.toml"


POLLED = '[[point]]\nname = "d"\ncollector = "darkstat"\nurl = "http://127.0.0.1:667"\ninterval = "60s"\n'
KERNEL = '[[point]]\nname = "lan"\ncollector = "kernel"\ninterface = "br0"\n'


def test_without_a_file_everything_has_its_default() -> None:
    assert load(None, HOME, root=False) == Config(
        timezone=None,
        web=Web("127.0.0.1:7777"),
        service=ServiceConfig(),
        store=Store(Path("/home/anna/.local/share/whitestat/whitestat.db"), 30),
        lan=Lan((), ()),
        points=(),
        devices=(),
        source=None,
    )


OFF_PEAK = (
    Window("", frozenset(range(7)), 22 * 60, 6 * 60),
    Window("", frozenset((5, 6)), 600, 720),
    Window("", frozenset((4, 5, 6, 0)), 0, 1440),
)
LEASES = (Path("/run/leases"), Path("own.leases"))


def test_every_key_has_its_effect(file: Path) -> None:
    text = """
        timezone = "Europe/Stockholm"
        [web]
        listen = "[::1]:8080"
        [store]
        path = "/srv/usage.db"
        flush = "1s"
        detail = "10m"
        old = "old.db"
        [store.retention]
        second = "1h"
        minute = "31d"
        hour = "forever"
        day = "3650d"
        service_hour = "1d"
        service_day = "2d"
        peer_day = "3d"
        peer_month = "forever"
        [lan]
        networks = ["192.168.50.7/24", "2001:db8::/64"]
        routers = ["02-50-00-00-00-01"]
        segments = ["192.168.51.0/24"]
        hear = false
        leases = ["/run/leases", "own.leases"]
        ip_mac = "/srv/ip"
        mac_mac = "mac"
        mac_host = "names"
        [csv]
        folder = "logs"
        every = "5m"
        keep = 3
        [billing]
        day = 31
        hour = 6
        [[point]]
        name = "lan"
        collector = "kernel"
        interface = "br0"
        counts = false
        flows = 1024
        devices = 64
        [[point]]
        name = "router"
        collector = "archer-c20"
        url = "http://192.168.1.1"
        interval = 60
        only = '^192\\.168\\.'
        username = "admin"
        password_file = "/etc/whitestat/router.password"
        firmware = "V200R001"
        unit = "bytes"
        [[device]]
        mac = "02:50:00:00:00:11"
        name = "phone"
        person = "Anna"
        [[plan]]
        name = "line"
        allowance = "400GB"
        period = "month"
        begins = 31
        hour = 6
        direction = "in"
        otherwise = "peak"
        carry_over = "20GiB"
        shares = "none"
        point = "router"
        of = "person Anna"
        [[plan.tariff]]
        name = "off-peak"
        when = ["22:00-06:00", "sat, Sun 10:00-12:00", "fri-mon"]
        allowance = "1TB"
        factor = "half"
        [[plan.share]]
        person = "Bo"
        parts = 2
        allowance = "1.5GB"
        [[plan]]
        name = "week"
        period = "week"
        begins = "sunday"
        shares = "equal"
        [[plan]]
        name = "thirty"
        period = "30d"
        begins = 2026-11-01
        """
    assert read(file, text) == Config(
        timezone="Europe/Stockholm",
        web=Web("[::1]:8080"),
        service=ServiceConfig(),
        store=Store(Path("/srv/usage.db"), 1, 600, file.parent / "old.db"),
        lan=Lan(
            (ip_network("192.168.50.0/24"), ip_network("2001:db8::/64")),
            (b"\x02\x50\0\0\0\x01",),
            (ip_network("192.168.51.0/24"),),
            False,
            LEASES,
            Path("/srv/ip"),
            file.parent / "mac",
            file.parent / "names",
        ),
        points=(
            PointConfig("lan", "kernel", "br0", counts=False, flows=1024, devices=64),
            PointConfig(
                "router",
                "archer-c20",
                url="http://192.168.1.1",
                interval_s=60,
                only=r"^192\.168\.",
                username="admin",
                password_file=Path("/etc/whitestat/router.password"),
                firmware="V200R001",
                unit="bytes",
            ),
        ),
        devices=(DeviceConfig(b"\x02\x50\0\0\0\x11", "phone", "Anna"),),
        source=str(file),
        billing=Billing(31, 6),
        csv=Csv(file.parent / "logs", 300, 3),
        retention=Retention(3_600, 31 * 86_400, None, 3650 * 86_400, 86_400, 2 * 86_400, 3 * 86_400, None),
        plans=(
            PlanConfig(
                "line",
                allowance=400 * 10**9,
                begins=31,
                hour=6,
                direction="in",
                otherwise="peak",
                carry_over=20 * 2**30,
                point="router",
                of=("person", "Anna"),
                tariffs=(TariffConfig("off-peak", OFF_PEAK, 10**12, 50),),
                given=(ShareConfig("Bo", 2, 1_500_000_000),),
            ),
            PlanConfig("week", period=("week", 1), begins="sunday", shares="equal"),
            PlanConfig("thirty", period=("days", 30), begins=date(2026, 11, 1)),
        ),
    )


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("127.0.0.1:7777", "127.0.0.1", 7777),
        ("[::1]:65535", "::1", 65535),
        ("localhost:0", "localhost", 0),
        ("nas-2.home.arpa:80", "nas-2.home.arpa", 80),
    ],
)
def test_listen_names_a_host_and_a_port(file: Path, listen: str, host: str, port: int) -> None:
    web = read(file, f'[web]\nlisten = "{listen}"').web
    assert (web.host, web.port) == (host, port)


@pytest.mark.parametrize(
    "listen",
    [
        "7777",
        ":7777",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "::1:7777",
        "[::g]:7777",
        "[127.0.0.1]:80",
        "300.0.0.1:80",
        "a/b:80",
        "http://host:80",
        "host:٨٠",
        "0.0.0.0:80:80",
        "-host:80",
    ],
)
def test_what_is_no_host_and_port_is_refused(file: Path, listen: str) -> None:
    text = f'[web]\nlisten = "{listen}"'
    assert faults(file, text) == [f"web.listen: must be host:port like 127.0.0.1:7777 or [::1]:7777, got {listen!r}"]


def test_every_fault_is_told_at_once_with_file_key_and_value(file: Path) -> None:
    text = """
        timezone = "Europe/Stokholm"
        colour = "red"
        [web]
        lisen = 80
        listen = 5
        [store]
        flush = "500ms"
        [lan]
        networks = ["10.0.0.0/8", "10.0.0.0/99", "fe80::%eth0/64", 7]
        routers = "02:50:00:00:00:01"
        [[point]]
        name = "LAN"
        collector = "kernle"
        counts = 1
        flows = true
        devices = 0
        [[point]]
        collector = "kernel"
        [[device]]
        mac = "02:50"
        name = " "
        """
    with pytest.raises(ConfigError) as caught:
        read(file, text)
    assert str(caught.value).splitlines() == [
        f"{file}: {fault}"
        for fault in [
            "colour: unknown key 'colour' (did you mean 'store'?)",
            "timezone: must be a time zone like Europe/Stockholm, got 'Europe/Stokholm'",
            "web.lisen: unknown key 'lisen' (did you mean 'listen'?)",
            "web.listen: must be text, got 5",
            'store.flush: must be a duration from "1s" to "1h", got \'500ms\'',
            "lan.networks: must be networks like 192.168.50.0/24, got '10.0.0.0/99', 'fe80::%eth0/64', 7",
            "lan.routers: must be a list of MAC addresses like 02:50:00:00:00:11, got '02:50:00:00:00:01'",
            "point[1].name: must be 1 to 32 of a-z, 0-9, - and _, got 'LAN'",
            f"point[1].collector: must be one of {', '.join(NAMES)}, or of an installed package, got 'kernle'",
            "point[1].counts: must be true or false, got 1",
            "point[1].flows: must be a whole number, got true",
            "point[1].devices: must be a whole number from 1 to 1048576, got 0",
            "point[2].name: is missing",
            "device[1].mac: must be a MAC address like 02:50:00:00:00:11, got '02:50'",
            "device[1].name: must be one line of text, got ' '",
            "point[2].interface: is missing: collector 'kernel' needs it",
        ]
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("timezoen = 1", "timezoen: unknown key 'timezoen' (did you mean 'timezone'?)"),
        ("[Web]", "Web: unknown key 'Web' (did you mean 'web'?)"),
        ("[[devices]]", "devices: unknown key 'devices' (did you mean 'device'?)"),
        ('listen = "x"', "listen: unknown key 'listen' (did you mean 'web.listen'?)"),
        (POINT + "inteval = 5", "point[1].inteval: unknown key 'inteval' (did you mean 'interval'?)"),
        ('[web]\n"a\\nb" = 1', "web.'a\\nb': unknown key 'a\\nb' (did you mean 'base'?)"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_right_one(file: Path, text: str, fault: str) -> None:
    assert faults(file, text) == [fault]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("web = 5", "web: must be a table, got 5"),
        ("[[web]]", "web: must be a table, got a list"),
        ("[point]\nname = 'lan'", "point: must be tables under [[point]], got a table"),
        ("device = ['phone']", "device: must be tables under [[device]], got a list"),
        ("[store]\nflush = 1.5", "store.flush: must be text or a whole number, got 1.5"),
        ("[store]\nflush = 0", 'store.flush: must be a duration from "1s" to "1h", got 0'),
        ("[store]\nflush = '61m'", 'store.flush: must be a duration from "1s" to "1h", got \'61m\''),
        ("[store]\nretention = 7", "store.retention: must be a table, got 7"),
        ("[store.retention]\nhour = '2d'", "store.retention.hour: must be at least '3d'"),
        ("[store.retention]\nsecond = '59s'", "store.retention.second: must be at least '1m'"),
        (
            "[store]\nflush = '30s'\n[store.retention]\nsecond = '1h'",
            "store.flush: must be \"1s\" where seconds are kept (store.retention.second), got '30s'",
        ),
        ("[store.retention]\nday = 9", "store.retention.day: must be text, got 9"),
        ("[store.retention]\nhours = '9d'", "store.retention.hours: unknown key 'hours' (did you mean 'hour'?)"),
        ("[billing]\nday = 0", "billing.day: must be a whole number from 1 to 31, got 0"),
        ("[billing]\nday = 32", "billing.day: must be a whole number from 1 to 31, got 32"),
        ("[billing]\nhour = 24", "billing.hour: must be a whole number from 0 to 23, got 24"),
        ("[billing]\nhour = -1", "billing.hour: must be a whole number from 0 to 23, got -1"),
        ("[store]\npath = ''", "store.path: must be a path, got ''"),
        ("timezone = 2026-11-23", "timezone: must be text, got 2026-11-23"),
        (
            "timezone = '../etc/passwd'",
            "timezone: must be a time zone like Europe/Stockholm, got '../etc/passwd'",
        ),
        ("timezone = 'Europe'", "timezone: must be a time zone like Europe/Stockholm, got 'Europe'"),
        ("timezone = ''", "timezone: must be a time zone like Europe/Stockholm, got ''"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_with_what_it_must_be(file: Path, text: str, fault: str) -> None:
    assert faults(file, text) == [fault]


def test_two_points_cannot_have_one_name_nor_two_devices_one_mac(file: Path) -> None:
    text = POINT * 2 + "".join(
        f'[[device]]\nmac = "{mac}"\nname = "phone"\n' for mac in ("02:50:00:00:00:1a", "02-50-00-00-00-1A")
    )
    assert faults(file, text) == [
        "point[2].name: 'lan' is point[1] already",
        "device[2].mac: '02-50-00-00-00-1A' is device[1] already",
    ]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_point_without_what_its_collector_needs_is_refused_with_the_key(file: Path, spec: CollectorSpec) -> None:
    text = f'[[point]]\nname = "tp-link"\ncollector = "{spec.name}"'
    needed = {
        "interface": f"point[1].interface: is missing: collector {spec.name!r} needs it",
        "url": f"point[1].url: is missing: collector {spec.name!r} needs it",
        "password": f"point[1].password_file: is missing: collector {spec.name!r} needs it, or "
        "WHITESTAT_PASSWORD_TP_LINK in the environment",
    }
    assert sorted(faults(file, text)) == sorted(needed[need] for need in spec.needs)


def test_what_the_environment_gives_is_not_missing(file: Path) -> None:
    file.write_text('[[point]]\nname = "tp-link"\ncollector = "archer-c20"\nurl = "http://192.0.2.1"\n')
    assert load(file, {"WHITESTAT_PASSWORD_TP_LINK": "secret"}, root=True).points[0].password == "secret"
    file.write_text('[[point]]\nname = "p"\ncollector = "darkstat"\n')
    assert load(file, {"DARKSTAT_URL": "http://192.0.2.1"}, root=True).points[0].url == "http://192.0.2.1"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[web]\nlisten = ", "line 2: invalid value"),
        (b"[web\n", "line 1, column 5: expected ']' at the end of a table declaration"),
        (b"a = 1\na = 2", "line 2: cannot overwrite a value"),
        (b'timezone = "\xff"', "not UTF-8 text at octet 12"),
    ],
)
def test_a_file_that_is_no_toml_is_told_with_the_place(file: Path, content: bytes, fault: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(file, HOME, root=False)
    assert str(caught.value) == f"{file}: {fault}"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path / 'none.toml'}: cannot be read: no such file")):
        load(tmp_path / "none.toml", HOME, root=False)
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path}: cannot be read: is a directory")):
        load(tmp_path, HOME, root=False)


@pytest.mark.parametrize("text", ["a = " + "[" * 9_000, "a = " + "9" * 9_000])
def test_a_file_that_overstrains_the_parser_is_refused_like_any_other(file: Path, text: str) -> None:
    assert len(faults(file, text)) == 1


@pytest.mark.parametrize(
    "line",
    [
        'password = "hunter2"',
        'url = "http://admin:hunter2@192.168.1.1"',
        'url = "ftp://hunter2"',
        'url = ["hunter2"]',
        "username = ['hunter2']",
        'username = "hunter2\\n"',
        "password_file = { is = 'hunter2' }",
        'password_file = "hunter2\\u0000"',
    ],
)
def test_what_may_be_a_secret_is_never_printed(file: Path, line: str) -> None:
    (fault,) = faults(file, POINT + line)
    assert fault.startswith(f"point[1].{line.split(maxsplit=1)[0]}: ")
    assert "hunter2" not in fault


def test_a_password_needs_a_file_that_nobody_else_may_read(file: Path) -> None:
    (fault,) = faults(file, f'{POINT}password = "hunter2"')
    assert fault == f"point[1].password: others may read this file: chmod 600 {file}, or use password_file"
    file.chmod(0o600)
    config = read(file, f'{POINT}password = "hunter2"')
    assert config.points[0].password == "hunter2"
    assert "hunter2" not in repr(config)


def test_a_password_of_the_environment_goes_before_that_of_the_file(file: Path) -> None:
    file.touch(0o600)
    router = '[[point]]\nname = "tp-link"\ncollector = "archer-c20"\nurl = "http://192.0.2.1"\npassword = "old"'
    config = read(file, router, WHITESTAT_PASSWORD_TP_LINK="hunter2", WHITESTAT_PASSWORD_OTHER="x")
    assert config.points[0].password == "hunter2"
    assert config.notices == ("WHITESTAT_PASSWORD_OTHER of the environment matches no point",)
    (fault,) = faults(file, router, WHITESTAT_PASSWORD_TP_LINK="hunter2\n")
    assert fault == "environment: WHITESTAT_PASSWORD_TP_LINK: must be one line of text"


@pytest.mark.parametrize(
    "url", ["", "192.168.1.1", "http://", "http://host:99999", "http://[::1", "http://a b", "http://a\\n"]
)
def test_what_is_no_address_of_a_router_is_refused(file: Path, url: str) -> None:
    (fault,) = faults(file, f'{POINT}url = "{url}"')
    assert fault.startswith("point[1].url: must be an address like http://192.168.1.1")


def test_the_environment_wins_over_the_file(file: Path) -> None:
    text = "timezone = 'Asia/Tokyo'\n[web]\nlisten = '127.0.0.1:1'\n[store]\npath = '/srv/a.db'\nflush = '5s'"
    config = read(file, text, DATA_STORE="/data", SERVER_PORT="80", TZ="Asia/Kathmandu")
    assert config.timezone == "Asia/Kathmandu"
    assert config.web.listen == "0.0.0.0:80"
    assert config.store == Store(Path("/data/whitestat.db"), 5)


@pytest.mark.parametrize(("tz", "zone"), [(":UTC", "UTC"), ("", "Asia/Tokyo"), (":/etc/localtime", "Asia/Tokyo")])
def test_a_tz_that_says_nothing_leaves_the_file_its_say(file: Path, tz: str, zone: str) -> None:
    assert read(file, 'timezone = "Asia/Tokyo"', TZ=tz).timezone == zone


def test_empty_variables_count_as_unset() -> None:
    empty = {"DATA_STORE": "", "SERVER_PORT": "", "TZ": "", "XDG_DATA_HOME": ""}
    assert load(None, HOME | empty, root=False) == load(None, HOME, root=False)


def test_faults_of_the_environment_join_those_of_the_file(file: Path) -> None:
    assert faults(file, "[web]\nlisen = 1", SERVER_PORT="http", TZ="Mars/Olympus") == [
        "web.lisen: unknown key 'lisen' (did you mean 'listen'?)",
        "environment: SERVER_PORT: must be a port from 0 to 65535, on every address, got 'http'",
        "environment: TZ: must be a time zone like Europe/Stockholm, got 'Mars/Olympus'",
    ]


@pytest.mark.parametrize(
    ("environ", "root", "path"),
    [
        (HOME, True, "/var/lib/whitestat/whitestat.db"),
        (HOME, False, "/home/anna/.local/share/whitestat/whitestat.db"),
        (HOME | {"XDG_DATA_HOME": "/data"}, False, "/data/whitestat/whitestat.db"),
        (HOME | {"XDG_DATA_HOME": "data"}, False, "/home/anna/.local/share/whitestat/whitestat.db"),
        (HOME | {"XDG_DATA_HOME": "/data"}, True, "/var/lib/whitestat/whitestat.db"),
    ],
)
def test_the_database_has_a_place_of_its_own(environ: dict[str, str], root: bool, path: str) -> None:
    assert load(None, environ, root=root).store.path == Path(path)


def test_relative_paths_start_at_the_folder_of_the_file(file: Path) -> None:
    config = read(file, f'[store]\npath = "usage.db"\n{POINT}password_file = "secret"')
    assert config.store.path == file.parent / "usage.db"
    assert config.points[0].password_file == file.parent / "secret"


def test_the_example_loads_and_changes_nothing(file: Path) -> None:
    loaded = read(file, example())
    default = load(None, HOME, root=False)
    places = ("source", "layers")
    assert [getattr(loaded, f.name) for f in fields(Config) if f.name not in places] == [
        getattr(default, f.name) for f in fields(Config) if f.name not in places
    ]


def test_the_example_loads_with_every_key_switched_on(file: Path) -> None:
    file.touch(0o600)
    config = read(file, re.sub(r"^#(?! )", "", example(), flags=re.MULTILINE))
    for part in (config, config.store, config.lan, *config.points, *config.devices):
        assert all(getattr(part, one.field) not in (None, ()) for one in declared(type(part)))
    assert len(config.points) == len(config.devices) == 1


def test_the_reference_tells_every_key_and_every_variable() -> None:
    rows = [line.split(" | ") for line in reference().splitlines() if line.startswith("| `")]
    told = {row[0].strip("|` ") for row in rows}
    holders = {
        "": Config,
        "web.": Web,
        "service.": ServiceConfig,
        "store.": Store,
        "store.retention.": Retention,
        "billing.": Billing,
        "csv.": Csv,
        "lan.": Lan,
        "point.": PointConfig,
        "device.": DeviceConfig,
        "plan.": PlanConfig,
        "plan.tariff.": TariffConfig,
        "plan.share.": ShareConfig,
        "watch.": WatchConfig,
        "notify.": NotifyConfig,
    }
    keys = {f"{prefix}{one.name}" for prefix, holds in holders.items() for one in declared(holds)}
    assert told == keys | {"DATA_STORE", "SERVER_PORT", "TZ", "WHITESTAT_PASSWORD_NAME"} | {
        "DARKSTAT_URL",
        "LAN_SEGMENT_MASKS",
        "LAN_ROUTERS_TO_SKIP",
    }
    assert all(cell.strip() for row in rows for cell in row)


def test_the_reference_tells_defaults_not_examples() -> None:
    assert '| `store.flush` | a duration from "1s" to "1h" | `"30s"`, or `"1s"` where' in reference()
    assert "| `lan.networks` | networks like 192.168.50.0/24 | `[]` |" in reference()
    assert "| `point.url` | an address like http://192.168.1.1" in reference()
    assert "br0" not in reference()


toml_values = st.recursive(
    st.one_of(
        st.integers(-(2**63), 2**63 - 1).map(str),
        st.booleans().map(lambda value: str(value).lower()),
        st.floats(allow_nan=False).map(repr).filter(lambda text: "e" not in text),
        st.text(string.printable[:95]).map(lambda text: "'" + text.replace("'", "") + "'"),
        st.sampled_from(["2026-11-23", "08:00:00", "2026-11-23T08:00:00Z"]),
    ),
    lambda values: st.lists(values, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
    max_leaves=4,
)
keys_of_a_point = st.sampled_from([one.name for one in declared(PointConfig)])


@given(
    st.dictionaries(keys_of_a_point, toml_values),
    st.dictionaries(st.sampled_from(["listen", "x"]), toml_values),
)
def test_any_value_of_any_key_either_loads_or_is_a_fault(
    tmp_path_factory: pytest.TempPathFactory, point: dict[str, str], web: dict[str, str]
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    tables = [("[web]", web), ("[[point]]", point)]
    lines = [line for head, table in tables for line in (head, *(f"{k} = {v}" for k, v in table.items()))]
    try:
        config = read(file, "\n".join(lines))
    except ConfigError as error:
        assert all(fault.startswith(f"{file}: ") and "\n" not in fault for fault in error.faults)
    else:
        assert config.points[0].collector in NAMES


@pytest.mark.parametrize(
    ("more", "least"),
    [("", "30s"), ('[store]\nflush = "20s"\n', "20s"), (POLLED, "60s"), (POLLED + KERNEL, "30s")],
)
def test_logs_more_often_than_figures_change_are_refused_with_what_is_possible(
    file: Path, more: str, least: str
) -> None:
    text = '{more}[csv]\nfolder = "logs"\nevery = "{every}"\n'
    file.write_text(text.format(more=more, every="5s"))
    with pytest.raises(ConfigError, match=f"csv.every: must be {least} or more, got 5s"):
        load(file, {}, root=True)
    file.write_text(text.format(more=more, every=least))
    assert load(file, {}, root=True).csv.every_s == int(least[:-1])
    file.write_text(f'{more}[csv]\nevery = "5s"\n')  # without a folder there are none
    assert load(file, {}, root=True).csv.folder is None


@pytest.mark.needs("setpriv")
def test_a_file_of_version_5_is_read_by_root_that_may_not_look_into_its_folder() -> None:
    """As in a container without CAP_DAC_READ_SEARCH, where the mounted folder is a user's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name, "WhiteStatConfig.json").write_text('{"DARKSTAT_URL": "http://192.0.2.1:667"}')
        for path in (Path(name), Path(name, "WhiteStatConfig.json")):
            os.chown(path, 1000, 1000)
        ask = (
            f"from whitestat.config.loader import load; print(load(None, {{'DATA_STORE': {name!r}}}, root=True).points)"
        )
        command = ["setpriv", "--inh-caps=-all", "--bounding-set=-all,+setuid,+setgid", sys.executable, "-c", ask]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "http://192.0.2.1:667" in done.stdout, done.stderr
