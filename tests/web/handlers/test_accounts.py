"""Accounts and tokens: made by the owner, over the API, on the page, and in a terminal; secrets are told once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from openapi_schema_validator import OAS31Validator

from tests.support.accounts import owned
from tests.support.household import House, booked, household
from tests.support.visitor import PASSWORD, Visitor


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[House]:
    with household(tmp_path, booked(), editors=(), readers=()) as house:
        yield house


def confirmed(house: House) -> Visitor:
    """The owner, with the password given again."""
    owner = owned(house)
    assert owner.confirm().status == 200
    return owner


def test_somebody_who_is_added_sets_a_password_by_the_link_and_sees_what_the_role_may(closed: House) -> None:
    owner, anna = confirmed(closed), Visitor(closed)
    made = owner.send("POST", "/api/v1/accounts", {"name": "anna", "role": "person", "person": "anna"}).json
    (_, told) = owner.get("/api/v1/accounts").json["accounts"]
    assert (told["name"], told["role"], told["person"], told["has_password"]) == ("anna", "person", "Anna", False)
    assert anna.get(made["link"]).status == 200
    key = made["link"].partition("=")[2]
    assert anna.form("/first", key=key, password=PASSWORD, again=PASSWORD).status == 303
    me = anna.get("/api/v1/me").json
    assert (me["name"], me["role"], me["person"], me["can_edit"]) == ("anna", "person", "Anna", False)
    assert [each["name"] for each in anna.get("/api/v1/devices").json["devices"]] == ["Annas laptop"]
    again = owner.send("POST", f"/api/v1/accounts/{made['account']}/link").json["link"]
    assert again != made["link"]
    assert anna.get("/api/v1/me").status == 200, "a link that nobody used ends no session"
    assert owner.send("DELETE", f"/api/v1/accounts/{made['account']}").status == 200
    assert anna.get("/api/v1/me").status == 401
    assert Visitor(closed).get(again).status == 403


def test_a_token_is_told_once_and_may_what_its_scope_says(closed: House) -> None:
    owner = confirmed(closed)
    seen = {"read": (200, 200, 403), "metrics": (403, 200, 403), "edit": (200, 200, 200), "person": (200, 200, 403)}
    for scope, expected in seen.items():
        person = {"person": "Anna"} if scope == "person" else {}
        made = owner.send("POST", "/api/v1/tokens", {"name": scope, "scope": scope, **person}).json
        known = {"Authorization": f"Bearer {made['text']}"}
        found = (
            closed.get("/api/v1/usage", **known).status,
            closed.get("/metrics", **known).status,
            closed.send("PATCH", "/api/v1/devices/2", {"name": f"by {scope}"}, **known).status,
        )
        assert found == expected, scope
        assert closed.get("/api/v1/tokens", **known).status == 403
        assert made["text"] not in owner.get("/api/v1/tokens").text
        assert owner.send("DELETE", f"/api/v1/tokens/{made['token']}").status == 200
        assert closed.get("/metrics", **known).status == 401
    assert owner.get("/api/v1/edits").json["edits"][0]["by"] == "token edit"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "/api/v1/accounts", {"name": "x", "role": "metrics"}, 400, "role"),
        ("POST", "/api/v1/accounts", {"name": "", "role": "viewer"}, 400, "name"),
        ("POST", "/api/v1/accounts", {"name": "owner", "role": "viewer"}, 400, "name"),
        ("POST", "/api/v1/accounts", {"name": "x", "role": "person"}, 400, "person"),
        ("POST", "/api/v1/accounts", {"name": "x", "role": "person", "person": "Carl"}, 400, "person"),
        ("POST", "/api/v1/accounts", {"name": "x", "role": "viewer", "person": "Anna"}, 400, "person"),
        ("DELETE", "/api/v1/accounts/1", {}, 400, "account"),
        ("DELETE", "/api/v1/accounts/99", {}, 404, "account"),
        ("DELETE", "/api/v1/accounts/x", {}, 404, "account"),
        ("POST", "/api/v1/accounts/99/link", {}, 404, "account"),
        ("POST", "/api/v1/accounts/1/password", {"password": "a new password"}, 403, None),
        ("POST", "/api/v1/tokens", {"name": "x", "scope": "owner"}, 400, "scope"),
        ("POST", "/api/v1/tokens", {"name": "x", "scope": "person"}, 400, "person"),
        ("DELETE", "/api/v1/tokens/99", {}, 404, "token"),
    ],
)
def test_what_cannot_be_done_names_the_field(
    closed: House, method: str, path: str, body: object, status: int, field: str | None
) -> None:
    answer = confirmed(closed).send(method, path, body)
    assert (answer.status, answer.json["error"]["parameter"]) == (status, field)
    assert len(closed.accounts.accounts) == 1


def test_answers_are_as_the_description_says(closed: House) -> None:
    owner = confirmed(closed)
    document = owner.get("/openapi.json").json

    def check(name: str, value: object) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        OAS31Validator(schema).validate(value)

    check("AccountMade", owner.send("POST", "/api/v1/accounts", {"name": "Bo", "role": "viewer"}).json)
    check("TokenMade", owner.send("POST", "/api/v1/tokens", {"name": "x", "scope": "read"}).json)
    check("Confirmed", owner.confirm().json)
    check("Accounts", owner.get("/api/v1/accounts").json)
    check("Tokens", owner.get("/api/v1/tokens").json)
    check("Me", owner.get("/api/v1/me").json)


def test_the_owner_s_page_does_the_same_without_a_script(closed: House) -> None:
    owner = confirmed(closed)
    page = owner.get("/access").text
    assert "<script" not in page
    made = owner.form("/access", do="add", name="<b>Bo</b>", role="viewer", person="")
    assert "&lt;b&gt;Bo&lt;/b&gt;" in made.text
    (link,) = re.findall(r"<code>http[^<]*(/first\?key=[^<]*)</code>", made.text)
    assert Visitor(closed).get(unescape(link)).status == 200
    token = owner.form("/access", do="token", name="Excel", scope="person", person="Anna")
    (text,) = re.findall(r"<code>(ws_[^<]*)</code>", token.text)
    assert closed.get("/api/v1/me", Authorization=f"Bearer {text}").json["person"] == "Anna"
    assert text not in owner.get("/access").text
    assert owner.form("/access", do="revoke", token=str(closed.accounts.tokens[0].id)).status == 200
    assert closed.get("/api/v1/me", Authorization=f"Bearer {text}").status == 401
    refused = owner.form("/access", do="remove", account="1")
    assert (refused.status, "only owner" in refused.text) == (400, True)
    assert owner.form("/access", do="nothing").status == 400
    assert owner.form("/access", do="remove", account="x").status == 400
