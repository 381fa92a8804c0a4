"""What is left of a plan: every octet in one tariff, and parts that add up, to the octet."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from whitestat.core.calendar import parse_instant
from whitestat.core.model import Counts
from whitestat.plans.plan import Period, Plan, Share, Tariff, Terms
from whitestat.plans.spans import bounds, day_bounds
from whitestat.plans.status import Owner, PlanStatus, PlanUsage, TopUp, UsageCell, plan_status
from whitestat.plans.tariff import Window

ZONE = ZoneInfo("Europe/Stockholm")
NOW_S = parse_instant("2026-11-27T12:00", ZONE)
EVERY = frozenset(range(7))
NIGHT = Tariff("night", (Window("night", EVERY, 0, 360),), 50, 1_000)
FREE = Tariff("free", (Window("free", frozenset((6,)), 0, 1440),), 0)
PLAN = Plan("line", 10_000, tariffs=(NIGHT, FREE), shares=(Share("Anna", 2), Share("Bo"), Share("Cleo", allowance=500)))


def day(text: str) -> int:
    return parse_instant(text, ZONE)


def books(
    usage: dict[tuple[str, int, Owner], Counts],
    *plans: Plan,
    since: str = "2020-01-01",
    topups: tuple[TopUp, ...] = (),
    persons: tuple[str, ...] = (),
) -> PlanUsage:
    """Usage by date, tariff and whose it is, all under the last of the plans."""
    terms = [Terms(n, 1, n, None, plan) for n, plan in enumerate(plans or (PLAN,), 1)]
    period_s = bounds(terms[-1].plan.period, NOW_S, ZONE)[0]
    rows = {(UsageCell(day(at), terms[-1].id, tariff), who): counts for (at, tariff, who), counts in usage.items()}
    daily: dict[UsageCell, Counts] = {}
    for (cell, _), counts in rows.items():
        daily[cell] = daily.get(cell, Counts()).plus(counts)
    own = {key: counts for key, counts in rows.items() if key[0].day_s >= period_s}
    return PlanUsage(terms, day(since), daily, own, topups, persons)


def at(usage: dict[tuple[str, int, Owner], Counts], *plans: Plan, now_s: int = NOW_S, **more: object) -> PlanStatus:
    return plan_status(books(usage, *plans, **more), now_s, ZONE)  # type: ignore[arg-type]


whos = st.builds(Owner, st.sampled_from([None, 1, 2, 3]), st.sampled_from([None, "Anna", "bo", "Cleo", "Dan"]))
amounts = st.builds(lambda into, out, unsplit: Counts(into, out, octets_unsplit=unsplit), *[st.integers(0, 2**45)] * 3)
dates = st.dates(date(2026, 11, 1), date(2026, 11, 27)).map(date.isoformat)


@given(
    st.dictionaries(st.tuples(dates, st.integers(0, 2), whos), amounts, max_size=30),
    st.sampled_from(["both", "in", "out"]),
    st.integers(0, 300),
    st.lists(st.integers(-(2**40), 2**40), max_size=3),
)
def test_used_and_left_and_all_parts_of_them_add_up(
    usage: dict[tuple[str, int, Owner], Counts], direction: str, percent: int, topped: list[int]
) -> None:
    tariffs = (NIGHT._replace(factor_percent=percent), FREE)
    plan = Plan("line", 10_000, direction=direction, tariffs=tariffs, shares=PLAN.shares)
    topups = tuple(TopUp(n, NOW_S, "standard", octets) for n, octets in enumerate(topped))
    found = at(usage, plan, topups=topups)
    counted = {
        "both": lambda c: c.octets,
        "in": lambda c: c.octets_in + c.octets_unsplit,
        "out": lambda c: c.octets_out,
    }
    sums = [sum(counted[direction](c) for (_, n, _), c in usage.items() if n == tariff) for tariff in range(3)]
    factors = (100, percent, 0)
    assert [each.used for each in found.tariffs] == [octets * f // 100 for octets, f in zip(sums, factors, strict=True)]
    assert sum(each.octets for each in found.tariffs) == sum(counts.octets for counts in usage.values())
    for pot in found.pots:
        assert pot.available is not None and pot.left is not None
        assert pot.used + pot.left == pot.available
        assert pot.used == sum(each.used for each in found.tariffs if each.pot == pot.name)
        assert pot.used == sum(part.used for each in found.persons for part in each.parts if part.name == pot.name)
    assert found.total("available") == 11_000 + sum(topped)
    for parts in (found.devices, found.days):
        assert sum(each.used for each in parts) == found.total("used")
        assert sum(each.octets for each in parts) == sum(counts.octets for counts in usage.values())


@given(st.integers(500, 2**50), st.lists(st.integers(1, 1000), min_size=1, max_size=9))
def test_shares_add_up_to_the_allowance(allowance: int, parts: list[int]) -> None:
    shares = tuple(Share(f"p{n}", each) for n, each in enumerate(parts))
    found = at({}, Plan("line", allowance, shares=(*shares, Share("fixed", allowance=500))))
    given_out = {each.person: each.parts[0].available for each in found.persons}
    assert sum(each or 0 for each in given_out.values()) == allowance
    assert given_out["fixed"] == 500


def test_equal_shares_are_of_all_people_and_what_is_nobodys_has_none() -> None:
    usage = {("2026-11-27", 0, Owner(None, None)): Counts(7), ("2026-11-27", 0, Owner(1, "Anna")): Counts(5)}
    found = at(usage, Plan("line", 100, equal=True), persons=("Anna", "Bo", "Cleo"))
    told = {each.person: (each.parts[0].used, each.parts[0].available) for each in found.persons}
    assert told == {"Anna": (5, 33), "Bo": (0, 33), "Cleo": (0, 34), None: (7, None)}


def test_what_a_day_may_use_counts_what_it_used_already() -> None:
    usage = {("2026-11-26", 0, Owner(1, None)): Counts(600), ("2026-11-27", 0, Owner(1, None)): Counts(30)}
    pot = at(usage, Plan("line", 1_000)).pots[0]
    assert (pot.left, pot.today.used, pot.today.may, pot.today.left) == (370, 30, 100, 70)
    over = at({("2026-11-26", 0, Owner(1, None)): Counts(1_600)}, Plan("line", 1_000)).pots[0]
    assert (over.left, over.today.may) == (-600, 0)


def test_the_even_pace_is_of_the_time_that_is_over() -> None:
    now_s = day("2026-11-16")
    assert at({}, Plan("line", 3_000), now_s=now_s).pots[0].even == 1_500


def test_what_is_left_goes_on_up_to_the_most_and_only_from_watched_periods() -> None:
    usage = {
        ("2026-09-10", 0, Owner(1, None)): Counts(400),
        ("2026-10-10", 0, Owner(1, None)): Counts(1_050),
        ("2026-11-10", 0, Owner(1, None)): Counts(10),
    }
    carried = {
        (most, since): at(usage, Plan("line", 1_000, carry_most=most), since=since).pots[0].carried
        for most in (0, 200, None)
        for since in ("2026-09-01", "2026-09-02", "2026-10-01", "2026-10-02")
    }
    # September leaves 600 (200 at most), October uses 1,050 of what it has; one that was seen in part leaves nothing.
    wanted: dict[tuple[int | None, str], int] = {
        **{(0, since): 0 for since in ("2026-09-01", "2026-09-02", "2026-10-01", "2026-10-02")},
        (200, "2026-09-01"): 150,
        (200, "2026-09-02"): 0,
        (200, "2026-10-01"): 0,
        (200, "2026-10-02"): 0,
        (None, "2026-09-01"): 550,
        (None, "2026-09-02"): 0,
        (None, "2026-10-01"): 0,
        (None, "2026-10-02"): 0,
    }
    assert carried == wanted


def test_top_ups_belong_to_the_period_of_their_instant_and_are_carried_over_with_what_is_left() -> None:
    topups = (TopUp(1, day("2026-10-31"), "standard", 500), TopUp(2, day("2026-11-01"), "night", 70))
    plan = Plan("line", 1_000, tariffs=(NIGHT,), carry_most=None)
    found = at({}, plan, topups=topups, since="2026-10-01")
    assert [(pot.carried, pot.topped_up, pot.available) for pot in found.pots] == [
        (1_500, 0, 2_500),
        (1_000, 70, 2_070),
    ]


def test_what_earlier_terms_had_and_these_have_not_draws_on_the_plans_own() -> None:
    before, now = Plan("line", 1_000, tariffs=(NIGHT,)), Plan("line", 2_000, otherwise="day")
    cell = UsageCell(day("2026-11-10"), 1, 1)
    terms = [Terms(1, 1, 0, NOW_S - 60, before), Terms(2, 1, NOW_S - 60, None, now)]
    found = plan_status(PlanUsage(terms, 0, {cell: Counts(100)}, {(cell, Owner(1, None)): Counts(100)}), NOW_S, ZONE)
    assert [(each.name, each.pot, each.octets, each.used) for each in found.tariffs] == [
        ("day", "day", 0, 0),
        ("night", "day", 100, 50),
    ]
    assert found.pots[0].left == 1_950


def test_a_forecast_says_the_day_an_allowance_runs_out_and_between_which() -> None:
    usage = {
        (date.fromordinal(each).isoformat(), 0, Owner(1, None)): Counts(40 + 20 * (each % 2))
        for each in range(date(2026, 10, 1).toordinal(), date(2026, 11, 27).toordinal())
    }
    runs_out = {}
    for allowance in (1_390, 1_420, 1_600):
        cast = at(usage, Plan("line", allowance)).pots[0].forecast
        assert cast
        runs_out[allowance] = tuple(each and each.day for each in (cast.earliest, cast.runs_out, cast.latest))
    assert runs_out == {1_390: (28, 29, 30), 1_420: (29, 30, None), 1_600: (None, None, None)}
    assert at(usage, Plan("line")).pots[0].forecast is not None


def test_a_period_that_begins_at_an_hour_counts_its_own_days() -> None:
    plan = Plan("line", 100, Period("week", weekday=0, hour=6))
    start_s = day_bounds(NOW_S, ZONE, 6)[0]
    cell = UsageCell(start_s, 1, 0)
    terms = [Terms(1, 1, 0, None, plan)]
    found = plan_status(PlanUsage(terms, 0, {cell: Counts(9)}, {(cell, Owner(1, None)): Counts(9)}), NOW_S, ZONE)
    assert [each.used for each in found.days] == [0, 0, 0, 0, 9]
    assert found.days_left == 3


def test_days_on_which_nobody_watched_teach_the_forecast_nothing() -> None:
    days = [date.fromordinal(each) for each in range(date(2026, 10, 1).toordinal(), date(2026, 11, 27).toordinal())]
    usage = {(each.isoformat(), 0, Owner(1, None)): Counts(100) for each in days if each.isocalendar().week % 2}
    whole = books(usage, Plan("line", 10_000))
    seen = replace(whole, watched={cell.day_s for cell in whole.daily})
    low, right = (plan_status(each, day("2026-11-27"), ZONE).pots[0] for each in (whole, seen))
    assert low.forecast and right.forecast
    assert right.forecast.octets == right.used + 400
    assert low.forecast.octets < right.forecast.octets
