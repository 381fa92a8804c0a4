"""What a person is answered: own devices while they were the person's, in every answer there is."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.household import MIDNIGHT_S, NOON_S, House, booked, device, household, item
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.tables import people
from whitestat.web.auth.restricted import RestrictedQueries, own_live
from whitestat.web.auth.roles import MAY, Role
from whitestat.web.routes import ROUTES

PHONE, LAPTOP, EVIL, TABLET = 1, 2, 3, 4
OTHERS = ("Bo", "EVIL", "calc", "02:50:00:00:00:13", "03:00", "unattributed")
SPAN = "start=2026-11-19&end=2026-11-23"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    """The phone was Anna's until yesterday and is Bo's since midnight; the laptop is Anna's; the rest is Bo's."""
    with household(tmp_path, booked()) as house:
        house.send("PATCH", "/api/v1/devices/1", {"person": "Anna"})
        house.send("PATCH", "/api/v1/devices/1", {"person": "Bo", "from": "2026-11-21"})
        house.send("PATCH", "/api/v1/devices/2", {"name": "Annas laptop", "person": "Anna", "labels": ["work"]})
        house.send("PATCH", "/api/v1/devices/3", {"person": "Bo", "labels": ["secret"]})
        with house.writer.transaction("events") as connection:
            for number, content in ((LAPTOP, {}), (EVIL, {}), (LAPTOP, {"of": EVIL, "of_name": "x"}), (PHONE, {})):
                people.add_event(connection, NOON_S * 1000, "new-device", number, content)
            people.add_event(connection, (NOON_S - 86_400) * 1000, "new-device", PHONE, {})
            for pair in ((LAPTOP, EVIL), (LAPTOP, PHONE)):
                people.add_proposal(connection, people.ProposalRow(0, 0, *pair, 90, ("same name",), "open"))
        yield house


def anna(house: House, path: str, **headers: str) -> Any:
    token = house.accounts.add_token("x", Role.PERSON, "Anna", 0)[1]
    answer = house.get(path, Authorization=f"Bearer {token}", **headers)
    assert answer.status == 200, answer.body
    return answer.json if answer.headers["content-type"] == "application/json" else answer.text


def test_usage_is_of_the_time_it_was_the_person_s(home: House) -> None:
    rows = anna(home, f"/api/v1/usage?{SPAN}&step=day&by=device,person")["rows"]
    assert [(row["start"][:10], row["device"]["id"], row["octets"]) for row in rows] == [
        ("2026-11-20", PHONE, 7_070),
        ("2026-11-21", LAPTOP, 5_644),
    ]
    assert {row["person"] for row in rows} == {"Anna"}
    assert [row["octets"] for row in anna(home, f"/api/v1/usage?{SPAN}&by=")["rows"]] == [7_070 + 5_644]
    assert anna(home, f"/api/v1/usage?{SPAN}")["coverage"] == []


def test_other_people_and_devices_are_as_if_they_were_not(home: House) -> None:
    for question in ("person=Bo", "device=3", "device=02:50:00:00:00:13", "person=Anna,Bo"):
        answer = home.get(
            f"/api/v1/usage?{SPAN}&{question}",
            Authorization=f"Bearer {home.accounts.add_token('x', Role.PERSON, 'Anna', 0)[1]}",
        )
        assert answer.status == 400
        assert "did you mean" not in answer.text
    for path in ("/api/v1/devices/3", "/api/v1/devices/3/export", "/api/v1/people/2/export"):
        token = home.accounts.add_token("x", Role.PERSON, "Anna", 0)[1]
        assert home.get(path, Authorization=f"Bearer {token}").status == 404


def test_csv_html_and_version_5_s_forms_are_cut_alike(home: House) -> None:
    for path in (f"/api/v1/usage.csv?{SPAN}&step=day", f"/api/v1/usage.html?{SPAN}&step=day"):
        text = anna(home, path)
        assert "Annas laptop" in text
        assert "7070" in text.replace(",", "").replace("\u202f", "")
        assert not [each for each in OTHERS if each in text]
    frame = anna(home, "/json/history?start=2026-11-19&end=2026-11-23")
    assert [(row[2], row[6][:10]) for row in frame["data"]] == [
        ("Annas laptop", "2026-11-21"),
        ("phone", "2026-11-20"),
    ]
    assert [row[2] for row in anna(home, "/json")["data"]] == ["Annas laptop"]


@pytest.mark.slow
def test_a_device_that_was_given_away_tells_nothing_of_after(home: House) -> None:
    (laptop,) = anna(home, "/api/v1/devices")["devices"]
    assert laptop["person"] == "Anna"
    told = anna(home, f"/api/v1/devices/{PHONE}")
    assert (told["person"], told["addresses"], told["first_seen"], told["last_seen"]) == (None, [], None, None)
    assert [each["name"] for each in told["owners"]] == ["Anna"]
    assert told["labels"] == []
    assert anna(home, f"/api/v1/devices/{LAPTOP}")["labels"] == ["work"]
    assert anna(home, f"/api/v1/devices/{PHONE}/export") == {
        "id": PHONE,
        "kept": {},
        "usage": anna(home, f"/api/v1/devices/{PHONE}/export")["usage"],
    }
    assert {row["start"][:10] for row in anna(home, f"/api/v1/devices/{PHONE}/export")["usage"]} == {"2026-11-20"}


def test_people_edits_events_and_proposals_are_own(home: House) -> None:
    (me,) = anna(home, "/api/v1/people")["people"]
    assert me["name"] == "Anna"
    assert [each["id"] for each in me["devices"]] == [PHONE, LAPTOP]
    assert [each["device"] for each in anna(home, "/api/v1/events")["events"]] == [PHONE, LAPTOP]
    assert anna(home, "/api/v1/proposals") == {"proposals": []}
    edits = anna(home, "/api/v1/edits")["edits"]
    assert edits
    assert not [
        each for edit in edits for each in edit["changes"] if each["key"][0] == EVIL and each["what"] != "person"
    ]
    assert not [edit for edit in edits if "Bo" in json.dumps(edit)]


@pytest.mark.slow
def test_no_answer_has_anything_of_others(home: House) -> None:
    """Every route there is, whatever it may be one day: what is another's is in none of its answers."""
    token = home.accounts.add_token("x", Role.PERSON, "Anna", 0)[1]
    for route in ROUTES:
        if route.method != "GET" or route.path in ("/api/v1/live", "/openapi.json", "/static/{path:path}"):
            continue
        for number in ("1", "2", "3"):
            path = route.path.replace("{device}", number).replace("{person}", number)
            answer = home.get(path, Authorization=f"Bearer {token}")
            allowed = (200, 404) if Role.PERSON in MAY[route.roles] else (403,)
            if path == "/history":  # redirects to the page
                allowed = (303,)
                assert answer.body == b""
            elif path.startswith("/https/"):  # this household has no certificate authority
                allowed = (404,)
            elif route.media_type is None and Role.PERSON in MAY[route.roles]:  # a token has no password to change
                allowed = (200, 403)
            assert answer.status in allowed, (path, answer.body)
            assert not [each for each in OTHERS if each in answer.text], (path, answer.text)
            assert "secret" not in answer.text, path


