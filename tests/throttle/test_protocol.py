"""The helper takes limits and nothing else: each word of an order is judged before it comes near a command."""

from __future__ import annotations

import json
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.core.units import FASTEST_BPS, SLOWEST_BPS, address_bytes
from whitestat.throttle.limits import Limit
from whitestat.throttle.protocol import order, read_order

limits = st.builds(
    Limit,
    name=st.text(max_size=80),
    macs=st.lists(st.binary(min_size=6, max_size=6), max_size=4).map(tuple),
    addresses=st.lists(st.ip_addresses().map(lambda each: address_bytes(str(each))), max_size=4).map(tuple),
    rate_bps=st.none() | st.integers(SLOWEST_BPS, FASTEST_BPS),
    spared=st.lists(st.sampled_from([ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")])).map(tuple),
)


@given(st.lists(limits, max_size=5))
def test_what_is_ordered_is_what_is_read(wanted: list[Limit]) -> None:
    assert read_order(order(["br0", "guest.7"], wanted)) == (["br0", "guest.7"], wanted)


def _told(**changed: object) -> bytes:
    limit = {"name": "Anna", "macs": ["02:50:00:00:00:11"], "addresses": [], "rate_bps": 1_000_000, "spared": []}
    return json.dumps({"interfaces": ["br0"], "limits": [limit | changed]}).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"interfaces": ["br0"], "limits": [], "run": "reboot"}',
        b'{"interfaces": ["br0; reboot"], "limits": []}',
        b'{"interfaces": ["-all"], "limits": 5}',
        b'{"interfaces": "br0", "limits": []}',
        b'{"interfaces": ["br0"], "limits": ["all"]}',
        _told(rate_bps=0),
        _told(rate_bps=True),
        _told(rate_bps="1mbit"),
        _told(rate_bps=10**15),
        _told(macs=["02:50:00:00:00:11 action drop"]),
        _told(macs=[17]),
        _told(addresses=["192.0.2.1/0"]),
        _told(spared=["0.0.0.0/0 } accept; }"]),
        _told(spared=["fe80::%eth0/64"]),
        _told(spared=["fe80::1%x }\n delete table inet filter\n/128"]),
        _told(addresses=["fe80::1%eth0"]),
        b"[" * 100_000,
    ],
)
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        read_order(line)


@given(st.binary(max_size=200))
def test_no_octets_whatever_are_more_than_refused(line: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_order(line)
