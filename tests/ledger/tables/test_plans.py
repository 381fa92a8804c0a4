"""Usage by tariff in a real ledger: each octet in one tariff, folded or not, and the same when it is priced anew."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.flushes import CLOCKS_BACK_S, NOON_S, PHONE, STOCKHOLM, ZONES, flush_of, flushes, key
from whitestat.core.errors import LedgerError, Missing
from whitestat.core.model import Counts, Scope
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.tables.flush import Flush
from whitestat.ledger.write.writer import Writer
from whitestat.plans.plan import Period, Plan, Tariff
from whitestat.plans.tariff import Window

EVERY = frozenset(range(7))
NIGHT = Tariff("night", (Window("night", EVERY, 22 * 60 + 30, 6 * 60 + 15),), allowance=10**9)
LINE = Plan("line", 10**9, tariffs=(NIGHT,), otherwise="day")
EARLY_S = CLOCKS_BACK_S - 10 * 86_400

windows = st.lists(
    st.tuples(st.frozensets(st.integers(0, 6)), st.integers(0, 1439), st.integers(0, 1440)), max_size=3
).map(lambda rows: tuple(Window("night", *row) for row in rows))
plans = st.builds(
    Plan,
    st.just("line"),
    st.just(10**15),
    st.builds(Period, day=st.integers(1, 31), hour=st.integers(0, 23)),
    tariffs=windows.map(lambda found: (Tariff("night", found),)),
    point=st.sampled_from([None, "guest"]),
)


def classed(path: Path) -> dict[tuple[int, int, int], tuple[int, ...]]:
    """What is booked by day, tariff and series."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            """SELECT day, tariff, series, sum(octets_in), sum(octets_out), sum(octets_unsplit)
            FROM plan_usage GROUP BY 1, 2, 3"""
        )
        return {row[:3]: tuple(row[3:]) for row in rows}


def is_night(at_s: int, plan: Plan, zone: ZoneInfo) -> bool:
    """By the calendar alone, in other words than the program's."""
    wall = datetime.fromtimestamp(at_s, zone)
    for window in plan.tariffs[0].windows:
        for begun in (wall.date(), wall.date() - timedelta(days=1)):
            low = datetime.combine(begun, datetime.min.time()) + timedelta(minutes=window.start)
            days = 0 if window.start < window.end else 1
            high = datetime.combine(begun, datetime.min.time()) + timedelta(days=days, minutes=window.end)
            if begun.weekday() in window.weekdays and low <= wall.replace(tzinfo=None) < high:
                return True
    return False


