"""Devices and people are changed over HTTP, by who may, and every change is listed and taken back."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator
from starlette.requests import Request

from tests.support.household import EVIL, EVIL_NAME, LAPTOP, NOON_S, PHONE, House, booked, household
from whitestat.core.errors import QueryError
from whitestat.core.model import Counts, PeerKey, Scope, UsageKey
from whitestat.core.units import address_bytes
from whitestat.ledger.write.writer import Flush
from whitestat.web import request_bodies
from whitestat.web.auth.principal import identify
from whitestat.web.auth.roles import Role
from whitestat.web.route import Route
from whitestat.web.routes import EDITS
from whitestat.web.sources import Access

SPAN = "start=2025-11-01&end=2026-11-22"


def names(house: House) -> dict[str | None, int]:
    rows = house.get(f"/api/v1/usage?{SPAN}").json["rows"]
    return {row["device"] and row["device"]["name"]: row["octets"] for row in rows}


def test_a_device_gets_a_name_an_owner_and_labels_in_one_edit_and_undo_takes_all_back(house: House) -> None:
    before = names(house)
    answer = house.send(
        "PATCH", f"/api/v1/devices/{PHONE}", {"name": "Anna's phone", "person": "Anna", "labels": ["kids"]}
    )
    assert (answer.status, answer.json) == (200, {"edit": 1, "device": PHONE, "person": 1})
    assert names(house)["Anna's phone"] == before["phone"]
    told = house.get(f"/api/v1/devices/{PHONE}").json
    assert (told["name"], told["labels"]) == ("Anna's phone", ["kids"])
    assert told["owners"] == [{"person": 1, "name": "Anna", "from": None, "until": None}]
    assert house.send("POST", "/api/v1/edits/1/undo").json["edit"] == 2
    assert names(house) == before
    assert house.get("/api/v1/people").json == {"people": []}
    listed = house.get("/api/v1/edits").json["edits"]
    assert [(each["id"], each["action"], each["undoes"], each["undone_by"]) for each in listed] == [
        (2, "undo: rename, give, label", 1, None),
        (1, "rename, give, label", None, 2),
    ]


def test_usage_can_be_asked_of_a_group_by_its_label(house: House) -> None:
    before = names(house)
    house.send("PATCH", f"/api/v1/devices/{PHONE}", {"labels": ["kids", "TV room"]})
    house.send("PATCH", f"/api/v1/devices/{LAPTOP}", {"labels": ["TV room"]})

    def asked(words: str) -> dict[str | None, int]:
        rows = house.get(f"/api/v1/usage?{SPAN}&{words}").json["rows"]
        return {row["device"] and row["device"]["name"]: row["octets"] for row in rows}

    both = {name: before[name] for name in ("phone", "Annas laptop")}
    assert asked("label=tv%20room") == asked("label=kids,TV%20room") == both
    assert asked("label=kids") == {"phone": before["phone"]}
    assert asked(f"label=TV%20room&device={LAPTOP}") == {"Annas laptop": before["Annas laptop"]}
    refused = house.get(f"/api/v1/usage?{SPAN}&label=kids&device={LAPTOP}")
    assert (refused.status, refused.json["error"]["parameter"]) == (400, "label")
    assert "did you mean 'kids'" in house.get(f"/api/v1/usage?{SPAN}&label=kid").json["error"]["reason"]
    assert house.get("/api/v1/devices").json["devices"][0]["labels"] == ["TV room", "kids"]


def test_merged_devices_are_one_and_split_they_are_two(house: House) -> None:
    before = names(house)
    assert house.send("POST", f"/api/v1/devices/{LAPTOP}/merge", {"into": PHONE}).json["device"] == PHONE
    assert names(house)["phone"] == before["phone"] + before["Annas laptop"]
    assert house.get(f"/api/v1/devices/{LAPTOP}").status == 404
    assert [each["id"] for each in house.get("/api/v1/devices").json["devices"]] == [PHONE, EVIL]
    assert [each["id"] for each in house.get(f"/api/v1/devices/{PHONE}").json["episodes"]] == [PHONE, LAPTOP]
    assert house.send("POST", f"/api/v1/devices/{PHONE}/split", {"episodes": [LAPTOP]}).json["device"] == LAPTOP
    assert sum(names(house).values()) == sum(before.values())
    assert names(house)["phone"] == before["phone"]


def test_people_are_added_renamed_and_removed(house: House) -> None:
    assert house.send("POST", "/api/v1/people", {"name": "Anna"}).json["person"] == 1
    house.send("PATCH", f"/api/v1/devices/{PHONE}", {"person": 1, "from": "2026-11-20"})
    house.send("PATCH", "/api/v1/people/1", {"name": "Anna B"})
    (person,) = house.get("/api/v1/people").json["people"]
    assert person["name"] == "Anna B"
    assert [(each["id"], each["from"]) for each in person["devices"]] == [(PHONE, "2026-11-20")]
    assert house.send("DELETE", "/api/v1/people/1").status == 200
    assert house.get("/api/v1/people").json == {"people": []}


def test_many_devices_are_named_at_once_or_none_is(house: House) -> None:
    before = names(house)
    rows = [{"device": PHONE, "name": "one"}, {"device": 99, "name": "none"}]
    assert house.send("PATCH", "/api/v1/devices", {"devices": rows}).status == 400
    assert names(house) == before
    assert house.send("PATCH", "/api/v1/devices", {"devices": rows[:1]}).json["edit"] == 1
    assert "one" in names(house)


def test_all_that_is_kept_of_a_device_and_of_a_person_is_handed_out(house: House) -> None:
    own, far = address_bytes("192.168.50.11"), address_bytes("2001:db8:cafe::2")
    usage = UsageKey(PHONE, "lan", Scope.WAN)
    peers = {(NOON_S, PeerKey(usage, each)): Counts(5, 5, 1, 1) for each in (address_bytes("203.0.113.2"), far)}
    house.writer.commit(Flush(addresses={(PHONE, own): NOON_S * 1000}, peers=peers))
    house.writer.fold_details()
    house.send("PATCH", f"/api/v1/devices/{PHONE}", {"person": "Anna", "labels": ["kids"]})
    found = house.get(f"/api/v1/devices/{PHONE}/export").json
    assert [each["address"] for each in found["kept"]["address"]] == ["192.168.50.11"]
    assert {each["peer"] for each in found["kept"]["peer_day"]} == {"203.0.113.2", "2001:db8:cafe::2"}
    assert [each["text"] for each in found["kept"]["label"]] == ["kids"]
    assert sum(each["octets_in"] for each in found["usage"]) > 0
    assert house.get("/api/v1/people/1/export").json["devices"] == [found]


def test_a_forgotten_device_has_no_name_and_its_octets_stay(house: House) -> None:
    before = house.get(f"/api/v1/usage?{SPAN}&by=").json["rows"]
    assert house.send("POST", f"/api/v1/devices/{EVIL}/forget").status == 200
    assert EVIL_NAME not in house.get("/api/v1/devices").text
    assert house.get(f"/api/v1/usage?{SPAN}&by=").json["rows"] == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("PATCH", "/api/v1/devices/1", {"nmae": "x"}, 400, "nmae"),
        ("PATCH", "/api/v1/devices/1", {"name": 5}, 400, "name"),
        ("PATCH", "/api/v1/devices/1", {"name": "x" * 1001}, 400, "name"),
        ("PATCH", "/api/v1/devices/1", {"name": "\u200b\x00"}, 400, "name"),
        ("PATCH", "/api/v1/devices/1", {}, 400, "body"),
        ("PATCH", "/api/v1/devices/1", {"from": "2026-11-20"}, 400, "from"),
        ("PATCH", "/api/v1/devices/1", {"person": 1, "from": "20.11.2026"}, 400, "from"),
        ("PATCH", "/api/v1/devices/1", {"person": 7}, 400, "person"),
        ("PATCH", "/api/v1/devices/99", {"name": "x"}, 404, "device"),
        ("PATCH", "/api/v1/devices/0x1", {"name": "x"}, 404, "device"),
        ("PATCH", "/api/v1/devices/" + "9" * 5000, {"name": "x"}, 404, "device"),
        ("POST", "/api/v1/devices/1/merge", {}, 400, "into"),
        ("POST", "/api/v1/devices/1/merge", {"into": 99}, 400, "into"),
        ("POST", "/api/v1/devices/1/merge", {"into": True}, 400, "into"),
        ("POST", "/api/v1/devices/1/split", {"episodes": [2]}, 400, "episodes"),
        ("POST", "/api/v1/devices/99/forget", {}, 404, "device"),
        ("POST", "/api/v1/people", {"name": ""}, 400, "name"),
        ("PATCH", "/api/v1/people/9", {"name": "x"}, 404, "person"),
        ("POST", "/api/v1/proposals/9", {"answer": "confirm"}, 404, "proposal"),
        ("POST", "/api/v1/proposals/9", {"answer": "maybe"}, 400, "answer"),
        ("POST", "/api/v1/edits/9/undo", {}, 404, "edit"),
    ],
)
def test_what_cannot_be_done_names_the_field(
    home: House, method: str, path: str, body: object, status: int, field: str
) -> None:
    answer = home.send(method, path, body)
    assert (answer.status, answer.json["error"]["parameter"]) == (status, field)
    assert home.get("/api/v1/edits").json == {"edits": []}


@pytest.mark.parametrize("text", ["{", "[]", '"x"', '{"name": "a", "name": "b"}', "[" * 60_000, "9" * 5_000, "\udc80"])
def test_a_body_that_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="body"):
        request_bodies.read((), text.encode("utf-8", "surrogateescape"))


@given(st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text() | st.lists(st.integers())))
def test_any_object_is_taken_or_its_fault_named(given: dict[str, object]) -> None:
    for route in EDITS:
        try:
            request_bodies.checked(route.body or (), given)
        except QueryError as fault:
            assert fault.parameter in {*given, *(field.name for field in route.body or ())}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"X_Forwarded_For": "127.0.0.1"}, 401),
        ({"Forwarded": "for=127.0.0.1"}, 401),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Host": "evil.example"}, 400),
    ],
)
@pytest.mark.parametrize("route", EDITS, ids=lambda route: f"{route.method} {route.path}")
def test_nobody_edits_from_elsewhere(home: House, route: Route, headers: dict[str, str], status: int) -> None:
    path = re.sub("{[a-z]+}", "1", route.path)
    assert home.send(route.method, path, {"name": "x"}, **headers).status == status
    assert home.get("/api/v1/edits").json == {"edits": []}


def test_only_the_networks_that_may_edit_do(tmp_path: Path) -> None:
    with household(tmp_path, booked(), editors=(ip_network("192.0.2.0/24"),)) as house:
        answer = house.send("PATCH", "/api/v1/devices/1", {"name": "x"})
        assert answer.status == 403
        assert "127.0.0.1 has the role viewer; this is only for owners and editors" in answer.json["error"]["reason"]
        assert house.get("/api/v1/devices").status == 200


def test_our_own_page_may(house: House) -> None:
    origin = house.url.rstrip("/")
    assert (
        house.send("PATCH", "/api/v1/devices/1", {"name": "x"}, Origin=origin, Sec_Fetch_Site="same-origin").status
        == 200
    )


def test_a_body_that_is_too_long_is_not_read(home: House) -> None:
    assert home.send("PATCH", "/api/v1/devices/1", {"name": "x" * 70_000}).status == 413


def test_edits_and_their_lists_are_as_the_description_says(house: House) -> None:
    document = house.get("/openapi.json").json

    def check(name: str, value: object) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        OAS31Validator(schema).validate(value)

    check("Edited", house.send("PATCH", "/api/v1/devices/1", {"person": "Anna", "from": "2026-11-20"}).json)
    check("Edited", house.send("POST", "/api/v1/devices/2/merge", {"into": 3}).json)
    for name in ("edits", "people", "proposals", "events"):
        check(name.capitalize(), house.get(f"/api/v1/{name}").json)
    check("Device", house.get("/api/v1/devices/1").json)
    check("Error", house.send("POST", "/api/v1/edits/9/undo").json)
    listed = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert {(route.method, route.path) for route in EDITS} <= listed


def test_a_connection_whose_end_nobody_knows_is_not_the_owner_s() -> None:
    scope = {"type": "http", "headers": [(b"host", b"127.0.0.1")], "client": None, "server": ("127.0.0.1", 7777)}
    everywhere = Access(edit=[ip_network("0.0.0.0/0"), ip_network("::/0")])
    assert identify(Request(scope), everywhere, 0) is None
    found = identify(Request(scope | {"server": ("/run/whitestat.db.sock", None)}), Access(), 0)
    assert found and (found.by, found.role) == ("owner", Role.OWNER)


def test_an_address_of_ipv4_in_ipv6_is_that_of_ipv4() -> None:
    scope = {"type": "http", "headers": [], "client": ("::ffff:192.0.2.5", 1), "server": ("::", 7777)}
    found = identify(Request(scope), Access(edit=[ip_network("192.0.2.0/24")]), 0)
    assert found and found.by == "192.0.2.5"
