"""Names that hosts announce themselves: multicast DNS (RFC 6762) and LLMNR (RFC 4795); pure.

Only addresses with their names are read from an answer (A and AAAA records, RFC 1035 and RFC 3596).
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from whitestat.attribution.evidence import Evidence, first_label
from whitestat.core.model import Address, Mac
from whitestat.core.units import MAPPED_IPV4

_HEADER = Struct("!2xHHHHH")  # flags; questions, answers, authorities, additional records
_RECORD = Struct("!HHIH")  # type, class, time to live, length
_RESPONSE = 0x8000
_A, _AAAA = 1, 28

RECORDS_MAX = 64
LABELS_MAX = 127
"""As many as fit into a name; that of an IPv6 address (RFC 3596, section 2.5) has 34."""
NAME_OCTETS_MAX = 255


def decode(message: bytes, source: str, sender: Mac, sender_address: Address, at_ms: int) -> list[Evidence]:
    """Names with their addresses in an answer; the sender's MAC where it speaks of itself.

    A host that answers for another (a sleep proxy, a reflector) does not lend it its MAC: an answer
    belongs to its sender when the sender's own address is in it.
    """
    pairs = list(dict.fromkeys(_addresses(message)))
    own = {name for name, address in pairs if address == sender_address}
    return [
        Evidence(source, at_ms, sender if name in own else None, address, first_label(name))
        for name, address in pairs
        if first_label(name)
    ]


def _addresses(message: bytes) -> Iterator[tuple[str, Address]]:
    if len(message) < _HEADER.size:
        return
    flags, questions, *records = _HEADER.unpack_from(message)
    if not flags & _RESPONSE:
        return
    at = _HEADER.size
    for _ in range(min(questions, RECORDS_MAX)):
        name, at = name_at(message, at)
        if name is None:
            return
        at += 4
    for _ in range(min(sum(records), RECORDS_MAX)):
        name, at = name_at(message, at)
        if name is None or at + _RECORD.size > len(message):
            return
        kind, _, lives_s, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        value = message[at : at + length]
        at += length
        if at > len(message):
            return
        if not lives_s:  # a farewell (RFC 6762, section 10.1)
            continue
        if kind == _A and length == 4:
            yield name, MAPPED_IPV4 + value
        elif kind == _AAAA and length == 16:
            yield name, value


def name_at(message: bytes, at: int) -> tuple[str | None, int]:
    """The name at `at` and where what follows it begins (RFC 1035, 4.1.4); None where it is none.

    Pointers lead backwards alone, so a name that points at itself ends.
    """
    labels: list[str] = []
    octets, end, least = 0, None, at
    while at < len(message) and len(labels) <= LABELS_MAX:
        length = message[at]
        if length == 0:
            return ".".join(labels), (at + 1 if end is None else end)
        if length & 0xC0 == 0xC0:
            if at + 2 > len(message):
                break
            end = at + 2 if end is None else end
            at = (length & 0x3F) << 8 | message[at + 1]
            if at >= least:
                break
            least = at
            continue
        label = message[at + 1 : at + 1 + length]
        octets += length + 1
        if length > 63 or len(label) < length or octets > NAME_OCTETS_MAX:
            break
        labels.append(label.decode("utf-8", "replace"))
        at += 1 + length
    return None, len(message)
