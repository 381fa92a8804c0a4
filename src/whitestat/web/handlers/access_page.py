"""The owner's page of accounts and tokens, without a script."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from whitestat.core.errors import EditError, LedgerError, QueryError
from whitestat.core.model import Json
from whitestat.web import request_bodies
from whitestat.web.auth.accounts import SCOPES
from whitestat.web.auth.principal import require_confirmed
from whitestat.web.handlers import accounts
from whitestat.web.handlers.accounts import ROLES
from whitestat.web.handlers.html_forms import read_form
from whitestat.web.request_bodies import Body, Field
from whitestat.web.route import RequestContext

if TYPE_CHECKING:
    from jinja2 import Template


class _Action(NamedTuple):
    """A button of the page: the change it makes, and the fields of its form."""

    change: Callable[[RequestContext], Json]
    fields: tuple[Field, ...] = ()


_ACTIONS = {
    "add": _Action(accounts.add, accounts.ACCOUNT),
    "remove": _Action(accounts.remove),
    "link": _Action(accounts.link),
    "token": _Action(accounts.add_token, accounts.TOKEN),
    "revoke": _Action(accounts.revoke),
    "end": _Action(accounts.end_session),
}
"""By the value of the button, `do`."""

_IN_PATH = ("account", "token", "session")
"""Fields that are parts of the path in the API."""


@cache
def template() -> Template:
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        autoescape=True, loader=PackageLoader("whitestat.web"), trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("access.html")


def show(context: RequestContext) -> Response:
    """Return the page."""
    return _page(context, {})


async def change(context: RequestContext) -> Response:
    """Make a change and return the page with its result: a secret is on this page only, and gone when reloaded."""
    form = await read_form(context.request)
    word = form.pop("do", "")
    if word == "confirm":
        fault = await context.request.app.state.login.confirm(context, form.get("password", ""))
        result, status = ({"fault": f"{fault[:1].upper()}{fault[1:]}."}, 403) if fault else ({}, 200)
        return await context.in_thread(lambda: _page(context, result, status))
    action = _ACTIONS.get(word)
    if action is None:
        raise HTTPException(400, "is not a form of this page")
    if not _is_confirmed(context):
        late = {"fault": "Nothing was changed: enter your password again first."}
        return await context.in_thread(lambda: _page(context, late, 403))
    return await context.in_thread(lambda: _changed(context, action, form))


def _changed(context: RequestContext, action: _Action, form: Body) -> Response:
    # A form sends an empty text for a field that is not chosen.
    fields: Json = {name: text for name, text in form.items() if text and name not in _IN_PATH}
    numbers = {name: form[name] for name in _IN_PATH if name in form}
    if "days" in fields:
        fields["days"] = (
            int(fields["days"]) if fields["days"].isascii() and fields["days"].isdigit() else fields["days"]
        )
    try:
        body = request_bodies.checked(action.fields, fields)
        result = action.change(context._replace(body=body, texts=numbers))
    except (EditError, QueryError, LedgerError) as fault:
        return _page(context, {"fault": f"{fault}."}, 400)
    return _page(context, result)


def _is_confirmed(context: RequestContext) -> bool:
    try:
        require_confirmed(context.principal, context.sources.access, context.sources.now_ms())
    except HTTPException:
        return False
    return True


def _page(context: RequestContext, result: Json, status: int = 200) -> Response:
    sources, request = context.sources, context.request
    values: Json = {
        "base": sources.base,
        "confirmed": _is_confirmed(context),
        "accounts": accounts.account_rows(sources),
        "tokens": accounts.token_rows(sources),
        "sessions": accounts.session_rows(context),
        "people": sources.queries.persons(),
        "roles": [role for role in ROLES if role != "person"],
        "scopes": [scope for scope in SCOPES if scope != "person"],
        "https": bool(sources.access.https.authority),
        "host": f"{request.url.scheme}://{request.headers.get('host', '')}",
    }
    return HTMLResponse(template().render(values | result), status, {"cache-control": "no-store"})
