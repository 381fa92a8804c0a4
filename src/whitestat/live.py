"""The live view: once a second, for as long as somebody looks, today's usage and the rates of the second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import tzinfo

from whitestat import periods
from whitestat.booking import DeviceToday
from whitestat.model import Counts
from whitestat.units import mac_text

STALE_MS = 10_000
"""After a longer pause there are no rates: they would be averages over the time nobody looked."""


class Live:
    """Samples `today` once a second while there are listeners, and tells each of them what changed."""

    def __init__(
        self,
        today: Callable[[], Awaitable[dict[int, DeviceToday]]],
        *,
        zone: tzinfo,
        now_ms: Callable[[], int],
    ) -> None:
        self._today = today
        self._zone = zone
        self._now_ms = now_ms
        self._listeners: dict[asyncio.Event, set[int]] = {}
        self._task: asyncio.Task[None] | None = None
        self._rows: dict[int, DeviceToday] = {}
        self._rates: dict[int, tuple[int, int]] = {}
        self._at_ms = 0

    async def listen(self) -> AsyncGenerator[dict[str, object], None]:
        """Items, one a second; the first holds every device of today, later ones those that changed."""
        told = asyncio.Event()
        if self._task is None:
            await self._sample()
        self._listeners[told] = set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            yield self._item(set(self._rows))
            while True:
                await told.wait()
                told.clear()
                changed, self._listeners[told] = self._listeners[told], set()
                yield self._item(changed)
        finally:
            del self._listeners[told]
            if not self._listeners and self._task:
                self._task.cancel()
                self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(1 - self._now_ms() % 1000 / 1000)
            changed = await self._sample()
            # A page that cannot keep up gets what changed since its last item in one, and holds up nobody.
            for told, owed in self._listeners.items():
                owed.update(changed)
                told.set()

    async def _sample(self) -> set[int]:
        """Take today's usage; returns the devices whose figures or rates changed."""
        rows, now_ms = await self._today(), self._now_ms()
        span_ms = now_ms - self._at_ms
        rates = {}
        if 0 < span_ms < STALE_MS:
            rates = {device: _rates(self._rows.get(device), row, span_ms) for device, row in rows.items()}
        quiet = (0, 0)
        changed = {
            device
            for device, row in rows.items()
            if row != self._rows.get(device) or rates.get(device, quiet) != self._rates.get(device, quiet)
        }
        changed |= self._rows.keys() - rows.keys()
        self._rows, self._rates, self._at_ms = rows, rates, now_ms
        return changed

    def _item(self, devices: set[int]) -> dict[str, object]:
        everything = Counts()
        for row in self._rows.values():
            everything = everything.plus(row.counts)
        nobody = self._rows[0].counts.octets if 0 in self._rows else 0
        return {
            "at": periods.instant_text(self._at_ms // 1000, self._zone),
            "rate_in_bps": sum(rate[0] for rate in self._rates.values()),
            "rate_out_bps": sum(rate[1] for rate in self._rates.values()),
            "octets": everything.octets,
            "octets_in": everything.octets_in,
            "octets_out": everything.octets_out,
            "coverage": 1 - nobody / everything.octets if everything.octets else None,
            "devices": [self._device(self._rows[each]) for each in sorted(devices) if each in self._rows],
            "gone": [each for each in sorted(devices) if each not in self._rows],
        }

    def _device(self, row: DeviceToday) -> dict[str, object]:
        rate_in, rate_out = self._rates.get(row.device, (0, 0))
        seen_s = row.last_seen_ms // 1000
        return {
            "id": row.device or None,
            "name": row.name if row.device else None,
            "mac": mac_text(row.mac) if row.mac else None,
            "octets": row.counts.octets,
            "octets_in": row.counts.octets_in,
            "octets_out": row.counts.octets_out,
            "rate_in_bps": rate_in,
            "rate_out_bps": rate_out,
            "last_seen": periods.instant_text(seen_s, self._zone) if seen_s else None,
        }


def _rates(before: DeviceToday | None, now: DeviceToday, span_ms: int) -> tuple[int, int]:
    """Bits per second in and out; after midnight, when the day begins at nothing, all of it is new."""
    base = before.counts if before and before.counts.octets <= now.counts.octets else Counts()
    return (
        max(0, now.counts.octets_in - base.octets_in) * 8000 // span_ms,
        max(0, now.counts.octets_out - base.octets_out) * 8000 // span_ms,
    )
