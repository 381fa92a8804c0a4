"""The same packets at two counting points: a bridge and its port, say; booked at one of them, pure.

A device that is at one point and later at another (guest network, then LAN) is summed. The same flow in the
same time with about the same octets is no traffic of its own: it is booked at the point that comes first in
the configuration, and the other point's sighting is a referee's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from whitestat.core.model import UNATTRIBUTED, Address, Delta

FLOWS_MAX = 8192
"""Flows compared in one interval; what is beyond is booked where it is seen."""
SLACK_OCTETS = 1500
"""What may be on its way between two points when an interval ends, beside an eighth of the flow; half of it where
one point was read later than the other."""


class Flow(NamedTuple):
    """What a packet has in common wherever it is seen: whose it is (episodes), and between which addresses.

    A packet from a guest to the LAN is not among them: it is the guest's there and the other's here.
    """

    sender: int | None
    receiver: int | None
    source: Address | None
    target: Address | None
    protocol: int | None
    service: int | None


class FlowSighting(NamedTuple):
    """Where a flow was booked, how much of it, and until when it was watched there (0: is not known)."""

    point: str
    octets: int
    end_ms: int


class Duplicate(NamedTuple):
    """Octets of a device at `point` that are booked at `first` already."""

    first: str
    point: str
    episode: int
    octets: int


class FlowSightings:
    """The flows of one harvest at the counting `points`, in the order of the configuration.

    `booked` are those of other harvests, whose points may be read a moment earlier or later.
    """

    def __init__(self, points: Sequence[str], booked: Mapping[Flow, FlowSighting]) -> None:
        self._ranks = {name: rank for rank, name in enumerate(points)} if len(points) > 1 else {}
        self._booked = booked
        self._held: list[list[tuple[Flow, Delta]]] = [[] for _ in self._ranks]
        self._room = FLOWS_MAX
        self.seen: dict[Flow, FlowSighting] = {}
        self.duplicates: list[Duplicate] = []

    def held(self, delta: Delta, sender: int | None, receiver: int | None) -> bool:
        """Note a flow of these devices; true where it is not to be booked now (`rest` may say it later)."""
        key = delta.key
        rank = self._ranks.get(key.point)
        if rank is None or key.address is None or self._room <= 0:
            return False
        self._room -= 1
        flow = Flow(sender, receiver, key.address, key.peer, key.protocol, key.service)
        if rank:
            self._held[rank].append((flow, delta))
            return True
        return not self._first(flow, delta)

    def rest(self) -> Iterator[Delta]:
        """What was held back and seen nowhere else."""
        for sightings in self._held:
            yield from (delta for flow, delta in sightings if self._first(flow, delta))

    def _first(self, flow: Flow, delta: Delta) -> bool:
        sighting = FlowSighting(delta.key.point, delta.counts.octets, delta.end_ms)
        for before, share in ((self.seen.get(flow), 8), (self._earlier(flow, delta), 2)):
            if before and before.point != sighting.point and _alike(before.octets, sighting.octets, share):
                episode = flow.sender or flow.receiver or UNATTRIBUTED
                self.duplicates.append(Duplicate(before.point, sighting.point, episode, sighting.octets))
                return False
        self.seen.setdefault(flow, sighting)
        return True

    def _earlier(self, flow: Flow, delta: Delta) -> FlowSighting | None:
        """The sighting in another harvest of about the same time."""
        sighting = self._booked.get(flow)
        return sighting if sighting and 2 * sighting.end_ms > delta.start_ms + delta.end_ms > 0 else None


def _alike(a: int, b: int, share: int) -> bool:
    return abs(a - b) <= max(a, b) // share + SLACK_OCTETS
