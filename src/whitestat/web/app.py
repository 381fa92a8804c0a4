"""The web application: paths to answers, every answer guarded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path
from starlette.types import ASGIApp

from whitestat.errors import EditError, LedgerError, Missing, QueryError
from whitestat.parameters import check_all
from whitestat.web import edits
from whitestat.web.answers import InPieces, has_tag, json_answer, refused, unchanged
from whitestat.web.api import Texts
from whitestat.web.guard import Guard, own_names, security_headers
from whitestat.web.live import LiveStreams
from whitestat.web.openapi import document
from whitestat.web.routes import LIVE, ROUTES, Route
from whitestat.web.sources import Sources
from whitestat.web.static_files import StaticFiles, import_map_hash

Answering = Callable[[Sources, Texts], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


class _GuardedApp(Starlette):
    """Starlette with the guard outside of everything, its own error answers included."""

    headers: dict[str, str]

    def build_middleware_stack(self) -> ASGIApp:
        return Guard(super().build_middleware_stack(), self.headers, own_names())


def create_app(sources: Sources) -> Starlette:
    """The application; `app.state.streams.stop()` ends its live streams (the server does that)."""
    static = StaticFiles(sources.version)
    streams = LiveStreams(sources.live)
    # One thread: the ledger answers one question at a time, and the event loop never waits for it.
    ledger = ThreadPoolExecutor(1, "questions")

    async def page(request: Request) -> Response:
        return static.page.answer(request)

    async def file(request: Request) -> Response:
        return static.answer(request)

    async def openapi(request: Request) -> Response:
        return json_answer(document(sources.version))

    async def live(request: Request, texts: Texts) -> Response:
        return await streams.answer(request)

    app = _GuardedApp(
        routes=[
            Path("/", page),
            Path("/static/{path:path}", file),
            Path("/openapi.json", openapi),
            Path(LIVE.path, _checked(LIVE, live)),
            *(path for route in ROUTES if route.answer for path in _paths(route, route.answer, sources, ledger)),
            *(_writing(path, sources) for path in dict.fromkeys(each.path for each in edits.WRITES)),
        ],
        exception_handlers={HTTPException: _no_answer, 500: _failed},
    )
    app.headers = security_headers(import_map_hash(static.page.plain))
    app.state.streams = streams
    return app


def _paths(route: Route, function: Answering, sources: Sources, ledger: ThreadPoolExecutor) -> list[Path]:
    async def answer(request: Request, texts: Texts) -> Response:
        if not route.asks_ledger:
            return function(sources, texts)
        found = await asyncio.get_running_loop().run_in_executor(ledger, function, sources, texts)
        tag = found.headers.get("etag")
        if tag and has_tag(request.headers.get("if-none-match", ""), tag):
            return unchanged(tag)
        return found.made_by(ledger) if isinstance(found, InPieces) else found

    endpoint = _checked(route, answer)
    return [Path(path, endpoint) for path in (route.path, *route.also)]


def _writing(path: str, sources: Sources) -> Path:
    """One path with every method that changes something there."""
    writes = {each.method: each for each in edits.WRITES if each.path == path}

    async def answer(request: Request, texts: Texts) -> Response:
        return await edits.answer(writes[request.method], sources, request)

    return Path(path, _checked(Route(path, "", None), answer), methods=list(writes))


def _checked(route: Route, answer: Callable[[Request, Texts], Awaitable[Response]]) -> Endpoint:
    """The answer to a request whose parameters are those of the route, or a refusal."""

    async def endpoint(request: Request) -> Response:
        try:
            texts = check_all(route.parameters, request.query_params.multi_items(), others=route.others)
            return await answer(request, {**texts, **request.path_params})
        except QueryError as fault:
            return refused(fault.parameter, fault.reason)
        except EditError as fault:
            gone = isinstance(fault, Missing) and fault.field in request.path_params
            return refused(fault.field, fault.reason, 404 if gone else 400)
        except LedgerError as fault:
            return refused(None, str(fault), 503)

    return endpoint


async def _no_answer(request: Request, fault: Exception) -> Response:
    if not isinstance(fault, HTTPException):
        return await _failed(request, fault)
    answer = refused(None, fault.detail.lower(), fault.status_code)
    answer.headers.update(fault.headers or {})
    return answer


async def _failed(request: Request, fault: Exception) -> Response:
    """The server logs the fault itself, once, when this was sent; what was asked goes with it, parameters left out."""
    fault.add_note(f"while answering {request.method} {request.url.path[:200]!r}")
    return refused(None, "the server failed; its log says how", 500)
