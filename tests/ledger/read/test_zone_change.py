"""A ledger that was booked in several time zones counts each octet once, and says where days keep other dates."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.flushes import MEMORY, PHONE, STOCKHOLM, flush_of, key
from whitestat.core.calendar import DAY_S, HOUR_S, Cycle, day_bounds, day_of, hour_start, parse_instant, steps
from whitestat.core.model import Counts, Episode, PeerKey, ServiceKey
from whitestat.core.zone_history import ZoneHistory
from whitestat.ledger.read.queries import Queries, TimeStep, UsageQuery
from whitestat.ledger.resolutions import KEPT_S, Resolution
from whitestat.ledger.tables.zones import APART_S
from whitestat.ledger.write.writer import DeviceRecord, Flush, Writer

UTC = ZoneInfo("UTC")
ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC",
        "Europe/Stockholm",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "America/St_Johns",
        "Pacific/Kiritimati",
        "Pacific/Pago_Pago",
    )
]
START_S = parse_instant("2026-10-20", UTC)
DEVICE = Flush(devices=[DeviceRecord(PHONE)], episodes=[Episode(PHONE, PHONE, None, None, 0)])
SHORT = {**KEPT_S, Resolution.MINUTE: 2 * DAY_S, Resolution.HOUR: 10 * DAY_S}
"""Hours of most of the test's days are dropped."""
SHORTEST = {**SHORT, Resolution.DAY: 20 * DAY_S}
"""And days of some."""


def book(path: Path, zone: ZoneInfo, octets: dict[int, int], kept: dict[str, int | None] = KEPT_S) -> None:
    """Book octets by instant, a flush each, as a service in the zone does."""
    with closing(Writer(path, zone, kept)) as writer:
        writer.commit(DEVICE)
        for at_s in sorted(octets):
            writer.commit(flush_of({(at_s, key()): octets[at_s]}))
        writer.fold()
        writer.expire(max(octets, default=0))


def octets_of(queries: Queries, question: UsageQuery) -> int:
    return sum(row.counts.octets for row in queries.usage(question))


def test_an_evening_is_counted_once_when_the_span_starts_inside_a_day(tmp_path: Path) -> None:
    path, evening_s = tmp_path / "whitestat.db", parse_instant("2026-11-10T23:30", STOCKHOLM)
    book(path, STOCKHOLM, {evening_s - DAY_S * day: 88_305 for day in range(20)})
    with closing(Writer(path, UTC)), closing(Queries(path, UTC)) as queries:
        start_s, end_s = evening_s - 19 * DAY_S - 90 * 60, evening_s + DAY_S
        for step in (TimeStep.TOTAL, TimeStep.DAY, TimeStep.WEEK, TimeStep.MONTH, TimeStep.CYCLE, TimeStep.HOUR):
            assert octets_of(queries, UsageQuery(start_s, end_s, step)) == 20 * 88_305


def test_an_answer_says_until_when_days_keep_the_dates_of_another_zone(tmp_path: Path) -> None:
    path, noon_s = tmp_path / "whitestat.db", parse_instant("2026-11-10T12:00", STOCKHOLM)
    book(path, STOCKHOLM, {noon_s: 1})
    book(path, UTC, {noon_s + 2 * DAY_S: 1})
    with closing(Queries(path, UTC)) as queries:
        answer = queries.answer(UsageQuery(noon_s - DAY_S, noon_s + 3 * DAY_S, TimeStep.DAY))
        assert answer.notice == (
            "days before 2026-11-10T12:00:00+00:00 keep their dates of the time zone Europe/Stockholm, "
            "in which they were counted"
        )
        for question in (
            UsageQuery(noon_s - DAY_S, noon_s + 3 * DAY_S, TimeStep.TOTAL),
            UsageQuery(noon_s + DAY_S, noon_s + 3 * DAY_S, TimeStep.DAY),
        ):
            assert queries.answer(question).notice is None


