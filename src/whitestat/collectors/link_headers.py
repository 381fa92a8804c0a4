"""What stands in front of the IP header, link by link: addresses, tags, and where IP starts; pure.

A frame shorter than its link header is counted whole: no addresses, no ethertype. No input raises.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from struct import Struct
from typing import NamedTuple

from whitestat.core.model import Mac


class LinkType(Enum):
    """What stands in front of the IP header."""

    ETHERNET = "ethernet"
    RAW = "raw"
    """Nothing: tun, wg, ppp devices; the version nibble tells IPv4 from IPv6."""
    LINUX_SLL = "linux-sll"
    """Linux cooked capture (`tcpdump -i any`): 16 octets, the sender's link address alone."""
    LINUX_SLL2 = "linux-sll2"
    """Linux cooked capture, version 2: 20 octets."""
    PPP = "ppp"
    """PPP (RFC 1661) with or without the HDLC address and control octets (RFC 1662), or Cisco HDLC in its place."""
    PPP_ETHER = "ppp-ether"
    """A PPPoE session header (RFC 2516) without the Ethernet header in front of it."""
    NULL = "null"
    """BSD loopback: four octets of address family, in either byte order."""
    RAW_OR_NULL = "raw-or-null"
    """Link type 12: RAW of most systems, loopback of OpenBSD; the first octet tells."""
    ENC = "enc"
    """OpenBSD's decrypted IPsec: address family, security parameter index and flags, four octets each."""
    NFLOG = "nflog"
    """Linux netfilter log: attributes, of which one is the packet and one may be the sender's link address."""
    DSA = "dsa"
    """Ethernet from a Marvell switch: a tag of four octets behind the addresses, in the place of a VLAN tag."""
    EDSA = "edsa"
    """As DSA, the tag behind an ethertype of its own and two octets."""
    BRCM = "brcm"
    """Ethernet from a Broadcom switch: a tag of four octets behind the addresses."""
    BRCM_PREPEND = "brcm-prepend"
    """Ethernet from a Broadcom switch: a tag of four octets in front."""


class Header(NamedTuple):
    """IP of `version` (0: not IP) starts at `ip`; what is not IP is counted from `end`."""

    src_mac: Mac | None
    dst_mac: Mac | None
    vlan: int
    ethertype: int
    end: int
    ip: int
    version: int


_NO_HEADER = Header(None, None, 0, 0, 0, 0, 0)

_TAGS = frozenset((0x8100, 0x88A8, 0x9100))
_TAGS_MAX = 2
_PPPOE = 0x8864
_MPLS = frozenset((0x8847, 0x8848))
_MPLS_LABELS_MAX = 8
_LENGTH_MAX = 1500  # IEEE 802.3, 3.2.6: an ethertype up to this is a length, and LLC follows
_SNAP = frozenset((b"\xaa\xaa\x03\0\0\0", b"\xaa\xaa\x03\0\0\xf8"))  # RFC 1042; IEEE 802.1H
_LLC_IP = b"\x06\x06\x03"
_ETHERTYPE_VERSIONS = {0x0800: 4, 0x86DD: 6}
_PPP_VERSIONS = {0x0021: 4, 0x0057: 6}  # RFC 1332, RFC 5072
_PPP_MPLS = (b"\x02\x81", b"\x02\x83")  # RFC 3032, section 4.3
_CISCO_HDLC = (b"\x0f\0", b"\x8f\0")  # RFC 1547, section 4.3.1: unicast, broadcast; an ethertype follows
_FAMILY_VERSIONS = {2: 4, 24: 6, 28: 6, 30: 6}  # AF_INET; AF_INET6 of the BSDs, of FreeBSD, of Darwin
_LINUX_FAMILY_VERSIONS = {2: 4, 10: 6}
_NFLOG_SENDER, _NFLOG_PACKET = 8, 9  # NFULA_HWADDR, NFULA_PAYLOAD
_ATTRIBUTES_MAX = 32
_SLL_BROADCAST = 1  # packet type of what somebody else sent to all (PACKET_BROADCAST)
_TO_ALL = b"\xff" * 6

