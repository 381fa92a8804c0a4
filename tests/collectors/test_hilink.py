"""The HiLink collector, with the real library, against a server that behaves as the router does."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.peers import Request, hosting, reply
from tests.support.peers.hilink import PASSWORD, USERNAME, HiLinkPeer, xml

pytest.importorskip("huawei_lte_api", reason="needs the extra [hilink]")

from whitestat.collectors.login import Login
from whitestat.collectors.polling import TemporarilyUnavailable
from whitestat.collectors.router.collector import LoginRefused
from whitestat.collectors.router.follow import TotalsFollower
from whitestat.collectors.router.hilink import HiLink
from whitestat.collectors.router.protocol import LINE, RouterTotals
from whitestat.core.counters import CEILING_BPS
from whitestat.core.errors import CollectorError
from whitestat.core.model import Counts

MINUTE_MS = 60_000


class Watch:
    """A router, followed poll by poll, a minute apart by its own clock."""

    def __init__(self, peer: HiLinkPeer, router: HiLink) -> None:
        self.peer = peer
        self.router = router
        self.follower = TotalsFollower("line", HiLink.ceiling_bps)
        self.at_ms = 1_795_305_142_000
        self.restored = False

    def poll(self) -> Counts:
        look = self.router.look(closely=True)
        self.at_ms += MINUTE_MS
        step = self.follower.take(look, self.at_ms, MINUTE_MS)
        self.restored = step.restored
        return step.deltas[0].counts if step.deltas else Counts()


@contextmanager
def watching(peer: HiLinkPeer, password: str | None = PASSWORD) -> Iterator[Watch]:
    with hosting(peer) as url:
        yield Watch(peer, HiLink(url, Login(USERNAME, password) if password else None, timeout_s=2))


def count(peer: HiLinkPeer, path: str) -> int:
    return sum(each.path == path for each in peer.asked)


@pytest.mark.parametrize("tokens", [True, False])
def test_totals_that_anybody_may_see_are_read_without_logging_in(tokens: bool) -> None:
    peer = HiLinkPeer(home_has_tokens=tokens)
    with watching(peer) as watch:
        assert watch.router.look(closely=False).totals == {LINE: Counts(10_211_903_746, 350_674_492)}
        watch.poll()
        peer.carry(5000, 70)
        assert watch.poll() == Counts(5000, 70)
    assert (count(peer, "/"), count(peer, "/api/user/login")) == (1, 0)


def test_the_routers_own_month_is_told() -> None:
    with watching(HiLinkPeer()) as watch:
        notice = watch.router.look(closely=True).notice
        assert "by its own count of the month since 2026-11-01: 10.2 GB down, 350.1 MB up" in notice
        assert watch.router.look(closely=False).notice == notice
    for month in (None, ("", "", ""), ("1", "", "x")):
        with watching(HiLinkPeer(month=month)) as watch:
            assert watch.router.look(closely=True).notice.endswith("single devices")
    with watching(HiLinkPeer(month=("1", "2", "<b>&amp;</b>"))) as watch:
        assert "<" not in watch.router.look(closely=True).notice


def test_where_a_login_is_needed_it_is_made_once_and_kept() -> None:
    peer = HiLinkPeer(needs_login=True)
    with watching(peer) as watch:
        for _ in range(4):
            watch.poll()
            peer.carry(10, 1)
        assert count(peer, "/api/user/login") == 1
        assert peer.inside
        watch.router.close()
        assert not peer.inside
    assert not any(PASSWORD in each.body or PASSWORD in each.path for each in peer.asked)


def test_without_a_password_it_says_what_is_missing() -> None:
    with watching(HiLinkPeer(needs_login=True), None) as watch, pytest.raises(CollectorError, match="set password_fil"):
        watch.poll()


def test_a_wrong_password_is_told_and_shows_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    peer = HiLinkPeer(needs_login=True)
    with (
        watching(peer, "hunter2") as watch,
        pytest.raises(LoginRefused, match=r"does not take this .* 108006") as caught,
    ):
        watch.poll()
    assert "hunter2" not in f"{caught.value!r} {caught.value} {caplog.text}"
    assert (count(peer, "/api/user/login"), peer.locked) == (1, False)


def test_a_locked_router_is_not_tried_again() -> None:
    with (
        watching(HiLinkPeer(needs_login=True, locked=True)) as watch,
        pytest.raises(LoginRefused, match=r"locked .* 108007"),
    ):
        watch.poll()


def test_a_router_that_tells_its_lock_is_not_tried_at_all() -> None:
    peer = HiLinkPeer(needs_login=True, tells_lock=True)
    with watching(peer) as watch, pytest.raises(TemporarilyUnavailable, match="is locked for 5 min more") as caught:
        watch.poll()
    assert caught.value.wait_s == 300
    assert count(peer, "/api/user/login") == 0


def test_while_somebody_is_logged_in_it_stands_back() -> None:
    peer = HiLinkPeer(needs_login=True, another_user=True)
    with watching(peer) as watch, pytest.raises(TemporarilyUnavailable, match="another user is logged in"):
        watch.poll()


def test_a_session_that_somebody_took_is_left_to_them_for_a_while() -> None:
    peer = HiLinkPeer(needs_login=True)
    with watching(peer) as watch:
        watch.poll()
        peer.inside = False
        with pytest.raises(TemporarilyUnavailable, match="took over the session") as caught:
            watch.poll()
        assert caught.value.wait_s == 300
        assert count(peer, "/api/user/login") == 1
        peer.carry(44, 0)
        assert watch.poll() == Counts(44)


def test_a_stale_token_is_renewed_once_and_then_told() -> None:
    peer = HiLinkPeer(stale=1)
    with watching(peer) as watch:
        assert watch.poll() == Counts()
        peer.stale = 5
        with pytest.raises(CollectorError, match="answers error 125002"):
            watch.poll()
        peer.stale = 0
        peer.carry(7, 7)
        assert watch.poll() == Counts(7, 7)


def test_a_token_that_ran_out_while_logging_in_is_no_wrong_password() -> None:
    """The library asks once more by itself, with a password that it mixed with the old token."""
    peer = HiLinkPeer(needs_login=True, stale=1)
    with watching(peer) as watch:
        with pytest.raises(TemporarilyUnavailable, match="changed its token while we logged in"):
            watch.poll()
        assert watch.poll() == Counts()
        peer.carry(5, 0)
        assert watch.poll() == Counts(5)


def test_a_busy_router_is_left_alone_for_a_while() -> None:
    with watching(HiLinkPeer(busy=1)) as watch:
        with pytest.raises(TemporarilyUnavailable, match="is busy"):
            watch.poll()
        assert watch.poll() == Counts()


def test_a_line_that_connects_anew_loses_nothing() -> None:
    """Current figures begin again, totals do not."""
    with watching(HiLinkPeer()) as watch:
        watch.poll()
        watch.peer.session_down = watch.peer.session_up = watch.peer.session_s = 0
        watch.peer.carry(300, 20, 9)
        assert watch.poll() == Counts(300, 20)


def test_what_was_cleared_counts_from_zero() -> None:
    with watching(HiLinkPeer()) as watch:
        watch.poll()
        watch.peer.down, watch.peer.up, watch.peer.total_s = 800, 8, 20
        assert watch.poll() == Counts(800, 8)


def test_a_router_that_goes_back_to_older_figures_books_what_passed_since_it_connected() -> None:
    """Totals are saved with a delay: after a power cut they go on from an older copy."""
    peer = HiLinkPeer()
    with watching(peer) as watch:
        watch.poll()
        peer.down, peer.up, peer.total_s = peer.down - 40_000_000, peer.up - 1_000_000, peer.total_s - 300
        peer.session_down = peer.session_up = peer.session_s = 0
        peer.carry(9000, 500, 30)
        assert watch.poll() == Counts(9000, 500)
        assert watch.restored
        peer.carry(11, 2)
        assert watch.poll() == Counts(11, 2)


def test_an_older_copy_under_a_running_session_books_nothing() -> None:
    with watching(HiLinkPeer()) as watch:
        watch.poll()
        watch.peer.down -= 40_000_000
        assert watch.poll() == Counts()


def test_empty_totals_are_unknown_and_not_nothing() -> None:
    with watching(HiLinkPeer()) as watch:
        watch.poll()
        watch.peer.empty = True
        with pytest.raises(CollectorError, match="does not report its totals"):
            watch.poll()
        watch.peer.empty = False
        watch.peer.carry(12, 0)
        assert watch.poll() == Counts(12)


def moved(place: str) -> bytes:
    return reply("", "302 Found", f"Location: {place}\r\n")


DEEP = "<a>" * 3000 + "</a>" * 3000


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (reply("<html>It works!</html>"), "does not report its totals"),
        (reply("<response><TotalDown"), "cannot be read"),
        (reply("<error></error>"), "cannot be read"),
        (reply("<error><code>x</code></error>"), "cannot be read"),
        (reply("<response>OK</response>"), "cannot be read"),
        (reply('{"a": [1'), "cannot be read"),
        (reply("[1]"), "cannot be read"),
        (reply(""), "does not report its totals"),
        (xml("<TotalDownload>1e9</TotalDownload><TotalUpload>1</TotalUpload>"), "does not report its totals"),
        (xml("<TotalDownload>-5</TotalDownload><TotalUpload>1</TotalUpload>"), "does not report its totals"),
        (xml("<TotalDownload><a>1</a></TotalDownload><TotalUpload>1</TotalUpload>"), "does not report its totals"),
        (xml(f"<TotalDownload>{'9' * 30}</TotalDownload><TotalUpload>1</TotalUpload>"), "does not report its totals"),
        (reply("<error><code>100002</code></error>"), "is it a HiLink router?"),
        (reply("<error><code>100001</code></error>"), "answers error 100001"),
        (reply("x" * 2_000_000), "more than 1048576 octets"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<response>", "cut off"),
        (b"\x00\r\n\r\n", "not an answer in HTTP"),
        (b"", "closed connection without response"),
        (moved("http://192.0.2.1/x"), "leads to another place"),
        (moved("/api/monitoring/traffic-statistics"), "redirects"),
        (reply(b"\xff\xfe\x00"), "cannot be read"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(raw: bytes, said: str) -> None:
    with watching(HiLinkPeer(raw=raw)) as watch, pytest.raises(CollectorError) as caught:
        watch.poll()
    assert str(caught.value).startswith(watch.router.url)
    assert said in str(caught.value)
    assert not isinstance(caught.value, LoginRefused | TemporarilyUnavailable)


def test_deeply_nested_answers_are_refused_or_hold_no_totals() -> None:
    with watching(HiLinkPeer(raw=reply(DEEP))) as watch, pytest.raises(CollectorError):
        watch.poll()


@pytest.mark.slow
def test_a_slow_router_is_cut_off() -> None:
    def slow(request: Request) -> bytes:
        time.sleep(1)
        return b""

    began = time.monotonic()
    with hosting(slow) as url, pytest.raises(CollectorError, match=r"no whole answer in 0\.2 s"):
        HiLink(url, None, timeout_s=0.2).look(closely=False)
    assert time.monotonic() - began < 3


def test_one_stale_answer_inside_a_session_books_no_ghost() -> None:
    """It is an older copy of the totals; the next answer is right again, and only what passed is booked."""
    line = TotalsFollower("router", CEILING_BPS)
    for at_s, down, told in ((0, 5_000_000, 1000), (30, 6_000_000, 1030)):
        booked = octets(line, at_s, down, told)
    assert booked == 1_000_000
    assert octets(line, 60, 5_500_000, 1010) == 0  # stale
    assert octets(line, 90, 5_500_000, 1010) == 0  # and again
    assert octets(line, 120, 6_300_000, 1120) == 300_000
    assert octets(line, 150, 6_400_000, 1150) == 100_000


def test_an_older_copy_that_goes_on_is_followed_from_the_second_look() -> None:
    """A router that went back keeps to it: its growth is traffic, also where it passes what it had before."""
    line = TotalsFollower("router", CEILING_BPS)
    octets(line, 0, 6_000_000, 1000)
    assert octets(line, 30, 5_000_000, 500) == 0
    assert octets(line, 60, 5_200_000, 530) == 200_000
    assert octets(line, 90, 9_200_000, 560) == 4_000_000
    octets(line, 120, 9_000_000, 300)
    assert octets(line, 150, 9_900_000, 330) == 900_000  # its seconds lag behind: no stale answer


def octets(line: TotalsFollower, at_s: int, down: int, told_s: int) -> int:
    """What a poll adds, in a session that began long before it."""
    look = RouterTotals({LINE: Counts(down, 0)}, counted_s=told_s, session=Counts(down, 0), session_s=told_s)
    step = line.take(look, at_s * 1000, 30_000 if at_s else 0)
    return sum(each.counts.octets for each in step.deltas)
