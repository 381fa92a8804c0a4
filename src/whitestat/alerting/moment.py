"""The time at which rules are evaluated, with the zone that their sentences use."""

from __future__ import annotations

from datetime import tzinfo
from typing import NamedTuple

from whitestat.core.calendar import instant_text


class Moment(NamedTuple):
    """An instant in UTC ms, and the zone of local times."""

    now_ms: int
    zone: tzinfo

    def text(self, at_s: int) -> str:
        """Return an instant in UTC seconds as local text."""
        return instant_text(at_s, self.zone)

    def day(self, at_s: int) -> str:
        """Return the local day of an instant: 2026-11-24."""
        return self.text(at_s)[:10]
