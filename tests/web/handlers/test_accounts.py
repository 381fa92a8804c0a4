"""Accounts and tokens: made by the owner, over the API, on the page, and in a terminal; secrets are told once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest
from openapi_schema_validator import OAS31Validator

from tests.support.accounts import owned
from tests.support.household import House, booked, household
from tests.support.visitor import PASSWORD, Visitor
from whitestat.web.auth import passwords
from whitestat.web.auth.browsers import browser_of
from whitestat.web.auth.roles import Role


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_answers_are_as_the_description_says(closed: House) -> None:
    owner = confirmed(closed)
    document = owner.get("/openapi.json").json

    def check(name: str, value: object) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        OAS31Validator(schema).validate(value)

    check("AccountMade", owner.send("POST", "/api/v1/accounts", {"name": "Bo", "role": "viewer"}).json)
    check("TokenMade", owner.send("POST", "/api/v1/tokens", {"name": "x", "scope": "read"}).json)
    check("Sessions", owner.get("/api/v1/sessions").json)
    check("Confirmed", owner.confirm().json)
    check("Accounts", owner.get("/api/v1/accounts").json)
    check("Tokens", owner.get("/api/v1/tokens").json)
    check("Me", owner.get("/api/v1/me").json)


FIREFOX = {"User_Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


@pytest.mark.slow
def test_sessions_are_listed_with_address_browser_and_last_use_and_ended(closed: House) -> None:
    owner, anna = owned(closed), Visitor(closed)
    account = closed.accounts.add("anna", Role.PERSON, "Anna", 0)
    closed.accounts.set_password(account.id, passwords.kept(PASSWORD))
    closed.now_s += 60
    fields = urlencode({"name": "anna", "password": PASSWORD})
    anna.get("/login", "POST", fields, Content_Type="application/x-www-form-urlencoded", **FIREFOX)
    rows = owner.get("/api/v1/sessions").json["sessions"]
    assert [(row["account"], row["is_this"]) for row in rows] == [("anna", False), ("owner", True)]
    (own,) = anna.get("/api/v1/sessions").json["sessions"]
    assert own == rows[0] | {"is_this": True}
    assert (own["browser"], own["address"]) == ("Firefox on Linux", "127.0.0.1")
    assert own["last_used"] == "2026-11-21T12:01:00+01:00"
    assert anna.cookies["whitestat"] not in owner.get("/api/v1/sessions").text
    assert anna.send("DELETE", f"/api/v1/sessions/{rows[1]['id']}").status == 404, "a session of the owner"
    assert owner.send("DELETE", f"/api/v1/sessions/{own['id']}").status == 200
    assert anna.get("/api/v1/me").status == 401
    assert owner.send("DELETE", f"/api/v1/sessions/{own['id']}").status == 404
    owner.confirm()
    page = owner.get("/access").text
    (number,) = re.findall(r'name="session" value="([^"]*)"', page)
    assert owner.form("/access", do="end", session=number).status == 200
    assert owner.get("/api/v1/me").status == 401


def test_a_token_expires_and_its_last_use_is_listed(closed: House) -> None:
    owner = confirmed(closed)
    body = {"name": "Excel", "scope": "read", "days": 2}
    text = owner.send("POST", "/api/v1/tokens", body).json["text"]
    (row,) = owner.get("/api/v1/tokens").json["tokens"]
    assert (row["expires"], row["last_used"]) == ("2026-11-23T12:00:00+01:00", None)
    closed.now_s += 2 * 86_400 - 1
    assert closed.get("/api/v1/usage", Authorization=f"Bearer {text}").status == 200
    (row,) = owner.get("/api/v1/tokens").json["tokens"]
    assert (row["last_used"], row["is_expired"]) == ("2026-11-23T11:59:59+01:00", False)
    closed.now_s += 1
    assert closed.get("/api/v1/usage", Authorization=f"Bearer {text}").status == 401
    assert owner.get("/api/v1/tokens").json["tokens"][0]["is_expired"]
    owner.confirm()
    assert "expired" in owner.get("/access").text
    for days in (0, -1, 36_501, "x"):
        assert owner.send("POST", "/api/v1/tokens", {**body, "days": days}).status == 400
    assert owner.form("/access", do="token", name="y", scope="read", person="", days="30").status == 200
    assert owner.form("/access", do="token", name="y", scope="read", person="", days="many").status == 400
    assert closed.accounts.tokens[-1].expires_ms == (closed.now_s + 30 * 86_400) * 1000


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (FIREFOX["User_Agent"], "Firefox on Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36 Edg/142.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
        ("\x1b[31m" + "x" * 100, "[31m" + "x" * 55),
        ("", ""),
    ],
)
def test_a_browser_is_named_by_what_it_says_of_itself(text: str, name: str) -> None:
    assert browser_of(text) == name


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
