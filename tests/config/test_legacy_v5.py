"""WhiteStat 5's configuration file and environment: each key means what it meant, and empty means none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.config import legacy_v5
from whitestat.config.loader import load
from whitestat.config.sections import Config
from whitestat.core.errors import ConfigError
from whitestat.core.units import mac_bytes

QUOTED = Path(__file__).parents[1] / "fixtures" / "whitestat" / "WhiteStatConfig-quoted.json"
FILE = {
    "DATA_STORE": "/mnt/whitestat",
    "DBFile": "WhiteStat.db",
    "LOGFile": "WhiteStatLog.txt",
    "IPFilter": "([\\d]+\\.){3,3}\\d+",
    "DARKSTAT_URL": "http://192.168.1.5:777",
    "IdleSeconds": 20,
    "UpdateDBSeconds": 40,
    "SERVER_PORT": 18777,
    "LAN_SEGMENT_MASKS": "192.168.1|10.",
    "LAN_ROUTERS_TO_SKIP": "02:00:5e:00:00:01|02:00:5e:00:00:02",
}


def read(folder: Path, changes: Mapping[str, object] | None = None, **environ: str) -> Config:
    (folder / legacy_v5.NAME).write_text(json.dumps({**FILE, **(changes or {})}))
    return load(None, {"DATA_STORE": str(folder)} | environ, root=False)


def test_the_file_in_the_data_folder_is_read_with_the_meaning_it_had(tmp_path: Path) -> None:
    config = read(tmp_path)
    (point,) = config.points
    assert (point.collector, point.url, point.interval_s) == ("darkstat", "http://192.168.1.5:777", 20)
    assert config.store.flush_s == 40
    assert config.web.listen == "0.0.0.0:18777"
    assert config.store.path == tmp_path / "whitestat.db"
    assert config.lan.segments == (ip_network("192.168.1.0/24"), ip_network("10.0.0.0/8"))
    assert config.lan.networks == ()  # version 5 showed hosts beside its masks
    assert config.lan.routers == (mac_bytes("02:00:5e:00:00:01"), mac_bytes("02:00:5e:00:00:02"))
    assert config.source == str(tmp_path / legacy_v5.NAME)
    assert any("read as WhiteStat 5 wrote it" in notice for notice in config.notices)


def test_the_environment_wins_and_the_log_says_so(tmp_path: Path) -> None:
    config = read(tmp_path, DARKSTAT_URL="http://127.0.0.1:667", SERVER_PORT="99", LAN_SEGMENT_MASKS="172.16")
    assert config.points[0].url == "http://127.0.0.1:667"
    assert config.points[0].interval_s == 20
    assert config.web.port == 99
    assert config.lan.segments == (ip_network("172.16.0.0/16"),)
    for name in ("DARKSTAT_URL", "SERVER_PORT", "LAN_SEGMENT_MASKS"):
        assert f"{name} of the environment overrides the configuration file" in config.notices


def test_empty_masks_and_routers_are_none_and_not_everybody(tmp_path: Path) -> None:
    config = read(tmp_path, {"LAN_SEGMENT_MASKS": "", "LAN_ROUTERS_TO_SKIP": " | "})
    assert config.lan.segments == config.lan.routers == ()


def test_the_environment_alone_is_enough(tmp_path: Path) -> None:
    environ = {"DATA_STORE": str(tmp_path), "DARKSTAT_URL": "http://10.0.0.1:777", "LAN_ROUTERS_TO_SKIP": ""}
    config = load(None, environ | {"TZ": "Asia/Kolkata"}, root=True)
    assert [(point.name, point.url) for point in config.points] == [("darkstat", "http://10.0.0.1:777")]
    assert config.timezone == "Asia/Kolkata"
    (notice,) = config.notices
    assert "need no log-in from private networks" in notice


def test_keys_without_effect_are_named(tmp_path: Path) -> None:
    assert any("Colour is not a key of WhiteStat 5" in each for each in read(tmp_path, {"Colour": "red"}).notices)


def test_files_lie_beside_the_configuration_where_version_5_had_them(tmp_path: Path) -> None:
    changes = {
        "DBFile": "House.db",
        "IP_MAC_REWRITE": "a.txt",
        "MAC_MAC_REWRITE": "/etc/b.txt",
        "MAC_HOST_MAP": "c.txt",
    }
    config = read(tmp_path, changes)
    assert config.store.old == tmp_path / "House.db"
    assert (config.lan.ip_mac, config.lan.mac_mac, config.lan.mac_host) == (
        tmp_path / "a.txt",
        Path("/etc/b.txt"),
        tmp_path / "c.txt",
    )
    usual = {"IP_MAC_REWRITE": "IP_MAC.txt", "MAC_HOST_MAP": "MAC_HOST.txt", "MAC_MAC_REWRITE": ""}
    as_written = read(tmp_path, usual)  # they may be missing, so nobody is told when they are
    assert as_written.lan.ip_mac is as_written.lan.mac_mac is as_written.lan.mac_host is as_written.store.old is None


def test_the_filter_of_addresses_holds_when_somebody_changed_it(tmp_path: Path) -> None:
    assert read(tmp_path).points[0].only is None
    assert read(tmp_path, {"IPFilter": r"192\.168\.1\."}).points[0].only == r"192\.168\.1\."


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"DARKSTAT_URL": "192.168.1.5"}, "DARKSTAT_URL: must be an address like http://192.168.1.5:777, without"),
        ({"IdleSeconds": 0}, "IdleSeconds: must be a whole number of seconds from 1 to 3600, got 0"),
        ({"IdleSeconds": "0"}, 'IdleSeconds: must be a whole number of seconds from 1 to 3600, got "0"'),
        ({"UpdateDBSeconds": "soon"}, 'UpdateDBSeconds: must be a whole number of seconds from 1 to 3600, got "soon"'),
        ({"SERVER_PORT": 99999}, "SERVER_PORT: must be a port from 0 to 65535, got 99999"),
        ({"LAN_SEGMENT_MASKS": "192.168.1|house"}, "LAN_SEGMENT_MASKS: 'house' is not the beginning"),
        ({"IPFilter": "(192"}, 'IPFilter: must be a regular expression, got "(192"'),
        ({"MAC_HOST_MAP": 5}, "MAC_HOST_MAP: must be a path, got 5"),
        (
            {"LAN_ROUTERS_TO_SKIP": "router"},
            'MAC addresses with | between them, got "router"',
        ),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, changes: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, changes)
    assert legacy_v5.NAME in str(error.value)
    assert fault in str(error.value)


def test_numbers_may_stand_in_quotes_as_version_5_took_them(tmp_path: Path) -> None:
    shutil.copy(QUOTED, tmp_path / legacy_v5.NAME)
    config = load(None, {"DATA_STORE": str(tmp_path)}, root=False)
    assert (config.points[0].interval_s, config.store.flush_s, config.web.port) == (30, 40, 777)
    text = (tmp_path / legacy_v5.NAME).read_bytes()
    (tmp_path / legacy_v5.NAME).write_bytes(b"\xef\xbb\xbf" + text)  # as an editor of Windows keeps it
    assert load(None, {"DATA_STORE": str(tmp_path)}, root=False).points == config.points


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"a": NaN'])
def test_what_is_no_such_file_is_a_fault(tmp_path: Path, text: str) -> None:
    (tmp_path / legacy_v5.NAME).write_text(text)
    with pytest.raises(ConfigError, match=legacy_v5.NAME):
        load(None, {"DATA_STORE": str(tmp_path)}, root=False)


@given(st.lists(st.lists(st.integers(0, 255), min_size=1, max_size=4), max_size=5), st.booleans())
def test_every_mask_is_the_network_of_the_addresses_it_begins(masks: list[list[int]], dot: bool) -> None:
    texts = [".".join(map(str, mask)) + ("." if dot and len(mask) < 4 else "") for mask in masks]
    found = legacy_v5.networks("|".join(texts))
    assert [ip_network(each).prefixlen for each in found] == [8 * len(mask) for mask in masks]
    for mask, network in zip(masks, found, strict=True):
        assert list(ip_network(network).network_address.packed[: len(mask)]) == mask


def test_in_the_place_of_version_5_its_addresses_stay_open_at_home_and_nowhere_else(tmp_path: Path) -> None:
    for config in (read(tmp_path, {}), load(None, {"DATA_STORE": str(tmp_path)}, root=False)):
        assert ip_network("192.168.0.0/16") in config.web.open_v5
        assert not any(ip_address("203.0.113.1") in network for network in config.web.open_v5)
        assert (config.web.open, config.web.edit) == ((), ())
    toml = tmp_path / "whitestat.toml"
    toml.write_text("")
    assert load(toml, {"DATA_STORE": str(tmp_path)}, root=False).web.open_v5 == ()
