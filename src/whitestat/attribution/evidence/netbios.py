"""NetBIOS names (RFC 1002): what a Windows machine, a printer or a scanner registers itself as; pure."""

from __future__ import annotations

from struct import Struct

from whitestat.attribution.evidence import Evidence
from whitestat.core.model import Mac
from whitestat.core.units import MAPPED_IPV4

_HEADER = Struct("!2xHH4xH")  # flags, questions, additional records
_REGISTRATIONS = frozenset((5, 8, 9, 15))
"""Operations: registration, refresh (two codes are in use) and multihomed registration (section 4.2.1.1)."""
_NAME_AT = 12
_RECORD_AT = _NAME_AT + 34 + 4 + 2
"""Behind the question's name of 34 octets, its type and class, and a pointer to that name (section 4.2.2)."""
_RECORD = Struct("!HHIHH4s")  # type, class, time to live, length, flags, address
_GROUP = 0x8000
_WORKSTATION, _SERVER = 0x00, 0x20


def decode(message: bytes, sender: Mac, at_ms: int) -> Evidence | None:
    """The name its sender registers for itself; None for groups, services and all else."""
    if len(message) < _RECORD_AT + _RECORD.size:
        return None
    flags, questions, additional = _HEADER.unpack_from(message)
    if flags & 0x8000 or flags >> 11 & 0x0F not in _REGISTRATIONS or not questions or not additional:
        return None
    name = _name(message[_NAME_AT : _NAME_AT + 34])
    kind, _, _, _, of, address = _RECORD.unpack_from(message, _RECORD_AT)
    if name is None or kind != 0x20 or of & _GROUP:
        return None
    return Evidence("netbios", at_ms, sender, MAPPED_IPV4 + address, name)


def _name(encoded: bytes) -> str | None:
    """Sixteen octets as pairs of the letters A to P (RFC 1001, section 14.1); the last one tells the service."""
    letters = encoded[1:33]
    if encoded[0] != 32 or encoded[33] != 0 or any(not 0x41 <= letter <= 0x50 for letter in letters):
        return None
    plain = bytes((high - 0x41) << 4 | low - 0x41 for high, low in zip(letters[::2], letters[1::2], strict=True))
    if plain[15] not in (_WORKSTATION, _SERVER):
        return None
    return plain[:15].decode("cp437").strip(" \x00") or None
