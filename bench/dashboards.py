"""Twenty dashboards that ask while a flush is written every second; then one who asks on and on while hours are folded.

Twenty wait for each other up to 90 ms, whatever is folded, so one alone tells what a fold costs.

The asked is a process of its own, `python -m bench.dashboards LEDGER DEVICES YEARS`: the real web application and
server over the ledger, and the real writer in a thread, as the engine has it. What it did, and when, it prints as JSON
on one line when its input ends.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_network
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "src")]

from bench.filling import NOW_S, ZONE, household, kept  # noqa: E402
from bench.wearing import Day  # noqa: E402
from whitestat.ledger.read.queries import Queries  # noqa: E402
from whitestat.ledger.usage_query import UsageQuery  # noqa: E402
from whitestat.ledger.write.writer import Writer  # noqa: E402
from whitestat.web.app import create_app  # noqa: E402
from whitestat.web.server import serve  # noqa: E402
from whitestat.web.sources import Access, Sources  # noqa: E402

DASHBOARDS = 20
SECONDS = 60
FOLDS = 6
"""How often a whole hour of flushes is put into the journal and folded, after the minute of flushes."""

PATHS = (
    "/api/v1/health",
    "/api/v1/usage?start=today&step=total&by=device",
    "/api/v1/usage?start=today&step=hour&by=scope",
    "/api/v1/usage?start=week&step=day&by=device&top=20",
    "/api/v1/usage?start=month&step=total&by=device",
    "/api/v1/devices",
    "/api/v1/coverage",
)
"""What each asks in turn, one in a second."""


class Dashboards(NamedTuple):
    """What they saw: answers, those with errors, milliseconds of an answer (in the middle and the longest); of
    those that a fold fell into, how much longer than usual the latest was. What was written beside."""

    answers: int
    errors: int
    median_ms: float
    longest_ms: float
    delayed: int
    delay_ms: float
    folds_ms: tuple[float, ...]
    flushes: int
    octets_lost: int


class Answer(NamedTuple):
    path: str
    began: float
    ended: float
    ok: bool


def watch(ledger: Path, devices: int, years: int) -> Dashboards:
    """Start the asked, have it asked, and put both accounts together."""
    words = [sys.executable, str(Path(__file__)), str(ledger), str(devices), str(years)]
    asked = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert asked.stdin
    assert asked.stdout
    try:
        port = int(asked.stdout.readline())
        crowd: list[Answer] = []
        alone: list[Answer] = []
        done = ""
        for askers, pause_s, answers in ((DASHBOARDS, 1.0, crowd), (1, 0.002, alone)):
            over = threading.Event()
            threads = [
                threading.Thread(target=_ask, args=(port, poll / askers, pause_s, over, answers))
                for poll in range(askers)
            ]
            for thread in threads:
                thread.start()
            done = asked.stdout.readline()  # the minute is over; then, what was done
            over.set()
            for thread in threads:
                thread.join()
        asked.stdin.close()
        asked.wait(30)
        return _together(crowd, alone, json.loads(done))
    finally:
        asked.kill()
        asked.wait()
        asked.stdout.close()


def _ask(port: int, late_s: float, pause_s: float, over: threading.Event, answers: list[Answer]) -> None:
    """One dashboard: a question, and a pause, the connection kept."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    time.sleep(late_s)
    poll = int(late_s * DASHBOARDS)
    while not over.wait(pause_s):
        poll += 1
        path = PATHS[poll % len(PATHS)]
        began = time.monotonic()
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            ok = answer.status == 200 and bool(answer.read())
        except (OSError, HTTPException):
            ok = False
            connection.close()
        answers.append(Answer(path, began, time.monotonic(), ok))
    connection.close()


def _together(crowd: list[Answer], alone: list[Answer], done: dict[str, Any]) -> Dashboards:
    folds = [(began, ended) for began, ended in done["folds"]]
    held: list[Answer] = []
    took: dict[str, list[float]] = {}
    for each in alone:
        if any(each.began < ended and each.ended > began for began, ended in folds):
            held.append(each)
        else:
            took.setdefault(each.path, []).append((each.ended - each.began) * 1000)
    usual = {path: median(times) for path, times in took.items()}
    delays = [(each.ended - each.began) * 1000 - usual.get(each.path, 0) for each in held]
    times = [(each.ended - each.began) * 1000 for each in crowd]
    return Dashboards(
        answers=len(crowd),
        errors=sum(not each.ok for each in (*crowd, *alone)),
        median_ms=median(times),
        longest_ms=max(times),
        delayed=len(delays),
        delay_ms=max(delays, default=0.0),
        folds_ms=tuple((ended - began) * 1000 for began, ended in folds),
        flushes=int(done["flushes"]),
        octets_lost=int(done["octets_lost"]),
    )


class Asked:
    """The ledger with its writer and the server beside it."""

    def __init__(self, ledger: Path, devices: int, years: int) -> None:
        self._home = household(devices, years)
        self._writer = Writer(ledger, ZONE, kept())
        self._queries = Queries(ledger, ZONE)
        self._writer.give_way(self._queries.let_pass)
        self._now_s = NOW_S
        self._folds: list[tuple[float, float]] = []
        self._octets = 0

    async def run(self) -> None:
        sources = Sources(self._queries, ZONE, "bench", lambda: self._now_s * 1000, lambda: {"status": "ok"}, _nothing)
        home = Access(open=[ip_network("127.0.0.1")])
        web = serve(create_app(replace(sources, access=home)), "127.0.0.1", 0)
        print(web.url.rstrip("/").rpartition(":")[2], flush=True)
        serving = asyncio.create_task(web.run_until_stopped())
        before = self._total()
        await asyncio.to_thread(self._write)
        lost = self._octets - (self._total() - before)
        done = {"folds": self._folds, "flushes": self._writer.flushes, "octets_lost": lost}
        print(json.dumps(done), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        web.stop()
        await serving
        self._writer.close()
        self._queries.close()

    def _write(self) -> None:
        second = Day(self._home, self._writer, 1)
        began = time.monotonic()
        for number in range(SECONDS):
            time.sleep(max(0.0, began + number - time.monotonic()))
            second.flush(self._now_s)
            self._now_s += 1
        print("folding", flush=True)
        self._now_s += 3600 - self._now_s % 3600
        half_minute = Day(self._home, self._writer, 30)
        for _ in range(FOLDS):
            self._fold_an_hour(half_minute)
        self._octets = second.octets + half_minute.octets

    def _fold_an_hour(self, day: Day) -> None:
        """120 flushes, a hundredth of a second between them; then the fold of them all, apart."""
        for _ in range(120):
            day.flush(self._now_s)
            self._now_s += 30
            time.sleep(0.01)
        time.sleep(1)
        began = time.monotonic()
        self._writer.fold()
        self._folds.append((began, time.monotonic()))
        time.sleep(1)

    def _total(self) -> int:
        return sum(row.counts.octets for row in self._queries.usage(UsageQuery(0, NOW_S + 30 * 86_400, by=())))


async def _nothing() -> AsyncIterator[dict[str, object]]:
    while True:
        await asyncio.sleep(3600)
        yield {}


if __name__ == "__main__":
    asyncio.run(Asked(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])).run())
