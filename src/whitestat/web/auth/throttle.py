"""Log-ins in turn: few at a time, each source slowed by its own failures, and none locked out by another's."""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from ipaddress import IPv4Address, IPv6Address, ip_network

FREE = 5
"""So many failures of a source cost it nothing: people mistype."""

LONGEST_S = 60.0
FORGOTTEN_S = 3_600.0
MOST_SOURCES = 1_024
MOST_WAITING = 16


class TooManyAttempts(Exception):
    """The source has to wait, `after_s` at least."""

    def __init__(self, after_s: float) -> None:
        super().__init__(f"too many wrong passwords; try again in {max(1, round(after_s))} s")
        self.after_s = max(1, round(after_s))


class Failures:
    """Wrong passwords by source, the longest known forgotten first; times are monotonic seconds."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def check(self, source: str, now_s: float) -> None:
        """TooSoon while the source has to wait: 1 s after FREE failures, twice as long after each more."""
        count, last_s = self._held.get(source, (0, 0.0))
        if count >= FREE:
            wait_s = last_s + min(LONGEST_S, 2.0 ** min(count - FREE, 10)) - now_s
            if wait_s > 0:
                raise TooManyAttempts(wait_s)

    def count(self, source: str, now_s: float) -> int:
        count, last_s = self._held.get(source, (0, 0.0))
        return count if now_s - last_s < FORGOTTEN_S else 0

    def failed(self, source: str, now_s: float) -> None:
        self._held[source] = self.count(source, now_s) + 1, now_s
        self._held.move_to_end(source)
        while len(self._held) > MOST_SOURCES:
            self._held.popitem(last=False)

    def forgive(self, source: str) -> None:
        """Take the last failure back."""
        count, last_s = self._held.get(source, (0, 0.0))
        if count:
            self._held[source] = count - 1, last_s

    def succeeded(self, source: str) -> None:
        self._held.pop(source, None)


class LoginQueue:
    """Runs one check at a time in a thread; of those that wait, the one with the fewest failures goes first.

    When MOST_WAITING wait, the one of most failures is sent away: a storm sends its own away, and a client with no
    failure behind him is let through it.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._waiting: list[tuple[int, int, asyncio.Future[bool], Callable[[], bool]]] = []
        self._running: asyncio.Task[None] | None = None
        self._number = 0

    async def check(self, rank: int, check: Callable[[], bool]) -> bool:
        """What the check says, when it is its turn; TooSoon for one that was sent away."""
        self._number += 1
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, self._number, answer, check))
        if len(self._waiting) > MOST_WAITING:
            last = max(self._waiting)
            self._waiting.remove(last)
            heapq.heapify(self._waiting)
            last[2].set_exception(TooManyAttempts(5))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                *_, answer, check = heapq.heappop(self._waiting)
                if answer.done():  # who asked has gone
                    continue
                check_made = loop.run_in_executor(self._executor, check)
                await asyncio.wait([check_made])
                if not answer.done():
                    _hand_over(check_made, answer)
        finally:
            self._running = None


def _hand_over(check: asyncio.Future[bool], answer: asyncio.Future[bool]) -> None:
    fault = check.exception()
    if fault:
        answer.set_exception(fault)
    else:
        answer.set_result(check.result())


def source_of(address: IPv4Address | IPv6Address | None) -> str:
    """Source that failures are counted against: an IPv4 address, or the /64 that one house has of IPv6 (RFC 6177)."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)
