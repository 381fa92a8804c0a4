"""A packet socket whose receive ring the kernel fills and we read in place: TPACKET_V3 of packet(7)."""

from __future__ import annotations

import ctypes
import mmap
import os
import select
import socket
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from whitestat.collectors.offload import KIND_AT, OCTETS
from whitestat.core.errors import CollectorError, NotPermitted

BLOCK_OCTETS = 1 << 18
BLOCKS = 64
RETIRE_MS = 40
"""A block that is not full is handed over after this long, at most twice this long."""
SNAP = 256
"""Octets captured of each packet: every header that decode looks at."""

_SOL_PACKET = 263
_PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION, _PACKET_VNET_HDR = 5, 6, 10, 15
_TPACKET_V3 = 2
_ETH_P_ALL, _ETH_P_NONE = 3, 0x88B5
"""Every packet (packet(7)); an EtherType that is never sent: IEEE 802 keeps it for experiments of one's own."""
_SO_ATTACH_FILTER = 26
_RETURN = 0x06  # BPF_RET | BPF_K: capture as many octets of every packet
_TP_STATUS_USER = 1
_TP_STATUS_VLAN_VALID, _TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6
_TAG = Struct("!HH").pack
_8021Q = 0x8100
_PACKET_OUTGOING = 4

_REQUEST = Struct("=7I")  # tpacket_req3
_STATUS_AT = 8  # of tpacket_block_desc: version and offset of private data stand in front
_WORD = Struct("=I")
_BLOCK = Struct("=12xII").unpack_from  # packets, offset of the first
# tpacket3_hdr: next, second, nanosecond, snaplen, length, status, offset of the link header, VLAN tag and its type;
# sockaddr_ll: interface, packet type
_PACKET = Struct("=6IH6xIH14xi2xB").unpack_from


class Frame(NamedTuple):
    """One packet as it passed an interface, by its index, at an instant of the wall clock, in seconds and nanoseconds.

    `tag` is the VLAN tag that the kernel keeps beside the frame, as it stood or is to stand in it, type first;
    None without one. Neither `wire_length` nor `captured` has it. `giant` is what the kernel says of a giant packet
    (giant.py); None of others, and where the ring cannot tell.
    """

    second: int
    nanosecond: int
    interface: int
    sent: bool
    tag: bytes | None
    wire_length: int
    captured: bytes
    giant: bytes | None


class Ring:
    """Receives nothing until `bind`, which may be called again and needs no capability; making it does.

    `ready`, `wait` and `frames` belong to one thread, all others to any.
    """

    def __init__(self) -> None:
        """Raises NotPermitted, or CollectorError where the kernel has no such sockets."""
        self._at = 0
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError:
            raise NotPermitted("packet sockets need CAP_NET_RAW: run as root") from None
        except OSError as error:
            raise CollectorError(f"this kernel has no packet sockets: {error.strerror}") from None
        try:
            self._share()
        except OSError as error:
            self._socket.close()
            raise CollectorError(f"the kernel refused a receive ring: {error.strerror}") from None
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN | select.POLLERR)

    def _share(self) -> None:
        whole = BLOCK_OCTETS * BLOCKS
        self._socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
        self.tells_giants = knows_giants(os.uname().release)
        if self.tells_giants:
            self._socket.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        _capture(self._socket, SNAP)
        request = _REQUEST.pack(BLOCK_OCTETS, BLOCKS, BLOCK_OCTETS, BLOCKS, RETIRE_MS, 0, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, request)
        self._map = mmap.mmap(self._socket.fileno(), whole, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)

    def bind(self, interface: str) -> None:
        """Receive what passes `interface` from now on. Raises OSError where it is not there."""
        self._socket.bind((interface, _ETH_P_ALL))

    def unbind(self) -> None:
        """Receive nothing any more: when this returns, all that was received is in the ring."""
        self._socket.bind(("", _ETH_P_NONE))

    def wait(self, limit_ms: int) -> None:
        """Until the next block is handed over, or the limit."""
        if any(events & select.POLLERR for _, events in self._poll.poll(limit_ms)):
            # The interface went down. Reading the error clears it; without this, poll would not wait again.
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def ready(self) -> bool:
        """Whether the next block is ours to read."""
        status: int = _WORD.unpack_from(self._map, self._at + _STATUS_AT)[0]
        return bool(status & _TP_STATUS_USER)

    def frames(self) -> Iterator[Frame]:
        """The packets of the next block, which must be `ready`; it goes back to the kernel after the last."""
        ring, block, new, tells = self._map, self._at, tuple.__new__, self.tells_giants
        count, first = _BLOCK(ring, block)
        at = block + first
        for _ in range(count):
            following, second, nanosecond, captured, wire_length, status, link, tci, tpid, index, kind = _PACKET(
                ring, at
            )
            tag = _tag(status, tpid, tci) if status & _TP_STATUS_VLAN_VALID else None
            start = at + link
            sent, frame = kind == _PACKET_OUTGOING, ring[start : start + captured]
            giant = ring[start - OCTETS : start] if tells and ring[start - OCTETS + KIND_AT] else None
            yield new(Frame, (second, nanosecond, index, sent, tag, wire_length, frame, giant))
            at += following
        _WORD.pack_into(ring, block + _STATUS_AT, 0)
        self._at = (block + BLOCK_OCTETS) % (BLOCK_OCTETS * BLOCKS)

    def dropped(self) -> int:
        """Packets that found the ring full since the last call."""
        answer = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 12)
        return int(_WORD.unpack_from(answer, 4)[0])

    def close(self) -> None:
        self._map.close()
        self._socket.close()


def knows_giants(release: str) -> bool:
    """Since Linux 6.2 the ring tells how any giant packet is cut; before, it drops those of UDP when it is asked to."""
    digits = release.split("-", maxsplit=1)[0].split(".")
    return (int(digits[0]), int(digits[1])) >= (6, 2)


def _tag(status: int, tpid: int, tci: int) -> bytes:
    """The tag as IEEE 802.1Q puts it into a frame."""
    return _TAG(tpid if status & _TP_STATUS_VLAN_TPID_VALID else _8021Q, tci & 0xFFFF)


def _capture(sock: socket.socket, octets: int) -> None:
    """Attach the shortest classic BPF program: take every packet, and so much of it."""
    program = ctypes.create_string_buffer(Struct("=HBBI").pack(_RETURN, 0, 0, octets), 8)
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, Struct("@HP").pack(1, ctypes.addressof(program)))