def test_a_zone_with_the_same_clocks_needs_no_notice(tmp_path: Path) -> None:
    path, noon_s = tmp_path / "whitestat.db", parse_instant("2026-11-10T12:00", STOCKHOLM)
    book(path, STOCKHOLM, {noon_s: 1})
    book(path, ZoneInfo("Europe/Berlin"), {noon_s + 2 * DAY_S: 1})
    with closing(Queries(path, ZoneInfo("Europe/Berlin"))) as queries:
        assert queries.answer(UsageQuery(noon_s - DAY_S, noon_s + 3 * DAY_S, TimeStep.DAY)).notice is None


def test_services_and_peers_add_up_to_usage_over_a_change_of_zone(tmp_path: Path) -> None:
    path, start_s = tmp_path / "whitestat.db", parse_instant("2026-11-01", STOCKHOLM)
    hours, peer = range(0, 20 * 24, 5), bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 1])
    for zone, some in ((STOCKHOLM, hours[:50]), (UTC, hours[50:])):
        with closing(Writer(path, zone)) as writer:
            writer.commit(DEVICE)
            for hour in some:
                at_s, counts = start_s + hour * HOUR_S, Counts(octets_in=100 + hour)
                flush = flush_of({(at_s, key()): counts.octets})
                services = {(at_s, ServiceKey(key(), 6, 443)): counts}
                writer.commit(replace(flush, services=services, peers={(at_s, PeerKey(key(), peer)): counts}))
            writer.fold_details()
    with closing(Queries(path, UTC)) as queries:
        for step in (TimeStep.DAY, TimeStep.WEEK, TimeStep.MONTH, TimeStep.TOTAL):
            for by in ("service", "peer"):
                answer = queries.answer(UsageQuery(start_s, start_s + 20 * DAY_S, step, (by,)))
                rows, cursor = answer.page(2)
                while cursor:
                    page, cursor = answer.page(2, cursor)
                    rows += page
                assert sum(row.counts.octets for row in rows) == sum(100 + hour for hour in hours)
                assert (answer.notice is not None and "Europe/Stockholm" in answer.notice) == (step != TimeStep.TOTAL)


def test_zones_that_come_and_go_without_usage_leave_one_row(tmp_path: Path) -> None:
    path, noon_s = tmp_path / "whitestat.db", parse_instant("2026-11-10T12:00", STOCKHOLM)
    book(path, STOCKHOLM, {noon_s: 1})
    for zone in (*ZONES, STOCKHOLM):
        with closing(Writer(path, zone)) as writer:
            pass
    with closing(Writer(path, STOCKHOLM)) as writer, writer.transaction("looking") as connection:
        assert connection.execute("SELECT since_s, name FROM zone").fetchall() == [(0, "Europe/Stockholm")]


