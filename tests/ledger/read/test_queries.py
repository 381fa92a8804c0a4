"""Answers add up to what was booked, whatever the step, the edges and the calendar."""

from __future__ import annotations

import sqlite3
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.flushes import (
    CLOCKS_BACK_S,
    FILES,
    LAPTOP,
    MEMORY,
    NOON_S,
    PHONE,
    STOCKHOLM,
    WITH_SECONDS,
    ZONES,
    Row,
    flush_of,
    flushes,
    flushes_by_second,
    key,
    summed,
    whole,
)
from tests.support.ledger import CYCLE, DEVICES, PEOPLE, opened, step_start
from whitestat.core.calendar import day_bounds, parse_instant
from whitestat.core.errors import LedgerError, QueryError
from whitestat.core.model import Coverage, Episode, Point, Scope
from whitestat.ledger.read import queries as queries_module
from whitestat.ledger.read.queries import Cursor, DeviceName, DeviceRow, Queries, TimeStep, UsageQuery
from whitestat.ledger.read.queries import UsageRow as QueriesRow
from whitestat.ledger.resolutions import KEPT_S, Resolution
from whitestat.ledger.tables import buckets
from whitestat.ledger.usage_query import USAGE_WORDS
from whitestat.ledger.write.writer import DeviceRecord, Flush, Writer

MAC, OTHER_MAC = bytes.fromhex("025000000011"), bytes.fromhex("025000000012")
DAY_S = 86_400
HOUR_S = 3_600


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[tuple[Writer, Queries]]:
    with opened(tmp_path / "whitestat.db") as each:
        yield each


def expected(
    sequence: list[Flush], question: UsageQuery, zone: ZoneInfo, finest_s: int = 60
) -> dict[tuple[object, ...], Row]:
    """The answer by the plainest way: every bucket looked at; an episode is a device of the same number."""
    start_s, end_s = (at_s - at_s % finest_s for at_s in question.span)
    return summed(
        (
            (
                step_start(question.step, at_s, question, zone),
                usage.episode if "device" in question.by and usage.episode else None,
                usage.scope if "scope" in question.by else None,
                usage.point if "point" in question.by else None,
                PEOPLE.get(usage.episode) if "person" in question.by else None,
            ),
            counts,
        )
        for flush in sequence
        for (at_s, usage), counts in flush.usage.items()
        if start_s <= at_s < end_s
        and (question.scope in (None, usage.scope))
        and (not question.devices or usage.episode in question.devices)
        and (not question.points or usage.point in question.points)
        and (not question.persons or PEOPLE.get(usage.episode) in question.persons)
    )


