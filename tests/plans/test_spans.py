"""A plan's days and periods: whole, without gaps, and where the calendar says, in every zone."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.core.calendar import Cycle, instant_text, parse_instant, span
from whitestat.plans.plan import Period
from whitestat.plans.spans import bounds, day_bounds, day_of, days

STOCKHOLM = ZoneInfo("Europe/Stockholm")
zones = st.sampled_from(
    [
        ZoneInfo(name)
        for name in ("Europe/Stockholm", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "UTC")
    ]
)
instants = st.integers(1_700_000_000, 2_000_000_000)
periods = st.one_of(
    st.builds(Period, st.just("month"), day=st.integers(1, 31), hour=st.integers(0, 23)),
    st.builds(Period, st.just("week"), weekday=st.integers(0, 6), hour=st.integers(0, 23)),
    st.builds(Period, st.just("day"), hour=st.integers(0, 23)),
    st.builds(Period, st.just("days"), length=st.integers(1, 400), since=st.just(20241231), hour=st.integers(0, 23)),
)


@given(periods, instants, zones)
def test_periods_follow_each_other_and_are_made_of_whole_days(period: Period, at_s: int, zone: ZoneInfo) -> None:
    start_s, end_s = bounds(period, at_s, zone)
    assert start_s <= at_s < end_s
    assert bounds(period, end_s, zone)[0] == end_s
    assert bounds(period, start_s - 1, zone)[1] == start_s
    day_s, next_s = day_bounds(at_s, zone, period.hour)
    assert start_s <= day_s <= at_s < next_s <= end_s
    assert len(list(days(start_s, end_s, zone, period.hour))) >= 1


@given(st.integers(1, 31), st.integers(0, 23), instants, zones)
def test_a_month_is_the_billing_period_of_questions(day: int, hour: int, at_s: int, zone: ZoneInfo) -> None:
    assert bounds(Period(day=day, hour=hour), at_s, zone) == span("cycle", at_s, zone, Cycle(day, hour))


@pytest.mark.parametrize(
    ("period", "at", "start", "end"),
    [
        (Period(day=31), "2028-02-29", "2028-02-29T00:00:00+01:00", "2028-03-31T00:00:00+02:00"),
        (Period(day=31, hour=6), "2028-02-29", "2028-01-31T06:00:00+01:00", "2028-02-29T06:00:00+01:00"),
        (Period("week", weekday=6, hour=2), "2027-03-28", "2027-03-21T02:00:00+01:00", "2027-03-28T03:00:00+02:00"),
        (
            Period("days", length=30, since=20280201),
            "2028-03-02",
            "2028-03-02T00:00:00+01:00",
            "2028-04-01T00:00:00+02:00",
        ),
        (
            Period("days", length=30, since=20280201),
            "2028-01-31",
            "2028-01-02T00:00:00+01:00",
            "2028-02-01T00:00:00+01:00",
        ),
    ],
)
def test_a_period_begins_where_the_calendar_says(period: Period, at: str, start: str, end: str) -> None:
    found = bounds(period, parse_instant(at, STOCKHOLM), STOCKHOLM)
    assert tuple(instant_text(each, STOCKHOLM) for each in found) == (start, end)


def test_before_its_hour_the_day_before_goes_on() -> None:
    assert day_of(parse_instant("2026-11-27T05:59", STOCKHOLM), STOCKHOLM, 6) == date(2026, 11, 26)
    assert day_of(parse_instant("2026-11-27T06:00", STOCKHOLM), STOCKHOLM, 6) == date(2026, 11, 27)
