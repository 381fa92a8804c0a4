"""A gateway's way to the outside: this machine's side is home, the next hop no device."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from itertools import permutations

import pytest

from tests.support.flows import BROADCAST, GROUP, by_mac, flow
from tests.support.placements import BASE, HOP, OWN, OWN_WAN, PHONE, PLACES
from whitestat.attribution.attribute import Attributed, Attributor
from whitestat.attribution.devices.episodes import EpisodeTable
from whitestat.attribution.locality import Locality
from whitestat.core.model import PROTOCOL_OTHER, Delta
from whitestat.core.units import address_bytes, address_text, mac_bytes, mac_text

UPLINK = PLACES["uplink"]
HOST, PHONE6 = "2600::9", "2001:db8:50::11"


def up(source: str, octets: int = 100, host: str = HOST) -> Delta:
    return flow(source, OWN_WAN, host, HOP, octets)


def down(target: str, octets: int = 900, host: str = HOST) -> Delta:
    return flow(host, HOP, target, OWN_WAN, octets)


def attribute(*flows: Delta, where: Locality = UPLINK) -> tuple[Attributed, EpisodeTable]:
    devices = EpisodeTable()
    return Attributor(where, devices).attribute(flows, 0), devices


def named(result: Attributed, devices: EpisodeTable) -> dict[tuple[str, str], tuple[int, int]]:
    found = {}
    for key, counts in result.counts().items():
        episode = devices.by_id(key.episode)
        name = mac_text(episode.mac) if episode.mac else address_text(episode.address or b"")
        found[name, str(key.scope)] = counts[:2]
    return found


@pytest.mark.parametrize(
    "frame",
    [
        flow("fe80::99", HOP, "fe80::2", OWN_WAN, 72, 58, 0),
        flow("fe80::99", HOP, "2001:db8:cafe::7", OWN_WAN, 72, 58, 0),
        flow("fe80::99", HOP, "ff02::1", GROUP, 72, 58, 0),
        flow("198.51.100.1", HOP, "198.51.100.7", OWN_WAN, 72),
        flow("192.168.1.1", HOP, "198.51.100.7", OWN_WAN, 72),
        flow("203.0.113.9", HOP, "239.1.2.3", GROUP, 72),
        flow(None, HOP, None, OWN_WAN, 72, PROTOCOL_OTHER, 0x0806),
        flow(None, HOP, None, BROADCAST, 72, PROTOCOL_OTHER, 0x0806),
        flow(None, HOP, None, OWN_WAN, 72, None, 0),
        flow("2001:db8:77::1", HOP, "2001:db8:78::1", OWN_WAN, 72),
    ],
)
def test_the_next_hop_is_never_a_device(frame: Delta) -> None:
    """Whatever it sends is this machine's in, and what goes back this machine's out."""
    key = frame.key
    back = frame._replace(
        key=key._replace(mac=key.peer_mac, address=key.peer, peer_mac=key.mac, peer=key.address),
        counts=frame.counts._replace(octets_out=7),
    )
    both = (frame,) if key.peer_mac in (GROUP, BROADCAST) else (frame, back)
    result, devices = attribute(*both)
    assert [each.mac for each in devices.episodes()] == [OWN_WAN]
    assert [counts[:2] for counts in result.counts().values()] == [(72, 7 if len(both) == 2 else 0)]
    assert result.points["lan"].unattributed == 0


def test_who_passes_by_is_none_of_ours() -> None:
    result, devices = attribute(flow("203.0.113.8", HOP, "198.51.100.9", PHONE, 50))
    assert by_mac(result, devices) == {(None, "wan"): (50, 0)}


def test_a_scan_of_a_prefix_from_outside_begins_no_devices() -> None:
    scan = [down(f"2001:db8:50::{n:x}", 60) for n in range(1, 200)]
    result, devices = attribute(*scan)
    assert named(result, devices) == {(mac_text(OWN_WAN), "wan"): (199 * 60, 0)}


def test_who_sends_is_a_device_and_has_what_came_before_it_did() -> None:
    for flows in permutations([up(PHONE6), down(PHONE6), down("2001:db8:50::77", 5)]):
        result, devices = attribute(*flows)
        assert named(result, devices) == {(PHONE6, "wan"): (900, 100), (mac_text(OWN_WAN), "wan"): (5, 0)}


def test_a_prefix_that_this_machine_does_not_know_is_its_own_and_directions_hold() -> None:
    result, devices = attribute(up("2001:db8:99::11"), down("2001:db8:99::11"))
    assert named(result, devices) == {(mac_text(OWN_WAN), "wan"): (900, 100)}


def test_what_a_counting_point_meters_is_booked_there() -> None:
    both = replace(UPLINK, counting=("br", "lan"), metered=(*UPLINK.metered, ip_network("2001:db8:50::/64")))
    result, devices = attribute(up(PHONE6), down(PHONE6), up("fd00:50::11", 7), where=both)
    assert named(result, devices) == {("fd00:50::11", "wan"): (0, 7)}  # of a network that no point meters
    assert (result.points["lan"].attributed, result.points["lan"].repeated) == (7, 1000)


def test_a_host_of_the_uplinks_own_network_may_use_this_machine_as_its_gateway() -> None:
    where = replace(UPLINK, metered=(ip_network("192.168.1.0/24"),))
    guest = "192.168.1.33"
    result, devices = attribute(
        flow(guest, PHONE, "203.0.113.9", OWN_WAN, 100),
        flow("198.51.100.7", OWN_WAN, "203.0.113.9", HOP, 100),
        flow("203.0.113.9", HOP, "198.51.100.7", OWN_WAN, 900),
        flow("203.0.113.9", OWN_WAN, guest, PHONE, 900),
        where=where,
    )
    rows = {key: value for key, value in by_mac(result, devices).items() if any(value)}
    assert rows == {(PHONE, "wan"): (900, 100)}
    assert result.points["lan"].repeated == 1000


def test_without_link_addresses_addresses_tell_what_is_home() -> None:
    from whitestat.attribution.locality import Uplink

    where = replace(UPLINK, uplinks={"lan": Uplink(None, address_bytes("198.51.100.7"))})
    result, devices = attribute(
        flow(PHONE6, None, HOST, None, 100),
        flow(HOST, None, PHONE6, None, 900),
        flow("198.51.100.7", None, "203.0.113.9", None, 1),
        flow("fe80::99", None, "fe80::2", None, 60),
        flow("fe80::99", None, "ff02::1", None, 60),
        where=where,
    )
    assert named(result, devices) == {
        (PHONE6, "wan"): (900, 100),
        ("198.51.100.7", "wan"): (0, 1),
        ("198.51.100.7", "lan"): (120, 0),
    }


def test_on_the_only_arm_what_no_point_meters_is_booked_to_its_address() -> None:
    """A container of this machine, routed and not translated: there was no first crossing."""
    arm = PLACES["only-arm"]
    result, devices = attribute(
        flow("172.17.0.2", OWN, "203.0.113.9", HOP, 100), flow("203.0.113.9", HOP, "172.17.0.2", OWN, 900), where=arm
    )
    assert named(result, devices) == {("172.17.0.2", "wan"): (900, 100)}


@pytest.mark.parametrize("place", ["only-arm", "lone-host"])
def test_with_the_flow_map_full_this_machines_traffic_is_its_own_and_not_the_routers(place: str) -> None:
    frames = [
        flow(None, OWN, None, HOP, 500, None, 0),
        flow(None, HOP, None, OWN, 700, None, 0),
        flow("192.168.50.1", OWN, "203.0.113.9", HOP, 1),
    ]
    if place == "only-arm":
        frames += [flow(None, PHONE, None, OWN, 50, None, 0), flow(None, OWN, None, PHONE, 70, None, 0)]
    for flows in (frames, frames[::-1]):
        result, devices = attribute(*flows, where=PLACES[place])
        rows = {(OWN, "wan"): (700, 501)}
        if place == "only-arm":
            rows[PHONE, "wan"] = (70, 50)
        assert by_mac(result, devices) == rows


def test_an_address_of_this_machine_that_is_not_known_yet_makes_no_device_of_the_router() -> None:
    frames = [
        flow("2001:db8:99::7", OWN, HOST, HOP, 100),
        flow(HOST, HOP, "2001:db8:99::7", OWN, 900),
        flow("192.168.50.1", OWN, "203.0.113.9", HOP, 1),
    ]
    for flows in permutations(frames):
        result, devices = attribute(*flows, where=PLACES["lone-host"])
        assert by_mac(result, devices) == {(OWN, "wan"): (900, 101)}


def test_the_base_of_these_tests_is_a_gateways() -> None:
    assert BASE.own_macs == {OWN, OWN_WAN}
    assert mac_bytes("02:50:00:00:00:99") == HOP
