"""The timeline: when a clock is believed, and where what was held belongs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whitestat.timeline import BUILT_MS, HOLD_MS, JUMP_MS, MINUTE_MS, SLACK_MS, State, Timeline

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOW_MS = BUILT_MS + 30 * DAY_MS
NEWEST_MS = NOW_MS - HOUR_MS
START_MS = 5_000_000
"""The monotonic clock when the service starts: it counts from the boot."""


def started(wall_ms: int = NOW_MS, newest_ms: int = NEWEST_MS) -> Timeline:
    return Timeline(newest_ms, wall_ms, START_MS)


def test_a_sound_clock_is_believed_at_once_and_nothing_is_told() -> None:
    timeline = started()
    assert timeline.state is State.SET
    assert timeline.at(START_MS + 5) == NOW_MS + 5
    assert timeline.notice(START_MS) == ""


def test_a_first_start_ever_believes_any_clock_past_the_build_date() -> None:
    assert started(newest_ms=0).state is State.SET


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
    assert timeline.state is State.SET


def test_a_clock_before_what_is_booked_holds_usage_and_says_so() -> None:
    timeline = started(wall_ms=NEWEST_MS - DAY_MS)
    assert timeline.held
    assert "usage is booked up to" in timeline.notice(START_MS)
    assert timeline.look(NEWEST_MS + DAY_MS, START_MS + 1000)
    assert not timeline.held


def test_a_clock_a_little_behind_what_is_booked_is_believed() -> None:
    assert not started(wall_ms=NEWEST_MS - SLACK_MS).held
    assert started(wall_ms=NEWEST_MS - SLACK_MS - 1).held


def test_usage_is_held_half_an_hour_at_most_and_then_goes_on_from_the_last_instant_known() -> None:
    timeline = started(wall_ms=0)
    assert timeline.look(HOLD_MS - 1, START_MS + HOLD_MS - 1) is None
    assert timeline.held
    assert timeline.look(HOLD_MS, START_MS + HOLD_MS) is None
    assert str(timeline.state) == "guessed"
    assert timeline.at(START_MS + HOLD_MS) == NEWEST_MS + HOLD_MS
    assert "until it is set, usage is booked to the time that went on" in timeline.notice(START_MS + HOLD_MS)
    assert timeline.look(NOW_MS, START_MS + HOLD_MS + 1000) is None  # what was booked by guess stays
    assert str(timeline.state) == "set"


def test_a_jump_forward_that_comes_back_leads_back_to_the_true_time_at_once() -> None:
    timeline = started()
    assert timeline.look(NOW_MS + DAY_MS, START_MS) is None
    assert timeline.at(START_MS) == NOW_MS + DAY_MS
    assert "the clock went forward by 24 hours" in timeline.notice(START_MS)
    assert timeline.look(NOW_MS + 5 * MINUTE_MS, START_MS + 5 * MINUTE_MS) is None
    assert timeline.state is State.SET
    assert timeline.at(START_MS + 5 * MINUTE_MS) == NOW_MS + 5 * MINUTE_MS
    assert "ahead before: usage is booked up to" in timeline.notice(START_MS + 5 * MINUTE_MS)
    assert timeline.notice(START_MS + 2 * DAY_MS) == ""


def test_a_jump_back_is_held_and_comes_to_nothing_when_the_clock_comes_back() -> None:
    timeline = started()
    timeline.look(NOW_MS - DAY_MS, START_MS)
    assert timeline.held
    assert timeline.look(NOW_MS + MINUTE_MS, START_MS + MINUTE_MS) is None  # what was held lies right
    assert timeline.state is State.SET


def test_a_clock_that_insists_on_an_earlier_time_is_believed_in_the_end() -> None:
    timeline = started()
    for minute in range(HOLD_MS // MINUTE_MS):
        timeline.look(NOW_MS - DAY_MS + minute * MINUTE_MS, START_MS + minute * MINUTE_MS)
        assert timeline.held
    correction = timeline.look(NOW_MS - DAY_MS + HOLD_MS, START_MS + HOLD_MS)
    assert correction
    assert correction.by_ms == -DAY_MS
    assert correction.of(NOW_MS - 1) == NOW_MS - 1  # what lies before the jump stays
    assert correction.of(NOW_MS) == NOW_MS - DAY_MS
    assert "stays there" in timeline.notice(START_MS + HOLD_MS)


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
    assert timeline.state is State.SET
    assert timeline.at(START_MS + 3_599_000) == NOW_MS + 3599 * 1001
    assert timeline.notice(START_MS + 3_599_000) == ""


walls = st.one_of(
    st.integers(-(2**62), 2**62),
    st.integers(0, 10 * MINUTE_MS),
    st.integers(NOW_MS - 2 * DAY_MS, NOW_MS + 2 * DAY_MS),
    st.integers(NOW_MS - SLACK_MS - 5, NOW_MS + JUMP_MS + 5),
)
looks = st.lists(st.tuples(st.integers(0, HOLD_MS), walls), max_size=30)


@given(walls, looks)
def test_whatever_the_clock_does_usage_is_booked_and_never_long_ago(wall_ms: int, looks: list[tuple[int, int]]) -> None:
    """And held no longer than the bound; a correction moves whole minutes, never past the clock that made it."""
    timeline, ticks_ms, held_ms = Timeline(NEWEST_MS, wall_ms, START_MS), START_MS, 0
    for elapsed_ms, seen_ms in looks:
        ticks_ms += elapsed_ms
        held_ms = held_ms + elapsed_ms if timeline.held else 0
        counted_ms = timeline.at(ticks_ms)
        correction = timeline.look(seen_ms, ticks_ms)
        if correction:
            assert correction.by_ms % MINUTE_MS == 0
            assert 0 <= seen_ms - correction.of(counted_ms) < MINUTE_MS
        if held_ms >= HOLD_MS:
            assert not timeline.held
        assert timeline.at(ticks_ms) >= BUILT_MS
        if timeline.state is State.SET:
            assert timeline.at(ticks_ms) == seen_ms
        timeline.notice(ticks_ms)


@given(st.integers(NEWEST_MS, NOW_MS), st.lists(st.integers(0, HOUR_MS), max_size=20))
def test_a_sound_clock_is_never_held(wall_ms: int, spans: list[int]) -> None:
    timeline, ticks_ms = Timeline(NEWEST_MS, wall_ms, START_MS), START_MS
    for elapsed_ms in spans:
        wall_ms, ticks_ms = wall_ms + elapsed_ms, ticks_ms + elapsed_ms
        assert timeline.look(wall_ms, ticks_ms) is None
        assert (timeline.state, timeline.at(ticks_ms), timeline.notice(ticks_ms)) == (State.SET, wall_ms, "")
