"""Reported alarms and unsent messages in the ledger, so that a restart repeats nothing and loses nothing.

Every function takes a connection, the writing one's in `Writer.transaction`; times are UTC milliseconds.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

MESSAGES_MOST = 200


class AlarmRow(NamedTuple):
    raised_ms: int
    cleared_ms: int | None


class MessageRow(NamedTuple):
    """A message for the addresses with marks in `waiting`."""

    id: int
    at_ms: int
    title: str
    body: str
    urgent: bool
    waiting: frozenset[str]
    tries: int
    next_ms: int


def alarms(connection: sqlite3.Connection) -> dict[str, AlarmRow]:
    return {key: AlarmRow(*row) for key, *row in connection.execute("SELECT key, raised_ms, cleared_ms FROM alarm")}


def note(connection: sqlite3.Connection, changed: Mapping[str, tuple[int, int | None] | None]) -> None:
    """What was raised, cleared (raised_ms, cleared_ms) or is forgotten (None)."""
    gone = [(key,) for key, row in changed.items() if row is None]
    connection.executemany("DELETE FROM alarm WHERE key = ?", gone)
    rows = [(key, *row) for key, row in changed.items() if row is not None]
    connection.executemany("INSERT OR REPLACE INTO alarm (key, raised_ms, cleared_ms) VALUES (?, ?, ?)", rows)


def messages(connection: sqlite3.Connection) -> list[MessageRow]:
    """Those still to be sent, the oldest first."""
    rows = connection.execute("SELECT id, at_ms, title, body, urgent, waiting, tries, next_ms FROM message ORDER BY id")
    return [
        MessageRow(id, at_ms, title, body, bool(urgent), frozenset(json.loads(waiting)), tries, next_ms)
        for id, at_ms, title, body, urgent, waiting, tries, next_ms in rows
    ]


def post(connection: sqlite3.Connection, message: MessageRow) -> None:
    """Put a message on its way; its number does not count. Of too many the oldest go."""
    row = message.at_ms, message.title, message.body, int(message.urgent), _marks(message), message.tries
    connection.execute(
        "INSERT INTO message (at_ms, title, body, urgent, waiting, tries, next_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*row, message.next_ms),
    )
    connection.execute(
        "DELETE FROM message WHERE id NOT IN (SELECT id FROM message ORDER BY id DESC LIMIT ?)", (MESSAGES_MOST,)
    )


def update_message(connection: sqlite3.Connection, number: int, left: MessageRow | None) -> None:
    """After a try: what is left to do, None when nothing is."""
    if left is None:
        connection.execute("DELETE FROM message WHERE id = ?", (number,))
        return
    connection.execute(
        "UPDATE message SET waiting = ?, tries = ?, next_ms = ? WHERE id = ?",
        (_marks(left), left.tries, left.next_ms, number),
    )


def _marks(message: MessageRow) -> str:
    return json.dumps(sorted(message.waiting))
