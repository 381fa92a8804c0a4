"""The scripts that slow and cut off: one class for each who is slowed, nothing for anybody else."""

from __future__ import annotations

from ipaddress import ip_network

from whitestat.core.units import address_bytes, mac_bytes
from whitestat.throttle.limits import Limit, blocking, queue_packets, shaping

PHONE, TABLET = mac_bytes("02:50:00:00:00:11"), mac_bytes("02:50:00:00:00:12")
ANNA = Limit("Anna", (PHONE, TABLET), (), 2_000_000)
TUNNEL = Limit("laptop", (), (address_bytes("192.0.2.7"), address_bytes("2001:db8::7")), 1_000_000)
CUT = Limit("Ben", (TABLET,), (address_bytes("192.0.2.8"),), None, (ip_network("203.0.113.0/24"),))


def test_devices_of_one_person_share_a_class_in_each_direction() -> None:
    lines = list(shaping(["br0"], [ANNA], ["192.0.2.1", "2001:db8::1"], "pfifo"))
    assert sum("class add" in each for each in lines) == 2
    assert sum("flowid 1:2" in each for each in lines) == 4
    assert sum("mirred" in each for each in lines) == 4


def test_a_device_without_a_link_address_is_found_by_its_addresses() -> None:
    lines = [each for each in shaping(["wg0"], [TUNNEL], [], "pfifo") if "mirred" in each]
    assert sorted(each.split(" u32 match ")[1].split(" action")[0] for each in lines) == [
        "ip dst 192.0.2.7",
        "ip src 192.0.2.7",
        "ip6 dst 2001:db8::7",
        "ip6 src 2001:db8::7",
    ]


def test_what_is_for_the_gateway_itself_is_of_no_class() -> None:
    lines = [each for each in shaping(["br0"], [ANNA], ["192.0.2.1"], "pfifo") if "192.0.2.1" in each]
    assert [each.split(" u32 ")[1] for each in lines] == [
        "match ip dst 192.0.2.1 flowid 1:0",
        "match ip src 192.0.2.1 flowid 1:0",
    ]


def test_nobody_cut_off_is_no_table() -> None:
    assert blocking([ANNA]) == blocking([]) == "table inet whitestat\ndelete table inet whitestat\n"


def test_what_is_spared_stays_reachable_in_its_family_alone() -> None:
    text = blocking([CUT])
    assert "meta nfproto ipv4 ether saddr 02:50:00:00:00:12 ip daddr != { 203.0.113.0/24 } drop" in text
    assert "meta nfproto ipv6 ether saddr 02:50:00:00:00:12 drop" in text
    assert "ip daddr 192.0.2.8 ip saddr != { 203.0.113.0/24 } drop" in text


def test_a_queue_holds_a_tenth_of_a_second() -> None:
    assert queue_packets(12_112_000) == 100
    assert queue_packets(8_000) == 16
