"""What a giant packet (TSO, GRO, UDP segmentation) is on the wire, by what the kernel says beside it; pure."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

# struct virtio_net_hdr of linux/virtio_net.h: flags, kind, -, size of a segment's payload, where the checksum
# begins (at the transport header), -
_BESIDE = Struct("=BB2xHHH").unpack_from
OCTETS = 10
KIND_AT = 1
_CHECKSUM = 1
_TCP_CHECKSUM_AT = 16
_UDP_HEADER = 8


class SegmentedPacket(NamedTuple):
    """How many packets it is on the wire, and what its headers add there: to the frame's octets, and to IP's."""

    packets: int
    frame_octets: int
    octets: int


ONE = SegmentedPacket(1, 0, 0)


def giant(beside: bytes, frame: bytes, wire_length: int, octets: int) -> SegmentedPacket:
    """Every further segment has all headers again. `octets` are of IP in the frame of `wire_length`.

    As the kernel program counts it. Where the headers cannot be told, it is one packet.
    """
    flags, _, size, start, checksum_at = _BESIDE(beside)
    if not (flags & _CHECKSUM and size and start):
        return ONE
    transport = _UDP_HEADER
    if checksum_at == _TCP_CHECKSUM_AT:
        if len(frame) <= start + 12:
            return ONE
        transport = (frame[start + 12] >> 4) * 4
    headers = start + transport
    packets = -(-(wire_length - headers) // size)
    if packets < 2:
        return ONE
    return SegmentedPacket(packets, (packets - 1) * headers, (packets - 1) * (headers - (wire_length - octets)))