def test_metrics_are_own_and_health_is_whether_all_is_well(home: House) -> None:
    text = anna(home, "/metrics")
    assert 'name="Annas laptop"' in text
    assert "unattributed" not in text
    assert "calc" not in text
    assert anna(home, "/api/v1/health") == {"status": "ok"}


def test_a_person_changes_nothing(home: House) -> None:
    token = home.accounts.add_token("x", Role.PERSON, "Anna", 0)[1]
    answer = home.send("PATCH", f"/api/v1/devices/{LAPTOP}", {"name": "mine"}, Authorization=f"Bearer {token}")
    assert answer.status == 403


def test_an_answer_kept_by_the_browser_of_another_is_no_answer(home: House) -> None:
    path = f"/api/v1/usage?{SPAN}&person=Anna"
    tag = home.get(path).headers["etag"]
    token = home.accounts.add_token("x", Role.PERSON, "Anna", 0)[1]
    assert home.get(path, Authorization=f"Bearer {token}", If_None_Match=tag).status == 200


def test_who_is_no_person_of_the_ledger_sees_nothing(home: House) -> None:
    token = home.accounts.add_token("x", Role.PERSON, "Carl", 0)[1]
    assert home.get(f"/api/v1/usage?{SPAN}&by=", Authorization=f"Bearer {token}").json["rows"] == []
    assert home.get("/api/v1/devices", Authorization=f"Bearer {token}").json == {"devices": []}


