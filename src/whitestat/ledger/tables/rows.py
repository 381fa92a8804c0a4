"""The ledger's values as rows of its tables, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from whitestat.core.model import Audit, CounterReading, Counts, Episode, FlowKey, Scope
from whitestat.ledger.tables.flush import DeviceRecord

SCOPES = (Scope.WAN, Scope.LAN)
"""A scope's number in the database is its place here."""

_SIGN = 1 << 63
_MASK = (1 << 64) - 1

SqlRow = tuple[int | str | bytes | None, ...]


def device_row(device: DeviceRecord) -> SqlRow:
    return device.id, _storable(device.name), device.name_source, _storable(device.person)


def episode_row(episode: Episode) -> SqlRow:
    """The last column is a first guess at when it was last seen."""
    last_seen_ms = episode.start_ms if episode.end_ms is None else episode.end_ms
    address = episode.address
    return episode.id, episode.device, episode.mac, address, episode.start_ms, episode.end_ms, last_seen_ms


def reading_row(point: int, reading: CounterReading) -> SqlRow:
    """What the key leaves open is x'' or -1, since it is part of a primary key."""
    key = reading.key
    names = (key.mac or b"", key.address or b"", key.peer_mac or b"", key.peer or b"")
    numbers = (_number(key.protocol), _number(key.service), key.vlan)
    totals = (_signed(total) for total in reading.counts)
    return (point, *names, *numbers, *totals, reading.at_ms, reading.epoch, reading.width)


def reading_of(row: Sequence[Any]) -> CounterReading:
    """From the columns of `reading_row`, with the point's name in front."""
    point, mac, address, peer_mac, peer, protocol, service, vlan, *totals = row
    names = [text or None for text in (mac, address, peer_mac, peer)]
    numbers = [None if number < 0 else number for number in (protocol, service)]
    at_ms, epoch, width = totals[5:]
    key = FlowKey._make([point, *names, *numbers, vlan])
    return CounterReading(key, Counts(*(total & _MASK for total in totals[:5])), at_ms, epoch, width)


def audit_text(audit: Audit) -> str:
    return json.dumps(audit._asdict())


def audit_of(text: str) -> Audit | None:
    """None for an audit of another release that cannot be this one's: the next one is then the first."""
    fields = json.loads(text)
    missing, unknown = set(Audit._fields) - set(fields), set(fields) - set(Audit._fields)
    if unknown or missing - set(Audit._field_defaults):
        return None
    return Audit(**{name: _counts(field) for name, field in fields.items()})


def _counts(field: Any) -> Any:
    return Counts(*field) if isinstance(field, list) else field


def _number(number: int | None) -> int:
    return -1 if number is None else number


def _signed(total: int) -> int:
    """A counter of up to 64 bits (Counter64, RFC 2578, section 7.1.10) as SQLite's signed integer."""
    return ((total + _SIGN) & _MASK) - _SIGN


def _storable(text: str | None) -> str | None:
    """A name comes from the network: half a character in it must not keep a flush from being booked."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")