ages = st.integers(0, 45 * 24 * 60).map(lambda minutes: START_S + 60 * minutes)
edges = st.one_of(ages, ages.map(lambda at_s: at_s // HOUR_S * HOUR_S), ages.map(lambda at_s: at_s // DAY_S * DAY_S))
eras = st.lists(
    st.tuples(st.sampled_from(ZONES), st.dictionaries(ages, st.integers(1, 2**40), max_size=6)), min_size=1, max_size=4
)


def ordered(booked: list[tuple[ZoneInfo, dict[int, int]]]) -> list[tuple[ZoneInfo, dict[int, int]]]:
    """The same with time going on from zone to zone."""
    numbers = iter(sorted(at_s for _, octets in booked for at_s in octets))
    return [(zone, {next(numbers): amount for amount in octets.values()}) for zone, octets in booked]


@pytest.mark.slow
@examples(40)
@given(
    eras,
    st.booleans(),
    st.sampled_from(ZONES),
    st.lists(st.tuples(edges, edges, st.sampled_from(TimeStep)), min_size=1, max_size=6),
    st.integers(1, 4),
)
def test_every_octet_is_counted_once_whatever_the_zones_the_span_and_the_step(
    booked: list[tuple[ZoneInfo, dict[int, int]]],
    in_order: bool,
    zone: ZoneInfo,
    asked: list[tuple[int, int, TimeStep]],
    limit: int,
) -> None:
    truth: dict[int, int] = {}
    with TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "whitestat.db"
        for era_zone, octets in ordered(booked) if in_order else booked:
            book(path, era_zone, octets)
            truth.update({at_s: truth.get(at_s, 0) + amount for at_s, amount in octets.items()})
        with closing(Writer(path, zone)), closing(Queries(path, zone, Cycle(25, 2))) as queries:
            for one_s, other_s, word in asked:
                start_s, end_s = sorted((one_s, other_s + 60))
                if start_s == end_s:
                    continue
                step = TimeStep.MINUTE if word is TimeStep.SECOND else word
                question = UsageQuery(start_s, end_s, step)
                total = octets_of(queries, replace(question, step=TimeStep.TOTAL))
                assert octets_of(queries, question) == total
                check_pages(queries, question, limit)
                if queries.answer(question).notice is None:
                    assert total == sum(amount for at_s, amount in truth.items() if start_s <= at_s < end_s)


@pytest.mark.slow
@examples(40)
@given(
    eras,
    st.sampled_from([SHORT, SHORTEST]),
    st.sampled_from(ZONES),
    st.lists(st.tuples(edges, edges, st.sampled_from(TimeStep)), min_size=1, max_size=6),
    st.integers(1, 4),
)
def test_what_ages_out_takes_no_octet_along_whatever_the_zones(
    booked: list[tuple[ZoneInfo, dict[int, int]]],
    kept: dict[str, int | None],
    zone: ZoneInfo,
    asked: list[tuple[int, int, TimeStep]],
    limit: int,
) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "whitestat.db"
        in_order = ordered(booked)
        for era_zone, octets in in_order:
            book(path, era_zone, octets, kept)
        with closing(Writer(path, zone, kept)), closing(Queries(path, zone, Cycle(25, 2))) as queries:
            whole = UsageQuery(START_S - 90 * DAY_S, START_S + 90 * DAY_S)
            everything = sum(amount for _, octets in in_order for amount in octets.values())
            for step in (TimeStep.TOTAL, TimeStep.DAY, TimeStep.WEEK, TimeStep.MONTH):
                assert octets_of(queries, replace(whole, step=step)) == everything
            for one_s, other_s, word in asked:
                start_s, end_s = sorted((one_s, other_s + 60))
                if start_s == end_s:
                    continue
                question = UsageQuery(start_s, end_s, TimeStep.MINUTE if word is TimeStep.SECOND else word)
                before, after = replace(whole, end_s=start_s), replace(whole, start_s=end_s)
                parts = [octets_of(queries, part) for part in (before, question, after)]
                assert sum(parts) == everything
                check_pages(queries, question, limit)


def check_pages(queries: Queries, question: UsageQuery, limit: int) -> None:
    """Check that pages of the answer are its rows, in order, each step once."""
    whole = queries.usage(question)
    starts = [row.start_s for row in whole]
    assert starts == sorted(set(starts))
    answer, rows, cursor = queries.answer(question), [], None
    for _ in range(200):
        page, cursor = answer.page(limit, cursor)
        rows += page
        if cursor is None:
            break
    assert sum(row.counts.octets for row in rows) == sum(row.counts.octets for row in whole)


@examples(100)
@given(st.lists(st.tuples(ages, st.sampled_from(ZONES)), min_size=2, max_size=4), st.lists(ages, max_size=8))
def test_a_zone_that_changes_has_days_and_hours_without_overlap_or_gap(
    changes: list[tuple[int, ZoneInfo]], instants: list[int]
) -> None:
    instants_of_change = sorted(at_s for at_s, _ in changes)
    since = accumulate(instants_of_change, lambda before_s, at_s: max(at_s, before_s + APART_S))
    zone = ZoneHistory(list(zip(since, (each for _, each in changes), strict=True)))
    for at_s in [*instants, *(at_s + by_s for at_s, _ in changes for by_s in (-1, 0, 1))]:
        day = day_of(at_s, zone)
        start_s, end_s = day_bounds(day, zone)
        assert start_s <= at_s < end_s
        assert day_of(start_s, zone) == day == day_of(end_s - 1, zone)
        assert hour_start(hour_start(at_s, zone), zone) == hour_start(at_s, zone) <= at_s
    starts = list(steps(START_S, START_S + 45 * DAY_S, "day", zone))
    assert starts == sorted(set(starts))
