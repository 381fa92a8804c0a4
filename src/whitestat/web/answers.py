"""Threads that answer from the ledger, shared fairly between accounts."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

from starlette.requests import Request

from whitestat.core.errors import AnswerCancelled, LedgerError
from whitestat.ledger.read.limits import AnswerLimit, limited
from whitestat.ledger.read.queries import MOST_READERS

T = TypeVar("T")

ANSWER_S = 15.0
"""How long an answer, or a part of one that is sent in parts, may be computed."""

CONTROL_S = 600.0
"""The same for commands on this machine (control socket)."""

MOST_WAITING = 64
"""Questions of one account that wait: more than all pages of a household ask at a time."""


class TooManyQuestions(LedgerError):
    """An account has MOST_WAITING questions that wait."""

    def __init__(self) -> None:
        super().__init__(f"{MOST_WAITING} questions of this account wait already; ask again when they are answered")


class _Job(NamedTuple):
    function: Callable[[], Any]
    limit: AnswerLimit
    answer: asyncio.Future[Any]


class AnswerQueue:
    """Runs functions in `workers` threads: accounts in turn, and of each at most all but one of the threads at a time.

    So the questions of one account, however long they take, never keep those of another waiting. For use in one event
    loop.
    """

    def __init__(self, workers: int = MOST_READERS) -> None:
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers, "questions")
        self._waiting: OrderedDict[str, deque[_Job]] = OrderedDict()
        self._running: Counter[str] = Counter()

    async def run(self, account: str, function: Callable[[], T], limit: AnswerLimit) -> T:
        """Return what the function returns, in the account's turn. Raises TooManyQuestions, AnswerTooLong.

        The limit begins with the turn. When the calling task is cancelled, so is the answer.
        """
        if len(self._waiting.get(account, ())) >= MOST_WAITING:
            raise TooManyQuestions
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(account, deque()).append(_Job(function, limit, answer))
        self._start()
        try:
            return await answer
        except asyncio.CancelledError:
            limit.cancel()
            raise

    def _start(self) -> None:
        while self._running.total() < self._workers and (account := self._next()) is not None:
            jobs = self._waiting.pop(account)
            job = jobs.popleft()
            if jobs:
                self._waiting[account] = jobs  # behind the others
            if job.answer.done():
                continue
            if job.limit.is_cancelled:
                job.answer.set_exception(AnswerCancelled())
                continue
            self._running[account] += 1
            future = asyncio.get_running_loop().run_in_executor(self._threads, _answer, job)
            future.add_done_callback(partial(self._ended, account, job))

    def _next(self) -> str | None:
        most = max(1, self._workers - 1)
        return next((account for account in self._waiting if self._running[account] < most), None)

    def _ended(self, account: str, job: _Job, future: asyncio.Future[Any]) -> None:
        self._running[account] -= 1
        self._running += Counter()  # without those of zero
        self._start()
        if future.cancelled() or job.answer.done():
            return
        fault = future.exception()
        if fault:
            job.answer.set_exception(fault)
        else:
            job.answer.set_result(future.result())


def _answer(job: _Job) -> object:
    with limited(job.limit):
        return job.function()


async def cancel_when_left(request: Request, limit: AnswerLimit) -> None:
    """Cancel the answer when the client closes its connection; run it as a task beside the answer."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    limit.cancel()
