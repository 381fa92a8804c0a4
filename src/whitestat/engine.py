"""The loop: asks collectors in time, books what they yield, keeps going; its one catch-all is here.

All booking runs in one thread of its own, so the web's event loop never waits for a meter or a disk.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from whitestat import __version__
from whitestat.attribution.names import by_dns, resolve
from whitestat.booking import Booker, DeviceToday
from whitestat.collectors import Collector
from whitestat.errors import CollectorError, LedgerError
from whitestat.ledger.writer import Writer
from whitestat.model import PointState, PointStatus

log = logging.getLogger("whitestat")

LOG_EVERY_MS = 60_000
NAME_EVERY_S = 2
EXPIRE_EVERY_S = 3600
TEND_EVERY_S = 1
NAME_AGAIN_MS = 6 * 3600 * 1000

T = TypeVar("T")


class Clock(Protocol):
    """Wall time to label with, monotonic time for spans, both in milliseconds."""

    def now_ms(self) -> int: ...

    def monotonic_ms(self) -> int: ...


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000


class Engine:
    """Runs collectors and the ledger from `start` to `stop`; answers for health and the live view."""

    def __init__(
        self,
        collectors: Sequence[Collector],
        writer: Writer,
        booker: Booker,
        *,
        flush_s: int,
        clock: Clock,
        notices: Sequence[str] = (),
        resolver: Callable[[str], str | None] = resolve,
    ) -> None:
        self._collectors = tuple(collectors)
        self._writer = writer
        self._booker = booker
        self._flush_ms = flush_s * 1000
        self._clock = clock
        self._notices = tuple(notices)
        self._resolver = resolver
        self._thread = ThreadPoolExecutor(1, "booking")
        self._read_at: dict[int, int] = {}
        self._first: set[int] = set()
        self._failures: dict[int, str] = {}
        self._errors = 0
        self._logged_at: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._started_ms = clock.monotonic_ms()

    async def start(self) -> None:
        """Take the first reading of every collector, then go on in the background."""
        for at in range(len(self._collectors)):
            await self._in_booking_thread(self._book, at)
        self._tasks = [
            *(asyncio.create_task(self._poll(at)) for at in range(len(self._collectors))),
            asyncio.create_task(self._name_devices()),
            asyncio.create_task(self._expire()),
            asyncio.create_task(self._tend()),
        ]

    async def stop(self) -> None:
        """Book what the meters hold, then release them and the ledger."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for at in range(len(self._collectors)):
            await self._in_booking_thread(self._book, at)
        await self._in_booking_thread(self._close)
        self._thread.shutdown()

    async def today(self) -> dict[int, DeviceToday]:
        """Usage of the local day by device, what the meters still hold included."""
        collectors = [each for at, each in enumerate(self._collectors) if at not in self._failures]
        counting = {point.name for each in self._collectors for point in each.points if point.counts}
        return await self._in_booking_thread(self._booker.live, collectors, counting, self._clock.now_ms())

    def health(self) -> dict[str, object]:
        """The engine's part of /api/v1/health; `status` is ok once every collector was read and none fails."""
        waiting = len(self._first) < len(self._collectors)
        status = "starting" if waiting else "degraded" if self._failures else "ok"
        return {
            "status": status,
            "version": __version__,
            "uptime_s": (self._clock.monotonic_ms() - self._started_ms) // 1000,
            "memory_resident_octets": resident_octets(),
            "memory_kernel_octets": sum(each.memory() for each in self._collectors),
            "cpu_seconds": round(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), 3),
            "flushes": self._booker.tally.flushes,
            "flushed_octets": self._writer.octets_written,
            "errors": self._errors,
            "discarded": {str(quality): n for quality, n in self._booker.tally.deltas_discarded.items()},
            "notices": list(self._notices),
            "points": self._points(),
        }

    def _points(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for at, collector in enumerate(self._collectors):
            statuses = collector.statuses()
            for point in collector.points:
                status = statuses.get(point.name, PointStatus(PointState.STARTING))
                if at in self._failures:
                    status = PointStatus(PointState.FAILED, self._failures[at])
                rows.append(
                    {
                        "point": point.name,
                        "collector": point.collector,
                        "interface": point.interface,
                        "counts": point.counts,
                        "state": str(status.state),
                        "notice": status.notice,
                    }
                )
        return rows

    async def _poll(self, at: int) -> None:
        while True:
            # Aligned to the wall clock, so that a flush does not straddle two minutes.
            now_ms = self._clock.now_ms()
            await asyncio.sleep((self._flush_ms - now_ms % self._flush_ms) / 1000)
            await self._in_booking_thread(self._book, at)

    def _book(self, at: int) -> None:
        """One read of one collector; what fails is shown and tried again, and delays nobody else."""
        collector = self._collectors[at]
        now_ms, ticks_ms = self._clock.now_ms(), self._clock.monotonic_ms()
        observed_ms = ticks_ms - self._read_at.setdefault(at, ticks_ms)
        since_ms = now_ms - observed_ms
        if at not in self._first:  # what is found now may have been counted since the last process looked
            since_ms = min(self._booker.last_read_ms(collector) or since_ms, since_ms)
        try:
            self._booker.book(collector, since_ms, now_ms, observed_ms)
        except (CollectorError, LedgerError, OSError) as error:
            self._fail(at, str(error))
        except Exception as error:  # the one catch-all: metering outlives any fault in one harvest
            log.debug("%s", error, exc_info=True)
            self._fail(at, f"{type(error).__name__}: {error}")
        else:
            self._read_at[at] = ticks_ms
            self._first.add(at)
            if self._failures.pop(at, None):
                log.info("%s: works again", _names(collector))

    def _fail(self, at: int, reason: str) -> None:
        self._failures[at] = reason
        self._errors += 1
        self._log_once(f"{_names(self._collectors[at])}: {reason}")

    def _log_once(self, text: str) -> None:
        """Each sentence at most once a minute."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._logged_at.get(text, -LOG_EVERY_MS) >= LOG_EVERY_MS:
            self._logged_at[text] = now_ms
            log.error("%s", text)

    async def _name_devices(self) -> None:
        """Ask the DNS for one device at a time, politely: each again after hours."""
        asked: dict[int, int] = {}
        while True:
            await asyncio.sleep(NAME_EVERY_S)
            now_ms = self._clock.monotonic_ms()
            unnamed = await self._in_booking_thread(self._booker.unnamed)
            due = [each for each in unnamed if asked.get(each[0], -NAME_AGAIN_MS) + NAME_AGAIN_MS <= now_ms]
            if not due:
                continue
            device, address = due[0]
            asked[device] = now_ms
            name = await asyncio.to_thread(by_dns, address, self._resolver)
            if name:
                await self._in_booking_thread(self._booker.rename, device, name)

    async def _tend(self) -> None:
        """Let collectors follow interfaces that come and go, once a second."""
        while True:
            await asyncio.sleep(TEND_EVERY_S)
            for collector in self._collectors:
                try:
                    await self._in_booking_thread(collector.tend)
                except (CollectorError, OSError) as error:
                    self._log_once(f"{_names(collector)}: {error}")

    async def _expire(self) -> None:
        """Drop what is past its retention, once an hour."""
        while True:
            try:
                await self._in_booking_thread(self._writer.expire, self._clock.now_ms() // 1000)
            except LedgerError as error:
                self._log_once(str(error))
            await asyncio.sleep(EXPIRE_EVERY_S)

    async def _in_booking_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _close(self) -> None:
        for collector in self._collectors:
            collector.close()
        self._writer.close()


def resident_octets() -> int:
    """Resident memory of this process (proc(5), statm)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _names(collector: Collector) -> str:
    return ", ".join(point.name for point in collector.points)
