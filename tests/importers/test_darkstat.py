"""darkstat's export files of all four formats, and its day logs."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.darkstat_export import bars
from whitestat.attribution.devices.names import ShownName
from whitestat.attribution.locality import Locality
from whitestat.core.errors import ImportFault
from whitestat.core.model import Address, Counts
from whitestat.core.units import address_bytes, mac_bytes
from whitestat.importers.darkstat import day_log, export, read
from whitestat.importers.history import NOBODY, BadRows, ImportedHistory, ImportedHost

FIXTURES = Path(__file__).parents[1] / "fixtures" / "darkstat_export"
ZONE = ZoneInfo("UTC")
MAC = "02:00:5e:00:00:0a"


def history(content: bytes) -> ImportedHistory:
    return read(content, "darkstat.db", ZONE, is_local)


def is_local(address: Address) -> bool:
    return Locality().kind(address) == "local"


def host(version: int, address: str = "192.168.1.10", seen_s: int = 1_795_000_000, name: bytes = b"a.lan") -> bytes:
    """One host of that format, with a protocol, a TCP and a UDP port."""
    raw = address_bytes(address)
    family = b"" if version < 3 else bytes([6 if ":" in address else 4])
    seen = b"" if version < 2 else seen_s.to_bytes(8, "big")
    parts = [b"HST", bytes([version]), family, raw if ":" in address else raw[12:], seen, mac_bytes(MAC)]
    parts += [bytes([len(name)]), name, (1000).to_bytes(8, "big"), (200).to_bytes(8, "big")]
    parts += [b"P\1", bytes(17), b"T\0\1", bytes(26), b"U\0\1", bytes(18)]
    return b"".join(parts + ([b"t\0\1", bytes(26), b"u\0\0"] if version == 4 else []))


def file(*hosts: bytes, last: str = "2026-11-22T12:00:00", days: dict[int, int] | None = None) -> bytes:
    at = datetime.fromisoformat(last).replace(tzinfo=ZONE)
    graphs = bars(60, 0, {}) + bars(60, 0, {}) + bars(24, 0, {}) + bars(31, at.day - 1, days or {})
    head = b"\xda1AY\xdaHS\x01" + len(hosts).to_bytes(4, "big")
    return head + b"".join(hosts) + b"\xdaGR\x01" + int(at.timestamp()).to_bytes(8, "big") + graphs


def totals(found: ImportedHistory) -> dict[int, int]:
    assert all(day.host == NOBODY for day in found.days())
    return {day.day: day.counts.octets_in for day in found.days()}


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_every_format_is_read_to_its_end(version: int) -> None:
    (found,) = export(file(host(version))).hosts
    assert (found.address, found.mac, found.name) == (address_bytes("192.168.1.10"), mac_bytes(MAC), "a.lan")
    assert (found.counts, found.seen_s) == (Counts(1000, 200), None if version == 1 else 1_795_000_000)


@pytest.mark.parametrize("version", [3, 4])
def test_ipv6_came_with_the_third_format(version: int) -> None:
    (found,) = export(file(host(version, "2001:db8::a"))).hosts
    assert found.address == address_bytes("2001:db8::a")


def test_what_the_real_darkstat_wrote_is_read() -> None:
    found = export((FIXTURES / "lan.export").read_bytes())
    counts = {each.address: each.counts for each in found.hosts}
    assert len(counts) == 13
    assert counts[address_bytes("192.168.1.10")] == Counts(1_343_340, 15_292)
    assert len(export((FIXTURES / "ties.export").read_bytes()).hosts) == 20
    assert totals(history((FIXTURES / "live.export").read_bytes())) == {20261121: 84}


def test_running_totals_are_a_baseline_and_no_usage() -> None:
    found = history(file(host(4)))
    assert (found.rows, totals(found)) == (0, {})
    assert "the running totals of 1 hosts (1.2 kB)" in found.left_out[0]


def test_local_hosts_that_sent_become_known() -> None:
    found = history(file(host(4), host(4, "198.51.100.7"), host(4, "192.168.1.11", name=b"(none)")))
    assert {key: sight.name for key, sight in found.hosts.items()} == {
        ImportedHost(mac_bytes(MAC), address_bytes("192.168.1.10")): ShownName("a", "dns"),
        ImportedHost(mac_bytes(MAC), address_bytes("192.168.1.11")): None,
    }


def test_bars_are_days_of_this_month_and_of_the_last() -> None:
    assert totals(history(file(days={21: 5, 0: 7, 22: 9, 30: 11}))) == {
        20261101: 7,
        20261122: 5,
        20261023: 9,
        20261031: 11,
    }


def test_a_graph_that_does_not_fit_its_clock_is_left_out() -> None:
    content = (FIXTURES / "lan.export").read_bytes()  # made from a capture file: its clock stands at 0
    assert history(content).rows == 0
    assert "does not say of which month" in history(content).left_out[1]


@example(last=date(2020, 3, 1), filled={30})
@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.sets(st.integers(0, 30)))
def test_every_bar_of_a_day_that_was_is_booked_to_a_day_of_that_number(last: date, filled: set[int]) -> None:
    found = totals(history(file(last=f"{last}T12:00:00", days={at: at + 1 for at in filled})))
    assert all(octets == day % 100 for day, octets in found.items())
    before = date(last.year - (last.month == 1), (last.month + 10) % 12 + 1, 1)
    there = {at for at in filled if at < last.day or date.toordinal(last.replace(day=1)) - before.toordinal() > at}
    assert {day % 100 - 1 for day in found} == there


@pytest.mark.parametrize("cut", [3, 10, 20, 40, 100, 400, -1])
def test_a_file_cut_short_says_where(cut: int) -> None:
    with pytest.raises(ImportFault, match=r"darkstat\.db: (ends at octet|neither)"):
        history(file(host(4))[:cut])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (file(host(4)) + b"x", "expected the end, found 1 octets more"),
        (file(b"HST\5"), "a host of format 5"),
        (file(b"HST\4\7"), "address family 7"),
        (file(b"XST\4"), "octet 12: expected the mark of a host"),
        (b"GIF89a", "neither an export nor a day log"),
        (b"", "neither an export nor a day log"),
    ],
)
def test_what_stands_there_instead_is_said(content: bytes, said: str) -> None:
    with pytest.raises(ImportFault, match="nothing is imported") as fault:
        history(content)
    assert said in str(fault.value)


@given(st.binary(max_size=300), st.booleans())
def test_no_content_does_more_than_fail_with_a_sentence(content: bytes, mark: bool) -> None:
    try:
        history(b"\xda1AY\xdaHS\x01" + content if mark else content)
    except ImportFault as fault:
        assert "nothing is imported" in str(fault)


@given(st.integers(0, 700), st.integers(0, 255))
def test_one_damaged_octet_is_read_or_named(at: int, octet: int) -> None:
    content = bytearray(file(host(4), host(4, "2001:db8::a"), days={1: 1}))
    content[at % len(content)] = octet
    try:
        history(bytes(content))
    except ImportFault as fault:
        assert "darkstat.db: " in str(fault)


def test_a_day_log_adds_up_the_lines_of_a_day() -> None:
    text = b"""# logging started at 2026-11-21 23:00:00 +0000 (1795302000)
