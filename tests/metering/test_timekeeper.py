"""The timeline: when a clock is believed, and where what was held belongs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whitestat.core.model import Hold
from whitestat.metering.timekeeper import (
    BUILT_MS,
    FAR_MS,
    JUMP_MS,
    LATEST_MS,
    MINUTE_MS,
    SETTLED_MS,
    SLACK_MS,
    STEADY_MS,
    ClockState,
    Timekeeper,
)

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOW_MS = BUILT_MS + 30 * DAY_MS
NEWEST_MS = NOW_MS - HOUR_MS
START_MS = 5_000_000
"""The monotonic clock when the service starts: it counts from the boot."""


YEAR_MS = 365 * DAY_MS


def started(wall_ms: int = NOW_MS, newest_ms: int = NEWEST_MS, *, hold: Hold | None = None) -> Timekeeper:
    return Timekeeper(newest_ms, wall_ms, START_MS, boot="this", hold=hold)


def test_a_sound_clock_is_believed_at_once_and_nothing_is_told() -> None:
    timeline = started()
    assert timeline.state is ClockState.SET
    assert timeline.at(START_MS + 5) == NOW_MS + 5
    assert timeline.notice(START_MS) == ""


def test_a_first_start_ever_believes_any_clock_past_the_build_date() -> None:
    assert started(newest_ms=0).state is ClockState.SET


def test_a_first_start_under_a_clock_ahead_dates_only_what_came_before_it_was_set_and_says_so() -> None:
    timeline = started(wall_ms=NOW_MS + YEAR_MS, newest_ms=0)
    assert not timeline.held
    timeline.look(NOW_MS + 60_000, START_MS + 60_000)  # set back, which nothing confirms yet
    assert timeline.held
    timeline.look(NOW_MS + 61_000, START_MS + 61_000, synchronised=True)
    assert timeline.at(START_MS + 61_000) == NOW_MS + 61_000
    assert "was ahead before" in timeline.notice(START_MS + 61_000)


def test_a_clock_in_1970_holds_usage_and_says_so() -> None:
    timeline = started(wall_ms=60_000)
    assert timeline.held
    assert timeline.notice(START_MS) == "the clock says 1970-01-01 00:01 UTC; usage is held until it is set"


def test_a_clock_that_is_set_places_what_was_held_at_now_less_its_age() -> None:
    timeline = started(wall_ms=60_000)
    counted_ms = timeline.at(START_MS + 30_000)
    later = START_MS + 10 * MINUTE_MS
    correction = timeline.look(NOW_MS, later)
    assert correction
    age_ms = later - (START_MS + 30_000)
    assert 0 <= (NOW_MS - age_ms) - correction.of(counted_ms) < MINUTE_MS
    assert timeline.state is ClockState.SET


def test_a_clock_before_what_is_booked_holds_usage_and_says_so() -> None:
    timeline = started(wall_ms=NEWEST_MS - DAY_MS)
    assert timeline.held
    assert "usage is booked up to" in timeline.notice(START_MS)
    assert timeline.look(NEWEST_MS + DAY_MS, START_MS + 1000)
    assert not timeline.held


def test_a_clock_a_little_behind_what_is_booked_is_believed() -> None:
    assert not started(wall_ms=NEWEST_MS - SLACK_MS).held
    assert started(wall_ms=NEWEST_MS - SLACK_MS - 1).held


def test_a_clock_that_says_1970_is_never_believed_however_long_it_says_so() -> None:
    timeline = started(wall_ms=0)
    for hour in range(100):
        assert timeline.look(hour * HOUR_MS, START_MS + hour * HOUR_MS, synchronised=True) is None
        assert timeline.held
    assert timeline.look(NOW_MS, START_MS + 100 * HOUR_MS)


def test_a_clock_that_the_system_calls_synchronised_is_believed_at_once_whatever_is_booked() -> None:
    timeline = started(newest_ms=NOW_MS + YEAR_MS)
    assert timeline.held
    correction = timeline.look(NOW_MS + 1000, START_MS + 1000, synchronised=True)
    assert correction
    assert correction.by_ms == -YEAR_MS
    assert "stays there" in timeline.notice(START_MS + 1000)


def test_a_clock_long_after_what_is_booked_is_looked_at_for_some_minutes() -> None:
    timeline = started(wall_ms=NEWEST_MS + FAR_MS)
    assert timeline.held
    assert "usage was last booked" in timeline.notice(START_MS)
    timeline.look(NEWEST_MS + FAR_MS + STEADY_MS - 1, START_MS + STEADY_MS - 1)
    assert timeline.held
    assert timeline.look(NEWEST_MS + FAR_MS + STEADY_MS, START_MS + STEADY_MS)
    assert not timeline.held
    assert not started(wall_ms=NEWEST_MS + FAR_MS - 1).held


def test_a_clock_a_year_ahead_that_is_set_in_time_never_dated_anything() -> None:
    timeline = started(wall_ms=NOW_MS + YEAR_MS)
    counted_ms = timeline.at(START_MS + 1000)
    correction = timeline.look(NOW_MS + 5000, START_MS + 5000)
    assert correction
    assert 0 <= NOW_MS + 1000 - correction.of(counted_ms) < MINUTE_MS


def test_a_hold_goes_on_after_a_restart_with_its_age() -> None:
    """However often a supervisor restarts it: minutes of a steady clock are counted over all starts."""
    newest_ms, hold = NOW_MS + YEAR_MS, None
    for start in range(6):
        ticks_ms = START_MS + start * 2 * MINUTE_MS
        timeline = Timekeeper(newest_ms, NOW_MS + ticks_ms - START_MS, ticks_ms, boot="this", hold=hold)
        assert timeline.held is (start < 5)
        hold, newest_ms = timeline.hold, timeline.at(ticks_ms)
    assert timeline.at(ticks_ms) == NOW_MS + STEADY_MS


def test_a_hold_of_another_boot_begins_anew() -> None:
    before = started(newest_ms=NOW_MS + YEAR_MS).hold
    timeline = Timekeeper(NOW_MS + YEAR_MS, NOW_MS, STEADY_MS, boot="another", hold=before)
    assert timeline.held
    assert timeline.hold.since_ms == STEADY_MS


def test_a_clock_that_is_changed_again_is_looked_at_again() -> None:
    timeline = started(newest_ms=NOW_MS + YEAR_MS)
    timeline.look(NOW_MS + STEADY_MS - 1 + HOUR_MS, START_MS + STEADY_MS - 1)
    timeline.look(NOW_MS + STEADY_MS + HOUR_MS, START_MS + STEADY_MS)
    assert timeline.held


def test_a_jump_forward_that_comes_back_leads_back_to_the_true_time_at_once() -> None:
    timeline = started()
    assert timeline.look(NOW_MS + DAY_MS, START_MS) is None
    assert timeline.at(START_MS) == NOW_MS + DAY_MS
    assert "the clock went forward by 24 hours" in timeline.notice(START_MS)
    assert timeline.look(NOW_MS + 5 * MINUTE_MS, START_MS + 5 * MINUTE_MS) is None
    assert timeline.state is ClockState.SET
    assert timeline.at(START_MS + 5 * MINUTE_MS) == NOW_MS + 5 * MINUTE_MS
    assert "ahead before: usage is booked up to" in timeline.notice(START_MS + 5 * MINUTE_MS)
    assert timeline.notice(START_MS + 2 * DAY_MS) == ""


def test_a_jump_back_is_held_and_comes_to_nothing_when_the_clock_comes_back() -> None:
    timeline = started()
    timeline.look(NOW_MS - DAY_MS, START_MS)
    assert timeline.held
    assert timeline.look(NOW_MS + MINUTE_MS, START_MS + MINUTE_MS) is None  # what was held lies right
    assert timeline.state is ClockState.SET


def test_a_clock_that_insists_on_an_earlier_time_is_believed_in_the_end() -> None:
    timeline = started()
    for minute in range(STEADY_MS // MINUTE_MS):
        timeline.look(NOW_MS - DAY_MS + minute * MINUTE_MS, START_MS + minute * MINUTE_MS)
        assert timeline.held
    correction = timeline.look(NOW_MS - DAY_MS + STEADY_MS, START_MS + STEADY_MS)
    assert correction
    assert correction.by_ms == -DAY_MS
    assert correction.of(NOW_MS - 1) == NOW_MS - 1  # what lies before the jump stays
    assert correction.of(NOW_MS) == NOW_MS - DAY_MS
    assert "stays there" in timeline.notice(START_MS + STEADY_MS)


def test_a_jump_is_told_by_its_nearest_length() -> None:
    timeline = started()
    timeline.look(NOW_MS + DAY_MS - 1, START_MS)
    assert "the clock went forward by 24 hours" in timeline.notice(START_MS)


def test_a_sleeping_machine_goes_on_where_it_wakes() -> None:
    timeline = started()
    timeline.look(NOW_MS + 8 * HOUR_MS, START_MS + 1000)
    assert timeline.at(START_MS + 1000) == NOW_MS + 8 * HOUR_MS
    assert "this machine slept" in timeline.notice(START_MS + 1000)
    assert timeline.notice(START_MS + 2 * HOUR_MS) == ""


def test_a_drifting_clock_is_followed_and_not_told() -> None:
    timeline = started()
    for second in range(1, 3600):
        timeline.look(NOW_MS + second * 1001, START_MS + second * 1000)
    assert timeline.state is ClockState.SET
    assert timeline.at(START_MS + 3_599_000) == NOW_MS + 3599 * 1001
    assert timeline.notice(START_MS + 3_599_000) == ""


walls = st.one_of(
    st.integers(-(2**62), 2**62),
    st.integers(0, 10 * MINUTE_MS),
    st.integers(NOW_MS - 2 * DAY_MS, NOW_MS + 2 * DAY_MS),
    st.integers(NOW_MS - SLACK_MS - 5, NOW_MS + JUMP_MS + 5),
)


@given(walls, st.lists(st.tuples(st.integers(0, SETTLED_MS), walls, st.booleans()), max_size=30))
def test_whatever_the_clock_does_nothing_is_dated_by_one_that_cannot_be_right(
    wall_ms: int, looks: list[tuple[int, int, bool]]
) -> None:
    """A correction moves whole minutes, never past the clock that made it; a restart goes on as if there were none."""
    timeline, ticks_ms = started(wall_ms), START_MS
    for elapsed_ms, seen_ms, restarts in looks:
        ticks_ms += elapsed_ms
        if restarts and timeline.held:
            timeline = Timekeeper(timeline.at(ticks_ms), seen_ms, ticks_ms, boot="this", hold=timeline.hold)
        counted_ms = timeline.at(ticks_ms)
        correction = timeline.look(seen_ms, ticks_ms)
        if correction:
            assert correction.by_ms % MINUTE_MS == 0
            assert 0 <= seen_ms - correction.of(counted_ms) < MINUTE_MS
        assert timeline.at(ticks_ms) >= BUILT_MS
        if not timeline.held:
            assert BUILT_MS <= seen_ms < LATEST_MS
            assert timeline.at(ticks_ms) == seen_ms
        timeline.notice(ticks_ms)


@given(st.integers(NOW_MS - 2 * YEAR_MS, NOW_MS + 2 * YEAR_MS), st.integers(1, 20))
def test_a_steady_clock_is_believed_after_some_minutes(wall_ms: int, looks: int) -> None:
    timeline = started(wall_ms)
    for look in range(1, looks + 1):
        ticks_ms = STEADY_MS * look // looks
        timeline.look(wall_ms + ticks_ms, START_MS + ticks_ms)
    assert timeline.held is (wall_ms + STEADY_MS < BUILT_MS)


@given(st.integers(NEWEST_MS, NOW_MS), st.lists(st.integers(0, HOUR_MS), max_size=20))
def test_a_sound_clock_is_never_held(wall_ms: int, spans: list[int]) -> None:
    timeline, ticks_ms = Timekeeper(NEWEST_MS, wall_ms, START_MS), START_MS
    for elapsed_ms in spans:
        wall_ms, ticks_ms = wall_ms + elapsed_ms, ticks_ms + elapsed_ms
        assert timeline.look(wall_ms, ticks_ms) is None
        assert (timeline.state, timeline.at(ticks_ms), timeline.notice(ticks_ms)) == (ClockState.SET, wall_ms, "")
