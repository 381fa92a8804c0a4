"""Handlers of accounts and tokens for the owner; secrets are shown once, when they are created."""

from __future__ import annotations

from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.responses import Response

from whitestat.core.calendar import instant_text
from whitestat.core.errors import QueryError
from whitestat.core.model import Json
from whitestat.web.auth import passwords
from whitestat.web.auth.accounts import SCOPES
from whitestat.web.auth.principal import CONTROL
from whitestat.web.auth.roles import Role
from whitestat.web.request_bodies import Body, Field
from whitestat.web.responses import json_answer
from whitestat.web.route import RequestContext, SyncHandler
from whitestat.web.sources import Sources

ROLES = ("owner", "editor", "viewer", "person")
"""Roles of accounts."""

_NAME = Field("name", "Name of the account, or what the token is for.", ("text",), required=True)
_PERSON = Field("person", "The person that it sees the usage of; for the role or scope person.", ("text", "null"))
_DAYS = Field("days", "Days until it expires; without it, or null, it does not.", ("number", "null"))

ACCOUNT = (_NAME, Field("role", "Role of the account.", ("text",), required=True, words=ROLES), _PERSON)
TOKEN = (_NAME, Field("scope", "Scope of the token.", ("text",), required=True, words=tuple(SCOPES)), _PERSON, _DAYS)
LINK = (Field("minutes", "Minutes that it works; without it, or null, a week.", ("number", "null")),)
PASSWORD = (Field("password", "The new password.", ("text",), required=True),)


def as_json(change: Callable[[RequestContext], Json]) -> SyncHandler:
    """Return a handler that makes the change and returns its result."""
    return lambda context: json_answer(change(context))


def accounts(context: RequestContext) -> Response:
    """Return all accounts."""
    return json_answer({"accounts": account_rows(context.sources)})


def tokens(context: RequestContext) -> Response:
    """Return all tokens, without their texts."""
    return json_answer({"tokens": token_rows(context.sources)})


def account_rows(sources: Sources) -> list[Json]:
    """Return the accounts as objects of JSON."""
    stored = sources.access.accounts
    return [
        {
            "id": account.id,
            "name": account.name,
            "role": str(account.role),
            "person": account.person,
            "created": instant_text(account.created_ms // 1000, sources.zone),
            "has_password": account.password is not None,
            "sessions": stored.sessions_of(account.id),
        }
        for account in stored.accounts
    ]


def token_rows(sources: Sources) -> list[Json]:
    """Return the tokens as objects of JSON."""
    scopes = {role: word for word, role in SCOPES.items()}
    return [
        {
            "id": token.id,
            "name": token.name,
            "scope": scopes[token.role],
            "person": token.person,
            "created": instant_text(token.created_ms // 1000, sources.zone),
            "expires": _instant(token.expires_ms, sources),
            "last_used": _instant(token.seen_ms, sources),
            "is_expired": token.expires_ms is not None and token.expires_ms <= sources.now_ms(),
        }
        for token in sources.access.accounts.tokens
    ]


def sessions(context: RequestContext) -> Response:
    """Return the sessions of the account, for an owner those of all accounts."""
    return json_answer({"sessions": session_rows(context)})


def session_rows(context: RequestContext) -> list[Json]:
    """Return the sessions that the principal may end as objects of JSON."""
    sources, principal = context.sources, context.principal
    stored = sources.access.accounts
    names = {account.id: account.name for account in stored.accounts}
    return [
        {
            "id": session.id,
            "account": names.get(session.account),
            "address": session.address or None,
            "browser": session.browser or None,
            "created": _instant(session.created_ms, sources),
            "last_used": _instant(session.seen_ms, sources),
            "is_this": principal is not None and session.digest == principal.session,
        }
        for session in stored.sessions(_own_only(context), sources.now_ms())
    ]


def end_session(context: RequestContext) -> Json:
    """End a session: of the account, for an owner of any."""
    session = context.texts.get("session", "")
    context.sources.access.accounts.end_session(session, _own_only(context))
    return {"session": session}


def _own_only(context: RequestContext) -> int | None:
    """Return the account that sessions are limited to, None for an owner; 0, which no account has, for a token."""
    principal = context.principal
    if principal is not None and principal.role is Role.OWNER:
        return None
    return (principal and principal.account) or 0


def _instant(at_ms: int | None, sources: Sources) -> str | None:
    return None if at_ms is None else instant_text(at_ms // 1000, sources.zone)


def add(context: RequestContext) -> Json:
    """Add an account; returns a link to set its password."""
    sources, body = context.sources, context.body
    stored, role = sources.access.accounts, Role(body["role"])
    account = stored.add(body["name"], role, _person(sources, body), sources.now_ms())
    return {"account": account.id, "link": _link(sources, account.id)}


def remove(context: RequestContext) -> Json:
    """Remove an account."""
    account = context.number("account")
    context.sources.access.accounts.remove(account)
    return {"account": account, "link": None}


def link(context: RequestContext) -> Json:
    """Create a one-time link that sets the account's password."""
    account = context.number("account")
    return {"account": account, "link": _link(context.sources, account, context.body.get("minutes"))}


def set_password(context: RequestContext) -> Json:
    """Set a password, over the control socket only: a stolen session must not lock the owner out."""
    if context.principal is not CONTROL:
        raise HTTPException(403, "use whitestat password on the machine where whitestat runs, or a link on the page")
    stored, account = context.sources.access.accounts, context.number("account")
    stored.set_password(stored.account(account).id, passwords.kept(context.body["password"]))
    return {"account": account, "link": None}


def add_token(context: RequestContext) -> Json:
    """Create a token; its text is shown only here."""
    sources, body = context.sources, context.body
    role, person = SCOPES[body["scope"]], _person(sources, body)
    token, text = sources.access.accounts.add_token(body["name"], role, person, sources.now_ms(), body.get("days"))
    return {"token": token.id, "text": text}


def revoke(context: RequestContext) -> Json:
    """Revoke a token."""
    token = context.number("token")
    context.sources.access.accounts.revoke(token)
    return {"token": token, "text": None}


def _link(sources: Sources, account: int, minutes: int | None = None) -> str:
    key = sources.access.accounts.link(account, sources.now_ms(), minutes)
    return f"{sources.base}/first?key={key}"


def _person(sources: Sources, body: Body) -> str | None:
    """Return the name as in the ledger, whatever the case of its letters."""
    given = body.get("person")
    if given is None:
        return None
    names = sources.queries.persons()
    matches = [name for name in names if name.casefold() == given.strip().casefold()]
    if not matches:
        known = f"there are: {', '.join(names)}" if names else "add people first"
        raise QueryError("person", f"there is no person {given[:100]!r}; {known}")
    return matches[0]
