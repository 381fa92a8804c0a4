"""What the traffic says of the shape of the home, in sentences for the page; pure.

Each notice stays while what it says was seen of late, and goes when it is mended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from whitestat.attribution.sightings import Double

SHOWN_MS = 600_000
"""How long a notice stays after the last sign of it."""
DOUBLED_OCTETS = 10_000
"""Less than this in one flush may be chance: two answers of the same length, here and there."""


class Shape:
    """Remembers what was seen, by pair of points: the device seen twice last, and when."""

    def __init__(self) -> None:
        self._doubled: dict[tuple[str, str], tuple[int, int]] = {}

    def saw_doubles(self, doubles: Iterable[Double], at_ms: int) -> None:
        octets: dict[tuple[str, str, int], int] = {}
        for first, point, episode, amount in doubles:
            octets[first, point, episode] = octets.get((first, point, episode), 0) + amount
        for (first, point, episode), amount in octets.items():
            if amount >= DOUBLED_OCTETS:
                self._doubled[first, point] = episode, at_ms

    def notices(self, name: Callable[[int], str], at_ms: int) -> tuple[str, ...]:
        """The sentences to show now; `name` tells an episode's device."""
        return tuple(
            f"{name(episode)} is seen at the points {first} and {point} at once, and counted at {first} alone: "
            f"if {point} sees only what {first} sees too, set counts = false in its [[point]]"
            for (first, point), (episode, seen_ms) in self._doubled.items()
            if 0 <= at_ms - seen_ms < SHOWN_MS
        )
