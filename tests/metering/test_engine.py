"""The engine's turns: all collectors in one flush, whatever fails, whatever the clock says."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from tests.support.engine import DAY_MS, HOUR_MS, NOW_MS, YEAR_MS, Failing, FakeClock, Ring, Service, Stuck, full, named
from tests.support.examples import examples
from tests.support.recorder import ZONE, Meter
from whitestat.core.errors import CollectorError, LedgerError
from whitestat.core.model import Receipt, Scope
from whitestat.ledger.files import undated as held_rows
from whitestat.ledger.read.queries import Queries, TimeStep, UsageQuery
from whitestat.metering import engine as module
from whitestat.metering.timekeeper import BUILT_MS, STEADY_MS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "whitestat.db"


def test_all_collectors_of_a_turn_go_into_one_flush(path: Path) -> None:
    meters = Meter(named("lan")), Meter(named("guest"), name="n"), Ring(named("garage"))
    service = Service(path, *meters)
    for each in meters:
        each.carry(1000)
    service.tick()
    assert service.booked() == {"lan": 1000, "guest": 1000, "garage": 1000}
    assert service.writer.flushes == 1
    assert service.writer.state().receipts == {"m": 1, "n": 1}
    assert [each.held for each in meters] == [0, 0, 0]  # settled


def test_a_failing_collector_is_shown_and_costs_the_others_nothing(path: Path) -> None:
    failing, ring, meter = Failing(named("router"), name="r"), Ring(named("guest")), Meter(named("lan"))
    service = Service(path, failing, ring, meter)
    for each in (failing, ring, meter):
        each.carry(1000)
    service.tick()
    assert service.booked() == {"guest": 1000, "lan": 1000}
    assert service.failures() == {"router": "no route to the router"}
    assert service.engine.health()["status"] == "starting"
    failing.reason = None
    service.tick()
    assert service.booked() == {"guest": 1000, "lan": 1000, "router": 1000}
    assert service.engine.health()["status"] == "ok"


@pytest.mark.slow
def test_a_collector_that_does_not_answer_holds_up_nobody_and_is_booked_when_it_does(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_S", 0.4)
    stuck, ring = Stuck(named("router")), Ring(named("guest"))
    service = Service(path, stuck, ring)
    stuck.carry(500)
    for _ in range(2):
        ring.carry(1000)
        service.tick()
    assert service.booked() == {"guest": 2000}
    assert "does not answer" in service.failures()["router"]
    assert service.today() == 2000
    stuck.answer.set()
    monkeypatch.setattr(module, "ANSWER_S", 5)
    service.tick()
    assert service.booked() == {"guest": 2000, "router": 500}
    assert service.failures() == {}


@pytest.fixture
def meters() -> tuple[Meter, Ring]:
    return Meter(named("lan")), Ring(named("guest"))


def test_what_a_full_disk_refuses_is_kept_told_and_written_once(
    path: Path, meters: tuple[Meter, Ring], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(path, *meters)
    began_ms = service.clock.wall_ms
    service.tick()
    with monkeypatch.context() as disk:
        disk.setattr(service.writer, "commit", full)
        for poll in range(1, 11):
            for each in meters:
                each.carry(1000)
            service.tick()
            assert service.today() == poll * 2000
        assert service.engine.health()["status"] == "degraded"
        assert any("kept in memory until it can be written" in each and "is full" in each for each in service.notices)
        assert service.booked() == {}
    for each in meters:
        each.carry(1)
    service.tick()
    assert service.booked() == {"lan": 10_001, "guest": 10_001}
    assert service.today() == 20_002
    assert service.notices == []
    assert service.engine.health()["status"] == "ok"
    assert service.octets(began_ms, service.clock.wall_ms) == 20_002
    service.tick()
    assert service.today() == 20_002


def test_a_drained_meter_is_not_booked_twice_when_it_cannot_be_cleared(
    path: Path, meters: tuple[Meter, Ring], monkeypatch: pytest.MonkeyPatch
) -> None:
    meter, ring = meters
    service = Service(path, meter, ring)
    meter.carry(1000)

    def refuse(receipt: Receipt) -> None:
        raise CollectorError("the map cannot be cleared")

    with monkeypatch.context() as broken:
        broken.setattr(meter, "acknowledge", refuse)
        for _ in range(3):
            ring.carry(10)
            service.tick()
        assert service.failures() == {"lan": "the map cannot be cleared"}
    meter.carry(7)
    service.tick()
    service.tick()
    assert service.booked() == {"lan": 1007, "guest": 30}
    assert service.failures() == {}


@pytest.fixture
def in_1970(path: Path, meters: tuple[Meter, Ring]) -> Service:
    """A board without a battery, after a power cut an hour ago."""
    before = Service(path, *meters, clock=FakeClock(NOW_MS - HOUR_MS))
    before.tick()
    before.writer.close()
    return Service(path, *meters, clock=FakeClock(wall_ms=20_000))


def test_a_clock_in_1970_holds_usage_which_is_booked_where_it_belongs(
    in_1970: Service, meters: tuple[Meter, Ring]
) -> None:
    in_1970.tick()
    for _ in range(10):
        for each in meters:
            each.carry(1000)
        in_1970.tick()
    assert in_1970.booked() == {}
    assert in_1970.today() == 20_000
    assert in_1970.engine.health()["status"] == "degraded"
    assert in_1970.notices == ["the clock says 1970-01-01 00:05 UTC; usage is held until it is set"]
    in_1970.clock.wall_ms = NOW_MS
    in_1970.tick()
    assert in_1970.booked() == {"lan": 10_000, "guest": 10_000}
    assert in_1970.octets(NOW_MS - 6 * 60_000 - 60_000, NOW_MS + 30_000) == 20_000
    assert in_1970.engine.health()["status"] == "ok"
    assert in_1970.today() == 20_000
    with closing(Queries(in_1970.path, ZONE)) as queries:
        (phone,) = queries.devices()
    assert phone.first_seen_ms
    assert phone.first_seen_ms > NOW_MS - 6 * 60_000 - 60_000
    assert phone.last_seen_ms
    assert phone.last_seen_ms > NOW_MS - 60_000


def test_usage_held_is_kept_undated_when_the_service_stops_and_booked_where_it_belongs(
    in_1970: Service, meters: tuple[Meter, Ring]
) -> None:
    for each in meters:
        each.carry(1000)
    in_1970.tick()
    for each in meters:
        each.carry(1000)
    asyncio.run(in_1970.engine.stop())
    assert in_1970.booked() == {}
    clock = in_1970.clock
    for _ in range(2):  # twice restarted while nothing is known
        clock.run(60_000)
        again = Service(in_1970.path, *meters, clock=clock)
        again.tick()
        assert again.booked() == {}
        asyncio.run(again.engine.stop())
    clock.wall_ms = NOW_MS
    last = Service(in_1970.path, *meters, clock=clock)
    last.tick()
    assert last.booked() == {"lan": 2000, "guest": 2000}
    assert last.octets(NOW_MS - 5 * 60_000, NOW_MS - 2 * 60_000) == 4000
    last.tick()
    assert last.booked() == {"lan": 2000, "guest": 2000}


def test_a_clock_that_was_ahead_and_a_restart_book_what_came_under_a_right_clock_rightly(
    path: Path, meters: tuple[Meter, Ring]
) -> None:
    """A year ahead, a flush, a kill, then the right clock and restarts every few minutes."""
    ahead = Service(path, *meters, clock=FakeClock(NOW_MS + YEAR_MS))
    for each in meters:
        each.carry(500)
    ahead.tick()
    ahead.writer.close()
    clock = FakeClock(NOW_MS, ahead.clock.ticks_ms)
    for start in range(4):
        service = Service(path, *meters, clock=clock)
        for each in meters:
            each.carry(1000)
        service.tick(100_000)
        service.tick(100_000)
        assert service.engine.health()["healthy"]
        assert service.engine.health()["clock"] == ("set" if start >= 2 else "held")
        asyncio.run(service.engine.stop())
    assert service.booked() == {"lan": 4500, "guest": 4500}
    assert service.octets(NOW_MS - 60_000, clock.wall_ms) == 8000
    assert service.octets(NOW_MS + YEAR_MS - 60_000, NOW_MS + YEAR_MS + 60_000) == 1000
    with closing(Queries(path, ZONE)) as queries:
        (phone,) = queries.devices()
    assert phone.first_seen_ms
    assert phone.last_seen_ms
    assert phone.first_seen_ms <= phone.last_seen_ms <= clock.wall_ms
    after = Service(path, *meters, clock=clock)
    after.tick()
    assert after.engine.health()["clock"] == "set"


def test_a_clock_that_is_ahead_for_some_minutes_drops_nothing(
    path: Path, meters: tuple[Meter, Ring], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(path, *meters)
    dropped: list[int] = []
    monkeypatch.setattr(service.writer, "expire", dropped.append)
    monkeypatch.setattr(module, "PROVE_EVERY_S", 0)
    monkeypatch.setattr(module, "EXPIRE_EVERY_S", 0)

    async def look_for(seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(service.engine._expire(), seconds)

    service.tick()
    service.clock.wall_ms += DAY_MS
    service.tick()
    asyncio.run(look_for(0.05))
    assert dropped == []
    service.clock.wall_ms -= DAY_MS
    service.tick()
    service.tick(STEADY_MS)
    asyncio.run(look_for(0.05))
    assert set(dropped) == {service.clock.wall_ms // 1000}


def test_what_a_clock_that_was_ahead_dropped_is_kept_again_once_it_is_right(path: Path) -> None:
    ring = Ring(named("lan"))
    ahead = Service(path, ring, clock=FakeClock(NOW_MS + YEAR_MS))
    ring.carry(500)
    ahead.tick()
    ahead.writer.expire(ahead.clock.wall_ms // 1000)
    ahead.writer.close()
    service = Service(path, ring, clock=FakeClock(NOW_MS, ahead.clock.ticks_ms))
    for _ in range(180):
        ring.carry(10)
        service.tick()
    since_s = NOW_MS // 1000 + 3600
    with closing(Queries(path, ZONE)) as queries:
        answer = queries.answer(UsageQuery(since_s, since_s + 600, step=TimeStep.MINUTE, scope=Scope.WAN))
        assert (answer.step, answer.notice) == (TimeStep.MINUTE, None)
        assert [row.counts.octets for row in answer.rows()] == [20] * 10


def test_a_power_cut_while_usage_is_held_costs_what_was_not_flushed(path: Path, meters: tuple[Meter, Ring]) -> None:
    before = Service(path, *meters, clock=FakeClock(NOW_MS - HOUR_MS))
    before.tick()
    before.writer.close()
    clock = FakeClock(wall_ms=20_000)
    held = Service(path, *meters, clock=clock, boot="first")
    for each in meters:
        each.carry(1000)
    held.tick()
    os.close(held.writer._lock)  # the process is gone, and the database as it lies there
    held.writer._lock = -1
    again = Service(path, *meters, clock=FakeClock(20_000, 100_000), boot="second")
    for each in meters:
        each.carry(10)
    again.tick()
    assert again.booked() == {}
    again.clock.wall_ms = NOW_MS
    again.tick()
    assert again.booked() == {"lan": 1010, "guest": 1010}
    assert again.octets(NOW_MS - HOUR_MS, NOW_MS + 30_000) == 2020


def test_usage_held_is_put_together_by_its_minutes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_rows, "ROWS_MAX", 5)
    ring = Ring(named("lan"))
    service = Service(path, ring, clock=FakeClock(wall_ms=0))
    for _ in range(100):
        ring.carry(7)
        service.tick()
    ((rows,),) = service.writer._connection.execute("SELECT count(*) FROM held").fetchall()
    assert rows <= 5
    service.clock.wall_ms = NOW_MS
    service.tick()
    assert service.booked() == {"lan": 700}
    with closing(Queries(path, ZONE)) as queries:
        question = UsageQuery(NOW_MS // 1000 - 3600, NOW_MS // 1000 + 60, step=TimeStep.MINUTE, scope=Scope.WAN)
        assert [row.counts.octets for row in queries.usage(question)] == [14] * 50


def test_a_disk_that_is_full_when_the_clock_is_set_books_what_was_held_later(
    in_1970: Service, meters: tuple[Meter, Ring], monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in meters:
        each.carry(1000)
    in_1970.tick()
    in_1970.clock.wall_ms = NOW_MS

    def refuse(*arguments: object) -> None:
        raise LedgerError("whitestat.db: commit failed: database or disk is full")

    with monkeypatch.context() as disk:
        disk.setattr(in_1970.writer, "release", refuse)
        in_1970.tick()
        assert in_1970.booked() == {}
    in_1970.tick()
    assert in_1970.booked() == {"lan": 1000, "guest": 1000}


def test_a_jump_to_tomorrow_and_back_moves_nothing_that_is_booked(path: Path, meters: tuple[Meter, Ring]) -> None:
    service = Service(path, *meters)
    for jump_ms in (0, DAY_MS, 0, -DAY_MS):
        service.clock.wall_ms += jump_ms
        for each in meters:
            each.carry(1000)
        before = service.octets(0, NOW_MS + 10 * DAY_MS)
        service.tick()
        assert service.octets(0, NOW_MS + 10 * DAY_MS) == before + 2000
    assert service.octets(NOW_MS + DAY_MS, NOW_MS + DAY_MS + 120_000) == 4000
    assert service.octets(NOW_MS, NOW_MS + 120_000) == 4000
    assert service.today() == 4000  # today is today again
    assert "ahead before" in service.notices[0]


def test_spans_come_from_the_monotonic_clock_while_the_wall_clock_jumps(path: Path) -> None:
    ring = Ring(named("lan"))
    service = Service(path, ring)
    service.tick()
    ring.carry(3000)
    service.clock.wall_ms += DAY_MS
    service.tick()
    assert service.octets(service.clock.wall_ms - 30_000, service.clock.wall_ms) == 3000


jumps = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, -(10**12), DAY_MS, -DAY_MS, 7 * DAY_MS, -HOUR_MS, 1500, -1500]),
        st.sampled_from([30_000, 30_000, 10 * 60_000, 8 * HOUR_MS]),
        st.booleans(),
    ),
    max_size=10,
)


@pytest.mark.slow
@examples(40, phases=(Phase.generate,))
@given(jumps, st.lists(st.sampled_from(["stop", "kill", "boot", ""]), min_size=10, max_size=10))
def test_whatever_the_clock_the_disk_and_the_process_do_no_octet_is_lost_or_doubled(
    tmp_path_factory: pytest.TempPathFactory, polls: list[tuple[int, int, bool]], ends: list[str]
) -> None:
    """And what is counted once the clock is right lies on the right date."""
    meters = Meter(named("lan")), Ring(named("guest"))
    path = tmp_path_factory.mktemp("clock") / "whitestat.db"
    service = Service(path, *meters)
    carried, true_ms, boots = 0, NOW_MS, 0
    for (jump_ms, run_ms, disk_is_full), end in zip(polls, ends, strict=False):
        service.clock.wall_ms += jump_ms
        true_ms += run_ms
        for each in meters:
            each.carry(1000)
        carried += 1000
        with pytest.MonkeyPatch.context() as disk:
            if disk_is_full and not end:
                disk.setattr(service.writer, "commit", full)
                disk.setattr(service.writer, "keep_held", full)
            service.tick(run_ms)
        if end == "stop":
            asyncio.run(service.engine.stop())
        elif end:
            service.engine.tick()  # what the disk refused before
            os.close(service.writer._lock)
            service.writer._lock = -1
        if end:
            boots += end == "boot"
            clock = FakeClock(service.clock.wall_ms, 1000 if end == "boot" else service.clock.ticks_ms)
            service = Service(path, *meters, clock=clock, boot=f"boot {boots}")
    service.tick()
    true_ms = max(true_ms, BUILT_MS + DAY_MS)
    service.clock.wall_ms = true_ms
    for _ in range(STEADY_MS // 60_000 + 2):
        service.tick(60_000)
    assert not service.engine.clock_is_held
    assert sum(service.booked().values()) == 2 * carried
    before = service.octets(0, 7_000_000_000_000)
    since_ms = service.clock.wall_ms
    for each in meters:
        each.carry(1000)
    service.tick()
    assert service.octets(since_ms, service.clock.wall_ms) >= 2000
    assert service.octets(0, 7_000_000_000_000) == before + 2000
    service.writer.close()


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what a test left open, so that warnings stay errors."""
    opened: list[Service] = []
    begin = Service.__init__

    def remembered(self: Service, *arguments: object, **more: object) -> None:
        begin(self, *arguments, **more)  # type: ignore[arg-type]
        opened.append(self)

    monkeypatch.setattr(Service, "__init__", remembered)
    yield
    for service in opened:
        service.writer.close()


@pytest.mark.slow
def test_an_engine_is_alive_while_its_booking_thread_comes_round_and_its_loops_go_on(path: Path) -> None:
    service = Service(path, Ring(named("guest")))
    engine, stuck = service.engine, threading.Event()

    async def run() -> list[bool]:
        await engine.start()
        answers = [await engine.is_alive()]
        blocked = asyncio.create_task(engine.write(lambda _writer: stuck.wait(30)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.is_alive(), 3)
        stuck.set()
        await blocked
        answers.append(await engine.is_alive())
        engine._tasks[0].cancel()
        answers.append(await engine.is_alive())
        return answers

    assert asyncio.run(run()) == [True, True, False]
