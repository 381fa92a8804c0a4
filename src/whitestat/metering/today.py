"""Usage of the local day so far, by device: what is booked, with what is not yet."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import tzinfo
from itertools import chain
from typing import NamedTuple

from whitestat.attribution.devices.registry import DeviceRegistry
from whitestat.core import calendar
from whitestat.core.model import UNATTRIBUTED, Counts, Mac, Scope, UsageKey
from whitestat.ledger.write.writer import Writer


class DeviceToday(NamedTuple):
    """One device in the live view; device 0 is what is unattributed, `last_seen_ms` 0 not seen by us.

    `points` has its counts by the point that counted them.
    """

    device: int
    name: str
    mac: Mac | None
    last_seen_ms: int
    counts: Counts
    points: Mapping[str, Counts] = {}


class Spread(NamedTuple):
    """Usage by device between the last two polls of a meter, `span_ms` apart."""

    span_ms: int
    counts: Mapping[int, Counts]


class LiveUsage(NamedTuple):
    """Usage of the day by device, and of each polled point what its rates are of; None where they are unknown."""

    devices: Mapping[int, DeviceToday]
    polled: Mapping[str, Spread | None] = {}


class TodayUsage:
    """Booked usage of the day that `begin` began, so that a view needs no read of the ledger."""

    def __init__(self, writer: Writer, known: DeviceRegistry, zone: tzinfo) -> None:
        self._writer = writer
        self._known = known
        self._zone = zone
        self._booked: dict[UsageKey, Counts] = {}
        self._day = 0

    def begin(self, at_s: int) -> None:
        """The day of this instant is today."""
        day = calendar.day_of(at_s, self._zone)
        if day != self._day:  # a clock that was ahead comes back to the day before
            self._booked = dict(self._writer.day_usage(day))
            self._day = day

    def forget(self) -> None:
        """What is booked of the day is read anew."""
        self._day = 0

    def has(self, at_s: int) -> bool:
        """Whether the instant is one of today's."""
        return calendar.day_of(at_s, self._zone) == self._day

    def add(self, usage: Mapping[tuple[int, UsageKey], Counts]) -> None:
        """Add booked usage by minute."""
        for (minute, key), counts in usage.items():
            if self.has(minute):
                present = self._booked.get(key)
                self._booked[key] = present.plus(counts) if present else counts

    def by_device(
        self, unbooked: Iterable[tuple[UsageKey, Counts]], counting: Container[str]
    ) -> dict[int, DeviceToday]:
        """Return wide-area usage at these points, with today's unbooked usage."""
        rows: dict[int, DeviceToday] = {}
        points: dict[int, dict[str, Counts]] = {}
        for key, counts in chain(self._booked.items(), unbooked):
            if key.scope is Scope.WAN and key.point in counting:
                row = self._row(key.episode)
                present = rows.setdefault(row.device, row)
                rows[row.device] = present._replace(
                    counts=present.counts.plus(counts), last_seen_ms=max(present.last_seen_ms, row.last_seen_ms)
                )
                at_points = points.setdefault(row.device, {})
                at_points[key.point] = at_points[key.point].plus(counts) if key.point in at_points else counts
        return {device: row._replace(points=points[device]) for device, row in rows.items()}

    def _row(self, episode: int) -> DeviceToday:
        if episode == UNATTRIBUTED or not self._known.is_episode(episode):  # it may have been removed since
            return DeviceToday(UNATTRIBUTED, "", None, 0, Counts())
        device, known = self._known.by_id(episode), self._known
        return DeviceToday(device.device, known.called(episode), device.mac, known.last_seen_ms(episode), Counts())
