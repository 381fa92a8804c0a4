"""The thread that asks a router: harvests that are kept, failures that are shown, a password that is tried once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.built import collector_of
from tests.support.peers import Request, hosting, wait_until
from tests.support.peers.archer import PASSWORD, USERNAME, Archer, Row
from whitestat.app.passwords import login_of, notices
from whitestat.collectors.router.collector import RouterCollector
from whitestat.config.points import PointConfig
from whitestat.core.errors import ConfigError
from whitestat.core.model import CounterReading, Counts, Delta, Point, PointState, ReadResult
from whitestat.core.units import mac_bytes

A, B = "02:50:00:00:00:0a", "02:50:00:00:00:0b"
POINT = Point("router", "archer-c20")


@pytest.fixture
def peer() -> Archer:
    return Archer([Row("192.168.1.10", A, 1000, 10)], names={A: "annas-phone"})


@contextmanager
def watching(
    answer: Callable[[Request], bytes], kept: tuple[CounterReading, ...] = (), password: str = PASSWORD
) -> Iterator[RouterCollector]:
    """A collector that asks a hundred times a second."""
    with hosting(answer) as url:
        config = PointConfig("router", "archer-c20", url=url, username=USERNAME, password=password)
        collector = collector_of(config, kept)
        collector._interval_s = 0
        with closing(collector):
            collector.open({})
            yield collector


def harvest_of(collector: RouterCollector) -> ReadResult:
    """The next harvest, settled."""
    found: list[ReadResult] = []

    def there() -> bool:
        result = collector.read(0, 1000)
        if result.receipt:
            found.append(result)
        return bool(found)

    wait_until(there)
    assert found[0].receipt
    collector.acknowledge(found[0].receipt)
    return found[0]


def octets(collector: RouterCollector, least: int) -> int:
    """What is harvested until it is so much."""
    total = 0
    until_s = time.monotonic() + 30
    while total < least and time.monotonic() < until_s:
        total += sum(delta.counts.octets for delta in harvest_of(collector).deltas)
    return total


def test_what_passed_is_handed_out_until_it_is_settled(peer: Archer) -> None:
    with watching(peer) as collector:
        harvest_of(collector)
        peer.rows[0].carry(500)
        wait_until(lambda: sum(each.counts.octets for each in collector.peek()) == 500)
        first = collector.read(0, 1000)
        peer.rows[0].carry(70)
        wait_until(lambda: sum(each.counts.octets for each in collector.peek()) == 570)
        assert collector.read(0, 2000) == first
        assert first.receipt
        collector.acknowledge(first.receipt)
        rest = 570 - sum(delta.counts.octets for delta in first.deltas)
        assert octets(collector, rest) == rest


def test_a_harvest_tells_whose_its_octets_are_and_what_devices_are_called(peer: Archer) -> None:
    with watching(peer) as collector:
        harvest_of(collector)
        peer.rows[0].carry(500)
        wait_until(lambda: bool(list(collector.peek())))
        result = harvest_of(collector)
        [delta] = result.deltas
        assert [(each.mac, each.name) for each in result.hosts] == [(mac_bytes(A), "annas-phone")]
        peer.rows[0].carry(500)
        wait_until(lambda: bool(list(collector.peek())))
        assert harvest_of(collector).hosts == ()
    assert isinstance(delta, Delta)
    assert (delta.key.point, delta.key.mac, delta.counts) == ("router", mac_bytes(A), Counts(octets_unsplit=500))


def test_the_next_process_goes_on_from_what_the_ledger_keeps(peer: Archer) -> None:
    with watching(peer) as collector:
        marks = tuple(harvest_of(collector).marks)
    peer.rows[0].carry(123)
    peer.rows.append(Row("192.168.1.11", B, 45, 1))
    with watching(peer, marks) as collector:
        assert octets(collector, 168) == 168


def test_a_failure_is_shown_told_once_and_tried_again(
    peer: Archer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whitestat.collectors.router.collector.RouterCollector.backoff_s", (0.01,))
    peer.raw = b"\x00\r\n\r\n"
    with watching(peer) as collector:
        result = collector.read(0, 1)
        assert result.receipt is None
        wait_until(lambda: len(peer.asked) > 5)
        status = collector.statuses()["router"]
        assert status.state is PointState.FAILED
        assert "not an answer in HTTP" in status.notice
        assert caplog.text.count("not an answer in HTTP") == 1
        peer.raw = None
        wait_until(lambda: collector.statuses()["router"].state is PointState.OK)
        assert harvest_of(collector).audits["router"]


def test_while_somebody_is_logged_in_it_waits_and_nothing_is_broken(
    peer: Archer, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.busy = True
    with watching(peer) as collector:
        collector.read(0, 1)
        wait_until(lambda: collector.statuses()["router"].state is PointState.WAITING)
        assert "the next attempt is in 60 s" in collector.statuses()["router"].notice
        time.sleep(0.1)
        assert len(peer.asked) == 1


def test_a_wrong_password_is_tried_once_in_all_by_this_process_and_the_next(
    peer: Archer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with watching(peer, password="hunter2") as collector:
        collector.read(0, 1)
        wait_until(lambda: collector.statuses()["router"].state is PointState.FAILED)
        time.sleep(0.1)
        assert len(peer.asked) == 1
        result = harvest_of(collector)
        marks = tuple(result.marks)
        assert not result.audits and not list(result.deltas)
        notice = collector.statuses()["router"].notice
    assert "not tried again" in notice
    assert "hunter2" not in f"{notice} {marks} {caplog.text}"
    url_kept = collector._router.url
    assert marks[0].epoch.count(":") == 1 and "hunter2" not in marks[0].epoch
    # The same address: the next process has a server of its own, so the note is asked about that one.
    login = collector._login
    assert login and login.is_sealed_in(marks[0].epoch, url_kept)
    assert not login.is_sealed_in(marks[0].epoch, "http://192.0.2.1")


def test_the_next_process_does_not_try_a_password_that_was_refused(peer: Archer) -> None:
    with hosting(peer) as url:
        config = PointConfig("router", "archer-c20", url=url, password="hunter2")
        marks: tuple[CounterReading, ...] = ()
        for process in range(3):
            with closing(collector_of(config, marks)) as collector:
                collector.open({})
                collector.read(0, 1)
                wait_until(lambda: bool(collector.statuses()["router"].notice))
                assert collector.statuses()["router"].state is PointState.FAILED
                if process == 0:
                    marks = tuple(harvest_of(collector).marks)
        assert len(peer.asked) == 1
        right = PointConfig("router", "archer-c20", url=url, username=USERNAME, password=PASSWORD)
        with closing(collector_of(right, marks)) as collector:
            collector.open({})
            collector.read(0, 1)
            wait_until(lambda: collector.statuses()["router"].state is PointState.OK)


def test_a_slow_router_delays_nobody_and_is_left_at_once() -> None:
    def slow(request: Request) -> bytes:
        asked.set()
        if not answered.wait(20):
            waited_for.set()
        return b""

    asked, answered, waited_for = threading.Event(), threading.Event(), threading.Event()
    with watching(slow) as collector:
        assert collector.read(0, 1) == ReadResult(0, 1)
        assert asked.wait(30)
        assert list(collector.peek()) == []
        collector.close()
        collector.close()
        assert not waited_for.is_set()  # all that was while the router had not answered
        answered.set()


def test_a_password_comes_from_the_first_line_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "router.password"
    file.write_text("Pa ss=wörd\nmore\n")
    config = PointConfig("router", "archer-c20", url="http://192.0.2.1", password_file=file)
    login = login_of(config)
    assert login and (login.username, login.password) == ("admin", "Pa ss=wörd")
    assert notices(config) == [f"point 'router': everybody may read {file}: chmod 600 {file}"]
    file.chmod(0o600)
    assert notices(config) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: no such file or directory"),
        (b"", "has no password in its first line"),
        (b"\nlater", "has no password in its first line"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_what_is_wrong_with_a_password_file_is_said(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "router.password"
    if content is not None:
        file.write_bytes(content)
    config = PointConfig("router", "archer-c20", url="http://192.0.2.1", password_file=file)
    with pytest.raises(ConfigError) as caught:
        collector_of(config, ())
    assert str(caught.value) == f"point 'router': password_file {file} {said}"
