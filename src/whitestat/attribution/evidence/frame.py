"""From a frame to the evidence in it: finds the message and hands it to its decoder; pure."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from whitestat.attribution.evidence import Evidence, Prefix, advertisement, dhcp, dhcp6, dns, netbios
from whitestat.core.model import Address, Mac
from whitestat.core.units import MAPPED_IPV4

_ETHERNET = Struct("!6s6sH")
_TAG = Struct("!2xH")
_IPV4 = Struct("!BxHxxHxBxx4s4s")
_IPV6 = Struct("!B3xHBB16s16s")
_UDP = Struct("!HHH2x")
_UDP_PROTOCOL, _ICMPV6 = 17, 58

FrameEvidence = list[Evidence | Prefix]


class _Message(NamedTuple):
    """What a datagram carries; both ports are 0 for ICMPv6."""

    sender: Mac
    receiver: Mac
    source: Address
    from_port: int
    to_port: int
    content: bytes


def decode(frame: bytes, at_ms: int) -> FrameEvidence:
    """Whatever the frame tells about devices; empty for nearly every frame, and never an error."""
    message = _message(frame)
    if message is None:
        return []
    find = _BY_PORT.get(message.from_port) or _BY_PORT.get(message.to_port)
    return find(message, at_ms) if find else []


def _dhcp(message: _Message, at_ms: int) -> FrameEvidence:
    evidence = dhcp.decode(message.content, at_ms)
    return [evidence] if evidence else []


def _dhcp6(message: _Message, at_ms: int) -> FrameEvidence:
    client = message.receiver if message.to_port == 546 else message.sender
    return list(dhcp6.decode(message.content, client, at_ms))


def _mdns(message: _Message, at_ms: int) -> FrameEvidence:
    return list(dns.decode(message.content, "mdns", message.sender, message.source, at_ms))


def _llmnr(message: _Message, at_ms: int) -> FrameEvidence:
    return list(dns.decode(message.content, "llmnr", message.sender, message.source, at_ms))


def _netbios(message: _Message, at_ms: int) -> FrameEvidence:
    evidence = netbios.decode(message.content, message.sender, at_ms)
    return [evidence] if evidence else []


def _advertisement(message: _Message, at_ms: int) -> FrameEvidence:
    return list(advertisement.decode(message.content, message.sender))


_BY_PORT: dict[int, Callable[[_Message, int], FrameEvidence]] = {
    0: _advertisement,
    67: _dhcp,
    68: _dhcp,
    137: _netbios,
    546: _dhcp6,
    547: _dhcp6,
    5353: _mdns,
    5355: _llmnr,
}


def _message(frame: bytes) -> _Message | None:
    if len(frame) < _ETHERNET.size:
        return None
    receiver, sender, kind = _ETHERNET.unpack_from(frame)
    at = _ETHERNET.size
    if kind in (0x8100, 0x88A8) and len(frame) >= at + _TAG.size:
        (kind,) = _TAG.unpack_from(frame, at)
        at += _TAG.size
    network = _ipv4(frame, at) if kind == 0x0800 else _ipv6(frame, at) if kind == 0x86DD else None
    if network is None:
        return None
    source, protocol, at, end = network
    if protocol == _ICMPV6:
        return _Message(sender, receiver, source, 0, 0, frame[at:end])
    if protocol != _UDP_PROTOCOL or at + _UDP.size > end:
        return None
    from_port, to_port, length = _UDP.unpack_from(frame, at)
    if not _UDP.size <= length <= end - at or not from_port or not to_port:
        return None
    return _Message(sender, receiver, source, from_port, to_port, frame[at + _UDP.size : at + length])


def _ipv4(frame: bytes, at: int) -> tuple[Address, int, int, int] | None:
    """Source, protocol, and where the payload begins and ends; None for fragments and what is no IPv4."""
    if len(frame) < at + _IPV4.size:
        return None
    version, total, fragment, protocol, source, _ = _IPV4.unpack_from(frame, at)
    header = (version & 0x0F) * 4
    if version >> 4 != 4 or header < 20 or not header <= total <= len(frame) - at or fragment & 0x3FFF:
        return None
    return MAPPED_IPV4 + source, protocol, at + header, at + total


def _ipv6(frame: bytes, at: int) -> tuple[Address, int, int, int] | None:
    if len(frame) < at + _IPV6.size:
        return None
    version, payload, following, hops, source, _ = _IPV6.unpack_from(frame, at)
    if version >> 4 != 6 or payload > len(frame) - at - _IPV6.size:
        return None
    if following == _ICMPV6 and hops != 255:  # came from beyond the link (RFC 4861, section 6.1.2)
        return None
    return source, following, at + _IPV6.size, at + _IPV6.size + payload
