"""The Archer C20 collector against a server that behaves as the router does."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.peers import hosting, reply
from tests.support.peers.archer import PASSWORD, ROUND, USERNAME, Archer, Row
from whitestat.collectors.login import Login
from whitestat.collectors.polling import TemporarilyUnavailable
from whitestat.collectors.router.archer_c20 import ArcherC20, blocks_of
from whitestat.collectors.router.collector import LoginRefused
from whitestat.collectors.router.follow import TotalsFollower
from whitestat.collectors.router.protocol import RouterTotals
from whitestat.core.errors import CollectorError
from whitestat.core.model import Counts
from whitestat.core.units import address_bytes, address_text, mac_bytes, mac_text

A, B, TEN = "02:50:00:00:00:0a", "02:50:00:00:00:0b", "02:50:00:00:00:05"
MINUTE_MS = 60_000


class Watch:
    """A router, followed poll by poll, a minute apart by its own clock."""

    def __init__(self, peer: Archer, url: str, password: str = PASSWORD) -> None:
        self.peer = peer
        self.router = ArcherC20(url, Login(USERNAME, password), timeout_s=2)
        self.follower = TotalsFollower("router", ArcherC20.ceiling_bps)
        self.at_ms = 1_795_305_142_000
        self.names: dict[str, str] = {}

    def poll(self, minutes: int = 1) -> dict[str, int]:
        """Octets that each MAC had since the last poll."""
        look = self.router.look(closely=True)
        self.names |= {mac_text(each.mac): each.name for each in look.names if each.mac}
        self.at_ms += minutes * MINUTE_MS
        step = self.follower.take(look, self.at_ms, minutes * MINUTE_MS)
        assert all(each.counts == (0, 0, 0, 0, each.counts.octets_unsplit) for each in step.deltas)
        return {mac_text(each.key.mac): each.counts.octets_unsplit for each in step.deltas if each.key.mac}


@pytest.fixture
def watch() -> Iterator[Watch]:
    peer = Archer([Row("192.168.1.10", A, 5_000_000_000 % ROUND, 7_000_000), Row("10.0.0.5", TEN, 700, 10)])
    with hosting(peer) as url:
        found = Watch(peer, url)
        assert found.poll() == {}
        yield found


def test_what_devices_had_before_is_nobodys_and_what_comes_is_theirs_up_and_down_in_one(watch: Watch) -> None:
    watch.peer.rows[0].carry(123_456)
    assert watch.poll() == {A: 123_456}
    assert watch.poll() == {}


def test_addresses_are_decimal_numbers_those_below_128_too(watch: Watch) -> None:
    look = watch.router.look(closely=False)
    assert {address_text(address or b"") for _, address in look.totals} == {"192.168.1.10", "10.0.0.5"}


def test_a_counter_that_went_round_goes_on(watch: Watch) -> None:
    row = watch.peer.rows[1]
    row.carry(ROUND - 1000)
    assert watch.poll() == {TEN: ROUND - 1000}
    row.carry(5000)
    assert row.octets == 4700
    assert watch.poll() == {TEN: 5000}


def test_a_wrap_every_twenty_minutes_loses_no_octet(watch: Watch) -> None:
    total = 0
    for _ in range(60):
        watch.peer.rows[0].carry(ROUND // 20 + 12_345)
        total += watch.poll()[A]
    assert total == 60 * (ROUND // 20 + 12_345)


@pytest.mark.parametrize("minutes", [1, 600])
@pytest.mark.parametrize("had", [3_000_000, 3_500_000_000, ROUND - 1])
def test_a_counter_that_was_reset_counts_from_zero_however_near_it_was_to_its_end(
    watch: Watch, had: int, minutes: int
) -> None:
    row = watch.peer.rows[0]
    row.octets, row.packets = had, had // 1000
    watch.poll()
    row.octets = row.packets = 0
    row.carry(4_000)
    assert watch.poll(minutes) == {A: 4_000}


def test_packets_go_round_too(watch: Watch) -> None:
    row = watch.peer.rows[0]
    row.packets = ROUND - 3
    watch.poll()
    row.carry(50_000)
    assert row.packets < 100
    assert watch.poll() == {A: 50_000}


def test_after_a_reboot_rows_come_back_from_zero_one_by_one(watch: Watch) -> None:
    watch.peer.reboot()
    assert watch.poll() == {}
    watch.peer.rows.append(Row("192.168.1.10", A, 1_500, 2))
    assert watch.poll() == {A: 1_500}
    watch.peer.rows.append(Row("192.168.1.11", B, 2_500, 3))
    assert watch.poll() == {B: 2_500}


def test_a_deleted_row_that_was_only_missing_is_not_billed_its_past(watch: Watch) -> None:
    gone = watch.peer.rows.pop(0)
    watch.poll()
    gone.carry(900)
    watch.peer.rows.insert(0, gone)
    assert watch.poll() == {A: 900}


def test_a_device_with_a_new_address_is_not_billed_its_past(watch: Watch) -> None:
    watch.peer.rows[0].address = "192.168.1.99"
    watch.peer.rows[0].carry(800)
    assert watch.poll() == {A: 800}


def test_figures_that_the_line_cannot_have_carried_are_not_booked(watch: Watch) -> None:
    watch.peer.rows[1].octets, watch.peer.rows[1].packets = 4_000_000_000, 4_000_000
    look = watch.router.look(closely=False)
    step = watch.follower.take(look, watch.at_ms + 1000, 1000)
    assert (step.deltas, step.implausible) == ([], 1)


def test_many_packets_and_few_octets_after_a_long_gap_are_told_as_doubtful(watch: Watch) -> None:
    row = watch.peer.rows[0]
    row.packets += 20_000_000  # of some 1,000 octets each: the counter went round four or five times
    row.octets += 5
    step = watch.follower.take(watch.router.look(closely=False), watch.at_ms + 3_600_000, 3_600_000)
    assert (len(step.deltas), step.unsure) == (1, 1)


def test_names_come_from_the_routers_list_of_hosts(watch: Watch) -> None:
    watch.peer.names = {A: "annas-phone", B: ""}
    watch.poll()
    assert watch.names == {A: "annas-phone"}


def test_the_cookie_is_raw_the_referer_there_and_we_are_out_after_each_poll(watch: Watch) -> None:
    assert not watch.peer.inside
    first, *_, last = watch.peer.asked
    assert first.method == "POST"
    assert re.fullmatch("Authorization=Basic [A-Za-z0-9+/]+=*", first.headers["cookie"])
    assert first.headers["referer"].endswith("/mainFrame.htm")
    assert (last.path, last.headers["referer"].endswith("/MenuRpm.htm")) == ("/cgi?8", True)


def test_nothing_is_written_to_the_router(watch: Watch) -> None:
    """Acts 2 (set), 3 (add), 4 (delete) and 7 (operate) would change it."""
    acts = {act for each in watch.peer.asked for act in each.path.partition("?")[2].split("&")}
    assert acts <= {"1", "5", "8"}


def test_while_somebody_is_logged_in_it_stands_back(watch: Watch) -> None:
    watch.peer.busy = True
    asked = len(watch.peer.asked)
    with pytest.raises(TemporarilyUnavailable, match="another user is logged in"):
        watch.poll()
    assert len(watch.peer.asked) == asked + 1  # no logout, which would be theirs
    watch.peer.busy = False
    watch.peer.rows[0].carry(77)
    assert watch.poll() == {A: 77}


def test_statistics_that_are_switched_off_are_told_with_the_way_to_the_switch(watch: Watch) -> None:
    watch.peer.enabled = False
    with pytest.raises(
        TemporarilyUnavailable, match=r"statistics are switched off in the router: .*System Tools, Statistics"
    ):
        watch.poll()
    watch.peer.enabled = True
    watch.peer.rows[0].carry(5)
    assert watch.poll() == {A: 5}


@pytest.mark.parametrize("page", [True, False])
def test_a_wrong_password_is_told_and_shows_in_no_message(page: bool) -> None:
    peer = Archer(login_page=page)
    with hosting(peer) as url, pytest.raises(LoginRefused, match="does not take this name and password") as caught:
        Watch(peer, url, "hunter2").poll()
    assert "hunter2" not in f"{caught.value!r} {caught.value}"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (reply("[error]71234"), "firmware is newer"),
        (reply("[error]9"), "answers error 9"),
        (reply("<html>It works!</html>"), "not the answer of such a router: '<html>"),
        (reply("[0,0,0,0,0,0]0\nenable=1\nrubbish\n[error]0"), "not a line of such an answer: 'rubbish'"),
        (reply("enable=1\n[error]0"), "not a line of such an answer"),
        (reply("x" * 2_000_000), "more than 1048576 octets"),
        (reply("\n".join(["[1,0,0,0,0,0]1"] * 5000) + "\n[error]0"), "more than 4096 devices"),
        (reply("", "404 Not Found"), "answers 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n[0,0,0,0,0,0]0\n", "cut off"),
        (b"\x00\x01\x02\r\n\r\n", "not an answer in HTTP"),
        (b"", "closed connection without response"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(watch: Watch, raw: bytes, said: str) -> None:
    watch.peer.raw = raw
    with pytest.raises(CollectorError) as caught:
        watch.poll()
    assert str(caught.value).startswith(watch.router.url)
    assert said in str(caught.value)
    assert not isinstance(caught.value, LoginRefused | TemporarilyUnavailable)


def test_an_answer_that_is_cut_off_anywhere_takes_no_row_away(watch: Watch) -> None:
    for cut in range(0, len(watch.peer.statistics()), 7):
        watch.peer.cut = cut
        with pytest.raises(CollectorError):
            watch.poll()
    watch.peer.cut = None
    watch.peer.rows[0].carry(31)
    assert watch.poll() == {A: 31}


def test_empty_lines_and_a_line_end_at_the_end_are_no_fault(watch: Watch) -> None:
    watch.peer.raw = reply(watch.peer.statistics().replace("interval=10\n", "interval=10\n\n") + "\n\n")
    assert watch.poll() == {}


@pytest.mark.parametrize(
    "field", ["ipAddress=4294967296", "ipAddress=-1", "totalBytes=1e9", "totalBytes=9" + "0" * 10, "macAddress=zz"]
)
def test_a_row_that_cannot_be_read_is_counted_and_costs_no_other(watch: Watch, field: str) -> None:
    name = field.partition("=")[0]
    text = re.sub(f"{name}=.*", field, watch.peer.statistics(), count=1)
    watch.peer.raw = reply(text)
    look = watch.router.look(closely=False)
    assert (len(look.totals), look.unreadable) == (1, 1)


def test_a_row_that_is_told_twice_counts_once(watch: Watch) -> None:
    watch.peer.rows.append(Row("192.168.1.10", A, 9, 9))
    look = watch.router.look(closely=False)
    assert look.unreadable == 1
    assert look.totals[mac_bytes(A), address_bytes("192.168.1.10")].octets == 5_000_000_000 % ROUND


def test_a_network_without_names_has_figures_all_the_same(watch: Watch) -> None:
    watch.peer.names = {"rubbish": "x\ny"}
    watch.peer.rows[0].carry(3)
    assert watch.poll() == {A: 3}


@given(
    st.lists(
        st.one_of(st.integers(0, 400_000_000), st.sampled_from(["reboot", "look"])),
        max_size=60,
    )
)
def test_whatever_passes_and_whenever_it_reboots_no_octet_is_booked_twice(events: list[int | str]) -> None:
    """What passed between the last poll and a reboot is gone with the router's memory; all else is booked."""
    row, passed, unseen, booked, lost = Row("192.168.1.10", A), 0, 0, 0, 0
    follower = TotalsFollower("router", ArcherC20.ceiling_bps)

    def poll() -> int:
        look = RouterTotals({(mac_bytes(A), address_bytes(row.address)): Counts(0, 0, row.packets, 0, row.octets)}, 32)
        return sum(delta.counts.octets for delta in follower.take(look, 0, MINUTE_MS).deltas)

    poll()
    for event in [*events, "look"]:
        if isinstance(event, int):
            row.carry(event)
            passed, unseen = passed + event, unseen + event
        elif event == "reboot":
            row.octets = row.packets = 0
            lost, unseen = lost + unseen, 0
        if event != "reboot":
            booked, unseen = booked + poll(), 0
    assert booked <= passed - lost
    if "reboot" not in events:
        assert booked == passed


@given(st.text("[]0,=abc15\n\r error", max_size=200))
def test_any_text_is_blocks_or_a_fault_in_words(text: str) -> None:
    try:
        blocks_of(text)
    except (ValueError, LoginRefused) as fault:
        assert str(fault)


@pytest.mark.parametrize("polls", [2, 20])
def test_a_table_that_is_shown_once_more_books_no_ghost(polls: int) -> None:
    """A stale answer looks like a reset: all that a device ever had would be booked once more."""
    who = mac_bytes("02:50:00:00:00:0a"), address_bytes("192.168.1.10")
    table = TotalsFollower("router", 1_000_000_000)
    booked = []
    million = 1_000_000
    rising = [(n * million, 1000 * n) for n in range(5, 5 + polls)]
    for poll, (octets, packets) in enumerate([*rising, rising[0], (rising[-1][0] + 100_000, rising[-1][1] + 100)]):
        look = RouterTotals({who: Counts(0, 0, packets, 0, octets)}, 32)
        booked.append(sum(each.counts.octets for each in table.take(look, poll * 30_000, 30_000).deltas))
    assert booked == [0, *[million] * (polls - 1), 0, 100_000]
