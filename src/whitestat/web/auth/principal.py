"""Who sends a request: by the control socket, a token, a session, or an open network; and whether he may have it."""

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
"""Who can open the control socket is the service's user or root."""

SESSION = "whitestat"
"""The cookie of a session."""

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""What a proxy says of whom it asks for; such a request is not that of the address it comes from."""

_MOST_HOPS = 20


class ClientAddress(NamedTuple):
    """Where a request is from. `address` is None where nobody knows."""

    address: IPv4Address | IPv6Address | None
    forwarded: bool


def sender(request: HTTPConnection, access: Access) -> ClientAddress:
    """Whom a proxy asks for is believed of `proxies` alone: the last address that is none of theirs."""
    peer = _address(request.client.host) if request.client else None
    # A proxy that says nothing of whom it asks for may tell by the old HTTP that it speaks, as nginx does.
    old = request.scope.get("http_version") == "1.0"
    forwarded = old or any(name in request.headers for name in _FORWARDED)
    if not forwarded or peer is None or not _in(peer, access.proxies):
        return ClientAddress(peer, forwarded)
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")[-_MOST_HOPS:]
    for hop in reversed(hops):
        peer = _address(hop.strip())
        if peer is None or not _in(peer, access.proxies):
            break
    return ClientAddress(peer, True)


def is_secure(scope: Scope, access: Access) -> bool:
    """Whether a proxy that is believed says that it was asked by TLS."""
    request = HTTPConnection(scope)
    peer = _address(request.client.host) if request.client else None
    said = request.headers.get("x-forwarded-proto", "").strip().lower()
    return said == "https" and peer is not None and _in(peer, access.proxies)


def is_control(request: HTTPConnection) -> bool:
    """A path and no port: the socket that only the service's user can open."""
    server = request.scope.get("server")
    return bool(server and server[1] is None)


def identify(request: HTTPConnection, access: Access, now_ms: int) -> Principal | None:
    """Who asks; None for nobody who is known. HTTPException for a token that is none.

    A token goes before a session, and that before an open network, so that who logs in sees what is his.
    """
    if is_control(request):
        return CONTROL
    given = request.headers.get("authorization")
    if given is not None:
        found = access.accounts.by_token(_token(given))
        if found is None:
            raise HTTPException(401, "the token is not known here", headers=challenge(request))
        return found
    cookie = request.cookies.get(SESSION)
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
    """Who asks for what WhiteStat 5 had, from where that needs no log-in."""
    of = sender(request, access)
    is_open = of.address is not None and not of.forwarded and _in(of.address, access.open_v5)
    return Principal(Role.VIEWER, str(of.address)) if is_open else None


def principal_fields(principal: Principal, zone: tzinfo) -> dict[str, object]:
    """What the asker is told of himself."""
    return {
        "name": principal.name,
        "role": str(principal.role),
        "person": principal.person,
        "can_edit": principal.can_edit,
        "expires": None if principal.expires_ms is None else instant_text(principal.expires_ms // 1000, zone),
    }


def require(request: HTTPConnection, who: Permission, principal: Principal | None) -> None:
    """HTTPException where the asker may not have it: 401 for nobody, 403 for somebody else."""
    if who is Permission.ANYBODY:
        return
    if principal is None:
        raise HTTPException(401, "log in first, or send a token", headers=challenge(request))
    if principal.role not in MAY[who]:
        may = (
            "may look and not edit" if who is Permission.EDITORS else f"is {_called(principal)}, and this is for {who}"
        )
        raise HTTPException(403, f"{principal.by} {may}; log in as somebody who may")


def challenge(request: HTTPConnection) -> dict[str, str]:
    """How to ask (RFC 9110, section 11.6.1). Browsers are not told of Basic: they would ask for it themselves."""
    browser = request.headers.get("user-agent", "").startswith("Mozilla/5")
    basic = "" if browser else ', Basic realm="WhiteStat: a token as the password"'
    return {"www-authenticate": f"Bearer{basic}"}


def _called(principal: Principal) -> str:
    return f"the person {principal.person}" if principal.role is Role.PERSON else str(principal.role)


def _token(given: str) -> str:
    """That of an Authorization header: Bearer (RFC 6750), or the password of Basic (RFC 7617)."""
    scheme, _, text = given.partition(" ")
    if scheme.lower() == "basic":
        try:
            return b64decode(text.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return text if scheme.lower() == "bearer" else ""


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An IPv4 address that comes mapped into IPv6 as itself; a port behind it, as some proxies write, is left out."""
    if text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return (isinstance(found, IPv6Address) and found.ipv4_mapped) or found


def _in(address: IPv4Address | IPv6Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)
