"""The darkstat collector over a real socket: v5's golden run, failures that are shown, harvests that are kept."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from ipaddress import IPv6Network
from pathlib import Path

import pytest

from tests.support.built import collector_of as built_of
from tests.support.http_server import NOT_FOUND, page, serving
from tests.support.peers.darkstat import FRONT, Peer, Row, totals
from whitestat.app.local_network import locality, networks_of
from whitestat.collectors.darkstat.collector import PAGE_EVERY_S, DarkstatCollector
from whitestat.config.loader import load
from whitestat.config.points import PointConfig
from whitestat.core.coverage import step
from whitestat.core.errors import CollectorError
from whitestat.core.model import Address, CounterReading, Counts, Point, PointState, ReadResult
from whitestat.core.units import address_bytes, address_text, mac_bytes

K = 1024
FIXTURES = Path(__file__).parents[1] / "fixtures" / "darkstat"
POINT = Point("darkstat", "darkstat")
A = ("192.168.1.10", "02:00:5e:00:00:0a")
B = ("192.168.1.11", "02:00:5e:00:00:0b")
C = ("192.168.1.12", "02:00:5e:00:00:0c")
GOLDEN: list[list[Row]] = [
    [(*A, 100 * K, 10 * K), (*B, 50 * K, 5 * K)],
    [(*A, 150 * K, 12 * K), (*B, 10 * K, 1 * K)],
    [(*A, 150 * K, 12 * K), (*C, 7 * K, 3 * K)],
    [(*A, 160 * K, 12 * K), (*B, 20 * K, 2 * K), (*C, 7 * K, 3 * K)],
    [("192.168.1.20", A[1], 1 * K, 1 * K), (*A, 160 * K, 12 * K), (*B, 20 * K, 2 * K), (*C, 7 * K, 3 * K)],
]
"""What darkstat shows at each poll of the run that WhiteStat 5 was recorded with."""


class Collector(DarkstatCollector):
    """Polls when it is told to, not in a thread."""

    def _begin(self) -> None: ...

    def polled(self) -> ReadResult:
        """One poll, and what it yields, settled."""
        self._poll()
        result = self.read(0, 1000)
        assert result.receipt
        self.acknowledge(result.receipt)
        return result


def is_local(address: Address) -> bool:
    return address_text(address).startswith("192.168.")


def collector_of(url: str, kept: tuple[CounterReading, ...] = ()) -> Collector:
    return Collector(POINT, url, 3600, is_local, kept)


@contextmanager
def threaded(url: str) -> Iterator[DarkstatCollector]:
    with closing(DarkstatCollector(POINT, url, 3600, is_local)) as collector:
        collector.open({})
        yield collector


def usage(results: list[ReadResult]) -> dict[str, tuple[float, float]]:
    """KB in and out by MAC."""
    found: dict[str, Counts] = {}
    for delta in (each for result in results for each in result.deltas):
        assert delta.key.mac
        name = delta.key.mac.hex(":")
        found[name] = found.get(name, Counts()).plus(delta.counts)
    return {name: (counts.octets_in / K, counts.octets_out / K) for name, counts in found.items()}


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_golden_run_of_whitestat_5_gives_its_deltas_without_its_bug() -> None:
    peer, results = Peer(GOLDEN[0]), []
    with serving(peer) as url:
        collector = collector_of(url)
        for rows in GOLDEN:
            peer.rows = rows
            results.append(collector.polled())
            if len(results) == 4:
                assert usage(results) == {A[1]: (60, 2), B[1]: (20, 2), C[1]: (7, 3)}
    # WhiteStat 5 gave A another 160 when its MAC had two addresses.
    assert usage(results) == {A[1]: (61, 3), B[1]: (20, 2), C[1]: (7, 3)}


def test_a_harvest_is_handed_out_until_it_is_settled_and_what_comes_after_goes_with_the_next() -> None:
    peer = Peer([(*A, 100, 10)])
    with serving(peer) as url:
        collector = collector_of(url)
        collector.polled()
        peer.rows = [(*A, 150, 10)]
        collector._poll()
        first = collector.read(0, 1000)
        peer.rows = [(*A, 157, 10)]
        collector._poll()
        assert collector.read(0, 2000) == first
        assert sum(delta.counts.octets for delta in collector.peek()) == 57
        assert first.receipt
        collector.acknowledge(first.receipt)
        second = collector.read(1000, 2000)
        assert [delta.counts for delta in second.deltas] == [Counts(7)]
        assert second.receipt
        assert second.receipt.epoch == first.receipt.epoch + 1


def test_the_next_process_goes_on_from_what_the_ledger_keeps() -> None:
    peer = Peer([(*A, 100, 10), (*B, 5, 5)])
    with serving(peer) as url:
        marks = collector_of(url).polled().marks
        peer.rows = [(*A, 130, 10), (*B, 5, 5), (*C, 3, 3)]
        result = collector_of(url, tuple(marks)).polled()
    assert {delta.key.address: delta.counts for delta in result.deltas} == {
        address_bytes(A[0]): Counts(30),
        address_bytes(C[0]): Counts(3, 3),
    }
    assert {mark.key.address for mark in result.marks} == {address_bytes(A[0]), address_bytes(C[0]), None}


@pytest.mark.parametrize(
    ("front", "reason"),
    [
        (page("<h1>It works!</h1>"), "the front page is not darkstat's: 'It works!'"),
        (NOT_FOUND, "answers 404 to /"),
        (b"\x00\x01\r\n\r\n", "not an answer in HTTP"),
    ],
)
def test_rubbish_is_shown_told_once_and_asked_again(
    front: bytes, reason: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whitestat.collectors.darkstat.collector.DarkstatCollector.backoff_s", (0.01,))
    peer = Peer([(*A, 100, 10)])
    asked: list[bytes] = []
    peer.front = front
    with serving(peer, asked) as url, threaded(url) as collector:
        assert collector.read(0, 1).receipt is None
        wait_until(lambda: len(asked) > 5)
        status = collector.statuses()["darkstat"]
        assert status.state is PointState.FAILED
        assert reason in status.notice
        assert caplog.text.count(reason) == 1
        peer.front = page(FRONT)
        wait_until(lambda: collector.statuses()["darkstat"].state is PointState.OK)
        assert collector.read(0, 1).receipt


@pytest.mark.slow
def test_a_darkstat_that_fails_is_asked_ever_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    backoff_s = DarkstatCollector.backoff_s
    assert list(backoff_s) == sorted(backoff_s)
    waits = (0.05, 0.1, 0.2, 0.4)
    monkeypatch.setattr("whitestat.collectors.darkstat.collector.DarkstatCollector.backoff_s", waits)
    peer, asked = Peer([]), list[float]()

    def answer(path: str) -> bytes:
        asked.append(time.monotonic())
        return peer(path)

    peer.front = NOT_FOUND
    with serving(answer) as url, threaded(url) as collector:
        collector.read(0, 1)
        wait_until(lambda: len(asked) > 5)
    for last, following, wait_s in zip(asked, asked[1:], (*waits, waits[-1]), strict=False):
        assert following - last >= wait_s


class Waits(threading.Event):
    """Has every wait be over at once, and ends the thread at the tenth; `asked_s` are how long each would have been."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_s: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.asked_s.append(timeout or 0.0)
        if len(self.asked_s) == 10:
            self.set()
        return self.is_set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_that_ends_the_thread_is_shown_and_a_new_thread_asks() -> None:
    """No answer is known that does; one that did must not leave a point that looks alive for ever."""
    faults = [ZeroDivisionError("unforeseen"), ZeroDivisionError("unforeseen")]

    def local(address: Address) -> bool:
        if faults:
            raise faults.pop()
        return is_local(address)

    ends = re.compile(r"127\.0\.0\.1:\d+/?: a fault ended the thread that asks; it is begun anew")
    peer, asked = Peer([(*A, 100, 10)]), list[bytes]()
    with serving(peer, asked) as url, closing(DarkstatCollector(POINT, url, 3600, local)) as collector:
        collector.open({})
        for _ in range(2):
            assert collector.read(0, 1).receipt is None
            wait_until(lambda: all(each.name != "darkstat darkstat" for each in threading.enumerate()))
            with pytest.raises(CollectorError, match=ends):
                collector.read(0, 1)
            status = collector.statuses()["darkstat"]
            assert status.state is PointState.FAILED
            assert ends.search(status.notice)
        wait_until(lambda: collector.read(0, 1).receipt is not None)
        assert collector.read(0, 1).marks[0].key.address == address_bytes(A[0])
        wait_until(lambda: collector.statuses()["darkstat"].state is PointState.OK)
    assert not faults


