"""Shapes of a home: a router behind the gateway, IPv6 prefixes that change."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.home import (
    DEVICES,
    GATEWAY6,
    GATEWAY_MAC,
    INTERNET4,
    INTERNET6,
    LAPTOP,
    PHONE,
    Home,
    Links,
)
from tests.lab.machine import Machine
from tests.lab.referee import Octets, Referee
from tests.lab.service import running
from tests.lab.shapes import ATTIC_MAC, HOSTS, attic
from tests.lab.traffic import flood

pytestmark = pytest.mark.lab


@pytest.fixture
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


def exchange(machine: Machine, source: str, payload: int = 1000, count: int = 20) -> None:
    """Echo requests from one address of the machine, each answered: `count` packets each way."""
    machine.run("sysctl", "-qw", "net.ipv4.ping_group_range=0 0")
    with machine.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as sock:
        sock.settimeout(5)
        sock.bind((source, 0))
        sock.connect((INTERNET4, 0))
        for number in range(count):
            sock.send(bytes([8, 0, 0, 0, 0, 0]) + number.to_bytes(2, "big") + bytes(payload))
            sock.recv(65536)


def test_hosts_behind_a_second_router_are_people_of_their_own_and_stay_so_after_a_restart(
    home: Home, tmp_path: Path
) -> None:
    machine = attic(home)
    with running(home.gateway, tmp_path) as service:
        for host in HOSTS:
            exchange(machine, host)
        service.settle()
        service.settle()
        before = service.usage("wan")
        for host in HOSTS:
            exchange(machine, host)
        service.settle()
        after = service.usage("wan")
        sent = Octets(20 * 1028, 20 * 1028, 20, 20)
        for host in HOSTS:
            grown = zip(before.get(host, Octets()), after[host], strict=True)
            assert Octets(*(b - a for a, b in grown)) == sent, host
        [notice] = service.get("/api/v1/health").json["notices"]
        assert notice.startswith(f"{ATTIC_MAC} carries traffic of other hosts (192.168.60.1")
    with running(home.gateway, tmp_path) as service:
        exchange(machine, HOSTS[0])
        service.settle()
        grown = zip(after[HOSTS[0]], service.usage("wan")[HOSTS[0]], strict=True)
        assert Octets(*(b - a for a, b in grown)) == sent


def test_a_phone_keeps_its_usage_while_its_ipv6_prefix_changes_under_traffic(home: Home, tmp_path: Path) -> None:
    with running(home.gateway, tmp_path) as service:
        referee = Referee(home)
        before = referee.read()
        sender = threading.Thread(
            target=flood, args=(home[LAPTOP], INTERNET6), kwargs={"packets": 40_000, "rate": 10_000}
        )
        sender.start()
        flood(home[PHONE], INTERNET6, packets=1000)
        for number in (51, 52, 53):
            renumber(home, number)
            flood(home[PHONE], INTERNET6, packets=1000)
            flood(home.internet, f"2001:db8:{number}::11", packets=1000)
        home[PHONE].ip(f"address del {PHONE.ipv6}/64 dev eth0")
        flood(home[PHONE], INTERNET6, packets=1000)
        sender.join()
        service.settle()
        service.settle()
        carried = referee.read()
        for device in (PHONE, LAPTOP):
            assert service.usage("wan")[device.name] == carried[device].minus(before[device]).wan
        assert set(service.usage("wan")) == {"phone", "laptop"}
        assert carried[PHONE].wan.packets_out >= 5000
        assert len(service.get("/api/v1/devices").json["devices"]) <= len(DEVICES) + 1


def renumber(home: Home, number: int) -> None:
    """The provider delegates another prefix: the gateway and the phone take addresses of it, the old ones stay."""
    prefix = f"2001:db8:{number}::"
    home.internet.ip(f"route add {prefix}/64 via 2001:db8:cafe::1")
    for machine, link, address, other, mac in (
        (home.gateway, "br0", f"{prefix}1", f"{prefix}11", PHONE.mac),
        (home[PHONE], "eth0", f"{prefix}11", f"{prefix}1", GATEWAY_MAC),
    ):
        machine.ip(f"address add {address}/64 dev {link} nodad")
        machine.ip(f"neigh replace {other} lladdr {mac} dev {link}")
    home[PHONE].ip(f"-6 route replace default via {GATEWAY6} src {prefix}11")
