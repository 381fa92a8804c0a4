"""Lease files of five servers, as they write them, and as nobody should."""

from __future__ import annotations

import json
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.attribution.evidence import Evidence, neighbours
from whitestat.attribution.evidence.leases import read
from whitestat.core.units import address_bytes

FIXTURES = Path(__file__).parents[2] / "fixtures" / "leases"
MAC = bytes.fromhex("025000000011")
ADDRESS = address_bytes("192.168.50.17")
NOW_MS = 1_760_000_000_000
ENDS_S = 1_760_003_600

DNSMASQ = f"""{ENDS_S} 02:50:00:00:00:11 192.168.50.17 annas-phone 01:02:50:00:00:00:11
{ENDS_S} 02:50:00:00:00:12 192.168.50.18 * *
1750000000 02:50:00:00:00:13 192.168.50.19 gone *
rubbish
duid 00:01:00:01:2c:aa:bb:cc:02:50:00:00:00:01
{ENDS_S} 12345 2001:db8::17 laptop 00:01:00:01:2c:00:00:01:02:50:00:00:00:14
"""
ISC = """# The format of this file is documented in the dhcpd.leases(5) manual page.
lease 192.168.50.17 {
  starts 4 2025/10/09 08:00:00;
  ends 4 2025/10/09 09:53:20;
  binding state active;
  hardware ethernet 02:50:00:00:00:99;
}
lease 192.168.50.17 {
  ends 4 2025/10/09 09:53:20;
  binding state active;
  hardware ethernet 02:50:00:00:00:11;
  uid "\\001\\002P\\000\\000\\000\\021";
  client-hostname "annas-phone";
}
lease 192.168.50.18 {
  ends 4 2025/10/09 09:53:20;
  binding state free;
  hardware ethernet 02:50:00:00:00:12;
}
"""
KEA = f"""address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context
192.168.50.17,02:50:00:00:00:99,,3600,{ENDS_S},1,0,0,old,0,
192.168.50.17,02:50:00:00:00:11,01:02:50:00:00:00:11,3600,{ENDS_S},1,0,0,annas-phone.lan,0,
192.168.50.18,02:50:00:00:00:12,,3600,{ENDS_S},1,0,0,,1,
"""


def test_dnsmasq_tells_both_families() -> None:
    phone, nameless, laptop = read(DNSMASQ.encode(), NOW_MS)
    assert phone == Evidence("dhcp", NOW_MS, MAC, ADDRESS, "annas-phone", b"\x01" + MAC, until_ms=ENDS_S * 1000)
    assert (nameless.name, nameless.client) == (None, None)
    assert (laptop.mac, laptop.address, laptop.name) == (None, address_bytes("2001:db8::17"), "laptop")
    assert laptop.client == bytes.fromhex("000100012c00000102500000" + "0014")


def test_the_last_block_of_isc_dhcpd_counts() -> None:
    assert read(ISC.encode(), NOW_MS) == [
        Evidence("dhcp", NOW_MS, MAC, ADDRESS, "annas-phone", b"\x01" + MAC, until_ms=1_760_003_600_000)
    ]


def test_the_last_line_of_kea_counts() -> None:
    assert read(KEA.encode(), NOW_MS) == [
        Evidence("dhcp", NOW_MS, MAC, ADDRESS, "annas-phone", b"\x01" + MAC, until_ms=ENDS_S * 1000)
    ]


def test_systemd_networkd() -> None:
    lease = {
        "Address": [192, 168, 50, 17],
        "HardwareAddress": list(MAC),
        "ClientId": [1, *MAC],
        "Hostname": "annas-phone",
        "ExpirationRealtimeUSec": ENDS_S * 1_000_000,
    }
    content = json.dumps({"Leases": [lease, {"Address": [1]}, 7, {"Address": [1, 2, 3, 999]}]}).encode()
    assert read(content, NOW_MS) == [
        Evidence("dhcp", NOW_MS, MAC, ADDRESS, "annas-phone", b"\x01" + MAC, until_ms=ENDS_S * 1000)
    ]


def test_udhcpd() -> None:
    record = pack("!I4s6s20s2x", 3600, ADDRESS[12:], MAC, b"annas-phone")
    content = pack("!q", 1_760_000_000) + record + bytes(36)
    assert read(content, NOW_MS) == [Evidence("dhcp", NOW_MS, MAC, ADDRESS, "annas-phone", until_ms=ENDS_S * 1000)]


