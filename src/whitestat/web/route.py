"""A route of the web application, and the checked request that its handler takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from whitestat.query.parameters import Parameter
from whitestat.web.auth.roles import Permission, Principal
from whitestat.web.request_bodies import Body, Field, path_number
from whitestat.web.responses import Texts
from whitestat.web.sources import Sources, ThreadRunner


class RequestContext(NamedTuple):
    """A request that is allowed and checked.

    `account` is what limits are counted by: an account, a token, or the address of a request without one.
    `sources` are limited to what the principal may see. `texts` has the parameters of the query and of the path.
    `in_thread` runs a function in the ledger's thread, for handlers that are `async`.
    """

    request: Request
    principal: Principal | None
    account: str
    sources: Sources
    texts: Texts
    body: Body
    in_thread: ThreadRunner

    def number(self, name: str) -> int:
        """Return a number of the path. Raises Missing for a text that can be none."""
        return path_number(name, self.texts.get(name, ""))


SyncHandler = Callable[[RequestContext], Response]
AsyncHandler = Callable[[RequestContext], Awaitable[Response]]
Handler = SyncHandler | AsyncHandler
"""A plain function runs in the ledger's thread, one request at a time; an `async` one in the event loop."""


class Route(NamedTuple):
    """One method of one path.

    `roles`: who may use it. `schema`: name of the response's schema. `body`: fields of the JSON body, None for a
    request without one. `media_type`: None for a page or a redirect, which the OpenAPI document leaves out.
    `also`: other spellings of the path. `any_parameters`: ignore unknown ones. `tagged`: responses have an entity tag,
    and a request that has the current one gets 304. `may_be_unavailable`: 503 is possible without the ledger.
    `legacy`: open to the networks of `web.open_v5`. `confirmed`: only after the password was given again.
    """

    method: str
    path: str
    summary: str
    roles: Permission
    handler: Handler
    schema: str | None = None
    parameters: tuple[Parameter, ...] = ()
    body: tuple[Field, ...] | None = None
    media_type: str | None = "application/json"
    also: tuple[str, ...] = ()
    any_parameters: bool = False
    tagged: bool = False
    may_be_unavailable: bool = False
    legacy: bool = False
    confirmed: bool = False
