"""Memory of this process: how much there is, and what the C library keeps of it that is free."""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress
from pathlib import Path

_ARENA_MAX = -8  # mallopt(3)


def one_heap() -> None:
    """Threads that wait more than they work need no heap each (0.6 MB). To be called before the first of them."""
    with suppress(AttributeError, OSError):  # glibc alone has it
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def give_back() -> None:
    """Return what is free to the system (malloc_trim(3)): a flush of many flows leaves 1 MB behind. Takes 1 ms."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def resident_octets() -> int:
    """Resident memory of this process (proc(5), statm)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()
