"""Interfaces that come and go under the meter."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.home import INTERNET4, TV, Home, Links
from tests.lab.machine import Machine
from tests.lab.service import Service, running, settings
from tests.lab.traffic import flood

pytestmark = pytest.mark.lab

REATTACH_S = 2
FLUSH_S = 15
TENDED_S = 3
"""Within which every collector has looked at its interface."""
SMALL = 500
"""Octets that may pass unasked while a link comes up."""


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


def plug(gateway: Machine, far: Machine, number: int = 9) -> None:
    """A new interface lan9 on the gateway, or one of another number, with a machine at its other end."""
    near, there = f"lan{number}", f"far{number}"
    gateway.ip(f"link add {near} type veth peer name {there} netns {far.pid}")
    gateway.run("sysctl", "-qw", f"net.ipv6.conf.{near}.disable_ipv6=1")  # no router solicitations of its own
    far.run("sysctl", "-qw", f"net.ipv6.conf.{there}.disable_ipv6=1")
    gateway.ip(f"link set {near} address 02:50:00:00:00:0{number} up")
    gateway.ip(f"address add 192.168.{number}0.1/24 dev {near}")
    far.ip(f"link set {there} address 02:50:00:00:00:2{number} up")
    far.ip(f"address add 192.168.{number}0.2/24 dev {there}")


def carried(gateway: Machine, link: str = "lan9") -> int:
    """IP octets of a link by its own counter, when nothing flows."""
    (line,) = [line for line in gateway.run("cat", "/proc/net/dev").splitlines() if f"{link}:" in line]
    column = list(map(int, line.partition(":")[2].split()))
    return column[0] + column[8] - 14 * (column[1] + column[9])


def unattributed(service: Service) -> int:
    (point,) = service.get("/api/v1/coverage?start=2000-01-01&end=2100-01-01").json["points"]
    return int(point["octets_unattributed"])


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


def test_a_renamed_interface_is_waited_for_and_another_that_takes_its_name_brings_no_ghost(
    home: Home, tmp_path: Path
) -> None:
    config = settings(tmp_path, interface="lan9").replace('interface = "lan9"', 'interface = "lan9"\nwait = true')
    gateway, far = home.gateway, home[TV]
    plug(gateway, far)
    plug(gateway, far, 8)
    flood(far, "192.168.80.1", packets=20_000)  # lan8 has carried much before anybody meters it
    with running(gateway, tmp_path, config) as service:
        service.settle()
        begun = carried(gateway)
        flood(far, "192.168.90.1", packets=100)
        for name, other in (("lan9", "away"), ("away", "lan9")):
            gateway.ip(f"link set {name} down")
            gateway.ip(f"link set {name} name {other} up")
            if other == "away":
                while state(service) != "waiting":
                    time.sleep(0.05)
                flood(far, "192.168.90.1", packets=1000)  # nobody meters it, and it must show
        assert reattach(service) < REATTACH_S
        # More than before it was renamed, in one interval: only the new life of the totals tells.
        flood(far, "192.168.90.1", packets=5000)
        for _ in range(3):
            service.settle()
        own = carried(gateway) - begun
        assert service.booked() == pytest.approx(own, abs=500)
        assert 1000 * 50 <= unattributed(service) < 3 * 1000 * 50
        gateway.ip("link delete lan9")
        while state(service) != "waiting":
            time.sleep(0.05)
        before = carried(gateway, "lan8")
        gateway.ip("link set lan8 down")
        gateway.ip("link set lan8 name lan9 up")
        assert reattach(service) < REATTACH_S
        flood(far, "192.168.80.1", packets=2000)
        for _ in range(3):
            service.settle()
        assert service.booked() == pytest.approx(own + carried(gateway) - before, abs=1000)
        gateway.ip("link delete lan9")


@pytest.mark.parametrize("collector", ["kernel", "packet", "interface"])
def test_what_an_interface_carried_before_it_was_watched_is_unattributed_though_it_goes_before_the_flush(
    home: Home, tmp_path: Path, collector: str
) -> None:
    gateway, far = home.gateway, home[TV]
    config = settings(tmp_path, interface="lan9", flush=f"{FLUSH_S}s").replace('"kernel"', f'"{collector}"')
    plug(gateway, far)
    with running(gateway, tmp_path, config.replace('"lan9"', '"lan9"\nwait = true')) as service:
        gateway.ip("link delete lan9")
        while state(service) != "waiting":
            time.sleep(0.05)
        service.settle()
        before, missed_before, flushes = service.booked(), unattributed(service), service.flushes()
        os.kill(service.pid, signal.SIGSTOP)
        try:
            plug(gateway, far)
            flood(far, "192.168.90.1", packets=2000)  # while nobody watches yet
            missed = carried(gateway)
        finally:
            os.kill(service.pid, signal.SIGCONT)
        reattach(service)
        flood(far, "192.168.90.1", packets=3000)
        time.sleep(TENDED_S)
        total = carried(gateway)
        gateway.ip("link delete lan9")
        assert service.flushes() == flushes, "a flush came between, and proves nothing"
        while state(service) != "waiting":
            time.sleep(0.05)
        service.settle(3 * FLUSH_S)
        assert service.booked() - before == total
        if collector == "interface":
            missed = total
        assert missed <= unattributed(service) - missed_before <= missed + SMALL


def test_an_interface_that_is_down_is_said_to_be_within_two_seconds(home: Home, tmp_path: Path) -> None:
    """Long before the next flush, and nothing is lost when it is up again."""
    plug(home.gateway, home[TV])
    with running(home.gateway, tmp_path, settings(tmp_path, interface="lan9", flush="30s")) as service:
        home.gateway.ip("link set lan9 down")
        began = time.monotonic()
        while state(service) != "waiting":
            assert time.monotonic() - began < REATTACH_S
            time.sleep(0.02)
        home.gateway.ip("link set lan9 up")
        assert reattach(service) < REATTACH_S
    home.gateway.ip("link delete lan9")


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


def test_an_interface_may_be_called_by_any_of_its_names(home: Home, tmp_path: Path) -> None:
    home.gateway.ip("link property add dev br0 altname the-bridge-of-the-house")
    with running(home.gateway, tmp_path, settings(tmp_path, "the-bridge-of-the-house")) as service:
        flood(home[TV], INTERNET4, packets=500, rate=5_000)
        service.settle()
        assert service.usage("wan")["tv"].octets_out == 500 * (22 + 28)
        [point] = service.get("/api/v1/health").json["points"]
        assert point["interface"] == "br0"
