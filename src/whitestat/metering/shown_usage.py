"""What answers have shown of reads that are not over yet, so that no answer about a minute falls later; pure.

A look at a meter between two reads is an observation in time: what it had counted by then is booked to the minutes
before, and what the read finds more to those after.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from operator import sub

from whitestat.core.calendar import MINUTE_S, split
from whitestat.core.model import Counts, UsageKey

Slot = tuple[int, UsageKey]


@dataclass(slots=True)
class Seen:
    """What was seen of a key up to an instant, UTC ms, and by the start of the minute (or second) it was booked to."""

    at_ms: int
    total: Counts = field(default_factory=Counts)
    placed: dict[int, Counts] = field(default_factory=dict)


class Shown:
    """Holds looks until the read that has them too."""

    def __init__(self, finest_s: int = MINUTE_S) -> None:
        self._finest_s = finest_s
        self._seen: dict[UsageKey, Seen] = {}

    def look(self, key: UsageKey, counts: Counts, since_ms: int, now_ms: int) -> None:
        """Take what a meter has counted of a key since its last read; less than before is ignored: it is another's."""
        seen = self._seen.get(key) or Seen(since_ms)
        grown = Counts(*map(sub, counts, seen.total))
        if min(grown) < 0:
            return
        self._seen[key] = seen
        for at_s, part in split(grown, seen.at_ms, now_ms, self._finest_s):
            seen.placed[at_s] = seen.placed[at_s].plus(part) if at_s in seen.placed else part
        seen.at_ms, seen.total = max(seen.at_ms, now_ms), counts

    def usage(self) -> Iterator[tuple[Slot, Counts]]:
        for key, seen in self._seen.items():
            for at_s, part in seen.placed.items():
                yield (at_s, key), part

    def read(self, key: UsageKey, counts: Counts, start_ms: int, end_ms: int) -> Iterator[tuple[int, Counts]]:
        """The shares of what a read found, by minute: as they were shown, and what is more since the last look."""
        seen = self._seen.get(key)
        if seen:
            rest = Counts(*map(sub, counts, seen.total))
            if min(rest) >= 0:
                yield from seen.placed.items()
                yield from split(rest, min(max(start_ms, seen.at_ms), end_ms), end_ms, self._finest_s)
                return
        yield from split(counts, start_ms, end_ms, self._finest_s)

    def forget(self, points: Collection[str] | None = None) -> None:
        """The read of these points is over; of all without a word."""
        self._seen = {} if points is None else {k: seen for k, seen in self._seen.items() if k.point not in points}
