"""From a captured frame to the key and octets it is counted under; pure, the kernel program's reference.

Rules that hold for every link: lengths are those of the wire, never of the capture; what is not
well-formed IP is counted whole as `PROTOCOL_OTHER`; no input raises.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from struct import Struct
from typing import NamedTuple

from whitestat.model import PROTOCOL_OTHER, Address, Mac


class Link(Enum):
    """What stands in front of the IP header."""

    ETHERNET = "ethernet"
    RAW = "raw"
    """Nothing: tun, wg, ppp devices; the version nibble tells IPv4 from IPv6."""
    LINUX_SLL = "linux-sll"
    """Linux cooked capture (`tcpdump -i any`): 16 octets, the sender's link address alone."""
    LINUX_SLL2 = "linux-sll2"
    """Linux cooked capture, version 2: 20 octets."""
    PPP = "ppp"
    """PPP (RFC 1661) with or without the HDLC address and control octets (RFC 1662)."""
    PPP_ETHER = "ppp-ether"
    """A PPPoE session header (RFC 2516) without the Ethernet header in front of it."""
    NULL = "null"
    """BSD loopback: four octets of address family, in either byte order."""


class Packet(NamedTuple):
    """One packet as it is counted.

    Addresses are None where the frame has none. `octets` are of IP with its header, `frame_octets` of
    layer 2. `service` is the lower of the two ports, or the ethertype where protocol is PROTOCOL_OTHER.
    `vlan` is the VID of the outermost tag, 0 without one. The first seven separate one flow from the next.
    """

    src_mac: Mac | None
    dst_mac: Mac | None
    src: Address | None
    dst: Address | None
    protocol: int
    service: int
    vlan: int
    octets: int
    frame_octets: int


class _Header(NamedTuple):
    """IP of `version` (0: not IP) starts at `ip`; what is not IP is counted from `end`."""

    src_mac: Mac | None
    dst_mac: Mac | None
    vlan: int
    ethertype: int
    end: int
    ip: int
    version: int


class _Network(NamedTuple):
    src: Address | None
    dst: Address | None
    protocol: int
    service: int
    octets: int


_NO_HEADER = _Header(None, None, 0, 0, 0, 0, 0)
_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291, section 2.5.5.2

_TAGS = frozenset((0x8100, 0x88A8, 0x9100))
_TAGS_MAX = 2
_PPPOE = 0x8864
_ETHERTYPE_VERSIONS = {0x0800: 4, 0x86DD: 6}
_PPP_VERSIONS = {0x0021: 4, 0x0057: 6}  # RFC 1332, RFC 5072
_FAMILY_VERSIONS = {2: 4, 24: 6, 28: 6, 30: 6}  # AF_INET; AF_INET6 of the BSDs, of FreeBSD, of Darwin

_PORTED = frozenset((6, 17, 33, 132, 136))  # TCP, UDP, DCCP, SCTP, UDP-Lite
_FRAGMENT = 44
_AUTHENTICATION = 51
_EXTENSIONS = frozenset((0, 43, _FRAGMENT, _AUTHENTICATION, 60, 135))
_EXTENSIONS_MAX = 6

_U16 = Struct("!H").unpack_from
_TWO_U16 = Struct("!HH").unpack_from
_EXTENSION = Struct("!BBH").unpack_from  # next header, length, fragment offset and flags
_IPV4 = Struct("!BxHxxHxBxx4s4s").unpack_from  # version+IHL, total, fragment, protocol, source, destination
_IPV6 = Struct("!B3xHBx16s16s").unpack_from  # version, payload, next header, source, destination
_ETHERNET = Struct("!6s6sH").unpack_from
_ETHERNET_IPV4 = Struct("!6s6sHBxHxxHxBxx4s4sHH").unpack_from
_ETHERNET_IPV6 = Struct("!6s6sHB3xHBx16s16sHH").unpack_from

# Bound once, because the common packet asks for them every time.
_new = tuple.__new__
_ethernet_link = Link.ETHERNET


