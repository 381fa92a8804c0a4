"""Router advertisements (RFC 4861, section 4.2): which IPv6 networks are on a link; pure."""

from __future__ import annotations

from ipaddress import IPv6Network
from struct import Struct

from whitestat.attribution.evidence import Prefix
from whitestat.core.model import Mac

_OPTIONS_AT = 16
_PREFIX = Struct("!BBBBII4x16s")  # type, length, prefix length, flags, valid, preferred, prefix
_PREFIX_TYPE = 3
_ON_LINK, _AUTONOMOUS = 0x80, 0x40
_PREFIXES_MAX = 16


def decode(message: bytes, router: Mac) -> list[Prefix]:
    """The prefixes in an ICMPv6 message of type 134; a lifetime of 0 withdraws one."""
    if len(message) < _OPTIONS_AT or message[0] != 134 or message[1] != 0:
        return []
    prefixes: list[Prefix] = []
    at = _OPTIONS_AT
    while at + 2 <= len(message) and message[at + 1] and len(prefixes) < _PREFIXES_MAX:
        length = message[at + 1] * 8
        if message[at] == _PREFIX_TYPE and length == _PREFIX.size and at + length <= len(message):
            _, _, bits, flags, valid_s, _, prefix = _PREFIX.unpack_from(message, at)
            # Only global space: link-local and private space is local without anybody's word. Only what a link
            # has: whoever advertises a provider's whole network would make the outside look local.
            if flags & (_ON_LINK | _AUTONOMOUS) and 64 <= bits <= 128 and prefix[0] >> 5 == 1:
                prefixes.append(Prefix(IPv6Network((prefix, bits), strict=False), valid_s, router))
        at += length
    return prefixes
