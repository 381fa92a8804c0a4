"""Owners of devices, changes by users and announced names: the tables beside usage.

Every function takes a connection, the writing one's in `Writer.transaction`; times are UTC milliseconds.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from whitestat.core.errors import EditError, Missing

RowKey = tuple[int | str, ...]
RowValues = tuple[int | str | None, ...] | None
StoredChange = tuple[str, RowKey, RowValues, RowValues]
"""A table, a row's key, and the row before and after; None is no such row."""

EVENTS_KEPT = 1_000
HEARD_KEPT = 8
"""How many names and identities of an episode are remembered, the latest."""


class _Table(NamedTuple):
    """How the rows of edits are kept. Without `put_new`, rows are neither made nor removed here."""

    name: str
    key: tuple[str, ...]
    value: tuple[str, ...]
    fixed: bool = False

    @property
    def where(self) -> str:
        return " AND ".join(f"{column} = ?" for column in self.key)


_TABLES = {
    "episode": _Table("episode", ("id",), ("device",), fixed=True),
    "name": _Table("user_name", ("device",), ("text",)),
    "owner": _Table("ownership", ("device", "from_day"), ("person", "until_day")),
    "label": _Table("label", ("device", "text"), ()),
    "person": _Table("person", ("id",), ("name",)),
    "proposal": _Table("proposal", ("id",), ("state", "device", "into_device"), fixed=True),
    "plan": _Table("plan", ("id",), ("name", "pots"), fixed=True),
    "topup": _Table("topup", ("id",), ("plan", "at_s", "pot", "octets")),
}


SETTING = "setting"
"""What the settings file has: noted here and changed there."""

_EDIT = "id, at_ms, by, action, changes, undoes"


class EditRow(NamedTuple):
    """One edit of the list; `undoes` is the edit it took back."""

    id: int
    at_ms: int
    by: str
    action: str
    changes: tuple[StoredChange, ...]
    undoes: int | None


class EventRow(NamedTuple):
    """Something that happened; `content` says what, by its kind."""

    id: int
    at_ms: int
    kind: str
    device: int | None
    content: Mapping[str, object]


class ProposalRow(NamedTuple):
    """Two devices that are probably one, with the reasons."""

    id: int
    at_ms: int
    device: int
    into: int
    percent: int
    reasons: tuple[str, ...]
    state: str


def rows(connection: sqlite3.Connection) -> dict[str, dict[RowKey, RowValues]]:
    """All that edits look at, by table and key."""
    rows_by_table: dict[str, dict[RowKey, RowValues]] = {}
    for word, table in _TABLES.items():
        columns = ", ".join((*table.key, *table.value))
        width = len(table.key)
        selected = connection.execute(f"SELECT {columns} FROM {table.name}")  # noqa: S608 - words of this module
        rows_by_table[word] = {tuple(row[:width]): tuple(row[width:]) for row in selected}
    return rows_by_table


def apply(connection: sqlite3.Connection, edit: EditRow) -> int:
    """Change the rows and note the edit; returns its number. EditError where a row is not what it was before."""
    for word, key, before, after in edit.changes:
        if word == SETTING:
            continue
        _apply(connection, _TABLES[word], key, before, after)
    content = json.dumps(edit.changes, separators=(",", ":"))
    cursor = connection.execute(
        "INSERT INTO edit (at_ms, by, action, changes, undoes) VALUES (?, ?, ?, ?, ?)",
        (edit.at_ms, edit.by, edit.action, content, edit.undoes),
    )
    return int(cursor.lastrowid or 0)


def _apply(connection: sqlite3.Connection, table: _Table, key: RowKey, before: RowValues, after: RowValues) -> None:
    columns = ", ".join(table.value) or "1"
    row = connection.execute(f"SELECT {columns} FROM {table.name} WHERE {table.where}", key).fetchone()  # noqa: S608
    now = None if row is None else tuple(row) if table.value else ()
    if now != before:
        raise EditError("edit", f"{table.name} {key[0]} was changed since; undo the later edit first")
    if after is None and not table.fixed:
        connection.execute(f"DELETE FROM {table.name} WHERE {table.where}", key)  # noqa: S608
    elif after is not None and before is not None and table.value:
        values = ", ".join(f"{column} = ?" for column in table.value)
        connection.execute(f"UPDATE {table.name} SET {values} WHERE {table.where}", (*after, *key))  # noqa: S608
    elif after is not None and before is None and not table.fixed:
        names = ", ".join((*table.key, *table.value))
        places = ", ".join("?" * (len(table.key) + len(table.value)))
        connection.execute(f"INSERT INTO {table.name} ({names}) VALUES ({places})", (*key, *after))  # noqa: S608


def edits(connection: sqlite3.Connection, most: int = 200) -> list[EditRow]:
    """The latest first."""
    rows = connection.execute(
        "SELECT id, at_ms, by, action, changes, undoes FROM edit ORDER BY id DESC LIMIT ?", (most,)
    )
    return [EditRow(id, at_ms, by, action, _changes(text), undoes) for id, at_ms, by, action, text, undoes in rows]


def edit_of(connection: sqlite3.Connection, number: int) -> EditRow:
    """EditError where there is none."""
    row = connection.execute(f"SELECT {_EDIT} FROM edit WHERE id = ?", (number,)).fetchone()  # noqa: S608
    if row is None:
        raise Missing("edit", f"there is no edit {number}")
    return _edit(row)


def _edit(row: tuple[int, int, str, str, str, int | None]) -> EditRow:
    number, at_ms, by, action, text, undoes = row
    return EditRow(number, at_ms, by, action, _changes(text), undoes)


