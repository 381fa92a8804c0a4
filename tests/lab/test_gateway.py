"""A gateway without NAT, and one with global IPv6 beside it: whatever is metered, each octet is its device's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.gateway import Nat, RoutedHome
from tests.lab.home import DEVICES, INTERNET4, INTERNET6, INTERNET_MAC, LAPTOP, PHONE, TV
from tests.lab.machine import SLOWER
from tests.lab.referee import ETHERNET_HEADER, Octets, Referee
from tests.lab.service import Service, running, running_by_default, settings
from tests.lab.traffic import echo, finish, flood, iperf_servers, start_transfer

pytestmark = pytest.mark.lab

GATEWAY = '[[device]]\nmac = "02:50:00:00:01:01"\nname = "gateway"\n'


@pytest.fixture(params=list(Nat))
def home(request: pytest.FixtureRequest) -> Iterator[RoutedHome]:
    with RoutedHome(request.param) as home:
        yield home


def act(home: RoutedHome) -> None:
    """Devices to the outside and back, up and down unequal, and to each other; the next hop speaks for itself."""
    with iperf_servers(home.internet, (5201, 5202)):
        finish(
            [
                start_transfer(home[PHONE], INTERNET4, 5201, "tcp", "--bitrate", "20M"),
                start_transfer(home[LAPTOP], INTERNET6, 5202, "udp"),
            ]
        )
    flood(home[TV], INTERNET6, packets=2000, rate=20_000)
    flood(home[TV], INTERNET4, packets=1000, rate=20_000)
    echo(home.gateway, INTERNET4)
    echo(home[PHONE], LAPTOP.ipv4)
    home.meet_next_hop()


def received(home: RoutedHome) -> int:
    """Packets that came from the outside."""
    return int(json.loads(home.gateway.ip("-j -s link show wan"))[0]["stats64"]["rx"]["packets"])


def by_mac(service: Service) -> dict[str | None, Octets]:
    """Octets to and from the outside by the link address of the device."""
    return {
        row["device"]["mac"] if row["device"] else None: Octets(
            row["octets_in"], row["octets_out"], row["packets_in"], row["packets_out"]
        )
        for row in service.rows(by="device", scope="wan")
    }


def test_the_default_start_meters_the_lan_side_and_says_why(home: RoutedHome, tmp_path: Path) -> None:
    with running_by_default(home.gateway, tmp_path) as service:
        [note] = [each for each in service.get("/api/v1/health").json["notices"] if "br0" in each]
        assert "this machine routes" in note and "wan" in note
        assert note in service.log
        assert f"note: {note}" in service.command("check").stdout
        started, booked_before = service.at_rest("br0")
        referee = Referee(home)
        before = referee.read()
        act(home)
        (octets, _), booked = service.at_rest("br0")
        after = referee.read()
        usage = by_mac(service)
        for device in DEVICES:
            assert usage[device.mac] == after[device].minus(before[device]).wan
        assert set(usage) == {each.mac for each in DEVICES}  # all of it, and the next hop is none
        assert booked - booked_before == octets - started[0]


def named(service: Service) -> dict[str, Octets]:
    """Usage once each address is known as the device of its MAC, which the neighbour table tells within a minute."""
    until = time.monotonic() + 60 * SLOWER
    while not set(usage := service.usage("wan")) <= {"gateway", *(each.name for each in DEVICES)}:
        if time.monotonic() > until:
            break
        time.sleep(0.5)
    return usage


def test_the_way_to_the_outside_shows_devices_where_their_addresses_do(home: RoutedHome, tmp_path: Path) -> None:
    with running(home.gateway, tmp_path, settings(tmp_path, "wan", more=GATEWAY)) as service:
        started, received_before = service.at_rest("wan"), received(home)
        referee = Referee(home)
        before = referee.read()
        act(home)
        (octets, _), booked = service.at_rest("wan")
        after = referee.read()
        usage = named(service)
        octets -= ETHERNET_HEADER * (received(home) - received_before)  # no bridge counts them here
        assert booked - started[1] == octets - started[0][0]
        for device in DEVICES:
            wan = after[device].minus(before[device])
            assert usage.get(device.name, Octets()) == home.shown(wan)
        assert set(usage) <= {"gateway", *(each.name for each in DEVICES)}
        everyone = sum(after[each].minus(before[each]).wan.octets_in for each in DEVICES)
        assert sum(each.octets_in for each in usage.values()) > everyone  # what is translated, and the gateway's own
        point = service.get("/api/v1/coverage").json["points"][0]
        assert point["octets_unattributed"] == 0
        rows = service.rows(by="device", scope="wan") + service.rows(by="device", scope="lan")
        assert point["octets_attributed"] == sum(row["octets"] for row in rows)
        macs = {row["device"]["mac"] for row in rows if row["device"]}
        assert INTERNET_MAC not in macs
