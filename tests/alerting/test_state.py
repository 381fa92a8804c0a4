"""Each thing is told once when it begins, and again only after it was over."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from whitestat.alerting.state import KEPT_MS, Alarm, Condition, step


def condition(percent: int, edge: int = 80, *, key: str = "", group: str = "used") -> Condition:
    return Condition(
        key or f"{group}/{edge}", "plan-used", percent >= edge, percent < edge - 5, f"{percent} %", group, edge
    )


def played(percents: list[int], edges: tuple[int, ...] = (80,)) -> list[tuple[int, str]]:
    """(when, key) of what is told while a figure moves."""
    alarms: dict[str, Alarm] = {}
    told = []
    for at, percent in enumerate(percents):
        done = step(alarms, [condition(percent, edge) for edge in edges], at)
        told += [(at, each.key) for each in done.reported]
        alarms |= {key: alarm for key, alarm in done.alarms.items() if alarm}
    return told


def test_a_figure_that_wavers_about_the_edge_is_told_once() -> None:
    assert played([79, 80, 79, 81, 76, 80, 82]) == [(1, "used/80")]


def test_what_was_over_is_told_again() -> None:
    assert played([80, 74, 79, 80]) == [(0, "used/80"), (3, "used/80")]


def test_of_several_edges_at_once_the_highest_is_told_and_the_others_never() -> None:
    assert played([10, 97, 98, 100], (50, 80, 90, 100)) == [(1, "used/90"), (3, "used/100")]


@given(st.lists(st.integers(0, 130), max_size=60))
def test_while_a_figure_only_grows_each_edge_is_told_at_most_once_and_the_highest_reached_always(
    steps: list[int],
) -> None:
    grown = sorted(steps)
    told = [key for _, key in played(grown, (50, 80, 100))]
    assert len(told) == len(set(told))
    reached = [edge for edge in (50, 80, 100) if grown and grown[-1] >= edge]
    assert not reached or told[-1] == f"used/{reached[-1]}"


@given(st.lists(st.integers(0, 130), max_size=60))
def test_between_two_times_that_it_is_told_it_was_over(percents: list[int]) -> None:
    told = [at for at, _ in played(percents)]
    for before, after in pairwise(told):
        assert min(percents[before:after]) < 75


def test_what_nobody_asks_about_for_a_year_is_forgotten() -> None:
    assert step({"plan/old": Alarm(0)}, [], KEPT_MS + 1).alarms == {"plan/old": None}
    assert step({"plan/old": Alarm(0, 10)}, [], KEPT_MS).alarms == {}
