"""vnStat's JSON: what is told by day, and what only months and years tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.errors import ImportFault
from whitestat.importers.history import NOBODY
from whitestat.importers.vnstat import read
from whitestat.model import Counts

FIXTURE = Path(__file__).parents[1] / "fixtures" / "vnstat" / "two_years.json"
"""Printed by vnStat 2.10 from a made-up database."""


def days(content: bytes, **options: Any) -> dict[int, Counts]:
    found = read(content, "vn.json", **options)
    rows = list(found.days())
    assert [each.day for each in rows] == sorted(each.day for each in rows)
    assert found.rows == len(rows) and all(each.host == NOBODY for each in rows)
    return {each.day: each.counts for each in rows}


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


figures = st.integers(0, 10**15)


@given(figures, figures, st.dictionaries(st.integers(1, 20), figures, max_size=20), figures)
def test_a_longer_span_adds_what_its_parts_lack_and_never_less(
    month: int, year: int, told: dict[int, int], out: int
) -> None:
    content = printed(
        day=[row(octets, 0, year=2026, month=11, day=day) for day, octets in told.items()],
        month=[row(month, out, year=2026, month=11)],
        year=[row(year, out, year=2026)],
    )
    found = days(content)
    assert sum(each.octets_in for each in found.values()) == max(sum(told.values()), month, year)
    assert sum(each.octets_out for each in found.values()) == out
    assert all(20261001 <= day <= 20261120 for day in found)
