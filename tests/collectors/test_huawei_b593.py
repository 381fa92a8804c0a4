"""The B593 collector against a server that behaves as the router does, in its three generations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.peers import hosting, reply
from tests.support.peers.b593 import PASSWORD, USERNAME, B593Peer, N, decrypted, script
from whitestat.collectors.login import Login
from whitestat.collectors.polling import TemporarilyUnavailable
from whitestat.collectors.router.collector import LoginRefused
from whitestat.collectors.router.follow import TotalsFollower
from whitestat.collectors.router.huawei_b593 import pages
from whitestat.collectors.router.huawei_b593.collector import B593
from whitestat.collectors.router.protocol import LINE
from whitestat.core.errors import CollectorError
from whitestat.core.model import Counts

MINUTE_MS = 60_000
KB = 1024


class Watch:
    """A router, followed poll by poll, a minute apart by its own clock."""

    def __init__(self, peer: B593Peer, router: B593) -> None:
        self.peer = peer
        self.router = router
        self.follower = TotalsFollower("line", B593.ceiling_bps)
        self.at_ms = 1_795_305_142_000
        self.restored = False

    def poll(self, minutes: int = 1) -> Counts:
        self.at_ms += minutes * MINUTE_MS
        step = self.follower.take(self.router.look(closely=True), self.at_ms, minutes * MINUTE_MS)
        self.restored = step.restored
        return step.deltas[0].counts if step.deltas else Counts()


@contextmanager
def watching(
    peer: B593Peer, password: str = PASSWORD, *, firmware: str | None = None, unit: str | None = None
) -> Iterator[Watch]:
    with hosting(peer) as url:
        yield Watch(peer, B593(url, Login(USERNAME, password), 2, firmware=firmware, unit=unit))


def paths(peer: B593Peer) -> list[str]:
    return [each.path for each in peer.asked]


def logins(peer: B593Peer) -> int:
    return paths(peer).count("/index/login.cgi")


def test_a_page_that_anybody_may_see_is_read_without_logging_in() -> None:
    peer = B593Peer(open_page=True)
    with hosting(peer) as url:
        look = B593(url, None, 2, unit="bytes").look(closely=False)
    assert look.totals == {LINE: Counts(1_076_929_187_571, 125_004_949_100)}
    assert (look.counted_s, paths(peer)) == (87_921_988, ["/html/status/waninforefresh.asp"])


def test_without_a_password_it_says_what_is_missing() -> None:
    with hosting(B593Peer()) as url, pytest.raises(CollectorError, match="only after log-in: set pass"):
        B593(url, None, 2).look(closely=False)


@pytest.mark.parametrize("firmware", ["plain", "rsa", "token"])
@pytest.mark.parametrize("told", [True, False])
def test_every_generation_lets_us_in_and_out_again(firmware: str, told: bool) -> None:
    name = {"plain": "V100R001", "rsa": "V100R001C07SP102", "token": "V200R001"}[firmware] if told else None
    peer = B593Peer(firmware=firmware)
    with watching(peer, firmware=name) as watch:
        assert watch.poll() == Counts()
        peer.down, peer.up = peer.down + 900, peer.up + 100
        scale = 1 if firmware == "token" else KB
        assert watch.poll() == Counts(900 * scale, 100 * scale)
    assert peer.session == ""
    assert logins(peer) == 2
    assert all("hunter" not in each.body and PASSWORD not in each.body for each in peer.asked)


def test_volumes_have_more_than_32_bits() -> None:
    with watching(B593Peer(open_page=True, down=(1 << 32) - 5), unit="bytes") as watch:
        watch.poll()
        watch.peer.down += 10
        assert watch.poll() == Counts(10)


@pytest.mark.parametrize(("firmware", "unit", "scale"), [("rsa", None, KB), ("rsa", "bytes", 1), ("token", "kB", KB)])
def test_the_unit_is_the_firmwares_unless_it_is_set(firmware: str, unit: str | None, scale: int) -> None:
    peer = B593Peer(firmware=firmware, open_page=True, down=7, up=3)
    with watching(peer, unit=unit) as watch:
        assert watch.router.look(closely=False).totals[LINE] == Counts(7 * scale, 3 * scale)


def test_a_rate_that_no_such_line_has_tells_that_the_unit_is_bytes() -> None:
    peer = B593Peer(open_page=True, down=1000, up=10, rates=(85, 156), live_s=5000)
    with watching(peer) as watch:
        assert "unit" not in watch.router.look(closely=False).doubt
        peer.rates = (51_736, 389_680)  # 390 Mbit/s if these are thousands
        assert "unit 'kB' cannot be right" in watch.router.look(closely=False).doubt


def test_a_mean_that_no_such_line_has_tells_that_the_unit_is_bytes() -> None:
    peer = B593Peer(open_page=True, rates=(85, 156), live_s=20_000_000)
    with watching(peer) as watch:
        assert 'set unit = "bytes"' in watch.router.look(closely=False).doubt


def test_next_to_nothing_in_many_hours_tells_that_the_unit_may_be_kb() -> None:
    peer = B593Peer(open_page=True, rates=(0, 0))
    with watching(peer, unit="bytes") as watch:
        assert "unit" not in watch.router.look(closely=False).doubt
        peer.down, peer.live_s = peer.down + 500_000, peer.live_s + 7 * 3600
        assert 'Try unit = "kB"' in watch.router.look(closely=False).doubt
        peer.down += 1_500_000
        assert "unit" not in watch.router.look(closely=False).doubt


def test_what_was_cleared_counts_from_zero() -> None:
    with watching(B593Peer(open_page=True), unit="bytes") as watch:
        watch.poll()
        watch.peer.down, watch.peer.up, watch.peer.live_s = 700, 30, 42
        assert watch.poll() == Counts(700, 30)
        assert not watch.restored


def test_a_router_that_goes_back_to_older_figures_books_nothing_twice() -> None:
    """After a power cut it may go on from what it had saved before."""
    with watching(B593Peer(open_page=True), unit="bytes") as watch:
        watch.poll()
        watch.peer.down -= 5_000_000
        assert watch.poll() == Counts()
        assert watch.restored
        watch.peer.down += 11
        assert watch.poll() == Counts(11)


def test_a_wrong_password_is_told_and_shows_in_no_message() -> None:
    peer = B593Peer()
    with watching(peer, "hunter2") as watch, pytest.raises(LoginRefused, match="does not take this name") as caught:
        watch.poll()
    assert "hunter2" not in f"{caught.value!r} {caught.value}"
    assert (logins(peer), peer.locks) == (1, 0)


def test_a_refusal_without_a_reason_is_taken_for_a_wrong_password() -> None:
    with watching(B593Peer(silent=True), "hunter2") as watch, pytest.raises(LoginRefused, match="does not say why"):
        watch.poll()


@pytest.mark.parametrize("failures", [2, 3, 9])
def test_the_try_that_would_lock_the_router_is_never_made(failures: int) -> None:
    peer = B593Peer(failures=failures)
    with (
        watching(peer, "hunter2") as watch,
        pytest.raises(TemporarilyUnavailable, match=f"{failures} tries to log in failed"),
    ):
        watch.poll()
    assert (logins(peer), peer.locks) == (0, 0)


def test_while_somebody_is_logged_in_it_stands_back() -> None:
    with watching(B593Peer(another_user=True)) as watch:
        with pytest.raises(TemporarilyUnavailable, match="another user is logged in"):
            watch.poll()
        watch.peer.another_user = False
        assert watch.poll() == Counts()


def test_a_page_that_leads_to_the_login_is_not_the_end_while_another_works() -> None:
    peer = B593Peer(never_shown="/html/status/waninforefresh.asp")
    with watching(peer) as watch:
        watch.poll()
        peer.down += 1000
        assert watch.poll() == Counts(1000 * KB)


def test_a_stolen_session_is_told_and_not_fought_over() -> None:
    peer = B593Peer(stolen=True)
    with watching(peer) as watch:
        with pytest.raises(TemporarilyUnavailable, match="took over the router's only session"):
            watch.poll()
        assert logins(peer) == 1
        assert peer.session == ""


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (reply("WanStatistics = {'uprate' : '1'};"), "without upvolume"),
        (reply("WanStatistics = {'upvolume' : 'x' , 'downvolume' : '1'};"), "upvolume: not a figure: 'x'"),
        (reply("WanStatistics = {'upvolume' : '1' , 'downvolume' : '99999999999999999999'};"), "downvolume: not a fig"),
        (reply("WanStatistics = {'upvolume' : '1' , 'downv"), "set password_file"),
        (reply("<h1>It works!</h1>"), "set password_file"),
        (reply("", "503 Busy"), "answers 503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nWanStat", "cut off"),
        (reply("x" * 2_000_000), "more than 1048576 octets"),
        (b"\x00\r\n\r\n", "not an answer in HTTP"),
        (b"", "closed connection without response"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(raw: bytes, said: str) -> None:
    peer = B593Peer(open_page=True, raw=raw)
    with hosting(peer) as url, pytest.raises(CollectorError) as caught:
        B593(url, None, 2, unit="kB").look(closely=False)
    assert str(caught.value).startswith(url)
    assert said in str(caught.value)


def test_a_page_elsewhere_is_found_and_what_is_no_b593_is_told() -> None:
    peer = B593Peer(page="/html/status/overview.asp")
    with watching(peer) as watch:
        watch.poll()
        peer.asked.clear()
        watch.poll()
        assert [each for each in paths(peer) if each.startswith("/html")][1:] == ["/html/status/overview.asp"]
        peer.page = "/elsewhere"
        with pytest.raises(CollectorError, match="is it a B593"):
            watch.poll()


def test_a_password_is_encrypted_as_the_standard_says() -> None:
    key = pages.rsa_key(script())
    assert key == pages.RsaKey(N, 0x10001)
    zeros = iter([b"\0" * 200, *(bytes([each]) * 200 for each in range(1, 99))])
    assert decrypted(pages.encrypted_password("Pa ss=wörd", key, lambda count: next(zeros)[:count])) == "Pa ss=wörd"
    with pytest.raises(ValueError, match="too long"):
        pages.encrypted_password("x" * 118, key, lambda count: b"\1" * count)


@given(st.text("WanStaisc ={}':,0123upvolmedwkn<>te\"\n", max_size=300))
def test_any_page_is_figures_or_none_or_a_fault_in_words(text: str) -> None:
    try:
        pages.statistics(text)
    except ValueError as fault:
        assert str(fault)
    pages.front(text)
    pages.rsa_key(text)