def decode(frame: bytes | bytearray | memoryview, wire_length: int, link: Link) -> Packet:
    """The packet in `frame`, the captured part of a frame of `wire_length` octets; never raises.

    What is captured beyond `wire_length` was not on the wire and is not looked at. A frame shorter than
    its link header is counted whole: no addresses, service 0, octets = `wire_length`.
    """
    captured = len(frame)
    if link is _ethernet_link and 38 <= captured <= wire_length:
        # The common packet takes one look: IPv4 without options or IPv6 without extensions, then its ports.
        dst_mac, src_mac, ethertype, version, octets, fragment, protocol, src, dst, port, other = _ETHERNET_IPV4(frame)
        available = wire_length - 14
        if ethertype == 0x0800 and version == 0x45:
            if not 20 <= octets <= available:
                octets = available
            service = 0
            if protocol in _PORTED and not fragment & 0x1FFF:
                service = port if port < other else other
            return _new(
                Packet,
                (src_mac, dst_mac, _MAPPED + src, _MAPPED + dst, protocol, service, 0, octets, wire_length),
            )
        if ethertype == 0x86DD and version >> 4 == 6 and captured >= 58:
            _, _, _, _, payload, protocol, src, dst, port, other = _ETHERNET_IPV6(frame)
            if protocol not in _EXTENSIONS:
                octets = payload + 40 if 0 < payload <= available - 40 else available
                service = 0
                if protocol in _PORTED:
                    service = port if port < other else other
                return _new(Packet, (src_mac, dst_mac, src, dst, protocol, service, 0, octets, wire_length))
    return _decode(bytes(frame[: max(wire_length, 0)]), wire_length, link)


def _decode(frame: bytes, wire_length: int, link: Link) -> Packet:
    """A packet of any shape, header by header."""
    header = _LINK_HEADERS[link](frame)
    read = _NETWORKS.get(header.version)
    network = read(frame, header.ip, wire_length - header.ip) if read else None
    if network is None:
        network = _Network(None, None, PROTOCOL_OTHER, header.ethertype, wire_length - header.end)
    return _new(Packet, (*header[:2], *network[:4], header.vlan, network.octets, wire_length))


def _ethernet(frame: bytes) -> _Header:
    if len(frame) < 14:
        return _NO_HEADER
    dst_mac, src_mac, ethertype = _ETHERNET(frame)
    return _tagged(frame, 14, ethertype, src_mac, dst_mac)


def _tagged(frame: bytes, at: int, ethertype: int, src_mac: Mac | None, dst_mac: Mac | None) -> _Header:
    """Walks VLAN tags (IEEE 802.1Q) and a PPPoE session (RFC 2516) from the ethertype that ends before `at`.

    A tag that is cut short is not taken: its own ethertype is the last one read.
    """
    vlan = tags = 0
    while ethertype in _TAGS and tags < _TAGS_MAX and len(frame) >= at + 4:
        tag, ethertype = _TWO_U16(frame, at)
        if not tags:
            vlan = tag & 0x0FFF
        tags += 1
        at += 4
    if ethertype == _PPPOE:
        version, ip = _ppp_version(frame, at + 6)
    else:
        version, ip = _ETHERTYPE_VERSIONS.get(ethertype, 0), at
    return _Header(src_mac, dst_mac, vlan, ethertype, at, ip, version)


def _ppp_version(frame: bytes, at: int) -> tuple[int, int]:
    """The IP version that the PPP protocol number at `at` stands for (0: other), and where that IP starts."""
    if len(frame) < at + 2:
        return 0, at
    return _PPP_VERSIONS.get(_U16(frame, at)[0], 0), at + 2


def _raw(frame: bytes) -> _Header:
    return _NO_HEADER._replace(version=frame[0] >> 4 if frame else 0)


def _linux_sll(frame: bytes) -> _Header:
    if len(frame) < 16:
        return _NO_HEADER
    sender = frame[6:12] if _U16(frame, 4)[0] == 6 else None
    return _tagged(frame, 16, _U16(frame, 14)[0], sender, None)


def _linux_sll2(frame: bytes) -> _Header:
    if len(frame) < 20:
        return _NO_HEADER
    sender = frame[12:18] if frame[11] == 6 else None
    return _tagged(frame, 20, _U16(frame, 0)[0], sender, None)


