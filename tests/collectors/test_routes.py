"""The kernel's tables of routes: what lies behind an interface."""

from __future__ import annotations

import sys
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.collectors import links
from whitestat.collectors.links import NetworkInterface, real_name, routed

IPV4 = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wan\t00000000\t017100CB\t0003\t0\t0\t0\t00000000\t0\t0\t0
br0\t0032A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
br0\t003CA8C0\t0232A8C0\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0
*\t0000000A\t00000000\t0200\t0\t0\t0\t000000FF\t0\t0\t0
"""
IPV6 = """20010db8005000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001      br0
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001      br0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8cafe00000000000000000002 00000400 00000001 00000000 00000003      wan
20010db8005000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001      br0
ff000000000000000000000000000000 08 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001      br0
"""  # noqa: E501 - as the kernel writes it


@pytest.mark.skipif(sys.byteorder != "little", reason="the table above is of a little-endian machine")
def test_networks_are_those_behind_each_interface_without_default_routes_and_rejections() -> None:
    assert routed(IPV4, IPV6) == {
        "br0": tuple(map(ip_network, ("192.168.50.0/24", "192.168.60.0/24", "2001:db8:50::/64")))
    }


def test_the_tables_of_this_machine_can_be_read_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(routed(), dict)
    monkeypatch.setattr(links, "ROUTES_MAX", 0)
    assert routed() == {}


@given(st.text(alphabet="0123456789abcdefgx \n-*", max_size=400), st.text(alphabet="0123456789abcdef \n", max_size=400))
def test_a_table_that_makes_no_sense_is_no_fault(ipv4: str, ipv6: str) -> None:
    routed(ipv4, ipv6)


def test_an_interface_is_found_by_any_of_its_names() -> None:
    known = {"eth0": NetworkInterface("eth0", 2, True, "", "ether", None, (), altnames=("enp1s0", "lan"))}
    assert [real_name(each, known) for each in ("lan", "eth0", "other", None)] == ["eth0", "eth0", "other", None]
