"""What the owner asks of accounts and tokens, and changes: secrets are told once, when they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from whitestat.core.calendar import instant_text
from whitestat.core.errors import QueryError
from whitestat.core.model import Json
from whitestat.web import request_bodies
from whitestat.web.auth import passwords
from whitestat.web.auth.accounts import SCOPES
from whitestat.web.auth.principal import CONTROL
from whitestat.web.auth.roles import Principal, Role
from whitestat.web.handlers.edits import body_of, number
from whitestat.web.request_bodies import Body, Field, Ids
from whitestat.web.responses import Texts, json_answer
from whitestat.web.sources import Sources

ROLES = ("owner", "editor", "viewer", "person")
"""What an account can be."""


class AccountRoute(NamedTuple):
    """One method of one path, for the owner; `does` it and returns what is answered, by the schema of that name."""

    method: str
    path: str
    summary: str
    does: Callable[[Sources, Principal, Ids, Body], Json]
    fields: tuple[Field, ...]
    schema: str


def accounts(sources: Sources, texts: Texts) -> Response:
    return json_answer({"accounts": told_accounts(sources)})


def tokens(sources: Sources, texts: Texts) -> Response:
    return json_answer({"tokens": told_tokens(sources)})


def told_accounts(sources: Sources) -> list[Json]:
    held = sources.access.accounts
    return [
        {
            "id": each.id,
            "name": each.name,
            "role": str(each.role),
            "person": each.person,
            "created": instant_text(each.created_ms // 1000, sources.zone),
            "has_password": each.password is not None,
            "sessions": held.sessions_of(each.id),
        }
        for each in held.accounts
    ]


def told_tokens(sources: Sources) -> list[Json]:
    scopes = {role: word for word, role in SCOPES.items()}
    return [
        {
            "id": each.id,
            "name": each.name,
            "scope": scopes[each.role],
            "person": each.person,
            "created": instant_text(each.created_ms // 1000, sources.zone),
        }
        for each in sources.access.accounts.tokens
    ]


def add(sources: Sources, principal: Principal, ids: Ids, body: Body) -> Json:
    role = Role(body["role"])
    held = sources.access.accounts
    made = held.add(body["name"], role, _person(sources, body), sources.now_ms())
    return {"account": made.id, "link": _link(sources, made.id)}


def remove(sources: Sources, principal: Principal, ids: Ids, body: Body) -> Json:
    sources.access.accounts.remove(ids["account"])
    return {"account": ids["account"], "link": None}


def link(sources: Sources, principal: Principal, ids: Ids, body: Body) -> Json:
    return {"account": ids["account"], "link": _link(sources, ids["account"])}


def set_password(sources: Sources, principal: Principal, ids: Ids, body: Body) -> Json:
    """Who holds a session alone must not be able to keep the owner out."""
    if principal is not CONTROL:
        raise HTTPException(403, "is done where WhiteStat runs, by whitestat password; on the page by a link")
    held = sources.access.accounts
    held.set_password(held.account(ids["account"]).id, passwords.kept(body["password"]))
    return {"account": ids["account"], "link": None}


def add_token(sources: Sources, principal: Principal, ids: Ids, body: Body) -> Json:
    role, person = SCOPES[body["scope"]], _person(sources, body)
    made, text = sources.access.accounts.add_token(body["name"], role, person, sources.now_ms())
    return {"token": made.id, "text": text}


def revoke(sources: Sources, principal: Principal, ids: Ids, body: Body) -> Json:
    sources.access.accounts.revoke(ids["token"])
    return {"token": ids["token"], "text": None}


_NAME = Field("name", "What it is called.", ("text",), required=True)
_PERSON = Field("person", "Whose usage alone it sees; for role or scope person.", ("text", "null"))
_ROLE = Field("role", "What it may.", ("text",), required=True, words=ROLES)
_SCOPE = Field("scope", "What it may.", ("text",), required=True, words=tuple(SCOPES))
_PASSWORD = Field("password", "The new one.", ("text",), required=True)

CHANGES = (
    AccountRoute(
        "POST", "/api/v1/accounts", "Add somebody who may log in.", add, (_NAME, _ROLE, _PERSON), "AccountMade"
    ),
    AccountRoute(
        "DELETE", "/api/v1/accounts/{account}", "Remove an account; it is logged out.", remove, (), "AccountMade"
    ),
    AccountRoute(
        "POST",
        "/api/v1/accounts/{account}/link",
        "Make a link that sets the account's password, once, within a week.",
        link,
        (),
        "AccountMade",
    ),
    AccountRoute(
        "POST",
        "/api/v1/accounts/{account}/password",
        "Set a password; over the control socket alone.",
        set_password,
        (_PASSWORD,),
        "AccountMade",
    ),
    AccountRoute(
        "POST",
        "/api/v1/tokens",
        "Make a token; its text is told now and never again.",
        add_token,
        (_NAME, _SCOPE, _PERSON),
        "TokenMade",
    ),
    AccountRoute("DELETE", "/api/v1/tokens/{token}", "Revoke a token.", revoke, (), "TokenMade"),
)


async def answer(
    change: AccountRoute, sources: Sources, request: Request, principal: Principal
) -> Callable[[], Response]:
    """What is still to be done, in a thread, since it writes a file."""
    body = request_bodies.read(change.fields, await body_of(request))
    ids = {name: number(name, str(text)) for name, text in request.path_params.items()}
    return lambda: json_answer(change.does(sources, principal, ids, body))


def _link(sources: Sources, account: int) -> str:
    key = sources.access.accounts.link(account, sources.now_ms())
    return f"{sources.base}/first?key={key}"


def _person(sources: Sources, body: Body) -> str | None:
    """The name as the ledger has it, however its letters were written."""
    given = body.get("person")
    if given is None:
        return None
    names = sources.queries.persons()
    found = [name for name in names if name.casefold() == given.strip().casefold()]
    if not found:
        known = f"there are: {', '.join(names)}" if names else "add people first"
        raise QueryError("person", f"there is no person {given[:100]!r}; {known}")
    return found[0]
