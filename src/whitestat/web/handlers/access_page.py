"""The owner's page of who may look: accounts and tokens, without a script."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from whitestat.core.errors import EditError, LedgerError, QueryError
from whitestat.core.model import Json
from whitestat.web import request_bodies
from whitestat.web.auth.accounts import SCOPES
from whitestat.web.auth.roles import Permission, Principal
from whitestat.web.handlers import accounts
from whitestat.web.handlers.accounts import CHANGES, ROLES, AccountRoute
from whitestat.web.handlers.edits import number
from whitestat.web.handlers.html_forms import read_form
from whitestat.web.handlers.login import Page
from whitestat.web.request_bodies import Body, Ids
from whitestat.web.responses import Texts
from whitestat.web.routes import Route
from whitestat.web.sources import Sources, ThreadRunner

if TYPE_CHECKING:
    from jinja2 import Template

_DONE = {
    "add": accounts.add,
    "remove": accounts.remove,
    "link": accounts.link,
    "token": accounts.add_token,
    "revoke": accounts.revoke,
}
"""By the word a form sends, what it does."""


@cache
def template() -> Template:
    from jinja2 import Environment, PackageLoader

    made = Environment(autoescape=True, loader=PackageLoader("whitestat.web"), trim_blocks=True, lstrip_blocks=True)
    return made.get_template("access.html")


def pages(sources: Sources, in_thread: ThreadRunner) -> list[Page]:
    async def show(request: Request, texts: Texts, principal: Principal | None) -> Response:
        return await in_thread(lambda: _page(sources, request, {}))

    async def change(request: Request, texts: Texts, principal: Principal | None) -> Response:
        given = await read_form(request)
        does = _DONE.get(given.pop("do", ""))
        if does is None or principal is None:
            raise HTTPException(400, "is not a form of this page")
        return await in_thread(lambda: _changed(sources, request, principal, does, given))

    route = Route("/access", "", None, Permission.OWNERS)
    return [Page(route, show), Page(route, change, ("POST",))]


def _changed(
    sources: Sources,
    request: Request,
    principal: Principal,
    does: Callable[[Sources, Principal, Ids, Body], Json],
    given: Body,
) -> Response:
    """Done and told on the page itself: a secret is shown once, and a page that is loaded anew has it no more."""
    try:
        made = does(sources, principal, _ids(given), request_bodies.checked(_change(does).fields, _fields(given)))
    except (EditError, QueryError, LedgerError) as fault:
        return _page(sources, request, {"fault": f"{fault}."}, 400)
    return _page(sources, request, made)


def _change(does: object) -> AccountRoute:
    return next(each for each in CHANGES if each.does == does)


def _ids(given: Body) -> Ids:
    return {name: number(name, given[name]) for name in ("account", "token") if name in given}


def _fields(given: Body) -> Body:
    """A form sends an empty text for what is not chosen."""
    return {name: text for name, text in given.items() if text and name not in ("account", "token")}


def _page(sources: Sources, request: Request, told: Json, status: int = 200) -> Response:
    words: Json = {
        "base": sources.base,
        "accounts": accounts.told_accounts(sources),
        "tokens": accounts.told_tokens(sources),
        "people": sources.queries.persons(),
        "roles": [each for each in ROLES if each != "person"],
        "scopes": [each for each in SCOPES if each != "person"],
        "host": f"{request.url.scheme}://{request.headers.get('host', '')}",
    }
    return HTMLResponse(template().render(words | told), status, {"cache-control": "no-store"})
