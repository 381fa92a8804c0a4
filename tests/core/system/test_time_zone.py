"""Time zone of the machine, from each place where systems keep it; a guess is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from zoneinfo import TZPATH

import pytest

from whitestat.core.system.time_zone import FILE_OCTETS_MAX, NO_DATA, name_in, system_zone, zone_named

STOCKHOLM, BERLIN = "Europe/Stockholm", "Europe/Berlin"
CUSTOM = b"AAA-5BBB,M4.1.0,M9.1.0"


def data_folder() -> Path:
    """Zone data of the package tzdata."""
    return Path(str(files("tzdata"))) / "zoneinfo"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with zone data that does not say where it is."""
    (tmp_path / "etc").mkdir()
    folder = tmp_path / TZPATH[0].lstrip("/")
    for name in (STOCKHOLM, BERLIN, "UTC", "zone1970.tab", "Arctic/Longyearbyen", "America/New_York"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data_folder() / name, folder / name)
    return tmp_path


def link(root: Path, target: str) -> None:
    (root / "etc/localtime").symlink_to(target)


def found(root: Path) -> str:
    zone, notice = system_zone(root)
    assert notice == ""
    return str(zone)


def hours(root: Path) -> float:
    """East of Greenwich, in summer."""
    offset = datetime(2026, 7, 1, tzinfo=system_zone(root).zone).utcoffset()
    return offset.total_seconds() / 3600 if offset else 0


@pytest.mark.parametrize(
    "target",
    [
        f"/usr/share/zoneinfo/{STOCKHOLM}",
        f"../usr/share/zoneinfo/{STOCKHOLM}",
        f"/usr/share/zoneinfo/posix/{STOCKHOLM}",
        f"/usr/share/zoneinfo/right/{STOCKHOLM}",
        f"/etc/zoneinfo/{STOCKHOLM}",
    ],
)
def test_a_link_names_the_zone(root: Path, target: str) -> None:
    link(root, target)
    (root / "etc/timezone").write_text("America/New_York\n")
    assert found(root) == STOCKHOLM


def test_a_link_may_lead_to_another(root: Path) -> None:
    (root / "etc/zone").symlink_to(f"../usr/share/zoneinfo/{STOCKHOLM}")
    link(root, "zone")
    assert found(root) == STOCKHOLM


def test_a_file_of_rules_has_the_name_that_its_zone_has(root: Path) -> None:
    shutil.copy(data_folder() / "America/New_York", root / "etc/localtime")
    assert found(root) == "America/New_York"
    assert hours(root) == -4


def test_of_zones_with_the_same_rules_the_one_written_is_named_else_a_usual_one(root: Path) -> None:
    shutil.copy(data_folder() / BERLIN, root / "etc/localtime")
    assert found(root) == BERLIN
    (root / "etc/timezone").write_text(f"{STOCKHOLM}\n")
    assert found(root) == STOCKHOLM
    (root / "etc/timezone").write_text("America/New_York\n")
    assert found(root) == BERLIN, "what is written is out of date"


def test_rules_of_no_zone_hold_under_their_own_words(root: Path) -> None:
    rules = (data_folder() / "UTC").read_bytes().rstrip(b"\n").rpartition(b"\n")[0] + b"\n" + CUSTOM + b"\n"
    (root / "etc/localtime").write_bytes(rules)
    assert found(root) == CUSTOM.decode()
    assert hours(root) == 6


def test_without_localtime_the_written_name_is_taken(root: Path) -> None:
    (root / "etc/timezone").write_text(f"{STOCKHOLM}\n")
    assert found(root) == STOCKHOLM


def test_a_link_to_a_zone_that_is_not_known_by_name_still_has_its_rules(root: Path) -> None:
    (root / "usr/share/zoneinfo/Mars").mkdir(parents=True)
    shutil.copy(data_folder() / STOCKHOLM, root / "usr/share/zoneinfo/Mars/Olympus")
    link(root, "../usr/share/zoneinfo/Mars/Olympus")
    assert found(root) == "Mars/Olympus"
    assert hours(root) == 2


def _nothing(root: Path) -> None: ...


def _dangling(root: Path) -> None:
    link(root, "/usr/share/zoneinfo/Mars/Olympus")


def _folder(root: Path) -> None:
    link(root, "/usr/share/zoneinfo/Europe")


def _damaged(root: Path) -> None:
    (root / "etc/localtime").write_bytes((data_folder() / STOCKHOLM).read_bytes()[:100])


def _text(root: Path) -> None:
    (root / "etc/localtime").write_text("Europe/Stockholm\n")


def _large(root: Path) -> None:
    (root / "etc/localtime").write_bytes(b"TZif2" + bytes(FILE_OCTETS_MAX))


def _loop(root: Path) -> None:
    link(root, "localtime")


def _outside(root: Path) -> None:
    (root / "etc/timezone").write_text("../../etc/passwd\n")


@pytest.mark.parametrize("spoil", [_nothing, _dangling, _folder, _damaged, _text, _large, _loop, _outside])
def test_a_guess_is_told_with_what_to_do(root: Path, spoil: Callable[[Path], None]) -> None:
    spoil(root)
    zone, notice = system_zone(root)
    assert str(zone) == "UTC"
    assert "days begin and end by UTC" in notice
    assert 'set timezone = "Europe/Stockholm"' in notice


@pytest.mark.parametrize(
    ("path", "name"),
    [(STOCKHOLM, STOCKHOLM), (f"/usr/share/zoneinfo/posix/{STOCKHOLM}", STOCKHOLM), ("UTC", "UTC"), ("", "")],
)
def test_a_path_into_the_zone_data_is_its_name(path: str, name: str) -> None:
    assert name_in(path) == name


@pytest.mark.parametrize("name", ["Mars/Olympus", "Europe", "../etc/passwd", "/etc/passwd", "", "\0", "Europe/Zürich"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError) as refusal:
        zone_named(name)
    assert refusal.value.args == (name,)


WITHOUT_DATA = """
import sys, zoneinfo
zoneinfo.reset_tzpath(())
sys.modules["tzdata"] = None
from whitestat.app.main import run_command
sys.exit(run_command(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["config", pytest.param("check", marks=pytest.mark.slow)])
@pytest.mark.parametrize("zone", ["", "UTC", STOCKHOLM])
def test_without_zone_data_utc_works_and_another_zone_is_refused_in_a_sentence(
    tmp_path: Path, command: str, zone: str
) -> None:
    config = tmp_path / "whitestat.toml"
    point = '[[point]]\nname = "a"\ncollector = "interface"\ninterface = "lo"\n'
    config.write_text(f'[store]\npath = "{tmp_path}/whitestat.db"\n{point}')
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DATA, command, "--config", str(config)],
        env={**os.environ, "TZ": zone},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if zone == STOCKHOLM:
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"whitestat: time zone {STOCKHOLM!r}: {NO_DATA}\n"
    else:
        assert done.stderr == ""
        assert command == "config" or "time zone: UTC" in done.stdout
