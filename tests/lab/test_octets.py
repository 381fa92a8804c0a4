"""Octets per device equal to the octet to what the devices' own interfaces carried. Never to be weakened."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.home import DEVICES, INTERNET4, INTERNET6, LAPTOP, PHONE, TV, Device, Home, Links
from tests.lab.machine import Machine, end
from tests.lab.referee import Carried, Octets, Referee
from tests.lab.service import Service, running
from tests.lab.traffic import Flood, echo, finish, flood, iperf_servers, start_transfer

pytestmark = pytest.mark.lab

FAMILIES = {"ipv4": INTERNET4, "ipv6": INTERNET6}
PORTS = dict(zip(DEVICES, (5201, 5202, 5203), strict=True))
FLOOD_PACKETS = 1_200_000


@dataclass(frozen=True, slots=True)
class Lab:
    home: Home
    service: Service
    referee: Referee

    def compare(self, act: Callable[[], object]) -> dict[Device, Carried]:
        """Do `act`; every device must then have been carried, and counted, the same octets and packets, in
        and out, and nothing to or from the outside may be anybody else's. Returns what was carried."""
        carried_before, counted_before = self.referee.read(), self.service.usage("wan")
        act()
        self.service.settle()
        carried_after, counted = self.referee.read(), self.service.usage("wan")
        carried = {device: carried_after[device].minus(carried_before[device]) for device in DEVICES}
        for device in DEVICES:
            before = counted_before.pop(device.name, Octets())
            after = counted.pop(device.name, Octets())
            assert _less(after, before) == carried[device].wan, (device.name, carried[device].detail)
        assert counted == counted_before, "somebody else got traffic of the outside"
        return carried


@pytest.fixture(
    scope="module",
    params=[(Links.GIANT, False), (Links.CUT, True)],
    ids=["giant-packets", "cut-packets-masqueraded"],
)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    links, masquerade = request.param
    with (
        Home(links, masquerade) as home,
        iperf_servers(home.internet, tuple(PORTS.values())),
        running(home.gateway, tmp_path_factory.mktemp("service")) as service,
    ):
        yield Lab(home, service, Referee(home))


giant_only = pytest.mark.parametrize("lab", [(Links.GIANT, False)], indirect=True, ids=["giant-packets"])


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("family", FAMILIES)
def test_three_devices_transfer_both_ways(lab: Lab, family: str, protocol: str) -> None:
    """A second of it, or a few where the machine has other things to do: 5 MB each way are to be equal."""
    address, least = FAMILIES[family], 0
    for _ in range(10):
        bridge_before = _bridge_packets(lab.home)
        carried = lab.compare(
            lambda: finish([start_transfer(lab.home[each], address, PORTS[each], protocol) for each in DEVICES])
        )
        if protocol == "tcp" and lab.home.links is Links.GIANT:
            packets = sum(sum(each.wan[2:]) for each in carried.values())
            seen = _bridge_packets(lab.home) - bridge_before
            assert seen < packets / 2, "the meter was to see giant packets, or this proves less than it says"
        ways = [f"{way}_{family}_{protocol}" for way in ("in", "out")]
        least += min(carried[device].detail[way][0] for device in DEVICES for way in ways)
        if least > 5_000_000:
            return
    pytest.fail(f"only {least} octets were carried")


@pytest.mark.parametrize("family", FAMILIES)
def test_small_packets_flood_out(lab: Lab, family: str, record_property: Callable[[str, object], None]) -> None:
    floods: list[Flood] = []
    lab.compare(lambda: floods.append(flood(lab.home[PHONE], FAMILIES[family], packets=FLOOD_PACKETS)))
    _report(floods[0], f"out, {family}", record_property)


@giant_only
@pytest.mark.parametrize("family", FAMILIES)
def test_small_packets_flood_in(lab: Lab, family: str, record_property: Callable[[str, object], None]) -> None:
    target = TV.ipv4 if family == "ipv4" else TV.ipv6
    floods: list[Flood] = []
    lab.compare(lambda: floods.append(flood(lab.home.internet, target, packets=FLOOD_PACKETS)))
    _report(floods[0], f"in, {family}", record_property)


