"""From sight to sight of darkstat's table to the traffic between them; pure.

What makes counters fall or rows vanish, and what is booked then:

- pruning (`--hosts-max`) takes rows away; one that comes back counts from zero;
- a restart, and a wipe (SIGUSR1), begin a new life (`since` on the front page): every row counts from zero;
- a restart with `--import` begins a new life too, but its rows go on from the last export. It is told by the
  table, which then holds more than has passed since darkstat began. What the rows held in the export is found
  by that difference among the sights that are remembered: exactly where no traffic passed between two sights around
  the export. Otherwise the rows are booked from the later sight, so nothing is booked twice, and what is left is
  of no host, since it is not known.

No row may grow by more than passed in the meantime: what would is not booked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from whitestat.collectors.darkstat.parse import HostTotals
from whitestat.core.model import Address, Counts

SIGHTS_KEPT = 240
"""Sights in which something changed: four minutes at a poll a second, two hours at one in 30 seconds."""


class TableSnapshot(NamedTuple):
    """The table at one instant. `rows` are the local hosts, `others` the rest, `octets_in` and `octets_out` sums
    over all of them.

    `passed` is what darkstat had seen of all traffic before the table was read, `passed_after` afterwards; None
    where it does not say. `whole` is false where rows could not be read. `captured` are frames that pcap took.
    """

    at_ms: int
    life: int
    rows: Mapping[Address, HostTotals]
    octets_in: int = 0
    octets_out: int = 0
    passed: int | None = None
    passed_after: int | None = None
    packets: int = 0
    dropped: int = 0
    others: frozenset[Address] = frozenset()
    whole: bool = True
    captured: int | None = None


class TableChange(NamedTuple):
    """Traffic since the sight before: by address, and what passed but is of no host. `refused` rows are not in it."""

    grown: dict[Address, Counts]
    nobodys: int = 0
    refused: int = 0


NOTHING = TableChange({})
_NO_HOST = HostTotals(0, 0)


class TableFollower:
    """Remembers what was seen, and says of each new sight what passed since; `before` is a sight to go on from."""

    def __init__(self, before: TableSnapshot | None = None) -> None:
        self.before: TableSnapshot | None = None
        self._sights: deque[TableSnapshot] = deque(maxlen=SIGHTS_KEPT)
        self._gone: dict[Address, HostTotals] = {}
        self._joined: dict[Address, int] = {}  # when hosts that are local now were last seen as none of ours
        self._all_seen = True
        if before:
            self._remember(before)

    def copy(self) -> TableFollower:
        """Another that remembers the same, and goes its own way."""
        other = TableFollower()
        other.before, other._all_seen = self.before, self._all_seen
        other._sights, other._gone, other._joined = self._sights.copy(), self._gone.copy(), self._joined.copy()
        return other

    def take(self, now: TableSnapshot) -> TableChange:
        """The traffic between the sight before and this one; none at the first."""
        before = self.before
        if before:
            self._joined.update((address, before.at_ms) for address in now.rows.keys() & before.others)
        if before is None:
            step = NOTHING
        elif same_life(before, now):
            step = self._grown(before, now)
        elif _restored(now):
            step = self._restored_from(before, now)
        else:
            self._gone.clear()
            step = _from_zero(now)
        if before and not now.whole:
            now = now._replace(rows={**before.rows, **now.rows}, others=before.others | now.others)
        self._remember(now)
        return step

    def _remember(self, now: TableSnapshot) -> None:
        """Sights share what they have in common, and leave out the others: hundreds of them would take 20 MB."""
        self.before = now
        last = self._sights[-1] if self._sights else None
        if last is None or _sums(last) != _sums(now):
            known = {address: (address, host) for address, host in last.rows.items()} if last else {}
            rows = (known.get(address, (address, host)) for address, host in now.rows.items())
            shared = {address: host if host == now.rows[address] else now.rows[address] for address, host in rows}
            self._sights.append(now._replace(rows=shared, others=frozenset()))

    def _grown(self, before: TableSnapshot, now: TableSnapshot) -> TableChange:
        """Rows of one life: grown, pruned in between, come back, or new."""
        room = None
        if now.passed_after is not None and before.passed is not None:
            room = max(0, now.passed_after - before.passed)
            came, went = now.octets_in - before.octets_in, now.octets_out - before.octets_out
            # With --local-only, or a pruning in between, the table has less than what passed.
            if now.passed is not None and before.passed_after is not None and now.passed > before.passed_after:
                self._all_seen = min(came, went) >= now.passed - before.passed_after
        grown: dict[Address, Counts] = {}
        refused = 0
        for address, host in now.rows.items():
            if address in before.others:
                continue  # it was there, but not local to us: what it had by then is nobody's
            base = before.rows.get(address) or (self._gone.get(address) if room is None else None)
            counts = _more(base, host)
            if room is not None and max(counts[:2]) > room:
                refused += 1
            elif counts.octets:
                grown[address] = counts
            self._gone.pop(address, None)
        if room is None and now.whole:
            self._gone.update((gone, host) for gone, host in before.rows.items() if gone not in now.rows)
        return TableChange(grown, 0, refused)

    def _restored_from(self, before: TableSnapshot, now: TableSnapshot) -> TableChange:
        """Rows that go on from an export, taken after the last sight or long before it."""
        self._gone.clear()
        least, most = self._exported(now)
        upper = self._upper(now, before, least, most)
        grown: dict[Address, Counts] = {}
        for address, host in now.rows.items():
            base = upper.rows.get(address, _NO_HOST)
            counts = Counts(max(0, host.octets_in - base.octets_in), max(0, host.octets_out - base.octets_out))
            if counts.octets and self._joined.get(address, -1) < upper.at_ms:
                grown[address] = counts
        if upper.at_ms == before.at_ms:
            return TableChange(grown)
        booked = sum(counts.octets for counts in grown.values())
        return TableChange(grown, max(0, min(upper.octets_in - most[0], (now.passed or 0) - booked)))

    def _exported(self, now: TableSnapshot) -> tuple[tuple[int, int], tuple[int, int]]:
        """The sums of in and out that the export held: the least and the most they can have been."""
        most = now.passed or 0
        if not self._all_seen:
            most = 0
        least = now.passed_after or 0
        return (
            (max(0, now.octets_in - least), max(0, now.octets_out - least)),
            (now.octets_in - most, now.octets_out - most),
        )

    def _upper(
        self, now: TableSnapshot, before: TableSnapshot, least: tuple[int, int], most: tuple[int, int]
    ) -> TableSnapshot:
        """The first sight that had all that the export had, the exact one if there is one; `now` without any."""
        sights = [*self._sights]
        if least == most:
            for sight in reversed(sights):
                if _sums(sight) == most:
                    return sight
        for number, sight in reversed(list(enumerate(sights))):
            if sight.octets_in <= most[0] and sight.octets_out <= most[1]:
                return sights[number + 1] if number + 1 < len(sights) else before
        return now


def same_life(before: TableSnapshot, now: TableSnapshot) -> bool:
    """Whether darkstat has neither been started nor wiped; two lives may have begun in one second."""
    fell = before.passed is not None and now.passed_after is not None and now.passed_after < before.passed
    return before.life == now.life and not fell


def _restored(now: TableSnapshot) -> bool:
    """Every packet counts once as out and once as in, so a table cannot hold more than has passed."""
    return now.passed_after is not None and max(_sums(now)) > now.passed_after


def _from_zero(now: TableSnapshot) -> TableChange:
    grown = {address: Counts(host.octets_in, host.octets_out) for address, host in now.rows.items()}
    return TableChange({address: counts for address, counts in grown.items() if counts.octets})


def _more(base: HostTotals | None, host: HostTotals) -> Counts:
    """What a row has more than it had; all of it where it had none, or fell."""
    if base is None or host.octets_in < base.octets_in or host.octets_out < base.octets_out:
        return Counts(host.octets_in, host.octets_out)
    return Counts(host.octets_in - base.octets_in, host.octets_out - base.octets_out)


def _sums(sight: TableSnapshot) -> tuple[int, int]:
    return sight.octets_in, sight.octets_out
