"""Instants that usage is booked to: those of the wall clock while it can be trusted; pure.

Spans come from the monotonic clock; the wall clock only says where they lie. A board without a battery starts
in 1970, or where it was last switched off; a clock may be a year ahead, or jump a day forward and come back. So a
clock is trusted when it is not before the build date and

- not before what is booked, nor long after it, or it comes back to where the monotonic clock would be had an earlier
  jump forward not been, or
- the system says that it is synchronised, or
- it went as the monotonic clock went for some minutes.

Until then usage is held: kept apart from all that has a date (`Hold`), on the line that the monotonic clock draws on
from the last instant known, and moved when the clock is right. What is booked never moves.
"""

from __future__ import annotations

from datetime import UTC
from enum import StrEnum
from typing import NamedTuple

from whitestat.core.calendar import wall_time
from whitestat.core.model import Hold

BUILT_MS = 1_793_491_200_000
"""2026-11-01: no clock of this program says an earlier time and is right. Raised with each release."""

LATEST_MS = 7_258_118_400_000
"""The year 2200, where questions end."""

SLACK_MS = 120_000
"""Largest lag behind the bookings of a trusted clock: one with a battery, after a restart, not yet set by network."""

FAR_MS = 30 * 86_400_000
"""A clock so far ahead of what is booked is looked at for a while first: this machine was off, or it is wrong."""

JUMP_MS = 10_000
"""Smallest step that is reported; a smaller one is the work of a time service."""

STEADY_MS = 10 * 60_000
"""Time after which a clock that agrees with the monotonic clock is trusted, whatever is booked. A board with a clock
that continues from its last stop is set sooner than that if it is set at all."""

SETTLED_MS = 30 * 60_000
"""A jump forward that did not come back in this time was right."""

TOLD_MS = 3_600_000
"""Duration of the notice of a jump."""

MINUTE_MS = 60_000


class ClockState(StrEnum):
    """`held`: usage has no date yet, and waits for the clock to be right."""

    SET = "set"
    HELD = "held"


class Correction(NamedTuple):
    """What is not booked yet and lies at `since_ms` or later belongs `by_ms` later (whole minutes)."""

    since_ms: int
    by_ms: int

    def of(self, at_ms: int) -> int:
        """Where an instant belongs that was noted before the correction."""
        return at_ms + self.by_ms if at_ms >= self.since_ms else at_ms


