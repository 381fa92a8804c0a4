"""Whether a request that changes something comes from our own pages, or from no browser's page at all."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request


def from_our_pages(request: Request) -> None:
    """HTTPException where a page of another site sent it: browsers say where a request is from (Fetch Metadata).

    Fetch Standard, section 3.2. Session cookies are `SameSite=Strict` besides; open networks have none.
    """
    headers = request.headers
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        raise HTTPException(403, f"comes from another site: origin {origin[:100]!r}, host {host[:100]!r}")
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "comes from another site")


def as_json(request: Request) -> None:
    """HTTPException unless it is sent as JSON, which no form can, and no page of another origin without asking."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "must be sent as application/json")
