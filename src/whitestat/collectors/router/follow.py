"""From poll to poll of a router's counters to the traffic between them; pure.

The rules are those of `counters`, and what routers do besides:

- a row that is new in a table that was read before counts from zero; one that took over the address or the MAC of a
  row that is gone goes on from it where its figures do, so that no device is billed another's past;
- a row's packets are compared with its octets: at a wrap they go on, at a reset they begin anew;
- a line's total that fell was cleared where it has counted no longer than since the last poll. Otherwise the router
  restored an older copy of it, as after a power cut: then what passed since it connected is booked, where it says
  that, and else nothing, for what the copy lacked cannot be known;
- under a session that goes on, such a fall may be one stale answer: the figures before it are kept until the next poll
  tells. Where that is at them or beyond, it goes on from them; else from the older copy. A row of a device that shows
  exactly what it showed some polls ago is stale, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from whitestat.collectors.router.protocol import LINE, RouterKey, RouterTotals
from whitestat.core import counters
from whitestat.core.model import CounterReading, Counts, Delta, FlowKey, Quality

ROWS_MAX = 2048
"""Rows remembered after they went: more than such routers have room for."""
SLACK_MS = 5_000
"""A poll takes its time, and routers count their seconds coarsely."""
REFRESH_MS = 30 * 86_400_000
"""A row that says the same is noted again before the ledger forgets it."""
SEEN_KEPT = 20
"""Earlier figures that are remembered of each row: a router that shows an old table shows one of the last minutes."""
PACKETS_MAX = 1 << 28
"""More packets than pass between two polls, and far less than a counter of them holds."""
PACKET_OCTETS_MAX = 1_600
"""The largest packet such a router counts, with room for what its maker counts besides."""


class TotalsChange(NamedTuple):
    """The traffic since the poll before, what of it cannot have been, and in how many rows a wrap may be missing.

    `spanned_ms` is the time that it took: longer than since the poll before where that one's figures were stale.
    """

    deltas: list[Delta]
    changed: list[CounterReading]
    implausible: int = 0
    unsure: int = 0
    restored: bool = False
    new_rows: int = 0
    spanned_ms: int = 0


class _Fallen(NamedTuple):
    """A line's total that fell, `elapsed_ms` after the one before, while the session went on."""

    reading: CounterReading
    elapsed_ms: int


