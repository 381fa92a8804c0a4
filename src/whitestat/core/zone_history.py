"""Time zone that changes at given instants, as the one a ledger was booked in; pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDEST_S = 26 * 3_600
"""No two zones are further apart: UTC-12 and UTC+14."""
_EVER_S = 1 << 40


class ZoneSpan(NamedTuple):
    """A time zone and the instants it is in force, from `start_s` up to and without `end_s`, UTC seconds."""

    start_s: int
    end_s: int
    zone: tzinfo


class ZoneHistory(tzinfo):
    """Zones one after the other: at each change local clocks are moved from the one to the other.

    `zones` are (since, zone) in ascending order; `since` is UTC seconds, and that of the first does not matter.
    """

    def __init__(self, zones: Sequence[tuple[int, tzinfo]]) -> None:
        starts = [-_EVER_S, *(since_s for since_s, _ in zones[1:]), _EVER_S]
        self.spans = tuple(
            ZoneSpan(start_s, end_s, zone) for (start_s, end_s), (_, zone) in zip(pairwise(starts), zones, strict=True)
        )
        self._starts = starts[:-1]

    def unlike(self, zone: tzinfo, start_s: int, end_s: int) -> Iterator[ZoneSpan]:
        """Yield the spans that meet this one in which local clocks are, or may be, not those of the zone."""
        for span in self.spans:
            low_s, high_s = max(start_s, span.start_s), min(end_s, span.end_s)
            if low_s < high_s and any(_offset(at_s, span.zone) != _offset(at_s, zone) for at_s in (low_s, high_s - 1)):
                yield span

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        """Return how far local clocks are ahead of UTC; of a time that occurs twice, `fold` selects one."""
        if moment is None:
            return None
        wall = moment.replace(tzinfo=None)
        at_s = _seconds(wall.replace(tzinfo=UTC))
        near = [span for span in self.spans if span.start_s - _WIDEST_S <= at_s < span.end_s + _WIDEST_S]
        if len(near) == 1:
            return near[0].zone.utcoffset(wall.replace(fold=moment.fold))
        candidates = sorted(
            (at_s - offset.total_seconds(), offset)
            for span in near
            for fold in (0, 1)
            if (offset := span.zone.utcoffset(wall.replace(fold=fold))) is not None
            and span.start_s <= at_s - offset.total_seconds() < span.end_s
        )
        if candidates:
            return candidates[-1 if moment.fold else 0][1]
        return self._before_gap(at_s, wall.replace(fold=moment.fold), near)

    @staticmethod
    def _before_gap(at_s: int, wall: datetime, near: list[ZoneSpan]) -> timedelta | None:
        """Return the offset before the change that left out this time, or after it where `fold` is 1 (PEP 495)."""
        for before, after in pairwise(near):
            offset = before.zone.utcoffset(wall)
            if offset is not None and at_s - offset.total_seconds() >= before.end_s:
                return after.zone.utcoffset(wall) if wall.fold else offset
        return near[0].zone.utcoffset(wall)

    def fromutc(self, moment: datetime) -> datetime:
        """Return the local time of an instant that is given as UTC."""
        utc = moment.replace(tzinfo=UTC)
        local = utc.astimezone(self.spans[bisect_right(self._starts, _seconds(utc)) - 1].zone)
        here = local.replace(tzinfo=self, fold=0)
        return here if here.utcoffset() == local.utcoffset() else here.replace(fold=1)

    def dst(self, moment: datetime | None) -> timedelta | None:
        """Return None: it is not known which part of the offset is daylight saving time."""
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        return None

    def __str__(self) -> str:
        return ", then ".join(str(span.zone) for span in self.spans)


def _seconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(seconds=1)


def _offset(at_s: int, zone: tzinfo) -> timedelta | None:
    return (_EPOCH + timedelta(seconds=at_s)).astimezone(zone).utcoffset()
