"""Who may change something: the owner over the control socket, else networks of `[web] edit`, from our own pages."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.exceptions import HTTPException
from starlette.requests import Request

OWNER = "owner"
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""What a proxy says of whom it asks for; such a request is not that of the address it comes from."""


def editor(request: Request, networks: Sequence[IPv4Network | IPv6Network]) -> str:
    """Who edits, for the list of edits. HTTPException says why he may not.

    A page of another origin cannot send JSON without being asked first, which nobody answers, and browsers say
    where a request is from (Fetch Metadata, Fetch Standard section 3.2).
    """
    headers = request.headers
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "must be sent as application/json")
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        raise HTTPException(403, "comes from another site")
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "comes from another site")
    server = request.scope.get("server")
    if server and server[1] is None:  # a path and no port: the socket that only the service's user can open
        return OWNER
    return _address(request, networks)


def _address(request: Request, networks: Sequence[IPv4Network | IPv6Network]) -> str:
    if any(name in request.headers for name in _FORWARDED):
        raise HTTPException(403, "comes through a proxy, and who is behind it is not known; edit on the machine itself")
    if request.client is None:
        raise HTTPException(403, "nobody knows where this comes from")
    address = ip_address(request.client.host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if not any(address in network for network in networks):
        raise HTTPException(
            403, f"{address} may look and not edit; edit on the machine itself, or name its network in web.edit"
        )
    return str(address)
