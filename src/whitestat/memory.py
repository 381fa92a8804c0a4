"""What the C library keeps of memory that is free: one heap for all threads, and given back when much was freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_ARENA_MAX = -8  # mallopt(3)


def one_heap() -> None:
    """Threads that wait more than they work need no heap each (0.6 MB). To be called before the first of them."""
    with suppress(AttributeError, OSError):  # glibc alone has it
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def give_back() -> None:
    """Return what is free to the system (malloc_trim(3)): a flush of many flows leaves 1 MB behind. Takes 1 ms."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
