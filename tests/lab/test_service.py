"""The running service in a home: starts, answers, refuses, keeps what it counted, knows who is who."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.home import (
    DEVICES,
    GATEWAY4,
    GATEWAY_MAC,
    INTERNET4,
    INTERNET6,
    LAPTOP,
    PHONE,
    TV,
    Home,
    Links,
)
from tests.lab.machine import SLOWER
from tests.lab.referee import Octets, Referee
from tests.lab.service import PORT, Service, running, settings
from tests.lab.traffic import echo, finish, flood, iperf_servers, shout, start_transfer

pytestmark = pytest.mark.lab

NOISE = 20_000
"""Octets that a quiet lab may send unasked in one test: ARP, neighbour discovery, group reports."""


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


@pytest.fixture
def service(home: Home, tmp_path: Path) -> Iterator[Service]:
    with running(home.gateway, tmp_path) as service:
        yield service


def metered_by(service: Service) -> dict[str, Octets]:
    """Usage of the wide area, when the service was away in between: ARP that passed meanwhile is unattributed."""
    found = service.usage("wan")
    gap = found.pop("unattributed", Octets())
    assert gap.octets_in + gap.octets_out < 2_000  # far less than any flood of these tests
    return found


def test_starts_soon_and_says_how_it_is(service: Service) -> None:
    health = service.get("/api/v1/health").json
    assert health["status"] == "ok"
    (point,) = health["points"]
    assert (point["interface"], point["collector"], point["state"]) == ("br0", "kernel", "ok")
    assert "br0" in service.log
    assert service.start_seconds < 10 * SLOWER
    print(f"start to first healthy answer: {service.start_seconds:.2f} s")


def test_page_has_no_outside_parts_and_a_strict_policy(service: Service) -> None:
    page = service.get("/")
    assert page.status == 200
    headers = {name.lower(): value for name, value in page.headers.items()}
    assert "default-src 'none'" in headers["content-security-policy"]
    assert b"http://" not in page.body.replace(b"http://www.w3.org/", b"")
    assert b"https://" not in page.body


def test_restart_keeps_usage_and_adds_to_it(home: Home, tmp_path: Path) -> None:
    with running(home.gateway, tmp_path) as service:
        referee = Referee(home)
        before = referee.read()
        echo(home[PHONE], INTERNET4, count=100)
        service.settle()
        first = service.usage("wan")["phone"]
        assert first == referee.read()[PHONE].minus(before[PHONE]).wan
    with running(home.gateway, tmp_path) as service:
        assert service.usage("wan")["phone"] == first
        echo(home[PHONE], INTERNET6, count=100)
        service.settle()
        assert service.usage("wan")["phone"] == referee.read()[PHONE].minus(before[PHONE]).wan


def test_sigterm_books_what_the_meter_still_holds(home: Home, tmp_path: Path) -> None:
    with running(home.gateway, tmp_path, settings(tmp_path, flush="1h")) as service:
        referee = Referee(home)
        before = referee.read()
        flood(home[TV], INTERNET4, packets=50_000)
        carried = referee.read()[TV].minus(before[TV]).wan
    today = service.command("today", "--json")
    assert today.returncode == 0, today.stderr
    rows = json.loads(today.stdout)
    rows = rows["rows"] if isinstance(rows, dict) else rows
    (row,) = [row for row in rows if row["scope"] == "wan" and "tv" in str(row["device"])]
    assert (row["octets_in"], row["octets_out"]) == carried[:2]


def test_killed_long_before_its_flush_it_finds_what_it_metered(home: Home, tmp_path: Path) -> None:
    service = Service(home.gateway, tmp_path, settings(tmp_path, flush="1h")).start()
    try:
        referee = Referee(home)
        before = referee.read()
        flood(home[PHONE], INTERNET4, packets=20_000)
        flood(home.internet, PHONE.ipv6, packets=20_000)
        metered = referee.read()[PHONE].minus(before[PHONE]).wan
        service.kill()
        assert metered_by(service.start()) == {"phone": metered}
        assert service.stop() == 0, service.log
        assert metered_by(service.start()) == {"phone": metered}
        assert service.stop() == 0, service.log
    finally:
        service.end()


def test_the_gateways_own_traffic_is_its_own_and_forwarded_packets_are_not(home: Home, service: Service) -> None:
    with iperf_servers(home.internet, (5201,)), iperf_servers(home.gateway, (5301,)):
        finish([start_transfer(home[LAPTOP], INTERNET4, 5201, "tcp", seconds=3)])
        finish([start_transfer(home[LAPTOP], GATEWAY4, 5301, "tcp", seconds=3)])
    service.settle()
    wan, lan = service.usage("wan"), service.usage("lan")
    gateway = {row["device"]["name"] or row["device"]["mac"] for row in service.rows(by="device") if row["device"]}
    (own,) = gateway - {each.name for each in DEVICES}
    assert own not in wan, "forwarded packets were counted to the gateway"
    assert wan["laptop"].octets_in > 5_000_000
    assert lan["laptop"].octets_in > 5_000_000
    assert abs(lan[own].octets_out - lan["laptop"].octets_in) < NOISE
    assert abs(lan[own].octets_in - lan["laptop"].octets_out) < NOISE
    assert GATEWAY_MAC in str(service.get("/api/v1/devices").json)


def test_shouting_never_makes_a_device(home: Home, service: Service) -> None:
    shout(home[PHONE])
    shout(home.gateway, link="br0")
    echo(home[PHONE], INTERNET4)
    service.settle()
    devices = service.get("/api/v1/devices").json["devices"]
    known = {GATEWAY_MAC, *(each.mac for each in DEVICES)}
    assert {device["mac"] for device in devices} <= known
    text = json.dumps(devices)
    assert not [each for each in ("255.255", "224.0.0", "ff02:", "33:33", "ff:ff:ff") if each in text]
    assert set(service.usage("wan")) == {"phone"}


def test_a_device_that_meters_itself_sees_its_own_traffic(home: Home, tmp_path: Path) -> None:
    """The newcomer's case: not a gateway, one interface, and the router's MAC behind every far address."""
    with running(home[LAPTOP], tmp_path, settings(tmp_path, interface="eth0")) as service:
        referee = Referee(home)
        before = referee.read()
        with iperf_servers(home.internet, (5201,)):
            finish([start_transfer(home[LAPTOP], INTERNET6, 5201, "tcp")])
            finish([start_transfer(home[LAPTOP], INTERNET4, 5201, "udp")])
        service.settle()
        wan = service.usage("wan")
        assert wan == {"laptop": referee.read()[LAPTOP].minus(before[LAPTOP]).wan}


def test_an_unknown_interface_is_named_with_those_that_exist(home: Home, tmp_path: Path) -> None:
    service = Service(home.gateway, tmp_path, settings(tmp_path, interface="br9"))
    done = service.command("run")
    assert done.returncode == 1
    assert "br9" in done.stderr
    assert all(name in done.stderr for name in ("br0", "wan", "phone"))
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named(home: Home, service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    done = Service(home.gateway, folder, settings(folder)).command("run")
    assert done.returncode == 1
    assert str(PORT) in done.stderr
    assert "Traceback" not in done.stderr


def test_two_services_meter_the_same_interface_in_peace(home: Home, service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    with running(home.gateway, folder, settings(folder, port=PORT + 1), port=PORT + 1) as second:
        referee = Referee(home)
        before = referee.read()
        flood(home[PHONE], INTERNET4, packets=10_000)
        carried = referee.read()[PHONE].minus(before[PHONE]).wan
        service.settle()
        second.settle()
        assert service.usage("wan") == second.usage("wan") == {"phone": carried}


def test_check_says_what_it_would_see(home: Home, tmp_path: Path) -> None:
    done = Service(home.gateway, tmp_path, settings(tmp_path)).command("check")
    assert done.returncode == 0, done.stderr
    assert "lan" in done.stdout
