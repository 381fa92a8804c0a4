"""The live rate of a real darkstat's devices: steady traffic is shown as steady, at the rate that it has."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from bench.darkstat import Darkstat
from tests.lab.darkstat import settings
from tests.lab.home import INTERNET4, PHONE, Home, Links
from tests.lab.service import Service, running
from tests.lab.traffic import Flood, flood

pytestmark = [pytest.mark.lab, pytest.mark.needs("darkstat")]

INTERVAL_S = 10
PAYLOAD = 1000
HEADERS = 28
PER_SECOND = 1000
NEAR = 0.05


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


def live_items(service: Service, home: Home, seconds: float) -> Iterator[dict[str, Any]]:
    """What the page is told, for so long."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.sock = home.gateway.connect("127.0.0.1", service.port)
    until = time.monotonic() + seconds
    try:
        connection.request("GET", "/api/v1/live")
        answer = connection.getresponse()
        while time.monotonic() < until:
            line = answer.readline()
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))
    finally:
        connection.close()


def test_a_steady_line_is_shown_at_its_rate_each_second_between_polls(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "darkstat"
    folder.mkdir()
    peer = Darkstat(home.gateway, folder)
    sent: list[Flood] = []

    def send() -> None:
        sent.append(flood(home[PHONE], INTERNET4, packets=36 * PER_SECOND, payload=PAYLOAD, rate=PER_SECOND))

    try:
        with running(home.gateway, tmp_path, settings(tmp_path, interval=f"{INTERVAL_S}s")) as service:
            sender = threading.Thread(target=send)
            sender.start()
            time.sleep(2 * INTERVAL_S + 2)  # a whole interval of steady traffic lies behind the last poll by then
            shown = [item["points"][0]["rate_out_bps"] for item in live_items(service, home, INTERVAL_S + 2)]
            sender.join()
    finally:
        peer.close()
    [flow] = sent
    bps = flow.rate * (PAYLOAD + HEADERS) * 8
    assert len(shown) >= INTERVAL_S
    assert [each for each in shown if each is None or abs(each - bps) > NEAR * bps] == [], bps
