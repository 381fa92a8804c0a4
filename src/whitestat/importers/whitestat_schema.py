"""Five generations of WhiteStat's SQLite tables, and the one statement that reads any of them.

`user_version` is 0 in all and the case of names changed, so a table is recognised by its columns: WhiteStat 1 and 2, 3
and 4, 5, 6, and 7 to 11. Times and dates are local text, amounts are KB of 1024 octets as floats.
"""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

TABLES = ("dailyusage", "usagehistory")
"""Today with what lingers of yesterday, and days that are over. What stands in both was written to the first later."""


class StoredRow(NamedTuple):
    """A row of either table as it stands there; None where its generation has no such column."""

    table: str
    number: int
    date: Any
    ip: Any
    mac: Any
    name: Any
    seen: Any
    into: Any
    out: Any
    local: Any


class _Columns(NamedTuple):
    name: str | None
    seen: str | None
    into: str
    out: str
    local: str | None


_GENERATIONS = {
    "LSSeconds": _Columns("Hostname", None, "KBIn", "KBOut", None),
    "LSTDAY_IN": _Columns(None, "SEEN", "IN", "OUT", "LOCAL"),
    "IS_LOCAL": _Columns("Hostname", "LastSeen", "KBIn", "KBOut", "IS_LOCAL"),
    "LastSeen": _Columns("Hostname", "LastSeen", "KBIn", "KBOut", None),
}
"""Columns of each generation by the column that later ones lack; 3, 4 and 5 differ in a key only."""


def statement(connection: sqlite3.Connection) -> str:
    """Return the statement that reads both tables as `StoredRow`s with keys behind, by date and host.

    The rows that count come first. Raises ValueError where there is no table of WhiteStat.

    `plain_day` and `plain_host` are functions of the connection's that make one text of all spellings.
    """
    parts = [_part(connection, table, order) for order, table in enumerate(TABLES)]
    return f"{' UNION ALL '.join(parts)} ORDER BY 12, 13, 14, 11, 2"


def names(connection: sqlite3.Connection) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Names by MAC, which people gave (since 9), and by address, from the DNS (since 6)."""
    by_address = next((column for column in ("NAME", "DNAME") if column.lower() in _columns(connection, "dname")), None)
    by_mac = "NAME" if _columns(connection, "mname") else None
    return (
        dict(connection.execute(f"SELECT MAC, {by_mac} FROM mname")) if by_mac else {},  # noqa: S608
        dict(connection.execute(f"SELECT IP, {by_address} FROM dname")) if by_address else {},  # noqa: S608
    )


def _part(connection: sqlite3.Connection, table: str, order: int) -> str:
    has = _columns(connection, table)
    mark = next((mark for mark in _GENERATIONS if mark.lower() in has), None)
    if mark is None:
        raise ValueError(f"there is no table {table} of WhiteStat 1 to 11")
    columns = _GENERATIONS[mark]
    missing = [column for column in ("DATE", "IP", "MAC", *columns) if column and column.lower() not in has]
    if missing:
        raise ValueError(f"table {table} has no column {missing[0]}")
    # The names are this module's own; IN is a word of SQL.
    listed = ", ".join(f'"{column}"' if column else "NULL" for column in columns)
    keys = "plain_day(DATE), plain_host(IP), plain_host(MAC)"
    return f"SELECT '{table}', rowid, DATE, IP, MAC, {listed}, {order}, {keys} FROM {table}"  # noqa: S608


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """In lower case; empty where there is no such table. SQLite's names do not mind case."""
    return {name.lower() for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}
