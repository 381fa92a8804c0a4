"""The forms an answer takes: JSON, text in pieces, and a refusal that names the parameter and the reason."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

from starlette.responses import Response, StreamingResponse

_FRESH = {"cache-control": "no-store"}
"""No cache keeps an answer, since the next second it is old."""


def json_answer(content: object, status: int = 200) -> Response:
    """The content as compact JSON."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Response(encoded(text), status, _FRESH, "application/json")


def fresh(text: str, media_type: str) -> Response:
    """Text that no cache keeps."""
    return Response(encoded(text), 200, _FRESH, media_type)


def refused(parameter: str | None, reason: str, status: int = 400) -> Response:
    """`{"error": {"parameter": ..., "reason": ...}}`; the parameter is null where none is at fault."""
    return json_answer({"error": {"parameter": parameter, "reason": reason}}, status)


def in_pieces(pieces: Iterator[str], media_type: str, file_name: str | None = None) -> Response:
    """Text that is made while it is sent; with a file name, browsers save it under that."""
    saved = {"content-disposition": f'attachment; filename="{file_name}"'} if file_name else {}
    return StreamingResponse(_one_by_one(pieces), 200, _FRESH | saved, media_type)


def encoded(text: str) -> bytes:
    """UTF-8; half of a surrogate pair, which a name on the network may hold, becomes a question mark."""
    return text.encode("utf-8", "replace")


async def _one_by_one(pieces: Iterator[str]) -> AsyncIterator[bytes]:
    # Each piece takes about a millisecond, and between two of them the live streams get their turn.
    for piece in pieces:
        yield encoded(piece)
