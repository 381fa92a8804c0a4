"""Live streams: server-sent events, one a second, that end at once when the program stops."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from whitestat.web.auth.principal import identify
from whitestat.web.responses import refused
from whitestat.web.route import RequestContext

MOST_STREAMS, MOST_EACH = 64, 16
"""Of all, and of one account: a page open on every screen of a household needs a handful."""

LiveSource = Callable[[], AsyncIterator[dict[str, object]]]

_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
_RETRY = b"retry: 2000\n\n"
_END = b""

_log = logging.getLogger(__name__)


async def live(context: RequestContext) -> Response:
    """Return a stream for as long as session or token stay valid and the role stays the same."""
    streams: LiveStreams = context.request.app.state.streams
    request, sources = context.request, context.sources

    def is_same() -> bool:
        with suppress(HTTPException):
            return identify(request, sources.access, sources.now_ms()) == context.principal
        return False

    return await streams.response(request, context.account, sources.live, is_same)


class LiveStreams:
    """Sends the items of a source to each client; `stop` ends all streams."""

    def __init__(self) -> None:
        self._pumps: dict[asyncio.Task[None], str] = {}  # with their accounts, the oldest first
        self._stopped = False

    async def response(
        self, request: Request, account: str, source: LiveSource, is_allowed: Callable[[], bool]
    ) -> Response:
        """Return a stream that ends when `is_allowed` is false; 503 with too many streams, or while stopping.

        The id of an event is its instant. A client that sends the last one it has (Last-Event-ID, HTML Living
        Standard, section 9.2.4; the parameter `last` for a new stream, which cannot send headers) gets only later
        seconds in `missed`.
        """
        if request.method == "HEAD":
            return Response(None, 200, _HEADERS, "text/event-stream")
        if self._stopped:
            return refused(None, "the server stops", 503)
        if fault := self._make_room(account):
            return refused(None, fault, 503)
        last = _instant(request.headers.get("last-event-id") or request.query_params.get("last", ""))
        return StreamingResponse(self._stream(account, source, is_allowed, last), 200, _HEADERS, "text/event-stream")

    def stop(self) -> None:
        """End all streams now; the server waits for open responses."""
        self._stopped = True
        for pump in self._pumps:
            pump.cancel()

    def _make_room(self, account: str) -> str:
        """Return why there is no room for one more stream of the account, an empty text if there is.

        At MOST_STREAMS the account with most of them loses its oldest, if it has more than this one will have.
        """
        counts = Counter(self._pumps.values())
        if counts[account] >= MOST_EACH:
            return f"no more than {MOST_EACH} live streams of one account at a time; close a page that shows one"
        if counts.total() < MOST_STREAMS:
            return ""
        busiest, most = counts.most_common(1)[0]
        if most <= counts[account] + 1:
            return f"no more than {MOST_STREAMS} live streams at a time"
        oldest = next(pump for pump, of in self._pumps.items() if of == busiest)
        del self._pumps[oldest]
        oldest.cancel()
        return ""

    async def _stream(
        self, account: str, source: LiveSource, is_allowed: Callable[[], bool], last: datetime | None
    ) -> AsyncGenerator[bytes, None]:
        pieces: asyncio.Queue[bytes] = asyncio.Queue(1)
        pump = asyncio.create_task(self._pump(source(), is_allowed, last, pieces))
        self._pumps[pump] = account
        pump.add_done_callback(lambda _: self._ended(pump, pieces))
        try:
            yield _RETRY
            while piece := await pieces.get():
                yield piece
        finally:
            pump.cancel()

    async def _pump(
        self,
        items: AsyncIterator[dict[str, object]],
        is_allowed: Callable[[], bool],
        last: datetime | None,
        pieces: asyncio.Queue[bytes],
    ) -> None:
        """Fetch items in a separate task, so that a stop does not wait for the next one."""
        try:
            async for item in items:
                if not is_allowed():
                    return
                await pieces.put(_event(_since(item, last) if last else item))
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()

    def _ended(self, pump: asyncio.Task[None], pieces: asyncio.Queue[bytes]) -> None:
        self._pumps.pop(pump, None)
        if not pump.cancelled() and (fault := pump.exception()):
            _log.error("the live stream ended: %s", fault, exc_info=fault)
        while not pieces.empty():
            pieces.get_nowait()
        pieces.put_nowait(_END)


def _event(item: dict[str, object]) -> bytes:
    """One event (HTML Living Standard, section 9.2); JSON without line breaks fits one data line."""
    content = json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return b"id: %b\ndata: %b\n\n" % (str(item["at"]).encode(), content)


def _since(item: dict[str, object], last: datetime) -> dict[str, object]:
    """Return the item without the seconds that the client has."""
    missed = item.get("missed")
    if not isinstance(missed, list):
        return item
    return item | {"missed": [second for second in missed if (at := _instant(second["at"])) and at > last]}


def _instant(text: str) -> datetime | None:
    """Return an instant with an offset, None for any other text: an unknown event id leaves nothing out."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else None
