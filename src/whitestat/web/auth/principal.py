"""Authentication by control socket, token, session or open network, and the check of permissions."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable
from datetime import tzinfo
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Scope

from whitestat.core.calendar import instant_text
from whitestat.core.model import Network
from whitestat.web.auth.roles import MAY, Permission, Principal, Role
from whitestat.web.sources import Access

CONTROL = Principal(Role.OWNER, "owner", "owner")
"""Only root and the user of the service can open the control socket."""

SESSION = "whitestat"
"""Name of the session cookie; `cookie_name` has the one it has over TLS."""

_FORWARDED = frozenset(
    {
        "ali-cdn-real-ip",
        "cdn-loop",
        "cf-ray",
        "client-ip",
        "fastly-client-ip",
        "fly-client-ip",
        "forwarded",
        "forwarded-for",
        "front-end-https",
        "incap-client-ip",
        "proxy-client-ip",
        "remote-addr",
        "true-client-ip",
        "via",
        "wl-proxy-client-ip",
        "x-appengine-user-ip",
        "x-azure-clientip",
        "x-azure-socketip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-envoy-external-address",
        "x-proxyuser-ip",
        "x-real-ip",
        "x-scheme",
        "x-url-scheme",
    }
)
_FORWARDED_PREFIXES = ("x-forwarded", "x-original", "cf-connecting-ip", "cf-connecting-o2o")
"""Headers of proxies and content networks, by name and by the beginning of the name.

A request with one of them does not come from the address of the connection.
"""

_MOST_HOPS = 20


class ClientAddress(NamedTuple):
    """Address of a client, None if unknown, and whether a proxy forwarded the request."""

    address: IPv4Address | IPv6Address | None
    forwarded: bool


def sender(request: HTTPConnection, access: Access) -> ClientAddress:
    """Return the client's address. Only `proxies` are trusted: the last forwarded address that is none of theirs."""
    peer = _address(request.client.host) if request.client else None
    # A proxy without forwarding headers may be known by HTTP/1.0, as nginx uses it.
    old = request.scope.get("http_version") == "1.0"
    forwarded = old or any(map(_is_of_proxy, request.headers.keys()))
    if not forwarded or peer is None or not _in(peer, access.proxies):
        return ClientAddress(peer, forwarded)
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")[-_MOST_HOPS:]
    for hop in reversed(hops):
        peer = _address(hop.strip())
        if peer is None or not _in(peer, access.proxies):
            break
    return ClientAddress(peer, True)


def _is_of_proxy(name: str) -> bool:
    return name in _FORWARDED or name.startswith(_FORWARDED_PREFIXES)


def is_secure(scope: Scope, access: Access) -> bool:
    """Return whether a trusted proxy received the request by TLS."""
    request = HTTPConnection(scope)
    peer = _address(request.client.host) if request.client else None
    scheme = request.headers.get("x-forwarded-proto", "").strip().lower()
    return scheme == "https" and peer is not None and _in(peer, access.proxies)


def cookie_name(request: HTTPConnection, name: str) -> str:
    """Return the name of a cookie: another one over TLS than over plain HTTP, which share the cookies of a host.

    Browsers let no page of http:// replace a cookie that is `Secure`, so with one name a log-in at one would fail or
    end that at the other. Those of `__Secure-` come from TLS alone (RFC 6265bis, sections 4.1.3.1 and 5.7).
    """
    return f"__Secure-{name}" if request.scope.get("scheme") == "https" else name


def is_control(request: HTTPConnection) -> bool:
    """Return whether the request came over the control socket, which has a path and no port."""
    server = request.scope.get("server")
    return bool(server and server[1] is None)


def identify(request: HTTPConnection, access: Access, now_ms: int) -> Principal | None:
    """Return the principal, None if unknown. Raises HTTPException for an unknown token.

    A token goes before a session, and a session before an open network, so that a log-in is never ignored.
    """
    if is_control(request):
        return CONTROL
    given = request.headers.get("authorization")
    if given is not None:
        principal = access.accounts.by_token(_token(given), now_ms)
        if principal is None:
            raise HTTPException(401, "unknown or expired token", headers=challenge(request))
        return principal
    cookie = request.cookies.get(cookie_name(request, SESSION))
    if cookie and (logged_in := access.accounts.by_session(cookie, now_ms)):
        return logged_in
    return _of_network(sender(request, access), access)


def _of_network(of: ClientAddress, access: Access) -> Principal | None:
    if of.address is None or of.forwarded:
        return None
    if _in(of.address, access.edit):
        return Principal(Role.EDITOR, str(of.address))
    return Principal(Role.VIEWER, str(of.address)) if _in(of.address, access.open) else None


def identify_legacy(request: HTTPConnection, access: Access) -> Principal | None:
    """Return the principal for URLs of WhiteStat 5 from networks that need no log-in for them."""
    of = sender(request, access)
    is_open = of.address is not None and not of.forwarded and _in(of.address, access.open_v5)
    return Principal(Role.VIEWER, str(of.address)) if is_open else None


def principal_fields(principal: Principal, zone: tzinfo) -> dict[str, object]:
    """Return the principal as fields of JSON."""
    return {
        "name": principal.name,
        "role": str(principal.role),
        "person": principal.person,
        "can_edit": principal.can_edit,
        "expires": None if principal.expires_ms is None else instant_text(principal.expires_ms // 1000, zone),
    }


def require(request: HTTPConnection, permission: Permission, principal: Principal | None) -> None:
    """Raise HTTPException if the permission is missing: 401 if not logged in, 403 for a wrong role."""
    if permission is Permission.ANYBODY:
        return
    if principal is None:
        raise HTTPException(401, "log in first, or send a token", headers=challenge(request))
    if principal.role not in MAY[permission]:
        person = f"the person {principal.person}" if principal.person else "a person who was removed"
        role = person if principal.role is Role.PERSON else principal.role
        raise HTTPException(403, f"{principal.by} has the role {role}; this is only for {permission}")


def require_confirmed(principal: Principal | None, access: Access, now_ms: int) -> None:
    """Raise HTTPException 403 unless the password was given again: a stolen session must not lock the owner out."""
    if principal is CONTROL or (principal and access.accounts.is_confirmed(principal.session, now_ms)):
        return
    raise HTTPException(403, "give your password again first: /api/v1/me/confirm; it holds for 5 minutes")


def challenge(request: HTTPConnection) -> dict[str, str]:
    """Return how to authenticate (RFC 9110, section 11.6.1), without Basic for browsers, which would show a dialog."""
    browser = request.headers.get("user-agent", "").startswith("Mozilla/5")
    basic = "" if browser else ', Basic realm="WhiteStat: a token as the password"'
    return {"www-authenticate": f"Bearer{basic}"}


def _token(given: str) -> str:
    """Return the token of an Authorization header: Bearer (RFC 6750), or the password of Basic (RFC 7617)."""
    scheme, _, text = given.partition(" ")
    if scheme.lower() == "basic":
        try:
            return b64decode(text.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return text if scheme.lower() == "bearer" else ""


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address without a port; IPv4 that is mapped into IPv6 as IPv4. None for other texts."""
    if text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _in(address: IPv4Address | IPv6Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)