def test_it_is_polled_as_often_as_version_5_s_file_says(tmp_path: Path) -> None:
    (tmp_path / "WhiteStatConfig.json").write_text('{"DARKSTAT_URL": "http://192.0.2.1", "IdleSeconds": 3000}')
    (point,) = load(None, {"DATA_STORE": str(tmp_path)}, root=False).points
    polls = list[str]()

    def answer(path: str) -> bytes:
        if path.startswith("/hosts/?"):
            polls.append(path)
        return Peer([])(path)

    with serving(answer) as url, closing(built_of(replace(point, url=url), is_local=is_local)) as collector:
        assert isinstance(collector, DarkstatCollector)
        collector._stopped = waits = Waits()
        collector._run()
    # The shorter ones are between hosts' own pages. What is left of an interval is waited for: by default a minute.
    between_s = [each for each in waits.asked_s if each > PAGE_EVERY_S]
    assert len(polls) == len(between_s) == 5
    assert all(60 < each <= 3000 for each in between_s)


def test_metrics_are_read_where_there_are_any_and_the_table_is_left_alone() -> None:
    asked: list[bytes] = []
    peer = Peer([(*A, 1, 1)])
    peer.metrics = page((FIXTURES / "metrics721.http").read_bytes().split(b"\r\n\r\n", 1)[1])
    with serving(peer, asked) as url:
        collector = collector_of(url)
        marks = {mark.key.address: mark.counts for mark in collector.polled().marks}
        assert marks[address_bytes("192.168.1.10")] == Counts(1_343_340, 15_292)
        assert not any(b"/hosts/" in each for each in asked)
        peer.metrics, peer.front = NOT_FOUND, page(FRONT.replace("05:04:29", "05:09:00"))  # an older one was started
        result = collector.polled()
    assert any(b"/hosts/?full=yes" in each for each in asked)
    assert [each.counts for each in result.deltas] == [Counts(1, 1)]


