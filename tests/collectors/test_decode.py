"""What a frame is counted as: rule by rule, then for every frame that can be put together, cut or damaged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.frames import (
    AUTHENTICATION,
    DST4,
    DST6,
    ETHERNET,
    EXTENSIONS,
    FRAGMENT,
    PHONE,
    PORTED,
    ROUTER,
    SRC4,
    SRC6,
    Sample,
    extension,
    ipv4,
    ipv6,
    ports,
    samples,
)
from whitestat.collectors.decode import LinkType, Packet, decode
from whitestat.core.model import PROTOCOL_OTHER

IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"
SESSION = b"\x88\x64\x11\x00\x00\x07\x00\x22"


def ethernet(rest: bytes) -> Packet:
    """The packet of a whole Ethernet frame, given from its ethertype on."""
    return decode(ETHERNET + rest, 12 + len(rest), LinkType.ETHERNET)


def other(ethertype: int, octets: int, frame_octets: int, vlan: int = 0) -> Packet:
    return Packet(PHONE, ROUTER, None, None, PROTOCOL_OTHER, ethertype, vlan, octets, frame_octets)


def test_an_ipv4_packet_has_its_addresses_ports_and_total_length() -> None:
    assert ethernet(IPV4 + ipv4(ports())) == Packet(PHONE, ROUTER, SRC4, DST4, 17, 443, 0, 32, 46)


def test_an_ipv6_packet_has_its_addresses_ports_and_payload_length() -> None:
    assert ethernet(IPV6 + ipv6(ports())) == Packet(PHONE, ROUTER, SRC6, DST6, 17, 443, 0, 52, 66)


@pytest.mark.parametrize("protocol", PORTED)
def test_the_service_is_the_lower_port_whoever_sends(protocol: int) -> None:
    for payload in (ports(53, 40000), ports(40000, 53), ports(53, 53)):
        assert ethernet(IPV4 + ipv4(payload, protocol)).service == 53
        assert ethernet(IPV6 + ipv6(payload, protocol)).service == 53


@pytest.mark.parametrize("protocol", sorted(set(range(256)) - set(PORTED)))
def test_protocols_without_ports_have_no_service(protocol: int) -> None:
    assert ethernet(IPV4 + ipv4(ports(), protocol))[4:6] == (protocol, 0)
    if protocol not in EXTENSIONS:
        assert ethernet(IPV6 + ipv6(ports(), protocol))[4:6] == (protocol, 0)


def test_ethernet_padding_is_not_counted_as_octets() -> None:
    packet = ethernet(IPV4 + ipv4(b"\0\x35\0\x35") + bytes(22))
    assert (packet.octets, packet.frame_octets) == (24, 60)


@pytest.mark.parametrize(("total", "octets"), [(0, 32), (19, 32), (20, 20), (31, 31), (32, 32), (33, 32), (65535, 32)])
def test_an_ipv4_total_length_that_does_not_fit_gives_way_to_the_wire(total: int, octets: int) -> None:
    assert ethernet(IPV4 + ipv4(ports(), total=total)).octets == octets


@pytest.mark.parametrize(("length", "octets"), [(0, 52), (1, 41), (12, 52), (13, 52), (65535, 52)])
def test_an_ipv6_payload_length_that_does_not_fit_gives_way_to_the_wire(length: int, octets: int) -> None:
    assert ethernet(IPV6 + ipv6(ports(), length=length)).octets == octets


def test_lengths_come_from_the_wire_when_the_capture_was_cut() -> None:
    frame = ETHERNET + IPV4 + ipv4(ports(rest=1436), total=0)
    assert decode(frame[:60], len(frame), LinkType.ETHERNET) == decode(frame, len(frame), LinkType.ETHERNET)


def test_ports_that_were_not_captured_give_no_service() -> None:
    frame = ETHERNET + IPV4 + ipv4(ports())
    packet = decode(frame[:37], len(frame), LinkType.ETHERNET)
    assert packet == Packet(PHONE, ROUTER, SRC4, DST4, 17, 0, 0, 32, 46)


def test_what_was_captured_beyond_the_wire_is_not_looked_at() -> None:
    frame = ETHERNET + IPV4 + ipv4(ports())
    assert decode(frame, 34, LinkType.ETHERNET) == Packet(PHONE, ROUTER, SRC4, DST4, 17, 0, 0, 20, 34)
    assert decode(frame, 33, LinkType.ETHERNET) == other(0x0800, 19, 33)


@pytest.mark.parametrize("fragment", [1, 0x2001, 0x1FFF])
def test_a_later_fragment_has_no_ports(fragment: int) -> None:
    assert ethernet(IPV4 + ipv4(ports(), fragment=fragment)).service == 0
    chain = extension(FRAGMENT, 17, offset=fragment & 0x1FFF)
    assert ethernet(IPV6 + ipv6(chain + ports(), FRAGMENT))[4:6] == (17, 0)


@pytest.mark.parametrize("flags", [0, 0x2000, 0x4000, 0x8000])
def test_the_first_fragment_has_ports(flags: int) -> None:
    assert ethernet(IPV4 + ipv4(ports(), fragment=flags)).service == 443
    assert ethernet(IPV6 + ipv6(extension(FRAGMENT, 17) + ports(), FRAGMENT)).service == 443


def test_ports_lie_behind_ipv4_options() -> None:
    packet = ethernet(IPV4 + ipv4(ports(), options=b"\x94\x04\0\0" * 10))
    assert (packet.service, packet.octets) == (443, 72)


@pytest.mark.parametrize("kind", EXTENSIONS)
@pytest.mark.parametrize("units", [0, 1, 5])
def test_ports_lie_behind_an_ipv6_extension(kind: int, units: int) -> None:
    assert ethernet(IPV6 + ipv6(extension(kind, 17, units) + ports(), kind))[4:6] == (17, 443)


@pytest.mark.parametrize(("headers", "seen"), [(6, (17, 443)), (7, (60, 0)), (8, (60, 0))])
def test_six_extensions_are_walked_and_not_one_more(headers: int, seen: tuple[int, int]) -> None:
    chain = extension(60, 60) * (headers - 1) + extension(60, 17)
    assert ethernet(IPV6 + ipv6(chain + ports(), 60))[4:6] == seen


def test_a_chain_that_is_cut_short_ends_with_the_last_next_header_read() -> None:
    frame = ETHERNET + IPV6 + ipv6(extension(0, AUTHENTICATION) + extension(AUTHENTICATION, 6) + ports(), 0)
    seen = [decode(frame[:captured], len(frame), LinkType.ETHERNET)[4:6] for captured in (57, 58, 65, 66, 73, 74)]
    assert seen == [(0, 0), (AUTHENTICATION, 0), (AUTHENTICATION, 0), (6, 0), (6, 0), (6, 443)]


@pytest.mark.parametrize("ethertype", [0x8100, 0x88A8, 0x9100])
def test_the_vlan_is_that_of_the_outermost_tag(ethertype: int) -> None:
    tag = ethertype.to_bytes(2, "big")
    expected = Packet(PHONE, ROUTER, SRC4, DST4, 17, 443, 7, 32, 50)
    assert ethernet(tag + b"\xe0\x07" + IPV4 + ipv4(ports())) == expected
    twice = ethernet(tag + b"\xe0\x07" + b"\x81\x00\x00\x09" + IPV4 + ipv4(ports()))
    assert twice == expected._replace(frame_octets=54)


def test_a_priority_tag_outside_is_vlan_0_even_with_another_inside() -> None:
    assert ethernet(b"\x81\x00\xe0\x00" + b"\x81\x00\x00\x09" + IPV4 + ipv4(ports())).vlan == 0


def test_a_third_tag_is_other() -> None:
    rest = b"\x81\x00\x00\x07\x81\x00\x00\x08\x81\x00\x00\x09" + IPV4 + ipv4(ports())
    assert ethernet(rest) == other(0x8100, 36, 58, vlan=7)


def test_a_tag_that_is_cut_short_is_not_taken() -> None:
    assert ethernet(b"\x81\x00\x00\x07\x08") == other(0x8100, 3, 17)
    assert ethernet(b"\x81\x00\x00\x07\x81\x00\x00\x08") == other(0x8100, 2, 20, vlan=7)


def test_ip_inside_pppoe_is_counted_without_the_pppoe_header() -> None:
    packet = ethernet(SESSION + b"\x00\x21" + ipv4(ports()))
    assert packet == Packet(PHONE, ROUTER, SRC4, DST4, 17, 443, 0, 32, 54)
    tagged = ethernet(b"\x81\x00\x00\x07" + SESSION + b"\x00\x57" + ipv6(ports()))
    assert tagged == Packet(PHONE, ROUTER, SRC6, DST6, 17, 443, 7, 52, 78)


@pytest.mark.parametrize("inside", [b"\xc0\x21" + bytes(30), b"\x00\x21" + bytes(30), b"\x00\x57\x60", b"\x00"])
def test_other_pppoe_is_counted_with_its_header(inside: bytes) -> None:
    assert ethernet(SESSION + inside) == other(0x8864, 6 + len(inside), 20 + len(inside))


@pytest.mark.parametrize("oui", [b"\0\0\0", b"\0\0\xf8"])
@pytest.mark.parametrize("tag", [b"", b"\x81\x00\x00\x07"])
def test_ip_behind_snap_is_counted_without_it(oui: bytes, tag: bytes) -> None:
    snap = b"\x00\x28\xaa\xaa\x03" + oui
    vlan = 7 if tag else 0
    four = ethernet(tag + snap + IPV4 + ipv4(ports()))
    assert four == Packet(PHONE, ROUTER, SRC4, DST4, 17, 443, vlan, 32, 54 + len(tag))
    assert ethernet(tag + snap + IPV6 + ipv6(ports()))[2:8] == (SRC6, DST6, 17, 443, vlan, 52)
    assert ethernet(tag + snap + b"\x08\x06" + bytes(28)) == other(0x0806, 28, 50 + len(tag), vlan=vlan)


def test_ip_behind_llc_alone_is_counted_without_it() -> None:
    assert ethernet(b"\x00\x23\x06\x06\x03" + ipv4(ports())) == Packet(PHONE, ROUTER, SRC4, DST4, 17, 443, 0, 32, 49)


@pytest.mark.parametrize(
    "rest",
    [
        b"\x00\x28\xaa\xaa\x03\0\0\x0c\x20\x00" + bytes(30),  # another organisation's
        b"\x00\x28\x42\x42\x03" + bytes(35),
        b"\x00\x28\xaa\xaa\x03\0\0\0\x08",
        b"\x06\x00\xaa\xaa\x03\0\0\0\x08\x00" + ipv4(ports()),  # an ethertype, no length
    ],
)
def test_other_llc_is_other_with_its_length_as_service(rest: bytes) -> None:
    assert ethernet(rest) == other(int.from_bytes(rest[:2], "big"), len(rest) - 2, 12 + len(rest))


@pytest.mark.parametrize("labels", [1, 2, 8])
@pytest.mark.parametrize("kind", [b"\x88\x47", b"\x88\x48"])
def test_ip_behind_labels_is_counted_without_them(labels: int, kind: bytes) -> None:
    stack = b"\x00\x01\x00\x40" * (labels - 1) + b"\x00\x02\x01\x40"
    assert ethernet(kind + stack + ipv4(ports()))[2:8] == (SRC4, DST4, 17, 443, 0, 32)
    assert ethernet(kind + stack + ipv6(ports()))[2:8] == (SRC6, DST6, 17, 443, 0, 52)
    assert decode(b"\xff\x03\x02\x81" + stack + ipv4(ports()), 36 + 4 * labels, LinkType.PPP)[2:8] == (
        *(SRC4, DST4, 17, 443, 0),
        32,
    )


@pytest.mark.parametrize(
    "inside",
    [
        b"\x00\x01\x00\x40" * 8 + b"\x00\x02\x01\x40" + ipv4(ports()),  # nine labels
        b"\x00\x02\x01\x40" + bytes(40),  # a pseudowire's control word
        b"\x00\x02\x01\x40",
        b"\x00\x02\x01",
    ],
)
def test_other_labelled_traffic_is_counted_with_its_labels(inside: bytes) -> None:
    assert ethernet(b"\x88\x47" + inside) == other(0x8847, len(inside), 14 + len(inside))


@pytest.mark.parametrize("address", [0x0F, 0x8F])
def test_cisco_hdlc_has_an_ethertype(address: int) -> None:
    frame = bytes((address, 0)) + IPV4 + ipv4(ports())
    assert decode(frame, 36, LinkType.PPP) == Packet(None, None, SRC4, DST4, 17, 443, 0, 32, 36)
    keepalive = bytes((address, 0)) + b"\x80\x35" + bytes(18)
    assert decode(keepalive, 22, LinkType.PPP)[4:8] == (PROTOCOL_OTHER, 0x8035, 0, 18)


def test_a_switch_tag_stands_in_the_place_of_the_vlan_tag_it_replaced() -> None:
    for front, link in ((b"", LinkType.DSA), (b"\xda\xda\0\0", LinkType.EDSA)):
        tagged = ETHERNET + front + b"\xe0\x08\xe0\x07" + IPV4 + ipv4(ports())
        untagged = ETHERNET + front + b"\xc0\x08\xe0\x07" + b"\x81\x00\x00\x09" + IPV4 + ipv4(ports())
        assert decode(tagged, len(tagged), link)[:7] == (PHONE, ROUTER, SRC4, DST4, 17, 443, 7)
        assert decode(untagged, len(untagged), link)[:7] == (PHONE, ROUTER, SRC4, DST4, 17, 443, 9)


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4])
def test_a_cooked_broadcast_has_the_broadcast_address(kind: int) -> None:
    target = b"\xff" * 6 if kind == 1 else None
    sll = bytes((0, kind)) + b"\0\1\0\6" + PHONE + b"\0\0" + IPV4 + ipv4(ports())
    sll2 = IPV4 + bytes(6) + b"\0\1" + bytes((kind, 6)) + PHONE + b"\0\0" + ipv4(ports())
    assert decode(sll, len(sll), LinkType.LINUX_SLL)[:2] == (PHONE, target)
    assert decode(sll2, len(sll2), LinkType.LINUX_SLL2)[:2] == (PHONE, target)


def test_a_netfilter_log_without_a_packet_is_counted_whole() -> None:
    message = b"\x02\0\0\5" + b"\x08\0\x0a\0log\0"
    assert decode(message, 12, LinkType.NFLOG)[2:8] == (None, None, PROTOCOL_OTHER, 0, 0, 12)
    endless = b"\x02\0\0\5" + b"\x04\0\x0a\0" * 50
    assert decode(endless, len(endless), LinkType.NFLOG)[7] == len(endless)
    stuck = b"\x02\0\0\5" + b"\x00\0\x0a\0" * 50
    assert decode(stuck, len(stuck), LinkType.NFLOG)[7] == len(stuck)


@pytest.mark.parametrize("ethertype", [0, 0x0026, 0x05DC, 0x0806, 0x8863, 0x88CC, 0xFFFF])
def test_what_is_not_ip_is_other_with_its_ethertype_as_service(ethertype: int) -> None:
    rest = ethertype.to_bytes(2, "big")
    assert ethernet(rest + bytes(46)) == other(ethertype, 46, 60)
    assert ethernet(b"\x81\x00\x00\x07" + rest + bytes(46)) == other(ethertype, 46, 64, vlan=7)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        ipv4(ports())[:19],
        b"\x44" + ipv4(ports())[1:],
        b"\x55" + ipv4(ports())[1:],
        ipv6(ports()),
    ],
)
def test_malformed_ipv4_is_other(packet: bytes) -> None:
    assert ethernet(IPV4 + packet) == other(0x0800, len(packet), 14 + len(packet))


@pytest.mark.parametrize("packet", [b"", ipv6(ports())[:39], b"\x40" + ipv6(ports())[1:], ipv4(ports(rest=40))])
def test_malformed_ipv6_is_other(packet: bytes) -> None:
    assert ethernet(IPV6 + packet) == other(0x86DD, len(packet), 14 + len(packet))


@pytest.mark.parametrize(
    ("link", "header"),
    [
        (LinkType.ETHERNET, 14),
        (LinkType.LINUX_SLL, 16),
        (LinkType.LINUX_SLL2, 20),
        (LinkType.NULL, 4),
        (LinkType.RAW_OR_NULL, 4),
        (LinkType.ENC, 12),
        (LinkType.NFLOG, 8),
        (LinkType.DSA, 18),
        (LinkType.EDSA, 22),
        (LinkType.BRCM, 18),
        (LinkType.BRCM_PREPEND, 18),
        (LinkType.PPP_ETHER, 8),
        (LinkType.PPP, 1),
        (LinkType.RAW, 1),
    ],
)
def test_a_frame_shorter_than_its_link_header_is_counted_whole(link: LinkType, header: int) -> None:
    for captured in range(header):
        assert decode(bytes(captured), 1500, link) == Packet(None, None, None, None, PROTOCOL_OTHER, 0, 0, 1500, 1500)


def test_without_a_link_header_the_version_tells() -> None:
    assert decode(ipv4(ports()), 32, LinkType.RAW) == Packet(None, None, SRC4, DST4, 17, 443, 0, 32, 32)
    assert decode(ipv6(ports()), 52, LinkType.RAW) == Packet(None, None, SRC6, DST6, 17, 443, 0, 52, 52)
    assert decode(b"\x50" + bytes(59), 60, LinkType.RAW)[4:] == (PROTOCOL_OTHER, 0, 0, 60, 60)


def test_other_on_a_link_without_ethertype_has_no_service() -> None:
    assert decode(b"\xff\x03\xc0\x21" + bytes(8), 12, LinkType.PPP)[4:8] == (PROTOCOL_OTHER, 0, 0, 8)
    assert decode(b"\x00\x00\x00\x07" + bytes(8), 12, LinkType.NULL)[4:8] == (PROTOCOL_OTHER, 0, 0, 8)
    session = b"\x11\x00\x00\x07\x00\x0a\xc0\x21" + bytes(8)
    assert decode(session, 16, LinkType.PPP_ETHER)[4:8] == (PROTOCOL_OTHER, 0, 0, 16)


@given(samples())
def test_every_frame_put_together_is_counted_as_what_it_is(sample: Sample) -> None:
    assert decode(sample.frame, len(sample.frame), sample.front.link) == sample.expected


@given(samples(), st.data())
def test_a_cut_capture_loses_detail_and_no_octets(sample: Sample, data: st.DataObject) -> None:
    frame, front = sample.frame, sample.front
    cut = data.draw(st.integers(min(len(front.frame) + 1, len(frame)), len(frame)))
    packet = decode(frame[:cut], len(frame), front.link)
    if cut < len(front.frame) + sample.network.header:
        assert packet == sample.other
    elif cut >= len(front.frame) + sample.network.ports:
        assert packet == sample.expected
    else:
        whole = sample.expected
        assert packet.service in (0, whole.service)
        assert packet._replace(protocol=whole.protocol, service=whole.service) == whole
        assert packet.protocol == whole.protocol or packet.protocol in EXTENSIONS


def well_formed(packet: Packet, wire_length: int) -> bool:
    """What holds for any packet, whatever it was made of."""
    sized = ((packet.src_mac, 6), (packet.dst_mac, 6), (packet.src, 16), (packet.dst, 16))
    sizes = all(part is None or len(part) == size for part, size in sized)
    missing = {packet.src is None, packet.dst is None, packet.protocol == PROTOCOL_OTHER}
    ranges = packet.protocol <= 256 and packet.service < 1 << 16 and packet.vlan < 1 << 12
    lengths = 0 <= packet.octets <= wire_length == packet.frame_octets
    return sizes and len(missing) == 1 and ranges and lengths


@given(st.binary(max_size=120), st.integers(0, 1 << 17), st.sampled_from(LinkType))
def test_any_octets_of_any_link_are_a_packet(frame: bytes, wire_length: int, link: LinkType) -> None:
    packet = decode(frame, wire_length, link)
    assert well_formed(packet, wire_length)
    assert packet == decode(memoryview(frame), wire_length, link) == decode(bytearray(frame), wire_length, link)


@st.composite
def damaged(draw: st.DrawFn, links: tuple[LinkType, ...] = tuple(LinkType)) -> tuple[bytes, int, LinkType]:
    """A frame of `samples` with octets overwritten, cut, and with any wire length."""
    sample = draw(samples(links))
    frame = bytearray(sample.frame)
    for place in draw(st.lists(st.integers(0, len(frame) - 1), max_size=4)):
        frame[place] = draw(st.integers(0, 255))
    cut = draw(st.just(len(frame)) | st.integers(0, len(frame)))
    wire_length = draw(st.just(len(frame)) | st.integers(0, 2000))
    return bytes(frame[:cut]), wire_length, sample.front.link


@given(damaged())
def test_a_damaged_frame_is_a_packet(sample: tuple[bytes, int, LinkType]) -> None:
    assert well_formed(decode(*sample), sample[1])


@given(damaged((LinkType.ETHERNET,)), st.integers(0, 0xFFFF))
def test_a_tag_in_front_changes_the_vlan_and_nothing_else(sample: tuple[bytes, int, LinkType], tag: int) -> None:
    """The tagged frame takes the way header by header, the untagged one mostly that of a single look."""
    frame, wire_length, link = sample
    tagged = frame[:12] + b"\x81\x00" + tag.to_bytes(2, "big") + frame[12:]
    plain = decode(frame, wire_length, link)
    if min(len(frame), wire_length) >= 14 and frame[16:18] not in (b"\x81\x00", b"\x88\xa8", b"\x91\x00"):
        expected = plain._replace(vlan=tag & 0x0FFF, frame_octets=wire_length + 4)
        assert decode(tagged, wire_length + 4, link) == expected
