"""All that is kept about one device, table by table, for the person it is about."""

from __future__ import annotations

import sqlite3

from whitestat.core.units import MAPPED_IPV4, address_text, mac_text

_EPISODES = "SELECT id FROM episode WHERE device = :device"
_SERIES = f"SELECT id FROM series WHERE episode IN ({_EPISODES})"  # noqa: S608 - words of this module
_TABLES = {
    "device": "SELECT * FROM device WHERE id = :device",
    "name": "SELECT * FROM user_name WHERE device = :device",
    "label": "SELECT * FROM label WHERE device = :device",
    "ownership": "SELECT o.*, p.name FROM ownership o LEFT JOIN person p ON p.id = o.person WHERE o.device = :device",
    "episode": "SELECT * FROM episode WHERE device = :device",
    "address": f"SELECT * FROM address_seen WHERE episode IN ({_EPISODES})",  # noqa: S608
    "heard": f"SELECT * FROM heard WHERE episode IN ({_EPISODES})",  # noqa: S608
    "proposal": "SELECT * FROM proposal WHERE device = :device OR into_device = :device",
    "event": "SELECT * FROM event WHERE device = :device",
    **{
        table: f"SELECT * FROM {table} WHERE series IN ({_SERIES})"  # noqa: S608
        for table in ("service_hour", "service_day", "peer_day", "peer_month")
    },
}

Cells = dict[str, object]


def of_device(connection: sqlite3.Connection, device: int) -> dict[str, list[Cells]]:
    """Rows by table, addresses as text."""
    return {name: _rows(connection.execute(sql, {"device": device})) for name, sql in _TABLES.items()}


def _rows(cursor: sqlite3.Cursor) -> list[Cells]:
    names = [column[0] for column in cursor.description]
    return [{name: _cell(value) for name, value in zip(names, row, strict=True)} for row in cursor]


def _cell(value: object) -> object:
    if not isinstance(value, bytes):
        return value
    if len(value) == 6:
        return mac_text(value)
    if len(value) in (4, 16):
        return address_text(MAPPED_IPV4 + value if len(value) == 4 else value)
    return value.hex()
