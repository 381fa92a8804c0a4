"""DHCP for IPv6 (RFC 8415): the DUID of a client, its name (RFC 4704) and the addresses it was given; pure."""

from __future__ import annotations

from collections.abc import Iterator

from whitestat.attribution.evidence import IDENTITY_MAX, Evidence, first_label
from whitestat.attribution.evidence.dns import name_at
from whitestat.core.model import Mac

_FROM_CLIENT = frozenset((1, 3, 4, 5, 6, 8, 11))  # solicit, request, confirm, renew, rebind, release, information
_REPLY = 7
_CLIENT, _ADDRESSES, _ADDRESS, _FULL_NAME = 1, 3, 5, 39
_ADDRESSES_MAX = 16
_FOR_EVER = 0xFFFFFFFF


def decode(message: bytes, client: Mac, at_ms: int) -> list[Evidence]:
    """`client` is the link address at the client's end: the sender of a request, the receiver of a reply."""
    if len(message) < 4 or (message[0] not in _FROM_CLIENT and message[0] != _REPLY):
        return []
    options = dict(reversed(list(_options(message, 4, len(message)))))  # the first of each counts
    duid = message[slice(*options[_CLIENT])][:IDENTITY_MAX] if _CLIENT in options else b""
    if not duid:
        return []
    start, end = options.get(_FULL_NAME, (0, 0))
    full = name_at(message[start + 1 : end], 0)[0] if end > start + 1 else None
    name = (first_label(full) or None) if full else None
    claim = Evidence("dhcp", at_ms, client, name=name, client=_identity(message, options, duid))
    if message[0] != _REPLY:
        return [claim]
    given = [
        claim._replace(address=address, until_ms=at_ms + valid_s * 1000 if valid_s < _FOR_EVER else None)
        for address, valid_s in _given(message)
    ]
    return given[:_ADDRESSES_MAX] or [claim]


def _identity(message: bytes, options: dict[int, tuple[int, int]], duid: bytes) -> bytes | None:
    """The form of RFC 4361: the same for both families; without an association there is no interface to name."""
    start, end = options.get(_ADDRESSES, (0, 0))
    return b"\xff" + message[start : start + 4] + duid if end - start >= 12 else None


def _options(message: bytes, at: int, end: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Code, and where the value begins and ends (section 21.1); what is cut short ends it."""
    while at + 4 <= end:
        code, length = int.from_bytes(message[at : at + 2], "big"), int.from_bytes(message[at + 2 : at + 4], "big")
        if at + 4 + length > end:
            return
        yield code, (at + 4, at + 4 + length)
        at += 4 + length


def _given(message: bytes) -> Iterator[tuple[bytes, int]]:
    """Addresses with their valid lifetime in seconds: section 21.4, and 21.6 within it."""
    for code, (start, end) in _options(message, 4, len(message)):
        if code != _ADDRESSES:
            continue
        for inner, (at, last) in _options(message, start + 12, end):
            if inner == _ADDRESS and last - at >= 24:
                valid_s = int.from_bytes(message[at + 20 : at + 24], "big")
                if valid_s:
                    yield message[at : at + 16], valid_s
