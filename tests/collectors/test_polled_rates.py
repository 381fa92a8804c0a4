"""Rates of polled meters, through the real collectors and servers that answer as the routers do."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.built import collector_of as built_of
from tests.support.http_server import serving
from tests.support.peers import Request, hosting, wait_until
from tests.support.peers.archer import PASSWORD, USERNAME, Archer, Row
from tests.support.peers.darkstat import Peer
from tests.support.peers.hilink import HiLinkPeer
from tests.support.recorder import ZONE, recorder_on
from whitestat.collectors import Collector
from whitestat.collectors.darkstat.collector import DarkstatCollector
from whitestat.config.points import PointConfig
from whitestat.core.model import Point
from whitestat.core.system.clock import SystemClock
from whitestat.ledger.write.writer import Writer
from whitestat.metering.engine import Engine
from whitestat.metering.live import Live
from whitestat.metering.recorder import Recorder
from whitestat.metering.today import Spread

A = "02:50:00:00:00:0a"
INTERVAL_S = 3
NEAR = 0.05
"""The contract: the rate shown is within 5 % of the mean since the poll before."""


@dataclass
class Answers:
    """A server of the wrapped kind; `polls` are when it was asked for its counters, and what had been carried."""

    of: Callable[[Any], bytes]
    mark: str
    polls: list[tuple[float, int]] = field(default_factory=list)
    is_down: bool = False
    carried: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request | str) -> bytes:
        path = request if isinstance(request, str) else f"{request.path} {request.body}"
        if self.is_down:
            return b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
        with self.lock:
            if self.mark in path:
                self.polls.append((time.monotonic(), self.carried))
            return self.of(request)


@contextmanager
def engine_of(collector: Collector, path: Path) -> Iterator[tuple[Engine, Recorder]]:
    writer = Writer(path, ZONE)
    recorder = recorder_on(writer)
    collector.open({})
    with closing(writer), closing(collector):
        yield Engine([collector], writer, recorder, flush_s=30, clock=SystemClock()), recorder


async def rates_of(engine: Engine, carry: Callable[[], None], many: int) -> list[tuple[float, dict[str, Any]]]:
    """(monotonic seconds, live item), once a second and between: what is carried is carried after the first two."""
    live = Live(engine.today, zone=ZONE, now_ms=engine.now_ms, linger_s=0)
    found: list[tuple[float, dict[str, Any]]] = []
    items = live.listen()
    async for item in items:
        found.append((time.monotonic(), item))
        if len(found) >= 2:
            carry()
        if len(found) >= many:
            break
    await items.aclose()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hilink", "archer-c20", "darkstat"])
def test_the_rate_is_the_mean_since_the_poll_before(kind: str, tmp_path: Path) -> None:
    """1 MB a second comes in; polls are 3 s apart; the live view looks each second."""
    hilink, archer = HiLinkPeer(), Archer([Row("192.168.50.11", A, 1000, 10)])
    table = Peer([("192.168.50.11", A, 1000, 1000)])
    answers = {
        "hilink": Answers(hilink, "traffic-statistics"),
        "archer-c20": Answers(archer, "STAT_ENTRY"),
        "darkstat": Answers(table, "/hosts/?full"),
    }[kind]

    def carry() -> None:
        with answers.lock:
            answers.carried += 1_000_000
            hilink.down += 1_000_000
            hilink.total_s += 1
            archer.rows[0].carry(1_000_000)
            table.rows = [("192.168.50.11", A, table.rows[0][2] + 1_000_000, 1000)]

    with serving(answers) if kind == "darkstat" else hosting(answers) as url:
        collector = collector_of(kind, url)
        with engine_of(collector, tmp_path / "whitestat.db") as (engine, _):
            engine.tick()
            wait_until(lambda: len(answers.polls) > 0)
            shown = asyncio.run(rates_of(engine, carry, 11))
    known = [(at_s, item["points"][0]["rate_bps"]) for at_s, item in shown if item["points"][0]["rate_bps"] is not None]
    assert len(known) >= 5
    for at_s, bps in known:
        polls = [each for each in answers.polls if each[0] < at_s]
        means = {mean(*polls[-2:]), *([mean(*polls[-3:-1])] if len(polls) > 2 else [])}
        assert any(abs(bps - each) <= NEAR * max(each, 1) for each in means), (bps, means)
    assert any(bps > 5_000_000 for _, bps in known)


def collector_of(kind: str, url: str) -> Collector:
    point = Point("router", kind)
    if kind == "darkstat":
        return DarkstatCollector(point, url, INTERVAL_S, lambda _: True)
    login = {"username": USERNAME, "password": PASSWORD} if kind == "archer-c20" else {}
    config = PointConfig("router", kind, url=url, interval_s=INTERVAL_S, **login)  # type: ignore[arg-type]
    collector: Collector = built_of(config)
    return collector


def mean(before: tuple[float, int], now: tuple[float, int]) -> float:
    """Bits per second between two polls, by what the server had to show at each."""
    return (now[1] - before[1]) * 8 / (now[0] - before[0])


@pytest.mark.slow
def test_a_failed_poll_leaves_the_rate_unknown_and_the_next_spans_the_gap(tmp_path: Path) -> None:
    router = HiLinkPeer()
    answers = Answers(router, "traffic-statistics")
    with hosting(answers) as url:
        collector = built_of(PointConfig("router", "hilink", url=url))
        with engine_of(collector, tmp_path / "whitestat.db") as (_, recorder):

            def seen() -> Spread | None:
                return recorder.spreads([collector], {"router"}, time.time_ns() // 1_000_000)["router"]

            assert seen() is None
            collector._poll()
            assert seen() is None  # a first sight is a baseline
            began_s = time.monotonic()
            router.down += 1000
            time.sleep(0.05)
            collector._poll()
            first = seen()
            assert first is not None
            assert sum(each.octets_in for each in first.counts.values()) == 1000
            answers.is_down = True
            collector._interval_s = 0
            collector.read(0, 1)  # the thread begins, and meets the fault
            wait_until(lambda: collector.statuses()["router"].state == "failed")
            assert seen() is None
            router.down += 5000
            answers.is_down = False
            wait_until(lambda: seen() is not None)
            after = seen()
            assert after is not None
            assert sum(each.octets_in for each in after.counts.values()) in (0, 5000)
            assert first.span_ms <= (time.monotonic() - began_s) * 1000


def test_a_device_seen_by_a_poll_is_not_seen_again_by_each_look_at_its_rate(tmp_path: Path) -> None:
    router = Archer([Row("192.168.50.11", A, 1000, 10)])
    with hosting(router) as url:
        config = PointConfig("router", "archer-c20", url=url, username=USERNAME, password=PASSWORD)
        collector = built_of(config)
        with engine_of(collector, tmp_path / "whitestat.db") as (_, recorder):
            collector._poll()
            router.rows[0].carry(500)
            time.sleep(0.05)
            collector._poll()
            now_ms = time.time_ns() // 1_000_000
            first = recorder.spreads([collector], {"router"}, now_ms)["router"]
            assert first is not None
            [counts] = first.counts.values()
            assert counts.octets_unsplit == 500
            [seen_ms] = recorder._attributor.devices.changes()[1].values()
            recorder.spreads([collector], {"router"}, now_ms + 20_000)
            assert list(recorder._attributor.devices.changes()[1].values()) == [seen_ms]
            assert seen_ms <= now_ms
