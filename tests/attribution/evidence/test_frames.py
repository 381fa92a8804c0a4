"""What devices say of themselves on the wire: read where it is well-formed, and never an error."""

from __future__ import annotations

from ipaddress import IPv6Network
from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from tests.support.evidence_frames import PHONE, ROUTER, announcement, dhcp_message, ipv4, ipv6, labels, option
from whitestat.attribution.evidence import Evidence, Prefix
from whitestat.attribution.evidence.frame import decode
from whitestat.core.units import address_bytes


def test_a_dhcp_request_tells_the_clients_name_identity_and_kind() -> None:
    options = (
        option(53, b"\x03")
        + option(12, b"annas-phone.lan")
        + option(61, b"\x01" + PHONE)
        + option(60, b"android-dhcp-14")
    )
    found = decode(ipv4(PHONE, "0.0.0.0", 68, 67, dhcp_message(1, options + b"\xff")), 5)
    assert found == [
        Evidence("dhcp", 5, PHONE, None, "annas-phone", b"\x01" + PHONE, "android-dhcp-14"),
    ]


def test_a_dhcp_acknowledgement_tells_the_address_and_when_the_lease_ends() -> None:
    options = option(53, b"\x05") + option(51, pack("!I", 3600)) + b"\xff"
    frame = ipv4(ROUTER, "192.168.50.1", 67, 68, dhcp_message(2, options, "192.168.50.17"))
    [found] = decode(frame, 1_000)
    assert isinstance(found, Evidence)
    assert (found.mac, found.address, found.until_ms) == (PHONE, address_bytes("192.168.50.17"), 3_601_000)


def test_a_lease_for_ever_has_no_end() -> None:
    options = option(53, b"\x05") + option(51, b"\xff" * 4) + b"\xff"
    [found] = decode(ipv4(ROUTER, "192.168.50.1", 67, 68, dhcp_message(2, options, "192.168.50.17")), 1_000)
    assert isinstance(found, Evidence) and found.until_ms is None


def test_a_name_in_parts_and_in_the_spare_field_is_put_together() -> None:
    file = option(12, b"two") + b"\xff"
    options = option(53, b"\x01") + option(52, b"\x01") + option(12, b"one-") + b"\xff"
    [found] = decode(ipv4(PHONE, "0.0.0.0", 68, 67, dhcp_message(1, options, file=file)), 5)
    assert isinstance(found, Evidence) and found.name == "one-two"


def test_a_full_name_counts_where_there_is_no_host_name() -> None:
    for value in (b"\x04\0\0" + labels("tablet.home.example"), b"\x00\0\0tablet.home.example"):
        [found] = decode(ipv4(PHONE, "0.0.0.0", 68, 67, dhcp_message(1, option(53, b"\x01") + option(81, value))), 5)
        assert isinstance(found, Evidence) and found.name == "tablet"


def test_a_dhcp_offer_or_refusal_is_no_evidence() -> None:
    for kind in (2, 6):
        message = dhcp_message(2, option(53, bytes([kind])), "192.168.50.17")
        assert decode(ipv4(ROUTER, "192.168.50.1", 67, 68, message), 5) == []


def test_dhcp_for_ipv6_tells_the_duid_the_name_and_the_addresses_given() -> None:
    def part(code: int, value: bytes) -> bytes:
        return pack("!HH", code, len(value)) + value

    duid = part(1, b"\0\x01\0\x01abcdefgh")
    request = b"\x03\0\0\x01" + duid + part(3, b"iaid" + bytes(8)) + part(39, b"\0" + labels("laptop.example"))
    udp = pack("!HHHH", 546, 547, 8 + len(request), 0) + request
    assert decode(ipv6(PHONE, "fe80::1", 17, udp, 64), 5) == [
        Evidence("dhcp", 5, PHONE, None, "laptop", b"\xffiaid\0\x01\0\x01abcdefgh")
    ]
    lease = part(5, address_bytes("2001:db8::17") + pack("!II", 100, 200))
    reply = b"\x07\0\0\x01" + duid + part(3, bytes(12) + lease)
    udp = pack("!HHHH", 547, 546, 8 + len(reply), 0) + reply
    [found] = decode(ipv6(ROUTER, "fe80::2", 17, udp, 64, PHONE), 5)
    assert isinstance(found, Evidence)
    assert (found.mac, found.address, found.until_ms) == (PHONE, address_bytes("2001:db8::17"), 200_005)


def test_multicast_dns_names_an_address_and_the_mac_of_who_speaks_of_itself() -> None:
    own = announcement("tv.local", "192.168.50.20", "2001:db8::20")
    found = decode(ipv4(PHONE, "192.168.50.20", 5353, 5353, own), 5)
    assert [(each.mac, each.name) for each in found if isinstance(each, Evidence)] == [(PHONE, "tv"), (PHONE, "tv")]
    anothers = decode(ipv4(PHONE, "192.168.50.9", 5353, 5353, own), 5)
    assert [each.mac for each in anothers if isinstance(each, Evidence)] == [None, None]


