"""The live view: today's usage and the rates of the second, once a second while there are listeners.

A polled meter has no figures of a second: its rates are the mean between its last two polls, until the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TypeVar

from whitestat.core import calendar
from whitestat.core.model import Counts
from whitestat.core.units import mac_text
from whitestat.metering.rates import QUIET, RateHistory, Rates, RateSample, fields, rates, together
from whitestat.metering.today import DeviceToday, LiveUsage

STALE_MS = 10_000
"""Longest pause after which rates are shown; after longer ones they would be averages of the pause."""

LEAST_MS = 500
"""A sample that was late is followed by one a whole second later: of a few milliseconds, the rates are chance."""

LINGER_S = 75.0
"""Sampling goes on so long after the last listener: one that lost its connection comes back to no gap."""


K = TypeVar("K", int, str)


@dataclass(slots=True)
class _Listener:
    """A page that looks: what changed since its last item, and when that was."""

    told_ms: int
    news: asyncio.Event = field(default_factory=asyncio.Event)
    changed: set[int] = field(default_factory=set)


class Live:
    """Sampler of `today`, once a second while there are listeners, which receive the changes."""

    def __init__(
        self,
        today: Callable[[], Awaitable[LiveUsage]],
        *,
        zone: tzinfo,
        now_ms: Callable[[], int],
        linger_s: float = LINGER_S,
    ) -> None:
        self._today = today
        self._zone = zone
        self._now_ms = now_ms
        self._linger_s = linger_s
        self._listeners: list[_Listener] = []
        self._task: asyncio.Task[None] | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._rows: Mapping[int, DeviceToday] = {}
        self._rates: dict[int, Rates | None] = {}
        self._points: dict[str, Rates | None] = {}
        self._seconds = RateHistory()
        self._at_ms = 0

    async def listen(self) -> AsyncGenerator[dict[str, object], None]:
        """Yield items, one a second; the first holds all devices of today, later ones those that changed.

        `missed` holds the seconds without an item of their own: in the first, those sampled in the last minute
        and more, its own included, and later those a page was too slow for.
        """
        if self._task is None:
            await self._sample()
        if self._leaving:
            self._leaving.cancel()
            self._leaving = None
        me = _Listener(0)
        self._listeners.append(me)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            me.changed = set(self._rows)
            while True:
                yield self._told(me)
                await me.news.wait()
                me.news.clear()
        finally:
            self._listeners.remove(me)
            if not self._listeners and self._task:
                self._leaving = asyncio.get_running_loop().call_later(self._linger_s, self._rest)

    def _rest(self) -> None:
        if self._task and not self._listeners:
            self._task.cancel()
            self._task = None

    def _told(self, listener: _Listener) -> dict[str, object]:
        changed, listener.changed = listener.changed, set()
        # What a first item says of its own second is no news to draw, so it is among the missed: there is no gap then.
        until_ms = self._at_ms if listener.told_ms else self._at_ms + 1
        missed = [self._second(second) for second in self._seconds.between(listener.told_ms, until_ms)]
        listener.told_ms = self._at_ms
        return self._item(changed) | ({"missed": missed} if missed else {})

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(1 - self._now_ms() % 1000 / 1000)
            if 0 <= self._now_ms() - self._at_ms < LEAST_MS:
                continue
            changed = await self._sample()
            # A slow page gets all changes since its last item in one, and delays no other.
            for listener in self._listeners:
                listener.changed.update(changed)
                listener.news.set()

    async def _sample(self) -> set[int]:
        """Take today's usage; return the devices with changed figures or rates."""
        usage, now_ms = await self._today(), self._now_ms()
        rows, span_ms = usage.devices, now_ms - self._at_ms
        is_watched = 0 < span_ms < STALE_MS
        parts = _parts(usage, self._rows, span_ms if is_watched else None)
        device_rates = _sums((device, part) for (device, _), part in parts.items())
        points = dict.fromkeys(usage.polled, QUIET) | _sums((point, part) for (_, point), part in parts.items())
        points |= {name: None for name, spread in usage.polled.items() if spread is None}
        if is_watched:
            self._seconds.add(self._at_ms, now_ms, device_rates, points)
        changed = {
            device
            for device, row in rows.items()
            if row != self._rows.get(device) or device_rates.get(device, QUIET) != self._rates.get(device, QUIET)
        }
        changed |= self._rows.keys() - rows.keys()
        self._rows, self._rates, self._points, self._at_ms = rows, device_rates, points, now_ms
        return changed

    def _item(self, devices: set[int]) -> dict[str, object]:
        everything = Counts()
        for row in self._rows.values():
            everything = everything.plus(row.counts)
        nobody = self._rows[0].counts.octets if 0 in self._rows else 0
        last = self._seconds.last(self._at_ms)
        return {
            "at": self._text(self._at_ms),
            **({"since": self._text(last.since_ms)} if last else {}),
            **fields(together(self._points.values())),
            "octets": everything.octets,
            "octets_in": everything.octets_in,
            "octets_out": everything.octets_out,
            "coverage": 1 - nobody / everything.octets if everything.octets else None,
            "devices": [self._device(self._rows[device]) for device in sorted(devices) if device in self._rows],
            "gone": [device for device in sorted(devices) if device not in self._rows],
            "points": _points(self._points),
        }

    def _device(self, row: DeviceToday) -> dict[str, object]:
        seen_s = row.last_seen_ms // 1000
        return {
            "id": row.device or None,
            "name": row.name if row.device else None,
            "mac": mac_text(row.mac) if row.mac else None,
            "octets": row.counts.octets,
            "octets_in": row.counts.octets_in,
            "octets_out": row.counts.octets_out,
            **fields(self._rates.get(row.device, QUIET)),
            "last_seen": calendar.instant_text(seen_s, self._zone) if seen_s else None,
        }

    def _second(self, second: RateSample) -> dict[str, object]:
        """A second that is over: all rates that were not nothing."""
        devices = second.devices()
        return {
            "at": self._text(second.at_ms),
            "since": self._text(second.since_ms),
            **fields(together(second.points.values())),
            "devices": [{"id": device or None, **fields(device_rates)} for device, device_rates in devices.items()],
            "points": _points(second.points),
        }

    def _text(self, at_ms: int) -> str:
        return calendar.instant_text(at_ms // 1000, self._zone)


def _parts(
    usage: LiveUsage, before: Mapping[int, DeviceToday], span_ms: int | None
) -> dict[tuple[int, str], Rates | None]:
    """Rates by device and point: since the sample `before`, `span_ms` ago, or between the polls of a polled point."""
    parts: dict[tuple[int, str], Rates | None] = {}
    for device, row in usage.devices.items():
        last = before[device].points if device in before else {}
        for name, counts in row.points.items():
            if name in usage.polled:
                parts[device, name] = QUIET if usage.polled[name] else None
            else:
                parts[device, name] = rates(last.get(name), counts, span_ms) if span_ms else QUIET
    for name, spread in usage.polled.items():
        if spread:
            parts |= {(device, name): rates(None, counts, spread.span_ms) for device, counts in spread.counts.items()}
    return parts


def _sums(parts: Iterable[tuple[K, Rates | None]]) -> dict[K, Rates | None]:
    """Return the sum of the known parts of each key."""
    rates_by_key: dict[K, list[Rates | None]] = {}
    for key, part in parts:
        rates_by_key.setdefault(key, []).append(part)
    return {key: together(several) for key, several in rates_by_key.items()}


def _points(of: Mapping[str, Rates | None]) -> list[dict[str, object]]:
    return [{"point": name, **fields(point_rates)} for name, point_rates in of.items()]
