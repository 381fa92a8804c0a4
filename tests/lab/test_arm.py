"""A gateway with one arm, with and without address translation: devices and gateway have what is theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.arm import OneArm
from tests.lab.home import DEVICES, INTERNET4, INTERNET6, LAPTOP, PHONE, TV, Links
from tests.lab.referee import Octets, Referee
from tests.lab.service import Service, running, settings
from tests.lab.traffic import echo, finish, flood, iperf_servers, start_transfer

pytestmark = pytest.mark.lab

OWN_TRANSFER = 5204


@pytest.fixture(params=[False, True], ids=["routed", "masqueraded"])
def home(request: pytest.FixtureRequest) -> Iterator[OneArm]:
    with OneArm(Links.CUT, request.param) as home:
        yield home


def test_each_packet_that_crosses_twice_is_its_devices_once(home: OneArm, tmp_path: Path) -> None:
    more = '[[device]]\nmac = "02:50:00:00:00:01"\nname = "gateway"\n'
    config = settings(tmp_path, "eth0", more=more)
    with (
        iperf_servers(home.internet, (5201, 5202, 5203, OWN_TRANSFER)),
        running(home.gateway, tmp_path, config) as service,
    ):
        referee = Referee(home)
        before, own = referee.read(), home.own()
        act(home)
        service.settle()
        service.settle()
        carried = referee.read()
        usage = service.usage("wan")
        for device in DEVICES:
            assert usage[device.name] == carried[device].minus(before[device]).wan
        gateway = Octets(*(now - then for now, then in zip(home.own(), own, strict=True)))
        assert gateway.octets_out > 1_000_000
        # The last packet of an interval may be on its way through the gateway when it ends.
        difference = [abs(a - b) for a, b in zip(usage["gateway"], gateway, strict=True)]
        assert max(difference[:2]) <= 3000, difference
        assert max(difference[2:]) <= 2, difference
        assert set(usage) == {"gateway", *(each.name for each in DEVICES)}
        whole(service)


def act(home: OneArm) -> None:
    """Devices and gateway at once, to one and the same outside address."""
    transfers = [
        start_transfer(home[PHONE], INTERNET4, 5201, "tcp", "--bitrate", "20M"),
        start_transfer(home[LAPTOP], INTERNET6, 5202, "tcp", "--bitrate", "20M"),
        start_transfer(home[TV], INTERNET4, 5203, "udp"),
        start_transfer(home.gateway, INTERNET4, OWN_TRANSFER, "udp"),
    ]
    finish(transfers)
    flood(home[TV], INTERNET6, packets=5000, rate=20_000)
    flood(home.gateway, INTERNET4, packets=3000, rate=20_000)
    echo(home[PHONE], INTERNET4)
    echo(home.gateway, INTERNET6)


def whole(service: Service) -> None:
    """The interface equation: every octet of the interface is somewhere."""
    (point,) = service.get("/api/v1/coverage").json["points"]
    assert point["frame_octets_metered"] == point["frame_octets_interface"] > 10_000_000
    assert point["octets_unattributed"] == 0
