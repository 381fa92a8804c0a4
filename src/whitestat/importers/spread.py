"""What months and years have more than their days, shared out over the days that nothing is known of; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta

from whitestat.core.model import Counts
from whitestat.core.sums import add_to
from whitestat.importers.history import Span

Days = Mapping[int, Counts]


def spread(
    day_totals: Days,
    spans: Sequence[Span],
    today: int,
    booked: Callable[[int], Counts] = lambda day: Counts(),
    is_ours: Callable[[int], bool] = lambda day: False,
) -> dict[int, Counts]:
    """Return each day's share of spans, beyond the day's own totals.

    `booked` returns the earlier bookings of this source on a day, `is_ours` whether a day was counted here: its
    share is lost. A span never gives more than its surplus over the totals and bookings of its days, so that the
    same spans once more give nothing.
    """
    shares: dict[int, Counts] = {}
    alone = dict(day_totals)  # as if nothing had been booked before: what days of ours lose does not change with a run
    for span in spans:
        days = [day for day in _days(span) if day <= today]
        there = {day: _most(day_totals.get(day), booked(day)).plus(shares.get(day, Counts())) for day in days}
        lost = Counts()
        for day, share in _shared(span.counts, days, alone):
            add_to(alone, day, share)
            lost = lost.plus(share) if is_ours(day) else lost
        open_days = [day for day in days if not is_ours(day)]
        known = {day: counts for day, counts in there.items() if day in day_totals or any(counts)}
        beside = lost.plus(_sum(known[day] for day in known if is_ours(day)))
        for day, share in _shared(_less(span.counts, beside), open_days, known):
            add_to(shares, day, share)
    return {day: share for day, share in shares.items() if any(share)}


def _shared(total: Counts, days: Sequence[int], known: Days) -> Iterator[tuple[int, Counts]]:
    """Yield the surplus of a total over its known days: evenly for unknown days, or else for the last day."""
    rest = _less(total, _sum(known[day] for day in days if day in known))
    places = [day for day in days if day not in known] or list(days[-1:])
    for at, day in enumerate(places):
        yield day, Counts(*((at + 1) * amount // len(places) - at * amount // len(places) for amount in rest))


def _days(span: Span) -> Iterator[int]:
    first, last = (date(day // 10_000, day // 100 % 100, day % 100) for day in (span.first, span.last))
    for at in range((last - first).days + 1):
        day = first + timedelta(days=at)
        yield day.year * 10_000 + day.month * 100 + day.day


def _sum(counts: Iterable[Counts]) -> Counts:
    return Counts(*map(sum, zip(*counts, strict=True))) if (counts := list(counts)) else Counts()


def _less(one: Counts, other: Counts) -> Counts:
    return Counts(*(max(0, a - b) for a, b in zip(one, other, strict=True)))


def _most(one: Counts | None, other: Counts) -> Counts:
    return Counts(*map(max, one, other)) if one else other
