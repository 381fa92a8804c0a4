"""Frames put together header by header, each with the packet it must be counted as."""

from __future__ import annotations

from struct import pack
from typing import NamedTuple

from hypothesis import strategies as st

from whitestat.collectors.decode import LinkType, Packet

ROUTER = bytes.fromhex("020000000001")
PHONE = bytes.fromhex("0250000000ff")
ETHERNET = ROUTER + PHONE
PORTED = (6, 17, 33, 132, 136)
FRAGMENT, AUTHENTICATION = 44, 51
EXTENSIONS = (0, 43, FRAGMENT, AUTHENTICATION, 60, 135)
MAPPED = bytes(10) + b"\xff\xff"


class Network(NamedTuple):
    """An IP packet with what follows it in the frame, and what it must be counted as.

    `header` is the octets of its fixed header, `ports` of all headers and the ports; `octets` is None
    where the header's own length cannot be believed.
    """

    frame: bytes
    version: int
    src: bytes
    dst: bytes
    protocol: int
    service: int
    octets: int | None
    header: int
    ports: int


class Front(NamedTuple):
    """What stands in front of an IP packet; what is not IP counts from `end`."""

    frame: bytes
    link: LinkType
    src_mac: bytes | None = None
    dst_mac: bytes | None = None
    vlan: int = 0
    ethertype: int = 0
    end: int = 0


class Sample(NamedTuple):
    front: Front
    network: Network

    @property
    def frame(self) -> bytes:
        return self.front.frame + self.network.frame

    @property
    def expected(self) -> Packet:
        front, network = self
        octets = len(network.frame) if network.octets is None else network.octets
        return Packet(
            front.src_mac,
            front.dst_mac,
            network.src,
            network.dst,
            network.protocol,
            network.service,
            front.vlan,
            octets,
            len(self.frame),
        )

    @property
    def other(self) -> Packet:
        """The same frame when its IP header cannot be read."""
        front, length = self.front, len(self.frame)
        return Packet(
            front.src_mac,
            front.dst_mac,
            None,
            None,
            256,
            front.ethertype,
            front.vlan,
            length - front.end,
            length,
        )


