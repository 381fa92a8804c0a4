"""Which tariff holds when: windows of weekdays and hours on the local clock; pure.

Windows begin and end on whole minutes, and clocks move by whole minutes too, so every minute of usage is in one
tariff: what is split at the edge of a minute is split exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple

from whitestat.core.calendar import DAY_S, MINUTE_S, wall_time

MINUTES_A_DAY = 1440


class Window(NamedTuple):
    """On these weekdays (0 is Monday) from one minute of the local day up to another.

    A window whose end is not after its start goes on over midnight and belongs to the day it began on;
    one from 0 to 1440 is the whole day. The first window that holds an instant gives its tariff.
    """

    tariff: str
    weekdays: frozenset[int]
    start: int
    end: int

    def holds(self, weekday: int, minute: int) -> bool:
        if self.start < self.end:
            return weekday in self.weekdays and self.start <= minute < self.end
        if minute >= self.start:
            return weekday in self.weekdays
        return minute < self.end and (weekday - 1) % 7 in self.weekdays


class Tariffs:
    """Windows in the order they are asked, and the tariff of all other time."""

    def __init__(self, windows: Iterable[Window], zone: tzinfo, otherwise: str) -> None:
        self._windows = tuple(windows)
        self._zone = zone
        self._otherwise = otherwise

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*(window.tariff for window in self._windows), self._otherwise]))

    def at(self, at_s: int) -> str:
        """The tariff of the minute that holds the instant (UTC seconds)."""
        local = wall_time(at_s, self._zone)
        minute = local.hour * 60 + local.minute
        weekday = local.weekday()
        return next((window.tariff for window in self._windows if window.holds(weekday, minute)), self._otherwise)

    def spans(self, start_s: int, end_s: int) -> Iterator[tuple[str, int, int]]:
        """The span cut where the tariff changes: (tariff, start, end), neighbours of different tariffs."""
        last: tuple[str, int, int] | None = None
        for low, high in _pairs([start_s, *self._edges(start_s, end_s), end_s]):
            tariff = self.at(low)
            if last and last[0] == tariff:
                last = tariff, last[1], high
                continue
            if last:
                yield last
            last = tariff, low, high
        if last:
            yield last

    def _edges(self, start_s: int, end_s: int) -> list[int]:
        """Every instant at which a window may begin or end: its wall times, and where clocks move."""
        instants: set[int] = set()
        day = wall_time(start_s, self._zone).date() - timedelta(days=1)
        last = wall_time(end_s, self._zone).date() + timedelta(days=1)
        walls = {0} | {edge % MINUTES_A_DAY for window in self._windows for edge in (window.start, window.end)}
        while day <= last:
            for wall in walls:
                for fold in (0, 1):
                    local = datetime(day.year, day.month, day.day, wall // 60, wall % 60, tzinfo=self._zone, fold=fold)
                    instants.add(int(local.timestamp()))
            noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=self._zone).timestamp())
            instants.update(self._moves(noon - DAY_S, noon))
            day += timedelta(days=1)
        return sorted(at_s for at_s in instants if start_s < at_s < end_s)

    def _moves(self, low_s: int, high_s: int) -> list[int]:
        """The instant at which clocks move between the two, to the minute."""
        before = wall_time(low_s, self._zone).utcoffset()
        if wall_time(high_s, self._zone).utcoffset() == before:
            return []
        low, high = low_s // MINUTE_S, high_s // MINUTE_S
        while high - low > 1:
            middle = (low + high) // 2
            same = wall_time(middle * MINUTE_S, self._zone).utcoffset() == before
            low, high = (middle, high) if same else (low, middle)
        return [high * MINUTE_S]


def _pairs(edges: Sequence[int]) -> Iterator[tuple[int, int]]:
    return ((low, high) for low, high in pairwise(edges) if low < high)