def test_a_person_who_is_renamed_goes_on_seeing_what_was_seen(home: House) -> None:
    (me,) = [each for each in home.get("/api/v1/people").json["people"] if each["name"] == "Anna"]
    token = home.accounts.add_token("x", Role.PERSON, "Anna", 0)[1]
    done = home.send("PATCH", f"/api/v1/people/{me['id']}", {"name": "Anna B"})
    assert home.get("/api/v1/me", Authorization=f"Bearer {token}").json["person"] == "Anna B"
    assert len(home.get(f"/api/v1/usage?{SPAN}", Authorization=f"Bearer {token}").json["rows"]) == 2
    home.send("POST", f"/api/v1/edits/{done.json['edit']}/undo")
    assert home.get("/api/v1/me", Authorization=f"Bearer {token}").json["person"] == "Anna"


@pytest.mark.parametrize("again", ["new person", "undo"])
def test_accounts_and_tokens_of_a_removed_person_see_nothing_even_if_the_name_is_given_again(
    home: House, again: str
) -> None:
    (me,) = [row for row in home.get("/api/v1/people").json["people"] if row["name"] == "Anna"]
    home.accounts.add("anna", Role.PERSON, "Anna", 0)
    token = home.accounts.add_token("x", Role.PERSON, "Anna", 0)[1]

    def read(path: str) -> Any:
        return home.get(path, Authorization=f"Bearer {token}").json

    assert len(read(f"/api/v1/usage?{SPAN}")["rows"]) == 2
    removal = home.send("DELETE", f"/api/v1/people/{me['id']}")
    assert read(f"/api/v1/usage?{SPAN}")["rows"] == []
    if again == "undo":
        home.send("POST", f"/api/v1/edits/{removal.json['edit']}/undo")
    else:
        home.send("PATCH", "/api/v1/devices/3", {"person": "Anna"})
    assert "Anna" in {row["name"] for row in home.get("/api/v1/people").json["people"]}
    assert read("/api/v1/me")["person"] is None
    assert read(f"/api/v1/usage?{SPAN}")["rows"] == []
    assert read("/api/v1/devices") == {"devices": []}
    assert [account.person for account in home.accounts.accounts if account.name == "anna"] == [None]
    refused = home.get("/api/v1/accounts", Authorization=f"Bearer {token}")
    assert refused.status == 403 and "a person who was removed" in refused.text


def test_a_renamed_person_keeps_what_is_granted_and_who_gets_the_old_name_gains_nothing(home: House) -> None:
    (me,) = [row for row in home.get("/api/v1/people").json["people"] if row["name"] == "Anna"]
    token = home.accounts.add_token("x", Role.PERSON, "Anna", 0)[1]
    home.send("PATCH", f"/api/v1/people/{me['id']}", {"name": "Anna B"})
    home.send("PATCH", "/api/v1/devices/3", {"person": "Anna"})
    shown = home.get("/api/v1/devices", Authorization=f"Bearer {token}").json["devices"]
    assert EVIL not in {row["id"] for row in shown} and LAPTOP in {row["id"] for row in shown}