_U16 = Struct("!H").unpack_from
_TWO_U16 = Struct("!HH").unpack_from
_ETHERNET = Struct("!6s6sH").unpack_from


def _ethernet(frame: bytes) -> Header:
    if len(frame) < 14:
        return _NO_HEADER
    dst_mac, src_mac, ethertype = _ETHERNET(frame)
    return _tagged(frame, 14, ethertype, src_mac, dst_mac)


def _tagged(
    frame: bytes, at: int, ethertype: int, src_mac: Mac | None, dst_mac: Mac | None, *, vlan: int | None = None
) -> Header:
    """Walks VLAN tags (IEEE 802.1Q), then LLC, MPLS or a PPPoE session, from the ethertype that ends before `at`.

    A tag that is cut short is not taken: its own ethertype is the last one read. `vlan` is that of a tag before these.
    """
    tags = 0 if vlan is None else 1
    vlan = vlan or 0
    while ethertype in _TAGS and tags < _TAGS_MAX and len(frame) >= at + 4:
        tag, ethertype = _TWO_U16(frame, at)
        if not tags:
            vlan = tag & 0x0FFF
        tags += 1
        at += 4
    if ethertype <= _LENGTH_MAX:
        ethertype, at = _llc(frame, ethertype, at)
    if ethertype == _PPPOE:
        version, ip = _ppp_version(frame, at + 6)
    elif ethertype in _MPLS:
        version, ip = _mpls(frame, at)
    else:
        version, ip = _ETHERTYPE_VERSIONS.get(ethertype, 0), at
    return Header(src_mac, dst_mac, vlan, ethertype, at, ip, version)


def _llc(frame: bytes, length: int, at: int) -> tuple[int, int]:
    """The ethertype behind an LLC header at `at` (IEEE 802.2; SNAP, RFC 1042), and where that ends; else as given."""
    if frame[at : at + 6] in _SNAP and len(frame) >= at + 8:
        return _U16(frame, at + 6)[0], at + 8
    if frame[at : at + 3] == _LLC_IP:
        return 0x0800, at + 3
    return length, at


def _mpls(frame: bytes, at: int) -> tuple[int, int]:
    """The IP version behind the label stack at `at` (RFC 3032, section 2.1; 0: other), and where that IP starts.

    Labels do not say what they carry: its first four bits do (RFC 4928, section 3).
    """
    for place in range(at + 4, min(at + 4 * _MPLS_LABELS_MAX + 1, len(frame)), 4):
        if frame[place - 2] & 1:
            return frame[place] >> 4, place
    return 0, at


def _ppp_version(frame: bytes, at: int) -> tuple[int, int]:
    """The IP version that the PPP protocol number at `at` stands for (0: other), and where that IP starts."""
    if len(frame) < at + 2:
        return 0, at
    return _PPP_VERSIONS.get(_U16(frame, at)[0], 0), at + 2


def _raw(frame: bytes) -> Header:
    return _NO_HEADER._replace(version=frame[0] >> 4 if frame else 0)


def _linux_sll(frame: bytes) -> Header:
    if len(frame) < 16:
        return _NO_HEADER
    sender = frame[6:12] if _U16(frame, 4)[0] == 6 else None
    return _tagged(frame, 16, _U16(frame, 14)[0], sender, _TO_ALL if _U16(frame, 0)[0] == _SLL_BROADCAST else None)


def _linux_sll2(frame: bytes) -> Header:
    if len(frame) < 20:
        return _NO_HEADER
    sender = frame[12:18] if frame[11] == 6 else None
    return _tagged(frame, 20, _U16(frame, 0)[0], sender, _TO_ALL if frame[10] == _SLL_BROADCAST else None)


def _ppp(frame: bytes) -> Header:
    """Address and control may be left out, and so may the protocol's first octet (RFC 1661, 6.5 and 6.6)."""
    if frame[:2] in _CISCO_HDLC and len(frame) >= 4:
        return _tagged(frame, 4, _U16(frame, 2)[0], None, None)
    at = 2 if frame[:2] == b"\xff\x03" else 0
    if len(frame) > at and frame[at] & 1:
        end, version = at + 1, _PPP_VERSIONS.get(frame[at], 0)
    elif frame[at : at + 2] in _PPP_MPLS:
        version, ip = _mpls(frame, at + 2)
        return _NO_HEADER._replace(end=at + 2, ip=ip, version=version)
    elif len(frame) >= at + 2:
        version, end = _ppp_version(frame, at)
    else:
        return _NO_HEADER
    return _NO_HEADER._replace(end=end, ip=end, version=version)


