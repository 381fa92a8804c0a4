"""The live stream: server-sent events, one a second, that end at once when the program stops."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from whitestat.web.responses import refused

MOST_STREAMS = 32
"""A page open on every screen of a house is a handful; more than this is a mistake or a nuisance."""

LiveSource = Callable[[], AsyncIterator[dict[str, object]]]

_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
_RETRY = b"retry: 2000\n\n"
_END = b""

_log = logging.getLogger(__name__)


class LiveStreams:
    """Hands the items of a source to each listener; `stop` ends every stream."""

    def __init__(self) -> None:
        self._pumps: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def answer(self, request: Request, source: LiveSource, goes_on: Callable[[], bool]) -> Response:
        """The stream, for as long as it goes on; 503 when there are too many or the program is about to end.

        Events are named by their instant. To who names the last one he has (Last-Event-ID, HTML Living Standard,
        section 9.2.4; a page that opens a new stream cannot send headers, and says `last`), only seconds after it are
        told as missed.
        """
        if request.method == "HEAD":
            return Response(None, 200, _HEADERS, "text/event-stream")
        if self._stopped or len(self._pumps) >= MOST_STREAMS:
            return refused(None, f"no more than {MOST_STREAMS} live streams at a time", 503)
        last = _instant(request.headers.get("last-event-id") or request.query_params.get("last", ""))
        return StreamingResponse(self._stream(source, goes_on, last), 200, _HEADERS, "text/event-stream")

    def stop(self) -> None:
        """End every stream now: the server waits for answers that are still under way."""
        self._stopped = True
        for pump in self._pumps:
            pump.cancel()

    async def _stream(
        self, source: LiveSource, goes_on: Callable[[], bool], last: datetime | None
    ) -> AsyncGenerator[bytes, None]:
        pieces: asyncio.Queue[bytes] = asyncio.Queue(1)
        pump = asyncio.create_task(self._pump(source(), goes_on, last, pieces))
        self._pumps.add(pump)
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
        goes_on: Callable[[], bool],
        last: datetime | None,
        pieces: asyncio.Queue[bytes],
    ) -> None:
        """Fetch items in a task of their own, so that a stop need not wait for the next one."""
        try:
            async for item in items:
                if not goes_on():
                    return
                await pieces.put(_event(_since(item, last) if last else item))
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()

    def _ended(self, pump: asyncio.Task[None], pieces: asyncio.Queue[bytes]) -> None:
        self._pumps.discard(pump)
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
    """The item without the seconds that are known already."""
    missed = item.get("missed")
    if not isinstance(missed, list):
        return item
    return item | {"missed": [each for each in missed if (at := _instant(each["at"])) and at > last]}


def _instant(text: str) -> datetime | None:
    """An instant with an offset; None for any other text, since a wrong name of an event is no reason to tell less."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
