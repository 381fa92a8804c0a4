"""The blocks of a pcapng file (draft-ietf-opsawg-pcapng), read into records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import gcd
from struct import Struct
from typing import NamedTuple

from whitestat.collectors.capture.records import LINKS, PACKET_MAX, SECOND_NS, CaptureSource, Record
from whitestat.collectors.decode import LinkType

SECTION = b"\x0a\x0d\x0d\x0a"
"""Type of a section header block; the same in both byte orders, so that it serves as the magic."""
BLOCK_MAX = 16 << 20
"""Octets of the largest block believed."""
INTERFACES_MAX = 65_536
"""Interfaces of one section; an old packet block cannot name more."""

_BYTE_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_SECTION, _INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_VERSIONS = ((1, 0), (1, 2))
"""The second is the first, as some programs wrote it (draft-ietf-opsawg-pcapng, section 4.1)."""
_END_OF_OPTIONS, _TSRESOL, _TSOFFSET = 0, 9, 14
_YEAR_10000_NS = 253_402_300_800 * SECOND_NS


class _Interface(NamedTuple):
    """An instant in nanoseconds is `units * multiplier // divisor + offset_ns`."""

    link: LinkType
    snap_length: int
    multiplier: int
    divisor: int
    offset_ns: int


class _Section:
    """One section: its byte order and, as they come, its interfaces."""

    def __init__(self, order: str) -> None:
        self.u32 = Struct(f"{order}I").unpack_from
        self.head = Struct(f"{order}II").unpack_from
        self.version = Struct(f"{order}HH").unpack_from
        self.interface = Struct(f"{order}HxxI").unpack_from
        self.option = Struct(f"{order}HH").unpack_from
        self.offset = Struct(f"{order}q").unpack_from
        self.enhanced = Struct(f"{order}IIIII").unpack_from
        self.packet = Struct(f"{order}HxxIIII").unpack_from
        self.interfaces: list[_Interface | int] = []
        """An int is a link type not known here: its packets are left out."""


def records(source: CaptureSource, left_out: Counter[int]) -> Iterator[Record]:
    """The packets of a file that begins with a section header; raises CaptureError where it is damaged.

    A simple packet block has no time: it takes that of the packet before it, 1970 when it is the first.
    Blocks of other kinds are passed over; packets of a link type not known here are in `left_out` alone.
    """
    section, at_ns = _Section("<"), 0
    while source.more(12):
        if source.data.startswith(SECTION, source.at):
            section = _section(source)
        kind, length = _block(source, section)
        if kind in (_ENHANCED, _PACKET):
            record = _packet(source, section, kind, length)
            if isinstance(record, Record):
                at_ns = record[0]
                yield record
            else:
                left_out[record] += 1
        elif kind == _SIMPLE:
            record = _simple(source, section, length, at_ns)
            if isinstance(record, Record):
                yield record
            else:
                left_out[record] += 1
        elif kind == _INTERFACE:
            if len(section.interfaces) >= INTERFACES_MAX:
                raise source.fault(f"more than {INTERFACES_MAX} interfaces in a section")
            section.interfaces.append(_interface(source, section, length))
        source.at += length


def _section(source: CaptureSource) -> _Section:
    magic = source.data[source.at + 8 : source.at + 12]
    if magic not in _BYTE_ORDERS:
        raise source.fault(f"a section of unknown byte order: {magic.hex(' ')}")
    section = _Section(_BYTE_ORDERS[magic])
    if source.more(28) and (version := section.version(source.data, source.at + 12)) not in _VERSIONS:
        raise source.fault(f"pcapng version {version[0]}.{version[1]} is not known")
    return section


def _block(source: CaptureSource, section: _Section) -> tuple[int, int]:
    """Kind and length of the block ahead, which then lies in the window as a whole."""
    kind, length = section.head(source.data, source.at)
    if length < 12 or length % 4 or length > BLOCK_MAX:
        raise source.fault(f"a block of {length} octets")
    source.more(length)
    (again,) = section.u32(source.data, source.at + length - 4)
    if again != length:
        raise source.fault(f"a block of {length} octets ends as one of {again}")
    return kind, length


def _packet(source: CaptureSource, section: _Section, kind: int, length: int) -> Record | int:
    """An enhanced packet block, or the obsolete packet block: the same but for 16 bits of interface.

    Where its interface is of a link type not known here, that number.
    """
    if length < 32:
        raise source.fault(f"a packet block of {length} octets")
    fields = section.enhanced if kind == _ENHANCED else section.packet
    number, high, low, captured, wire_length = fields(source.data, source.at + 8)
    interface = _known(source, section, number)
    frame = _frame(source, 28, captured, wire_length, length)
    if isinstance(interface, int):
        return interface
    at_ns = (high << 32 | low) * interface.multiplier // interface.divisor + interface.offset_ns
    if not 0 <= at_ns < _YEAR_10000_NS:
        raise source.fault(f"a packet {at_ns} ns after 1970")
    return Record(at_ns, interface.link, wire_length, frame)


def _simple(source: CaptureSource, section: _Section, length: int, at_ns: int) -> Record | int:
    """A simple packet block: of interface 0, cut at that interface's snap length (0: uncut); else as `_packet`."""
    if length < 16:
        raise source.fault(f"a packet block of {length} octets")
    (wire_length,) = section.u32(source.data, source.at + 8)
    interface = _known(source, section, 0)
    if isinstance(interface, int):
        return interface
    captured = min(wire_length, interface.snap_length or wire_length)
    return Record(at_ns, interface.link, wire_length, _frame(source, 12, captured, wire_length, length))


def _known(source: CaptureSource, section: _Section, number: int) -> _Interface | int:
    if number >= len(section.interfaces):
        raise source.fault(f"a packet of interface {number}, which was not described")
    return section.interfaces[number]


def _frame(source: CaptureSource, at: int, captured: int, wire_length: int, length: int) -> bytes:
    """The captured octets, `at` octets into a block of `length`."""
    if wire_length > PACKET_MAX or captured > length - at - 4:
        raise source.fault(f"a packet of {wire_length} octets, {captured} captured, in a block of {length}")
    at += source.at
    return source.data[at : at + captured]


def _interface(source: CaptureSource, section: _Section, length: int) -> _Interface | int:
    """An interface description block; without if_tsresol, time is in microseconds."""
    if length < 20:
        raise source.fault(f"an interface block of {length} octets")
    link_type, snap_length = section.interface(source.data, source.at + 8)
    link = LINKS.get(link_type)
    if link is None:
        return int(link_type)
    resolution, offset_s = 6, 0
    for code, value in _options(source, section, source.at + 16, source.at + length - 4):
        if code == _TSRESOL and len(value) == 1:
            resolution = value[0]
        elif code == _TSOFFSET and len(value) == 8:
            (offset_s,) = section.offset(value)
    second = (2 if resolution & 0x80 else 10) ** (resolution & 0x7F)
    common = gcd(SECOND_NS, second)
    return _Interface(link, snap_length, SECOND_NS // common, second // common, offset_s * SECOND_NS)


def _options(source: CaptureSource, section: _Section, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option between `at` and `end`; values are padded to 32 bits."""
    while at + 4 <= end:
        code, length = section.option(source.data, at)
        if code == _END_OF_OPTIONS:
            return
        if at + 4 + length > end:
            raise source.fault(f"option {code} of {length} octets is longer than its block")
        yield code, source.data[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4