@given(st.lists(flushes, max_size=4), plans, st.sampled_from(ZONES), st.data())
def test_each_octet_is_in_the_tariff_of_its_minute_folded_or_not_and_when_priced_anew(
    tmp_path_factory: pytest.TempPathFactory, several: list[Flush], plan: Plan, zone: ZoneInfo, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("plans") / "whitestat.db"
    wanted: Counter[str] = Counter()
    for flush in several:
        for (minute_s, each), counts in flush.usage.items():
            if each.scope is Scope.WAN and each.point in (plan.point or "lan guest"):
                wanted["night" if is_night(minute_s, plan, zone) else "standard"] += counts.octets
    with closing(Writer(path, zone)) as writer:
        writer.follow_plans([plan], EARLY_S)
        for flush in several:
            writer.commit(flush)
            if data.draw(st.booleans()):
                writer.fold()
        with closing(Queries(path, zone)) as queries:
            for _ in range(2):
                assert every_octet(queries) == +wanted
                writer.fold()
        before = classed(path)
        writer.reprice(1, None)
        assert classed(path) == before


def every_octet(queries: Queries) -> Counter[str]:
    """What the books have by tariff, of all periods."""
    from whitestat.ledger.read import plan_usage
    from whitestat.ledger.tables.plans import plans as agreed

    with queries._snapshot() as reader:
        connection = reader.connection
        (row,) = agreed(connection)
        books = plan_usage.books_of(connection, reader.booked, row, EARLY_S)
    found: Counter[str] = Counter()
    for cell, counts in books.daily.items():
        found[row.terms[-1].plan.names[cell.tariff]] += counts.octets
    return +found


def test_without_a_plan_nothing_is_kept(tmp_path: Path) -> None:
    with closing(Writer(tmp_path / "db", STOCKHOLM)) as writer:
        writer.commit(flush_of({(NOON_S, key()): 5}))
        writer.fold()
    assert classed(tmp_path / "db") == {}


def test_what_was_journaled_under_the_terms_before_is_classed_by_them(tmp_path: Path) -> None:
    """Though the next service starts with others, and the last one was killed."""
    path = tmp_path / "db"
    first = Writer(path, STOCKHOLM)
    first.follow_plans([LINE], NOON_S - 60)
    first.commit(flush_of({(NOON_S, key()): 500}))
    first._connection.close()  # killed: nothing is folded
    os.close(first._lock)
    with closing(Writer(path, STOCKHOLM)) as writer:
        all_day = Tariff("night", (Window("night", EVERY, 0, 1440),))
        writer.follow_plans([Plan("line", 10**9, tariffs=(all_day,), otherwise="day")], NOON_S + 60)
        writer.commit(flush_of({(NOON_S + 120, key()): 30}))
        with closing(Queries(path, STOCKHOLM)) as queries:
            found = {each.name: each.octets for each in queries.plan_statuses(NOON_S + 300)[1].tariffs}
    assert found == {"day": 500, "night": 30}


def test_a_new_plan_takes_in_what_the_ledger_has(tmp_path: Path) -> None:
    """An hour that holds an edge by its minutes, or in proportion to time where they are gone: none is lost."""
    path = tmp_path / "db"
    edge_s = NOON_S - 12 * 3600 + 22 * 3600  # 22:00, half an hour before the night
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(flush_of({(edge_s - 86_400 + 60 * n, key()): 7 if n < 30 else 11 for n in range(60)}))
        writer.commit(flush_of({(edge_s + 7 * 86_400, key()): 1}))
        writer.follow_plans([LINE], edge_s)
        with closing(Queries(path, STOCKHOLM)) as queries:
            found = {each.name: each.octets for each in queries.plan_statuses(edge_s)[1].tariffs}
        assert found == {"day": 211, "night": 330}
        writer.expire(edge_s + 8 * 86_400)
        writer.reprice(1, None)
        with closing(Queries(path, STOCKHOLM)) as queries:
            found = {each.name: each.octets for each in queries.plan_statuses(edge_s)[1].tariffs}
    assert found == {"day": 271, "night": 270}


def test_a_plan_that_is_gone_and_comes_back_goes_on_from_then(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with closing(Writer(path, STOCKHOLM)) as writer:
        for n, agreed in enumerate(([LINE], [], [LINE])):
            writer.follow_plans(agreed, NOON_S + 600 * n)
            writer.commit(flush_of({(NOON_S + 600 * n + 60, key()): 10**n}))
        with closing(Queries(path, STOCKHOLM)) as queries:
            assert queries.plan_statuses(NOON_S + 3_600)[1].total("used") == 101
        writer.reprice(1, None)
        with closing(Queries(path, STOCKHOLM)) as queries:
            assert queries.plan_statuses(NOON_S + 3_600)[1].total("used") == 111
        assert writer.follow_plans([LINE], NOON_S + 4_000) == []


def test_a_plan_whose_day_begins_at_another_hour_counts_no_octet_twice(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.follow_plans([LINE], NOON_S - 30 * 86_400)
        for hour in range(48):
            writer.commit(flush_of({(NOON_S + 3600 * hour, key()): 1}))
        later = Plan("line", 10**9, Period(hour=9), tariffs=(NIGHT,), otherwise="day")
        writer.follow_plans([later], NOON_S + 48 * 3600)
        for from_s in (None, NOON_S + 86_400, NOON_S + 100_000):
            writer.reprice(1, from_s)
            assert sum(row[0] for row in classed(path).values()) == 48


def test_usage_before_a_change_of_zone_keeps_its_tariff_and_its_period(tmp_path: Path) -> None:
    """In New York the hours are afternoon, and the period's first night is in the period before."""
    path, begin_s = tmp_path / "db", int(datetime(2026, 11, 1, tzinfo=STOCKHOLM).timestamp())
    first_night_s, today_s = begin_s + 2 * 3_600, begin_s + 9 * 86_400
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.follow_plans([LINE], begin_s - 86_400)
        writer.commit(flush_of({(first_night_s, key()): 500, (first_night_s + 9 * 3_600, key()): 30}))
    with closing(Writer(path, ZoneInfo("America/New_York"))) as writer:
        writer.follow_plans([LINE], today_s)
        writer.commit(flush_of({(today_s + 6 * 3_600, key()): 7}))  # 00:00 in New York
        for price in (lambda: None, writer.fold, lambda: writer.reprice(1, None)):
            price()
            with closing(Queries(path, ZoneInfo("America/New_York"))) as queries:
                status = queries.plan_statuses(today_s + 7 * 3_600)[1]
            assert {each.name: each.octets for each in status.tariffs} == {"day": 30, "night": 507}


def test_a_plan_that_is_not_there_cannot_be_priced(tmp_path: Path) -> None:
    with closing(Writer(tmp_path / "db", STOCKHOLM)) as writer, pytest.raises(Missing, match="there is no plan 7"):
        writer.reprice(7, None)


def test_terms_that_cannot_be_read_are_told_and_keep_nothing_from_being_booked(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.follow_plans([LINE], NOON_S)
        with writer.transaction("test") as connection:
            connection.execute("UPDATE terms SET content = '[1]'")
        with closing(Queries(path, STOCKHOLM)) as queries, pytest.raises(LedgerError, match="terms of plan 1 cannot"):
            queries.plan_statuses(NOON_S)
        writer.commit(flush_of({(NOON_S, key()): 5}))
        writer.fold()
        assert writer.follow_plans([LINE], NOON_S + 60) == ["line"]
        writer.reprice(1, None)
        with closing(Queries(path, STOCKHOLM)) as queries:
            assert queries.plan_statuses(NOON_S + 120)[1].total("used") == 5


def test_a_plan_costs_two_pages_an_hour(tmp_path: Path) -> None:
    """Of 50 devices, what a fold writes more with a plan than without."""
    written = []
    for agreed in ([], [LINE]):
        with closing(Writer(tmp_path / f"db{len(agreed)}", STOCKHOLM)) as writer:
            writer.follow_plans(agreed, NOON_S - 86_400)
            for hour in range(3):
                usage = {(NOON_S + 3600 * hour, key(PHONE + n)): Counts(10**6 + n, 10**5) for n in range(50)}
                writer.commit(Flush(usage))
                before = writer.octets_written
                writer.fold()
            written.append(writer.octets_written - before)
    assert written[1] - written[0] <= 3 * 2_200


def test_a_clock_that_said_1970_when_the_plan_began_carries_nothing_over(tmp_path: Path) -> None:
    path = tmp_path / "db"
    saving = Plan("line", 10**9, carry_most=None)
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.follow_plans([saving], 5)
        with closing(Queries(path, STOCKHOLM)) as queries:
            assert queries.plan_statuses(NOON_S)[1].pots[0].available == 10**9
            writer.commit(flush_of({(NOON_S, key()): 7}))
            writer.fold()
            assert queries.plan_statuses(NOON_S + 60)[1].pots[0].left == 10**9 - 7
            later = queries.plan_statuses(NOON_S + 30 * 86_400)[1].pots[0]
            assert (later.carried, later.used) == (0, 0)
            assert queries.plan_statuses(NOON_S + 60 * 86_400)[1].pots[0].carried == 10**9


def test_what_flows_in_the_minute_in_which_a_plan_begins_counts(tmp_path: Path) -> None:
    with closing(Writer(tmp_path / "a.db", STOCKHOLM)) as writer:
        writer.follow_plans([LINE], NOON_S + 47)
        writer.commit(flush_of({(NOON_S, key()): 1_000, (NOON_S + 60, key()): 20}))
        with closing(Queries(tmp_path / "a.db", STOCKHOLM)) as queries:
            for _ in range(2):
                (plan_status,) = queries.plan_statuses(NOON_S + 130).values()
                assert plan_status.total("used") == 1_020
                writer.fold()
