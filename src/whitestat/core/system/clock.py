"""What time it is: the system's, or in tests whatever they say."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Wall time to label with, monotonic time for spans, both in milliseconds."""

    def now_ms(self) -> int: ...

    def monotonic_ms(self) -> int: ...


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def synchronised(self) -> bool:
        """Whether the kernel (adjtimex(2), set by ntpd, chrony and systemd-timesyncd) or timesyncd says so.

        In a container neither may be available: then False.
        """
        import ctypes  # commands never ask

        if TIMESYNCD.exists():
            return True
        return ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_OCTETS)) in _IN_STEP


TIMESYNCD = Path("/run/systemd/timesync/synchronized")
"""Made by systemd-timesyncd when it has set the clock, gone at each boot."""

_TIMEX_OCTETS = 256
"""More octets than struct timex has on any machine; all zeros, which reads and changes nothing."""

_IN_STEP = range(5)
"""What adjtimex(2) returns for a clock that is synchronised, leap seconds included; 5 is not, -1 an error."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return the identifier of this boot, and so of its monotonic clock; empty if the kernel has none."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
