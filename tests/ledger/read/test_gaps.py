"""Gaps are what was not watched: to the second where it is longer than a bucket, in sum always."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.flushes import NOON_S, STOCKHOLM
from whitestat.core.calendar import day_bounds
from whitestat.core.model import Coverage, Point
from whitestat.ledger.read.gaps import Gap, Watched, between, by_step
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.usage_query import TimeStep, UsageQuery
from whitestat.ledger.write.writer import Flush, Writer

MINUTE_MS, HOUR_S = 60_000, 3_600


class Ledger:
    """A ledger in which points are watched."""

    def __init__(self, path: Path) -> None:
        self.writer = Writer(path, STOCKHOLM)
        self.queries = Queries(path, STOCKHOLM)

    def watch(self, start_s: int, end_s: int, point: str = "lan", observed_ms: int = MINUTE_MS) -> None:
        minutes = range(start_s, end_s, 60)
        self.writer.commit(Flush(coverage={(each, point): Coverage(observed_ms) for each in minutes}))

    def gaps(self, start_s: int, end_s: int, point: str = "lan") -> list[Gap]:
        return self.queries.gaps(start_s, end_s, end_s).points[point]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(tmp_path / "whitestat.db")
    with closing(found.writer), closing(found.queries):
        yield found


@pytest.mark.parametrize("folded", [False, True])
def test_each_gap_is_told_with_its_times(ledger: Ledger, *, folded: bool) -> None:
    at = NOON_S
    ledger.watch(at, at + 600)
    ledger.watch(at + 600, at + 660, observed_ms=20_000)  # and then nothing until 12:15:45
    ledger.watch(at + 900, at + 960, observed_ms=15_000)
    ledger.watch(at + 960, at + 1_800)
    ledger.watch(at + 1_800, at + 1_860, observed_ms=57_000)
    ledger.watch(at + 1_860, at + HOUR_S)
    if folded:
        ledger.writer.fold()
    expected = [Gap(at + 620, at + 945, 325_000), Gap(at + 1_800, at + 1_860, 3_000)]
    assert ledger.gaps(at, at + HOUR_S) == expected
    assert ledger.gaps(at - HOUR_S, at + HOUR_S) == expected, "there was nothing to watch before"


def test_a_gap_goes_on_to_the_end_and_over_the_start(ledger: Ledger) -> None:
    ledger.watch(NOON_S - 3 * HOUR_S, NOON_S - 2 * HOUR_S)
    ledger.watch(NOON_S, NOON_S + 60, observed_ms=30_000)
    ledger.writer.fold()
    end_s = NOON_S + HOUR_S
    assert ledger.gaps(NOON_S - HOUR_S, end_s) == [Gap(NOON_S - HOUR_S, end_s, 2 * HOUR_S * 1000 - 30_000)]
    assert ledger.gaps(NOON_S + 60, end_s) == [Gap(NOON_S + 60, end_s, (HOUR_S - 60) * 1000)]
    assert ledger.queries.gaps(end_s, end_s + HOUR_S, NOON_S).points == {"lan": []}, (
        "of what is to come nothing is told"
    )


def test_points_have_gaps_of_their_own(ledger: Ledger) -> None:
    ledger.writer.commit(Flush(points=[Point("never", "kernel", "eth9")]))
    ledger.watch(NOON_S, NOON_S + 600)
    ledger.watch(NOON_S, NOON_S + 300, "guest")
    found = ledger.queries.gaps(NOON_S, NOON_S + 600, NOON_S + 650)
    assert found.points == {"guest": [Gap(NOON_S + 300, NOON_S + 600, 300_000)], "lan": [], "never": []}


def test_clocks_that_are_set_by_a_little_make_no_gap(ledger: Ledger) -> None:
    ledger.watch(NOON_S, NOON_S + 300, observed_ms=59_900)
    assert ledger.gaps(NOON_S, NOON_S + 300) == []


def test_what_was_booked_by_the_hour_makes_no_gap(ledger: Ledger) -> None:
    """A draft that grew too large is written as one minute of each hour."""
    ledger.watch(NOON_S, NOON_S + 60, observed_ms=HOUR_S * 1000)
    ledger.watch(NOON_S + HOUR_S, NOON_S + HOUR_S + 60, observed_ms=HOUR_S * 1000 - 600_000)
    ledger.watch(NOON_S + 2 * HOUR_S, NOON_S + 2 * HOUR_S + 600)
    (gap,) = ledger.gaps(NOON_S, NOON_S + 2 * HOUR_S + 600)
    assert gap.missed_ms == 600_000


def test_hours_tell_where_minutes_are_kept_no_more(ledger: Ledger) -> None:
    start_s, end_s = day_bounds(20261025, STOCKHOLM)  # of 25 hours
    ledger.watch(start_s, start_s + 5 * HOUR_S)
    ledger.watch(start_s + 5 * HOUR_S, start_s + 5 * HOUR_S + 600)
    ledger.watch(start_s + 8 * HOUR_S, end_s)
    ledger.watch(end_s, end_s + HOUR_S - 120)
    ledger.writer.fold()
    before = ledger.queries.gaps(start_s, end_s + HOUR_S, end_s + HOUR_S)
    ledger.writer.expire(end_s + 7 * 86_400)
    after = ledger.queries.gaps(start_s, end_s + HOUR_S, end_s + HOUR_S)
    gap, last = before.points["lan"]
    assert gap == Gap(start_s + 5 * HOUR_S + 600, start_s + 8 * HOUR_S, 3 * HOUR_S * 1000 - 600_000)
    assert after.points["lan"] == [gap, last] == [gap, Gap(end_s + HOUR_S - 120, end_s + HOUR_S, 120_000)]
    assert (before.start_s, after.start_s) == (start_s, start_s)


@given(st.lists(st.integers(0, 60_000), max_size=30), st.booleans())
def test_gaps_add_up_to_what_was_not_watched(observed: list[int], was: bool) -> None:
    observed = [0 if each < 1_000 else each if each <= 59_000 else 60_000 for each in observed]
    seen = [(minute * 60, each) for minute, each in enumerate(observed) if each]
    rows, before_s = [], None
    for start_s, observed_ms in seen:
        rows.append(Watched(start_s, start_s + 60, observed_ms, before_s))
        before_s = start_s + 60
    end_s = len(observed) * 60
    found = between(rows, 0 if was else None, end_s)
    begin_s = 0 if was else seen[0][0] if seen else end_s
    assert sum(gap.missed_ms for gap in found) == (end_s - begin_s) * 1000 - sum(ms for _, ms in seen)
    edges = [at_s for gap in found for at_s in (gap.start_s, gap.end_s)]
    assert edges == sorted(edges)
    assert all(gap.missed_ms <= (gap.end_s - gap.start_s + 1) * 1000 for gap in found)


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("step", [TimeStep.MINUTE, TimeStep.HOUR, TimeStep.DAY, TimeStep.WEEK, TimeStep.CYCLE])
def test_steps_say_what_was_not_watched_of_them_and_their_sum_is_right(
    ledger: Ledger, step: TimeStep, *, folded: bool
) -> None:
    at = NOON_S
    ledger.watch(at, at + HOUR_S)
    ledger.watch(at + HOUR_S, at + HOUR_S + 60, observed_ms=20_000)
    ledger.watch(at + 3 * HOUR_S, at + 4 * HOUR_S)
    if folded:
        ledger.writer.fold()
    question = UsageQuery(at, at + 6 * HOUR_S, step)
    missed = ledger.queries.not_watched(question, at + 5 * HOUR_S)
    assert missed is not None
    found = missed["lan"]
    assert sum(gap.missed_ms for gap in found) == (3 * HOUR_S - 20) * 1000
    if step is TimeStep.HOUR:
        assert found == [
            Gap(at + HOUR_S, at + 2 * HOUR_S, (HOUR_S - 20) * 1000),
            Gap(at + 2 * HOUR_S, at + 3 * HOUR_S, HOUR_S * 1000),
            Gap(at + 4 * HOUR_S, at + 5 * HOUR_S, HOUR_S * 1000),
        ]


def test_what_waits_for_the_next_flush_is_not_missed(ledger: Ledger) -> None:
    ledger.watch(NOON_S, NOON_S + 600)
    ledger.watch(NOON_S + 600, NOON_S + 660, observed_ms=30_000)
    question = UsageQuery(NOON_S, NOON_S + HOUR_S, TimeStep.MINUTE)
    assert ledger.queries.not_watched(question, NOON_S + 725) == {"lan": []}


def test_steps_without_a_length_or_too_many_of_them_are_not_told(ledger: Ledger) -> None:
    ledger.watch(NOON_S, NOON_S + 60)
    for step, end_s in ((TimeStep.TOTAL, NOON_S + 60), (TimeStep.SECOND, NOON_S + 86_400)):
        assert ledger.queries.not_watched(UsageQuery(NOON_S, end_s, step), end_s) is None


@given(st.dictionaries(st.integers(0, 23), st.integers(0, 3_600_000)), st.integers(0, 5_000), st.integers(0, 86_400))
def test_no_step_lacks_more_than_it_is_long(observed: dict[int, int], start_s: int, end_s: int) -> None:
    starts = list(range(0, 86_400, 3_600))
    starts = [each for each in starts if each + 3_600 > start_s]
    by_start = {hour * 3_600: ms for hour, ms in observed.items()}
    found = by_step(by_start, starts, start_s, end_s)
    assert all(0 < gap.missed_ms <= (gap.end_s - gap.start_s) * 1000 for gap in found)
    assert all(one.end_s <= other.start_s for one, other in pairwise(found))
    assert sum(gap.missed_ms for gap in found) <= max(0, end_s - start_s) * 1000
