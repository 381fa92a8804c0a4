"""The web application: the table of routes with authorisation, checks and error responses around each handler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from inspect import iscoroutinefunction
from typing import TypeVar, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp

from whitestat.core.errors import EditError, LedgerError, Missing, QueryError
from whitestat.ledger.read.limits import AnswerLimit
from whitestat.query.parameters import check_all
from whitestat.web import request_bodies
from whitestat.web.answers import ANSWER_S, CONTROL_S, AnswerQueue, cancel_when_left
from whitestat.web.auth.principal import CONTROL, identify, identify_legacy, require, require_confirmed, sender
from whitestat.web.auth.roles import Principal
from whitestat.web.auth.same_origin import require_json, require_same_origin
from whitestat.web.auth.throttle import source_of
from whitestat.web.handlers import login
from whitestat.web.handlers.live import LiveStreams
from whitestat.web.handlers.names import Names
from whitestat.web.middleware import SecurityMiddleware, security_headers
from whitestat.web.responses import InPieces, has_tag, refused, unchanged
from whitestat.web.route import AsyncHandler, RequestContext, Route, SyncHandler
from whitestat.web.routes import ROUTES
from whitestat.web.sources import Access, Sources, ThreadRunner
from whitestat.web.static_files import StaticFiles, import_map_hash

T = TypeVar("T")


class _SecuredApp(Starlette):
    """Starlette inside the security middleware, so that error responses pass it too."""

    headers: dict[str, str]
    access: Access

    def build_middleware_stack(self) -> ASGIApp:
        return SecurityMiddleware(super().build_middleware_stack(), self.headers, self.access)


def create_app(sources: Sources) -> Starlette:
    """Return the application. `app.state.streams.stop()` ends its live streams; the server calls it."""
    static, runner = StaticFiles(sources.version), _RouteRunner(sources)
    routes = [runner.endpoint(route, path) for route in ROUTES for path in (route.path, *route.also)]
    app = _SecuredApp(routes=routes, exception_handlers={HTTPException: _refusal, 500: _failure})
    app.headers = security_headers(import_map_hash(static.page.plain))
    app.access = sources.access
    app.state.static = static
    app.state.streams = LiveStreams()
    app.state.names = Names(sources.resolve)
    app.state.login = login.LoginPages(sources)
    return app


class _RouteRunner:
    """Authorises and checks a request as its route says, and runs the handler where it belongs."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._answers = AnswerQueue()

    def endpoint(self, route: Route, path: str) -> StarletteRoute:
        async def endpoint(request: Request) -> Response:
            try:
                return await self._run(route, await self._checked(route, request))
            except QueryError as fault:
                return refused(fault.parameter, fault.reason)
            except EditError as fault:
                is_in_path = isinstance(fault, Missing) and fault.field in request.path_params
                return refused(fault.field, fault.reason, 404 if is_in_path else 400)
            except LedgerError as fault:
                return refused(None, str(fault), 503)
            except ClientDisconnect:
                return Response(None, 400)  # goes nowhere: the client left before its request was whole

        return StarletteRoute(path, endpoint, methods=[route.method], name=route.roles)

    async def _checked(self, route: Route, request: Request) -> RequestContext:
        """Return the request as its handler takes it. HTTPException or QueryError for one that is not allowed."""
        sources = self._sources
        principal = identify(request, sources.access, sources.now_ms())
        if principal is None and route.legacy:
            principal = identify_legacy(request, sources.access)
        require(request, route.roles, principal)
        if route.confirmed:
            require_confirmed(principal, sources.access, sources.now_ms())
        texts = check_all(route.parameters, request.query_params.multi_items(), others=route.any_parameters)
        body: request_bodies.Body = {}
        if route.body is not None:
            require_json(request)
            require_same_origin(request)
            body = request_bodies.read(route.body, await request_bodies.body_of(request))
        account = _account(principal) or source_of(sender(request, sources.access).address)
        in_thread = self._runner(account, principal)
        visible, all_texts = sources.seen_by(principal, in_thread), {**texts, **request.path_params}
        return RequestContext(request, principal, account, visible, all_texts, body, in_thread)

    async def _run(self, route: Route, context: RequestContext) -> Response:
        if iscoroutinefunction(route.handler):
            return await cast("AsyncHandler", route.handler)(context)
        response = await self._answered(partial(cast("SyncHandler", route.handler), context), context)
        tag = response.headers.get("etag")
        if tag and has_tag(context.request.headers.get("if-none-match", ""), tag):
            return unchanged(tag)
        return response.made_by(context.in_thread) if isinstance(response, InPieces) else response

    async def _answered(self, function: Callable[[], Response], context: RequestContext) -> Response:
        """Return the response that the function makes, which ends when the client leaves."""
        limit = _limit_of(context.principal)
        watching = asyncio.create_task(cancel_when_left(context.request, limit))
        try:
            return await self._answers.run(context.account, function, limit)
        finally:
            watching.cancel()

    def _runner(self, account: str, principal: Principal | None) -> ThreadRunner:
        async def in_thread(function: Callable[[], T]) -> T:
            return await self._answers.run(account, function, _limit_of(principal))

        return in_thread


def _account(principal: Principal | None) -> str:
    """Return the account or token that limits are counted by, an empty text for a request without one."""
    if principal is None or principal.name is None:
        return ""
    return "control socket" if principal is CONTROL else f"account {principal.by}"


def _limit_of(principal: Principal | None) -> AnswerLimit:
    return AnswerLimit(CONTROL_S if principal is CONTROL else ANSWER_S)


async def _refusal(request: Request, fault: Exception) -> Response:
    if not isinstance(fault, HTTPException):
        return await _failure(request, fault)
    if fault.status_code == 401 and login.is_for_people(request):
        return login.redirect(request)
    response = refused(None, fault.detail.lower(), fault.status_code)
    response.headers.update(fault.headers or {})
    return response


async def _failure(request: Request, fault: Exception) -> Response:
    """Return 500. The server logs the fault once this is sent, with method and path, without parameters."""
    fault.add_note(f"while answering {request.method} {request.url.path[:200]!r}")
    return refused(None, "the server failed; see its log", 500)
