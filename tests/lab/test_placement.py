"""Where the meter stands: at a mirror port, on the way to the outside, on a machine that sees itself alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.home import INTERNET4, PHONE, Home, Links
from tests.lab.machine import Machine
from tests.lab.referee import Referee
from tests.lab.service import Service, running, settings
from tests.lab.traffic import echo, flood

pytestmark = pytest.mark.lab


@pytest.fixture
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


def monitor(home: Home) -> Machine:
    """A machine without an address at a port that mirrors both directions of the phone's."""
    machine = home._machine("monitor")
    home._veth(home.gateway, "mirror", machine, "eth0", "02:50:00:00:00:31")
    home.gateway.ip("link set mirror up")
    machine.sysctl(net__ipv6__conf__eth0__disable_ipv6=1)
    machine.ip("link set eth0 up")
    home.gateway.run("nft", "-f", "-", stdin=_MIRROR)
    return machine


_MIRROR = """
table netdev mirror {
  chain incoming { type filter hook ingress device "phone" priority 0; dup to "mirror"; }
  chain outgoing { type filter hook egress device "phone" priority 0; dup to "mirror"; }
}
"""


def promiscuity(machine: Machine) -> int:
    return int(json.loads(machine.ip("-j -d link show eth0"))[0]["promiscuity"])


@pytest.mark.parametrize("collector", ["kernel", "packet"])
def test_a_mirror_port_is_promiscuous_for_as_long_as_the_service_lives(
    home: Home, tmp_path: Path, collector: str
) -> None:
    machine = monitor(home)
    config = settings(tmp_path, "eth0").replace(
        'collector = "kernel"', f'collector = "{collector}"\npromiscuous = true'
    )
    before_start = promiscuity(machine)
    service = Service(machine, tmp_path, config)
    try:
        service.start()
        assert promiscuity(machine) == before_start + 1
        referee = Referee(home)
        before = referee.read()
        flood(home[PHONE], INTERNET4, packets=2000, rate=10_000)
        echo(home[PHONE], INTERNET4)
        service.settle()
        service.settle()
        assert service.usage("wan")["phone"] == referee.read()[PHONE].minus(before[PHONE]).wan
        service.kill()
        assert promiscuity(machine) == before_start
    finally:
        service.end()


def test_it_is_off_unless_asked_for(home: Home, tmp_path: Path) -> None:
    before_start = promiscuity(home[PHONE])
    with running(home[PHONE], tmp_path, settings(tmp_path, "eth0")):
        assert promiscuity(home[PHONE]) == before_start


def test_a_gateway_that_meters_its_way_to_the_outside_is_told_what_to_meter(home: Home, tmp_path: Path) -> None:
    home.gateway.ip("route replace default via 203.0.113.2")
    with running(home.gateway, tmp_path, settings(tmp_path, "wan")) as service:
        [notice] = service.get("/api/v1/health").json["notices"]
        assert 'interface = "br0"' in notice
        assert notice in service.log


def test_an_interface_that_comes_back_is_promiscuous_again(home: Home, tmp_path: Path) -> None:
    machine = home[PHONE]
    config = settings(tmp_path, "late").replace(
        'collector = "kernel"', 'collector = "kernel"\npromiscuous = true\nwait = true'
    )
    with running(machine, tmp_path, config):
        for _ in range(2):
            machine.ip("link add late type veth peer name far")
            machine.ip("link set late up")
            until = time.monotonic() + 30
            while not int(json.loads(machine.ip("-j -d link show late"))[0]["promiscuity"]):
                assert time.monotonic() < until
                time.sleep(0.1)
            machine.ip("link del late")
            time.sleep(1.2)
