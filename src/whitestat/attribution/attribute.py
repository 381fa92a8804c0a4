"""From deltas to usage: books each flow to the devices that `judge.py` finds at its ends; pure.

On a gateway's only arm, what its own
address carried for devices is theirs (arm.py); what two counting points see of one flow is booked at one of
them (sightings.py). Flows whose verdict others of the same interval may change are booked after all others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from whitestat.attribution.devices.episodes import EpisodeTable
from whitestat.attribution.judge import UNDECIDED, VERDICTS_MAX, Judge, Learned, Verdict
from whitestat.attribution.locality import Locality
from whitestat.attribution.maps import Maps
from whitestat.attribution.nat_dedup import Amount, NatCrossings, NatPath
from whitestat.attribution.point_dedup import Duplicate, Flow, FlowSighting, FlowSightings
from whitestat.attribution.routers import Routers
from whitestat.attribution.sender_times import Sender, SenderTimes
from whitestat.core.model import (
    OTHER_PEER,
    OTHER_SERVICE,
    Address,
    Counts,
    Delta,
    FlowKey,
    PeerKey,
    ServiceKey,
    UsageKey,
)

DETAILS_MAX = 2_500
"""Services, and peers, that one interval tells apart; a flood of flows costs detail, never memory."""
WAITING_MAX = 2_000
"""Flows of one interval, 0.6 kB each, that are booked after all others; what is beyond is judged by what is known."""

K = TypeVar("K")


@dataclass(slots=True)
class PointSum:
    """IP octets of one point, each once: in rows of devices, in that of none, and those in no row here.

    `repeated` were booked where they crossed first, here or at another point, or are left out as configured.
    """

    attributed: int = 0
    unattributed: int = 0
    repeated: int = 0


@dataclass(slots=True)
class Attributed:
    """Usage of one interval by key; each octet once in `points`, as it was booked.

    `debts` is what the gateways with one arm among the points left over for the next interval; `seen` and `doubles`
    are the flows that other counting points may have too, and those that had been booked at another. `sent` is how
    much the devices themselves sent, octets and packets together.
    """

    usage: dict[UsageKey, list[int]] = field(default_factory=dict)
    services: dict[ServiceKey, list[int]] = field(default_factory=dict)
    peers: dict[PeerKey, list[int]] = field(default_factory=dict)
    points: dict[str, PointSum] = field(default_factory=dict)
    debts: dict[NatPath, Amount] = field(default_factory=dict)
    seen: dict[Flow, FlowSighting] = field(default_factory=dict)
    duplicates: list[Duplicate] = field(default_factory=list)
    sent: dict[Sender, int] = field(default_factory=dict)

    def point(self, name: str) -> PointSum:
        point_sum = self.points.get(name)
        if point_sum is None:
            point_sum = self.points[name] = PointSum()
        return point_sum

    def book(self, key: UsageKey, counts: Counts) -> None:
        _add(self.usage, key, counts)

    def book_detail(self, key: UsageKey, flow: FlowKey, peer: Address | None, counts: Counts) -> None:
        """Services and peers of the usage, where the meter can tell."""
        if flow.protocol is not None:
            service = ServiceKey(key, flow.protocol, flow.service or 0)
            if len(self.services) >= DETAILS_MAX and service not in self.services:
                service = ServiceKey(key, *OTHER_SERVICE)
            _add(self.services, service, counts)
        if peer is not None:
            whom = PeerKey(key, peer)
            if len(self.peers) >= DETAILS_MAX and whom not in self.peers:
                whom = PeerKey(key, OTHER_PEER)
            _add(self.peers, whom, counts)

    def counts(self) -> dict[UsageKey, Counts]:
        return {key: Counts(*counts) for key, counts in self.usage.items()}


class Attributor:
    """Holds what is local and which devices are known, and what one interval leaves for the next.

    `learned` is what another one was told by packets of the same network.
    """

    def __init__(self, locality: Locality, devices: EpisodeTable, learned: Learned | None = None) -> None:
        self.learned = learned or Learned()
        self._judge = Judge(locality, devices, self.learned)
        self._debts: dict[NatPath, Amount] = {}
        self._seen: dict[Flow, FlowSighting] = {}
        self.sender_times = SenderTimes()

    @property
    def locality(self) -> Locality:
        return self._judge.locality

    @property
    def devices(self) -> EpisodeTable:
        return self._judge.devices

    @property
    def routers(self) -> Routers:
        return self.learned.routers

    def move(self, locality: Locality) -> None:
        """Addresses of this machine or its networks changed: every verdict is open again."""
        if locality != self._judge.locality:
            self._judge.locality = locality
            self._judge.forget()

    def follow(self, maps: Maps) -> None:
        """Map files changed: from now on what they say holds."""
        if maps is not self._judge.maps:
            self._judge.maps = maps
            self._judge.forget()

    def judge_again(self) -> None:
        """Devices changed: every verdict is open again."""
        self._judge.forget()

    def is_local(self, address: Address) -> bool:
        """Whether a host of this address may be a device of ours. Any thread may ask."""
        return self.locality.kind(address) in ("own", "local")

    def attribute(self, deltas: Iterable[Delta], at_ms: int, *, detail: bool = False, sees: bool = True) -> Attributed:
        """Book every delta to the devices at its ends, or to `UNATTRIBUTED`; `at_ms` is when they were seen.

        `detail` asks for services and peers too. Without `sees` the deltas say nothing of when a device was seen.
        Once the result is kept for good, it is to be committed by `commit`; a look at what is pending is not.
        """
        self._judge.expire(at_ms)
        result, crossings = Attributed(), NatCrossings(self._debts)
        sightings = FlowSightings(self.locality.counting, self._seen)
        verdicts, judge, several = self._judge.verdicts, self._judge.verdict, len(self.locality.counting) > 1

        book, decide = self._book, self._judge.decide

        def take(delta: Delta, verdict: Verdict) -> None:
            if verdict.crossing and crossings.held(verdict.crossing, delta):
                return
            if several and verdict.known and sightings.held(delta, *verdict.episodes):
                return
            book(result, delta, verdict, detail)

        waiting: list[Delta] = []
        for delta in deltas:
            verdict = verdicts.get(delta.key) or decide(delta.key, at_ms)
            if verdict.crossing is None and not several and verdict is not UNDECIDED:
                book(result, delta, verdict, detail)
            elif verdict is not UNDECIDED:
                take(delta, verdict)
            elif len(waiting) < WAITING_MAX:
                waiting.append(delta)
            else:
                take(delta, judge(delta.key, at_ms, last=True))
        for delta in waiting:
            take(delta, judge(delta.key, at_ms, last=True))
        for delta, carried in crossings.own():
            result.point(delta.key.point).repeated += carried
            verdict = judge(delta.key, at_ms, last=True)
            if not (several and sightings.held(delta, *verdict.episodes)):
                self._book(result, delta, verdict, detail)
        for delta in sightings.rest():
            self._book(result, delta, judge(delta.key, at_ms, last=True), detail)
        for double in sightings.duplicates:
            result.point(double.point).repeated += double.octets
        result.debts, result.seen, result.duplicates = crossings.debts(), sightings.seen, sightings.duplicates
        if sees:
            for (_, episode, address), last_ms in self.sender_times.when(result.sent, at_ms):
                self.devices.saw(episode, address, last_ms)
        return result

    def commit(self, result: Attributed) -> None:
        """What `attribute` returned is booked: its points' next interval goes on where it ended."""
        others = {path: amount for path, amount in self._debts.items() if path.point not in result.points}
        self._debts = others | result.debts
        self.sender_times.forget(result.points)
        elsewhere = {flow: sighting for flow, sighting in self._seen.items() if sighting.point not in result.points}
        self._seen = elsewhere | result.seen if len(elsewhere) < VERDICTS_MAX else result.seen

    def _book(self, result: Attributed, delta: Delta, verdict: Verdict, detail: bool) -> None:
        counts = delta.counts
        sender, receiver = verdict.sender, verdict.receiver
        point = result.points.get(delta.key.point) or result.point(delta.key.point)
        if sender is None and receiver is None:
            point.repeated += counts.octets
        elif (sender and sender.episode) or (receiver and receiver.episode):
            point.attributed += counts.octets
        else:
            point.unattributed += counts.octets
        if sender:
            result.book(sender, counts)
            if sender.episode:
                if amount := counts.packets_out + counts.octets_out + counts.octets_unsplit:
                    who = delta.key.point, sender.episode, verdict.source
                    result.sent[who] = result.sent.get(who, 0) + amount
                if detail:
                    result.book_detail(sender, delta.key, delta.key.peer, counts)
        if receiver:
            turned = counts.turned()
            result.book(receiver, turned)
            if detail and receiver.episode:
                result.book_detail(receiver, delta.key, delta.key.address, turned)


def _add(to: dict[K, list[int]], key: K, counts: Counts) -> None:
    sums = to.get(key)
    if sums is None:
        to[key] = list(counts)
    else:
        octets_in, octets_out, packets_in, packets_out, unsplit = counts
        sums[0] += octets_in
        sums[1] += octets_out
        sums[2] += packets_in
        sums[3] += packets_out
        sums[4] += unsplit
