"""Octets over every kind of link: what is metered is what the far end's interface counted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.collectors.captures import classic
from tests.collectors.frames import mixed
from tests.lab.joined import EVERY_FRAME, HERE4, HERE6, KINDS, LINK, Joined, joined, tunnel
from tests.lab.machine import Machine, NoLabError
from tests.lab.service import Service, running, settings
from tests.lab.traffic import echo, finish, flood, iperf_servers, start_transfer
from whitestat.collectors.capture import Record
from whitestat.collectors.decode import Link, decode

pytestmark = pytest.mark.lab

REATTACH_S = 2
NOISE = 100_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """One kind of link with the service on it, and what both ends had counted when the service began."""

    kind: str
    ends: Joined
    service: Service
    folder: Path

    def point(self) -> dict[str, Any]:
        """Coverage when all that has passed is booked; `far` is what the far end had carried then.

        A machine says something of its own now and then, so it is read again until nothing came between."""
        while True:
            far = carried(self.ends.there)
            self.service.settle()
            self.service.settle()
            (point,) = self.service.get("/api/v1/coverage").json["points"]
            if far == carried(self.ends.there):
                return {**point, "far": far}


@pytest.fixture(scope="module", params=KINDS)
def stretch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stretch]:
    folder = tmp_path_factory.mktemp(request.param)
    try:
        with joined(request.param) as ends:
            interface = "lo" if request.param == "loopback" else LINK
            with running(ends.here, folder, settings(folder, interface)) as service:
                yield Stretch(request.param, ends, service, folder)
    except NoLabError as error:
        pytest.skip(str(error))


def test_octets_over_the_link_are_the_far_ends(stretch: Stretch) -> None:
    here, there = stretch.ends
    far = here if stretch.kind == "loopback" else there
    addresses = ("127.0.0.1", "::1") if stretch.kind == "loopback" else (HERE4, HERE6)
    before = stretch.point()
    with iperf_servers(here, (5201, 5202, 5203, 5204)):
        finish(
            [
                start_transfer(far, addresses[0], 5201, "tcp", "--bitrate", "40M"),
                start_transfer(far, addresses[1], 5202, "tcp", "--bitrate", "40M"),
                start_transfer(far, addresses[0], 5203, "udp", "--bitrate", "20M"),
                start_transfer(far, addresses[1], 5204, "udp", "--bitrate", "20M"),
            ]
        )
    for address in addresses:
        echo(far, address, count=20, payload=8000)
        flood(far, address, packets=5000, rate=20_000)
    point = stretch.point()
    assert point["frame_octets_interface"] > 10_000_000
    if stretch.kind == "loopback":  # our own questions to the service cross it, and it is never quiet
        assert abs(point["frame_octets_metered"] - point["frame_octets_interface"]) < NOISE
    else:
        assert point["frame_octets_metered"] == point["frame_octets_interface"]
        assert octets(point) - octets(before) == point["far"] - before["far"]
        assert point["packets_lost"] == 0


@pytest.mark.needs("tcpreplay")
@pytest.mark.parametrize("stretch", EVERY_FRAME, indirect=True)
def test_a_capture_of_every_shape_counts_as_the_decoder_says(stretch: Stretch) -> None:
    frames = [frame for frame in mixed() if stretch.kind != "tap" or len(frame) <= 1514]
    capture = stretch.folder / "mixed.pcap"
    capture.write_bytes(classic([Record(0, Link.ETHERNET, len(frame), frame) for frame in frames]))
    before = stretch.point()
    stretch.ends.there.run("tcpreplay", "--quiet", "--pps=20000", "--loop=20", f"--intf1={LINK}", str(capture))
    point = stretch.point()
    sent = 20 * sum(decode(frame, len(frame), Link.ETHERNET).octets for frame in frames)
    assert octets(point) - octets(before) == sent
    assert point["frame_octets_metered"] == point["frame_octets_interface"]


def test_a_link_without_a_header_that_comes_back_is_metered_within_two_seconds(tmp_path: Path) -> None:
    """What a PPPoE re-dial does: the interface goes, and is there again under another index."""
    try:
        with joined("veth") as ends:
            ends.here.ip(f"link delete {LINK}")
            dialled(ends, tmp_path)
    except NoLabError as error:
        pytest.skip(str(error))


def dialled(ends: Joined, folder: Path) -> None:
    config = settings(folder, LINK).replace(f'interface = "{LINK}"', f'interface = "{LINK}"\nwait = true')
    with running(ends.here, folder, config) as service:
        total = 0
        for _ in range(2):
            with tunnel(ends):
                for machine, address in zip(ends, ("192.168.60.1", "192.168.60.2"), strict=True):
                    machine.run("sysctl", "-qw", f"net.ipv6.conf.{LINK}.disable_ipv6=1")
                    machine.ip(f"address add {address}/24 dev {LINK}")
                assert until(service, "ok") < REATTACH_S
                flood(ends.there, HERE4, packets=3000, rate=20_000)
                service.settle()
                service.settle()
                total += carried(ends.there)
            until(service, "waiting")
        service.settle()
        (point,) = service.get("/api/v1/coverage?start=2000-01-01&end=2100-01-01").json["points"]
        assert octets(point) == total
        assert point["frame_octets_metered"] == point["frame_octets_interface"] == total


def until(service: Service, state: str) -> float:
    """Seconds until the point is in `state`."""
    began = time.monotonic()
    while service.get("/api/v1/health").json["points"][0]["state"] != state:
        assert time.monotonic() - began < 10
        time.sleep(0.02)
    return time.monotonic() - began


def octets(point: dict[str, Any]) -> int:
    return int(point["octets_attributed"] + point["octets_unattributed"])


def carried(machine: Machine) -> int:
    """IP octets of link0 by its own counter, both ways; nothing may have been dropped."""
    (entry,) = [each for each in json.loads(machine.ip("-j -s link")) if each["ifname"] == LINK] or [None]
    if entry is None:
        return 0
    stats, header = entry["stats64"], 14 if entry["link_type"] == "ether" else 0
    received, sent = stats["rx"], stats["tx"]
    assert sent["dropped"] == 0, "the lab's own link lost packets"
    return int(received["bytes"] + sent["bytes"] - header * (received["packets"] + sent["packets"]))
