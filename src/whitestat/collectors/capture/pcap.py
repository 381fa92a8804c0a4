"""Capture files, pcap and pcapng, plain or gzip-compressed: read into records, added up into deltas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO

from whitestat.collectors.capture import pcapng
from whitestat.collectors.capture.records import LINKS, PACKET_MAX, SECOND_NS, CaptureSource, Record
from whitestat.collectors.decode import decode
from whitestat.core.errors import CaptureError
from whitestat.core.model import Address, Counts, Delta, FlowKey, Mac

KEYS_MAX = 65_536
"""Flow keys held at once by `deltas`."""

_MINUTE_NS = 60 * SECOND_NS
_MAGICS = {  # byte order, nanoseconds of the unit that the fraction of a second is in, octets of a packet's header
    b"\xa1\xb2\xc3\xd4": (">", 1000, 16),
    b"\xd4\xc3\xb2\xa1": ("<", 1000, 16),
    b"\xa1\xb2\x3c\x4d": (">", 1, 16),
    b"\x4d\x3c\xb2\xa1": ("<", 1, 16),
    b"\xa1\xb2\xcd\x34": (">", 1000, 24),  # Kuznetzov's libpcap: interface, protocol and packet type behind
    b"\x34\xcd\xb2\xa1": ("<", 1000, 24),
}
_IN_ORDER = (2, 4)
_TURNED = frozenset(((2, 0), (2, 1), (2, 2), (543, 0)))  # octets on the wire before those captured (543.0: DG/UX)
_EITHER = (2, 3)  # programs disagreed when it changed; the captured ones are not more
_LINK_TYPE = 0x03FF_FFFF  # The bits above say how long a frame check sequence is.

_NO_MAC = bytes(6)
_new = tuple.__new__  # Bound once, because every packet asks for it.

_Flow = tuple[Mac | None, Mac | None, Address | None, Address | None, int, int, int]
"""The first seven values of a Packet."""


def read(stream: BinaryIO, left_out: Counter[int] | None = None) -> Iterator[Record]:
    """The packets of a capture file in its order, in bounded memory; the stream need not seek.

    `left_out` counts those of a pcapng file that have a link type not known here, by its number.

    A file that is cut off or damaged yields what was readable, then raises CaptureError with the octet
    (of the uncompressed capture, unless it says otherwise) and what is wrong there.
    """
    source = CaptureSource(stream)
    if not source.more(4):
        raise source.fault("the file is empty")
    magic = source.data[:4]
    if magic in _MAGICS:
        yield from _records(source, *_MAGICS[magic])
    elif magic == pcapng.SECTION:
        yield from pcapng.records(source, Counter() if left_out is None else left_out)
    else:
        raise source.fault(f"neither pcap nor pcapng: it begins with {magic.hex(' ')}")


def deltas(stream: BinaryIO, point: str, left_out: Counter[int] | None = None) -> Iterator[Delta]:
    """The traffic of a capture file by flow key and minute (UTC), as `point` saw it; raises and counts as `read` does.

    The key names the sender; octets and packets are out. A delta spans its whole minute. Packets out of
    order, or more than KEYS_MAX keys, make several deltas of one key and minute: they add up.
    """
    table: dict[_Flow, list[int]] = {}
    start = end = 0
    try:
        for at_ns, link, wire_length, frame in read(stream, left_out):
            if not start <= at_ns < end or len(table) >= KEYS_MAX:
                yield from _drained(table, point, start)
                start = at_ns - at_ns % _MINUTE_NS
                end = start + _MINUTE_NS
            packet = decode(frame, wire_length, link)
            flow = packet[:7]
            if flow in table:
                counts = table[flow]
                counts[0] += packet[7]
                counts[1] += 1
            else:
                table[flow] = [packet[7], 1]
    except CaptureError:
        yield from _drained(table, point, start)
        raise
    yield from _drained(table, point, start)


def _drained(table: dict[_Flow, list[int]], point: str, start_ns: int) -> Iterator[Delta]:
    """Empties the table into deltas of the minute that begins at `start_ns`."""
    start_ms = start_ns // 1_000_000
    for flow, (octets, packets) in table.items():
        src_mac, dst_mac, src, dst, protocol, service, vlan = flow
        if src_mac == dst_mac == _NO_MAC:  # loopback: as it is live, nobody's
            src_mac = dst_mac = None
        key = FlowKey(point, src_mac, src, dst_mac, dst, protocol, service, vlan)
        counts = Counts(octets_out=octets, packets_out=packets)
        yield Delta(key, counts, start_ms, start_ms + 60_000)
    table.clear()


def _records(source: CaptureSource, order: str, unit_ns: int, size: int) -> Iterator[Record]:
    """The records behind a classic file header (draft-ietf-opsawg-pcap, sections 4 and 5)."""
    source.more(24)
    major, minor, link_type = Struct(f"{order}4xHH12xI").unpack_from(source.data)
    version = (major, minor)
    if version not in (_IN_ORDER, _EITHER, *_TURNED):
        raise source.fault(f"pcap version {major}.{minor} is not known")
    link = LINKS.get(link_type & _LINK_TYPE)
    if link is None:
        raise source.fault(f"link type {link_type & _LINK_TYPE} is not known")
    source.at = 24
    header = Struct(f"{order}IIII").unpack_from
    while source.more(size):
        data, at, end = source.data, source.at, len(source.data)
        while at + size <= end:
            seconds, fraction, captured, wire_length = header(data, at)
            if version != _IN_ORDER and (version != _EITHER or captured > wire_length):
                captured, wire_length = wire_length, captured
            after = at + size + captured
            if after > end or wire_length > PACKET_MAX:
                break
            yield _new(Record, (seconds * SECOND_NS + fraction * unit_ns, link, wire_length, data[at + size : after]))
            at = after
        source.at = at
        if at + size <= end:
            if captured > PACKET_MAX or wire_length > PACKET_MAX:
                raise source.fault(f"a packet of {wire_length} octets, {captured} captured")
            source.more(size + captured)
