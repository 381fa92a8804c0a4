"""IPv6 networks on darkstat's link: told by devices of ours, never by what a router carries."""

from __future__ import annotations

from ipaddress import IPv6Network

import pytest

from whitestat.collectors.darkstat.parse import HostTotals
from whitestat.collectors.darkstat.prefixes import networks, of_addresses
from whitestat.core.units import address_bytes, mac_bytes

PHONE, TV, ROUTER, STANDBY = (mac_bytes(f"02:50:00:00:00:{n}") for n in ("11", "12", "01", "02"))
LAN = {"192.168.1.1": ROUTER, "192.168.1.2": STANDBY, "192.168.1.11": PHONE, "192.168.1.12": TV}
WAN = {"203.0.113.9": ROUTER, "203.0.113.10": STANDBY}
HOME = frozenset({IPv6Network("2001:db8:50::/64")})


@pytest.mark.parametrize(
    ("six", "expected"),
    [
        ({"2001:db8:50::11": PHONE, "2001:db8:50::12": TV}, HOME),
        ({"2001:db8:50::11": PHONE, "2001:db8:50::12": TV, "2001:db8:cafe::1": ROUTER}, HOME),
        ({"2001:db8:50::11": PHONE, "2001:db8:50::21": PHONE}, frozenset()),  # one device may be a router unknown
        ({"2001:db8:cafe::1": ROUTER, "2001:db8:cafe::2": STANDBY}, frozenset()),
        ({"2001:db8:50::11": PHONE, "2001:db8:51::12": TV}, frozenset()),
        ({"fe80::11": PHONE, "fe80::12": TV, "ff02::1": PHONE, "ff02::2": TV}, frozenset()),
    ],
)
def test_a_network_is_ours_when_several_of_our_devices_are_in_it(
    six: dict[str, bytes], expected: frozenset[IPv6Network]
) -> None:
    rows = {address_bytes(ip): HostTotals(1, 1, mac) for ip, mac in {**LAN, **WAN, **six}.items()}
    assert networks(rows, {address_bytes(ip) for ip in LAN}) == expected


def test_without_macs_nothing_is_told() -> None:
    rows = {address_bytes(ip): HostTotals(1, 1) for ip in (*LAN, *WAN, "2001:db8:50::11", "2001:db8:50::12")}
    assert networks(rows, {address_bytes(ip) for ip in LAN}) == frozenset()


def test_networks_of_the_process_before_are_known_from_its_hosts() -> None:
    kept = [address_bytes(ip) for ip in ("192.168.1.11", "2001:db8:50::11", "2001:db8:50::12", "fe80::11")]
    assert of_addresses([None, *kept]) == HOME
