"""What is counted is answered at once, whether or not it is written yet: each octet once, and never less later."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.engine import NOW_MS, FakeClock, Ring, Service, full, named
from tests.support.recorder import GATEWAY, HOST, PHONE, ZONE, Meter
from whitestat.core.model import Counts, Delta, FlowKey, Scope, UsageKey
from whitestat.core.units import address_bytes
from whitestat.ledger.read.queries import Queries, TimeStep, UsageQuery
from whitestat.metering.shown_usage import Shown

START_S = NOW_MS // 1000 - 7200
SPAN = START_S, START_S + 86_400
EVERY_STEP = (TimeStep.TOTAL, TimeStep.MINUTE, TimeStep.HOUR, TimeStep.DAY, TimeStep.MONTH)


@contextmanager
def asked(service: Service) -> Iterator[Queries]:
    with closing(Queries(service.path, ZONE, memory=service.engine)) as queries:
        yield queries


def octets(queries: Queries, **more: object) -> int:
    question = UsageQuery(*SPAN, **({"scope": Scope.WAN, "by": ()} | more))  # type: ignore[arg-type]
    return sum(row.counts.octets for row in queries.usage(question))


@dataclass
class Looked(Ring):
    """Shows what it holds, as meters do."""

    def peek(self) -> list[Delta]:
        now_ms = NOW_MS
        key = FlowKey(self.points[0].name, PHONE, address_bytes("192.168.50.11"), GATEWAY, HOST, 6, 443)
        return [Delta(key, Counts(0, self.running, 0, 1), now_ms, now_ms)] if self.running else []


def test_what_a_meter_holds_is_answered_before_any_flush_and_sums_are_equal_in_every_step(path: Path) -> None:
    ring = Looked(named("lan"))
    service = Service(path, ring)
    service.tick()
    ring.carry(1000)
    service.clock.run(5_000)
    with asked(service) as queries:
        assert {step: octets(queries, step=step) for step in EVERY_STEP} == dict.fromkeys(EVERY_STEP, 1000)
        (row,) = queries.usage(UsageQuery(*SPAN, scope=Scope.WAN))
        assert row.device
        assert row.device.name == "phone"  # which the ledger does not know yet
        assert queries.days(*SPAN)
        assert queries.coverage(*SPAN)["lan"].octets_attributed == 1000
    with closing(Queries(path, ZONE)) as queries:
        assert octets(queries) == 0
    service.tick()
    with asked(service) as queries:
        assert octets(queries) == 1000
    asyncio.run(service.engine.stop())


def test_a_new_device_is_listed_before_any_flush_and_alike_after_it(path: Path) -> None:
    ring = Looked(named("lan"))
    service = Service(path, ring)
    service.tick()
    ring.carry(1000)
    service.clock.run(5_000)
    with asked(service) as queries:
        (before,) = queries.devices()
        assert (before.name, before.addresses) == ("phone", ("192.168.50.11",))
        assert before.last_seen_ms == service.clock.wall_ms
    service.tick()
    with asked(service) as queries, closing(Queries(path, ZONE)) as written:
        assert queries.devices() == written.devices() == [before]
    asyncio.run(service.engine.stop())


def test_a_silent_device_was_last_seen_when_a_look_found_more_of_it(path: Path) -> None:
    ring = Looked(named("lan"))
    service = Service(path, ring)
    service.tick()
    ring.carry(1000)
    service.clock.run(5_000)

    def last_seen_ms() -> int:
        (row,) = asyncio.run(service.engine.today()).devices.values()
        return row.last_seen_ms

    sent_ms = service.clock.wall_ms
    assert last_seen_ms() == sent_ms
    with asked(service) as queries:
        for _ in range(5):
            service.clock.run(2_000)
            assert last_seen_ms() == sent_ms
            assert queries.devices()[0].last_seen_ms == sent_ms
        service.tick(2_000)
        assert last_seen_ms() == sent_ms
        service.clock.run(2_000)
        assert last_seen_ms() == queries.devices()[0].last_seen_ms == sent_ms
        ring.carry(1000)  # as much as before, after the flush
        service.clock.run(2_000)
        assert last_seen_ms() == queries.devices()[0].last_seen_ms == service.clock.wall_ms
    asyncio.run(service.engine.stop())


def test_what_the_disk_refuses_is_answered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(named("lan"))
    service = Service(path, meter)
    service.tick()
    with asked(service) as queries, monkeypatch.context() as disk:
        disk.setattr(service.writer, "commit", full)
        for poll in range(1, 4):
            meter.carry(1000)
            service.tick()
            assert octets(queries) == 1000 * poll
    asyncio.run(service.engine.stop())


def test_services_and_peers_of_the_last_minutes_are_known_and_add_up_at_every_moment(path: Path) -> None:
    ring = Looked(named("lan"))
    service = Service(path, ring)
    with asked(service) as queries:
        for poll in range(1, 20):  # over several hand-ins
            ring.carry(1000)
            service.tick()
            ring.carry(10)
            service.clock.run(2_000)
            for by in ("service", "peer"):
                rows = queries.usage(UsageQuery(*SPAN, scope=Scope.WAN, by=(by,)))
                known = sum(row.counts.octets for row in rows if getattr(row, by) is not None)
                assert known == 1010 * poll - 10
                assert sum(row.counts.octets for row in rows) == 1010 * poll == octets(queries)
            https = UsageQuery(*SPAN, scope=Scope.WAN, by=("service",), services=(443,))
            assert sum(row.counts.octets for row in queries.usage(https)) == 1010 * poll - 10
            tag = queries.answer(https).tag
        assert queries.answer(https).tag == tag
    asyncio.run(service.engine.stop())


def test_usage_that_has_no_date_is_in_no_answer(path: Path) -> None:
    ring = Looked(named("lan"))
    service = Service(path, ring, clock=FakeClock(wall_ms=0))
    ring.carry(1000)
    service.tick()
    ring.carry(1000)
    service.clock.run(5_000)
    with asked(service) as queries:
        assert sum(row.counts.octets for row in queries.usage(UsageQuery(0, 4_000_000_000, scope=Scope.WAN))) == 0
    asyncio.run(service.engine.stop())


@pytest.mark.slow
def test_an_answer_never_falls_while_flushes_hand_ins_and_folds_go_on(path: Path) -> None:
    """Asked by one thread all the time while another counts, flushes and folds."""
    ring = Looked(named("lan"))
    service = Service(path, ring)
    service.tick()
    seen: list[dict[str, int]] = []
    stopped, carried = threading.Event(), 0

    def ask() -> None:
        with asked(service) as queries:
            while not stopped.is_set():
                rows = queries.usage(UsageQuery(*SPAN, scope=Scope.WAN, by=("service",)))
                parts = {str(row.service): row.counts.octets for row in rows}
                seen.append({"all": sum(parts.values()), "443": parts.get("443", 0), "plain": octets(queries)})

    thread = threading.Thread(target=ask)
    thread.start()
    for poll in range(120):
        ring.carry(100)
        carried += 100
        service.clock.run(random.Random(poll).choice([1_000, 5_000, 30_000]))
        service.engine._thread.submit(service.engine.tick).result()
        if poll % 10 == 0:
            service.engine._thread.submit(service.writer.fold).result()
    stopped.set()
    thread.join()
    assert len(seen) > 10
    for before, after in pairwise(seen):
        assert before["all"] <= before["plain"] <= after["all"]  # the second question is later
        assert before["443"] <= after["443"]
    with asked(service) as queries:
        assert octets(queries) == carried
    asyncio.run(service.engine.stop())


KEY = UsageKey(7, "lan", Scope.WAN)
looks = st.lists(st.tuples(st.integers(0, 90_000), st.integers(0, 1000)), max_size=8)


@given(looks, st.integers(0, 90_000), st.integers(0, 1000))
def test_no_minute_falls_from_one_look_to_the_next_nor_to_the_read(
    each: list[tuple[int, int]], more_ms: int, more: int
) -> None:
    shown, at_ms, total = Shown(), NOW_MS, 0
    before: dict[int, int] = {}
    for after_ms, octets in each:
        at_ms, total = at_ms + after_ms, total + octets
        shown.look(KEY, Counts(total), NOW_MS, at_ms)
        now = {minute: part.octets for (minute, _), part in shown.usage()}
        assert sum(now.values()) == total
        assert all(now.get(minute, 0) >= octets for minute, octets in before.items())
        before = now
    found: dict[int, int] = {}
    for minute, part in shown.read(KEY, Counts(total + more), NOW_MS, at_ms + more_ms):
        found[minute] = found.get(minute, 0) + part.octets
    assert sum(found.values()) == total + more
    assert all(found.get(minute, 0) >= octets for minute, octets in before.items())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "whitestat.db"


def test_a_read_that_found_less_than_was_shown_is_shared_out_as_it_is() -> None:
    shown = Shown()
    shown.look(KEY, Counts(1000), NOW_MS - 60_000, NOW_MS)
    assert sum(part.octets for _, part in shown.read(KEY, Counts(900), NOW_MS - 60_000, NOW_MS)) == 900
    shown.forget({"lan"})
    assert list(shown.usage()) == []
