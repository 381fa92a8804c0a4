"""What devices are called, and what hostile names come to."""

from __future__ import annotations

import asyncio

import pytest

from whitestat.attribution.devices.names import NAME_MAX, ShownName, by_address, by_dns, clean, stronger
from whitestat.attribution.devices.vendors import vendor
from whitestat.core.units import address_bytes, mac_bytes, mac_text

PI = mac_bytes("b8:27:eb:00:00:00")  # the first three octets are the Raspberry Pi Foundation's


def test_the_vendor_stands_before_the_mac() -> None:
    name = by_address(PI, None, vendor)
    assert name.source == "vendor"
    assert name.text.startswith("Raspberry Pi")
    assert name.text.endswith("b8:27:eb:00:00:00")


def test_the_vendor_is_found_while_an_event_loop_runs() -> None:
    async def ask() -> str | None:
        return vendor("b8:27:eb:00:00:00")

    assert asyncio.run(ask())


def test_a_private_mac_is_called_so_and_has_no_vendor() -> None:
    assert by_address(mac_bytes("02:50:00:00:00:11"), None, vendor).text == "02:50:00:00:00:11 (private MAC)"


def test_without_a_mac_the_address_is_the_name() -> None:
    assert by_address(None, address_bytes("192.168.50.11"), vendor).text == "192.168.50.11"


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("phone\x1b[31m\x00\n", "phone[31m"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # escaped where it is shown
        ("x" * 65_536, "x" * NAME_MAX),
        ("  two   words ", "two words"),
    ],
)
def test_names_from_the_wire_are_bounded_and_without_control_characters(hostile: str, shown: str) -> None:
    assert clean(hostile) == shown


def test_the_dns_name_is_its_first_label() -> None:
    address = address_bytes("192.168.50.11")
    assert by_dns(address, lambda text: "phone.home.example" if text == "192.168.50.11" else None) == ShownName(
        "phone", "dns"
    )
    assert by_dns(address, lambda text: None) is None
    assert by_dns(address, lambda text: "\u202e.example") is None


def test_a_weaker_source_never_replaces_a_stronger_one() -> None:
    mine, dns, maker = ShownName("Anna's phone", "config"), ShownName("phone", "dns"), ShownName("Maker", "vendor")
    assert stronger(mine, dns)
    assert stronger(dns, maker)
    assert not stronger(maker, dns)
    assert not stronger(dns, mine)
    assert stronger(ShownName("phone-2", "dns"), dns)


def test_a_long_vendors_name_leaves_the_mac_whole() -> None:
    name = by_address(PI, None, lambda mac: "Co., Ltd. of " * 60)
    assert len(name.text) <= NAME_MAX and name.text.endswith(f" {mac_text(PI)}")
    assert by_address(PI, None, lambda mac: "\x07").text == mac_text(PI)
