"""Capture files written octet by octet, in every dialect that the reader has to know."""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack

from whitestat.collectors.capture.records import Record
from whitestat.collectors.decode import LinkType

LINK_TYPES = {
    LinkType.NULL: 0,
    LinkType.ETHERNET: 1,
    LinkType.PPP: 9,
    LinkType.RAW_OR_NULL: 12,
    LinkType.PPP_ETHER: 51,
    LinkType.RAW: 101,
    LinkType.ENC: 109,
    LinkType.LINUX_SLL: 113,
    LinkType.NFLOG: 239,
    LinkType.LINUX_SLL2: 276,
    LinkType.BRCM: 281,
    LinkType.BRCM_PREPEND: 282,
    LinkType.DSA: 284,
    LinkType.EDSA: 285,
}
TURNED = ((2, 0), (2, 1), (2, 2), (543, 0))


def classic(
    records: Iterable[Record],
    *,
    order: str = "<",
    nanoseconds: bool = False,
    link_type: int = 1,
    version: tuple[int, int] = (2, 4),
) -> bytes:
    """A pcap file; the records' own links are not written. Versions before 2.3 have a packet's lengths turned."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    written = [pack(order + "IHHiIII", magic, *version, 0, 0, 262144, link_type)]
    for at_ns, _, wire_length, frame in records:
        seconds, rest = divmod(at_ns, 10**9)
        fraction = rest if nanoseconds else rest // 1000
        lengths = (wire_length, len(frame)) if version in TURNED else (len(frame), wire_length)
        written += [pack(order + "IIII", seconds, fraction, *lengths), frame]
    return b"".join(written)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block of any kind, padded to 32 bits."""
    length = len(body) + -len(body) % 4 + 12
    return pack(order + "II", kind, length) + body + bytes(-len(body) % 4) + pack(order + "I", length)


def section(order: str = "<", version: tuple[int, int] = (1, 0)) -> bytes:
    return block(0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, *version, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(link_type: int = 1, order: str = "<", *, snap_length: int = 0, options: bytes = b"") -> bytes:
    return block(1, pack(order + "HHI", link_type, 0, snap_length) + options, order)


def enhanced(units: int, wire_length: int, frame: bytes, order: str = "<", *, number: int = 0) -> bytes:
    """An enhanced packet block; `units` is its time in the interface's resolution."""
    fields = pack(order + "IIIII", number, units >> 32, units & 0xFFFFFFFF, len(frame), wire_length)
    return block(6, fields + frame, order)


def obsolete(units: int, wire_length: int, frame: bytes, order: str = "<", *, number: int = 0) -> bytes:
    """A packet block of the first draft, with a count of drops beside the interface."""
    fields = pack(order + "HHIIII", number, 9, units >> 32, units & 0xFFFFFFFF, len(frame), wire_length)
    return block(2, fields + frame, order)


def simple(wire_length: int, frame: bytes, order: str = "<") -> bytes:
    return block(3, pack(order + "I", wire_length) + frame, order)


def pcapng(records: Iterable[Record], *, order: str = "<", resolution: int = 6) -> bytes:
    """A pcapng file of one section, with an interface for each link and times of 10^-resolution s."""
    links: dict[LinkType, int] = {}
    written = [section(order)]
    for at_ns, link, wire_length, frame in records:
        if link not in links:
            links[link] = len(links)
            options = option(9, bytes([resolution]), order) + option(0, b"", order)
            written.append(interface(LINK_TYPES[link], order, options=options))
        units = at_ns * 10**resolution // 10**9
        written.append(enhanced(units, wire_length, frame, order, number=links[link]))
    return b"".join(written)