def _ppp(frame: bytes) -> _Header:
    """Address and control may be left out, and so may the protocol's first octet (RFC 1661, 6.5 and 6.6)."""
    at = 2 if frame[:2] == b"\xff\x03" else 0
    if len(frame) > at and frame[at] & 1:
        end, version = at + 1, _PPP_VERSIONS.get(frame[at], 0)
    elif len(frame) >= at + 2:
        version, end = _ppp_version(frame, at)
    else:
        return _NO_HEADER
    return _NO_HEADER._replace(end=end, ip=end, version=version)


def _ppp_ether(frame: bytes) -> _Header:
    """As behind an Ethernet header, the PPPoE header is payload when what follows is not IP."""
    version, ip = _ppp_version(frame, 6)
    return _NO_HEADER._replace(ip=ip, version=version)


def _null(frame: bytes) -> _Header:
    """The family is in the byte order of the machine that captured, in LOOP big-endian: both are tried."""
    if len(frame) < 4:
        return _NO_HEADER
    big = _FAMILY_VERSIONS.get(int.from_bytes(frame[:4], "big"), 0)
    little = _FAMILY_VERSIONS.get(int.from_bytes(frame[:4], "little"), 0)
    return _NO_HEADER._replace(end=4, ip=4, version=big or little)


_LINK_HEADERS: dict[Link, Callable[[bytes], _Header]] = {
    Link.ETHERNET: _ethernet,
    Link.RAW: _raw,
    Link.LINUX_SLL: _linux_sll,
    Link.LINUX_SLL2: _linux_sll2,
    Link.PPP: _ppp,
    Link.PPP_ETHER: _ppp_ether,
    Link.NULL: _null,
}


def _ipv4(frame: bytes, at: int, available: int) -> _Network | None:
    """The IPv4 header at `at` (RFC 791, section 3.1); None when it is none.

    A total length of 0 (segmentation left to the card) or beyond the frame gives way to `available`.
    """
    if len(frame) < at + 20:
        return None
    version, octets, fragment, protocol, src, dst = _IPV4(frame, at)
    header = (version & 0x0F) * 4
    if version >> 4 != 4 or header < 20:
        return None
    if not 20 <= octets <= available:
        octets = available
    service = 0 if fragment & 0x1FFF else _service(frame, at + header, protocol)
    return _Network(_MAPPED + src, _MAPPED + dst, protocol, service, octets)


def _ipv6(frame: bytes, at: int, available: int) -> _Network | None:
    """The IPv6 header at `at` (RFC 8200, section 3); None when it is none.

    A payload length of 0 (jumbo or not yet segmented) or beyond the frame gives way to `available`.
    """
    if len(frame) < at + 40:
        return None
    version, payload, following, src, dst = _IPV6(frame, at)
    if version >> 4 != 6:
        return None
    octets = payload + 40 if 0 < payload <= available - 40 else available
    protocol, service = _upper(frame, at + 40, following)
    return _Network(src, dst, protocol, service, octets)


_NETWORKS = {4: _ipv4, 6: _ipv6}


def _upper(frame: bytes, at: int, protocol: int) -> tuple[int, int]:
    """Protocol and service behind the extension headers at `at` (RFC 8200, section 4; RFC 4302 for 51).

    A chain that is cut short or too long ends with the last next-header value read, without ports; so
    does a fragment that is not the first.
    """
    for _ in range(_EXTENSIONS_MAX):
        if protocol not in _EXTENSIONS:
            break
        if len(frame) < at + 4:
            return protocol, 0
        kind = protocol
        protocol, length, fragment = _EXTENSION(frame, at)
        if kind == _FRAGMENT:
            at += 8
            if fragment & 0xFFF8:
                return protocol, 0
        else:
            at += (length + 2) * 4 if kind == _AUTHENTICATION else (length + 1) * 8
    return protocol, _service(frame, at, protocol)


def _service(frame: bytes, at: int, protocol: int) -> int:
    if protocol not in _PORTED or len(frame) < at + 4:
        return 0
    lower: int = min(_TWO_U16(frame, at))
    return lower
