"""From a captured frame to the key and octets it is counted under; pure, the kernel program's reference.

Rules that hold for every link: lengths are those of the wire, never of the capture; what is not
well-formed IP is counted whole as `PROTOCOL_OTHER`; no input raises.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from whitestat.collectors.link_headers import LINK_HEADERS, LinkType
from whitestat.core.model import PROTOCOL_OTHER, Address, Mac
from whitestat.core.units import MAPPED_IPV4

__all__ = ["LinkType", "Packet", "decode"]


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


class _Network(NamedTuple):
    src: Address | None
    dst: Address | None
    protocol: int
    service: int
    octets: int


_PORTED = frozenset((6, 17, 33, 132, 136))  # TCP, UDP, DCCP, SCTP, UDP-Lite
_FRAGMENT = 44
_AUTHENTICATION = 51
_EXTENSIONS = frozenset((0, 43, _FRAGMENT, _AUTHENTICATION, 60, 135))
_EXTENSIONS_MAX = 6

_TWO_U16 = Struct("!HH").unpack_from
_EXTENSION = Struct("!BBH").unpack_from  # next header, length, fragment offset and flags
_IPV4 = Struct("!BxHxxHxBxx4s4s").unpack_from  # version+IHL, total, fragment, protocol, source, destination
_IPV6 = Struct("!B3xHBx16s16s").unpack_from  # version, payload, next header, source, destination
_ETHERNET_IPV4 = Struct("!6s6sHBxHxxHxBxx4s4sHH").unpack_from
_ETHERNET_IPV6 = Struct("!6s6sHB3xHBx16s16sHH").unpack_from

# Bound once, because the common packet asks for them every time.
_new = tuple.__new__
_ethernet_link = LinkType.ETHERNET


def decode(frame: bytes | bytearray | memoryview, wire_length: int, link: LinkType) -> Packet:
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
                (src_mac, dst_mac, MAPPED_IPV4 + src, MAPPED_IPV4 + dst, protocol, service, 0, octets, wire_length),
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


def _decode(frame: bytes, wire_length: int, link: LinkType) -> Packet:
    """A packet of any shape, header by header."""
    header = LINK_HEADERS[link](frame)
    read = _NETWORKS.get(header.version)
    network = read(frame, header.ip, wire_length - header.ip) if read else None
    if network is None:
        network = _Network(None, None, PROTOCOL_OTHER, header.ethertype, wire_length - header.end)
    return _new(Packet, (*header[:2], *network[:4], header.vlan, network.octets, wire_length))


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
    return _Network(MAPPED_IPV4 + src, MAPPED_IPV4 + dst, protocol, service, octets)


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
