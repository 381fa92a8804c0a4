"""WhiteStat's old databases, made from what each generation's tables look like; no row is anybody's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

_KB = '"KBIn" REAL DEFAULT 0.0, "KBOut" REAL DEFAULT 0.0, "LSTDAY_KBIn" REAL, "LSTDAY_KBOut" REAL'
_HOST = '"IP" TEXT NOT NULL, "MAC" TEXT NOT NULL, "DATE" TEXT NOT NULL'
_SEEN = '"Hostname" TEXT DEFAULT \'(none)\', "LastSeen" TEXT DEFAULT 0'
_KEY = 'PRIMARY KEY("IP", "MAC", "DATE")'
_NEW = """"DATE" TEXT NOT NULL, "IP" TEXT NOT NULL, "MAC" TEXT NOT NULL, "SEEN" TEXT, "IN" REAL DEFAULT 0.0,
    "OUT" REAL DEFAULT 0.0, "LOCAL" INTEGER, "LSTDAY_IN" REAL DEFAULT 0.0, "LSTDAY_OUT" REAL DEFAULT 0.0"""

GENERATIONS = {
    "v1": f"""CREATE TABLE usagehistory ({_HOST}, "Hostname" TEXT, "LSSeconds" INTEGER, {_KB}, {_KEY});
        CREATE TABLE dailyusage ("IP" TEXT, "MAC" TEXT, "DATE" TEXT, "Hostname" TEXT, "LSSeconds" REAL, {_KB});
        CREATE TABLE timeframe ("LastSeen" INTEGER NOT NULL, "DATE" TEXT NOT NULL, PRIMARY KEY("DATE"));""",
    "v3": f"""CREATE TABLE usagehistory ({_HOST}, {_SEEN}, {_KB}, {_KEY});
        CREATE TABLE dailyusage ("IP" TEXT, "MAC" TEXT, "DATE" TEXT, "Hostname" TEXT, "LastSeen" TEXT, {_KB});
        CREATE TABLE timeframe ("LastSeen" INTEGER NOT NULL, "DATE" TEXT NOT NULL, PRIMARY KEY("DATE"));""",
    "v5": f"""CREATE TABLE usagehistory ({_HOST}, {_SEEN}, {_KB}, {_KEY});
        CREATE TABLE dailyusage ("IP" TEXT, "MAC" TEXT, "DATE" TEXT, "Hostname" TEXT, "LastSeen" TEXT, {_KB}, {_KEY});
        CREATE TABLE timeframe ("LastSeen" INTEGER NOT NULL, "DATE" TEXT NOT NULL, PRIMARY KEY("DATE"));""",
    "v6": f"""CREATE TABLE DName ("IP" TEXT NOT NULL, "DNAME" TEXT, PRIMARY KEY("IP"));
        CREATE TABLE UsageHistory ({_HOST}, "Hostname" TEXT, "LastSeen" TEXT, "IS_LOCAL" INTEGER, {_KB}, {_KEY});
        CREATE TABLE DailyUsage ({_HOST}, "Hostname" TEXT, "LastSeen" TEXT, "IS_LOCAL" INTEGER, {_KB}, {_KEY});""",
    "v9": f"""CREATE TABLE DName ("IP" TEXT NOT NULL, "NAME" TEXT, PRIMARY KEY("IP"));
        CREATE TABLE MName ("MAC" TEXT NOT NULL, "NAME" TEXT, PRIMARY KEY("MAC"));
        CREATE TABLE UsageHistory ({_NEW}, {_KEY});
        CREATE TABLE DailyUsage ({_NEW}, {_KEY});""",
}

_NEW_NAMES = {
    "KBIn": "IN",
    "KBOut": "OUT",
    "LastSeen": "SEEN",
    "LSTDAY_KBIn": "LSTDAY_IN",
    "LSTDAY_KBOut": "LSTDAY_OUT",
}


class OldDatabase:
    """One to fill: `add` takes a row by the names of generation 5 and leaves out what the generation lacks."""

    def __init__(self, path: Path, generation: str = "v5") -> None:
        self.path = path
        self._generation = generation
        self._script(GENERATIONS[generation])

    def add(self, table: str, ip: str, mac: str, day: str, kb_in: Any, kb_out: Any, **more: Any) -> OldDatabase:
        return self.add_all(
            table, [{"IP": ip, "MAC": mac, "DATE": f"{day} 00:00:00", "KBIn": kb_in, "KBOut": kb_out, **more}]
        )

    def add_all(self, table: str, rows: Iterable[dict[str, Any]]) -> OldDatabase:
        with closing(sqlite3.connect(self.path)) as connection:
            has = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}
            for row in rows:
                named = {_NEW_NAMES.get(key, key) if self._generation == "v9" else key: v for key, v in row.items()}
                kept = {key: value for key, value in named.items() if key in has}
                columns = ", ".join(f'"{key}"' for key in kept)
                connection.execute(
                    f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(kept))})", [*kept.values()]
                )
            connection.commit()
        return self

    def name(self, table: str, key: str, name: str) -> OldDatabase:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute(f"INSERT INTO {table} VALUES (?, ?)", (key, name))
            connection.commit()
        return self

    def _script(self, script: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executescript(script)
