"""Several answers at the same time, their limits, and the end of all of them."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.flushes import NOON_S, STOCKHOLM, flush_of, key
from whitestat.core.errors import AnswerCancelled, AnswerTooLong, LedgerError
from whitestat.ledger.read import readers
from whitestat.ledger.read.limits import AnswerLimit, limited
from whitestat.ledger.read.queries import MOST_READERS, Queries, UsageQuery
from whitestat.ledger.write.writer import Writer

ALWAYS = UsageQuery(NOON_S - 86_400, NOON_S + 86_400, by=())
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "whitestat.db"


@pytest.fixture
def queries(path: Path) -> Iterator[Queries]:
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(flush_of({(NOON_S, key()): 1}))
        with closing(Queries(path, STOCKHOLM)) as made:
            yield made


def ask_endlessly(queries: Queries) -> None:
    with queries._snapshot() as reader:
        reader.connection.execute(ENDLESS).fetchone()


def test_an_answer_ends_after_its_time_and_says_what_to_ask_instead(queries: Queries) -> None:
    began = time.monotonic()
    with pytest.raises(AnswerTooLong, match=r"more than 0\.1 s; ask for a shorter span"), limited(AnswerLimit(0.1)):
        ask_endlessly(queries)
    assert time.monotonic() - began < 2
    assert queries.usage(ALWAYS)[0].counts.octets == 1


def test_an_answer_that_nobody_waits_for_ends_at_once(queries: Queries) -> None:
    limit, faults = AnswerLimit(60), list[Exception]()

    def ask() -> None:
        try:
            with limited(limit):
                ask_endlessly(queries)
        except AnswerCancelled as fault:
            faults.append(fault)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.1)
    limit.cancel()
    asking.join(5)
    assert len(faults) == 1


def test_a_change_of_temporary_tables_that_was_interrupted_leaves_no_trace_in_later_answers(queries: Queries) -> None:
    """SQLite rolls the transaction back, while the reader believes that the journal's tail is in its tables."""
    with pytest.raises(AnswerTooLong), limited(AnswerLimit(0.05)), queries._snapshot() as reader:
        reader.connection.execute(f"INSERT INTO temp.tail_seen SELECT i, i FROM ({ENDLESS.replace('count(*)', 'i')})")
    assert queries.usage(ALWAYS)[0].counts.octets == 1


def test_others_are_answered_while_long_answers_are_read(queries: Queries) -> None:
    limits = [AnswerLimit(60) for _ in range(MOST_READERS - 1)]

    def ask(limit: AnswerLimit) -> None:
        with pytest.raises(AnswerCancelled), limited(limit):
            ask_endlessly(queries)

    asking = [threading.Thread(target=ask, args=(limit,)) for limit in limits]
    for thread in asking:
        thread.start()
    time.sleep(0.1)
    began = time.monotonic()
    assert queries.usage(ALWAYS)[0].counts.octets == 1
    assert time.monotonic() - began < 2
    for limit, thread in zip(limits, asking, strict=True):
        limit.cancel()
        thread.join(5)


def test_a_question_waits_for_a_reader_while_all_are_used(queries: Queries, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def ask() -> None:
        queries.usage(ALWAYS)
        answered.set()

    asking = threading.Thread(target=ask)
    with queries._snapshot(), queries._snapshot(), queries._snapshot():
        asking.start()
        assert not answered.wait(0.2)
    assert answered.wait(5)
    asking.join()


def test_closing_ends_all_answers_and_leaves_one_file(path: Path) -> None:
    faults = list[str]()

    def ask(queries: Queries) -> None:
        try:
            while True:  # an interrupt between two statements must not be lost
                ask_endlessly(queries)
        except LedgerError as fault:
            faults.append(str(fault))

    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(flush_of({(NOON_S, key()): 1}))
        queries = Queries(path, STOCKHOLM)
        asking = [threading.Thread(target=ask, args=(queries,)) for _ in range(MOST_READERS)]
        for thread in asking:
            thread.start()
        time.sleep(0.1)
        began = time.monotonic()
        queries.close()
        assert time.monotonic() - began < 1
        for thread in asking:
            thread.join(5)
        assert len(faults) == MOST_READERS
        with pytest.raises(LedgerError, match="it was closed"):
            queries.usage(ALWAYS)
    assert not path.with_name(f"{path.name}-wal").exists()


def test_a_reader_that_cannot_be_opened_is_told_and_tried_again(
    queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, queries._snapshot():

        def refuse(_: Path) -> sqlite3.Connection:
            raise LedgerError("no more files")

        patch.setattr(readers, "open_for_reading", refuse)
        with pytest.raises(LedgerError, match="no more files"):
            queries.usage(ALWAYS)
    with queries._snapshot():
        assert queries.usage(ALWAYS)[0].counts.octets == 1
