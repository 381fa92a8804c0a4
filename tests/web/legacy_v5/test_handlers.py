"""WhiteStat v5's URLs: its replies to the letter, and read as Excel and Power BI read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.household import EVIL, EVIL_NAME, PHONE_MAC, ZONE, House, booked, household
from tests.support.legacy_v5 import Tables
from whitestat.core.calendar import parse_instant
from whitestat.core.model import Counts, Episode, Scope, UsageKey
from whitestat.core.units import address_bytes, mac_bytes
from whitestat.ledger.write.writer import DeviceRecord, Flush
from whitestat.web.legacy_v5.frame import COLUMNS, FrameRow, as_json, as_table
from whitestat.web.legacy_v5.handlers import segments

GOLDEN = Path(__file__).parents[2] / "fixtures" / "whitestat"
INDIA = ZoneInfo("Asia/Kolkata")
PATHS = {
    "/json": "v5_json",
    "/json/": "v5_json",
    "/json/history": "v5_json_history",
    "/table": "v5_table",
    "/table/": "v5_table",
    "/table/history": "v5_table_history",
}


def golden(name: str) -> bytes:
    """The body of a recorded reply."""
    return (GOLDEN / f"{name}.http").read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")[2]


def octets(kilobytes: float) -> int:
    return round(kilobytes * 1024)


def as_v5_had_it() -> Flush:
    """What the recorded replies show: counters that ran before, and a day that has brought nothing yet."""
    rows = json.loads(golden("v5_json"))["data"]
    seen_s = parse_instant("2026-11-22 05:03:59", INDIA)
    usage = {}
    for number, row in enumerate(rows, 1):
        key = UsageKey(number, "lan", Scope.WAN)
        usage[seen_s - 86_400, key] = Counts(octets(row[7]), octets(row[8]), 1, 1)
        usage[seen_s, key] = Counts(packets_in=1)
    return Flush(
        usage={(at_s // 60 * 60, key): counts for (at_s, key), counts in usage.items()},
        devices=[DeviceRecord(number) for number in range(1, len(rows) + 1)],
        episodes=[Episode(n, n, mac_bytes(row[1]), None, 0) for n, row in enumerate(rows, 1)],
        seen=dict.fromkeys(range(1, len(rows) + 1), seen_s * 1000),
        addresses={(n, address_bytes(row[0])): seen_s * 1000 for n, row in enumerate(rows, 1)},
    )


@pytest.fixture(scope="module")
def old_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    at_s = parse_instant("2026-11-22T05:24:10", INDIA)
    lan = (ip_network("192.168.1.0/24"), ip_network("192.168.0.0/24"))
    with household(tmp_path_factory.mktemp("old"), as_v5_had_it(), zone=INDIA, now_s=at_s, lan=lan) as house:
        yield house


@pytest.mark.parametrize("path", PATHS)
def test_replies_are_those_of_v5_to_the_letter(old_home: House, path: str) -> None:
    assert old_home.get(path).body == golden(PATHS[path])


def test_lan_segments_are_those_of_v5_to_the_letter(old_home: House) -> None:
    for path in ("/json/lansegments", "/json/lansegments/"):
        answer = old_home.get(path)
        assert (answer.status, answer.body) == (200, golden("v5_json_lansegments").strip())


def test_today_is_in_kb_and_the_largest_download_first(home: House) -> None:
    frame = home.get("/json").json
    assert frame["columns"] == list(COLUMNS)
    assert [(row[2], row[4], row[5]) for row in frame["data"]] == [
        ("Annas laptop", 4.92, 0.59),
        ("phone", 0.97, 0.11),
        (EVIL_NAME, 0.08, 0.0),
    ]


def test_a_row_is_what_v5_called_its_columns(home: House) -> None:
    phone = dict(zip(COLUMNS, home.get("/json").json["data"][1], strict=True))
    assert phone == {
        "IP": "(none)",
        "MAC": PHONE_MAC,
        "Hostname": "phone",
        "LastSeen": "2026-11-21 12:00:00",
        "KBIn": 0.97,
        "KBOut": 0.11,
        "DATE": "2026-11-21 00:00:00",
        "LSTDAY_KBIn": 7.8,
        "LSTDAY_KBOut": 0.18,
    }


def test_what_cannot_be_told_apart_is_not_lost(home: House) -> None:
    (evil,) = (row for row in home.get("/json").json["data"] if row[2] == EVIL_NAME)
    assert evil[4:6] == [0.08, 0.0]


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("", ["2026-11-21"] * 3),
        ("start=2026-11-20", ["2026-11-21"] * 3 + ["2026-11-20"]),
        ("start=2026-11-20%2000:00:00&end=2026-11-20+00:00:00", ["2026-11-20"]),
        ("start=2026-11-20T23:59&end=2026-11-21T00:00", ["2026-11-21"] * 3 + ["2026-11-20"]),
        ("start=2026-11-19&end=2026-11-19", []),
        ("start=1970-01-02&end=2199-01-01", ["2026-11-21"] * 3 + ["2026-11-20"]),
        ("start=2026-11-20&end=2026-11-20&includePublicIP=yes&_=1", ["2026-11-20"]),
    ],
)
def test_history_holds_both_days_and_the_latest_first(home: House, query: str, days: list[str]) -> None:
    assert [row[6] for row in home.get(f"/json/history?{query}").json["data"]] == [f"{day} 00:00:00" for day in days]


def test_a_day_that_is_over_was_last_seen_in_it(home: House) -> None:
    (row,) = home.get("/json/history?start=2026-11-20&end=2026-11-20").json["data"]
    assert row[3] == "2026-11-20 23:59:59"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("start=11/20/2026", "start"),
        ("end=2026-02-30", "end"),
        ("start=2026-11-20'%20OR%201=1--", "start"),
        ("start=", "start"),
        ("start=2026-11-20&start=2026-11-20", "start"),
        ("start=2026-11-22", "end"),
        ("end=2026-11-20", "end"),
        ("start=2300-01-01&end=2300-01-02", "start"),
    ],
)
@pytest.mark.parametrize("path", ["/json/history", "/table/history", "/history", "/history/"])
def test_a_date_that_is_none_is_refused_by_name(home: House, path: str, query: str, parameter: str) -> None:
    answer = home.get(f"{path}?{query}")
    assert (answer.status, answer.json["error"]["parameter"]) == (400, parameter)


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("", "/#/history"),
        ("?start=2026-11-01 00:00:00&end=2026-11-30 00:00:00", "/#/history?span=own&start=2026-11-01&end=2026-12-01"),
        ("?end=2026-11-22", "/#/history?span=own&start=2026-11-22&end=2026-11-23"),
    ],
)
def test_history_opens_the_pages_history_view(old_home: House, query: str, place: str) -> None:
    for path in ("/history", "/history/"):
        answer = old_home.get(path + query.replace(" ", "%20"))
        assert (answer.status, answer.headers["location"]) == (303, place)


def test_the_row_of_an_address_without_a_mac_has_the_address(tmp_path: Path) -> None:
    at_s = parse_instant("2026-11-21T12:00", ZONE)
    flush = Flush(
        usage={(at_s, UsageKey(1, "lan", Scope.WAN)): Counts(1024, 1024)},
        devices=[DeviceRecord(1)],
        episodes=[Episode(1, 1, None, address_bytes("192.168.1.77"), at_s * 1000)],
    )
    with household(tmp_path, flush, now_s=at_s + 60) as house:
        (row,) = house.get("/json").json["data"]
        assert (row[:2], row[3]) == (["192.168.1.77", "00:00:00:00:00:00"], "2026-11-21 12:00:00")


def test_nothing_was_seen_in_the_future(tmp_path: Path) -> None:
    at_s = parse_instant("2026-11-21T12:00", ZONE)
    flush = Flush(
        usage={(at_s, UsageKey(n, "whitestat import", Scope.WAN)): Counts(1024, 1024) for n in (1, 2)},
        devices=[DeviceRecord(1), DeviceRecord(2)],
        episodes=[Episode(n, n, mac_bytes(f"02:00:5e:00:00:0{n}"), None, at_s * 1000) for n in (1, 2)],
        seen={1: parse_instant("2026-11-21T23:59:59", ZONE) * 1000, 2: parse_instant("2026-11-23", ZONE) * 1000},
    )
    with household(tmp_path, flush, now_s=at_s + 60) as house:
        assert {row[3] for row in house.get("/json").json["data"]} == {"2026-11-21 12:01:00"}


def test_an_empty_answer_is_the_frame_with_no_rows(tmp_path: Path) -> None:
    with household(tmp_path) as house:
        for path in ("/json", "/json/history?start=2020-01-01"):
            answer = house.get(path)
            assert (answer.headers["content-type"], answer.json) == (
                "application/json",
                {"columns": list(COLUMNS), "data": []},
            )
        for path in ("/table", "/table/history?start=2020-01-01"):
            assert Tables(house.get(path).text).rows == [["", *COLUMNS]]


def test_a_web_query_finds_the_same_figures_in_the_table_as_in_the_json(home: House) -> None:
    head, *rows = Tables(home.get("/table/history?start=2026-11-20").text).rows
    frame = home.get("/json/history?start=2026-11-20").json
    assert head == ["", *frame["columns"]]
    assert [int(row[0]) for row in rows] == list(range(len(frame["data"])))
    for read, sent in zip(rows, frame["data"], strict=True):
        assert [float(read[1 + at]) for at in (4, 5, 7, 8)] == [sent[at] for at in (4, 5, 7, 8)]
        assert [read[1 + at].lstrip("'") for at in (0, 1, 2, 3, 6)] == [sent[at] for at in (0, 1, 2, 3, 6)]


def test_no_name_is_run_by_a_spreadsheet_or_a_browser(home: House) -> None:
    text = home.get("/table").text
    assert "<script" not in text
    assert f"'{EVIL_NAME}" in [row[3] for row in Tables(text).rows]


def test_a_device_is_listed_by_its_latest_ipv4_address(tmp_path: Path) -> None:
    base = booked()
    addresses = {(EVIL, address_bytes(text)): at for at, text in enumerate(["192.0.2.1", "192.0.2.9", "2001:db8::1"])}
    with household(tmp_path, base, Flush(addresses=addresses)) as house:
        assert [row[0] for row in house.get("/json").json["data"] if row[2] == EVIL_NAME] == ["192.0.2.9"]


def test_what_nobody_could_be_found_for_is_not_listed(home: House) -> None:
    assert len(home.get("/json").json["data"]) == 3
    assert None in [row["device"] for row in home.get("/api/v1/usage").json["rows"]]


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        (["192.168.1.0/24", "192.168.0.0/24"], ["192.168.1", "192.168.0"]),
        (["10.0.0.0/8"], ["10"]),
        (["192.168.0.0/16", "192.168.0.0/16"], ["192.168"]),
        (["10.1.2.0/23"], ["10.1.2", "10.1.3"]),
        (["172.16.0.0/12"], [f"172.{number}" for number in range(16, 32)]),
        (["192.0.2.64/26"], ["192.0.2"]),
        (["fc00::/7"], []),
    ],
)
def test_segments_are_what_addresses_begin_with(networks: list[str], expected: list[str]) -> None:
    assert segments(map(ip_network, networks)) == expected


times = st.just("2026-11-22 05:03:59")
rows = st.builds(
    FrameRow,
    st.ip_addresses(v=4).map(str),
    st.just("02:00:5e:00:00:0a"),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
    times,
    *[st.integers(0, 2**54)] * 2,
    times,
    *[st.integers(0, 2**54)] * 2,
)


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(rows, max_size=4), st.sampled_from([1, 300]))
def test_json_and_table_say_the_same_of_any_rows(found: list[FrameRow], times: int) -> None:
    frame: dict[str, Any] = json.loads("".join(as_json(found * times)))
    table = Tables("".join(as_table(found * times))).rows[1:]
    for row, sent, read in zip(found * times, frame["data"], table, strict=True):
        assert sent[:4] == list(row[:4])
        assert sent[4] == round(row.octets_in / 1024, 2) == float(read[5])
        assert sent[8] == round(row.total_out / 1024, 2) == float(read[9])


def test_a_year_of_days_reads_as_one_frame(tmp_path: Path) -> None:
    first = date(2025, 11, 22)
    usage = {
        (
            parse_instant(f"{first + timedelta(days=day)}T12:00", ZoneInfo("Europe/Stockholm")),
            UsageKey(1, "lan", scope),
        ): Counts(day * 1024, 1)
        for day in range(365)
        for scope in Scope
    }
    with household(tmp_path, booked(), Flush(usage=usage)) as house:
        data = house.get("/json/history?start=2025-11-22&end=2026-11-19").json["data"]
    assert [row[4] for row in data] == [2.0 * day for day in reversed(range(363))]
    for number, row in enumerate(data):  # the running totals, over every span that is asked for at once
        assert row[7] == sum(earlier[4] for earlier in data[number:])


def test_a_device_that_comes_while_an_answer_is_made_is_in_the_next(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, devices = home.get("/json").json["data"], home.queries.devices()
    first = next(each for each in devices if each.mac == rows[0][1])
    with monkeypatch.context() as earlier:
        earlier.setattr(home.queries, "devices", lambda: [each for each in devices if each is not first])
        answer = home.get("/json")
        assert (answer.status, answer.json["data"]) == (200, rows[1:])
    assert home.get("/json").json["data"] == rows