instants = st.one_of(st.integers(-40 * DAY_S, 40 * DAY_S), st.integers(-2 * DAY_S, 2 * DAY_S)).map(
    lambda seconds: CLOCKS_BACK_S + seconds
)
edges = st.one_of(instants, instants.map(lambda at_s: at_s // HOUR_S * HOUR_S))
by_words = st.lists(st.sampled_from(USAGE_WORDS), unique=True).map(tuple)


@st.composite
def questions(draw: st.DrawFn) -> UsageQuery:
    start_s = draw(edges)
    end_s = draw(st.one_of(edges, st.integers(1, 3 * HOUR_S).map(lambda length: start_s + length)))
    step, by = draw(st.sampled_from(TimeStep)), draw(by_words)
    devices = draw(st.lists(st.integers(1, 6), max_size=2).map(tuple))
    scope = draw(st.sampled_from([None, *Scope]))
    points = draw(st.sampled_from([(), ("lan",), ("guest", "lan"), ("nowhere",)]))
    persons = draw(st.sampled_from([(), (), ("Anna",), ("Bo", "Cy")]))
    first, last = sorted((start_s, end_s))
    return UsageQuery(first, last + (first == last), step, by, devices, scope, points, persons)


@pytest.mark.slow
@examples(100)
@given(
    st.one_of(
        st.tuples(st.lists(flushes, max_size=4), st.just(60)),
        st.tuples(st.lists(flushes_by_second, max_size=4), st.just(1)),
    ),
    st.lists(questions(), min_size=1, max_size=8),
    st.sampled_from(ZONES),
)
def test_answers_equal_those_of_a_plain_model(
    flushed: tuple[list[Flush], int], asked: list[UsageQuery], zone: ZoneInfo
) -> None:
    sequence, finest_s = flushed
    kept = WITH_SECONDS if finest_s == 1 else KEPT_S
    with (
        TemporaryDirectory(dir=MEMORY) as folder,
        opened(Path(folder) / "whitestat.db", zone, kept) as (writer, queries),
    ):
        for flush in [DEVICES, *sequence]:
            writer.commit(flush)
        for question in asked:
            if question.step is TimeStep.SECOND and finest_s == 60:
                question = replace(question, step=TimeStep.MINUTE)  # noqa: PLW2901 - no second is kept
            rows = queries.usage(question)
            answer = {
                (row.start_s, row.device and row.device.id, row.scope, row.point, row.person): tuple(row.counts)
                for row in rows
            }
            assert answer == expected(sequence, question, zone, finest_s)
            assert len(answer) == len(rows)
            assert rows == sorted(rows, key=lambda row: (row.start_s, -row.counts.octets))


@st.composite
def aged(draw: st.DrawFn) -> tuple[dict[int, int], list[int]]:
    """Octets by age in minutes, over all ages of the ledger, and edges that cut the buckets they are in."""
    days = st.one_of(st.integers(0, 10), st.integers(390, 450), st.integers(0, 450))
    ages = st.builds(lambda day, minute: 1440 * day + minute, days, st.integers(1, 1440))
    octets = draw(st.dictionaries(ages, st.integers(1, 2**40), min_size=1, max_size=8))
    edges = st.builds(
        lambda age, nearness: NOON_S - 60 * age + nearness,
        st.sampled_from(sorted(octets)),
        st.one_of(st.integers(-HOUR_S, HOUR_S), st.integers(-DAY_S, DAY_S)),
    )
    return octets, draw(st.lists(edges, max_size=6))


@pytest.mark.slow
@examples(60)
@given(aged())
def test_what_has_expired_moves_edges_but_loses_nothing(drawn: tuple[dict[int, int], list[int]]) -> None:
    """Neighbouring spans still add up: what one edge leaves to the other side, the other side has."""
    ages, middles = drawn
    edges = sorted({NOON_S - 455 * DAY_S, *middles, NOON_S + 2 * DAY_S})
    with TemporaryDirectory(dir=MEMORY) as folder, opened(Path(folder) / "whitestat.db") as (writer, queries):
        writer.commit(flush_of({(NOON_S, key(0)): 1}))
        writer.commit(flush_of({(NOON_S - 60 * age, key()): octets for age, octets in ages.items()}))
        writer.fold()
        writer.expire(NOON_S)
        for step in (TimeStep.TOTAL, TimeStep.DAY, TimeStep.WEEK, TimeStep.MONTH, TimeStep.CYCLE):
            rows = [row for first, last in pairwise(edges) for row in queries.usage(UsageQuery(first, last, step))]
            assert sum(row.counts.octets for row in rows) == sum(ages.values()) + 1


def test_before_the_first_flush_answers_are_empty(ledger: tuple[Writer, Queries]) -> None:
    _, queries = ledger
    assert queries.usage(UsageQuery(0, NOON_S)) == []
    assert queries.devices() == []
    assert queries.coverage(0, NOON_S) == {}


def test_a_step_that_is_no_longer_kept_is_answered_by_a_longer_one_that_is(
    ledger: tuple[Writer, Queries],
) -> None:
    writer, queries = ledger
    writer.commit(flush_of({(NOON_S - 90 * 60 * n, key()): 1 for n in range(8 * 400)}))
    writer.fold()
    writer.expire(NOON_S)
    start_s = NOON_S - 6 * DAY_S - 12 * HOUR_S
    answer = queries.answer(UsageQuery(start_s, NOON_S + 60, TimeStep.MINUTE))
    assert (answer.step, answer.notice) == (TimeStep.MINUTE, None)
    for days, step, longer, kept in (
        (
            8,
            TimeStep.MINUTE,
            TimeStep.HOUR,
            "each minute is kept since 2026-11-14T00:00:00+01:00, so each row is an hour",
        ),
        (401, TimeStep.HOUR, TimeStep.DAY, "each hour is kept since 2025-10-17T00:00:00+02:00, so each row is a day"),
        (
            401,
            TimeStep.MINUTE,
            TimeStep.DAY,
            "each minute is kept since 2026-11-14T00:00:00+01:00, each hour is kept since 2025-10-17T00:00:00+02:00, "
            "so each row is a day",
        ),
    ):
        start_s = parse_instant("2026-11-21", STOCKHOLM) - days * DAY_S
        answer = queries.answer(UsageQuery(start_s, NOON_S + 60, step))
        assert answer.step is longer
        assert (answer.notice or "").startswith(kept)
        asked = queries.usage(UsageQuery(start_s, NOON_S + 60, longer))
        assert list(answer.rows()) == queries.usage(UsageQuery(start_s, NOON_S + 60, step)) == asked


def test_where_days_have_aged_out_months_are_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "whitestat.db"
    start_s, end_s = (parse_instant(text, STOCKHOLM) for text in ("2024-01-15", "2026-11-21"))
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(flush_of({(at_s, key()): 1 for at_s in range(start_s + 12 * HOUR_S, end_s, DAY_S)}))
    with closing(sqlite3.connect(path)) as connection:
        since_s = buckets.expire(connection, STOCKHOLM, Resolution.DAY, parse_instant("2026-06-01", STOCKHOLM))
        connection.commit()
    with closing(Queries(path, STOCKHOLM, CYCLE)) as queries:
        months = queries.usage(UsageQuery(start_s, end_s, TimeStep.MONTH, by=()))
        assert [row.counts.octets for row in months[:2]] == [17, 29]
        for step in (TimeStep.DAY, TimeStep.WEEK, TimeStep.CYCLE):
            answer = queries.answer(UsageQuery(start_s, end_s, step, by=()))
            assert (answer.step, list(answer.rows())) == (TimeStep.MONTH, months)
            assert "each day is kept since 2026-06-01T00:00:00+02:00, so each row is a month" in (answer.notice or "")
            kept = queries.answer(UsageQuery(since_s, end_s, step, by=()))
            assert (kept.step, kept.notice, sum(row.counts.octets for row in kept.rows())) == (step, None, 173)


def test_an_edge_within_what_is_the_finest_still_kept_is_said_to_move(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    writer.commit(flush_of({(NOON_S, key()): 1}))
    writer.fold()
    writer.expire(NOON_S)
    first_s, last_s = (parse_instant(text, STOCKHOLM) for text in ("2025-01-01T12:00", "2026-11-10T12:30"))
    assert queries.answer(UsageQuery(first_s, last_s)).notice == (
        "start moved back to 2025-01-01T00:00:00+01:00, as nothing finer is kept there, "
        "end moved back to 2026-11-10T12:00:00+01:00, as nothing finer is kept there"
    )


@pytest.mark.slow
@examples(60)
@given(st.lists(flushes, max_size=4), questions(), st.integers(1, 4), st.integers(1, 12), st.sampled_from(ZONES))
def test_the_rest_of_a_top_and_the_pages_of_an_answer_are_all_there_is(
    sequence: list[Flush], question: UsageQuery, top: int, limit: int, zone: ZoneInfo
) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder, opened(Path(folder) / "whitestat.db", zone) as (writer, queries):
        for flush in [DEVICES, *sequence]:
            writer.commit(flush)
        everything = queries.usage(question)
        topped = queries.usage(replace(question, top=top))
        assert total(topped) == total(everything)
        assert {row.start_s for row in topped} == {row.start_s for row in everything}
        kinds = {row[1:4] for row in everything}
        ranked = Counter[object]()
        for row in everything:
            ranked[row[1:4]] += row.counts.octets
        shown = {row[1:4] for row in topped if not row.rest}
        assert len(shown) == min(top, len(kinds))
        assert all(ranked[each] >= ranked[other] for each in shown for other in kinds - shown)
        assert [row for row in everything if row[1:4] in shown] == [row for row in topped if not row.rest]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(queries_module, "ROWS_A_WINDOW", 3)
            answer = queries.answer(question)
            assert list(answer.rows()) == everything
            rows, cursor = answer.page(limit)
            while cursor:
                page, cursor = queries.answer(question).page(limit, Cursor.read(str(cursor)))
                assert 0 < len(page) <= limit
                rows += page
            assert rows == everything


def total(rows: list[QueriesRow]) -> Row:
    return tuple(map(sum, zip(*(row.counts for row in rows), strict=True)))


@pytest.mark.slow
@examples(60)
@given(st.lists(flushes, min_size=1, max_size=3), questions(), flushes)
def test_a_tag_changes_with_the_rows_and_with_nothing_else(
    sequence: list[Flush], question: UsageQuery, later: Flush
) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder, opened(Path(folder) / "whitestat.db") as (writer, queries):
        for flush in [DEVICES, *sequence]:
            writer.commit(flush)
        before = queries.answer(question)
        rows = list(before.rows())
        assert queries.answer(question).tag == before.tag
        writer.commit(later)
        after = queries.answer(question)
        same = (list(after.rows()), after.coverage, after.notice) == (rows, before.coverage, before.notice)
        assert (after.tag == before.tag) == same


def test_a_new_name_is_a_new_tag_for_those_who_see_it(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    writer.commit(DEVICES)
    writer.commit(flush_of({(NOON_S, key()): 1}))
    seen, unseen = UsageQuery(NOON_S, NOON_S + 60), UsageQuery(NOON_S, NOON_S + 60, by=("scope",))
    tags = [queries.answer(each).tag for each in (seen, unseen)]
    writer.commit(Flush(devices=[DeviceRecord(PHONE, "phone")]))
    assert [queries.answer(each).tag == tag for each, tag in zip((seen, unseen), tags, strict=True)] == [False, True]


@pytest.mark.parametrize("cursor", [Cursor(NOON_S + 60), Cursor(NOON_S - DAY_S), Cursor(NOON_S + 3 * DAY_S), Cursor(1)])
@pytest.mark.parametrize("step", [TimeStep.TOTAL, TimeStep.HOUR, TimeStep.WEEK])
def test_a_cursor_of_another_question_is_refused(
    ledger: tuple[Writer, Queries], cursor: Cursor, step: TimeStep
) -> None:
    with pytest.raises(QueryError, match="cursor: is not one of this question"):
        ledger[1].answer(UsageQuery(NOON_S, NOON_S + DAY_S, step)).page(1, cursor)


@pytest.mark.parametrize("text", ["", "1", "1.", "a.b", "-1.0", "1.1.1", "99999999999.0"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="cursor: is not one that an answer gave"):
        Cursor.read(text)


@pytest.mark.parametrize("step", [TimeStep.TOTAL, TimeStep.MINUTE])
def test_the_rows_of_an_answer_may_be_taken_again(ledger: tuple[Writer, Queries], step: TimeStep) -> None:
    writer, queries = ledger
    writer.commit(flush_of({(NOON_S, key()): 1, (NOON_S + 60, key()): 2}))
    answer = queries.answer(UsageQuery(NOON_S - DAY_S, NOON_S + DAY_S, step))
    assert list(answer.rows()) == list(answer.rows()) != []


@pytest.mark.slow
def test_a_long_answer_needs_little_memory(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    for hour in range(24):
        minutes = range(NOON_S + hour * HOUR_S, NOON_S + (hour + 1) * HOUR_S, 60)
        writer.commit(flush_of({(at_s, key(episode)): at_s for at_s in minutes for episode in range(50)}))
    answer = queries.answer(UsageQuery(NOON_S, NOON_S + DAY_S, TimeStep.MINUTE, by=("point", "scope")))
    assert sum(1 for _ in answer.rows()) == 24 * 60
    writer.commit(DEVICES)
    writer.commit(Flush(episodes=[Episode(number, number, None, None, 0) for number in range(1, 50)]))
    answer = queries.answer(UsageQuery(NOON_S, NOON_S + DAY_S, TimeStep.MINUTE))
    tracemalloc.start()
    try:
        assert sum(1 for _ in answer.rows()) == 24 * 60 * 50
        assert tracemalloc.get_traced_memory()[1] < 5_000_000  # all of them at once take 36 MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("question", "fault"),
    [
        (lambda: UsageQuery(NOON_S, NOON_S), "end: must be after start"),
        (lambda: UsageQuery(-1, NOON_S), "start: must be between the years 1970 and 2200"),
        (lambda: UsageQuery(0, 10**18), "end: must be between the years 1970 and 2200"),
        (
            lambda: UsageQuery(0, 1, by=("dvice",)),
            "by: unknown word 'dvice', expected some of device, scope, point",
        ),
    ],
)
def test_a_question_without_an_answer_names_the_parameter(question: object, fault: str) -> None:
    with pytest.raises(QueryError, match=fault):
        question()  # type: ignore[operator]


def test_an_answer_that_would_fill_the_memory_is_refused(
    ledger: tuple[Writer, Queries], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, queries = ledger
    monkeypatch.setattr(queries_module, "ROWS_MAX", 50)
    writer.commit(flush_of({(NOON_S + 60 * n, key()): 1 for n in range(51)}))
    assert len(queries.usage(UsageQuery(NOON_S, NOON_S + 50 * 60, TimeStep.MINUTE))) == 50
    with pytest.raises(QueryError, match="step: the answer has more than 50 rows; ask for a longer step"):
        queries.usage(UsageQuery(NOON_S, NOON_S + HOUR_S, TimeStep.MINUTE))


def test_a_referee_is_not_summed_with_what_it_checks(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    writer.commit(flush_of({(NOON_S, key(point="wan")): 10, (NOON_S, key(point="lan")): 9}))
    day = UsageQuery(*day_bounds(20261121, STOCKHOLM), by=("point",))
    assert [row.point for row in queries.usage(day)] == ["wan", "lan"]
    writer.commit(Flush(points=[Point("wan", "interface", "eth0", counts=False)]))
    assert [row.point for row in queries.usage(day)] == ["lan"]


def test_a_device_is_all_its_episodes_and_history_follows_when_one_moves(
    ledger: tuple[Writer, Queries],
) -> None:
    writer, queries = ledger
    episodes = [Episode(1, PHONE, OTHER_MAC, None, 1_000), Episode(2, LAPTOP, MAC, None, 2_000)]
    writer.commit(Flush(devices=[DeviceRecord(PHONE, "phone"), DeviceRecord(LAPTOP)], episodes=episodes))
    writer.commit(flush_of({(NOON_S, key(1)): 5, (NOON_S, key(2)): 7, (NOON_S, key(0)): 1}))
    question = UsageQuery(NOON_S, NOON_S + 60)
    phone, laptop = (
        DeviceName(PHONE, "phone", "02:50:00:00:00:12"),
        DeviceName(LAPTOP, None, "02:50:00:00:00:11"),
    )
    found = [(row.device, row.counts.octets) for row in queries.usage(question)]
    assert found == [(laptop, 7), (phone, 5), (None, 1)]
    writer.commit(Flush(episodes=[Episode(2, PHONE, MAC, None, 2_000)]))
    found = [(row.device, row.counts.octets) for row in queries.usage(question)]
    assert found == [(phone._replace(mac="02:50:00:00:00:11"), 12), (None, 1)]


def test_usage_of_an_episode_that_was_never_named_is_not_lost(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    writer.commit(flush_of({(NOON_S, key(77)): 5}))
    (row,) = queries.usage(UsageQuery(NOON_S, NOON_S + 60))
    assert (row.device, row.counts.octets) == (None, 5)


def test_devices_come_with_their_latest_mac_and_addresses_and_times(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    first, second = (bytes(10) + b"\xff\xff\xc0\xa8\x32" + bytes([each]) for each in (10, 11))
    writer.commit(
        Flush(
            devices=[DeviceRecord(1, "phone", "user", "Anna"), DeviceRecord(2)],
            episodes=[Episode(1, 1, MAC, None, 1_000), Episode(2, 1, OTHER_MAC, None, 2_000)],
            seen={1: 9_000, 2: 3_000},
            addresses={(1, first): 8_000, (2, second): 2_500},
        )
    )
    writer.commit(Flush(seen={1: 8_500, 2: 4_000}))
    ips = ("192.168.50.10", "192.168.50.11")
    assert queries.devices() == [
        DeviceRow(1, "phone", "user", "02:50:00:00:00:11", ips, "Anna", 1_000, 9_000),
    ]


def test_coverage_adds_up_over_minutes_hours_and_days(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    minute = Coverage(60_000, 1_000, 990, 900, 50, 1)
    start_s, end_s = NOON_S - 3 * DAY_S - 90 * 60, NOON_S + 90 * 60
    booked = {(at_s, "lan"): minute for at_s in range(start_s - HOUR_S, end_s + HOUR_S, 60)}
    writer.commit(Flush(coverage=booked, points=[Point("wan", "interface", "eth0", counts=False)]))
    minutes = (end_s - start_s) // 60
    assert queries.coverage(start_s, end_s) == {
        "lan": Coverage(*(minutes * each for each in minute)),
        "wan": Coverage(),
    }
    with pytest.raises(QueryError, match="end: must be after start"):
        queries.coverage(end_s, start_s)


def test_an_hour_the_clocks_repeat_is_two_hours_of_a_day_of_25(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    start_s, end_s = day_bounds(20261025, STOCKHOLM)
    writer.commit(flush_of({(at_s, key()): 1 for at_s in range(start_s, end_s, 60)}))
    hours = queries.usage(UsageQuery(start_s, end_s, TimeStep.HOUR, by=()))
    assert [row.counts.octets for row in hours] == [60] * 25
    (day,) = queries.usage(UsageQuery(start_s, end_s, TimeStep.DAY, by=()))
    assert (day.start_s, day.counts.octets) == (start_s, 1500)


def test_years_of_days_come_as_months(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    start_s, end_s = (parse_instant(text, STOCKHOLM) for text in ("2024-01-15", "2026-03-02"))
    writer.commit(flush_of({(at_s, key()): 1 for at_s in range(start_s + 12 * HOUR_S, end_s, DAY_S)}))
    rows = queries.usage(UsageQuery(start_s, end_s, TimeStep.MONTH, by=()))
    assert [row.counts.octets for row in rows[:3]] == [17, 29, 31]
    assert rows[-1].start_s == parse_instant("2026-03-01", STOCKHOLM)
    assert len(rows) == 27


def test_answers_are_of_whole_flushes_while_the_writer_goes_on(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    writer.commit(whole(1))
    ended = threading.Event()
    sums: list[int] = []

    def ask() -> None:
        while not ended.is_set():
            rows = queries.usage(UsageQuery(NOON_S, NOON_S + 15 * HOUR_S, TimeStep.TOTAL, by=()))
            sums.append(rows[0].counts.octets)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for principal in askers:
        principal.start()
    epoch = 1
    while epoch < 60 or (len(sums) <= 10 and epoch < 800):
        epoch += 1
        writer.commit(whole(epoch))
    ended.set()
    for principal in askers:
        principal.join()
    assert len(sums) > 10
    assert all(each % 40 == 0 for each in sums)
    assert max(sums) <= epoch * 40


def test_a_closed_ledger_is_an_error_of_ours(ledger: tuple[Writer, Queries]) -> None:
    _, queries = ledger
    queries.close()
    with pytest.raises(LedgerError, match="cannot be read"):
        queries.devices()


def test_octets_on_disk_are_those_of_the_files(tmp_path: Path, ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    writer.commit(whole(1))
    assert queries.octets_on_disk() == sum((tmp_path / name).stat().st_size for name in FILES)
