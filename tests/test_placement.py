"""A gateway that meters its way to the outside is told what to meter."""

from __future__ import annotations

from ipaddress import ip_interface

import pytest

from whitestat.collectors.links import Link
from whitestat.model import Point
from whitestat.placement import misplaced


def link(name: str, address: str, *, up: bool = True) -> Link:
    return Link(name, 1, up, "", "ether", b"\x02" + bytes(5), (ip_interface(address),))


WAN, LAN = link("eth0", "198.51.100.7/24"), link("eth1", "192.168.50.1/24")


def told(points: list[Point], *known: Link, forwards: bool = True) -> list[str]:
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
def test_all_others_are_told_nothing(points: list[Point], known: list[Link], forwards: bool) -> None:
    assert told(points, *known, forwards=forwards) == []