def _ppp_ether(frame: bytes) -> Header:
    """As behind an Ethernet header, the PPPoE header is payload when what follows is not IP."""
    version, ip = _ppp_version(frame, 6)
    return _NO_HEADER._replace(ip=ip, version=version)


def _null(frame: bytes, length: int = 4) -> Header:
    """The family is in the byte order of the machine that captured, in LOOP big-endian: both are tried."""
    if len(frame) < length:
        return _NO_HEADER
    big = _FAMILY_VERSIONS.get(int.from_bytes(frame[:4], "big"), 0)
    little = _FAMILY_VERSIONS.get(int.from_bytes(frame[:4], "little"), 0)
    return _NO_HEADER._replace(end=length, ip=length, version=big or little)


def _raw_or_null(frame: bytes) -> Header:
    return _null(frame) if frame[:1] == b"\0" else _raw(frame)


def _enc(frame: bytes) -> Header:
    return _null(frame, 12)


def _nflog(frame: bytes) -> Header:
    """Attributes (length, kind, value padded to 32 bits) in the byte order of the machine that captured.

    No kind is beyond 255, so that its zero octet tells the order.
    """
    sender, at = None, 4
    attribute = Struct("<HH" if frame[7:8] == b"\0" else ">HH").unpack_from
    for _ in range(_ATTRIBUTES_MAX):
        if len(frame) < at + 4:
            break
        length, kind = attribute(frame, at)
        if kind == _NFLOG_PACKET:
            version = _LINUX_FAMILY_VERSIONS.get(frame[0], 0)
            return _NO_HEADER._replace(src_mac=sender, end=at + 4, ip=at + 4, version=version)
        if kind == _NFLOG_SENDER and len(frame) >= at + 14 and _U16(frame, at + 4)[0] == 6:
            sender = frame[at + 8 : at + 14]
        if length < 4:
            break
        at += length + -length % 4
    return _NO_HEADER


def _dsa(frame: bytes, at: int = 12) -> Header:
    """Of the tag at `at` the lower half is a VLAN tag's, where the frame came with one (bit 29)."""
    if len(frame) < at + 6:
        return _NO_HEADER
    vlan = _U16(frame, at + 2)[0] & 0x0FFF if frame[at] & 0x20 else None
    return _tagged(frame, at + 6, _U16(frame, at + 4)[0], frame[6:12], frame[:6], vlan=vlan)


def _edsa(frame: bytes) -> Header:
    return _dsa(frame, 16)


def _brcm(frame: bytes) -> Header:
    if len(frame) < 18:
        return _NO_HEADER
    return _tagged(frame, 18, _U16(frame, 16)[0], frame[6:12], frame[:6])


def _brcm_prepend(frame: bytes) -> Header:
    if len(frame) < 18:
        return _NO_HEADER
    return _tagged(frame, 18, _U16(frame, 16)[0], frame[10:16], frame[4:10])


LINK_HEADERS: dict[LinkType, Callable[[bytes], Header]] = {
    LinkType.ETHERNET: _ethernet,
    LinkType.RAW: _raw,
    LinkType.LINUX_SLL: _linux_sll,
    LinkType.LINUX_SLL2: _linux_sll2,
    LinkType.PPP: _ppp,
    LinkType.PPP_ETHER: _ppp_ether,
    LinkType.NULL: _null,
    LinkType.RAW_OR_NULL: _raw_or_null,
    LinkType.ENC: _enc,
    LinkType.NFLOG: _nflog,
    LinkType.DSA: _dsa,
    LinkType.EDSA: _edsa,
    LinkType.BRCM: _brcm,
    LinkType.BRCM_PREPEND: _brcm_prepend,
}
