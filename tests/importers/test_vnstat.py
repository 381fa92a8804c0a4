"""vnStat's JSON: what is told by day, and what only months and years tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from whitestat.core.errors import ImportFault
from whitestat.core.model import Counts
from whitestat.importers.history import NOBODY
from whitestat.importers.spread import spread
from whitestat.importers.vnstat import read

FIXTURE = Path(__file__).parents[1] / "fixtures" / "vnstat" / "two_years.json"
"""Printed by vnStat 2.10 from a made-up database."""
ROTATED = FIXTURE.with_name("month_rotate_15.json")
"""Of a vnStat with `MonthRotate 15`."""


def days(content: bytes, **options: Any) -> dict[int, Counts]:
    """What each day gets, of itself and of longer spans."""
    found = read(content, "vn.json", **options)
    rows = list(found.days())
    assert [each.day for each in rows] == sorted(each.day for each in rows)
    assert found.rows == len(rows) and all(each.host == NOBODY for each in rows)
    told = {each.day: each.counts for each in rows}
    for day, share in spread(told, found.spans, 20261130).items():
        told[day] = told.get(day, Counts()).plus(share)
    return dict(sorted(told.items()))


def printed(**traffic: list[dict[str, Any]]) -> bytes:
    interface = {"name": "eth0", "created": day_of(2026, 10, 1), "updated": day_of(2026, 11, 20), "traffic": traffic}
    return json.dumps({"jsonversion": "2", "interfaces": [interface]}).encode()


def day_of(year: int, month: int, day: int) -> dict[str, Any]:
    return {"date": {"year": year, "month": month, "day": day}}


def row(octets_in: int, octets_out: int, **when: int) -> dict[str, Any]:
    return {"date": when, "rx": octets_in, "tx": octets_out}


def test_days_are_as_told_and_months_and_years_fill_what_was_forgotten() -> None:
    found = days(FIXTURE.read_bytes())
    assert {day: found[day] for day in (20261118, 20261119, 20261120)} == {
        20261118: Counts(100, 10),
        20261119: Counts(200, 20),
        20261120: Counts(300, 30),
    }
    assert found[20261005] == Counts(100, 10)  # its month had 3100, its year 32300
    assert sum(each.octets_in for each in found.values()) == 73_000
    assert min(found) == 20241120 and max(found) == 20261120


def test_the_whole_of_an_interface_is_there_to_the_octet() -> None:
    found = days(printed(day=[row(5, 1, year=2026, month=11, day=3)], month=[row(1000, 7, year=2026, month=11)]))
    assert sum(each.octets_in for each in found.values()) == 1000
    assert sum(each.octets_out for each in found.values()) == 7
    assert found[20261103] == Counts(5, 1)


def test_an_interface_to_the_lan_is_turned_round() -> None:
    content = printed(day=[row(5, 1, year=2026, month=11, day=3)])
    assert days(content, faces_lan=True) == {20261103: Counts(1, 5)}


def test_version_1_is_in_kib() -> None:
    document = {
        "jsonversion": "1",
        "interfaces": [
            {
                "id": "eth0",
                "created": day_of(2026, 10, 1),
                "updated": day_of(2026, 11, 20),
                "traffic": {"days": [row(5, 1, year=2026, month=11, day=3)], "months": []},
            }
        ],
    }
    assert days(json.dumps(document).encode()) == {20261103: Counts(5120, 1024)}


def test_of_several_interfaces_one_is_chosen() -> None:
    document = json.loads(FIXTURE.read_bytes())
    document["interfaces"].append({**document["interfaces"][0], "name": "br0"})
    content = json.dumps(document).encode()
    with pytest.raises(ImportFault, match="there are eth0, br0; choose one with --interface"):
        read(content, "vn.json")
    assert read(content, "vn.json", "br0").point == "vnstat br0 import"
    with pytest.raises(ImportFault, match="there is no 'eth9', but eth0, br0"):
        read(content, "vn.json", "eth9")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b'{"interfaces": [', "not JSON: Expecting value: line 1 column 17"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not what vnstat --json prints"),
        (b'{"jsonversion": ["2"]}', "not what vnstat --json prints"),
        (b'{"jsonversion": "2"}', "interfaces: must be a list"),
        (b'{"jsonversion": "2", "interfaces": []}', "there are none"),
        (printed(day=[{"rx": 1}]), "day, number 1"),
        (printed(day=[row(-1, 0, year=2026, month=1, day=1)]), "day, number 1"),
        (printed(month=[row(1, 0, year=2026, month=13)]), "month, number 1"),
        (printed(year=[row(1, 0, year=10**9)]), "year, number 1"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(content: bytes, said: str) -> None:
    with pytest.raises(ImportFault, match="nothing is imported") as fault:
        read(content, "vn.json")
    assert said in str(fault.value)


def test_a_bad_row_costs_itself_alone_and_is_named() -> None:
    good = row(5, 1, year=2026, month=11, day=3)
    bad = [row(9, 0, year=1970, month=1, day=1), row(1 << 62, 0, year=2026, month=11, day=4), {"rx": 1}]
    content = printed(day=[good, *bad], month=[row(5, 1, year=2026, month=11), row(9, 0, year=1970, month=1)])
    assert days(content) == {20261103: Counts(5, 1)}
    (said,) = read(content, "vn.json").left_out
    assert said.startswith("4 rows that cannot be read: day, number 2: ")
    assert said.endswith("; and 1 more") and "more than any line carries" in said


def test_a_byte_order_mark_and_a_name_that_is_not_utf_8_cost_nothing() -> None:
    content = printed(day=[row(5, 1, year=2026, month=11, day=3)]).replace(
        b'"created"', b'"alias": "B\xfcro", "created"'
    )
    assert days(b"\xef\xbb\xbf" + content) == {20261103: Counts(5, 1)}


def test_hours_with_a_comma_too_many_are_read_as_vnstat_1_13_wrote_them() -> None:
    content = (
        b'{"vnstatversion":"1.13","jsonversion":"1","interfaces":[{"id":"br0","nick":"br0","created":{"date":{"year":2026,'
        b'"month":2,"day":8}},"updated":{"date":{"year":2026,"month":2,"day":8},"time":{"hour":15,"minutes":21}},"traffic":'
        b'{"total":{"rx":974,"tx":128},"days":[{"id":0,"date":{"year":2026,"month":2,"day":8},"rx":974,"tx":128}],"months":'
        b'[{"id":0,"date":{"year":2026,"month":2},"rx":974,"tx":128}],"tops":[],"hours":[,{"id":15,"date":{"year":2026,'
        b'"month":2,"day":8},"rx":974,"tx":128}]}}]}'
    )
    assert days(content) == {20260208: Counts(974 * 1024, 128 * 1024)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"SQLite format 3\0" + bytes(100), "the database of vnStat 2: run `vnstat --json > vnstat.json`"),
        (b"\5\0\0\0eth0" + bytes(100), "a database of vnStat 1: run `vnstat --json > vnstat.json`"),
        (b"<vnstat version='2.6'>", "run `vnstat --json > vnstat.json`"),
        (printed(hour=[], total=[]), "no days, months or years in it, only hour, total; run `vnstat --json"),
    ],
)
def test_what_is_another_of_vnstats_outputs_is_told_the_next_step(content: bytes, said: str) -> None:
    with pytest.raises(ImportFault) as fault:
        read(content, "vn.json")
    assert said in str(fault.value)


def test_a_months_label_is_not_its_bounds() -> None:
    content = ROTATED.read_bytes()
    with pytest.raises(ImportFault) as fault:
        read(content, "vn.json")
    for part in (
        "3,600 octets received",
        "is 2,300",
        "--month-rotate DAY",
        "6 to 20 would agree",
        "nothing is imported",
    ):
        assert part in str(fault.value)
    assert days(content, month_rotate=15) == {20221020: Counts(1000), 20221105: Counts(1300)}
    assert days(content, month_rotate=15, faces_lan=True) == {20221020: Counts(0, 1000), 20221105: Counts(0, 1300)}


def test_a_rotated_month_fills_the_days_from_its_day_on() -> None:
    content = printed(month=[row(30, 0, year=2026, month=10)], year=[row(30, 0, year=2026)])
    found = days(content, month_rotate=15)
    assert (min(found), max(found), sum(each.octets_in for each in found.values())) == (20261016, 20261114, 30)


def test_years_may_be_rotated_too() -> None:
    traffic = {
        "day": [row(7, 0, year=2026, month=1, day=5), row(5, 0, year=2026, month=2, day=1)],
        "month": [row(7, 0, year=2025, month=12), row(5, 0, year=2026, month=1)],
        "year": [row(7, 0, year=2025), row(5, 0, year=2026)],
    }
    assert days(printed(**traffic), month_rotate=15) == {20260105: Counts(7), 20260201: Counts(5)}


def test_sums_that_agree_with_no_day_lead_to_the_days_alone() -> None:
    told = [row(500, 0, year=2026, month=11, day=day) for day in (3, 17)]
    with pytest.raises(
        ImportFault, match=r"1,000 octets received.* is 600 .*import the days alone, which `vnstat --json d`"
    ):
        read(printed(day=told, year=[row(600, 0, year=2026)]), "vn.json")


figures = st.integers(0, 10**15)


@example(month=2_000, year=3_000, told={3: 1_500, 9: 5}, out=7)
@given(figures, figures, st.dictionaries(st.integers(1, 20), figures, max_size=20), figures)
def test_a_longer_span_adds_what_its_parts_lack_and_never_less(
    month: int, year: int, told: dict[int, int], out: int
) -> None:
    content = printed(
        day=[row(octets, 0, year=2026, month=11, day=day) for day, octets in told.items()],
        month=[row(month, out, year=2026, month=11)],
        year=[row(year, out, year=2026)],
    )
    if not sum(told.values()) <= month <= year:
        with pytest.raises(ImportFault, match="come to"):
            read(content, "vn.json")
        return
    found = days(content)
    assert sum(each.octets_in for each in found.values()) == year
    assert sum(each.octets_out for each in found.values()) == out
    assert all(20261001 <= day <= 20261120 for day in found)
