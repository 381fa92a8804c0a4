"""Fields of an HTML form from one of our own pages."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

from whitestat.web.auth.same_origin import require_same_origin

MOST_OCTETS = 8_192
MOST_FIELDS = 10


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields, of repeated ones the last. Raises HTTPException for other bodies and other sites."""
    require_same_origin(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "must be sent as a form")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_OCTETS:
            raise HTTPException(413, f"more than {MOST_OCTETS} octets")
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise HTTPException(400, "is not a form") from None
    return {name: values[-1] for name, values in fields.items()}
