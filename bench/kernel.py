"""What programs cost in the kernel: run time and runs of socket filters, and an empty one to compare with."""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

SO_ATTACH_BPF, ETH_P_ALL = 50, 3
BPF_PROG_LOAD, BPF_ENABLE_STATS, BPF_PROG_TYPE_SOCKET_FILTER = 5, 32, 1
BPF_SYSCALL = {"x86_64": 321, "aarch64": 280, "armv7l": 386, "i686": 357, "riscv64": 280}
RETURN_0 = bytes.fromhex("b7000000000000009500000000000000")


class Cost(NamedTuple):
    """Nanoseconds a program ran for, and how often it ran, since it was loaded (statistics on)."""

    run_ns: int
    runs: int

    def minus(self, earlier: Cost) -> Cost:
        return Cost(self.run_ns - earlier.run_ns, self.runs - earlier.runs)


@contextmanager
def statistics() -> Iterator[None]:
    """The kernel keeps the time of BPF programs for the length of a block, or until this process ends."""
    held = _bpf(BPF_ENABLE_STATS, bytes(4), "asking for statistics")  # BPF_STATS_RUN_TIME is 0
    try:
        yield
    finally:
        os.close(held)


class EmptyProgram:
    """A socket filter that returns 0, on a socket of its own that is bound to one interface, as the meter's are.

    Made where the calling thread is: its network namespace is the one it sees.
    """

    def __init__(self, interface: str) -> None:
        self.program = _load(RETURN_0)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_BPF, self.program)
        self._socket.bind((interface, ETH_P_ALL))

    def cost(self) -> Cost:
        return _costs("self")[_program_id("self", self.program)]

    def close(self) -> None:
        self._socket.close()
        os.close(self.program)


def cost_of(pid: int) -> Cost:
    """The cost of the one socket filter that process `pid` holds."""
    (cost,) = _costs(str(pid)).values()
    return cost


def _costs(pid: str) -> dict[int, Cost]:
    """By program id, from the descriptors of a process (proc_pid_fdinfo(5))."""
    found = {}
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        fields = _fields(entry)
        if "prog_id" in fields and fields.get("prog_type") == str(BPF_PROG_TYPE_SOCKET_FILTER):
            found[int(fields["prog_id"])] = Cost(int(fields["run_time_ns"]), int(fields["run_cnt"]))
    return found


def _program_id(pid: str, fd: int) -> int:
    return int(_fields(Path(f"/proc/{pid}/fdinfo/{fd}"))["prog_id"])


def _fields(entry: Path) -> dict[str, str]:
    try:
        lines = entry.read_text().splitlines()
    except FileNotFoundError:  # closed since it was listed
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _load(instructions: bytes) -> int:
    """bpf(2), BPF_PROG_LOAD; its attributes begin with type, number of instructions, instructions, licence."""
    code, licence = ctypes.create_string_buffer(instructions), ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack(
        "=IIQQ104x",
        BPF_PROG_TYPE_SOCKET_FILTER,
        len(instructions) // 8,
        ctypes.addressof(code),
        ctypes.addressof(licence),
    )
    return _bpf(BPF_PROG_LOAD, attributes, "loading the empty program")


def _bpf(command: int, attributes: bytes, doing: str) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(BPF_SYSCALL[platform.machine()], command, attributes, len(attributes))
    if fd < 0:
        raise OSError(ctypes.get_errno(), f"{doing}: {os.strerror(ctypes.get_errno())}")
    return int(fd)
