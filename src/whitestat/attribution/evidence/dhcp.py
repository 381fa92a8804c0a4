"""DHCP for IPv4 (RFC 2131, RFC 2132): what a client calls itself, and which address it was given; pure."""

from __future__ import annotations

from struct import Struct

from whitestat.attribution.evidence import IDENTITY_MAX, Evidence, first_label, text_of
from whitestat.attribution.evidence.dns import name_at
from whitestat.core.units import MAPPED_IPV4

_HEADER = Struct("!BBBx4x4x4x4s4x4x16s64s128sI")
"""op, hardware type, hardware address length, address given, hardware address, two spare fields, cookie."""
_COOKIE = 0x63825363

_PAD, _HOST_NAME, _LEASE_TIME, _OVERLOAD, _TYPE = 0, 12, 51, 52, 53
_VENDOR_CLASS, _CLIENT, _FULL_NAME, _END = 60, 61, 81, 255
_DISCOVER, _REQUEST, _ACK, _INFORM = 1, 3, 5, 8
_LEASE_FOR_EVER = 0xFFFFFFFF


def decode(message: bytes, at_ms: int) -> Evidence | None:
    """What a request says of its sender, or an acknowledgement of the address it gives; None for all else."""
    if len(message) < _HEADER.size:
        return None
    op, hardware, length, given, address, server, file, cookie = _HEADER.unpack_from(message)
    if cookie != _COOKIE or (hardware, length) != (1, 6):
        return None
    mac = address[:6]
    options = _options(message[_HEADER.size :], file, server)
    kind = options.get(_TYPE, b"")[:1]
    if op == 1 and kind in (bytes([_DISCOVER]), bytes([_REQUEST]), bytes([_INFORM])):
        return Evidence(
            "dhcp",
            at_ms,
            mac,
            name=_name(options),
            client=options.get(_CLIENT, b"")[:IDENTITY_MAX] or None,
            vendor_class=text_of(options.get(_VENDOR_CLASS, b"")),
        )
    if op == 2 and kind == bytes([_ACK]) and any(given):
        lease_s = int.from_bytes(options.get(_LEASE_TIME, b"")[:4], "big")
        ends = 0 < lease_s < _LEASE_FOR_EVER
        # The name in an acknowledgement is the server's; it is as good as the client's own.
        return Evidence(
            "dhcp", at_ms, mac, MAPPED_IPV4 + given, _name(options), until_ms=at_ms + lease_s * 1000 if ends else None
        )
    return None


def _options(field: bytes, file: bytes, server: bytes) -> dict[int, bytes]:
    """Options by code; parts of a long one are joined (RFC 3396), spare fields taken in where one says so."""
    options: dict[int, bytes] = {}
    _read(field, options)
    overload = options.get(_OVERLOAD, b"\x00")[:1]
    if overload in (b"\x01", b"\x03"):
        _read(file, options)
    if overload in (b"\x02", b"\x03"):
        _read(server, options)
    return options


def _read(field: bytes, into: dict[int, bytes]) -> None:
    at = 0
    while at < len(field) and field[at] != _END:
        if field[at] == _PAD:
            at += 1
            continue
        if at + 2 > len(field):
            return
        code, length = field[at], field[at + 1]
        value = field[at + 2 : at + 2 + length]
        if len(value) < length:  # cut short: nothing behind it can be believed
            return
        into[code] = into.get(code, b"") + value
        at += 2 + length


def _name(options: dict[int, bytes]) -> str | None:
    """The host name (option 12), else the first label of the full name (option 81, RFC 4702)."""
    own = text_of(options.get(_HOST_NAME, b""))
    if own:
        return first_label(own) or None
    full = options.get(_FULL_NAME, b"")
    if len(full) < 4:
        return None
    encoded = full[0] & 0x04  # section 2.1: the name is in the form of the DNS
    name = name_at(full, 3)[0] if encoded else text_of(full[3:])
    return (first_label(name) or None) if name else None