def ipv4(
    payload: bytes, protocol: int = 17, *, total: int | None = None, fragment: int = 0, options: bytes = b""
) -> bytes:
    """An IPv4 packet from 192.168.50.7 to 203.0.113.9; `fragment` is the word of flags and offset."""
    header = 20 + len(options)
    length = header + len(payload) if total is None else total
    words = pack("!BBHHHBBH", 0x40 | header // 4, 0, length, 7, fragment, 64, protocol, 0)
    return words + bytes((192, 168, 50, 7, 203, 0, 113, 9)) + options + payload


def ipv6(payload: bytes, following: int = 17, *, length: int | None = None) -> bytes:
    """An IPv6 packet from fd00::7 to 2001:db8::9."""
    length = len(payload) if length is None else length
    return pack("!IHBB", 6 << 28, length, following, 64) + SRC6 + DST6 + payload


SRC4, DST4 = MAPPED + bytes((192, 168, 50, 7)), MAPPED + bytes((203, 0, 113, 9))
SRC6 = b"\xfd" + bytes(14) + b"\x07"
DST6 = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x09"


def ports(source: int = 50000, target: int = 443, rest: int = 8) -> bytes:
    return pack("!HH", source, target) + bytes(rest)


def extension(kind: int, following: int, units: int = 0, offset: int = 0) -> bytes:
    """One IPv6 extension header; `units` is its length field, `offset` a fragment's in units of 8 octets.

    A fragment header has no length field: what stands in its place is reserved, and here not 0.
    """
    if kind == FRAGMENT:
        return pack("!BBHI", following, 2, offset << 3 | 1, 7)
    octets = (units + 2) * 4 if kind == AUTHENTICATION else (units + 1) * 8
    return pack("!BB", following, units) + b"\x05" * (octets - 2)


def _lower_port(protocol: int, tail: bytes) -> int:
    if protocol not in PORTED or len(tail) < 4:
        return 0
    return min(int.from_bytes(tail[:2], "big"), int.from_bytes(tail[2:4], "big"))


_protocols = st.sampled_from(PORTED) | st.sampled_from((1, 2, 47, 50, 58, 59, 255))
_tails = st.binary(max_size=3) | st.binary(min_size=4, max_size=40)
_paddings = st.just(b"") | st.binary(max_size=24)


@st.composite
def ipv4_packets(draw: st.DrawFn) -> Network:
    protocol, payload, padding = draw(_protocols), draw(_tails), draw(_paddings)
    options = draw(st.just(b"") | st.integers(1, 10).map(lambda words: b"\x01" * 4 * words))
    offset = draw(st.just(0) | st.integers(1, 0x1FFF))
    header = 20 + len(options)
    total = draw(st.sampled_from((header + len(payload), 0, 19, 65535)))
    packet = ipv4(
        payload,
        protocol,
        total=total,
        fragment=draw(st.sampled_from((0, 0x2000, 0x4000))) | offset,
        options=options,
    )
    service = 0 if offset else _lower_port(protocol, payload + padding)
    octets = total if total == header + len(payload) else None
    return Network(packet + padding, 4, SRC4, DST4, protocol, service, octets, 20, header + 4)


@st.composite
def ipv6_packets(draw: st.DrawFn) -> Network:
    last, payload, padding = draw(_protocols), draw(_tails), draw(_paddings)
    kinds = draw(st.just([]) | st.lists(st.sampled_from(EXTENSIONS), max_size=8))
    following = [*kinds, last]
    walked, whole, chain = min(len(kinds), 6), len(kinds) <= 6, b""
    for place, kind in enumerate(kinds):
        offset = draw(st.sampled_from((0, 0, 0, 1, 0x1FFF))) if kind == FRAGMENT else 0
        chain += extension(kind, following[place + 1], draw(st.integers(0, 3)), offset)
        if offset and place < walked:
            walked, whole = place + 1, False
    protocol = following[walked]
    service = _lower_port(protocol, payload + padding) if whole else 0
    exact = len(chain + payload)
    length = draw(st.sampled_from((exact, 0, 65535)))
    packet = ipv6(chain + payload, following[0], length=length) + padding
    octets = 40 + length if length and length == exact else None
    return Network(packet, 6, SRC6, DST6, protocol, service, octets, 40, 44 + len(chain))


SNAP = b"\xaa\xaa\x03\0\0\0"
LABELS = b"\x00\x01\x00\x40\x00\x02\x01\x40"
"""A stack of two MPLS labels."""
SESSION = b"\x11\x00\x00\x07\x00\x22"
DSA_UNTAGGED, DSA_TAGGED = b"\xc0\x08\x00\x09", b"\xe0\x08\xe0\x07"
BRCM_TAG = b"\x00\x00\x00\x05"


def attribute(kind: int, value: bytes, order: str = "<") -> bytes:
    """One attribute of a netfilter log message."""
    return pack(order + "HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def link_header(link: LinkType, version: int, octets: int) -> bytes:
    """What a well-behaved program puts in front of an IP packet of so many octets."""
    ethertype = b"\x08\x00" if version == 4 else b"\x86\xdd"
    ppp = b"\x00\x21" if version == 4 else b"\x00\x57"
    sender = PHONE + b"\0\0"
    logged = attribute(1, ethertype + b"\0\0") + attribute(8, b"\0\6\0\0" + sender)
    return {
        LinkType.ETHERNET: ETHERNET + ethertype,
        LinkType.RAW: b"",
        LinkType.RAW_OR_NULL: b"",
        LinkType.NULL: pack("<I", 2 if version == 4 else 28),
        LinkType.ENC: pack("<III", 2 if version == 4 else 24, 7, 0),
        LinkType.PPP: b"\xff\x03" + ppp,
        LinkType.PPP_ETHER: b"\x11\x00\x00\x07" + pack("!H", octets + 2) + ppp,
        LinkType.LINUX_SLL: pack("!HHH8s", 0, 1, 6, sender) + ethertype,
        LinkType.LINUX_SLL2: ethertype + pack("!HIHBB8s", 0, 3, 1, 0, 6, sender),
        LinkType.NFLOG: bytes((2 if version == 4 else 10, 0, 0, 5)) + logged + pack("<HH", octets + 4, 9),
        LinkType.DSA: ETHERNET + DSA_TAGGED + ethertype,
        LinkType.EDSA: ETHERNET + b"\xda\xda\0\0" + DSA_TAGGED + ethertype,
        LinkType.BRCM: ETHERNET + BRCM_TAG + ethertype,
        LinkType.BRCM_PREPEND: BRCM_TAG + ETHERNET + ethertype,
    }[link]


@st.composite
def fronts(draw: st.DrawFn, link: LinkType, version: int) -> Front:
    """A link header for an IP packet of `version`: Ethernet and cooked ones with tags, and what may follow those."""
    ppp = b"\x00\x21" if version == 4 else b"\x00\x57"
    if link is LinkType.RAW or (link is LinkType.RAW_OR_NULL and draw(st.booleans())):
        return Front(b"", link)
    if link in (LinkType.NULL, LinkType.RAW_OR_NULL, LinkType.ENC):
        family = 2 if version == 4 else draw(st.sampled_from((24, 28, 30)))
        order = ">" if link is LinkType.RAW_OR_NULL else draw(st.sampled_from("<>"))
        more = draw(st.binary(min_size=8, max_size=8)) if link is LinkType.ENC else b""
        return Front(pack(order + "I", family) + more, link, end=4 + len(more))
    if link is LinkType.NFLOG:
        return draw(_logged(version))
    if link is LinkType.PPP:
        header = draw(st.sampled_from((b"\xff\x03" + ppp, ppp, ppp[1:], b"\xff\x03" + ppp[1:])))
        return Front(header, link, end=len(header))
    if link is LinkType.PPP_ETHER:
        return Front(SESSION + ppp, link)
    tagged = link in (LinkType.DSA, LinkType.EDSA) and draw(st.booleans())
    tags = draw(st.lists(st.integers(0, 0xFFFF), max_size=1 if tagged else 2))
    ethertype = 0x0800 if version == 4 else 0x86DD
    kinds: list[tuple[bytes, int, bytes]] = [
        (b"", ethertype, b""),
        (b"", 0x8864, SESSION + ppp),
        (b"", draw(st.sampled_from((0x8847, 0x8848))), LABELS[draw(st.sampled_from((0, 4))) :]),
        (pack("!H", draw(st.integers(0, 1500))) + SNAP, ethertype, b""),
    ]
    before, ethertype, behind = draw(st.sampled_from(kinds))
    chain = b"".join(pack("!HH", draw(st.sampled_from((0x8100, 0x88A8, 0x9100))), tag) for tag in tags)
    chain += before + pack("!H", ethertype)
    header, src_mac, dst_mac = _addressed(link, chain, draw(st.booleans()), tagged=tagged)
    vlan = 7 if tagged else tags[0] & 0x0FFF if tags else 0
    return Front(header + behind, link, src_mac, dst_mac, vlan, ethertype, len(header))


@st.composite
def _logged(draw: st.DrawFn, version: int) -> Front:
    """A netfilter log message up to its packet, in either byte order."""
    order, seen = draw(st.sampled_from("<>")), draw(st.booleans())
    header = bytes((2 if version == 4 else 10, 0, 0, 5))
    header += b"".join(attribute(kind, bytes(draw(st.integers(0, 9))), order) for kind in draw(st.lists(_others)))
    if seen:
        header += attribute(8, b"\0\6\0\0" + PHONE + b"\0\0", order)
    header += pack(order + "HH", 104, 9)
    return Front(header, LinkType.NFLOG, PHONE if seen else None, end=len(header))


_others = st.sampled_from((1, 2, 3, 10, 12))


def _addressed(link: LinkType, chain: bytes, seen: bool, *, tagged: bool) -> tuple[bytes, bytes | None, bytes | None]:
    """The header of a link that carries addresses, and those; in cooked ones the sender may be unseen."""
    sender = (6, PHONE + b"\0\0") if seen else (0, bytes(8))
    if link is LinkType.LINUX_SLL:
        return pack("!HHH8s", 0, 1, *sender) + chain, PHONE if seen else None, None
    if link is LinkType.LINUX_SLL2:
        header = pack("!HHIHBB8s", int.from_bytes(chain[:2], "big"), 0, 3, 1, 0, *sender)
        return header + chain[2:], PHONE if seen else None, None
    tag = DSA_TAGGED if tagged else DSA_UNTAGGED
    headers = {
        LinkType.DSA: ETHERNET + tag,
        LinkType.EDSA: ETHERNET + b"\xda\xda\0\0" + tag,
        LinkType.BRCM: ETHERNET + BRCM_TAG,
        LinkType.BRCM_PREPEND: BRCM_TAG + ETHERNET,
    }
    return headers.get(link, ETHERNET) + chain, PHONE, ROUTER


@st.composite
def samples(draw: st.DrawFn, links: tuple[LinkType, ...] = tuple(LinkType)) -> Sample:
    network = draw(ipv4_packets() | ipv6_packets())
    return Sample(draw(fronts(draw(st.sampled_from(links)), network.version)), network)


def mixed() -> list[bytes]:
    """An Ethernet frame of every shape a home's link carries; the longest fits links of 9,000 octets."""
    request = ETHERNET + b"\x08\x06" + bytes.fromhex("0001080006040001") + PHONE + bytes(20)
    session = b"\x88\x64\x11\x00\x00\x07"
    tags = (b"", b"\x81\x00\x00\x07", b"\x88\xa8\x00\x09\x81\x00\x00\x07", b"\x81\x00\xe0\x00")
    four = [
        ipv4(ports(), protocol, fragment=fragment, options=options)
        for protocol in (1, 2, 6, 17, 47, 50, 132)
        for fragment in (0, 0x2000, 0x2007)
        for options in (b"", b"\x94\x04\0\0")
    ]
    six = [ipv6(extension(kind, 17, 1) + ports(), kind) for kind in EXTENSIONS]
    six += [ipv6(ports(), 6), ipv6(extension(0, 60) + extension(60, 58) + ports(), 0)]
    jumbo = [ipv4(ports(rest=8500)), ipv6(ports(rest=8500))]
    frames = [request, ETHERNET + b"\x88\xcc" + bytes(46), b"\xff" * 6 + PHONE + b"\x00\x26" + bytes(46)]
    for tag in tags:
        frames += [ETHERNET + tag + b"\x08\x00" + packet for packet in (*four, jumbo[0])]
        frames += [ETHERNET + tag + b"\x86\xdd" + packet for packet in (*six, jumbo[1])]
        frames += [ETHERNET + tag + session + pack("!H", len(four[0]) + 2) + b"\x00\x21" + four[0]]
        frames += [ETHERNET + tag + session + pack("!H", len(six[0]) + 2) + b"\x00\x57" + six[0]]
        frames += [ETHERNET + tag + pack("!H", len(four[0]) + 8) + SNAP + b"\x08\x00" + four[0]]
        frames += [ETHERNET + tag + b"\x88\x47" + LABELS + six[0]]
    return frames
