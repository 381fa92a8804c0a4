"""/api/v1/usage: what is asked is what is answered, and what cannot be asked is refused by name."""

from __future__ import annotations

import csv
import io
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.household import EVIL, EVIL_NAME, LAPTOP, NAMES, NOON_S, PHONE, PHONE_MAC, House
from whitestat.core.model import OTHER_SERVICE, Counts, PeerKey, Scope, ServiceKey, UsageKey
from whitestat.core.units import address_bytes
from whitestat.ledger.tables.flush import Flush

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
        ("step=", "step", "one of total, second, minute, hour, day, week, month, cycle"),
        ("start=1990-01-01&step=minute", "step", "more than 100000 steps"),
        ("by=devcie", "by", "did you mean 'device'?"),
        ("by=device,colour", "by", "unknown word 'colour'"),
        ("device=phnoe", "device", "did you mean 'phone'?"),
        ("device=99", "device", "no device '99'"),
        ("device=,", "device", "is empty"),
        ("scope=WAN", "scope", "one of wan, lan"),
        ("point=la", "point", "no point 'la' (did you mean 'lan'?)"),
        ("point=", "point", "is empty"),
        ("person=Ann", "person", "no person 'Ann' (did you mean 'Anna'?)"),
        ("service=htps", "service", "unknown service 'htps', expected a name like https or a port"),
        ("service=", "service", "is empty"),
        ("protocol=300", "protocol", "unknown protocol '300', expected a name like udp or a number"),
        ("peer=example.org", "peer", "expected an IP address, got 'example.org'"),
        ("by=peer,service", "by", "peers are kept apart from services"),
        ("by=peer&service=https", "by", "peers are kept apart from services"),
        ("top=0", "top", "must be a whole number from 1 to 1000, got '0'"),
        ("top=1.5", "top", "must be a whole number from 1 to 1000, got '1.5'"),
        ("top=%D9%A3", "top", "must be a whole number"),
        ("limit=10001", "limit", "must be a whole number from 1 to 10000"),
        ("cursor=1.1", "cursor", "needs limit"),
        ("cursor=x&limit=1", "cursor", "is not one that an answer gave"),
        ("cursor=1.1&limit=1", "cursor", "is not one of this question"),
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


def test_persons_and_points_narrow_it_down(home: House) -> None:
    assert set(octets(home, "person=anna")) == {LAPTOP}
    assert set(octets(home, "person=Anna,Bo")) == {LAPTOP, EVIL}
    assert octets(home, "person=Anna&device=phone") == {}
    assert octets(home, "point=lan") == octets(home, "")


def test_services_protocols_and_peers_are_told_by_name_and_narrow_it_down(home: House) -> None:
    usage, hour_s = UsageKey(PHONE, "lan", Scope.WAN), NOON_S
    services = {
        ServiceKey(usage, 6, 443): Counts(100, 10),
        ServiceKey(usage, 17, 443): Counts(200, 20),
        ServiceKey(usage, 1, 0): Counts(3),
        ServiceKey(usage, 17, 12_345): Counts(2),
        ServiceKey(usage, *OTHER_SERVICE): Counts(1),
    }
    peers = {
        PeerKey(usage, address_bytes("192.0.2.1")): Counts(7),
        PeerKey(usage, address_bytes("2001:db8::1")): Counts(8),
    }
    home.writer.commit(
        Flush(
            services={(hour_s, key): counts for key, counts in services.items()},
            peers={(hour_s, key): counts for key, counts in peers.items()},
        )
    )
    phone = f"device={PHONE}&scope=wan"

    def found(query: str, *words: str) -> dict[tuple[str | None, ...], int]:
        return {tuple(row[word] for word in words): row["octets"] for row in rows(home, f"{phone}&{query}")}

    assert found("by=service", "service") == {
        ("https",): 330,
        ("no-port",): 3,
        ("12345",): 2,
        ("other",): 1,
        (None,): 1100 - 336,
    }
    assert found("by=protocol,service&service=https", "protocol", "service") == {
        ("tcp", "https"): 110,
        ("udp", "https"): 220,
    }
    assert found("by=service&protocol=udp&service=443,12345", "service") == {("https",): 220, ("12345",): 2}
    assert found("by=peer", "peer") == {("2001:db8::1",): 8, ("192.0.2.1",): 7, (None,): 1085}
    assert found("by=peer&peer=192.0.2.1", "peer") == {("192.0.2.1",): 7}
    lines = home.get(f"/api/v1/usage.csv?{phone}&by=device,service&top=1").text.splitlines()
    assert lines[0].startswith("start,device_id,device,mac,scope,service,rest,octets")
    assert lines[1].split(",")[5:8] == ["https", "", "330"]
    assert lines[2].split(",")[5:8] == ["", "true", "770"]
    assert "https" in home.get(f"/api/v1/usage.html?{phone}&by=service").text
    answer = home.get(f"/api/v1/usage?{phone}&by=service")
    again = home.get(f"/api/v1/usage?{phone}&by=service", if_none_match=answer.headers["etag"])
    assert again.status == 304