def test_an_announcement_that_begins_with_the_name_of_an_ipv6_address_is_read() -> None:
    """As avahi sends it: the host's name stands in the answer of another record, and is pointed at."""
    nibbles = ".".join(reversed("20010db8005000000050" + "00fffe000d01"))
    reverse = labels(f"{nibbles}.ip6.arpa")
    host = labels("tv.local")
    pointer = 12 + len(reverse) + 10
    records = reverse + pack("!HHIH", 12, 0x8001, 120, len(host)) + host
    records += pack("!H", 0xC000 | pointer) + pack("!HHIH", 1, 0x8001, 120, 4) + address_bytes("192.168.50.20")[12:]
    message = pack("!HHHHHH", 0, 0x8400, 0, 2, 0, 0) + records
    found = decode(ipv4(PHONE, "192.168.50.20", 5353, 5353, message), 5)
    assert [(each.mac, each.name) for each in found if isinstance(each, Evidence)] == [(PHONE, "tv")]


def test_a_farewell_and_a_question_name_nobody() -> None:
    assert (
        decode(ipv4(PHONE, "192.168.50.20", 5353, 5353, announcement("tv.local", "192.168.50.20", lives_s=0)), 5) == []
    )
    question = pack("!HHHHHH", 0, 0, 1, 0, 0, 0) + labels("tv.local") + b"\0\x01\0\x01"
    assert decode(ipv4(PHONE, "192.168.50.20", 5353, 5353, question), 5) == []


def test_a_name_that_points_at_itself_ends() -> None:
    message = pack("!HHHHHH", 0, 0x8400, 0, 1, 0, 0) + b"\xc0\x0c" + pack("!HHIH", 1, 1, 9, 4) + b"\xc0\xa8\x32\x14"
    assert decode(ipv4(PHONE, "192.168.50.20", 5353, 5353, message), 5) == []


def test_a_netbios_registration_names_its_sender_and_a_group_does_not() -> None:
    def registration(flags: int) -> bytes:
        plain = b"OFFICE-PC".ljust(15) + b"\0"
        name = b"\x20" + bytes(0x41 + half for each in plain for half in (each >> 4, each & 15)) + b"\0"
        record = b"\xc0\x0c" + pack("!HHIHH", 0x20, 1, 300, 6, flags) + address_bytes("192.168.50.30")[12:]
        return pack("!HHHHHH", 7, 0x2910, 1, 0, 0, 1) + name + b"\0\x20\0\x01" + record

    assert decode(ipv4(PHONE, "192.168.50.30", 137, 137, registration(0)), 5) == [
        Evidence("netbios", 5, PHONE, address_bytes("192.168.50.30"), "OFFICE-PC")
    ]
    assert decode(ipv4(PHONE, "192.168.50.30", 137, 137, registration(0x8000)), 5) == []


def test_a_router_advertisement_tells_the_networks_of_the_link() -> None:
    prefix = pack("!BBBBIII", 3, 4, 64, 0xC0, 7200, 3600, 0) + address_bytes("2001:db8:1::")
    message = bytes([134, 0]) + bytes(14) + prefix
    frame = ipv6(ROUTER, "fe80::1", 58, message)
    assert decode(frame, 5) == [Prefix(IPv6Network("2001:db8:1::/64"), 7200, ROUTER)]
    assert decode(ipv6(ROUTER, "fe80::1", 58, message, hops=64), 5) == []


@given(st.binary(max_size=400))
def test_no_frame_is_an_error(frame: bytes) -> None:
    decode(frame, 0)


@given(
    st.sampled_from([(68, 67), (546, 547), (547, 546), (5353, 5353), (5355, 4000), (137, 137)]), st.binary(max_size=500)
)
def test_no_message_is_an_error(ports: tuple[int, int], content: bytes) -> None:
    decode(ipv4(PHONE, "192.168.50.20", *ports, content), 0)


@given(st.binary(max_size=300), st.integers(1, 2))
def test_no_dhcp_option_is_an_error(options: bytes, op: int) -> None:
    decode(ipv4(PHONE, "192.168.50.20", 68, 67, dhcp_message(op, options, "192.168.50.17")), 0)


@given(st.data())
def test_a_damaged_announcement_is_no_error(data: st.DataObject) -> None:
    message = bytearray(announcement("tv.local", "192.168.50.20", "2001:db8::20"))
    for at in data.draw(st.lists(st.integers(0, len(message) - 1), max_size=6)):
        message[at] = data.draw(st.integers(0, 255))
    decode(ipv4(PHONE, "192.168.50.20", 5353, 5353, bytes(message)), 0)
