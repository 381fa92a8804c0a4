"""The forms an answer takes: JSON, text in pieces, and a refusal that names the parameter and the reason."""

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
"""No cache keeps an answer, since the next second it is old."""

_KEPT = {"cache-control": "private, no-cache"}
"""The asker may keep it, and asks each time whether it is the answer still."""


def json_answer(content: object, status: int = 200, *, tagged: bool = False) -> Response:
    """The content as compact JSON; with an entity tag, askers keep it."""
    body = encoded(json.dumps(content, ensure_ascii=False, separators=(",", ":")))
    tag = {"etag": f'W/"{blake2b(body, digest_size=12).hexdigest()}"'} if tagged else {}
    return Response(body, status, _KEPT | tag if tagged else _FRESH, "application/json")


def fresh(text: str, media_type: str) -> Response:
    """Text that no cache keeps."""
    return Response(encoded(text), 200, _FRESH, media_type)


def refused(parameter: str | None, reason: str, status: int = 400) -> Response:
    """`{"error": {"parameter": ..., "reason": ...}}`; the parameter is null where none is at fault."""
    return json_answer({"error": {"parameter": parameter, "reason": reason}}, status)


class InPieces(StreamingResponse):
    """Text that is made while it is sent; with an executor, each piece is made by that, and else by the loop."""

    def __init__(self, pieces: Iterator[str], headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(_one_by_one(pieces, None), 200, headers, media_type)
        self._pieces = pieces

    def made_by(self, executor: Executor) -> InPieces:
        self.body_iterator = _one_by_one(self._pieces, executor)
        return self


def in_pieces(pieces: Iterator[str], media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """Text that is made while it is sent; where it has an entity tag, askers keep it."""
    headers = headers or {}
    return InPieces(pieces, {**(_KEPT if "etag" in headers else _FRESH), **headers}, media_type)


def unchanged(tag: str) -> Response:
    """The asker has the answer of this entity tag (RFC 9110, section 15.4.5)."""
    return Response(None, 304, {**_KEPT, "etag": tag})


def has_tag(tags: str, tag: str) -> bool:
    """Whether an If-None-Match holds the tag (weak comparison, RFC 9110, section 13.1.2)."""
    tag = tag.removeprefix("W/")
    return tags.strip() == "*" or tag in (each.strip().removeprefix("W/") for each in tags.split(","))


def encoded(text: str) -> bytes:
    """UTF-8; half of a surrogate pair, which a name on the network may hold, becomes a question mark."""
    return text.encode("utf-8", "replace")


async def _one_by_one(pieces: Iterator[str], executor: Executor | None) -> AsyncIterator[bytes]:
    # Each piece takes about a millisecond, and between two of them the live streams get their turn.
    if executor is None:
        for piece in pieces:
            yield encoded(piece)
        return
    loop = asyncio.get_running_loop()

    def following() -> str | None:
        return next(pieces, None)

    while (made := await loop.run_in_executor(executor, following)) is not None:
        yield encoded(made)