def test_all_but_the_top_are_one_rest(home: House) -> None:
    found = rows(home, "top=1")
    assert [(row["device"] and row["device"]["id"], row["rest"], row["octets"]) for row in found] == [
        (LAPTOP, False, 5644),
        (None, True, 1100 + 77 + 33),
    ]
    assert "rest" not in rows(home)[0]
    lines = list(csv.DictReader(io.StringIO(home.get("/api/v1/usage.csv?top=1").text, newline="")))
    assert [(line["device"], line["rest"]) for line in lines] == [(NAMES[LAPTOP], ""), ("rest", "true")]


def test_pages_follow_each_other_by_their_addresses(home: House) -> None:
    query = "start=yesterday&end=today&step=hour&by=device,scope"
    everything, pages = rows(home, query), []
    following = f"/api/v1/usage?{query}&limit=2"
    while following:
        answer = home.get(following)
        pages.append(answer.json["rows"])
        following = answer.json["next"]
        assert ("link" in answer.headers) == bool(following)
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert [row for page in pages for row in page] == everything


def test_the_next_page_of_a_form_is_of_that_form(home: House) -> None:
    for form in (".csv", ".html"):
        link = home.get(f"/api/v1/usage{form}?limit=1").headers["link"]
        found = re.fullmatch(r"<(/api/v1/usage\.\w+\?.*)>; rel=\"next\"", link)
        assert found
        assert found[1].startswith(f"/api/v1/usage{form}?")
        assert home.get(found[1]).status == 200
    assert 'rel="next">next page</a>' in home.get("/api/v1/usage.html?limit=1").text


def test_every_answer_says_how_much_of_its_span_was_seen(home: House) -> None:
    answer = home.get("/api/v1/usage").json
    assert answer["elapsed_ms"] == 12 * 3_600_000
    assert answer["coverage"] == [
        {
            "point": "lan",
            "observed_ms": 60_000,
            "frame_octets_interface": 7_000,
            "frame_octets_metered": 7_000,
            "octets_attributed": 6_721,
            "octets_unattributed": 33,
            "packets_lost": 0,
            "coverage": 6_721 / 6_754,
        }
    ]
    silent = home.get("/api/v1/usage?start=2026-11-02&end=2026-11-03").json
    assert (silent["rows"], silent["elapsed_ms"]) == ([], 86_400_000)
    assert [(point["point"], point["observed_ms"]) for point in silent["coverage"]] == [("lan", 0)]


def test_answers_by_step_say_which_steps_were_not_watched(home: House) -> None:
    day = home.get("/api/v1/usage?start=2026-11-20&end=2026-11-22&step=hour").json
    gaps = day["not_watched"]  # the minute that was watched has not ended
    assert {(gap["point"], gap["missed_ms"]) for gap in gaps} == {("lan", 3_600_000)}
    assert sum(gap["missed_ms"] for gap in gaps) == day["elapsed_ms"]
    assert (gaps[0]["start"], gaps[-1]["end"][:19]) == (day["start"], "2026-11-21T12:00:00")
    assert home.get("/api/v1/usage?start=2026-11-20&end=2026-11-22").json["not_watched"] is None


