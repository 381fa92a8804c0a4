"""Quiet hours: times without messages that can wait; pure."""

from __future__ import annotations

from datetime import tzinfo
from typing import NamedTuple

from whitestat.core.calendar import wall_time


class Quiet(NamedTuple):
    """Start and end of quiet hours in minutes of the local day; over midnight if the end is before the start."""

    start: int
    end: int

    def holds(self, at_s: int, zone: tzinfo) -> bool:
        local = wall_time(at_s, zone)
        minute = local.hour * 60 + local.minute
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end
