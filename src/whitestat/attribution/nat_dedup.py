"""A gateway with one arm: what its own address carried for others is theirs; pure.

With one interface, each packet of a device crosses it twice: between the device and this machine, and between
this machine and the router. Where addresses are translated (NAT), the second crossing carries this
machine's own address. So what that address exchanged with an outside address is this machine's only as far as it
is more than what devices exchanged with the same outside address through this machine. Translation may
change ports, so they are not compared; it never changes the outside address or the protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from whitestat.core.model import Address, Delta

ROADS_MAX = 4096
"""Roads compared in one interval, and flows of our own held back for it; what is beyond stays as it is."""


class NatPath(NamedTuple):
    """To (`out`) or from one outside address at one point: what both crossings of a packet have in common."""

    point: str
    outside: Address
    protocol: int | None
    out: bool


class NatCrossing(NamedTuple):
    """A flow on a road: +1 a device's through this machine, -1 one that crosses again untranslated.

    0 is this machine's own address: its own traffic, or the second crossing of another's.
    """

    path: NatPath
    entered: int


class Amount(NamedTuple):
    octets: int = 0
    packets: int = 0


class NatCrossings:
    """The crossings of one interval. `debts` are what the intervals before left over: a packet may be counted in
    one when it enters, and in the next when it leaves."""

    def __init__(self, debts: Mapping[NatPath, Amount]) -> None:
        self._debts = debts
        self._entered: dict[NatPath, Amount] = {}
        self._own: list[tuple[Delta, NatPath]] = []
        self._left: dict[NatPath, Amount] = {}

    def held(self, crossing: NatCrossing, delta: Delta) -> bool:
        """Note a flow; true where it is this machine's own address's, to be asked for with `own`."""
        path, sign = crossing
        if sign == 0:
            if len(self._own) >= ROADS_MAX:
                return False
            self._own.append((delta, path))
            return True
        known = self._entered.get(path)
        if known is None:
            if len(self._entered) >= ROADS_MAX:
                return False
            known = Amount()
        counts = delta.counts
        self._entered[path] = Amount(known.octets + sign * counts.octets_out, known.packets + sign * counts.packets_out)
        return False

    def own(self) -> Iterator[tuple[Delta, int]]:
        """The flows of this machine's own address, less what devices had carried on the same road; octets of these."""
        self._left = {path: _sum(self._entered.get(path), self._debts.get(path)) for path in self._paths()}
        for delta, path in self._own:
            counts, left = delta.counts, self._left.get(path, Amount())
            octets = max(0, min(counts.octets_out, left.octets))
            packets = max(0, min(counts.packets_out, left.packets))
            if octets or packets:
                self._left[path] = Amount(left.octets - octets, left.packets - packets)
                less = counts._replace(octets_out=counts.octets_out - octets, packets_out=counts.packets_out - packets)
                yield delta._replace(counts=less), octets
            else:
                yield delta, 0

    def debts(self) -> dict[NatPath, Amount]:
        """What is left over for the next interval: never more than entered in this one, so that packets that
        never left (a firewall's) are forgotten after an interval."""
        left = {
            path: _within(amount, self._entered[path]) for path, amount in self._left.items() if path in self._entered
        }
        return {path: amount for path, amount in left.items() if any(amount)}

    def _paths(self) -> set[NatPath]:
        return self._entered.keys() | self._debts.keys()


def _sum(a: Amount | None, b: Amount | None) -> Amount:
    a, b = a or Amount(), b or Amount()
    return Amount(a.octets + b.octets, a.packets + b.packets)


def _within(amount: Amount, bound: Amount) -> Amount:
    return Amount(*(max(-abs(most), min(abs(most), value)) for value, most in zip(amount, bound, strict=True)))