def test_forms_of_rows_alone_say_it_in_a_header_and_stay_rows_alone(home: House) -> None:
    answer = home.get("/api/v1/usage.csv")
    assert answer.headers["whitestat-coverage"] == (
        '"lan";observed_ms=60000;elapsed_ms=43200000;octets_attributed=6721;octets_unattributed=33'
    )
    assert answer.headers["whitestat-resolution"] == "total"
    assert "whitestat-notice" not in answer.headers
    assert all(line["octets"].isdigit() for line in csv.DictReader(io.StringIO(answer.text, newline="")))
    told = "lan: watched 0.1 % of the time, 99.5 % of the octets attributed"
    assert told in home.get("/api/v1/usage.html").text


@pytest.mark.parametrize("form", ["", ".csv", ".html"])
def test_an_answer_that_is_had_already_is_not_sent_again(house: House, form: str) -> None:
    past = f"/api/v1/usage{form}?start=2026-11-20&end=2026-11-21&step=hour"
    today = f"/api/v1/usage{form}"
    tags = {each: house.get(each).headers["etag"] for each in (past, today, f"{past}&limit=1", f"{past}&by=scope")}
    assert all(tag.startswith('W/"') for tag in tags.values())
    assert len(set(tags.values())) == len(tags)
    for each, tag in tags.items():
        answer = house.get(each, If_None_Match=f'"x", {tag}')
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
        assert answer.headers["cache-control"] == "private, no-cache"
    house.writer.commit(Flush(usage={(NOON_S + 60, UsageKey(PHONE, "lan", Scope.WAN)): Counts(1)}))
    assert house.get(past, If_None_Match=tags[past]).status == 304
    assert house.get(today, If_None_Match=tags[today]).status == 200


def test_a_step_that_has_aged_out_is_answered_by_a_longer_one_which_is_said(house: House) -> None:
    house.writer.commit(Flush(usage={(NOON_S - 9 * 86_400, UsageKey(PHONE, "lan", Scope.WAN)): Counts(5)}))
    house.writer.fold()
    house.writer.expire(NOON_S)
    query = "start=2026-11-12&end=2026-11-13"
    answer = house.get(f"/api/v1/usage?{query}&step=minute").json
    assert (answer["step"], answer["resolution"]) == ("minute", "hour")
    assert answer["notice"] == "each minute is kept since 2026-11-14T00:00:00+01:00, so each row is an hour"
    assert [row["start"] for row in answer["rows"]] == ["2026-11-12T12:00:00+01:00"]
    headers = house.get(f"/api/v1/usage.csv?{query}&step=minute").headers
    assert (headers["whitestat-resolution"], headers["whitestat-notice"]) == ("hour", f'"{answer["notice"]}"')
    assert answer["notice"] in unescape(house.get(f"/api/v1/usage.html?{query}&step=minute").text)


def test_twenty_askers_get_whole_flushes_while_the_writer_goes_on(house: House) -> None:
    """Each flush books one octet for each of ten devices: a sum that ten does not divide is half a flush."""
    asked = "/api/v1/usage?start=2026-11-21T13:00&end=2026-11-21T14:00&by="
    sums: list[int] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            answer = house.get(asked)
            assert answer.status == 200
            sums.extend(row["octets"] for row in answer.json["rows"])

    with ThreadPoolExecutor(20) as askers:
        asking = [askers.submit(ask) for _ in range(20)]
        try:
            for minute in range(40):
                at_s = NOON_S + 3600 + 60 * minute
                usage = {(at_s, UsageKey(episode, "lan", Scope.WAN)): Counts(1) for episode in range(100, 110)}
                house.writer.commit(Flush(usage=usage))
                if minute % 10 == 9:
                    house.writer.fold()
        finally:
            ended.set()
        for each in asking:
            each.result()
    assert sums
    assert all(octets % 10 == 0 for octets in sums)
    assert [row["octets"] for row in house.get(asked).json["rows"]] == [400]
