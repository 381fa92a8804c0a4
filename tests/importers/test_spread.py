"""What spans give to days: never more than they have, and once."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from whitestat.core.model import Counts
from whitestat.importers.history import Span
from whitestat.importers.spread import spread

MONTH = [int(f"{date(2026, 10, 1) + timedelta(days=at):%Y%m%d}") for at in range(31)]
counts = st.tuples(st.integers(0, 10**6), st.integers(0, 100)).map(lambda each: Counts(*each))
days = st.dictionaries(st.sampled_from(MONTH), counts, max_size=31)


def total(of: dict[int, Counts]) -> Counts:
    return Counts(*map(sum, zip(Counts(), *of.values(), strict=True)))


def after(told: dict[int, Counts], span: Span, ours: set[int], booked: dict[int, Counts]) -> dict[int, Counts]:
    """What is booked to this source once these days and this span were imported over what was booked before."""
    shares = spread(told, [span], MONTH[-1], lambda day: booked.get(day, Counts()), ours.__contains__)
    result = dict(booked)
    for day in {*told, *shares} - ours:
        most = Counts(*map(max, told.get(day, Counts()), booked.get(day, Counts())))
        result[day] = most.plus(shares.get(day, Counts()))
    return result


@given(days, counts, st.sets(st.sampled_from(MONTH)), st.integers(0, 31))
def test_a_span_gives_no_more_than_it_has_and_only_once(
    told: dict[int, Counts], more: Counts, ours: set[int], forgotten: int
) -> None:
    span = Span(MONTH[0], MONTH[-1], total(told).plus(more))
    booked = after(told, span, ours, {})
    assert after(told, span, ours, booked) == booked
    assert all(a <= b for a, b in zip(total(booked), span.counts, strict=True))
    if not ours:
        assert total(booked) == span.counts
    remembered = {day: told[day] for day in list(told)[forgotten:]}
    again = after(remembered, span, ours, booked)
    assert all(a <= b for a, b in zip(total(again), span.counts, strict=True))
    if not ours:
        assert again == booked


def test_days_after_today_get_nothing() -> None:
    shares = spread({}, [Span(MONTH[0], MONTH[-1], Counts(30))], MONTH[9])
    assert set(shares) == set(MONTH[:10]) and total(shares) == Counts(30)
