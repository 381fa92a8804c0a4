"""What a form of one of our own pages sends."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

from whitestat.web.auth.same_origin import from_our_pages

MOST_OCTETS = 8_192
MOST_FIELDS = 10


async def read_form(request: Request) -> dict[str, str]:
    """The fields; of those given twice the last. HTTPException for what is no form, or another site's."""
    from_our_pages(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "must be sent as a form")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_OCTETS:
            raise HTTPException(413, f"more than {MOST_OCTETS} octets")
    try:
        found = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise HTTPException(400, "is not a form") from None
    return {name: values[-1] for name, values in found.items()}
