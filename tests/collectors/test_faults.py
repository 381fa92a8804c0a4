"""What nobody foresaw, in a thread that asks a meter: it is shown, and costs no octet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager

import pytest

from tests.support.built import collector_of
from tests.support.http_server import serving
from tests.support.peers import hosting, wait_until
from tests.support.peers.archer import PASSWORD, USERNAME, Archer, Row
from tests.support.peers.darkstat import Peer, totals
from whitestat.collectors.darkstat.collector import DarkstatCollector
from whitestat.collectors.router.collector import RouterCollector
from whitestat.config.points import PointConfig
from whitestat.core.errors import CollectorError
from whitestat.core.model import Counts, Point, PointState

MAC = "02:00:5e:00:00:0a"
Meter = RouterCollector | DarkstatCollector
Carry = Callable[[int], None]
"""Has so many octets pass."""


@contextmanager
def a_router() -> Iterator[tuple[Meter, Carry]]:
    peer = Archer([Row("192.168.1.10", MAC, 1000, 10)])
    with hosting(peer) as url:
        config = PointConfig("meter", "archer-c20", url=url, username=USERNAME, password=PASSWORD)
        yield collector_of(config), peer.rows[0].carry


@contextmanager
def a_darkstat() -> Iterator[tuple[Meter, Carry]]:
    passed = 1000

    def carry(octets: int) -> None:
        nonlocal passed
        passed += octets

    def answer(path: str) -> bytes:
        peer = Peer([("192.168.1.10", MAC, passed, 0)])
        peer.front = totals(passed, 9, 0)
        return peer(path)

    with serving(answer) as url:
        yield DarkstatCollector(Point("meter", "darkstat"), url, 1, lambda _: True), carry


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("meter", [a_router, a_darkstat])
@pytest.mark.parametrize("sums", [0, 1])
def test_a_fault_is_shown_and_the_next_thread_finds_every_octet(
    monkeypatch: pytest.MonkeyPatch, meter: Callable[[], AbstractContextManager[tuple[Meter, Carry]]], sums: int
) -> None:
    """No answer is known that does; one that did must neither end the metering nor cost what a poll had found."""
    with meter() as (collector, carry), closing(collector):
        collector._interval_s = 0
        collector.open({})
        assert harvested(collector) == 0
        for _ in range(2):
            carry(70)
            wait_until(lambda: held(collector) == 70)
            with monkeypatch.context() as patch:
                patch.setattr(Counts, "plus", failing_at(500, sums, Counts.plus))
                carry(500)
                wait_until(lambda: all(not each.name.endswith(" meter") for each in threading.enumerate()))
            with pytest.raises(CollectorError, match="a fault ended the thread that asks; it is begun anew"):
                collector.read(0, 1)
            status = collector.statuses()["meter"]
            assert status.state is PointState.FAILED
            assert "a fault ended the thread that asks" in status.notice
            found = harvested(collector)
            wait_until(lambda: collector.statuses()["meter"].state is PointState.OK)
            assert found + held(collector) == 570
            assert harvested(collector) == 570 - found


def held(collector: Meter) -> int:
    """Octets that wait to be harvested."""
    return sum(delta.counts.octets for delta in collector.peek())


def harvested(collector: Meter) -> int:
    """Octets of the next harvest, which is settled."""
    wait_until(lambda: collector.read(0, 1).receipt is not None)
    result = collector.read(0, 1)
    assert result.receipt
    collector.acknowledge(result.receipt)
    return sum(delta.counts.octets for delta in result.deltas)


def failing_at(octets: int, sums: int, plus: Callable[[Counts, Counts], Counts]) -> Callable[[Counts, Counts], Counts]:
    """A sum of counts that fails where so many octets or more are added, after so many times in which it did not."""
    left = [None] * sums

    def faulty(one: Counts, other: Counts) -> Counts:
        if other.octets >= octets:
            if not left:
                raise ZeroDivisionError("unforeseen")
            left.pop()
        return plus(one, other)

    return faulty
