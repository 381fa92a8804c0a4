"""Interfaces that come and go under the meter."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.home import TV, Home, Links
from tests.lab.machine import Machine
from tests.lab.service import Service, running, settings
from tests.lab.traffic import flood

pytestmark = pytest.mark.lab

REATTACH_S = 2


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


def plug(gateway: Machine, far: Machine) -> None:
    """A new interface lan9 on the gateway, with a machine at its other end."""
    gateway.ip(f"link add lan9 type veth peer name far9 netns {far.pid}")
    gateway.run("sysctl", "-qw", "net.ipv6.conf.lan9.disable_ipv6=1")  # no router solicitations of its own
    far.run("sysctl", "-qw", "net.ipv6.conf.far9.disable_ipv6=1")
    gateway.ip("link set lan9 address 02:50:00:00:00:09 up")
    gateway.ip("address add 192.168.90.1/24 dev lan9")
    far.ip("link set far9 address 02:50:00:00:00:29 up")
    far.ip("address add 192.168.90.2/24 dev far9")


def carried(gateway: Machine) -> int:
    """IP octets of lan9 by its own counter, when nothing flows."""
    (line,) = [line for line in gateway.run("cat", "/proc/net/dev").splitlines() if "lan9:" in line]
    column = list(map(int, line.partition(":")[2].split()))
    return column[0] + column[8] - 14 * (column[1] + column[9])


def state(service: Service) -> str:
    (point,) = service.get("/api/v1/health").json["points"]
    return str(point["state"])


def reattach(service: Service) -> float:
    """Seconds until the point is well again."""
    began = time.monotonic()
    while state(service) != "ok":
        assert time.monotonic() - began < 2 * REATTACH_S
        time.sleep(0.02)
    return time.monotonic() - began


def test_an_interface_may_come_late_go_and_come_back_without_a_ghost_or_a_lost_octet(
    home: Home, tmp_path: Path
) -> None:
    config = settings(tmp_path, interface="lan9").replace('interface = "lan9"', 'interface = "lan9"\nwait = true')
    gateway, far = home.gateway, home[TV]
    with running(gateway, tmp_path, config) as service:
        assert state(service) == "waiting"
        total = 0
        for known in (False, True):
            plug(gateway, far)
            if known:  # at the very first sight a running counter is a baseline
                flood(far, "192.168.90.1", packets=2000)  # while nobody watches yet
            assert reattach(service) < REATTACH_S
            flood(far, "192.168.90.1", packets=5000)
            for _ in range(3):
                service.settle()
            total += carried(gateway)
            gateway.ip("link delete lan9")
            while state(service) != "waiting":
                time.sleep(0.05)
        for _ in range(2):
            service.settle()
        (point,) = service.get("/api/v1/coverage?start=2000-01-01&end=2100-01-01").json["points"]
        assert point["octets_attributed"] + point["octets_unattributed"] == pytest.approx(total, abs=500)
        assert point["octets_attributed"] >= 2 * 5000 * 50