class Timekeeper:
    """Follows both clocks, in milliseconds.

    `newest_ms` is the latest instant that something is booked to, 0 for none. A `hold` of this boot goes on where it
    was; of another boot the monotonic clock is unknown, and all begins anew. `synchronised` is what the system says
    of the wall clock.
    """

    def __init__(
        self,
        newest_ms: int,
        wall_ms: int,
        ticks_ms: int,
        *,
        boot: str = "",
        hold: Hold | None = None,
        synchronised: bool = False,
    ) -> None:
        goes_on = hold if hold and boot and hold.boot == boot else None
        self._boot = boot
        self._is_first = newest_ms < BUILT_MS  # nothing is booked that a clock could be far from
        self._newest_ms = max(newest_ms, BUILT_MS)
        self._offset_ms = goes_on.offset_ms if goes_on else self._newest_ms - ticks_ms
        self._least_ms = self._offset_ms  # the least offset that was believed and may still be right
        self._wall_ms = wall_ms
        self._ahead_ms = 0
        self._jump = 0, 0, 0  # how far, and when by both clocks
        self._settled_ms = ticks_ms
        self._held_ms = goes_on.since_ms if goes_on else ticks_ms
        self._steady = (goes_on.wall_offset_ms, goes_on.steady_ms) if goes_on else (wall_ms - ticks_ms, ticks_ms)
        self.state = ClockState.HELD
        self.look(wall_ms, ticks_ms, synchronised=synchronised)
        self._jump = 0, -TOLD_MS, 0  # the way from the last flush of an earlier process is none

    @property
    def held(self) -> bool:
        """Whether what is counted is to be kept back."""
        return self.state is ClockState.HELD

    @property
    def hold(self) -> Hold:
        """What the next process goes on from, while usage is held."""
        return Hold(self._boot, self._offset_ms, self._held_ms, *self._steady)

    @property
    def news(self) -> tuple[ClockState, int]:
        """State of the clock and number of its last jump; a change of either is reported."""
        return self.state, self._jump[0]

    @property
    def offset_ms(self) -> int:
        """How far instants are ahead of the monotonic clock."""
        return self._offset_ms

    def at(self, ticks_ms: int) -> int:
        """The instant that belongs to a reading of the monotonic clock, UTC milliseconds."""
        return ticks_ms + self._offset_ms

    def is_proven(self, ticks_ms: int) -> bool:
        """Whether the clock is trusted and ran steadily for some minutes: enough to remove old data by it."""
        return not self.held and ticks_ms - self._steady[1] >= STEADY_MS

    def look(self, wall_ms: int, ticks_ms: int, *, synchronised: bool = False) -> Correction | None:
        """Take both clocks; the correction is to be made to what is not booked, before anything is."""
        self._wall_ms = wall_ms
        if abs(wall_ms - ticks_ms - self._steady[0]) >= JUMP_MS:
            self._steady = wall_ms - ticks_ms, ticks_ms
        correction = None
        if BUILT_MS <= wall_ms < LATEST_MS and (synchronised or self._is_plausible(wall_ms, ticks_ms)):
            correction = self._believe(wall_ms, ticks_ms)
        elif self.state is ClockState.SET:
            self.state, self._held_ms = ClockState.HELD, ticks_ms
        if not self.held:
            self._newest_ms = max(self._newest_ms, self.at(ticks_ms))
        return correction

    def _is_plausible(self, wall_ms: int, ticks_ms: int) -> bool:
        if self.held and ticks_ms - self._steady[1] >= STEADY_MS:
            return True
        came_back = wall_ms - ticks_ms >= self._least_ms - SLACK_MS
        if not came_back and wall_ms < self._newest_ms - SLACK_MS:
            return False
        return self._is_first or wall_ms - self.at(ticks_ms) < FAR_MS

    def _believe(self, wall_ms: int, ticks_ms: int) -> Correction | None:
        offset_ms, before = wall_ms - ticks_ms, self.state
        by_ms, since_ms = offset_ms - self._offset_ms, self.at(self._held_ms)
        jumped = abs(by_ms) >= JUMP_MS
        if before is not ClockState.SET or ticks_ms - self._settled_ms >= SETTLED_MS:
            self._least_ms = self._offset_ms if before is ClockState.SET else offset_ms
        self._least_ms = min(self._least_ms, offset_ms)
        if jumped:
            self._settled_ms = ticks_ms
            if before is ClockState.SET or since_ms > BUILT_MS:
                self._jump = by_ms, ticks_ms, wall_ms
        if wall_ms < self._newest_ms:  # the newest minute booked lies in the future: the clock was ahead
            self._ahead_ms, self._newest_ms = max(self._ahead_ms, self._newest_ms), wall_ms
        self._offset_ms, self.state, self._is_first = offset_ms, ClockState.SET, False
        if before is ClockState.HELD and jumped:
            return Correction(since_ms, by_ms - by_ms % MINUTE_MS)  # rounded down: never into the future
        return None

    def notice(self, ticks_ms: int) -> str:
        """Return the notice about the clock in a sentence; empty while all is well."""
        says = f"the clock says {_text(self._wall_ms)}"
        booked = _text(self._newest_ms)
        if self.held and not BUILT_MS <= self._wall_ms < LATEST_MS:
            return f"{says}; usage is held until it is set"
        if self.held and self._wall_ms > self.at(ticks_ms):
            return f"{says}, but usage was last booked {booked}; it is held until the clock is right, or stays so"
        if self.held:
            return f"{says}, but usage is booked up to {booked}; it is held until the clock is right, or stays so"
        if self._ahead_ms > self.at(ticks_ms) + JUMP_MS:
            return f"{says}, but was ahead before: usage is booked up to {_text(self._ahead_ms)}, and stays there"
        by_ms, jumped_ms, at_ms = self._jump
        if ticks_ms - jumped_ms < TOLD_MS:
            way = "forward" if by_ms > 0 else "back"
            slept = " (it was set, or this machine slept)" if by_ms > 0 else ""
            return f"the clock went {way} by {_length(abs(by_ms))} to {_text(at_ms)}{slept}; what was booked stays"
        return ""


def _text(at_ms: int) -> str:
    """An instant to the minute, UTC; in seconds where the calendar has no such year."""
    try:
        return wall_time(at_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return f"{at_ms // 1000} s after 1970"


def _length(ms: int) -> str:
    for unit, unit_ms in (("days", 86_400_000), ("hours", 3_600_000), ("minutes", MINUTE_MS)):
        if ms >= 2 * unit_ms:
            return f"{round(ms / unit_ms)} {unit}"
    return f"{ms // 1000} seconds"
