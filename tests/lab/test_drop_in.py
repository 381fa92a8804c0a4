"""WhiteStat 5 stops, ours starts with its environment, its folder and the same darkstat: nothing of a day is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.lab.darkstat import URL, Watched
from tests.lab.home import INTERNET4, LAPTOP, PHONE, TV, Home, Links
from tests.lab.machine import end
from tests.lab.service import environment
from tests.lab.traffic import echo, flood
from tests.support.legacy_v5 import Tables
from tests.support.old_databases import OldDatabase
from whitestat.web.legacy_v5.frame import COLUMNS

pytestmark = [pytest.mark.lab, pytest.mark.needs("darkstat")]

PORT = 18777
LEFT = {
    "DATA_STORE": "/mnt/whitestat",
    "DBFile": "WhiteStat.db",
    "LOGFile": "WhiteStatLog.txt",
    "TRACEFile": "WhiteStatTrace.txt",
    "IP_MAC_REWRITE": "IP_MAC.txt",
    "MAC_MAC_REWRITE": "MAC_MAC.txt",
    "MAC_HOST_MAP": "MAC_HOST.txt",
    "DARKSTAT_URL": "http://192.168.1.5:777",
    "IPFilter": "([\\d]+\\.){3,3}\\d+",
    "IdleSeconds": 1,
    "UpdateDBSeconds": 1,
    "SERVER_PORT": 777,
    "LAN_SEGMENT_MASKS": "192.168.1|192.168.0",
    "LAN_ROUTERS_TO_SKIP": "b8:27:eb:8c:dc:bb|f8:c4:f3:50:53:68",
}
"""What version 5 writes at its first start. Its masks are not those of this home: it showed the hosts all the same."""
YESTERDAY = f"{datetime.now(UTC).date() - timedelta(1)} 00:00:00"


class Ours:
    """`whitestat run` with version 5's environment and nothing else."""

    def __init__(self, home: Home, folder: Path) -> None:
        self._home = home
        self._log = folder.with_name("log")
        started = {"DATA_STORE": str(folder), "DARKSTAT_URL": URL, "SERVER_PORT": str(PORT), "TZ": "UTC"}
        with self._log.open("a") as log:
            self.process = home.gateway.start(
                *(sys.executable, "-m", "whitestat", "run"),
                env=environment() | started,
                stdout=log.fileno(),
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def body(self, path: str) -> bytes:
        """An answer of status 200."""
        with closing(HTTPConnection("127.0.0.1", PORT, timeout=10)) as connection:
            connection.sock = self._home.gateway.connect("127.0.0.1", PORT)
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, (path, answer.status, body)
            return body

    def leads_to(self, path: str) -> str | None:
        with closing(HTTPConnection("127.0.0.1", PORT, timeout=10)) as connection:
            connection.sock = self._home.gateway.connect("127.0.0.1", PORT)
            connection.request("GET", path)
            return connection.getresponse().getheader("location")

    def rows(self, path: str) -> list[dict[str, Any]]:
        frame = json.loads(self.body(path))
        assert frame["columns"] == list(COLUMNS)
        return [dict(zip(COLUMNS, row, strict=True)) for row in frame["data"]]

    def until(self, true: Callable[[], bool]) -> None:
        until = time.monotonic() + 30
        while True:
            try:
                if true():
                    return
            except OSError:
                assert self.process.poll() is None, self.log
            assert time.monotonic() < until, self.log
            time.sleep(0.1)

    def healthy(self) -> bool:
        return bool(json.loads(self.body("/api/v1/health"))["status"] == "ok")


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


@contextmanager
def started(home: Home, folder: Path) -> Iterator[Ours]:
    ours = Ours(home, folder)
    try:
        ours.until(ours.healthy)
        yield ours
        ours.process.terminate()
        assert ours.process.wait(10) == 0, ours.log
    finally:
        end(ours.process)


def left_behind(folder: Path) -> OldDatabase:
    """A folder as version 5 leaves it: its database, its configuration, its map files."""
    folder.mkdir()
    (folder / "WhiteStatConfig.json").write_text(json.dumps(LEFT, indent=6))
    for name in ("MAC_MAC.txt", "MAC_HOST.txt"):  # version 5 makes the one as a copy of the other
        (folder / name).write_text("b8:27:eb:8c:dc:bb|f8:c4:f3:50:53:68")
    (folder / "IP_MAC.txt").write_text("192.168.1.54|52:54:00:f3:a3:2b")
    old = OldDatabase(folder / "WhiteStat.db")
    for device, into, out in ((PHONE, 1311.86, 14.93), (LAPTOP, 8.71, 843.27)):
        seen = {"Hostname": "(none)", "LastSeen": f"{YESTERDAY[:10]} 05:03:59"}
        old.add("usagehistory", device.ipv4, device.mac, YESTERDAY[:10], into, out, **seen)
    return old


def shown(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("IP", "MAC", "KBIn", "KBOut", "DATE"))


HISTORY = [
    (PHONE.ipv4, PHONE.mac, 1311.86, 14.93, YESTERDAY),
    (LAPTOP.ipv4, LAPTOP.mac, 8.71, 843.27, YESTERDAY),
]


def test_a_folder_of_version_5_goes_on_under_the_same_urls(home: Home, tmp_path: Path) -> None:
    old = left_behind(folder := tmp_path / "data")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    yesterday = f"/json/history?start={YESTERDAY.replace(' ', '%20')}&end={YESTERDAY[:10]}"
    with closing(Watched(home, tmp_path / "darkstat")) as peer:
        with started(home, folder) as ours:
            assert "DARKSTAT_URL of the environment overrides the configuration file" in ours.log
            assert "1 days of 2 hosts were imported" in ours.log
            assert [shown(row) for row in ours.rows(yesterday)] == HISTORY
            peer.begin()
            flood(home[LAPTOP], INTERNET4, packets=300, payload=400, rate=20_000)
            echo(home[TV], INTERNET4, count=20, payload=1000)
            peer.quiet()
            counted = peer.expected()
            ours.until(lambda: shown_today(ours, counted) == counted)
            assert json.loads(ours.body("/json/lansegments")) == ["192.168.1", "192.168.0"]
            assert ours.body("/json") == ours.body("/json/")
            assert ours.leads_to("/history") == "/#/history"
            for path in ("/table", "/table/", "/table/history"):
                head, *rows = Tables(ours.body(path).decode()).rows
                assert head == ["", *COLUMNS]
                assert {row[2] for row in rows} >= {LAPTOP.mac, TV.mac}

            (folder / "MAC_HOST.txt").write_text(f"{TV.mac}|Television\nnonsense")
            ours.until(lambda: "Television" in [row["Hostname"] for row in ours.rows("/json")])
            assert f"{folder}/MAC_HOST.txt: line 2: left out" in ours.log
        assert old.path.read_bytes() == before["WhiteStat.db"]
        assert (folder / "WhiteStatConfig.json").read_bytes() == before["WhiteStatConfig.json"]
        assert not [path.name for path in folder.glob("WhiteStat.db?*")]

        echo(home[TV], INTERNET4, count=20, payload=1000)
        peer.quiet()
        with started(home, folder) as ours:
            counted = peer.expected()
            ours.until(lambda: shown_today(ours, counted) == counted)
            assert [shown(row) for row in ours.rows(yesterday)] == HISTORY
            assert ours.log.count("were imported") == 1


def shown_today(ours: Ours, of: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Octets of `/json` by device, from KB with two decimals."""
    names = {each.mac: each.name for each in (PHONE, LAPTOP, TV)}
    rows = ours.rows("/json")
    found = {names[row["MAC"]]: (row["KBIn"], row["KBOut"]) for row in rows if row["MAC"] in names}
    exact = {name: tuple(round(octets / 1024, 2) for octets in octets) for name, octets in of.items()}
    return {name: of[name] if exact.get(name) == kb else kb for name, kb in found.items() if any(kb)}
