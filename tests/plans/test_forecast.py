"""The forecast against the straight line, over households made with a seed."""

from __future__ import annotations

from datetime import date, timedelta
from math import log, sqrt

from hypothesis import given
from hypothesis import strategies as st

from bench.plans import FIRST, measured
from whitestat.plans.forecast import forecast


def test_the_mean_error_over_a_hundred_households_is_below_that_of_the_straight_line() -> None:
    worth = measured()
    assert worth.ours < 0.6 * worth.line, worth
    assert 0.75 <= worth.held <= 0.85, worth


def test_the_day_an_allowance_runs_out_is_told() -> None:
    past = {FIRST + timedelta(days=each): 1_000 for each in range(10)}
    found = forecast(past, 10_000, date(2026, 1, 11), today_part=0.0, end=date(2026, 2, 1), allowance=15_500)
    assert found is not None
    assert (found.octets, found.runs_out) == (31_000, date(2026, 1, 16))


def test_what_is_used_up_ran_out_today_and_what_lasts_does_not() -> None:
    past = {FIRST: 1_000}
    gone = forecast(past, 2_000, date(2026, 1, 2), today_part=0.5, end=date(2026, 2, 1), allowance=2_000)
    lasts = forecast(past, 2_000, date(2026, 1, 2), today_part=0.5, end=date(2026, 2, 1), allowance=10**9)
    assert gone is not None and gone.runs_out == date(2026, 1, 2)
    assert lasts is not None and lasts.runs_out is None


def test_without_a_whole_day_there_is_no_forecast() -> None:
    assert forecast({}, 5, FIRST, today_part=0.5, end=date(2026, 2, 1)) is None


def test_a_day_weighs_half_as_much_as_one_two_weeks_later() -> None:
    """The level is 2/3 of the later day; the range is by Kish's effective number of days, (1 + 1/2)^2 / (1 + 1/4)."""
    newest = date(2026, 1, 15)
    today = newest + timedelta(days=1)  # a weekday that has not been seen: what is expected of it is the level
    found = forecast(
        {newest - timedelta(days=14): 0, newest: 3_000_000}, 0, today, today_part=0.0, end=today + timedelta(days=1)
    )
    assert found is not None
    assert found.octets == 2_000_000
    weight = 0.5 ** (1 / 14)
    weekday = (weight * 3 + 4 / 7 * 2) / (1.5 * weight + 4 / 7)
    strayed = ((3 / weekday - 1) ** 2 + 1) / 2
    spread = 1.28 * 2 * sqrt(strayed + strayed / 1.8 + 0.01**2 * 14 / log(2))
    assert abs(found.high - (2 + spread) * 1_000_000) <= 1


@given(
    st.dictionaries(st.dates(FIRST, date(2026, 3, 1)), st.integers(0, 10**12), min_size=1),
    st.integers(0, 10**12),
    st.floats(0, 1),
    st.integers(0, 400),
)
def test_a_forecast_is_never_below_what_is_used(past: dict[date, int], used: int, part: float, left: int) -> None:
    today = date(2026, 3, 2)
    found = forecast(past, used, today, today_part=part, end=today + timedelta(days=left))
    assert found is not None
    assert used <= found.low <= found.octets <= found.high
