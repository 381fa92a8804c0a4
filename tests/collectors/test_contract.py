"""What every collector owes the engine, over the registry: one that is added is held to it, and needs a peer here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import http_server as server
from tests.support.peers import archer, b593, hilink, hosting, wait_until
from whitestat.app.collectors import BUILDERS, open_collectors
from whitestat.collectors import Collector
from whitestat.config.points import PointConfig
from whitestat.config.schema import COLLECTORS
from whitestat.core.errors import CollectorError
from whitestat.core.model import Address, CounterReading, Delta, PointState, ReadResult, Receipt

Peer = Callable[[], AbstractContextManager[PointConfig]]
LO = PointConfig("lan", "", interface="lo")
DARKSTAT = """<b>Measuring for</b> <span id="rf">1 day</span><b>, since</b> 2026-11-20 05:04:29 UTC+0000<b>.</b><br>"""
METRICS = 'host_bytes_total{interface="lo",ip="192.168.1.10",mac="02:50:00:00:00:0a",dir="in"} 5\n'


@contextmanager
def darkstat() -> Iterator[PointConfig]:
    with server.serving(lambda path: server.page(METRICS if path == "/metrics" else DARKSTAT)) as url:
        yield PointConfig("lan", "darkstat", url=url)


@contextmanager
def archer_c20() -> Iterator[PointConfig]:
    with hosting(archer.Archer([archer.Row("192.168.1.10", "02:50:00:00:00:0a", 5, 1)])) as url:
        yield PointConfig("lan", "archer-c20", url=url, username=archer.USERNAME, password=archer.PASSWORD)


@contextmanager
def huawei_b593() -> Iterator[PointConfig]:
    with hosting(b593.B593Peer()) as url:
        yield PointConfig("lan", "huawei-b593", url=url, username=b593.USERNAME, password=b593.PASSWORD)


@contextmanager
def hi_link() -> Iterator[PointConfig]:
    pytest.importorskip("huawei_lte_api", reason="needs the extra [hilink]")
    with hosting(hilink.HiLinkPeer()) as url:
        yield PointConfig("lan", "hilink", url=url)


FILES = Path("/proc/self/fd")
PEERS: dict[str, Peer] = {
    "kernel": lambda: nullcontext(replace(LO, collector="kernel")),
    "packet": lambda: nullcontext(replace(LO, collector="packet")),
    "interface": lambda: nullcontext(replace(LO, collector="interface")),
    "darkstat": darkstat,
    "archer-c20": archer_c20,
    "huawei-b593": huawei_b593,
    "hilink": hi_link,
}
"""A working meter of each kind, for as long as the context is held."""
ASKS_A_PEER = sorted(set(PEERS) - {"kernel", "packet", "interface"})
KINDS = [
    pytest.param(name, marks=pytest.mark.needs("ip")) if name in ("kernel", "packet") else name
    for name in sorted({"kernel", *BUILDERS})
]


def is_local(address: Address) -> bool:
    return True


def built(config: PointConfig, kept: tuple[CounterReading, ...] = ()) -> Collector:
    """Open, as the service would have it."""
    if config.collector == "kernel":
        [collector], _ = open_collectors([config], is_local)
        return collector
    collector = BUILDERS[config.collector](config, is_local, kept)
    collector.open({})
    return collector


@pytest.fixture
def collector(request: pytest.FixtureRequest) -> Iterator[Collector]:
    with PEERS[request.param]() as config, closing(built(config)) as found:
        assert found.points[0].collector == request.param
        yield found


def first_harvest(collector: Collector) -> ReadResult:
    """The first one that says anything, read again and again as the engine would."""
    found: list[ReadResult] = []

    def there() -> bool:
        result = collector.read(0, 1000)
        result = replace(result, deltas=list(result.deltas), readings=list(result.readings))
        if result.receipt or result.readings or result.audits:
            found.append(result)
        return bool(found)

    wait_until(there)
    return found[0]


def test_every_word_of_the_configuration_is_held_to_it() -> None:
    """`pcap` reads capture files for `whitestat replay` and is no meter that runs."""
    assert set(PEERS) | {"pcap"} == set(COLLECTORS) == {*BUILDERS, "kernel", "pcap"}


@pytest.mark.parametrize("name", KINDS)
def test_it_touches_nothing_before_it_is_opened(name: str) -> None:
    if name == "kernel":
        pytest.skip("it is built and opened in one")
    before = threading.active_count(), sum(1 for _ in FILES.iterdir())
    BUILDERS[name](PointConfig("lan", name, interface="lo", url="http://192.0.2.1", password="x"), is_local, ())
    assert (threading.active_count(), sum(1 for _ in FILES.iterdir())) == before


@pytest.mark.parametrize("collector", KINDS, indirect=True)
def test_a_harvest_is_of_its_own_points_and_spans_what_was_asked(collector: Collector) -> None:
    result = first_harvest(collector)
    names = {point.name for point in collector.points}
    told: list[CounterReading | Delta] = [*result.readings, *result.deltas, *result.marks, *result.details]
    assert {each.key.point for each in told} | set(result.audits) <= names
    assert result.start_ms <= 0 and result.end_ms == 1000
    assert all(min(each.counts) >= 0 for each in told)
    assert set(collector.statuses()) == names
    assert all(status.state is PointState.OK for status in collector.statuses().values())


@pytest.mark.parametrize("collector", KINDS, indirect=True)
def test_what_is_not_settled_is_not_forgotten_and_what_is_settled_is_not_told_again(collector: Collector) -> None:
    result = first_harvest(collector)
    if result.receipt is None:
        return  # running counters: they are compared, not drained
    assert collector.read(0, 2000).receipt == result.receipt
    collector.acknowledge(Receipt("another meter", 1 << 40))
    assert collector.read(0, 2000).receipt == result.receipt
    collector.acknowledge(result.receipt)
    again = collector.read(1000, 3000)
    assert again.receipt is None or again.receipt.epoch > result.receipt.epoch


@pytest.mark.parametrize("collector", KINDS, indirect=True)
def test_looking_and_tending_change_nothing_and_closing_may_be_done_twice(collector: Collector) -> None:
    first_harvest(collector)
    assert all(min(delta.counts) >= 0 for delta in collector.peek())
    collector.maintain()
    assert collector.memory() >= 0
    began = time.monotonic()
    collector.close()
    collector.close()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("name", ASKS_A_PEER)
def test_a_peer_that_does_not_answer_delays_nobody_and_is_told(name: str) -> None:
    with PEERS[name]() as config:
        pass  # its address, where nobody is any more
    with closing(built(config)) as collector:
        began = time.monotonic()
        try:
            assert list(collector.read(0, 1000).deltas) == []
        except CollectorError:
            pytest.fail("a peer that is away is no fault of the read")
        assert time.monotonic() - began < 1
        wait_until(lambda: collector.statuses()["lan"].state is PointState.FAILED)
        assert config.url and config.url in collector.statuses()["lan"].notice


@pytest.mark.parametrize("name", ASKS_A_PEER)
def test_the_next_process_books_nothing_that_the_last_one_saw(name: str) -> None:
    with PEERS[name]() as config:
        with closing(built(config)) as collector:
            marks = tuple(first_harvest(collector).marks)
        with closing(built(config, marks)) as collector:
            assert sum(delta.counts.octets for delta in first_harvest(collector).deltas) == 0
