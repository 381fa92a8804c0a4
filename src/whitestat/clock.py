"""What time it is: the system's, or in tests whatever they say."""

from __future__ import annotations

import time
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
