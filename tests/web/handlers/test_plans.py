"""Plans over HTTP: what is used and left of a real ledger's usage."""

from __future__ import annotations

from typing import Any

from openapi_schema_validator import OAS31Validator

from tests.support.household import LAPTOP, NOON_S, PHONE, House
from whitestat.core.model import Counts, Scope, UsageKey
from whitestat.ledger.tables.flush import Flush
from whitestat.plans.plan import Period, Plan, Share, Tariff
from whitestat.plans.tariff import Window
from whitestat.web.auth.roles import Role

EVERY = frozenset(range(7))
MORNING = Tariff("morning", (Window("morning", EVERY, 0, 690),), 50)
LINE = Plan("line", 1_000_000, Period(day=20), tariffs=(MORNING,), equal=True)


def told(house: House) -> dict[str, Any]:
    (found,) = house.get("/api/v1/plans").json["plans"]
    return dict(found)


def test_without_a_plan_there_is_none(home: House) -> None:
    assert home.get("/api/v1/plans").json == {"plans": []}


def test_a_plan_tells_what_is_used_and_left_by_tariff_person_and_device(house: House) -> None:
    house.writer.follow_plans([LINE], NOON_S)
    document = house.get("/openapi.json").json
    schema = {"$ref": "#/components/schemas/Plans", "components": document["components"]}
    OAS31Validator(schema).validate(house.get("/api/v1/plans").json)
    plan = told(house)
    assert (plan["start"], plan["end"]) == ("2026-11-20T00:00:00+01:00", "2026-12-20T00:00:00+01:00")
    octets, used = 1_000 + 5_600 + 77 + 33 + 7_070 + 100, 1_000 + 5_600 + 77 + 33 + 7_070 + 50
    assert (plan["octets"], plan["used"], plan["left"]) == (octets, used, 1_000_000 - used)
    assert [(each["name"], each["octets"], each["used"]) for each in plan["tariffs"]] == [
        ("standard", octets - 100, used - 50),
        ("morning", 100, 50),
    ]
    assert [(each["start"][:10], each["used"]) for each in plan["days"]] == [
        ("2026-11-20", 7_070),
        ("2026-11-21", used - 7_070),
    ]
    assert sum(each["used"] for each in plan["devices"]) == used
    assert {each["name"]: each["octets"] for each in plan["devices"]}["phone"] == 8_170
    assert {each["person"]: (each["used"], each["available"]) for each in plan["persons"]} == {
        "Anna": (5_600, 500_000),
        "Bo": (77, 500_000),
        None: (used - 5_677, None),
    }
    today = plan["allowances"][0]["today"]
    assert today == {"used": used - 7_070, "may": (1_000_000 - 7_070) // 29, "left": today["may"] - today["used"]}


def test_what_is_flushed_counts_before_it_is_folded_and_the_same_after(house: House) -> None:
    house.writer.follow_plans([LINE], NOON_S)
    before = told(house)
    house.writer.commit(Flush({(NOON_S - 3_600, UsageKey(PHONE, "lan", Scope.WAN)): Counts(31, 4)}))
    fresh = told(house)
    assert (fresh["octets"], fresh["used"]) == (before["octets"] + 35, before["used"] + 17)
    house.writer.fold()
    assert told(house) == fresh


def test_a_changed_plan_leaves_the_past_as_it_was_and_prices_it_anew_when_asked(house: House) -> None:
    house.writer.follow_plans([LINE], NOON_S)
    before = told(house)
    dear = Plan("line", 2_000_000, Period(day=20), otherwise="standard")
    house.writer.follow_plans([dear], NOON_S + 60)
    changed = told(house)
    assert changed["used"] == before["used"]
    assert changed["available"] == 2_000_000
    assert [each["name"] for each in changed["tariffs"]] == ["standard", "morning"]
    house.writer.reprice(changed["id"], None)
    assert told(house)["used"] == before["octets"]


def test_a_plan_is_of_those_it_names(house: House) -> None:
    """The configuration of the booker gives the phone to Anna, and the laptop was hers."""
    of: list[dict[str, Any]] = [
        {"person": "anna"},
        {"device": "02-50-00-00-00-11"},
        {"device": "Annas laptop"},
        {"point": "lan"},
        {"label": "kids"},
    ]
    plans = [Plan(f"p{n}", 10_000, shares=(Share("Anna"),), **each) for n, each in enumerate(of)]
    house.writer.follow_plans(plans, NOON_S)
    house.send("PATCH", f"/api/v1/devices/{LAPTOP}", {"labels": ["Kids"]})
    found = {each["name"]: each["octets"] for each in house.get("/api/v1/plans").json["plans"]}
    assert found == {"p0": 13_770, "p1": 8_170, "p2": 5_600, "p3": 13_880, "p4": 5_600}


def test_a_top_up_counts_in_its_period_and_can_be_undone(house: House) -> None:
    house.writer.follow_plans([LINE], NOON_S)
    before = told(house)
    made = house.send("POST", "/api/v1/plans/1/topups", {"octets": 5_000})
    assert made.status == 200
    more = told(house)
    assert (more["available"], more["left"]) == (before["available"] + 5_000, before["left"] + 5_000)
    assert [(each["octets"], each["allowance"]) for each in more["topups"]] == [(5_000, "standard")]
    assert house.send("POST", f"/api/v1/edits/{made.json['edit']}/undo").status == 200
    after = told(house)
    assert (after["allowances"], after["topups"]) == (before["allowances"], [])
    house.send("POST", "/api/v1/plans/1/topups", {"octets": -5_000, "allowance": "standard"})
    assert told(house)["left"] == before["left"] - 5_000


def test_what_cannot_be_topped_up_is_refused_with_the_field(house: House) -> None:
    house.writer.follow_plans([LINE], NOON_S)
    for path, body, status, field in [
        ("plans/1/topups", {"octets": 0}, 400, "octets"),
        ("plans/1/topups", {"octets": "5GB"}, 400, "octets"),
        ("plans/1/topups", {"octets": 1, "allowance": "night"}, 400, "allowance"),
        ("plans/9/topups", {"octets": 1}, 404, "plan"),
        ("plans/9/reprice", {}, 404, "plan"),
        ("plans/1/reprice", {"from": "yesterday"}, 400, "from"),
    ]:
        answer = house.send("POST", f"/api/v1/{path}", body)
        assert (answer.status, answer.json["error"]["parameter"]) == (status, field), (path, body)
    house.writer.follow_plans([], NOON_S + 60)
    assert house.send("POST", "/api/v1/plans/1/topups", {"octets": 1}).status == 404
    assert house.get("/api/v1/plans").json == {"plans": []}


def test_a_plan_is_priced_anew_over_the_api(house: House) -> None:
    house.writer.follow_plans([LINE], NOON_S)
    house.writer.follow_plans([Plan("line", 2_000_000, Period(day=20))], NOON_S + 60)
    answer = house.send("POST", "/api/v1/plans/1/reprice", {"from": "2026-11-21"})
    assert answer.json["since"] == "2026-11-21T00:00:00+01:00"
    plan = told(house)
    assert plan["used"] == plan["octets"]


def test_a_person_sees_own_plans_and_own_shares_alone(house: House) -> None:
    """The house's laptop is Anna's, and the evil device Bo's."""
    house.writer.follow_plans([LINE, Plan("annas", 9_000, person="anna"), Plan("bos", 9_000, person="Bo")], NOON_S)
    token = house.accounts.add_token("x", Role.PERSON, "Anna", 0)[1]
    answer = house.get("/api/v1/plans", Authorization=f"Bearer {token}")
    line, annas = answer.json["plans"]
    assert (line["own"], line["used"], line["available"], line["left"]) == (True, 5_600, 500_000, 494_400)
    assert [each["person"] for each in line["persons"]] == ["Anna"]
    assert all(not line[name] for name in ("allowances", "tariffs", "devices", "days", "topups"))
    assert (annas["name"], annas["own"], annas["used"], annas["left"]) == ("annas", False, 5_600, 3_400)
    assert "Bo" not in answer.text
    document = house.get("/openapi.json").json
    OAS31Validator({"$ref": "#/components/schemas/Plans", "components": document["components"]}).validate(answer.json)


def test_usage_of_a_plan_is_told_by_tariff_day_device_and_person(house: House) -> None:
    house.writer.follow_plans([LINE], NOON_S)
    house.writer.commit(Flush({(NOON_S + 60, UsageKey(PHONE, "lan", Scope.WAN)): Counts(31, 4)}))

    def rows(query: str = "") -> list[dict[str, Any]]:
        answer = house.get(f"/api/v1/plans/1/usage{query}")
        assert answer.status == 200, answer.text
        document = house.get("/openapi.json").json
        schema = {"$ref": "#/components/schemas/PlanUsage", "components": document["components"]}
        OAS31Validator(schema).validate(answer.json)
        return list(answer.json["rows"])

    told_rows = [(each["start"][:10], each["tariff"], each["octets"], each["used"]) for each in rows()]
    assert told_rows == [
        ("2026-11-20", "standard", 7_070, 7_070),
        ("2026-11-21", "morning", 100, 50),
        ("2026-11-21", "standard", 6_745, 6_745),
    ]
    assert rows("?start=today")[1]["octets_in"] is None
    whole = told(house)
    for by in ("", "device", "person", "tariff,device,person"):
        for step in ("day", "period", "total"):
            found = rows(f"?by={by}&step={step}")
            assert sum(each["used"] for each in found) == whole["used"]
            assert sum(each["octets"] for each in found) == whole["octets"]
    by_device = rows("?by=device&step=total")
    assert {each["device"]["name"]: each["octets"] for each in by_device if each["device"]["id"] == LAPTOP} == {
        "Annas laptop": 5_600
    }
    assert rows("?start=2026-11-19&end=2026-11-20") == []


def test_a_person_sees_own_usage_of_a_plan_alone(house: House) -> None:
    house.writer.follow_plans([LINE], NOON_S)
    token = house.accounts.add_token("x", Role.PERSON, "Anna", 0)[1]
    answer = house.get("/api/v1/plans/1/usage?by=person,device", Authorization=f"Bearer {token}")
    assert [(each["person"], each["device"]["id"], each["octets"]) for each in answer.json["rows"]] == [
        ("Anna", LAPTOP, 5_600)
    ]


def test_what_cannot_be_asked_of_a_plan_is_refused(house: House) -> None:
    house.writer.follow_plans([LINE], NOON_S)
    for path, status, field in [
        ("9/usage", 404, "plan"),
        ("x/usage", 404, "plan"),
        ("1/usage?by=service", 400, "by"),
        ("1/usage?step=hour", 400, "step"),
        ("1/usage?start=soon", 400, "start"),
    ]:
        answer = house.get(f"/api/v1/plans/{path}")
        assert (answer.status, answer.json["error"]["parameter"]) == (status, field), path