def _changes(text: str) -> tuple[StoredChange, ...]:
    return tuple(
        (word, tuple(key), None if before is None else tuple(before), None if after is None else tuple(after))
        for word, key, before, after in json.loads(text)
    )


def add_event(
    connection: sqlite3.Connection, at_ms: int, kind: str, device: int | None, content: Mapping[str, object]
) -> None:
    """The oldest go when there are EVENTS_KEPT."""
    connection.execute(
        "INSERT INTO event (at_ms, kind, device, content) VALUES (?, ?, ?, ?)",
        (at_ms, kind, device, json.dumps(content, ensure_ascii=False)),
    )
    connection.execute("DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?", (EVENTS_KEPT,))


def events(connection: sqlite3.Connection, after: int = 0, most: int = 200) -> list[EventRow]:
    """Those after a number, the latest first."""
    rows = connection.execute(
        "SELECT id, at_ms, kind, device, content FROM event WHERE id > ? ORDER BY id DESC LIMIT ?", (after, most)
    )
    return [EventRow(id, at_ms, kind, device, json.loads(content)) for id, at_ms, kind, device, content in rows]


def add_proposal(connection: sqlite3.Connection, proposal: ProposalRow) -> int:
    """Returns its number; that of the row given does not count."""
    reasons = json.dumps(proposal.reasons, ensure_ascii=False)
    cursor = connection.execute(
        "INSERT INTO proposal (at_ms, device, into_device, percent, reasons, state) VALUES (?, ?, ?, ?, ?, ?)",
        (proposal.at_ms, proposal.device, proposal.into, proposal.percent, reasons, proposal.state),
    )
    return int(cursor.lastrowid or 0)


def proposals(connection: sqlite3.Connection) -> list[ProposalRow]:
    """The latest first."""
    rows = connection.execute(
        "SELECT id, at_ms, device, into_device, percent, reasons, state FROM proposal ORDER BY id DESC"
    )
    return [
        ProposalRow(id, at_ms, device, into, percent, tuple(json.loads(reasons)), state)
        for id, at_ms, device, into, percent, reasons, state in rows
    ]


def hear(connection: sqlite3.Connection, names: Mapping[tuple[int, str, str], int]) -> None:
    """What episodes said of themselves: (episode, kind, text) with the time."""
    connection.executemany(
        """INSERT INTO heard VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET last_ms = max(last_ms, excluded.last_ms)""",
        [(*key, at_ms) for key, at_ms in names.items()],
    )
    connection.executemany(
        """DELETE FROM heard WHERE episode = :episode AND kind = :kind AND text NOT IN
            (SELECT text FROM heard WHERE episode = :episode AND kind = :kind
                ORDER BY last_ms DESC, text LIMIT :kept)""",
        [{"episode": episode, "kind": kind, "kept": HEARD_KEPT} for episode, kind in {key[:2] for key in names}],
    )


def heard(connection: sqlite3.Connection) -> dict[tuple[int, str, str], int]:
    return {
        (episode, kind, text): at_ms
        for episode, kind, text, at_ms in connection.execute("SELECT episode, kind, text, last_ms FROM heard")
    }


def unhear(connection: sqlite3.Connection, episodes: Iterable[int]) -> None:
    """Forget what these episodes said of themselves."""
    connection.executemany("DELETE FROM heard WHERE episode = ?", [(episode,) for episode in episodes])


def last_seen(connection: sqlite3.Connection) -> dict[int, int]:
    """When each episode was last seen."""
    return dict(connection.execute("SELECT id, last_seen_ms FROM episode"))


def forget(connection: sqlite3.Connection, device: int) -> list[int]:
    """Remove names, addresses and peers of a device, and keep its usage; returns its episodes.

    The connection should delete for good (`Writer.erasing`). What edits and events say of it goes
    too: an undo would bring it back.
    """
    episodes = [row[0] for row in connection.execute("SELECT id FROM episode WHERE device = ?", (device,))]
    marks = json.dumps(episodes)
    of_episodes = "episode IN (SELECT value FROM json_each(?))"
    connection.execute("UPDATE episode SET mac = NULL, address = NULL WHERE device = ?", (device,))
    connection.execute(f"DELETE FROM episode_address WHERE {of_episodes}", (marks,))  # noqa: S608 - a literal
    connection.execute(f"DELETE FROM heard WHERE {of_episodes}", (marks,))  # noqa: S608
    series = f"series IN (SELECT id FROM series WHERE {of_episodes})"  # noqa: S608
    for table in ("peer_day", "peer_month"):
        connection.execute(f"DELETE FROM {table} WHERE {series}", (marks,))  # noqa: S608
    for table in ("user_name", "label"):
        connection.execute(f"DELETE FROM {table} WHERE device = ?", (device,))  # noqa: S608
    connection.execute("UPDATE device SET name = NULL, name_source = NULL WHERE id = ?", (device,))
    connection.execute("DELETE FROM event WHERE device = ?", (device,))
    connection.execute("DELETE FROM proposal WHERE ? IN (device, into_device)", (device,))
    _forget_edits(connection, device, set(episodes))
    return episodes


def _forget_edits(connection: sqlite3.Connection, device: int, episodes: set[int]) -> None:
    for edit in edits(connection, most=1_000_000):
        if any(key[0] == device or (word == "episode" and key[0] in episodes) for word, key, _, _ in edit.changes):
            connection.execute("DELETE FROM edit WHERE id = ?", (edit.id,))
