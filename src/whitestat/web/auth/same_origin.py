"""Protection of requests that change something from pages of other sites (CSRF)."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request


def require_same_origin(request: Request) -> None:
    """Raise HTTPException 403 for a request from a page of another site, by Origin and Fetch Metadata.

    Fetch Standard, section 3.2. Session cookies are also `SameSite=Strict`; open networks have no cookie.
    """
    headers = request.headers
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        raise HTTPException(403, f"comes from another site: origin {origin[:100]!r}, host {host[:100]!r}")
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "comes from another site")


def require_json(request: Request) -> None:
    """Raise HTTPException 415 unless the body is JSON, which a form of another site cannot send."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "must be sent as application/json")
