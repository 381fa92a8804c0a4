"""Packet sockets that let through only what tells about devices: a few frames a minute, whatever the traffic."""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Iterable
from struct import Struct

from whitestat.attribution.evidence.frame import FrameEvidence, decode

FRAMES_MAX = 256
"""Frames looked at in one call and interface: a flood of announcements costs no more than these."""

EXPRESSION = (
    "udp and (port 67 or port 68 or port 546 or port 547 or port 5353 or port 5355 or port 137)"
    " or (icmp6 and ip6[40] = 134)"
)
SNAP = 1514
PROGRAM = (
    (40, 0, 0, 12),
    (21, 0, 15, 2048),
    (48, 0, 0, 23),
    (21, 0, 39, 17),
    (40, 0, 0, 20),
    (69, 37, 0, 8191),
    (177, 0, 0, 14),
    (72, 0, 0, 14),
    (21, 33, 0, 67),
    (21, 32, 0, 68),
    (21, 31, 0, 546),
    (21, 30, 0, 547),
    (21, 29, 0, 5353),
    (21, 28, 0, 5355),
    (21, 27, 0, 137),
    (72, 0, 0, 16),
    (21, 25, 13, 67),
    (21, 0, 25, 34525),
    (48, 0, 0, 20),
    (21, 0, 16, 17),
    (40, 0, 0, 54),
    (21, 20, 0, 67),
    (21, 19, 0, 68),
    (21, 18, 0, 546),
    (21, 17, 0, 547),
    (21, 16, 0, 5353),
    (21, 15, 0, 5355),
    (21, 14, 0, 137),
    (40, 0, 0, 56),
    (21, 12, 0, 67),
    (21, 11, 0, 68),
    (21, 10, 0, 546),
    (21, 9, 0, 547),
    (21, 8, 0, 5353),
    (21, 7, 0, 5355),
    (21, 6, 7, 137),
    (21, 0, 2, 44),
    (48, 0, 0, 54),
    (21, 4, 0, 17),
    (21, 0, 3, 58),
    (48, 0, 0, 54),
    (21, 0, 1, 134),
    (6, 0, 0, 1514),
    (6, 0, 0, 0),
)
"""EXPRESSION as a classic BPF program for Ethernet, as tcpdump compiles it (a test compares the two)."""

_INSTRUCTION = Struct("=HBBI")
_SO_ATTACH_FILTER = 26
_ETH_P_ALL = 3


class Listener:
    """Hears nothing until `follow`. Making it needs CAP_NET_RAW (PermissionError); all else needs nothing."""

    def __init__(self, interfaces: Iterable[str]) -> None:
        self._sockets = {name: _filtered() for name in dict.fromkeys(interfaces)}
        self._bound: dict[str, int] = {}

    def follow(self) -> None:
        """Listen where the interfaces are now, under whatever index; call it about once a second."""
        for name, sock in self._sockets.items():
            try:
                index = socket.if_nametoindex(name)
                if self._bound.get(name) != index:
                    sock.bind((name, _ETH_P_ALL))
                    self._bound[name] = index
            except OSError:
                self._bound.pop(name, None)

    def hear(self, at_ms: int) -> FrameEvidence:
        """All that was said since the last call, at most FRAMES_MAX frames of each interface."""
        evidence: FrameEvidence = []
        for name, sock in self._sockets.items():
            for _ in range(FRAMES_MAX if name in self._bound else 0):
                try:
                    frame = sock.recv(SNAP)
                except BlockingIOError:
                    break
                except OSError:  # the interface went away or down; follow() will see
                    continue
                evidence += decode(frame, at_ms)
        return evidence

    def close(self) -> None:
        for sock in self._sockets.values():
            sock.close()


def _filtered() -> socket.socket:
    """A packet socket that is bound to nothing, so that not one frame comes before its filter."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    program = ctypes.create_string_buffer(b"".join(_INSTRUCTION.pack(*instruction) for instruction in PROGRAM))
    filled = Struct("@HP").pack(len(PROGRAM), ctypes.addressof(program))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filled)
    return sock