2026-11-21 23:52:28 +0000|1795305148|504|400|6|5
2026-11-21 23:59:59 +0000|1795305599|1|2|3|4
2026-11-22 08:00:00 +0530|1795314600|7|0|1|0
# logging stopped at 2026-11-22 08:00:00 +0530 (1795314600)
"""
    assert day_log(text, BadRows()) == {20261121: Counts(505, 402, 9, 9), 20261122: Counts(7, 0, 1, 0)}
    assert totals(history(text)) == {20261121: 505, 20261122: 7}


def test_the_real_darkstats_day_logs_are_read() -> None:
    assert day_log((FIXTURES / "day.log").read_bytes(), BadRows()) == {20261122: Counts()}
    assert day_log((FIXTURES / "day2.log").read_bytes(), BadRows()) == {20261121: Counts(504, 504, 6, 6)}


@pytest.mark.parametrize(
    "line", [b"2026-11-21 23:52:28 +0000|1795305148|504|40", b"2026-02-30 00:00:00 +0000|1|1|1|1|1", b"\xff"]
)
def test_a_damaged_line_is_named_and_costs_itself_alone(line: bytes) -> None:
    with pytest.raises(ImportFault, match=r"darkstat\.db: line 2: (not a line|day is out of range)"):
        history(b"# logging started\n" + line + b"\n")
    found = history(b"# logging started\n" + line + b"\n2026-11-21 23:52:28 +0000|1795305148|504|400|6|5\n")
    assert totals(found) == {20261121: 504}
    assert found.left_out[0].startswith("1 row that cannot be read: line 2: ")


def test_a_power_cut_and_an_editor_leave_marks_that_cost_nothing() -> None:
    row = b"2026-11-21 23:52:28 +0000|1795305148|504|400|6|5\n"
    found = history(b"\xef\xbb\xbf# logging started\r\n" + bytes(5000) + row + bytes(4096))
    assert totals(found) == {20261121: 504}
    assert found.left_out == ("1 row that cannot be read: line 3: not a line of a day log: ''",)