def test_an_empty_file_holds_no_lease_and_another_file_is_named_as_none() -> None:
    assert read(b"\n", NOW_MS) == []
    with pytest.raises(ValueError, match="not a lease file"):
        read(b"hello, world", NOW_MS)


@given(st.sampled_from([DNSMASQ, ISC, KEA, '{"Leases": [{}]}']), st.data())
def test_a_damaged_file_is_no_other_error(whole: str, data: st.DataObject) -> None:
    content = bytearray(whole.encode())
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[at] = data.draw(st.integers(0, 255))
    try:
        found = read(bytes(content[: data.draw(st.integers(0, len(content)))]), NOW_MS)
    except ValueError:
        return
    assert all(each.address and (each.mac is None or len(each.mac) == 6) for each in found)


@given(st.binary(max_size=300))
def test_no_content_is_another_error(content: bytes) -> None:
    try:
        read(content, NOW_MS)
    except ValueError as error:
        assert "lease file" in str(error)


def test_neighbours_with_a_link_address_are_evidence() -> None:
    answer = b"""[{"dst": "192.168.50.17", "dev": "br0", "lladdr": "02:50:00:00:00:11", "state": ["REACHABLE"]},
        {"dst": "192.168.50.18", "dev": "br0", "state": ["FAILED"]}, {"dst": "x", "lladdr": "y", "state": ["STALE"]},
        5]"""
    assert neighbours.read(answer, NOW_MS) == [Evidence("neighbour", NOW_MS, MAC, ADDRESS)]
    assert neighbours.read(b"not json", NOW_MS) == []


def test_a_mac_that_stands_for_several_ipv4_addresses_tells_of_none_and_ten_of_ipv6_are_one_host() -> None:
    def table(*addresses: str) -> bytes:
        entries = [{"dst": each, "lladdr": "02:50:00:00:00:11", "state": ["STALE"]} for each in addresses]
        return json.dumps(entries).encode()

    ten = [f"2001:db8:50::{number:x}" for number in range(1, 11)]
    assert len(neighbours.read(table("192.168.50.17", *ten), NOW_MS)) == 11
    assert neighbours.read(table("192.168.50.17", "192.168.50.18", *ten), NOW_MS) == []


def test_dnsmasq_without_a_clock_writes_how_long_a_lease_is() -> None:
    """Built with HAVE_BROKEN_RTC, as on routers without a battery: an instant in 1970 would be long over."""
    phone, nas = read((FIXTURES / "dnsmasq-without-clock.leases").read_bytes(), NOW_MS)
    assert (phone.name, phone.until_ms) == ("esp_AAAA", NOW_MS + 43_200_000)
    assert (nas.name, nas.until_ms) == ("nas", None)


def test_a_server_whose_clock_was_never_set_has_leases_in_force() -> None:
    udhcpd = pack("!q", 600) + pack("!I4s6s20s2x", 3600, ADDRESS[12:], MAC, b"annas-phone")
    isc = ISC.replace("2025/10/09 09:53:20", "1970/01/01 12:00:00")
    kea = KEA.replace(str(ENDS_S), "43200")
    for content in (udhcpd, isc.encode(), kea.encode()):
        [lease] = read(content, NOW_MS)
        assert lease.name == "annas-phone"
        assert lease.until_ms
        assert NOW_MS < lease.until_ms <= NOW_MS + 43_200_000


@pytest.mark.parametrize("ends", ["\u00b2", "\u0663", "9" * 5000, "-1", "1e9"])
def test_a_number_that_is_none_costs_its_own_lease(ends: str) -> None:
    line = f"{ends} 02:50:00:00:00:12 192.168.50.18 odd *\n"
    assert [each.name for each in read((DNSMASQ + line).encode(), NOW_MS)] == ["annas-phone", None, "laptop"]
    row = f"192.168.50.19,02:50:00:00:00:13,,3600,{ends},1,0,0,odd,0,\n"
    assert [each.name for each in read((KEA + row).encode(), NOW_MS)] == ["annas-phone"]


def test_what_no_server_writes_costs_no_memory_and_is_said() -> None:
    with pytest.raises(ValueError, match="Kea"):
        read(f'address,hwaddr\n"{"a" * 200_000}"\n'.encode(), NOW_MS)
    leases = [{"Address": 4_000_000_000}, {"Address": [192, 168, 50, 17], "HardwareAddress": 4_000_000_000}]
    [lease] = read(json.dumps({"Leases": leases}).encode(), NOW_MS)
    assert (lease.address, lease.mac) == (ADDRESS, None)
