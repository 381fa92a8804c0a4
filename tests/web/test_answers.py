"""Long questions: ended when the client leaves or their time is over, and never in the way of another account."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.household import House, booked, household
from whitestat.core.errors import AnswerCancelled, LedgerError
from whitestat.ledger.read.limits import AnswerLimit
from whitestat.ledger.read.queries import DeviceRow, Queries
from whitestat.web import answers, app
from whitestat.web.answers import AnswerQueue, TooManyQuestions
from whitestat.web.auth.roles import Role

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


class EndlessQueries(Queries):
    """Never answers which devices there are; `ended` are the faults of those answers."""

    ended: list[LedgerError]

    def devices(self) -> list[DeviceRow]:
        try:
            with self._snapshot() as reader:
                reader.connection.execute(ENDLESS).fetchone()
        except LedgerError as fault:
            self.ended.append(fault)
            raise
        raise AssertionError("it came to an end")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with household(tmp_path, booked(), readers=(), editors=()) as each:
        each.queries.__class__ = EndlessQueries
        each.queries.ended = []  # type: ignore[attr-defined]
        yield each


def ended(house: House) -> list[LedgerError]:
    assert isinstance(house.queries, EndlessQueries)
    return house.queries.ended


def token(house: House, name: str) -> str:
    return f"Bearer {house.accounts.add_token(name, Role.VIEWER, None, 0)[1]}"


def soon(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def abandon(house: House, authorization: str) -> None:
    """Ask for what takes for ever, and leave."""
    address = urlsplit(house.url)
    with closing(socket.create_connection((address.hostname, address.port))) as line:
        line.sendall(
            f"GET /api/v1/devices HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {authorization}\r\n\r\n".encode()
        )
        time.sleep(0.2)


def test_an_answer_ends_when_the_client_leaves(house: House, caplog: pytest.LogCaptureFixture) -> None:
    abandon(house, token(house, "a"))
    assert soon(lambda: len(ended(house)) == 1)
    assert isinstance(ended(house)[0], AnswerCancelled)
    assert not caplog.records


def test_an_answer_that_takes_too_long_says_what_to_ask_instead(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "ANSWER_S", 0.2)
    answer = house.get("/api/v1/devices", Authorization=token(house, "a"))
    assert answer.status == 503
    assert "ask for a shorter span, a longer step" in answer.json["error"]["reason"]


@pytest.mark.slow
def test_an_account_with_endless_questions_keeps_no_other_account_waiting(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "ANSWER_S", 2)
    greedy, other = token(house, "greedy"), token(house, "other")
    asking = [
        threading.Thread(target=house.get, args=("/api/v1/devices",), kwargs={"Authorization": greedy})
        for _ in range(6)
    ]
    for thread in asking:
        thread.start()
    time.sleep(0.3)
    for _ in range(5):
        began = time.monotonic()
        assert house.get("/api/v1/usage", Authorization=other).status == 200
        assert time.monotonic() - began < 2
    for thread in asking:
        thread.join()


def test_the_server_stops_at_once_during_endless_answers(tmp_path: Path) -> None:
    with household(tmp_path, booked(), readers=(), editors=()) as house:
        house.queries.__class__ = EndlessQueries
        house.queries.ended = []  # type: ignore[attr-defined]
        text = token(house, "a")
        asking = [
            threading.Thread(target=house.get, args=("/api/v1/devices",), kwargs={"Authorization": text})
            for _ in range(3)
        ]
        for thread in asking:
            thread.start()
        time.sleep(0.2)
        began = time.monotonic()
        house.queries.close()
    assert time.monotonic() - began < 3
    for thread in asking:
        thread.join()


def test_questions_of_an_account_wait_in_turn_with_those_of_others() -> None:
    order = list[str]()

    async def run() -> None:
        queue = AnswerQueue(1)
        begun, let_go = threading.Event(), threading.Event()

        def first() -> None:
            begun.set()
            assert let_go.wait(10)

        jobs = [asyncio.create_task(queue.run("a", first, AnswerLimit(9)))]
        await asyncio.sleep(0.05)
        for name, count in (("a", 3), ("b", 2)):
            jobs += [
                asyncio.create_task(queue.run(name, partial(order.append, name), AnswerLimit(9))) for _ in range(count)
            ]
        await asyncio.sleep(0.05)
        let_go.set()
        await asyncio.gather(*jobs)

    asyncio.run(run())
    assert order == ["a", "b", "a", "b", "a"]


def test_more_questions_of_an_account_than_may_wait_are_refused_and_those_of_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "MOST_WAITING", 2)

    async def run() -> None:
        queue, let_go = AnswerQueue(2), threading.Event()
        jobs = [asyncio.create_task(queue.run("a", lambda: let_go.wait(10), AnswerLimit(9))) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(TooManyQuestions):
            await queue.run("a", lambda: None, AnswerLimit(9))
        assert await queue.run("b", lambda: "answer", AnswerLimit(9)) == "answer"
        let_go.set()
        await asyncio.gather(*jobs)

    asyncio.run(run())


def test_a_question_that_was_left_while_it_waited_is_never_run() -> None:
    ran = list[str]()

    async def run() -> None:
        queue, let_go = AnswerQueue(1), threading.Event()
        first = asyncio.create_task(queue.run("a", lambda: let_go.wait(10), AnswerLimit(9)))
        await asyncio.sleep(0.05)
        limit = AnswerLimit(9)
        left = asyncio.create_task(queue.run("a", lambda: ran.append("left"), limit))
        await asyncio.sleep(0.05)
        limit.cancel()
        let_go.set()
        with pytest.raises(AnswerCancelled):
            await left
        await first

    asyncio.run(run())
    assert not ran
