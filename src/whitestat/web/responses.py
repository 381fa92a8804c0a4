"""Responses: JSON, text that is made while it is sent, and errors with parameter and reason."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial
from hashlib import blake2b

from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from whitestat.core.errors import AnswerCancelled, LedgerError

Run = Callable[[Callable[[], str | None]], Awaitable[str | None]]
"""Runs a function in a thread."""

Texts = Mapping[str, str]
"""Checked parameters of a request, by their names."""

_log = logging.getLogger(__name__)

_FRESH = {"cache-control": "no-store"}
"""Not to be cached: the next second it is out of date."""

_KEPT = {"cache-control": "private, no-cache"}
"""To be stored by the client, which validates it with each request."""


def json_answer(content: object, status: int = 200, *, tagged: bool = False) -> Response:
    """Return the content as compact JSON, with an entity tag if `tagged`."""
    body = encoded(json.dumps(content, ensure_ascii=False, separators=(",", ":")))
    tag = {"etag": f'W/"{blake2b(body, digest_size=12).hexdigest()}"'} if tagged else {}
    return Response(body, status, _KEPT | tag if tagged else _FRESH, "application/json")


def fresh(text: str, media_type: str) -> Response:
    """Return text that is not to be cached."""
    return Response(encoded(text), 200, _FRESH, media_type)


def refused(parameter: str | None, reason: str, status: int = 400) -> Response:
    """Return `{"error": {"parameter": ..., "reason": ...}}`; the parameter is null if none is at fault."""
    return json_answer({"error": {"parameter": parameter, "reason": reason}}, status)


class InPieces(StreamingResponse):
    """Text that is made while it is sent: by threads, or else in the event loop."""

    def __init__(self, pieces: Iterator[str], headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(_one_by_one(pieces, None), 200, headers, media_type)
        self._pieces = pieces

    def made_by(self, in_thread: Run) -> InPieces:
        """Return the response with its text made in threads."""
        self.body_iterator = _one_by_one(self._pieces, in_thread)
        return self

    async def stream_response(self, send: Send) -> None:
        """Send the text. An answer that fails halfway ends without its last chunk, so that it is not taken for whole.

        RFC 9112, section 8. The server closes the connection.
        """
        try:
            await super().stream_response(send)
        except AnswerCancelled:
            return
        except LedgerError as fault:
            _log.warning("an answer ended early: %s", fault)


def in_pieces(pieces: Iterator[str], media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return text that is made while it is sent; with an entity tag in the headers, clients may store it."""
    headers = headers or {}
    return InPieces(pieces, {**(_KEPT if "etag" in headers else _FRESH), **headers}, media_type)


def unchanged(tag: str) -> Response:
    """Return 304: the client has the response with this entity tag (RFC 9110, section 15.4.5)."""
    return Response(None, 304, {**_KEPT, "etag": tag})


def has_tag(tags: str, tag: str) -> bool:
    """Return whether an If-None-Match contains the tag (weak comparison, RFC 9110, section 13.1.2)."""
    tag = tag.removeprefix("W/")
    return tags.strip() == "*" or tag in (item.strip().removeprefix("W/") for item in tags.split(","))


def encoded(text: str) -> bytes:
    """Return UTF-8; lone surrogates, which names on the network may contain, become question marks."""
    return text.encode("utf-8", "replace")


async def _one_by_one(pieces: Iterator[str], in_thread: Run | None) -> AsyncIterator[bytes]:
    # Each piece takes about a millisecond; live streams run between two of them.
    if in_thread is None:
        for piece in pieces:
            yield encoded(piece)
        return
    while (text := await in_thread(partial(next, pieces, None))) is not None:
        yield encoded(text)
