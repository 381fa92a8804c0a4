"""Several points at once: networks that count are summed, and what two of them see is booked once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.home import DEVICES, INTERNET4, INTERNET6, LAPTOP, PHONE, Home, Links
from tests.lab.referee import Octets, Referee
from tests.lab.service import running, settings
from tests.lab.traffic import finish, flood, iperf_servers, start_transfer

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


def point(name: str, interface: str, counts: bool = True) -> str:
    flag = "true" if counts else "false"
    return f'[[point]]\nname = "{name}"\ncollector = "kernel"\ninterface = "{interface}"\ncounts = {flag}\n'


def transfers(home: Home) -> None:
    with iperf_servers(home.internet, (5201, 5202)):
        finish(
            [
                start_transfer(home[PHONE], INTERNET4, 5201, "tcp", "--bitrate", "20M"),
                start_transfer(home[LAPTOP], INTERNET6, 5202, "udp"),
            ]
        )
    flood(home[PHONE], INTERNET6, packets=3000, rate=20_000)


def test_a_bridge_and_its_port_count_a_device_once_and_the_page_says_so(home: Home, tmp_path: Path) -> None:
    with running(home.gateway, tmp_path, settings(tmp_path, more=point("port", "phone"))) as service:
        referee = Referee(home)
        before = referee.read()
        transfers(home)
        service.settle()
        service.settle()
        carried = {device: referee.read()[device].minus(before[device]).wan for device in DEVICES}
        usage = service.usage("wan")
        assert usage["laptop"] == carried[LAPTOP]
        assert close(usage["phone"], carried[PHONE])
        for each in service.get("/api/v1/coverage").json["points"]:
            assert each["frame_octets_metered"] == each["frame_octets_interface"] > 1_000_000
        [notice] = service.get("/api/v1/health").json["notices"]
        assert notice.startswith("phone is seen at the points lan and port at once")
        assert notice in service.log


def test_a_wan_point_that_does_not_count_is_added_to_nobody(home: Home, tmp_path: Path) -> None:
    with running(home.gateway, tmp_path, settings(tmp_path, more=point("wan", "wan", counts=False))) as service:
        referee = Referee(home)
        before = referee.read()
        transfers(home)
        service.settle()
        carried = {device: referee.read()[device].minus(before[device]).wan for device in DEVICES}
        usage = service.usage("wan")
        assert (usage["phone"], usage["laptop"]) == (carried[PHONE], carried[LAPTOP])
        assert service.get("/api/v1/health").json["notices"] == []


def close(counted: Octets, carried: Octets) -> bool:
    """Equal but for a packet or two that were between the two points when an interval ended."""
    return max(abs(a - b) for a, b in zip(counted, carried, strict=True)) <= 4500
