"""darkstat's pages, recorded from 3.0.719 and 3.0.721: read to the octet, and rubbish named as such."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.collectors.darkstat import parse
from whitestat.collectors.darkstat.parse import DarkstatError, HostTotals, PortKey
from whitestat.core.model import Counts
from whitestat.core.units import address_bytes, mac_bytes

FIXTURES = Path(__file__).parents[1] / "fixtures" / "darkstat"
PHONE = address_bytes("192.168.1.10")
PHONE6 = address_bytes("2001:db8:1::a")


def recorded(name: str) -> str:
    body = (FIXTURES / f"{name}.http").read_bytes().split(b"\r\n\r\n", 1)[1]
    return (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode("ascii")


@pytest.mark.parametrize("name", ["hosts_full_in", "hosts_full_in2", "hosts_gz", "hosts_nolastseen", "hosts721"])
def test_every_generation_of_the_hosts_page_has_the_same_hosts(name: str) -> None:
    table = parse.hosts(recorded(name))
    assert (len(table.rows), table.unreadable) == (13, 0)
    assert table.rows[PHONE] == HostTotals(1_343_340, 15_292, mac_bytes("02:00:5e:00:00:0a"))
    assert table.rows[PHONE6] == HostTotals(75_600, 3_600, mac_bytes("02:00:5e:00:00:0a"))


@pytest.mark.parametrize("name", ["hosts_nomacs", "hosts_nomacsnolastseennodnsbasestats"])
def test_without_macs_hosts_are_addresses(name: str) -> None:
    assert parse.hosts(recorded(name)).rows[PHONE] == HostTotals(1_343_340, 15_292, None)


def test_metrics_and_the_hosts_page_agree() -> None:
    assert parse.metrics(recorded("metrics721")) == parse.hosts(recorded("hosts721"))


def test_names_are_those_of_the_dns_and_none_of_darkstat_s_own_words() -> None:
    page = recorded("hosts_full_in2").replace("<td>(none)</td>", "<td>phone.lan</td>", 1)
    assert parse.hosts(page).names == {PHONE: "phone.lan"}
    hostile = page.replace("phone.lan", "<b>x&lt;script>" + "y" * 300)
    assert parse.hosts(hostile).names[PHONE].startswith("x<script>yyy")
    assert len(parse.hosts(hostile).names[PHONE]) < 256
    assert parse.detail(recorded("host_A")).name == ""
    assert parse.detail(recorded("host_A").replace("(none)", "phone.lan", 1)).name == "phone.lan"


def test_an_empty_table_is_empty_and_no_error() -> None:
    assert parse.hosts('<h2 class="pageheader">Hosts</h2>\n<p>The table is empty.</p>').rows == {}


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (recorded("badsort"), "Error: invalid value for"),
        (recorded("start5"), "hosts 6-13 of 13 and holds 8"),
        (recorded("hosts_full_in")[:3000], "the page ends inside a row"),
        (recorded("hosts_full_in").replace(">IP<", ">Name<"), "no column 'ip'"),
        (recorded("hosts_full_in").replace("1-13 of 13", "1-14 of 14"), "hosts 1-14 of 14 and holds 13"),
        ("", "an empty page"),
    ],
)
def test_what_is_not_the_whole_table_is_refused(page: str, reason: str) -> None:
    with pytest.raises(DarkstatError) as error:
        parse.hosts(page)
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("old", "new"), [("1,358,632", "1,358,633"), ("1,343,340", "1.3e6"), (">192.168.1.10</a>", ">192.168.1</a>")]
)
def test_a_row_that_contradicts_itself_costs_only_itself(old: str, new: str) -> None:
    table = parse.hosts(recorded("hosts_full_in").replace(old, new, 1))
    assert (len(table.rows), table.unreadable) == (12, 1)
    assert PHONE not in table.rows


def test_a_name_from_the_dns_cannot_make_a_host_up() -> None:
    forged = '<tr><td>192.168.1.10</td><td></td><td></td><td class="num">9</td><td>9</td><td>18</td><td></td></tr>'
    page = recorded("hosts_full_in2").replace("<td>(none)</td>", f"<td>x</td></tr>{forged}", 1)
    with pytest.raises(DarkstatError, match="13 of 13 and holds 14"):
        parse.hosts(page)


def test_the_front_page_says_since_when_it_counts() -> None:
    front = parse.front(recorded("front"))
    assert (front.since_s, front.octets, front.packets, front.dropped) == (1_795_304_069, 0, 0, 0)
    assert front.version == "3.0.719"
    without = parse.front("<b>, since</b> 2026-11-20 05:04:29 IST+0530<b>.</b><br>")
    assert without.octets is None


def test_a_detail_page_is_seen_from_the_host_on_every_table() -> None:
    detail = parse.detail(recorded("host_A"))
    assert detail.ports[PortKey(6, 50001, remote=False)] == Counts(1_339_240, 12_580)
    assert detail.ports[PortKey(6, 443, remote=True)] == Counts(1_339_240, 12_580)
    assert detail.protocols[6] == Counts(1_342_600, 14_700)
    assert parse.detail(recorded("host_A6")).protocols


@given(st.integers(0, 2**64 - 1), st.sampled_from(["", ",", ".", "'", " ", "\u00a0"]))
def test_a_number_reads_back_whatever_separates_its_thousands(number: int, mark: str) -> None:
    page = f"<table><tr><th>IP<th>In<th>Out</tr><tr><td>10.0.0.1<td>{number:,}<td>0</tr></table>".replace(",", mark)
    assert parse.hosts(page).rows == {address_bytes("10.0.0.1"): HostTotals(number, 0)}


PIECES = st.sampled_from(
    ["<table>", "<tr>", "<td>", "</td>", "</tr>", "</table>", "<th>", "IP", "In", "Out", "1,2", "9" * 25, "<", "&#x;"]
)
PAGES = st.one_of(
    st.text(max_size=400),
    st.lists(PIECES, max_size=60).map("".join),
    st.builds(
        lambda page, at, junk: page[:at] + junk + page[at + 3 :],
        st.sampled_from([recorded("hosts_full_in"), recorded("front"), recorded("host_A"), recorded("metrics721")]),
        st.integers(0, 4000),
        st.text(max_size=20),
    ),
)


@given(PAGES)
def test_no_page_makes_a_parser_raise_anything_but_its_error(page: str) -> None:
    for read in (parse.hosts, parse.metrics, parse.front, parse.detail):
        try:
            read(page)
        except DarkstatError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 400


def thousand_hosts(hosts: int = 1000) -> str:
    """The recorded page with that many hosts."""
    head, row, *_ = recorded("hosts_full_in").split('<tr class="alt2">')
    row = row.split("<tr")[0]
    rows = [f'<tr class="alt1">{row.replace("192.168.1.10", f"10.0.{n >> 8}.{n & 255}")}' for n in range(hosts)]
    return head.replace("13", str(hosts)) + "".join(rows) + "</table>"


def test_a_thousand_hosts_are_read_in_well_under_60_ms() -> None:
    page = thousand_hosts()
    took = []
    for _ in range(5):
        began = time.thread_time()
        assert len(parse.hosts(page).rows) == 1000
        took.append(time.thread_time() - began)
    assert min(took) < 0.06


@pytest.mark.slow
def test_a_hostile_page_of_a_megabyte_takes_no_longer_than_a_large_one() -> None:
    began = time.thread_time()
    for piece in ("<td", "<", "<tr><td>&", "<table><tr><th>IP<th>In<th>Out"):
        with pytest.raises(DarkstatError):
            parse.hosts(piece * (1_000_000 // len(piece)))
    assert time.thread_time() - began < 20
