"""Names are an attacker's: through DHCP, mDNS, LLMNR, a lease file and the DNS they come out harmless everywhere."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.evidence_frames import PHONE as SPEAKER
from tests.support.evidence_frames import announcement, dhcp_message, ipv4, option
from tests.support.identity import START_MS, TABLET, House
from tests.support.recorder import ZONE
from whitestat.app.commands.client import _answer
from whitestat.app.main import run_command
from whitestat.attribution.devices.address_ownership import SETTLES_MS
from whitestat.attribution.devices.edits import Rename
from whitestat.attribution.devices.names import NAME_MAX, by_dns
from whitestat.attribution.evidence import Evidence, leases
from whitestat.attribution.evidence.frame import decode
from whitestat.core.units import address_bytes
from whitestat.ledger.read.queries import Queries
from whitestat.web.app import create_app
from whitestat.web.sources import Sources

ADDRESS = "192.168.50.20"
HOSTILE = {
    "html": "<img src=x onerror=alert(1)>",
    "attribute": "\"'><script>alert(1)</script>",
    "formula": "=cmd|'/c calc'!A0",
    "formula behind a space": " @SUM(1)",
    "formula behind a tab": "\t=1+1",
    "control": "tv\x1b[2J\x07\x00\r\nSet-Cookie: a=b",
    "right to left": "tv\u202egpj\u2066x",
    "sql": "'); DROP TABLE device; --",
    "long": "x" * 65_536,
    "half a character": "tv\ud83d",
    "template": "{{ 7 * 7 }}{% raw %}",
}


def dhcp(name: bytes) -> list[Evidence]:
    parts = b"".join(option(12, name[at : at + 255]) for at in range(0, len(name[:1200]), 255))
    frame = ipv4(SPEAKER, "0.0.0.0", 68, 67, dhcp_message(1, option(53, b"\x03") + parts + b"\xff"))
    return [each for each in decode(frame, START_MS) if isinstance(each, Evidence)]


def multicast(port: int) -> Callable[[bytes], list[Evidence]]:
    def said(name: bytes) -> list[Evidence]:
        message = announcement("NAME.local", ADDRESS).replace(b"\x04NAME", bytes([len(name[:63])]) + name[:63])
        found = decode(ipv4(SPEAKER, ADDRESS, port, port, message), START_MS)
        return [each for each in found if isinstance(each, Evidence)]

    return said


def lease_file(name: bytes) -> list[Evidence]:
    others = b"4102444800 02:50:00:00:00:12 192.168.50.21 laptop *\n"
    return leases.read(b"4102444800 02:50:00:00:00:11 192.168.50.20 " + name + b" *\n" + others, START_MS)


SOURCES: dict[str, Callable[[bytes], list[Evidence]]] = {
    "dhcp": dhcp,
    "mdns": multicast(5353),
    "llmnr": multicast(5355),
    "lease file": lease_file,
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with closing(House(tmp_path / "whitestat.db")) as each:
        each.recorder.known._configured = each.recorder.known._names = {}
        each.flows(SPEAKER, 1000)
        yield each


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "source", [source if source == "dhcp" else pytest.param(source, marks=pytest.mark.slow) for source in SOURCES]
)
def test_a_hostile_name_is_harmless_in_every_form(
    house: House, source: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house.identity.hear(SOURCES[source](name.encode("utf-8", "surrogatepass")))
    harmless(house, tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_answer_of_the_dns_is_too(
    house: House, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = by_dns(address_bytes(ADDRESS), lambda address: name)
    if found:
        house.recorder.known.rename(house.device(SPEAKER), found)
    harmless(house, tmp_path, capsys)


def harmless(house: House, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The device's name in JSON, CSV, HTML and the terminal, of lists, usage, events and the export."""
    house.identity.maintain(house.now_ms + SETTLES_MS)
    house.recorder.flush()
    with closing(Queries(house.path, ZONE)) as queries:
        app = create_app(Sources(queries, ZONE, "12", lambda: house.now_ms, dict, _nothing))

        def got(path: str) -> str:
            status, body = asyncio.run(_answer(app, "GET", path, b""))
            assert status == 200
            return body.decode()

        [device] = json.loads(got("/api/v1/devices"))["devices"]
        shown = device["name"]
        assert 0 < len(shown) <= NAME_MAX + 18  # a MAC may be the name
        assert not any(unicodedata.category(each)[0] == "C" for each in shown)
        assert "DROP TABLE" not in shown or device["id"] == 1
        [row] = json.loads(got("/api/v1/usage"))["rows"]
        assert row["device"]["name"] == shown
        assert {each["content"]["name"] for each in json.loads(got("/api/v1/events"))["events"]} == {shown}
        assert json.loads(got("/api/v1/devices/1/export"))["kept"]["device"][0]["name"] == shown
        plain_cells(got("/api/v1/usage.csv"))
        page = got("/api/v1/usage.html")
        assert "<img" not in page
        assert page.count("<script") == 0
    config = folder / "whitestat.toml"
    config.write_text(f'timezone = "Europe/Stockholm"\n[store]\npath = "{house.path}"\n')
    for words in (("devices",), ("history", "--start", "2000-01-01"), ("devices", "--csv"), ("devices", "--json")):
        assert run_command([*words, "--config", str(config)]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        assert not [each for each in out if unicodedata.category(each)[0] == "C" and each not in "\r\n"]
        if "--csv" in words:
            plain_cells(out)


def plain_cells(text: str) -> None:
    for line in csv.reader(io.StringIO(text, newline="")):
        assert not [cell for cell in line if cell.strip()[:1] in tuple("=+@-")]


async def _nothing() -> AsyncIterator[dict[str, object]]:
    yield {}


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_name_that_the_terminal_has_no_letters_for_is_listed_all_the_same(stream: str, tmp_path: Path) -> None:
    name = "Ann\u0101s \u96fb\u8a71 \U0001f4f1"
    config = tmp_path / "whitestat.toml"
    if stream == "stdout":
        database = tmp_path / "whitestat.db"
        config.write_text(f'[store]\npath = "{database}"\n')
        with closing(House(database)) as house:
            house.flows(TABLET, 10)
            house.recorder.flush()
            house.edit(Rename(house.device(TABLET), name))
    else:
        config.write_text(f"[{name}]\n")
    words = [sys.executable, "-m", "whitestat", "devices", "--config", str(config)]
    source = str(Path(__file__).parents[3] / "src")
    environ = {**os.environ, "PYTHONPATH": source, "PYTHONIOENCODING": "ascii:strict", "LANG": "C"}
    done = subprocess.run(words, env=environ, capture_output=True, check=False)
    said = done.stdout if stream == "stdout" else done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Ann?s ?? ?" in said or stream == "stderr"
    assert done.returncode == (0 if stream == "stdout" else 2)
