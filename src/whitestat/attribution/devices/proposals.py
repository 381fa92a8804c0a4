"""Pairs of devices that are probably one: certain from an identity, or proposed with the evidence; pure.

Phones change their MAC, laptops have two. A DHCP unique identifier (RFC 8415, section 11) is one per host by
definition; two interfaces of a host differ in the association (IAID, RFC 4361). Cloned machines share both, and are
seen by their use at the same time. A name is a hint alone: many phones are called iPhone.

DHCP is not authenticated: any host on the link can claim an identity. So an identity is certain only for devices that
were never used at the same time; else the pair is proposed, and a person decides. What else makes a pair uncertain (an
owner, a name that a user gave) is for the caller to say, see `uncertain`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import combinations
from typing import NamedTuple

TOGETHER_MS = 5 * 60_000
"""Two devices seen this long after one another's beginning were there at the same time."""
TAKEOVER_MS = 3_600_000
SHARERS_MAX = 6
"""A name or an identity that more devices share tells nothing."""
LEAST_PERCENT = 60
SAME_MAC_PERCENT = 95
SAME_IDENTITY_PERCENT = 90
"""An identity alone, where a merge would need more: two forged frames can claim it."""


class DeviceFacts(NamedTuple):
    """What is known of one device: `clients` are its DHCP identities, `name` what it calls itself there.

    `private` where every MAC of it is locally administered, `macs` those that its addresses were found at where a
    meter sees addresses alone. Times are UTC milliseconds.
    """

    device: int
    first_ms: int
    last_ms: int
    name: str | None = None
    clients: frozenset[bytes] = frozenset()
    vendor_class: str | None = None
    private: bool = False
    macs: frozenset[bytes] = frozenset()


class Proposal(NamedTuple):
    """`device` is probably `into`, which was there before; in percent, with a sentence for each reason."""

    device: int
    into: int
    percent: int
    reasons: tuple[str, ...]

    @property
    def certain(self) -> bool:
        return self.percent == 100

    def uncertain(self) -> Proposal:
        """Return the same pair as a question for a person."""
        return self._replace(percent=min(self.percent, SAME_IDENTITY_PERCENT))


def proposals(devices: Iterable[DeviceFacts], settled: Collection[frozenset[int]] = ()) -> list[Proposal]:
    """The pairs worth asking about, the surest first, each device in one as the newer; `settled` are answered."""
    best: dict[int, Proposal] = {}
    for older, newer in _pairs(list(devices)):
        if frozenset((older.device, newer.device)) in settled:
            continue
        proposal = _judge(older, newer)
        best_yet = best.get(newer.device)
        if proposal and (best_yet is None or proposal.percent > best_yet.percent):
            best[newer.device] = proposal
    return sorted(best.values(), key=lambda proposal: (-proposal.percent, proposal.device))


def _pairs(devices: list[DeviceFacts]) -> Iterable[tuple[DeviceFacts, DeviceFacts]]:
    """Pairs that share a name or an identity, the older first; a bounded number."""
    shared: dict[bytes | str, list[DeviceFacts]] = {}
    for fact in devices:
        for duid in {_duid(client) for client in fact.clients} - {None}:
            shared.setdefault(duid or b"", []).append(fact)
        for mac in fact.macs:
            shared.setdefault(mac, []).append(fact)
        if fact.name:
            shared.setdefault(fact.name.casefold(), []).append(fact)
    for sharers in shared.values():
        if len(sharers) <= SHARERS_MAX:
            for one, other in combinations(sharers, 2):
                yield (one, other) if (one.first_ms, one.device) <= (other.first_ms, other.device) else (other, one)


def _judge(older: DeviceFacts, newer: DeviceFacts) -> Proposal | None:
    together = older.last_ms > newer.first_ms + TOGETHER_MS
    if _same_host(older.clients, newer.clients, together=together):
        same = Proposal(newer.device, older.device, 100, ("both gave the same DHCP identity",))
        return same.uncertain() if together else same
    if older.macs & newer.macs:
        return Proposal(newer.device, older.device, SAME_MAC_PERCENT, ("their addresses are at the same MAC",))
    if together or not older.name or not newer.name or older.name.casefold() != newer.name.casefold():
        return None
    percent, reasons = 40, [f"both call themselves {newer.name}"]
    if newer.private:
        percent += 20
        reasons.append("the new one has a private MAC")
    if newer.first_ms - older.last_ms <= TAKEOVER_MS:
        percent += 20
        reasons.append("it came within an hour after the other fell silent")
    if older.private and newer.private:
        percent += 10
        reasons.append("the other had a private MAC too")
    if older.vendor_class and older.vendor_class == newer.vendor_class:
        percent += 5
        reasons.append(f"both are of the kind {newer.vendor_class}")
    return Proposal(newer.device, older.device, percent, tuple(reasons)) if percent >= LEAST_PERCENT else None


def _same_host(one: Iterable[bytes], other: Iterable[bytes], *, together: bool) -> bool:
    """The same identity, one after the other; or the same DUID on two interfaces, at any time."""
    ours, theirs = set(one), set(other)
    for a in ours:
        for b in theirs:
            if _duid(a) is not None and _duid(a) == _duid(b) and (not together or a[1:5] != b[1:5]):
                return True
    return False


def _duid(client: bytes) -> bytes | None:
    """The host's part of an identity in the form of RFC 4361, section 6.1; None for all others.

    A client identifier that is a MAC tells no more than the MAC, and one of another form is chosen freely.
    """
    return client[5:] if len(client) > 8 and client[0] == 0xFF else None