def test_names_go_with_the_usage_of_their_hosts() -> None:
    peer = Peer([(*A, 100, 10), (*B, 50, 5)])
    peer.names = {A[0]: "phone.lan", B[0]: "tv.lan", "203.0.113.9": "far.example"}
    with serving(peer) as url:
        collector = collector_of(url)
        collector.polled()
        peer.rows = [(*A, 150, 10), (*B, 50, 5), ("203.0.113.9", A[1], 1, 1)]
        assert collector.polled().names == [(mac_bytes(A[1]), address_bytes(A[0]), "phone.lan")]


def test_hosts_of_a_network_that_the_table_shows_to_be_ours_count_from_the_next_poll() -> None:
    six = [("2001:db8:50::a", A[1], 70, 7), ("2001:db8:50::b", B[1], 80, 8), ("2001:db8:cafe::9", C[1], 90, 9)]
    peer = Peer([(*A, 100, 10), (*B, 50, 5), ("203.0.113.9", C[1], 1, 1), *six])
    config = load(None, {}, root=False)
    with serving(peer) as url:
        known: list[DarkstatCollector] = []
        where = lambda address: locality(config, (), shown=networks_of(known)).kind(address) == "local"  # noqa: E731
        known.append(collector := Collector(POINT, url, 3600, where))
        assert collector.polled().deltas == []
        assert set(networks_of(known)) == {IPv6Network("2001:db8:50::/64")}
        collector.polled()
        peer.rows = [(ip, mac, into + 5, out) for ip, mac, into, out in peer.rows]
        grown = collector.polled().deltas
    assert {address_text(each.key.address or b"") for each in grown} == {A[0], B[0], six[0][0], six[1][0]}
    assert {each.counts for each in grown} == {Counts(5)}


def test_what_pcap_dropped_is_owned_at_the_size_of_the_average_packet() -> None:
    peer = Peer([(*A, 1000, 0)])
    peer.front = totals(1000, 10, 5)
    with serving(peer) as url:
        collector = collector_of(url)
        collector.polled()  # what was dropped before is no matter of ours
        peer.rows, peer.front = [(*A, 5000, 0)], totals(5000, 30, 25)
        audit = collector.polled().audits["darkstat"]
        assert collector.statuses()["darkstat"].notice.startswith("darkstat lost 20 packets since we started")
        assert (audit.packets_lost, audit.frames_metered.octets, audit.frames_interface.octets) == (20, 4000, 8000)
        first = step(None, audit)
        second = step(first.baseline, collector.polled().audits["darkstat"])
    assert (first.packets_lost, second.packets_lost) == (20, 0)
    assert (first.unmetered.octets, second.unmetered.octets) == (0, 4000)  # two reads in a row miss it


