"""Responses: JSON, text that is made while it is sent, and errors with parameter and reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Executor
from hashlib import blake2b

from starlette.responses import Response, StreamingResponse

Texts = Mapping[str, str]
"""Checked parameters of a request, by their names."""

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
    """Text that is made while it is sent: by an executor, or else in the event loop."""

    def __init__(self, pieces: Iterator[str], headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(_one_by_one(pieces, None), 200, headers, media_type)
        self._pieces = pieces

    def made_by(self, executor: Executor) -> InPieces:
        """Return the response with its text made by the executor."""
        self.body_iterator = _one_by_one(self._pieces, executor)
        return self


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


async def _one_by_one(pieces: Iterator[str], executor: Executor | None) -> AsyncIterator[bytes]:
    # Each piece takes about a millisecond; live streams run between two of them.
    if executor is None:
        for piece in pieces:
            yield encoded(piece)
        return
    loop = asyncio.get_running_loop()

    def following() -> str | None:
        return next(pieces, None)

    while (text := await loop.run_in_executor(executor, following)) is not None:
        yield encoded(text)
