"""The web application: paths to answers, every answer guarded, and each path declaring who may ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path
from starlette.types import ASGIApp

from whitestat.core.errors import EditError, LedgerError, Missing, QueryError
from whitestat.query.parameters import check_all
from whitestat.web.auth.principal import asker_of, asker_of_v5, require, told
from whitestat.web.auth.roles import Permission, Principal
from whitestat.web.auth.same_origin import as_json, from_our_pages
from whitestat.web.guard import Guard, security_headers
from whitestat.web.handlers import access_page, accounts, edits, login
from whitestat.web.handlers.live import LiveStreams
from whitestat.web.handlers.names import Names
from whitestat.web.responses import InPieces, Texts, has_tag, json_answer, refused, unchanged
from whitestat.web.routes import LIVE, ME, NAME, ROUTES, Route
from whitestat.web.sources import Access, Sources
from whitestat.web.static_files import StaticFiles, import_map_hash

T = TypeVar("T")
Answering = Callable[[Sources, Texts], Response]
Answer = Callable[[Request, Texts, Principal | None], Awaitable[Response]]


class _GuardedApp(Starlette):
    """Starlette with the guard outside of everything, its own error answers included."""

    headers: dict[str, str]
    access: Access

    def build_middleware_stack(self) -> ASGIApp:
        return Guard(super().build_middleware_stack(), self.headers, self.access)


def create_app(sources: Sources) -> Starlette:
    """The application; `app.state.streams.stop()` ends its live streams (the server does that)."""
    static = StaticFiles(sources.version)
    streams = LiveStreams()
    app = _GuardedApp(
        routes=_Paths(sources, static, streams).all(), exception_handlers={HTTPException: _no_answer, 500: _failed}
    )
    app.headers = security_headers(import_map_hash(static.page.plain))
    app.access = sources.access
    app.state.streams = streams
    return app


class _Paths:
    """Every path of the application; each is made by `_path`, which lets nobody by who may not have it."""

    def __init__(self, sources: Sources, static: StaticFiles, streams: LiveStreams) -> None:
        self._sources = sources
        self._static = static
        self._streams = streams
        self._names = Names(sources.resolve)
        # One thread: the ledger answers one question at a time, and the event loop never waits for it.
        self._ledger = ThreadPoolExecutor(1, "questions")

    def all(self) -> list[Path]:
        return [
            self._path(Route("/", "", None, Permission.PEOPLE), self._page),
            self._path(Route("/static/{path:path}", "", None, Permission.ANYBODY), self._file),
            self._path(Route("/openapi.json", "", None, Permission.EVERYONE), self._openapi),
            self._path(LIVE, self._live),
            self._path(ME, self._me),
            self._path(NAME, self._name),
            *(
                self._path(route._replace(path=path), self._asked(route, route.answer))
                for route in ROUTES
                if route.answer
                for path in (route.path, *route.also)
            ),
            *(self._writing(path) for path in dict.fromkeys(each.path for each in edits.WRITES)),
            *(self._changing(path) for path in dict.fromkeys(each.path for each in accounts.CHANGES)),
            *(
                self._path(each.route, each.answer, each.methods)
                for each in (*login.pages(self._sources), *access_page.pages(self._sources, self._in_thread))
            ),
        ]

    def _path(self, route: Route, answer: Answer, methods: Sequence[str] = ("GET",)) -> Path:
        """The answer to one who may have it and asks with the parameters of the route, or a refusal."""
        access = self._sources.access

        async def endpoint(request: Request) -> Response:
            principal = asker_of(request, access, self._sources.now_ms())
            if principal is None and route.of_v5:
                principal = asker_of_v5(request, access)
            require(request, route.who, principal)
            try:
                texts = check_all(route.parameters, request.query_params.multi_items(), others=route.others)
                return await answer(request, {**texts, **request.path_params}, principal)
            except QueryError as fault:
                return refused(fault.parameter, fault.reason)
            except EditError as fault:
                gone = isinstance(fault, Missing) and fault.field in request.path_params
                return refused(fault.field, fault.reason, 404 if gone else 400)
            except LedgerError as fault:
                return refused(None, str(fault), 503)

        return Path(route.path, endpoint, methods=list(methods), name=route.who)

    async def _page(self, request: Request, texts: Texts, principal: Principal | None) -> Response:
        return self._static.page.answer(request)

    async def _file(self, request: Request, texts: Texts, principal: Principal | None) -> Response:
        return self._static.answer(request)

    async def _openapi(self, request: Request, texts: Texts, principal: Principal | None) -> Response:
        from whitestat.web.openapi import document  # who never asks spares 0.3 MB

        return json_answer(document(self._sources.version))

    async def _me(self, request: Request, texts: Texts, principal: Principal | None) -> Response:
        zone, cycle = self._sources.zone, self._sources.cycle
        house = {"timezone": str(zone), "billing": {"day": cycle.day, "hour": cycle.hour}}
        return json_answer(told(principal, zone) | house if principal else {})

    async def _name(self, request: Request, texts: Texts, principal: Principal | None) -> Response:
        return await self._names.answer(texts["address"])

    async def _live(self, request: Request, texts: Texts, principal: Principal | None) -> Response:
        def is_same() -> bool:
            """Whether the asker may go on: the session, the token and what they may are as they were."""
            with suppress(HTTPException):
                return asker_of(request, self._sources.access, self._sources.now_ms()) == principal
            return False

        return await self._streams.answer(request, self._sources.seen_by(principal, self._in_thread).live, is_same)

    def _asked(self, route: Route, function: Answering) -> Answer:
        async def answer(request: Request, texts: Texts, principal: Principal | None) -> Response:
            sources = self._sources.seen_by(principal, self._in_thread)
            if not route.asks_ledger:
                return function(sources, texts)
            found = await self._in_thread(lambda: function(sources, texts))
            tag = found.headers.get("etag")
            if tag and has_tag(request.headers.get("if-none-match", ""), tag):
                return unchanged(tag)
            return found.made_by(self._ledger) if isinstance(found, InPieces) else found

        return answer

    def _writing(self, path: str) -> Path:
        """One path with every method that changes something there."""
        writes = {each.method: each for each in edits.WRITES if each.path == path}

        async def answer(request: Request, texts: Texts, principal: Principal | None) -> Response:
            as_json(request)
            from_our_pages(request)
            return await edits.answer(writes[request.method], self._sources, request, principal.by if principal else "")

        return self._path(Route(path, "", None, Permission.EDITORS), answer, list(writes))

    def _changing(self, path: str) -> Path:
        """One path with every method that changes accounts or tokens there."""
        changes = {each.method: each for each in accounts.CHANGES if each.path == path}

        async def answer(request: Request, texts: Texts, principal: Principal | None) -> Response:
            as_json(request)
            from_our_pages(request)
            assert principal  # noqa: S101 - `require` let an owner through
            return await self._in_thread(
                await accounts.answer(changes[request.method], self._sources, request, principal)
            )

        return self._path(Route(path, "", None, Permission.OWNERS), answer, list(changes))

    async def _in_thread(self, question: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._ledger, question)


async def _no_answer(request: Request, fault: Exception) -> Response:
    if not isinstance(fault, HTTPException):
        return await _failed(request, fault)
    if fault.status_code == 401 and login.is_for_people(request):
        return login.first(request)
    answer = refused(None, fault.detail.lower(), fault.status_code)
    answer.headers.update(fault.headers or {})
    return answer


async def _failed(request: Request, fault: Exception) -> Response:
    """The server logs the fault itself, once, when this was sent; what was asked goes with it, parameters left out."""
    fault.add_note(f"while answering {request.method} {request.url.path[:200]!r}")
    return refused(None, "the server failed; its log says how", 500)