def test_all_that_the_ledger_answers_is_cut_or_not_there_at_all() -> None:
    """A question that `RestrictedQueries` does not know cannot be asked for a person: it inherits nothing."""
    assert RestrictedQueries.__mro__ == (RestrictedQueries, object)
    assert not hasattr(RestrictedQueries, "__getattr__")
    public = {name for name in vars(Queries) if not name.startswith("_")}
    assert public - {name for name in vars(RestrictedQueries) if not name.startswith("_")} == {
        "alarms",
        "close",
        "gaps",
        "held",
        "let_pass",
        "not_watched",
        "octets_free",
        "octets_on_disk",
        "since_s",
    }


def test_the_live_stream_has_own_devices_and_their_totals() -> None:
    phone, laptop, evil = device(1, "phone", 10, 1, 5, 5), device(2, "l", 20, 2, 7, 7), device(3, "e", 99, 9, 9, 9)
    own = [{2}, {2}, {1, 2}, {1}]

    async def items() -> AsyncIterator[dict[str, Any]]:
        yield item(NOON_S, phone, laptop, evil, device(None, None, 1_000, 0))
        yield item(NOON_S + 1, evil)
        yield item(NOON_S + 2, evil, gone=[3])
        yield item(NOON_S + 3, phone | {"octets": 12})

    async def now() -> set[int]:
        return own.pop(0)

    async def told() -> list[dict[str, Any]]:
        return [each async for each in own_live(items(), now)]

    found = asyncio.run(told())
    assert [[row["id"] for row in each["devices"]] for each in found] == [[2], [], [1], [1]]
    assert [each["gone"] for each in found] == [[], [], [], [2]]
    assert [each["octets"] for each in found] == [22, 22, 33, 12]
    assert [each["rate_in_bps"] for each in found] == [7, 7, 12, 5]
    assert {each["coverage"] for each in found} == {None}


def test_seconds_that_were_missed_are_told_of_own_devices_alone() -> None:
    rates = {"rate_bps": 12, "rate_in_bps": 8, "rate_out_bps": 4, "rate_in_pps": 2, "rate_out_pps": 1}
    seconds = [{"id": each, **rates} for each in (LAPTOP, EVIL, None)]
    instants = {"at": "2026-11-21T11:59:59+01:00", "since": "2026-11-21T11:59:57+01:00"}
    missed = {**instants, **rates, "devices": seconds, "points": [{"point": "lan", **rates}]}

    async def items() -> AsyncIterator[dict[str, Any]]:
        yield item(NOON_S, device(LAPTOP, "l", 1, 1), device(EVIL, "e", 1, 1), missed=[missed])

    async def now() -> set[int]:
        return {LAPTOP}

    async def told() -> dict[str, Any]:
        return await anext(own_live(items(), now))

    (second,) = asyncio.run(told())["missed"]
    assert second == missed | {"devices": [{"id": LAPTOP, **rates}], "points": []}


def test_a_live_stream_ends_with_the_session(home: House) -> None:
    account = home.accounts.add("anna", Role.PERSON, "Anna", 0)
    session = home.accounts.begin(account.id, home.now_s * 1000)
    home.say(MIDNIGHT_S, device(LAPTOP, "Annas laptop", 5, 5), device(EVIL, "calc", 7, 7))
    address = urlsplit(home.url)
    with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)) as line:
        line.request("GET", "/api/v1/live", headers={"Cookie": f"whitestat={session}"})
        reply = line.getresponse()
        assert reply.status == 200
        assert reply.readline().startswith(b"retry")
        reply.readline()
        assert reply.readline().startswith(b"id")
        first = json.loads(reply.readline().removeprefix(b"data: "))
        assert [row["id"] for row in first["devices"]] == [LAPTOP]
        home.accounts.end(session)
        home.say(MIDNIGHT_S + 1, device(LAPTOP, "Annas laptop", 6, 6))
        assert b"data" not in reply.read()
