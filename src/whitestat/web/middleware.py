"""Middleware: refuses foreign host names, adds security headers, and handles the base path."""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whitestat.web.auth.principal import is_control, is_secure
from whitestat.web.responses import refused
from whitestat.web.sources import Access

_PRIVATE_SUFFIXES = ("", ".local", ".lan", ".home", ".home.arpa", ".internal", ".localdomain")
"""Domains of home routers, which cannot be registered on the Internet (RFC 6762, 8375)."""

_HSTS = "max-age=31536000"
"""A year. Not for host names below this one, which other machines may have."""

_HOST = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[^:\[\]]*))(?::[0-9]{1,5})?")


def security_headers(script_hash: str) -> dict[str, str]:
    """Return the headers of all responses; `script_hash` allows the page's one inline script, the import map."""
    policy = {
        "default-src": "'none'",
        "script-src": f"'self' '{script_hash}'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "font-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }


def own_names() -> frozenset[str]:
    """Return the host names of this machine."""
    names = {socket.gethostname().lower(), socket.gethostname().lower().partition(".")[0]} - {""}
    return frozenset({"localhost", *(name + suffix for name in names for suffix in _PRIVATE_SUFFIXES)})


def is_own(host: str, names: frozenset[str]) -> bool:
    """Return whether a Host header is an IP address or a name of this machine.

    With a foreign name that resolves to this machine, a page on the Internet could read responses through a browser of
    the household (DNS rebinding).
    """
    match = _HOST.fullmatch(host)
    if not match:
        return False
    name = (match["six"] or match["name"]).lower().removesuffix(".")
    return name in names or _is_address(name)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class SecurityMiddleware:
    """Refuses requests to foreign host names, adds headers to all responses, and the base path to all paths."""

    def __init__(self, app: ASGIApp, headers: dict[str, str], access: Access) -> None:
        self._app = app
        self._headers = headers
        self._names = own_names() | {name.lower() for name in access.names}
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                if scope["scheme"] == "https" and self._access.https.hsts:
                    headers["strict-transport-security"] = _HSTS
            await send(message)

        host = Headers(scope=scope).get("host", "")
        if is_own(host, self._names):
            based = self._based(scope)
            answer = self._to_tls(scope, host) or based
            await answer(scope, receive, send_with_headers)
            return
        advice = "open WhiteStat by its IP address or host name, or add the name to web.names"
        reason = f"not a name of this machine: {host[:100]!r}; {advice}"
        await refused("host", reason)(scope, receive, send_with_headers)

    def _to_tls(self, scope: Scope, host: str) -> ASGIApp | None:
        """Return the redirect of a request by plain HTTP where TLS is wanted; the control socket needs none."""
        https = self._access.https
        if not https.only or scope["scheme"] == "https" or is_control(HTTPConnection(scope)):
            return None
        name = host.rpartition(":")[0] if re.search(r":[0-9]*$", host) else host
        port = "" if https.port == 443 else f":{https.port}"
        query = scope.get("query_string", b"").decode("latin-1")
        path = quote(scope["path"], safe="/:@!$&'()*+,;=~-._")
        return RedirectResponse(f"https://{name}{port}{path}{query and f'?{query}'}", 308)

    def _based(self, scope: Scope) -> ASGIApp:
        """Accept paths with and without the base: some proxies remove it."""
        if is_secure(scope, self._access):
            scope["scheme"] = "https"
        base = self._access.base
        if not base:
            return self._app
        if scope["path"] == base:
            return RedirectResponse(f"{base}/", 308)
        scope["root_path"] = base
        if not scope["path"].startswith(f"{base}/"):
            scope["path"] = base + scope["path"]
        return self._app
