"""A ledger that is deleted, moved or damaged under the running service: it is told, and no octet is lost."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.lab.home import DEVICES, INTERNET4, INTERNET6, LAPTOP, PHONE, TV, Home, Links
from tests.lab.referee import Referee
from tests.lab.service import Service, running, settings
from tests.lab.traffic import echo, flood

pytestmark = pytest.mark.lab

PAGE = 2048


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder like /var/lib/whitestat, with nothing private above it."""
    with TemporaryDirectory(prefix="whitestat-lab-", dir="/tmp") as above:
        Path(above).chmod(0o755)
        (Path(above) / "whitestat").mkdir()
        yield Path(above) / "whitestat"


def deleted(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        if not file.name.endswith((".lock", ".sock")):
            file.unlink()


def folder_deleted(path: Path) -> None:
    shutil.rmtree(path.parent)


def folder_moved(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def noticed(service: Service, text: str) -> str:
    """All notices once one has the text; fails after some seconds."""
    until_s = time.monotonic() + 20
    while True:
        notices = str(service.get("/api/v1/health").json["notices"])
        if text in notices or time.monotonic() > until_s:
            assert text in notices, service.log
            return notices
        time.sleep(0.1)


def traffic(home: Home) -> None:
    flood(home[PHONE], INTERNET4, packets=1500)
    echo(home[TV], INTERNET6, count=5)


@pytest.mark.parametrize("lose", [deleted, folder_deleted, folder_moved])
def test_what_is_gone_is_seen_within_a_flush_and_what_is_in_memory_is_written_anew(
    home: Home, reachable: Path, lose: Callable[[Path], None]
) -> None:
    """Without a folder, and without the right to make one, once somebody does as the notice says."""
    path = reachable / "data" / "whitestat.db"
    with running(home.gateway, reachable, settings(path.parent)) as service:
        service.settle()
        referee = Referee(home)
        before = referee.read()
        lose(path)
        if lose is not deleted:
            remedy = re.search(r"anew, as root: (install [^'\"]+)", noticed(service, "make the folder anew"))
            traffic(home)
            assert remedy
            home.gateway.run(*shlex.split(remedy[1]))
        noticed(service, "the ledger was deleted or moved while the service ran")
        traffic(home)
        service.settle()
        carried, usage = referee.read(), service.usage("wan")
        for device in (each for each in DEVICES if each.name in usage):
            assert usage[device.name] == carried[device].minus(before[device]).wan
        assert usage["phone"].packets_out == (1500 if lose is deleted else 3000)
        assert service.get("/api/v1/health").json["unwritten_octets"] == 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("place", ["reachable", "tmp_path"])
def test_a_damaged_one_is_set_aside_metering_goes_on_and_recover_brings_back_the_rest(
    home: Home, request: pytest.FixtureRequest, place: str
) -> None:
    """Where its user can reach it, and below a home that is private to root."""
    folder: Path = request.getfixturevalue(place)
    path = folder / "data" / "whitestat.db"
    service = Service(home.gateway, folder, settings(path.parent))
    try:
        service.start().settle()
        referee = Referee(home)
        before = referee.read()
        traffic(home)
        service.settle()
        assert service.stop() == 0, service.log
        with closing(sqlite3.connect(path)) as connection:
            root = "SELECT rootpage FROM sqlite_schema WHERE name = 'service_hour'"
            page = connection.execute(root).fetchone()[0]
        with path.open("r+b") as file:
            file.seek((page - 1) * PAGE)
            file.write(os.urandom(PAGE))
        service.start().settle()
        assert "whitestat recover" in noticed(service, "is set aside as whitestat.db.damaged-")
        echo(home[LAPTOP], INTERNET4, count=5)
        service.settle()
        assert service.stop() == 0, service.log
        done = service.command("recover")
        assert done.returncode == 0, done.stderr
        assert "1 page could not be read" in done.stdout
        service.start().settle()
        carried, usage = referee.read(), service.usage("wan")
        for device in DEVICES:
            assert usage[device.name] == carried[device].minus(before[device]).wan
        assert service.get("/api/v1/health").json["notices"] == []
        assert service.stop() == 0, service.log
    finally:
        service.end()
