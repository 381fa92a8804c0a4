"""Slowing and cutting off on a real gateway: who went over, both ways, both families, and nothing of anybody else's."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.lab.home import GATEWAY4, INTERNET4, INTERNET6, LAPTOP, PHONE, TV, Home, Links
from tests.lab.machine import Machine
from tests.lab.service import running, settings
from tests.lab.traffic import echo, iperf_servers
from whitestat.core.units import address_bytes, mac_bytes
from whitestat.throttle.client import Client, ThrottleFault
from whitestat.throttle.limits import Limit

pytestmark = pytest.mark.lab

RATE_BPS = 6_000_000
SLOW = Limit("phone", (mac_bytes(PHONE.mac),), (), RATE_BPS)
CUT = Limit("tv", (mac_bytes(TV.mac),), (address_bytes(TV.ipv4),), None, (ip_network("198.51.100.0/24"),))
PORTS = (5201, 5202)


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


@contextmanager
def helper(gateway: Machine) -> Iterator[Client]:
    with gateway.inside():
        client = Client()
    try:
        yield client
    finally:
        client.close()


def left_behind(gateway: Machine) -> dict[str, object]:
    """What is on the gateway of queues, filters, intermediate devices and tables."""
    links = json.loads(gateway.run("ip", "-j", "link", "show"))
    return {
        "links": sorted(each["ifname"] for each in links),
        "queues": gateway.run("tc", "qdisc", "show"),
        "filters": gateway.run("tc", "filter", "show", "dev", "br0", "ingress"),
        "tables": gateway.run("nft", "list", "ruleset"),
    }


def received_bps(machine: Machine, address: str, port: int, *more: str) -> float:
    words = ("iperf3", "--client", address, "--port", str(port), "--time", "2", "--omit", "1", "--json", *more)
    return float(json.loads(machine.run(*words))["end"]["sum_received"]["bits_per_second"])


def reaches(machine: Machine, address: str) -> bool:
    try:
        echo(machine, address, count=1, patience_s=0.5)
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(("address", "more"), [(INTERNET4, ["--reverse"]), (INTERNET6, [])], ids=["down4", "up6"])
def test_the_rate_holds_and_others_keep_theirs(home: Home, address: str, more: list[str]) -> None:
    with (
        helper(home.gateway) as client,
        iperf_servers(home.internet, PORTS),
        ThreadPoolExecutor(2) as both,
    ):
        client.put(["br0"], [SLOW])
        slow = both.submit(received_bps, home[PHONE], address, PORTS[0], *more)
        free = both.submit(received_bps, home[LAPTOP], address, PORTS[1], *more)
        # What is slowed is frames; what arrives of them is less by their headers, 66 or 86 octets of 1,514.
        assert slow.result() == pytest.approx(RATE_BPS * 0.95, rel=0.1)
        assert free.result() > 10 * RATE_BPS


def test_the_gateway_itself_is_reached_at_full_speed(home: Home) -> None:
    with helper(home.gateway) as client, iperf_servers(home.gateway, PORTS[:1]):
        client.put(["br0"], [SLOW])
        assert received_bps(home[PHONE], GATEWAY4, PORTS[0]) > 10 * RATE_BPS


def test_who_is_cut_off_reaches_what_is_spared_and_the_gateway_alone(home: Home) -> None:
    home.internet.ip("address replace 198.51.100.2/24 dev eth0")
    home.gateway.ip("route replace 198.51.100.0/24 via 203.0.113.2")
    with helper(home.gateway) as client:
        client.put(["br0"], [CUT])
        tv = home[TV]
        found = [reaches(tv, each) for each in (INTERNET4, INTERNET6, "198.51.100.2", GATEWAY4)]
        assert found == [False, False, True, True]
        assert reaches(home[LAPTOP], INTERNET4)
        client.put(["br0"], [])
        assert reaches(tv, INTERNET4)
        assert reaches(tv, INTERNET6)


def test_everything_of_ours_goes_and_nothing_of_others(home: Home) -> None:
    gateway = home.gateway
    gateway.run("tc", "qdisc", "add", "dev", "br0", "clsact")
    own = "filter add dev br0 ingress pref 9 protocol all u32 match ether src 02:50:00:00:00:99 action mirred egress"
    gateway.run("tc", *own.split(), "redirect", "dev", "wan")
    gateway.run("nft", "-f", "-", stdin="table inet mine {\n chain c {\n type filter hook forward priority 0;\n }\n}\n")
    before = left_behind(gateway)
    try:
        with helper(gateway) as client:
            client.put(["br0"], [SLOW, CUT])
            assert left_behind(gateway) != before
        assert left_behind(gateway) == before
    finally:
        gateway.run("tc", "qdisc", "delete", "dev", "br0", "clsact")
        gateway.run("nft", "delete", "table", "inet", "mine")


def test_a_service_that_was_killed_slows_nobody_and_a_killed_helper_is_cleared_up(home: Home) -> None:
    gateway = home.gateway
    before = left_behind(gateway)
    with gateway.inside():
        client = Client()
    client.put(["br0"], [SLOW, CUT])
    os.kill(client.pid, signal.SIGKILL)
    with pytest.raises(ThrottleFault, match="has ended"):
        client.put(["br0"], [])
    client.close()
    assert left_behind(gateway) != before
    with helper(gateway) as client:
        client.put(["br0"], [])
        cleared = left_behind(gateway)
    assert [cleared[each] for each in ("links", "filters", "tables")] == [
        before[each] for each in ("links", "filters", "tables")
    ]
    gateway.run("tc", "qdisc", "delete", "dev", "br0", "clsact")  # whose it was is not known any more


def test_an_interface_made_anew_is_slowed_again(home: Home) -> None:
    gateway = home.gateway
    gateway.ip("link add lan9 type veth")
    with helper(gateway) as client:
        client.put(["lan9"], [SLOW])
        gateway.ip("link delete lan9")
        with pytest.raises(ThrottleFault, match="no interface lan9"):
            client.put(["lan9"], [SLOW])
        gateway.ip("link add lan9 type veth")
        client.put(["lan9"], [SLOW])
        assert "wstat-up" in gateway.run("tc", "filter", "show", "dev", "lan9", "ingress")
    gateway.ip("link delete lan9")


def test_the_helper_may_do_nothing_else(home: Home) -> None:
    with helper(home.gateway) as client:
        client.put([], [])
        lines = Path(f"/proc/{client.pid}/status").read_text().splitlines()
        status = dict(line.split(":\t") for line in lines if ":\t" in line)
        net_admin = f"{1 << 12:016x}"
        assert [status[each] for each in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs")] == [net_admin] * 3 + ["1"]


PLAN = """
[[plan]]
name = "line"
allowance = "3MB"
when_over = "4Mbit/s"
[[plan.share]]
person = "Anna"
parts = 1
[[plan.share]]
person = "Ben"
parts = 9
"""


def test_the_service_slows_who_used_up_a_share_says_so_and_lets_go_on_request_and_at_its_end(
    home: Home, tmp_path: Path
) -> None:
    gateway = home.gateway
    with running(gateway, tmp_path, settings(tmp_path, more=PLAN)) as service, iperf_servers(home.internet, PORTS):
        assert "No active limits." in service.command("throttle").stdout
        received_bps(home[PHONE], INTERNET4, PORTS[0], "--reverse")
        assert service.command("people", "add", "Anna").returncode == 0
        assert service.command("people", "own", "phone", "Anna").returncode == 0
        until = time.monotonic() + 60
        while not (found := service.get("/api/v1/throttle").json)["slowed"]:
            assert time.monotonic() < until, service.log
            time.sleep(0.5)
        assert found["fault"] is None
        assert [(each["name"], each["rate_bps"], each["lifted"]) for each in found["slowed"]] == [
            ("Anna (line)", 4_000_000, False)
        ]
        (before, _), booked_before = service.at_rest()
        assert received_bps(home[PHONE], INTERNET4, PORTS[0], "--reverse") < 5_000_000
        assert received_bps(home[LAPTOP], INTERNET4, PORTS[1], "--reverse") > 40_000_000
        # A detour over another device is no second sight of a packet: what is booked is what the bridge carried.
        (carried, _), booked = service.at_rest()
        assert booked - booked_before == carried - before > 10_000_000
        assert "slowed to 4.0 Mbit/s" in str(service.get("/api/v1/events").json)
        assert service.command("throttle", "lift", "Anna (line)").returncode == 0
        assert received_bps(home[PHONE], INTERNET4, PORTS[0], "--reverse") > 40_000_000
    assert "wstat" not in str(left_behind(gateway)), "everything is taken back when the service ends"
