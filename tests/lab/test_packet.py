"""The packet collector in the running service: the referee's octets, and an overrun that shows."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.home import DEVICES, INTERNET4, INTERNET6, LAPTOP, PHONE, TV, Home, Links
from tests.lab.referee import Referee
from tests.lab.service import STAYS_ROOT, Service, running, settings
from tests.lab.traffic import echo, finish, flood, iperf_servers, start_transfer
from whitestat.collectors.packet.ring import knows_giants

pytestmark = pytest.mark.lab

NOISE = 20_000
"""Octets that a quiet lab may send unasked in one test: ARP, neighbour discovery, group reports."""
OVERRUN = 200_000
"""More packets than the ring holds."""


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


@pytest.fixture
def service(home: Home, tmp_path: Path) -> Iterator[Service]:
    with running(home.gateway, tmp_path, packets(tmp_path)) as service:
        yield service


def packets(folder: Path) -> str:
    return settings(folder).replace('collector = "kernel"', 'collector = "packet"')


def test_octets_of_each_device_are_the_referees(home: Home, service: Service) -> None:
    referee = Referee(home)
    before = referee.read()
    with iperf_servers(home.internet, (5201, 5202)):
        finish(
            [
                start_transfer(home[LAPTOP], INTERNET4, 5201, "udp"),
                start_transfer(home[TV], INTERNET6, 5202, "udp"),
            ]
        )
        finish([start_transfer(home[LAPTOP], INTERNET6, 5201, "tcp", "--bitrate", "20M")])
        finish([start_transfer(home[TV], INTERNET4, 5202, "tcp", "--bitrate", "20M")])
    flood(home[PHONE], INTERNET4, packets=20_000, rate=20_000)
    flood(home.internet, PHONE.ipv6, packets=20_000, rate=20_000)
    echo(home[PHONE], INTERNET6, count=20, payload=8000)
    service.settle()
    carried = referee.read()
    assert service.usage("wan") == {each.name: carried[each].minus(before[each]).wan for each in DEVICES}
    (point,) = service.get("/api/v1/coverage").json["points"]
    assert point["frame_octets_metered"] == point["frame_octets_interface"] > 5_000_000
    assert point["packets_lost"] == 0


@pytest.mark.skipif(not knows_giants(os.uname().release), reason="the ring tells how packets are cut since Linux 6.2")
def test_giant_packets_count_as_the_wire_carries_them(tmp_path: Path) -> None:
    """TCP both ways, and datagrams that are sent by the forty."""
    with Home(Links.GIANT) as home, running(home.gateway, tmp_path, packets(tmp_path)) as service:
        referee = Referee(home)
        before = referee.read()
        with iperf_servers(home.internet, (5201, 5202)):
            finish(
                [
                    start_transfer(home[LAPTOP], INTERNET4, 5201, "tcp", "--bitrate", "100M"),
                    start_transfer(home[TV], INTERNET6, 5202, "tcp", "--bitrate", "100M"),
                ]
            )
        for address in (INTERNET4, INTERNET6):
            flood(home[PHONE], address, packets=4_010, payload=1200, rate=20_000, segments=40)
        service.settle()
        carried = referee.read()
        assert service.usage("wan") == {each.name: carried[each].minus(before[each]).wan for each in DEVICES}
        (point,) = service.get("/api/v1/coverage").json["points"]
        assert point["frame_octets_metered"] == point["frame_octets_interface"] > 10_000_000
        assert point["packets_lost"] == 0


def test_an_overrun_is_told_and_its_octets_are_nobodys(home: Home, service: Service) -> None:
    service.settle()
    referee = Referee(home)
    before = referee.read()
    os.kill(service.pid, signal.SIGSTOP)
    try:
        flood(home[PHONE], INTERNET4, packets=OVERRUN, rate=100_000)
    finally:
        os.kill(service.pid, signal.SIGCONT)
    for _ in range(4):  # what nobody metered is booked when two reads have missed it
        service.settle()
    carried = referee.read()[PHONE].minus(before[PHONE]).wan
    (point,) = service.get("/api/v1/coverage").json["points"]
    usage = service.usage("wan")
    assert 0 < usage["phone"].packets_out < carried.packets_out
    assert point["packets_lost"] >= carried.packets_out - usage["phone"].packets_out
    assert 0 <= usage["phone"].octets_out + usage["unattributed"].octets_out - carried.octets_out < NOISE
    assert point["frame_octets_metered"] < point["frame_octets_interface"]


def test_an_interface_that_comes_back_is_metered_again_without_privileges(home: Home, tmp_path: Path) -> None:
    home.gateway.ip("link add br1 type bridge")
    config = packets(tmp_path).replace('"br0"', '"br1"')
    try:
        with running(home.gateway, tmp_path, config) as service:
            home.gateway.ip("link delete br1")
            assert _state(service, "waiting") == "waiting"
            home.gateway.ip("link add br1 type bridge")
            home.gateway.ip("address add 192.168.77.1/24 dev br1")
            home.gateway.ip("link set br1 up")
            assert _state(service, "ok") == "ok"
    finally:
        home.gateway.ip("link delete br1")


def test_where_the_kernel_takes_no_program_packets_are_counted(home: Home, tmp_path: Path) -> None:
    service = Service(home.gateway, tmp_path, settings(tmp_path, more=STAYS_ROOT))
    service.prefix = ("setpriv", "--inh-caps=-all,+net_raw", "--bounding-set=-all,+net_raw")
    try:
        service.start()
        referee = Referee(home)
        before = referee.read()
        echo(home[PHONE], INTERNET4, count=50)
        service.settle()
        assert service.usage("wan") == {"phone": referee.read()[PHONE].minus(before[PHONE]).wan}
        assert "counting packets in this process instead" in service.get("/api/v1/health").json["notices"][0]
        assert service.stop() == 0
    finally:
        service.end()


def _state(service: Service, wanted: str) -> str:
    """The point's state, once it is the wanted one or half a minute is over."""
    until = time.monotonic() + 30
    while True:
        (point,) = service.get("/api/v1/health").json["points"]
        if point["state"] == wanted or time.monotonic() > until:
            return str(point["state"])
        time.sleep(0.1)
