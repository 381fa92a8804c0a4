"""A disk that fills up or turns read-only under the running service costs no octet."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.home import DEVICES, INTERNET4, INTERNET6, LAPTOP, PHONE, TV, Home, Links
from tests.lab.machine import Machine
from tests.lab.referee import Referee
from tests.lab.service import Service, running, settings
from tests.lab.traffic import echo, flood

pytestmark = pytest.mark.lab

DISK_OCTETS = 8_000_000


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


def tmpfs(machine: Machine, folder: Path) -> None:
    machine.run("mount", "-t", "tmpfs", "-o", f"mode=0755,size={DISK_OCTETS}", "tmpfs", str(folder))


def ext4(machine: Machine, folder: Path) -> None:
    """A file system of its own on a file; it goes with the machine at the latest."""
    image = folder.with_suffix(".img")
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(DISK_OCTETS)
        machine.run("mkfs.ext4", "-q", "-m", "0", str(image))
    machine.run("mount", "-o", "loop", str(image), str(folder))


@pytest.fixture
def folder(home: Home, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    yield folder
    subprocess.run(home.gateway.command("umount", "--lazy", str(folder)), capture_output=True, check=False)


def report(
    service: Service, wanted: Callable[[dict[str, Any]], bool], meanwhile: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """The health report once it is as wanted; fails after some seconds."""
    until = time.monotonic() + 40
    while True:
        meanwhile()
        found: dict[str, Any] = service.get("/api/v1/health").json
        if wanted(found) or time.monotonic() > until:
            assert wanted(found), found
            return found
        time.sleep(0.1)


def refused(found: dict[str, Any]) -> bool:
    return any("kept in memory until it can be written" in each for each in found["notices"])


@pytest.mark.parametrize("collector", ["kernel", "packet"])
@pytest.mark.parametrize("mount", [tmpfs, ext4], ids=lambda mount: mount.__name__)
def test_a_disk_that_fills_up_and_has_room_again_costs_no_octet(
    home: Home, tmp_path: Path, folder: Path, mount: Callable[[Machine, Path], None], collector: str
) -> None:
    mount(home.gateway, folder)
    config = settings(folder).replace('collector = "kernel"', f'collector = "{collector}"')
    with running(home.gateway, tmp_path, config) as service:
        service.settle()
        referee = Referee(home)
        before = referee.read()
        home.gateway.start("sh", "-c", f"cat /dev/zero > {folder}/filler 2>/dev/null || sync -f {folder}")
        # Traffic goes on meanwhile: a flush that was refused with nothing in it would hold nothing afterwards.
        found = report(service, refused, meanwhile=lambda: echo(home[LAPTOP], INTERNET4, count=1))
        assert found["status"] == "degraded"
        assert "disk is full" in str(found["notices"])
        for _ in range(3):  # over several flushes
            flood(home[PHONE], INTERNET4, packets=2000)
            echo(home[TV], INTERNET6, count=10)
            time.sleep(1)
        found = report(service, lambda each: each["unwritten_octets"] > 0)
        assert [point["state"] for point in found["points"]] == ["ok"]  # it counts on
        home.gateway.run("rm", f"{folder}/filler")
        assert report(service, lambda each: each["status"] == "ok")["notices"] == []
        service.settle()
        carried = referee.read()
        usage = service.usage("wan")
        assert usage == {each.name: carried[each].minus(before[each]).wan for each in DEVICES}


def test_a_file_system_that_turns_read_only_stops_no_metering_and_the_next_start_books_it(
    home: Home, tmp_path: Path, folder: Path
) -> None:
    ext4(home.gateway, folder)
    service = Service(home.gateway, tmp_path, settings(folder))
    try:
        service.start().settle()
        referee = Referee(home)
        before = referee.read()
        flood(home[PHONE], INTERNET4, packets=1000)
        service.settle()
        home.gateway.run("mount", "-o", "remount,abort", str(folder))  # what ext4 does on an error of the disk
        flood(home[PHONE], INTERNET4, packets=1000)
        found = report(service, refused)
        assert found["status"] == "degraded"
        assert [point["state"] for point in found["points"]] == ["ok"]
        flood(home[PHONE], INTERNET4, packets=1000)
        assert service.usage("wan")["phone"].packets_out == 3000  # it answers with what is not written yet
        assert service.stop() == 0, service.log
        home.gateway.run("umount", str(folder))
        ext4(home.gateway, folder)
        service.start().settle()
        service.settle()
        assert service.usage("wan")["phone"] == referee.read()[PHONE].minus(before[PHONE]).wan
        assert service.stop() == 0, service.log
    finally:
        service.end()


def test_a_missing_or_read_only_folder_ends_the_start_with_its_path(home: Home, tmp_path: Path, folder: Path) -> None:
    for place, fault in ((folder / "typo" / "data", "does not exist"), (folder, "read-only")):
        service = Service(home.gateway, tmp_path, settings(place))
        if place == folder:
            tmpfs(home.gateway, folder)
            home.gateway.run("mount", "-o", "remount,ro", str(folder))
        assert service.launch().wait(15) == 1
        last = service.log.splitlines()[-1]
        assert str(place) in last
        assert fault in last, last
