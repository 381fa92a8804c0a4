"""What the web part is given to answer from; the engine is behind it and never imported."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from ipaddress import IPv4Network, IPv6Network

from whitestat.asking import Now
from whitestat.ledger.queries import Queries
from whitestat.periods import CALENDAR_MONTHS, Cycle

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Sources:
    """Where answers come from.

    `health` is the engine's own account of itself and must have a `status` ("ok" or why not) and
    `points`. `live` yields, for each listener, one item a second: first every device of today, then
    those that changed. `lan` holds the local networks.
    """

    queries: Queries
    zone: tzinfo
    version: str
    now_ms: Callable[[], int]
    health: Callable[[], dict[str, object]]
    live: Callable[[], AsyncIterator[dict[str, object]]]
    lan: Sequence[Network] = ()
    cycle: Cycle = CALENDAR_MONTHS

    @property
    def now(self) -> Now:
        return Now(self.now_ms() // 1000, self.zone, self.cycle)
