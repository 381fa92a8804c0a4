"""What all capture files share: records, link types, and a bounded window over plain or gzip octets."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, NamedTuple

from whitestat.collectors.decode import LinkType
from whitestat.core.errors import CaptureError

PACKET_MAX = 1 << 20
"""Octets of the largest packet believed; Linux hands over up to 512 KiB at once (BIG TCP)."""

SECOND_NS = 1_000_000_000
LINKS = {
    0: LinkType.NULL,
    1: LinkType.ETHERNET,
    9: LinkType.PPP,
    12: LinkType.RAW_OR_NULL,  # DLT_RAW of most systems, DLT_LOOP of OpenBSD, as older programs wrote them
    13: LinkType.ENC,  # DLT_ENC of OpenBSD
    14: LinkType.RAW,  # DLT_RAW of OpenBSD
    50: LinkType.PPP,
    51: LinkType.PPP_ETHER,
    101: LinkType.RAW,
    104: LinkType.PPP,  # Cisco HDLC, which Link.PPP knows by its first octet
    108: LinkType.NULL,
    109: LinkType.ENC,
    113: LinkType.LINUX_SLL,
    228: LinkType.RAW,
    229: LinkType.RAW,
    239: LinkType.NFLOG,
    276: LinkType.LINUX_SLL2,
    281: LinkType.BRCM,
    282: LinkType.BRCM_PREPEND,
    284: LinkType.DSA,
    285: LinkType.EDSA,
}
"""By link type (draft-ietf-opsawg-pcaplinktype)."""

_CHUNK = 256 << 10
_GZIP = b"\x1f\x8b"


class Record(NamedTuple):
    """One captured packet: nanoseconds since 1970 UTC, octets on the wire, and the part that was captured."""

    at_ns: int
    link: LinkType
    wire_length: int
    frame: bytes


class CaptureSource:
    """The octets of a capture; `data` from `at` on is the window not yet read. The stream need not seek."""

    def __init__(self, stream: BinaryIO) -> None:
        self.data = b""
        self.at = 0
        self._before = 0
        self._chunks = _chunks(stream)
        if self.more(2) and self.data.startswith(_GZIP):
            self._chunks = _inflated(chain([self.data], self._chunks))
            self.data = b""

    def more(self, octets: int) -> bool:
        """Makes `octets` lie ahead; False when the capture ends here. CaptureError: it ends within them."""
        ahead = len(self.data) - self.at
        if ahead < octets:
            ahead = self._extend(octets)
        if 0 < ahead < octets:
            raise self.fault(f"the capture is cut off: {ahead} of {octets} octets are there")
        return ahead >= octets

    def fault(self, reason: str) -> CaptureError:
        """The error of what stands at `at`; the octet is that of the uncompressed capture."""
        return CaptureError(f"octet {self._before + self.at}: {reason}")

    def _extend(self, octets: int) -> int:
        """Moves the window to `at` and reads until it holds `octets`; returns what it holds."""
        pieces = [self.data[self.at :]]
        ahead = len(pieces[0])
        while ahead < octets and (chunk := next(self._chunks, b"")):
            pieces.append(chunk)
            ahead += len(chunk)
        self._before += self.at
        self.data, self.at = b"".join(pieces), 0
        return ahead


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    octets = 0
    while True:
        try:
            chunk = stream.read(_CHUNK)
        except OSError as error:
            raise CaptureError(f"octet {octets} of the file: {error.strerror or error}") from error
        if not chunk:
            return
        octets += len(chunk)
        yield chunk


def _inflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompresses gzip members (RFC 1952), at most a chunk at a time, up to the octet that is damaged."""
    inflate, octets = None, 0
    for chunk in chunks:
        octets += len(chunk)
        rest = chunk
        while rest:
            if inflate is None:
                rest = rest.lstrip(b"\0")  # A tape or a block device pads what follows a member.
                if not rest:
                    break
                inflate = zlib.decompressobj(31)
            before = inflate.copy()
            try:
                piece = inflate.decompress(rest, _CHUNK)
            except zlib.error:
                yield from _salvaged(before, rest, octets - len(rest))
                raise
            if piece:  # An empty one would end the capture.
                yield piece
            if inflate.eof:
                rest, inflate = inflate.unused_data, None
            else:
                rest = inflate.unconsumed_tail
    if inflate is not None:
        if piece := inflate.flush():
            yield piece
        raise CaptureError(f"octet {octets} of the compressed file: it is cut off")


def _salvaged(inflate: zlib._Decompress, rest: bytes, at: int) -> Iterator[bytes]:
    """What lies in front of the damage, octet by octet: zlib gives nothing from the piece that holds it."""
    for position in range(len(rest)):
        try:
            piece = inflate.decompress(rest[position : position + 1])
        except zlib.error as error:
            raise CaptureError(f"octet {at + position} of the compressed file: {error}") from error
        if piece:
            yield piece
