"""Whatever is flushed, folded, expired, reopened or cut off in whichever order: nothing is lost or doubled."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.flushes import (
    FILES,
    MEMORY,
    NOON_S,
    STOCKHOLM,
    ZONES,
    Row,
    booked,
    coverages,
    flush_of,
    flushes,
    key,
    keys,
    minutes,
    modelled,
    stored,
    summed,
    whole,
)
from tests.support.flushes import counts as any_counts
from tests.support.full_disk import full_disk
from whitestat.core.calendar import day_bounds, day_of
from whitestat.core.errors import LedgerError
from whitestat.core.model import CounterReading, Counts, FlowKey, Receipt
from whitestat.ledger.files import blocks, journal
from whitestat.ledger.files.database import APPLICATION_ID
from whitestat.ledger.files.journal import JournalEntry
from whitestat.ledger.files.migrations import MIGRATIONS
from whitestat.ledger.read.answer import GroupSums
from whitestat.ledger.read.queries import LET_PASS_S, Queries, TimeStep, UsageQuery
from whitestat.ledger.read.sums import SumReader
from whitestat.ledger.resolutions import Resolution
from whitestat.ledger.write import writer as writer_module
from whitestat.ledger.write.writer import Flush, Writer

DAY_S, HOUR_S = 86_400, 3_600
ALWAYS = UsageQuery(0, NOON_S + 40 * DAY_S, TimeStep.TOTAL, by=())

EVER_S = NOON_S - 450 * DAY_S
"""Before all that is generated: to walk the days from 1970 on would take most of the time."""

old_minutes = st.integers(-430 * 1440, -380 * 1440).map(lambda minute: NOON_S + 60 * minute)
old_flushes = st.builds(
    Flush,
    usage=st.dictionaries(st.tuples(st.one_of(old_minutes, minutes), keys), any_counts, max_size=4),
    coverage=st.dictionaries(st.tuples(old_minutes, st.just("lan")), coverages, max_size=2),
)
steps = st.lists(st.one_of(flushes, old_flushes, st.sampled_from(["fold", "expire", "reopen", "cut off"])), max_size=14)


class Ledger:
    """A writer and a reader, and all that was committed; what happens to them is told in words."""

    def __init__(self, folder: Path, zone: ZoneInfo) -> None:
        self.folder, self.zone = folder, zone
        self.path = folder / "whitestat.db"
        self.committed: list[Flush] = []
        self.left: list[Writer] = []
        self._open()

    def _open(self) -> None:
        self.writer, self.queries = Writer(self.path, self.zone), Queries(self.path, self.zone)

    def close(self) -> None:
        self.queries.close()
        for writer in (self.writer, *self.left):
            writer.close()

    def do(self, step: Flush | str) -> None:
        if isinstance(step, Flush):
            assert self.writer.commit(step)
            self.committed.append(step)
        elif step == "fold":
            self.writer.fold()
        elif step == "expire":
            self.writer.expire(NOON_S + 1000 * DAY_S)
        elif step == "reopen":
            self.queries.close()
            self.writer.close()
            self._open()
        else:
            self._cut_off()

    def _cut_off(self) -> None:
        """Go on from a copy of the files as they are now, as after a power cut."""
        self.queries.close()
        self.left.append(self.writer)
        copy = self.folder / str(len(self.left))
        copy.mkdir()
        for name in FILES:
            shutil.copy(self.path.with_name(name), copy)
        self.path = copy / "whitestat.db"
        self._open()

    def asked(self, step: TimeStep) -> dict[tuple[int, object], Row]:
        rows = self.queries.usage(UsageQuery(EVER_S, ALWAYS.end_s, step, by=("scope", "point")))
        return {(row.start_s, (row.scope, row.point)): tuple(row.counts) for row in rows}

    def expected(self, step: TimeStep) -> dict[tuple[int, object], Row]:
        def start_s(minute_s: int) -> int:
            day = day_of(minute_s, self.zone)
            return {
                TimeStep.TOTAL: EVER_S,
                TimeStep.DAY: day_bounds(day, self.zone)[0],
                TimeStep.MONTH: day_bounds(day // 100 * 100 + 1, self.zone)[0],
            }[step]

        return summed(
            ((start_s(minute_s), (each.scope, each.point)), row)
            for flush in self.committed
            for (minute_s, each), row in flush.usage.items()
        )


@pytest.mark.slow
@examples(120)
@given(steps, st.sampled_from(ZONES))
def test_whatever_happens_every_answer_is_that_of_a_plain_model(sequence: list[Flush | str], zone: ZoneInfo) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder, closing(Ledger(Path(folder), zone)) as ledger:
        for step in sequence:
            ledger.do(step)
            for asked in (TimeStep.TOTAL, TimeStep.DAY, TimeStep.MONTH):
                assert ledger.asked(asked) == ledger.expected(asked)
        ledger.writer.fold()
        with closing(sqlite3.connect(ledger.path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            for resolution in (Resolution.DAY, Resolution.MONTH):

                def bucket(minute_s: int, resolution: Resolution = resolution) -> int:
                    return resolution.bucket(minute_s, zone)

                rows = stored(connection, "coverage", resolution, zone)
                model = modelled(ledger.committed, lambda flush: flush.coverage, bucket)
                assert sorted(rows.values()) == sorted(model.values())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "whitestat.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    with closing(Writer(path, STOCKHOLM)) as each:
        yield each


def total(path: Path, question: UsageQuery = ALWAYS, zone: ZoneInfo = STOCKHOLM) -> int:
    with closing(Queries(path, zone)) as queries:
        return sum(row.counts.octets for row in queries.usage(question))


def test_a_flush_writes_one_page_once_the_journal_has_its_place(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour of 50 devices, then the next hour over it."""
    monkeypatch.setattr(blocks, "BLOCKS", 128)

    def hour_of_flushes(start_s: int) -> list[int]:
        written = []
        for number in range(120):
            before = writer.octets_written
            at_s = start_s + 60 * (number // 2)
            writer.commit(flush_of({(at_s, key(episode)): 10**6 * episode + number for episode in range(50)}))
            written.append(writer.octets_written - before)
        return written

    hour_of_flushes(NOON_S)
    writer.fold()
    assert set(hour_of_flushes(NOON_S + HOUR_S)) == {blocks.BLOCK}


def test_an_hour_is_folded_by_the_first_flush_of_the_next(writer: Writer, path: Path) -> None:
    def minutes_folded() -> int:
        with closing(sqlite3.connect(path)) as connection:
            return len(booked(connection, "usage", Resolution.MINUTE))

    for minute in range(60):
        writer.commit(flush_of({(NOON_S + 60 * minute, key()): 1}))
    assert minutes_folded() == 0
    writer.commit(flush_of({(NOON_S - 60, key()): 1}))  # what comes late begins no hour
    assert minutes_folded() == 0
    writer.commit(flush_of({(NOON_S + HOUR_S, key()): 1}))
    assert minutes_folded() == 61


def test_a_journal_that_is_full_is_folded(writer: Writer, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "SLOTS_MAX", 10)
    for number in range(100):
        writer.commit(flush_of({(NOON_S, key()): 1}, Receipt("kernel", number)))
    with closing(sqlite3.connect(path)) as connection:
        assert journal.folded(connection) == 90
    assert total(path) == 100


def test_a_flush_of_many_slots_is_read_and_folded_whole(writer: Writer, path: Path) -> None:
    large = {(NOON_S + 60 * n, key(e)): n * 7919**e % 10**12 for n in range(60) for e in range(60)}
    with closing(Queries(path, STOCKHOLM)) as queries:
        for _ in range(2):
            writer.commit(flush_of(large))
            for _ in range(2):
                assert queries.usage(ALWAYS)[0].counts.octets == total(path)
    assert total(path) == 2 * sum(large.values())
    writer.fold()
    assert total(path) == 2 * sum(large.values())


def test_a_fold_on_a_full_disk_leaves_the_journal_as_it_was(writer: Writer, path: Path) -> None:
    for minute in range(50):
        writer.commit(flush_of({(NOON_S + 60 * minute, key(episode)): 1 for episode in range(100)}))
    with full_disk(path.with_name("whitestat.db-wal").stat().st_size), pytest.raises(LedgerError, match="fold failed"):
        writer.fold()
    assert total(path) == 5_000
    writer.fold()
    assert total(path) == 5_000


def test_a_damaged_entry_is_told_and_those_behind_it_are_booked(writer: Writer, path: Path) -> None:
    writer.commit(whole(1))
    writer.commit(whole(2))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE journal SET content = zeroblob(1952)")
        connection.commit()
    with closing(Queries(path, STOCKHOLM)) as queries:
        assert queries.usage(ALWAYS)[0].counts.octets == 40
    writer.fold()
    assert writer.notices[0].startswith("the disk damaged a block of the journal, flushed between 2026-11-21T12:02")
    assert total(path) == 40


def test_a_new_time_zone_moves_nothing_that_is_booked(path: Path) -> None:
    """Stockholm's days stay; what New York's day has begun with goes to one of them, once."""
    new_york = ZoneInfo("America/New_York")
    hours = range(NOON_S - 40 * DAY_S, NOON_S, HOUR_S)
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(flush_of({(at_s, key()): 1 for at_s in hours}))
    with closing(sqlite3.connect(path)) as connection:
        days = booked(connection, "usage", Resolution.DAY)
    with closing(Writer(path, new_york)) as writer:
        assert total(path, zone=new_york) == len(hours)
        writer.commit(flush_of({(NOON_S + HOUR_S * n, key()): 1 for n in range(50)}))
        writer.fold()
        assert total(path, zone=new_york) == len(hours) + 50
    with closing(sqlite3.connect(path)) as connection:
        now = booked(connection, "usage", Resolution.DAY)
    assert now[: len(days) - 1] == days[:-1]


numbers = st.integers(0, 2**53 - 1)


def rows(width: int) -> st.SearchStrategy[list[list[int]]]:
    return st.lists(st.lists(numbers, min_size=width, max_size=width), max_size=5)


receipts = st.lists(st.tuples(st.text(), numbers).map(list), max_size=3)
entries = st.builds(
    JournalEntry, rows(7), rows(8), rows(2), st.just([[1, "00ff", 5]]), st.just([]), st.just([]), receipts
)


@given(entries)
def test_an_entry_comes_back_as_it_was_whatever_follows_it(entry: JournalEntry) -> None:
    back = journal.unpacked(journal.packed(entry) + bytes(100))
    assert [[list(row) for row in table] for table in back] == [[list(row) for row in table] for table in entry]


@given(st.binary(max_size=200))
def test_what_is_no_entry_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        journal.unpacked(content)


def test_what_no_table_can_hold_is_refused_before_it_is_journaled(writer: Writer) -> None:
    """In the journal it would keep everything after it from being folded."""
    reading = CounterReading(FlowKey("router"), Counts(1), 1_000, "boot 1")
    for wrong in (reading._replace(epoch="boot \udcff"), reading._replace(at_ms=2**63)):
        with pytest.raises(LedgerError, match="commit failed"):
            writer.commit(Flush(readings=[wrong]))
    writer.commit(Flush(readings=[reading]))
    assert writer.state().readings == (reading,)


VERSION_1 = """
    INSERT INTO point VALUES (1, 'lan', 'kernel', 'br0', 1);
    INSERT INTO series VALUES (1, 1, 1, 0), (2, 2, 1, 1);
    INSERT INTO receipt VALUES ('kernel', 41);
    INSERT INTO kept VALUES ('minute', 1792800000);
"""


def version_1(path: Path, all_minutes: dict[tuple[int, int], int]) -> None:
    """A ledger as version 1 wrote it: each minute in all three tables, by series."""
    with closing(sqlite3.connect(path)) as connection:
        MIGRATIONS[0](connection)
        connection.executescript(VERSION_1)
        for resolution in (Resolution.MINUTE, Resolution.HOUR, Resolution.DAY):
            sums: dict[tuple[int, int], int] = {}
            for (minute_s, series), octets in all_minutes.items():
                place = resolution.bucket(minute_s, STOCKHOLM), series
                sums[place] = sums.get(place, 0) + octets
            connection.executemany(
                f"INSERT INTO usage_{resolution} VALUES (?, ?, ?, 0, 1, 0, 0)",
                [(*place, octets) for place, octets in sums.items()],
            )
        connection.execute("INSERT INTO coverage_hour VALUES (?, 1, 1, 2, 3, 4, 5, 6)", (NOON_S,))
        connection.execute("INSERT INTO coverage_day VALUES (20261121, 1, 1, 2, 3, 4, 5, 6)")
        connection.execute("PRAGMA user_version = 1")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.commit()


@pytest.mark.slow
def test_a_ledger_of_version_1_keeps_its_sums_and_goes_on(path: Path) -> None:
    ages = [*range(0, 40 * DAY_S, 5_000), *range(40 * DAY_S, 800 * DAY_S, 100_000)]
    booked = {(NOON_S - age // 60 * 60, 1 + age % 2): age + 1 for age in ages}
    version_1(path, booked)
    with closing(Writer(path, STOCKHOLM)) as writer:
        assert writer.state().receipts == {"kernel": 41}
        assert not writer.commit(flush_of({(NOON_S, key()): 1}, Receipt("kernel", 41)))
        assert total(path) == sum(booked.values())
        today = writer.day_usage(20261121)
        assert today[key(1)].octets == sum(
            octets for (at_s, s), octets in booked.items() if s == 1 and day_of(at_s, STOCKHOLM) == 20261121
        )
        fresh = {(NOON_S + 60, key(1)): 5, (NOON_S - 300 * DAY_S, key(1)): 6, (NOON_S + 2 * DAY_S, key(1)): 7}
        writer.commit(flush_of(fresh, Receipt("kernel", 42)))
        for _ in range(2):
            with closing(Queries(path, STOCKHOLM)) as queries:
                for step in (TimeStep.TOTAL, TimeStep.DAY, TimeStep.MONTH):
                    question = UsageQuery(ALWAYS.start_s, ALWAYS.end_s, step, by=())
                    assert sum(row.counts.octets for row in queries.usage(question)) == sum(booked.values()) + 18
                assert queries.coverage(NOON_S, NOON_S + HOUR_S)["lan"].packets_lost == 6
            writer.fold()
        assert writer.day_usage(20261121)[key(1)] == today[key(1)].plus(Counts(octets_in=5, packets_in=1))


def test_a_fold_gives_way_between_its_parts(writer: Writer, path: Path) -> None:
    times: list[None] = []
    writer.give_way(lambda: times.append(None))
    for number in range(20):
        writer.commit(flush_of({(NOON_S + 60 * number, key(episode)): 1 for episode in range(100)}))
    writer.fold()
    assert len(times) > 20
    assert total(path) == 2_000


def test_who_can_wait_waits_for_an_answer_and_not_for_long(writer: Writer, path: Path) -> None:
    writer.commit(flush_of({(NOON_S, key()): 1}))
    begun, let_go = threading.Event(), threading.Event()

    class Slow(SumReader):
        def usage(self, *_: object) -> GroupSums:
            begun.set()
            assert let_go.wait(10)
            return {}

    with closing(Queries(path, STOCKHOLM)) as queries, pytest.MonkeyPatch.context() as patch:
        queries.let_pass()
        patch.setattr(queries._readers._idle[0].sums, "__class__", Slow)
        asking = threading.Thread(target=queries.answer, args=(ALWAYS,))
        asking.start()
        assert begun.wait(10)
        before = time.monotonic()
        queries.let_pass()
        waited_s = time.monotonic() - before
        let_go.set()
        asking.join()
    assert waited_s > LET_PASS_S / 2