def test_unread_frames_lower_the_coverage_with_a_notice_and_the_next_process_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("whitestat.collectors.darkstat.unread.SETTLED_MS", 0)
    peer = Peer([(*A, 1000, 0)])
    peer.front = totals(1000, 10, 0, 10)
    with serving(peer) as url:
        collector = collector_of(url)
        collector.polled()
        peer.rows, peer.front = [(*A, 3000, 0)], totals(3000, 20, 0, 1_020)
        collector.polled()
        result = collector.polled()
        audit = result.audits["darkstat"]
        assert audit.frames_metered.octets == 2_000
        assert 900 * 100 < audit.frames_interface.octets - audit.frames_metered.octets <= 1_000 * 150
        assert audit.packets_lost == 0
        notice = collector.statuses()["darkstat"].notice
        assert notice.startswith("darkstat could not read ")
        assert "PPPoE" in notice
        peer.front = totals(3000, 20, 0, 2_020)  # while no process of ours looked
        following = collector_of(url, tuple(result.marks))
        following.polled()
        audit = following.polled().audits["darkstat"]
    assert audit.frames_interface.octets - audit.frames_metered.octets > 900 * 100


def test_a_slow_darkstat_delays_nobody() -> None:
    asked, answered, waited_for = threading.Event(), threading.Event(), threading.Event()

    def slow(path: str) -> bytes:
        asked.set()
        if not answered.wait(20):
            waited_for.set()
        return page(FRONT)

    with serving(slow) as url, threaded(url) as collector:
        assert collector.read(0, 1) == ReadResult(0, 1)
        assert asked.wait(30)
        assert collector.read(0, 1) == ReadResult(0, 1)
        assert list(collector.peek()) == []
        assert not waited_for.is_set()  # all that was while darkstat had not answered
        answered.set()


def test_hosts_that_the_pattern_does_not_find_are_left_out() -> None:
    config = PointConfig("darkstat", "darkstat", only=r"\.10$")
    peer = Peer([(*A, 100, 10), (*B, 50, 5)])
    with serving(peer) as url:
        built = built_of(replace(config, url=url), is_local=is_local)
        with closing(built) as collector:
            collector.open({})
            wait_until(lambda: bool(collector.read(0, 1000).marks))
            assert [mark.key.address for mark in collector.read(0, 1000).marks] == [address_bytes(A[0]), None]


PORTS = "<tr><th>Port</td><th>Service</td><th>In</td><th>Out</td></tr>"


def page_of(octets_in: int) -> bytes:
    """A host's own page: a download from port 443, and what its protocol had."""
    on = f"(1-1 of 1)<br><table>{PORTS}<tr><td>443</td><td>https</td><td>0</td><td>{octets_in:,}</td></tr></table>"
    protocols = (
        f"<tr><th>#</td><th>Protocol</td><th>In</td><th>Out</td></tr><tr><td>6</td><td>tcp</td><td>{octets_in:,}</td>"
    )
    return page(
        f"<h3>TCP ports on remote hosts</h3>{on}"
        f"<h3>IP protocols</h3>(1-1 of 1)<br><table>{protocols}<td>0</td></tr></table>"
    )


def test_the_page_of_a_host_that_moved_says_what_its_usage_was_on(monkeypatch: pytest.MonkeyPatch) -> None:
    peer, octets = Peer([(*A, 100, 10), (*B, 50, 5)]), 100
    asked: list[str] = []

    def answer(path: str) -> bytes:
        if path.startswith("/hosts/1"):
            asked.append(path)
            return page_of(octets)
        return peer(path)

    monkeypatch.setattr("whitestat.collectors.darkstat.collector.PAGE_EVERY_S", 0.0)
    with serving(answer) as url:
        collector = collector_of(url)
        collector.polled()
        for octets in (400, 900):
            peer.rows = [(*A, octets, 10), (*B, 50, 5)]
            collector._poll()
            collector.use_pause(time.monotonic() + 5)
        peer.rows = [(*A, 950, 10), (*B, 50, 5)]
        result = collector.polled()
    assert asked == [f"/hosts/{A[0]}/"] * 2
    assert [each.counts for each in result.deltas] == [Counts(850)]
    [told] = result.details
    assert (told.key.address, told.key.protocol, told.key.service) == (address_bytes(A[0]), 6, 443)
    assert told.counts == Counts(500)
