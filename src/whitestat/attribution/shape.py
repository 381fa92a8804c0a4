"""What the traffic says of the shape of the home, in sentences for the page; pure.

Each notice stays while what it says was seen of late, and goes when it is mended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from whitestat.attribution.point_dedup import Duplicate
from whitestat.core.model import Address, Mac
from whitestat.core.units import address_text, mac_text

SHOWN_MS = 600_000
"""How long a notice stays after the last sign of it."""
DOUBLED_OCTETS = 10_000
"""Less than this in one flush may be chance: two answers of the same length, here and there."""
ALONE_MS = 300_000
"""How long this machine may be the only one that uses the outside before the page says so."""
ALONE = (
    "for some minutes this machine has seen no Internet traffic but its own: to count other devices, meter the "
    "gateway's LAN interface, or a switch's mirror port with promiscuous = true in its [[point]]"
)


class Shape:
    """Remembers what was seen, by pair of points: the device seen twice last, and when."""

    def __init__(self) -> None:
        self._doubled: dict[tuple[str, str], tuple[int, int]] = {}
        self._alone_ms: int | None = None
        self._others = False

    def saw_doubles(self, duplicates: Iterable[Duplicate], at_ms: int) -> None:
        octets: dict[tuple[str, str, int], int] = {}
        for first, point, episode, amount in duplicates:
            octets[first, point, episode] = octets.get((first, point, episode), 0) + amount
        for (first, point, episode), amount in octets.items():
            if amount >= DOUBLED_OCTETS:
                self._doubled[first, point] = episode, at_ms

    def saw_users(self, *, own: bool, others: bool, at_ms: int) -> None:
        """Recent users of the outside: this machine's own address, and others. Others that were seen once
        may sleep: they are not forgotten."""
        self._others |= others
        if own and self._alone_ms is None:
            self._alone_ms = at_ms

    def notices(
        self, name: Callable[[int], str], routers: Mapping[Mac, Iterable[Address]], at_ms: int
    ) -> tuple[str, ...]:
        """The sentences to show now; `name` tells an episode's device, `routers` are those learned."""
        alone = not self._others and self._alone_ms is not None and at_ms - self._alone_ms >= ALONE_MS
        return (*((ALONE,) if alone else ()), *self._duplicates(name, at_ms), *map(_router, routers, routers.values()))

    def _duplicates(self, name: Callable[[int], str], at_ms: int) -> tuple[str, ...]:
        return tuple(
            f"{name(episode)} is seen at the points {first} and {point} at once, and counted at {first} alone: "
            f"if {point} sees only what {first} sees too, set counts = false in its [[point]]"
            for (first, point), (episode, seen_ms) in self._doubled.items()
            if 0 <= at_ms - seen_ms < SHOWN_MS
        )


def _router(mac: Mac, behind: Iterable[Address]) -> str:
    return (
        f"{mac_text(mac)} carries traffic of other hosts ({', '.join(map(address_text, behind))}) and is taken for a "
        "router: each IPv4 address behind it is a device of its own, from now on; routers in [lan] says so from "
        "the first packet"
    )