class TotalsFollower:
    """Remembers each row's last figures; `kept` are those of the process before."""

    def __init__(self, point: str, ceiling_bps: int, kept: Iterable[CounterReading] = ()) -> None:
        self._point = point
        self._ceiling_bps = ceiling_bps
        self._last: dict[RouterKey, CounterReading] = {
            (reading.key.mac, reading.key.address): reading for reading in kept
        }
        self._rows: frozenset[RouterKey] = frozenset(self._last)
        self._seen: dict[RouterKey, deque[Counts]] = {}
        self._fallen: _Fallen | None = None
        self._counted_s: int | None = None

    @property
    def looked_ms(self) -> int | None:
        """When the last poll was; None before the first."""
        before = self._last.get(LINE)
        return before.at_ms if before else None

    def copy(self) -> TotalsFollower:
        """Another that remembers the same, and goes its own way."""
        other = TotalsFollower(self._point, self._ceiling_bps)
        other._last, other._rows = self._last.copy(), self._rows
        other._seen = {row: counts.copy() for row, counts in self._seen.items()}
        other._fallen, other._counted_s = self._fallen, self._counted_s
        return other

    def take(self, look: RouterTotals, at_ms: int, elapsed_ms: int) -> TotalsChange:
        """The traffic between the poll before, `elapsed_ms` ago, and this one; none at the first."""
        first = self.looked_ms is None
        deltas: list[Delta] = []
        changed = [self._reading(LINE, Counts(), at_ms, 64)] if LINE not in look.totals else []
        implausible = unsure = 0
        restored, new_rows, spanned_ms = False, 0, elapsed_ms
        for row, counts in look.totals.items():
            now = self._reading(row, counts, at_ms, look.width)
            before = None if first else self._before(row, now, look)
            last = self._last.get(row)
            if before and self._is_stale(row, before, now, look, elapsed_ms):
                restored |= row == LINE
                continue
            passed_ms = elapsed_ms
            if row == LINE and before and self._fallen:
                before, passed_ms = self._told_by(before, self._fallen, now, look, elapsed_ms)
                self._fallen = None
            new_rows += last is None
            if row == LINE or last is None or last.counts != counts or at_ms - last.at_ms > REFRESH_MS:
                changed.append(now)
            if before is None:
                continue
            span_ms = passed_ms if row in self._rows else max(passed_ms, at_ms - before.at_ms)
            since = before._replace(at_ms=at_ms - span_ms)
            spanned_ms = max(spanned_ms, passed_ms)
            restored |= row == LINE and self._is_restored(since, now, look, passed_ms)
            delta = self._line(since, now, look, passed_ms) if row == LINE else self._row(since, now)
            implausible += delta is not None and delta.quality is Quality.IMPLAUSIBLE
            if delta and delta.counts.octets:
                unsure += self._may_miss_a_wrap(since, now, delta)
                deltas.append(delta._replace(counts=_booked(row, delta.counts)))
        self._remember(changed, look)
        if self._fallen is None:
            self._counted_s = look.counted_s
        return TotalsChange(deltas, changed, implausible, unsure, restored, new_rows, spanned_ms)

    def _reading(self, row: RouterKey, counts: Counts, at_ms: int, width: int) -> CounterReading:
        return CounterReading(FlowKey(self._point, *row), counts, at_ms, "", width)

    def _before(self, row: RouterKey, now: CounterReading, look: RouterTotals) -> CounterReading | None:
        """What the row goes on from: its own past, that of a row it took the place of, or zero."""
        if row in self._last or row == LINE:
            return self._last.get(row)
        for gone, last in self._last.items():
            alike = gone != LINE and (gone[1] == row[1] or (gone[0] is not None and gone[0] == row[0]))
            if alike and gone not in look.totals and _goes_on(last.counts, now.counts):
                return last
        return now._replace(counts=Counts(), epoch="new")

    def _is_stale(
        self, row: RouterKey, before: CounterReading, now: CounterReading, look: RouterTotals, elapsed_ms: int
    ) -> bool:
        """Whether nothing is taken from these figures, for they may be older than those before."""
        if _goes_on(before.counts, now.counts):
            return False
        if row != LINE:
            return any(now.counts) and now.counts in self._seen.get(row, ())
        if self._fallen and _goes_on(self._fallen.reading.counts, now.counts):
            return self._fallen.reading.counts == now.counts
        goes_on = look.session_s is None or look.session_s * 1000 > elapsed_ms + SLACK_MS
        if not goes_on or not self._is_restored(before, now, look, elapsed_ms):
            self._fallen = None
            return False
        earlier_ms = self._fallen.elapsed_ms if self._fallen else 0
        self._fallen = _Fallen(now, earlier_ms + elapsed_ms)
        return True

    def _told_by(
        self, before: CounterReading, fallen: _Fallen, now: CounterReading, look: RouterTotals, elapsed_ms: int
    ) -> tuple[CounterReading, int]:
        """What the line goes on from after it fell, and since when: a line that counts its seconds tells by them."""
        whole_ms = fallen.elapsed_ms + elapsed_ms
        lags = (
            look.counted_s is not None
            and self._counted_s is not None
            and (look.counted_s - self._counted_s) * 1000 < whole_ms - SLACK_MS
        )
        if _goes_on(before.counts, now.counts) and not lags:
            return before, whole_ms
        return fallen.reading, elapsed_ms

    def _row(self, before: CounterReading, now: CounterReading) -> Delta | None:
        if _is_reset(before.counts, now.counts, now.width):
            before = before._replace(counts=Counts(), epoch="new")
        return counters.delta(before, now, ceiling_bps=self._ceiling_bps)

    def _line(self, before: CounterReading, now: CounterReading, look: RouterTotals, elapsed_ms: int) -> Delta | None:
        if not self._is_restored(before, now, look, elapsed_ms):
            return counters.delta(before, now, ceiling_bps=self._ceiling_bps)
        fresh = look.session_s is not None and look.session_s * 1000 <= elapsed_ms + SLACK_MS
        since = look.session if fresh and look.session else Counts()
        zero = before._replace(counts=Counts())
        return counters.delta(zero, now._replace(counts=since), ceiling_bps=self._ceiling_bps)

    def _is_restored(self, before: CounterReading, now: CounterReading, look: RouterTotals, elapsed_ms: int) -> bool:
        """Whether a total that fell goes on from an older copy; it is taken for one where nothing is told."""
        cleared = look.counted_s is not None and look.counted_s * 1000 <= elapsed_ms + SLACK_MS
        return not _goes_on(before.counts, now.counts) and not cleared

    def _may_miss_a_wrap(self, before: CounterReading, now: CounterReading, delta: Delta) -> bool:
        """Whether the packets of a row may have carried a whole turn of its counter more."""
        packets = delta.counts.packets_in
        return now.width < 64 and packets * PACKET_OCTETS_MAX // 2 >= delta.counts.octets + (1 << now.width)

    def _remember(self, changed: Sequence[CounterReading], look: RouterTotals) -> None:
        for reading in changed:
            row = reading.key.mac, reading.key.address
            if row != LINE and row in self._last and self._last[row].counts != reading.counts:
                self._seen.setdefault(row, deque(maxlen=SEEN_KEPT)).append(self._last[row].counts)
        self._last.update(((reading.key.mac, reading.key.address), reading) for reading in changed)
        self._rows = frozenset(look.totals)
        for gone in list(self._forgettable(look)):
            del self._last[gone]
            self._seen.pop(gone, None)

    def _forgettable(self, look: RouterTotals) -> Iterator[RouterKey]:
        """The rows that went longest ago, where there are too many."""
        room = len(self._last) - ROWS_MAX - len(look.totals)
        if room > 0:
            gone = sorted((reading.at_ms, row) for row, reading in self._last.items() if row not in look.totals)
            yield from [row for _, row in gone if row != LINE][:room]


def _goes_on(before: Counts, now: Counts) -> bool:
    return all(a <= b for a, b in zip(before, now, strict=True))


def _is_reset(before: Counts, now: Counts, width: int) -> bool:
    """Whether a row that fell begins anew, by its packets: those of a row that went round fit its octets.

    Without them a long time in which the router was off would have room for any wrap.
    """
    if _goes_on(before, now):
        return False
    packets = (now.packets_in - before.packets_in) % (1 << width)
    octets = (now.octets - before.octets) % (1 << width)
    return packets > PACKETS_MAX or octets > packets * PACKET_OCTETS_MAX


def _booked(row: RouterKey, counts: Counts) -> Counts:
    """Without a row's packets, which are of both directions."""
    return counts if row == LINE else counts._replace(packets_in=0, packets_out=0)
