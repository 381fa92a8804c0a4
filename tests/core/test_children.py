"""Nothing that is planted where the program is started has an effect on what it starts."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from whitestat.core.system import children

SOURCE = Path(__file__).parents[2] / "src"

PLANT = "import os; open(os.environ.get('PLANTED') or {mark!r}, 'a').write(__file__ + chr(10))\n"
MODULES = ("json.py", "sitecustomize.py", "usercustomize.py", "startup.py", "signal.py", "apprise.py", "runpy.py")
PROGRAMS = ("ip", "tc", "nft", "mount")


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder full of traps; the file returned appears as soon as one of them is run."""
    mark = tmp_path / "mark"
    folder = tmp_path / "folder"
    (folder / "whitestat").mkdir(parents=True)
    for name in (*MODULES, "whitestat/__init__.py"):
        (folder / name).write_text(PLANT.format(mark=str(mark)))
    for name in PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho $0 >> {mark}\n")
        (folder / name).chmod(0o755)
    monkeypatch.chdir(folder)
    for name, value in {
        "PYTHONPATH": str(folder),
        "PYTHONSTARTUP": str(folder / "startup.py"),
        "PYTHONHOME": str(folder),
        "PYTHONUSERBASE": str(folder),
        "PATH": f"{folder}:.:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": str(folder),
        "HOME": str(folder),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend("")
    monkeypatch.syspath_prepend(str(folder))
    return mark


def caught(mark: Path) -> str:
    return mark.read_text() if mark.exists() else ""


def test_the_traps_catch_what_is_started_carelessly(planted: Path) -> None:
    subprocess.run([sys.executable, "-c", "import json"], capture_output=True, check=False, env=os.environ)
    subprocess.run(["ip", "link"], capture_output=True, check=False)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    subprocess.run([sys.executable, "-m", "json"], capture_output=True, check=False, env=environ)
    assert "json.py" in caught(planted)
    assert "/ip" in caught(planted)


def test_the_child_that_sends_messages_runs_its_own_modules(planted: Path) -> None:
    from whitestat.alerting.delivery import post

    (answer,) = asyncio.run(post({"m": "nosuch://here"}, "a", "b"))
    assert answer["mark"] == "m"
    assert answer["reason"] != "the sending process failed"
    assert not caught(planted)


@pytest.mark.needs("ip", "tc")
def test_the_helper_that_slows_devices_runs_its_own_modules_and_programs(planted: Path) -> None:
    from whitestat.throttle.client import Client, ThrottleFault

    client = Client()
    try:
        with pytest.raises(ThrottleFault, match="there is no interface nosuch0"):
            client.put(["nosuch0"], [])
    finally:
        client.close()
    assert not caught(planted)


def test_programs_of_the_system_are_found_in_its_own_folders(planted: Path) -> None:
    from whitestat.attribution.gather import neighbour_table
    from whitestat.collectors.links import links

    assert "lo" in links()
    json.loads(neighbour_table() or b"[]")
    done = children.run("env", timeout_s=10)
    assert f"PATH={children.PATH}" in done.stdout.decode().splitlines()
    assert not re.search(rb"PYTHON|LD_|HOME", done.stdout)
    assert children.run("pwd", timeout_s=10).stdout == b"/\n"
    assert not caught(planted)


def test_a_folder_that_others_can_write_is_no_place_of_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    safe, wide, linked = (tmp_path / name for name in ("safe", "wide", "linked"))
    for folder, mode in ((safe, 0o755), (wide, 0o777)):
        folder.mkdir()
        folder.chmod(mode)
    (wide / "within").mkdir(mode=0o755)
    linked.symlink_to(wide)
    monkeypatch.chdir(tmp_path)
    places = ["", ".", "safe", str(tmp_path), str(safe), str(wide), str(wide / "within"), str(linked), "/no/such/place"]
    monkeypatch.setattr(sys, "path", places)
    given = children.python("json")[5:]
    assert given == [str(SOURCE), str(safe)]


def test_every_child_is_started_in_one_place() -> None:
    """`start_new_session` and a preexec function are the other two; both take their words from that place."""
    begins = re.compile(
        r"subprocess\.(run|Popen|call|check_\w+)\(|create_subprocess_\w+\(|os\.(system|popen|exec\w+|spawn\w+|posix_spawnp?)\("
    )
    found = {
        str(path.relative_to(SOURCE / "whitestat")): begins.findall(path.read_text())
        for path in (SOURCE / "whitestat").rglob("*.py")
    }
    assert {name for name, calls in found.items() if calls} == {
        "core/system/children.py",
        "throttle/client.py",
        "alerting/delivery.py",
        "app/restart.py",
    }
    restart = (SOURCE / "whitestat" / "app" / "restart.py").read_text()
    assert "os.geteuid() != 0 and not privileges.effective()" in restart, "it becomes itself anew without any right"
    for name in ("throttle/client.py", "alerting/delivery.py"):
        text = (SOURCE / "whitestat" / name).read_text()
        assert "children.python(" in text and "env=children.environment(" in text and 'cwd="/"' in text
