"""The page to make a phone or computer trust the installation's certificate authority, without a script."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from whitestat.web.route import RequestContext

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def template() -> Template:
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        autoescape=True, loader=PackageLoader("whitestat.web"), trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("https.html")


async def show(context: RequestContext) -> Response:
    """Return the page; it tells an attacker nothing that the certificate does not."""
    from whitestat.web.tls.store import fingerprint

    request, https = context.request, context.sources.access.https
    host = request.headers.get("host", "")
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    values = {
        "base": context.sources.base,
        "fingerprint": fingerprint(https.authority) if https.authority else "",
        "by_tls": request.url.scheme == "https",
        "address": f"https://{name}{'' if https.port == 443 else f':{https.port}'}{context.sources.base}/",
        "port": https.port,
    }
    return HTMLResponse(template().render(values), 200, {"cache-control": "no-store"})


async def certificate_der(context: RequestContext) -> Response:
    """Return the authority's certificate as phones and Windows take it (RFC 2585, section 4)."""
    from whitestat.web.tls.store import der

    return _file(der(_authority(context)), "application/x-x509-ca-cert", "crt")


async def certificate_pem(context: RequestContext) -> Response:
    """Return the authority's certificate as text (RFC 7468)."""
    return _file(_authority(context).encode(), "application/x-pem-file", "pem")


def _authority(context: RequestContext) -> str:
    authority = context.sources.access.https.authority
    if not authority:
        raise HTTPException(404, "there is no certificate authority: HTTPS is off, or has a certificate of its own")
    return authority


def _file(content: bytes, media_type: str, ending: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="whitestat.{ending}"', "cache-control": "no-store"}
    return Response(content, 200, headers, media_type)