@giant_only
@pytest.mark.parametrize("family", FAMILIES)
def test_one_send_of_forty_datagrams_is_forty_packets(lab: Lab, family: str) -> None:
    """UDP_SEGMENT, as QUIC senders use it; the last giant packet is shorter than the others."""
    carried = lab.compare(
        lambda: flood(lab.home[LAPTOP], FAMILIES[family], packets=20_040, payload=1200, rate=100_000, segments=40)
    )
    assert carried[LAPTOP].detail[f"out_{family}_udp"][1] == 20_040


@pytest.mark.needs("curl")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_is_fetched_over_http(lab: Lab, family: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(3_000_000))
    laptop, address = lab.home[LAPTOP], FAMILIES[family]
    laptop.run("sysctl", "-qw", "net.ipv4.tcp_rmem=4096 48000 48000")  # as with iperf3: no queue may overflow
    with served(lab.home.internet, address, tmp_path) as url:
        carried = lab.compare(lambda: laptop.run("curl", "-sSf", "-o", "/dev/null", f"{url}/file"))
    assert carried[LAPTOP].detail[f"in_{family}_tcp"][0] > 3_000_000


@contextmanager
def served(machine: Machine, address: str, folder: Path) -> Iterator[str]:
    """The files of a folder over HTTP, on a port that nobody has."""
    words = ("-u", "-m", "http.server", "0", "--bind", address, "--directory", str(folder))
    server = machine.start(sys.executable, *words)
    try:
        assert server.stdout
        port = re.search(r" port (\d+)", server.stdout.readline())
        assert port
        yield f"http://[{address}]:{port[1]}" if ":" in address else f"http://{address}:{port[1]}"
    finally:
        end(server)


@pytest.mark.parametrize("family", FAMILIES)
def test_echo_is_counted_with_its_headers(lab: Lab, family: str) -> None:
    carried = lab.compare(lambda: echo(lab.home[TV], FAMILIES[family], count=50))
    header = 28 if family == "ipv4" else 48
    assert carried[TV].wan.octets_out >= 50 * (header + 1200)


@pytest.mark.parametrize("family", FAMILIES)
def test_large_datagrams_in_fragments_are_counted_whole(lab: Lab, family: str) -> None:
    """8,000 octets of echo are six fragments, each with its IP header, and no ports after the first."""
    carried = lab.compare(lambda: echo(lab.home[PHONE], FAMILIES[family], count=20, payload=8000))
    assert carried[PHONE].wan.packets_out == 20 * 6


def test_everything_at_once(lab: Lab) -> None:
    def act() -> None:
        transfers = [
            start_transfer(lab.home[PHONE], INTERNET6, PORTS[PHONE], "tcp", seconds=3),
            start_transfer(lab.home[LAPTOP], INTERNET4, PORTS[LAPTOP], "udp", seconds=3),
        ]
        flood(lab.home[TV], INTERNET4, packets=300_000, rate=150_000)
        flood(lab.home[TV], INTERNET6, packets=100_000)
        finish(transfers)

    lab.compare(act)


def test_the_meter_missed_nothing_that_its_interface_counted(lab: Lab) -> None:
    """Last: all that the tests above sent, in frames of layer 2, with the interface as referee."""
    lab.service.settle()
    (point,) = lab.service.get("/api/v1/coverage").json["points"]
    assert point["frame_octets_metered"] == point["frame_octets_interface"] > 100_000_000
    assert point["packets_lost"] == 0
    assert point["coverage"] > 0.999


def _less(after: Octets, before: Octets) -> Octets:
    return Octets(*(now - then for now, then in zip(after, before, strict=True)))


def _bridge_packets(home: Home) -> int:
    stats = json.loads(home.gateway.ip("-j -s link show br0"))[0]["stats64"]
    return int(stats["rx"]["packets"] + stats["tx"]["packets"])


def _report(sent: Flood, what: str, record_property: Callable[[str, object], None]) -> None:
    record_property("packets per second", sent.rate)
    print(f"flood {what}: {sent.packets} packets at {sent.rate} packets/s")
