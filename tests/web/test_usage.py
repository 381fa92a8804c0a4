"""/api/v1/usage: what is asked is what is answered, and what cannot be asked is refused by name."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest

from tests.web.house import EVIL, EVIL_NAME, LAPTOP, NAMES, PHONE, PHONE_MAC, House

START = "2026-11-21T00:00:00+01:00"
NOBODY = None


def rows(house: House, query: str = "") -> list[dict[str, Any]]:
    answer = house.get(f"/api/v1/usage?{query}")
    assert answer.status == 200, answer.text
    found: list[dict[str, Any]] = answer.json["rows"]
    return found


def octets(house: House, query: str) -> dict[int | None, int]:
    """Octets by device id."""
    return {row["device"] and row["device"]["id"]: row["octets"] for row in rows(house, query)}


def test_without_a_question_it_is_today_by_device(home: House) -> None:
    answer = home.get("/api/v1/usage").json
    assert {key: answer[key] for key in ("start", "end", "step", "by")} == {
        "start": START,
        "end": "2026-11-22T00:00:00+01:00",
        "step": "total",
        "by": ["device"],
    }
    assert [row["device"] and row["device"]["name"] for row in answer["rows"]] == [
        NAMES[LAPTOP],
        NAMES[PHONE],
        NAMES[EVIL],
        NOBODY,
    ]


def test_a_row_is_what_the_contract_says(home: House) -> None:
    assert rows(home, "device=phone&scope=wan") == [
        {
            "start": START,
            "device": {"id": PHONE, "name": "phone", "mac": PHONE_MAC},
            "scope": "wan",
            "octets": 1100,
            "octets_in": 990,
            "octets_out": 110,
            "packets_in": 18,
            "packets_out": 2,
        }
    ]


def test_what_a_meter_cannot_tell_apart_has_a_sum_alone(home: House) -> None:
    (row,) = rows(home, f"device={EVIL}")
    assert (row["octets"], row["octets_in"], row["octets_out"]) == (77, None, None)


def test_scopes_are_told_apart_only_when_asked(home: House) -> None:
    assert [row["scope"] for row in rows(home, f"device={LAPTOP}")] == [None]
    told = rows(home, f"device={LAPTOP}&by=device,scope")
    assert {row["scope"]: row["octets"] for row in told} == {"wan": 5600, "lan": 44}


def test_points_are_told_apart_only_when_asked(home: House) -> None:
    assert "point" not in rows(home)[0]
    assert [(row["point"], "device" in row) for row in rows(home, "by=point")] == [("lan", False)]


def test_by_nothing_is_one_row_a_step(home: House) -> None:
    assert [row["octets"] for row in rows(home, "by=")] == [5600 + 44 + 1100 + 77 + 33]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("start=today", 1100),
        ("start=2026-11-21", 1100),
        ("start=2026-11-21T12:00", 1000),
        ("start=2026-11-21T11:00:00Z", 1000),
        ("start=2026-11-21T12:00:00%2B01:00", 1000),
        ("start=today&end=2026-11-21T12:00", 100),
        ("start=yesterday", 7070),
        ("start=yesterday&end=today", 8170),
        ("start=today&end=today", 1100),
        ("start=month", 8170),
        ("start=cycle", 8170),
        ("start=last-cycle", None),
        ("start=week", 8170),
        ("start=last-week", None),
        ("start=last-month&end=month", 8170),
        ("start=year", 8170),
        ("start=2026-11-20&end=2026-11-21", 7070),
        ("start=2026-11-20", 8170),
    ],
)
def test_spans_are_words_dates_and_instants(home: House, query: str, expected: int | None) -> None:
    assert octets(home, f"{query}&device=phone") == ({PHONE: expected} if expected else {})


def test_steps_cut_the_span(home: House) -> None:
    assert [(row["start"], row["octets"]) for row in rows(home, "start=yesterday&end=today&step=day&device=phone")] == [
        ("2026-11-20T00:00:00+01:00", 7070),
        (START, 1100),
    ]
    assert [row["start"] for row in rows(home, "step=hour&device=phone")] == [
        "2026-11-21T11:00:00+01:00",
        "2026-11-21T12:00:00+01:00",
    ]
    starts = {
        step: [row["start"][:13] for row in rows(home, f"start=2026-11-20&step={step}&device=phone")]
        for step in ("week", "month", "cycle")
    }
    assert starts == {"week": ["2026-11-16T00"], "month": ["2026-11-01T00"], "cycle": ["2026-11-20T06"]}


@pytest.mark.parametrize("word", ["1", "phone", "PHONE", PHONE_MAC, "02-50-00-00-00-11", " phone , 1"])
def test_a_device_is_named_by_id_name_or_mac(home: House, word: str) -> None:
    assert octets(home, f"device={quote(word)}") == {PHONE: 1100}


def test_several_devices_may_be_asked_for(home: House) -> None:
    assert set(octets(home, f"device=phone,{LAPTOP}")) == {PHONE, LAPTOP}


def test_an_evil_name_finds_its_device(home: House) -> None:
    assert set(octets(home, f"device={quote(EVIL_NAME)}")) == {EVIL}


@pytest.mark.parametrize(
    ("query", "parameter", "said"),
    [
        ("stat=today", "stat", "did you mean 'start'?"),
        ("start=tomorow", "start", "2026-11-21"),
        ("start=2026-02-30", "start", "got '2026-02-30'"),
        ("start=", "start", "expected a date"),
        ("start=today&start=today", "start", "more than once"),
        ("start=2026-11-22", "start", "before the end of today"),
        ("start=today&end=yesterday", "end", "after start"),
        ("end=2026-11-21", "end", "after start"),
        ("step=houer", "step", "did you mean 'hour'?"),
        ("step=", "step", "one of total, minute, hour, day, week, month, cycle"),
        ("start=1990-01-01&step=minute", "step", "more than 100000 steps"),
        ("by=devcie", "by", "did you mean 'device'?"),
        ("by=device,person", "by", "unknown word 'person'"),
        ("device=phnoe", "device", "did you mean 'phone'?"),
        ("device=99", "device", "no device '99'"),
        ("device=,", "device", "is empty"),
        ("scope=WAN", "scope", "one of wan, lan"),
        ("scope=" + "x" * 2000, "scope", "longer than"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(home: House, query: str, parameter: str, said: str) -> None:
    for form in ("", ".csv", ".html"):
        answer = home.get(f"/api/v1/usage{form}?{query}")
        assert answer.status == 400
        assert answer.json["error"]["parameter"] == parameter
        assert said in answer.json["error"]["reason"]


def test_csv_holds_the_same_figures(home: House) -> None:
    answer = home.get("/api/v1/usage.csv?by=device,scope")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="whitestat-20261121.csv"'
    assert answer.body.count(b"\r\n") == 6
    lines = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    asked = rows(home, "by=device,scope")
    assert [(line["scope"], int(line["octets"])) for line in lines] == [(r["scope"], r["octets"]) for r in asked]
    assert [line["device"] for line in lines if not line["device_id"]] == ["unattributed"]


def test_csv_never_makes_a_spreadsheet_run_a_name(home: House) -> None:
    answer = home.get(f"/api/v1/usage.csv?device={EVIL}")
    (line,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert line["device"] == "'" + EVIL_NAME
    assert (line["octets"], line["octets_in"]) == ("77", "")


class Cells(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells and data.strip():
            self.cells[-1] += data


def test_the_html_twin_is_a_plain_table_without_a_script(home: House) -> None:
    answer = home.get("/api/v1/usage.html")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    table = Cells(answer.text)
    assert "script" not in table.tags
    assert EVIL_NAME in table.cells
    assert table.cells[:6] == [START, str(LAPTOP), NAMES[LAPTOP], "02:50:00:00:00:12", "", "5644"]


def test_many_rows_are_sent_in_pieces_and_whole(home: House) -> None:
    answer = home.get("/api/v1/usage?step=minute&start=2026-11-20")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert len(answer.json["rows"]) == 6
