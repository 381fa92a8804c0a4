"""The kernel program run on frames that never were on a wire (BPF_PROG_TEST_RUN)."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

from whitestat.collectors.decode import Packet
from whitestat.collectors.kernel.libbpf import TestRunOptions
from whitestat.collectors.kernel.meter import FLOW_KEY, LINK_ETHERNET, LINK_RAW, Meter
from whitestat.core.model import PROTOCOL_OTHER

SCHED_CLS = 3
LOOPBACK_INDEX = 1
"""Frames of a test run belong to loopback."""
NO_MAC = bytes(6)


class Counted(NamedTuple):
    """What the program made of one frame: its packet, and how many packets it stood for."""

    packet: Packet
    packets: int


class Bench(Meter):
    """The same object file loaded as a classifier: then a test run hands it frames with their link header."""

    program_type = SCHED_CLS

    def __init__(self, raw: bool = False) -> None:
        super().__init__(flows=64, pairs=16)
        self._raw = raw
        self.watch(LOOPBACK_INDEX, LINK_RAW if raw else LINK_ETHERNET, 1)

    def run(self, frame: bytes, gso_segs: int = 0, gso_size: int = 0) -> Counted | None:
        """Count one frame, and forget it; None where the kernel refuses to make a packet of it."""
        if not self.put(frame, gso_segs, gso_size):
            return None
        totals = self.totals(LOOPBACK_INDEX, self.epoch)
        assert totals
        [(key, octets, packets)] = list(self.flows(self.epoch))
        self.clear(self.epoch)
        assert packets == sum(way.packets + way.more_packets for way in totals)
        wire = sum(way.frames + way.more_frames for way in totals)
        return Counted(self._packet(key, octets, wire), packets)

    def put(self, frame: bytes, gso_segs: int = 0, gso_size: int = 0) -> bool:
        """Let one frame be counted; False where the kernel refuses to make a packet of it."""
        context = bytearray(192)  # struct __sk_buff of linux/bpf.h, of which only these may be set
        context[164:168] = gso_segs.to_bytes(4, "little")
        context[176:180] = gso_size.to_bytes(4, "little")
        options = TestRunOptions(sz=ctypes.sizeof(TestRunOptions))
        held = (
            ctypes.create_string_buffer(frame, len(frame)),
            ctypes.create_string_buffer(bytes(context), 192),
        )
        options.data_in, options.data_size_in = ctypes.addressof(held[0]), len(frame)
        options.ctx_in, options.ctx_size_in, options.repeat = ctypes.addressof(held[1]), 192, 1
        result = self._library.status("bpf_prog_test_run_opts", self.program, ctypes.byref(options))
        return not result

    def _packet(self, raw: bytes, octets: int, frame_octets: int) -> Packet:
        _, vlan, protocol, service, source_mac, target_mac, zero, source, target = FLOW_KEY.unpack(raw)
        assert zero == 0
        other = protocol == PROTOCOL_OTHER
        return Packet(
            None if self._raw else source_mac,
            None if self._raw else target_mac,
            None if other else source,
            None if other else target,
            protocol,
            service,
            vlan,
            octets,
            frame_octets,
        )
