"""Local hours, days and months on ordinary days and on those clocks are moved, and shares of counts."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from whitestat.core.calendar import (
    MOST_PIECES,
    SPAN_WORDS,
    Cycle,
    day_bounds,
    day_of,
    hour_start,
    instant_text,
    minute_start,
    parse_instant,
    span,
    split,
    step_text,
    steps,
)
from whitestat.core.model import Counts

STOCKHOLM = ZoneInfo("Europe/Stockholm")
KATHMANDU = ZoneInfo("Asia/Kathmandu")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
APIA = ZoneInfo("Pacific/Apia")
ST_JOHNS = ZoneInfo("America/St_Johns")
TORONTO = ZoneInfo("America/Toronto")

HOUR, DAY = 3_600, 86_400

zones = st.sampled_from([UTC, STOCKHOLM, KATHMANDU, LORD_HOWE, SAO_PAULO, APIA, ST_JOHNS, TORONTO])
instants = st.integers(min_value=0, max_value=2_200_000_000)


def at(text: str) -> int:
    """The instant of an ISO date-time with an offset."""
    return int(datetime.fromisoformat(text).timestamp())


@st.composite
def near_a_shift(draw: st.DrawFn) -> tuple[int, tzinfo]:
    """An instant within some hours of midnight of a day on which the clocks of a zone are moved."""
    zone, moved = draw(
        st.sampled_from(
            [
                (STOCKHOLM, "2026-03-29T00:00+01:00"),
                (STOCKHOLM, "2026-10-25T00:00+02:00"),
                (LORD_HOWE, "2026-04-05T00:00+11:00"),
                (LORD_HOWE, "2026-10-04T00:00+10:30"),
                (SAO_PAULO, "2017-10-15T01:00-02:00"),
                (SAO_PAULO, "2018-02-18T00:00-03:00"),
                (APIA, "2011-12-31T00:00+14:00"),
                (ST_JOHNS, "2010-11-07T00:00-02:30"),
                (TORONTO, "1919-03-31T00:30-04:00"),
                (KATHMANDU, "1986-01-01T00:15+05:45"),
            ]
        )
    )
    return at(moved) + draw(st.integers(min_value=-8 * HOUR, max_value=28 * HOUR)), zone


moments = st.one_of(st.tuples(instants, zones), near_a_shift())


@given(instants)
def test_a_minute_starts_on_the_minute_at_or_before_the_instant(at_s: int) -> None:
    assert minute_start(at_s) % 60 == 0 <= at_s - minute_start(at_s) < 60


@given(moments)
def test_an_hour_holds_its_instant_and_no_change_of_offset(moment: tuple[int, tzinfo]) -> None:
    at_s, zone = moment
    start_s = hour_start(at_s, zone)
    assert 0 <= at_s - start_s < HOUR
    assert hour_start(start_s, zone) == start_s
    local, start = datetime.fromtimestamp(at_s, zone), datetime.fromtimestamp(start_s, zone)
    assert (local.date(), local.hour, local.utcoffset()) == (start.date(), start.hour, start.utcoffset())


@given(moments)
def test_hours_follow_each_other_without_gap_or_overlap(moment: tuple[int, tzinfo]) -> None:
    at_s, zone = moment
    hours = list(steps(at_s, at_s + 12 * HOUR, "hour", zone))
    assert hours[0] == hour_start(at_s, zone)
    for hour_s, next_s in pairwise(hours):
        assert 0 < next_s - hour_s <= HOUR
        assert hour_start(next_s - 1, zone) == hour_s
        assert hour_start(next_s, zone) == next_s


@given(moments)
def test_a_day_holds_its_instant_and_its_neighbours_touch_it(moment: tuple[int, tzinfo]) -> None:
    at_s, zone = moment
    start_s, end_s = day_bounds(day_of(at_s, zone), zone)
    assert start_s <= at_s < end_s
    assert day_of(start_s, zone) == day_of(end_s - 1, zone) == day_of(at_s, zone)
    assert day_bounds(day_of(end_s, zone), zone)[0] == end_s
    assert day_bounds(day_of(start_s - 1, zone), zone)[1] == start_s


@given(moments)
def test_a_day_is_made_of_whole_hours(moment: tuple[int, tzinfo]) -> None:
    at_s, zone = moment
    start_s, _ = day_bounds(day_of(at_s, zone), zone)
    assert hour_start(start_s, zone) == start_s


@given(moments)
def test_a_day_is_the_local_date_except_where_clocks_moved_back_over_midnight(
    moment: tuple[int, tzinfo],
) -> None:
    at_s, zone = moment
    local = datetime.fromtimestamp(at_s, zone).date()
    following = local + timedelta(days=1)
    usual = local.year * 10_000 + local.month * 100 + local.day
    if day_of(at_s, zone) != usual:
        assert zone is ST_JOHNS
        assert day_of(at_s, zone) == following.year * 10_000 + following.month * 100 + following.day


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        (STOCKHOLM, 20261123, "2026-11-23T00:00+01:00", 24),
        (STOCKHOLM, 20260329, "2026-03-29T00:00+01:00", 23),
        (STOCKHOLM, 20261025, "2026-10-25T00:00+02:00", 25),
        (LORD_HOWE, 20260405, "2026-04-05T00:00+11:00", 24.5),
        (LORD_HOWE, 20261004, "2026-10-04T00:00+10:30", 23.5),
        (KATHMANDU, 20261123, "2026-11-23T00:00+05:45", 24),
        (SAO_PAULO, 20171015, "2017-10-15T01:00-02:00", 23),
        (SAO_PAULO, 20180217, "2018-02-17T00:00-02:00", 25),
        (APIA, 20111229, "2011-12-29T00:00-10:00", 24),
        (APIA, 20111230, "2011-12-31T00:00+14:00", 0),
        (APIA, 20111231, "2011-12-31T00:00+14:00", 24),
        (ST_JOHNS, 20101107, "2010-11-07T00:00-02:30", 25),
        (TORONTO, 19190331, "1919-03-31T00:30-04:00", 23.5),
    ],
)
def test_a_day_is_as_long_as_its_zone_made_it(zone: tzinfo, day: int, start: str, hours: float) -> None:
    start_s, end_s = day_bounds(day, zone)
    assert (start_s, end_s - start_s) == (at(start), hours * HOUR)


@pytest.mark.parametrize("day", [20260230, 20261301, 0, 20260000])
def test_a_date_of_no_calendar_is_refused(day: int) -> None:
    with pytest.raises(ValueError):
        day_bounds(day, UTC)


def test_the_hour_repeated_in_autumn_is_two_hours() -> None:
    first, second = at("2026-10-25T02:30+02:00"), at("2026-10-25T02:30+01:00")
    assert hour_start(first, STOCKHOLM) == at("2026-10-25T02:00+02:00")
    assert hour_start(second, STOCKHOLM) == at("2026-10-25T02:00+01:00")


def test_hours_of_kathmandu_start_a_quarter_past_the_utc_hour() -> None:
    assert hour_start(at("2026-11-23T10:20+00:00"), KATHMANDU) == at("2026-11-23T10:15+00:00")


def test_the_half_hour_repeated_on_lord_howe_is_a_bucket_of_its_own() -> None:
    hours = steps(at("2026-04-05T01:00+11:00"), at("2026-04-05T03:00+10:30"), "hour", LORD_HOWE)
    assert [instant_text(hour, LORD_HOWE) for hour in hours] == [
        "2026-04-05T01:00:00+11:00",
        "2026-04-05T01:30:00+10:30",
        "2026-04-05T02:00:00+10:30",
    ]


counts = st.builds(Counts, *[st.integers(min_value=0, max_value=2**64)] * 5)
lengths_ms = st.one_of(
    st.integers(min_value=0, max_value=200_000),
    st.integers(min_value=0, max_value=3 * HOUR * 1_000),
    st.sampled_from(
        [7 * DAY * 1_000, 7 * DAY * 1_000 + 1, 420 * DAY * 1_000, 421 * DAY * 1_000, 57 * 365 * DAY * 1_000]
    ),
)


@given(counts, st.integers(min_value=0, max_value=2_000_000_000_000), lengths_ms, st.sampled_from([1, 60]))
@example(Counts(1), 0, 57 * 365 * DAY * 1_000, 60)
def test_shares_of_an_interval_add_up_to_the_octet(whole: Counts, start_ms: int, length_ms: int, finest_s: int) -> None:
    shares = split(whole, start_ms, start_ms + length_ms, finest_s)
    total = Counts()
    for _, share in shares:
        assert min(share) >= 0
        assert any(share)
        total = total.plus(share)
    assert total == whole
    assert len(shares) <= MOST_PIECES + 1
    starts = [at_s for at_s, _ in shares]
    assert starts == sorted(set(starts))
    first_s, last_s = start_ms // 1_000, max(start_ms, start_ms + length_ms - 1) // 1_000
    assert all(at_s % finest_s == 0 and first_s - first_s % finest_s <= at_s <= last_s for at_s in starts)


@given(st.integers(min_value=0, max_value=10**12), st.integers(min_value=1, max_value=90), st.integers(1, 2**40))
def test_a_share_is_in_proportion_to_time_within_one_octet(start_ms: int, minutes: int, octets: int) -> None:
    end_ms = start_ms + minutes * 60_000 + 1
    for minute_s, share in split(Counts(octets), start_ms, end_ms):
        overlap_ms = min(end_ms, minute_s * 1_000 + 60_000) - max(start_ms, minute_s * 1_000)
        assert abs(share.octets_in * (end_ms - start_ms) - octets * overlap_ms) < end_ms - start_ms


def test_an_interval_over_two_minutes_is_shared_by_time() -> None:
    assert split(Counts(100, 10), 45_000, 105_000) == [(0, Counts(25, 2)), (60, Counts(75, 8))]


def test_the_minute_at_the_end_of_an_interval_gets_nothing() -> None:
    assert split(Counts(7), 0, 60_000) == [(0, Counts(7))]


@pytest.mark.parametrize("start_ms", [60_000, 60_001, 10**12])
def test_an_interval_without_length_goes_to_the_minute_of_its_end(start_ms: int) -> None:
    assert split(Counts(7), start_ms, 60_000) == [(60, Counts(7))]


def test_an_interval_of_over_a_week_is_booked_to_hours_at_their_first_minute_in_it() -> None:
    shares = split(Counts(10**9), 1_000 * (10 * HOUR + 120), 1_000 * (10 * HOUR + 8 * DAY))
    assert [minute for minute, _ in shares][:3] == [10 * HOUR + 120, 11 * HOUR, 12 * HOUR]


def test_nothing_is_booked_where_nothing_flowed() -> None:
    assert split(Counts(), 0, 10**9) == []


@pytest.mark.parametrize(
    ("word", "start", "end"),
    [
        ("today", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        ("yesterday", "2026-10-24T00:00+02:00", "2026-10-25T00:00+02:00"),
        ("week", "2026-10-19T00:00+02:00", "2026-10-26T00:00+01:00"),
        ("last-week", "2026-10-12T00:00+02:00", "2026-10-19T00:00+02:00"),
        ("month", "2026-10-01T00:00+02:00", "2026-11-01T00:00+01:00"),
        ("last-month", "2026-09-01T00:00+02:00", "2026-10-01T00:00+02:00"),
        ("last-cycle", "2026-09-01T00:00+02:00", "2026-10-01T00:00+02:00"),
        ("year", "2026-01-01T00:00+01:00", "2027-01-01T00:00+01:00"),
        ("last-year", "2025-01-01T00:00+01:00", "2026-01-01T00:00+01:00"),
        ("cycle", "2026-10-01T00:00+02:00", "2026-11-01T00:00+01:00"),
    ],
)
def test_a_word_names_a_local_span(word: str, start: str, end: str) -> None:
    assert span(word, at("2026-10-25T12:00+01:00"), STOCKHOLM) == (at(start), at(end))


cycles = st.builds(Cycle, st.integers(1, 31), st.integers(0, 23))


@given(moments, st.sampled_from(SPAN_WORDS), cycles)
def test_every_span_holds_now_or_ends_where_the_one_that_does_begins(
    moment: tuple[int, tzinfo], word: str, cycle: Cycle
) -> None:
    now_s, zone = moment
    start_s, end_s = span(word, now_s, zone, cycle)
    if word != "yesterday" and not word.startswith("last-"):
        assert start_s <= now_s < end_s
    else:
        present = "today" if word == "yesterday" else word.removeprefix("last-")
        assert start_s < end_s == span(present, now_s, zone, cycle)[0]


@given(moments)
def test_a_week_is_seven_dates_from_monday(moment: tuple[int, tzinfo]) -> None:
    now_s, zone = moment
    start_s, end_s = span("week", now_s, zone)
    monday = _date_of(start_s, zone)
    assert monday.isoweekday() == 1 or zone is APIA  # no Friday there in the week that began at its 30th
    assert _date_of(end_s, zone) - monday == timedelta(days=7)
    assert _date_of(now_s, zone).isocalendar()[:2] == monday.isocalendar()[:2]


def _date_of(at_s: int, zone: tzinfo) -> date:
    day = day_of(at_s, zone)
    return date(day // 10_000, day // 100 % 100, day % 100)


@given(moments)
def test_a_cycle_from_the_first_at_midnight_is_the_month(moment: tuple[int, tzinfo]) -> None:
    now_s, zone = moment
    assert span("cycle", now_s, zone, Cycle(1, 0)) == span("cycle", now_s, zone) == span("month", now_s, zone)


@given(moments, cycles)
def test_a_cycle_begins_when_the_wall_clock_says_so(moment: tuple[int, tzinfo], cycle: Cycle) -> None:
    now_s, zone = moment
    for start_s in span("cycle", now_s, zone, cycle):
        shown, shown_before = (
            datetime.fromtimestamp(each, zone).replace(tzinfo=None) for each in (start_s, start_s - 1)
        )
        last = (shown.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        told = shown.replace(day=min(cycle.day, last.day), hour=cycle.hour, minute=0, second=0)
        assert shown_before < told <= shown
        assert hour_start(start_s, zone) == start_s


@given(moments, cycles)
def test_cycles_follow_each_other_one_a_month(moment: tuple[int, tzinfo], cycle: Cycle) -> None:
    now_s, zone = moment
    starts = list(steps(now_s, now_s + 400 * DAY, "cycle", zone, cycle))
    assert starts[0] <= now_s < starts[1]
    months = [datetime.fromtimestamp(each, zone).month for each in starts]
    assert all((after - before) % 12 == 1 for before, after in pairwise(months)) or zone is APIA
    assert all(span("cycle", each - 1, zone, cycle)[1] == each for each in starts)


@pytest.mark.parametrize(
    ("cycle", "now", "start", "end"),
    [
        (Cycle(15), "2026-11-14T23:59+01:00", "2026-10-15T00:00+02:00", "2026-11-15T00:00+01:00"),
        (Cycle(15), "2026-11-15T00:00+01:00", "2026-11-15T00:00+01:00", "2026-12-15T00:00+01:00"),
        (Cycle(31), "2026-02-28T12:00+01:00", "2026-02-28T00:00+01:00", "2026-03-31T00:00+02:00"),
        (Cycle(30), "2028-03-01T00:00+01:00", "2028-02-29T00:00+01:00", "2028-03-30T00:00+02:00"),
        (Cycle(1, 6), "2027-01-01T05:59+01:00", "2026-12-01T06:00+01:00", "2027-01-01T06:00+01:00"),
        (Cycle(29, 2), "2026-03-29T12:00+02:00", "2026-03-29T03:00+02:00", "2026-04-29T02:00+02:00"),
        (Cycle(25, 2), "2026-10-25T02:00+02:00", "2026-10-25T02:00+02:00", "2026-11-25T02:00+01:00"),
    ],
)
def test_a_billing_period_starts_on_its_day_and_hour(cycle: Cycle, now: str, start: str, end: str) -> None:
    assert span("cycle", at(now), STOCKHOLM, cycle) == (at(start), at(end))


def test_a_billing_period_that_begins_in_what_apia_left_out_begins_after_it() -> None:
    assert span("cycle", at("2012-01-05T00:00+14:00"), APIA, Cycle(30, 12))[0] == at("2011-12-31T00:00+14:00")


def test_yesterday_is_the_day_before_the_one_apia_left_out() -> None:
    assert span("yesterday", at("2011-12-31T12:00+14:00"), APIA) == day_bounds(20111229, APIA)


def test_a_word_that_is_no_span_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"today, yesterday, week, .*, last-year, got 'fortnight'"):
        span("fortnight", 0, UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-21", "2026-11-21T00:00+01:00"),
        ("2026-11-21T08:15", "2026-11-21T08:15+01:00"),
        ("2026-11-21 08:15:30", "2026-11-21T08:15:30+01:00"),
        ("2026-11-21T08:15:30.000Z", "2026-11-21T08:15:30+00:00"),
        ("2026-11-21T08:15-05:00", "2026-11-21T08:15-05:00"),
        ("2026-11-21T00:00:00 01:00", "2026-11-21T00:00+01:00"),
        ("2026-10-25T02:30", "2026-10-25T02:30+02:00"),
        ("2026-03-29T02:30", "2026-03-29T03:30+02:00"),
    ],
)
def test_dates_and_date_times_are_read_in_the_zone(text: str, instant: str) -> None:
    assert parse_instant(text, STOCKHOLM) == at(instant)


def test_a_date_starts_where_its_day_does() -> None:
    assert parse_instant("2017-10-15", SAO_PAULO) == day_bounds(20171015, SAO_PAULO)[0]


@given(moments)
def test_an_instant_is_read_back_from_its_text(moment: tuple[int, tzinfo]) -> None:
    at_s, zone = moment
    assume(at_s >= DAY)
    assert parse_instant(instant_text(at_s, zone), zone) == at_s


@given(moments)
@example((63_593_069, ZoneInfo("Africa/Monrovia")))
@example((63_593_070, ZoneInfo("Africa/Monrovia")))
def test_the_text_of_a_step_is_that_of_its_instant(moment: tuple[int, tzinfo]) -> None:
    assert step_text(*moment) == instant_text(*moment)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026",
        "2026-02-30",
        "2026-13-01",
        "20261121",
        "2026-W47",
        "2026-11-21T25:00",
        "2026-11-21T08:15:30.5",
        "2026-11-21T08:15+25:00",
        "2026-11-21Z",
        "1969-12-31",
        "9999-12-31",
        "0001-01-01",
        "1790000000",
        "2026-11-21\n",
        "2026-11-21; drop table usage_day",
        "٢٠٢٦-11-21",
    ],
)
def test_what_is_no_instant_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_instant(text, STOCKHOLM)
    assert "2026-11-21T08:00+01:00" in str(caught.value)
    assert repr(text) in str(caught.value)


@given(st.text())
def test_any_other_text_is_either_an_instant_or_a_value_error(text: str) -> None:
    try:
        parse_instant(text, APIA)
    except ValueError as error:
        assert "expected a date" in str(error)


@given(moments, st.sampled_from(["minute", "hour", "day", "week", "month", "cycle", "year"]), st.integers(0, 3 * HOUR))
def test_steps_cover_the_span_in_order(moment: tuple[int, tzinfo], step: str, length_s: int) -> None:
    start_s, zone = moment
    starts = list(steps(start_s, start_s + length_s, step, zone))
    assert starts == sorted(set(starts))
    assert bool(starts) == bool(length_s)
    if starts:
        assert starts[0] <= start_s
        assert all(start_s < later < start_s + length_s for later in starts[1:])


def test_steps_of_days_pass_over_the_day_apia_left_out() -> None:
    days = steps(at("2011-12-29T12:00-10:00"), at("2012-01-01T12:00+14:00"), "day", APIA)
    assert [instant_text(day, APIA)[:10] for day in days] == ["2011-12-29", "2011-12-31", "2012-01-01"]


def test_steps_of_months_start_on_the_first_local_day() -> None:
    months = steps(at("2026-02-10T00:00+01:00"), at("2027-02-01T00:00+01:00"), "month", STOCKHOLM)
    assert [datetime.fromtimestamp(m, STOCKHOLM).date() for m in months] == [
        *(date(2026, month, 1) for month in range(2, 13)),
        date(2027, 1, 1),
    ]


def test_a_step_that_is_no_bucket_is_refused_before_the_first_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"second, minute, hour, day, week, month, cycle, year, got 'fortnight'"):
        steps(0, 1, "fortnight", UTC)


def test_a_day_that_a_zone_passed_over_cannot_be_asked_for() -> None:
    apia = ZoneInfo("Pacific/Apia")
    with pytest.raises(ValueError, match="there was no 2011-12-30 in Pacific/Apia: the clocks there passed over it"):
        parse_instant("2011-12-30", apia)
    assert parse_instant("2011-12-29", apia) + 86_400 == parse_instant("2011-12-31", apia)
