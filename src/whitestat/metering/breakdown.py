"""Usage by service and peer, collected in memory until it is given to the ledger; pure.

Detail is kept by the hour, and apart from usage: it may be lost (a power cut, a clock that was set), and what is lost
is shown as unknown. Beyond a bound, new services and peers are counted as others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from whitestat.core.calendar import hour_start, split
from whitestat.core.model import OTHER_PEER, OTHER_SERVICE, Counts, PeerKey, ServiceKey
from whitestat.core.sums import add_to

MOST_KEYS = 5_000
"""Most services, and most peers, counted between two hand-ins: about 2 MB of each."""


@dataclass(slots=True)
class BreakdownBuffer:
    """By the start of a local hour, UTC seconds."""

    services: dict[tuple[int, ServiceKey], Counts] = field(default_factory=dict)
    peers: dict[tuple[int, PeerKey], Counts] = field(default_factory=dict)

    def add(
        self,
        services: Mapping[ServiceKey, Counts],
        peers: Mapping[PeerKey, Counts],
        span: tuple[int, int],
        zone: tzinfo,
    ) -> None:
        """What was counted in the span, from and until in UTC milliseconds."""
        start_ms, end_ms = span
        first_s, last_s = hour_start(start_ms // 1000, zone), hour_start(max(start_ms, end_ms - 1) // 1000, zone)
        whole = last_s if first_s == last_s else None
        for service, counts in services.items():
            for hour_s, part in _hours(counts, span, whole, zone):
                place = hour_s, service
                if place not in self.services and len(self.services) >= MOST_KEYS:
                    place = hour_s, ServiceKey(service.usage, *OTHER_SERVICE)
                add_to(self.services, place, part)
        for peer, counts in peers.items():
            for hour_s, part in _hours(counts, span, whole, zone):
                whom = hour_s, peer
                if whom not in self.peers and len(self.peers) >= MOST_KEYS:
                    whom = hour_s, PeerKey(peer.usage, OTHER_PEER)
                add_to(self.peers, whom, part)

    def clear(self) -> None:
        self.services.clear()
        self.peers.clear()

    def __bool__(self) -> bool:
        return bool(self.services or self.peers)


def _hours(counts: Counts, span: tuple[int, int], whole: int | None, zone: tzinfo) -> Iterable[tuple[int, Counts]]:
    """The counts by local hour, cut where usage is cut."""
    if whole is not None:
        return ((whole, counts),)
    return [(hour_start(minute_s, zone), part) for minute_s, part in split(counts, *span)]
