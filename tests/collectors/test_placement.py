"""A gateway that meters its way to the outside is told what to meter."""

from __future__ import annotations

from ipaddress import ip_interface

import pytest

from whitestat.collectors.links import NetworkInterface
from whitestat.collectors.placement import inside, lan_sides, metered_instead, misplaced
from whitestat.core.model import Point


def link(name: str, *addresses: str, up: bool = True, below: str | None = None) -> NetworkInterface:
    interfaces = tuple(map(ip_interface, addresses))
    return NetworkInterface(name, 1, up, "", "ether", b"\x02" + bytes(5), interfaces, below=below)


WAN, LAN = link("eth0", "198.51.100.7/24"), link("eth1", "192.168.50.1/24")


def told(points: list[Point], *known: NetworkInterface, forwards: bool = True) -> list[str]:
    return misplaced(points, {each.name: each for each in known}, {"eth0"}, forwards=forwards)


def test_who_meters_the_way_to_the_outside_alone_is_told_the_lan_interface() -> None:
    [notice] = told([Point("wan", "kernel", "eth0")], WAN, LAN)
    assert 'interface = "eth1"' in notice
    assert "point wan" in notice


def test_who_counts_both_is_told_to_make_the_outside_a_referee() -> None:
    [notice] = told([Point("wan", "kernel", "eth0"), Point("lan", "kernel", "eth1")], WAN, LAN)
    assert "counts = false" in notice
    assert "wan on eth0" in notice


@pytest.mark.parametrize(
    ("points", "known", "forwards"),
    [
        ([Point("wan", "kernel", "eth0", counts=False), Point("lan", "kernel", "eth1")], [WAN, LAN], True),
        ([Point("lan", "kernel", "eth1")], [WAN, LAN], True),
        ([Point("wan", "kernel", "eth0")], [WAN, LAN], False),
        ([Point("arm", "kernel", "eth0")], [link("eth0", "192.168.50.1/24")], True),
        ([Point("host", "kernel", "eth0")], [WAN, link("docker0", "172.17.0.1/16")], True),
        ([Point("host", "kernel", "eth0")], [WAN, link("eth1", "192.168.50.1/24", up=False)], True),
    ],
    ids=["referee", "lan-alone", "no-gateway", "one-arm", "containers", "down"],
)
def test_all_others_are_told_nothing(points: list[Point], known: list[NetworkInterface], forwards: bool) -> None:
    assert told(points, *known, forwards=forwards) == []


@pytest.mark.parametrize(
    ("known", "sides"),
    [
        ([WAN, LAN], ["eth1"]),
        ([WAN, link("br-lan", "192.168.1.1/24"), link("br-guest", "10.9.0.1/24")], ["br-lan", "br-guest"]),
        ([WAN, link("br-0123456789ab", "172.18.0.1/16"), link("docker0", "172.17.0.1/16")], []),
        ([WAN, LAN, link("guest", "192.168.60.1/24", below="eth1")], ["eth1"]),
        ([WAN, link("eth1.60", "192.168.60.1/24", below="eth1")], ["eth1.60"]),
        ([WAN, link("wwan0", "100.64.3.7/24")], []),
        ([WAN, link("eth1", "192.168.50.1/30"), link("eth2", "169.254.1.1/16")], []),
        ([WAN], []),
    ],
    ids=["port", "openwrt", "docker", "vlan-beside", "vlan-alone", "provider", "too-small", "one-arm"],
)
def test_the_lan_side_is_what_a_default_start_meters(known: list[NetworkInterface], sides: list[str]) -> None:
    assert [each.name for each in lan_sides({each.name: each for each in known}, {"eth0"})] == sides


def test_a_lan_without_private_addresses_lies_inside_all_the_same() -> None:
    known = {each.name: each for each in (WAN, link("eth1", "203.0.113.1/24"), link("eth2", "2001:db8:50::1/64"))}
    assert [each.name for each in inside(known, {"eth0"})] == ["eth1", "eth2"]


def test_a_default_start_says_which_and_why() -> None:
    said = metered_instead([LAN], "eth0")
    assert "eth1 (192.168.50.1/24)" in said
    assert "not eth0" in said


@pytest.mark.parametrize(
    ("network", "is_inside"),
    [
        ("203.0.113.1/29", True),
        ("203.0.113.1/30", False),
        ("2001:db8:50::1/64", True),
        ("2001:db8:50::1/65", False),
    ],
)
def test_a_network_needs_room_for_several_hosts_to_lie_inside(network: str, is_inside: bool) -> None:
    assert bool(inside({"eth1": link("eth1", network)}, {"eth0"})) is is_inside


@pytest.mark.parametrize(("private", "is_side"), [("192.168.50.1/29", True), ("192.168.50.1/30", False)])
def test_a_private_network_for_two_hosts_makes_no_lan_side_of_a_larger_public_network(
    private: str, is_side: bool
) -> None:
    known = {"eth1": link("eth1", "100.64.3.7/24", private)}
    assert bool(lan_sides(known, {"eth0"})) is is_side
