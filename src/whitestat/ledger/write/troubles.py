"""Faults of the ledger itself, kept among its events, so that they are reported after a restart too."""

from __future__ import annotations

import json
import sqlite3
from datetime import tzinfo

from whitestat.core.calendar import instant_text
from whitestat.ledger.tables.people import add_event
from whitestat.ledger.write.folding import Loss

KIND, OVER = "ledger", "ledger-recovered"
TOLD = 3
"""How many are told at once, the latest."""

TOLD_MS = 31 * 86_400_000
"""How long each is told."""


def of_journal(loss: Loss, zone: tzinfo) -> str:
    """The sentence about blocks of the journal that could not be read."""
    when = ""
    if loss.before_s:
        after, before = (instant_text(at_s, zone) for at_s in (loss.after_s or loss.before_s, loss.before_s))
        when = f", flushed between {after} and {before}"
    what = "a block of the journal" if loss.blocks == 1 else f"{loss.blocks} blocks of the journal"
    return f"the disk damaged {what}{when}: what was in there is missing from the history, or shows as unattributed"


def note(connection: sqlite3.Connection, at_ms: int, text: str, *, aside: str | None = None) -> None:
    """Call it in a transaction of the writer. Once the file `aside` is recovered, it is over."""
    add_event(connection, at_ms, KIND, None, {"text": text} | ({"aside": aside} if aside else {}))


def acknowledge(connection: sqlite3.Connection, aside: str, text: str) -> None:
    """What was told of a file that was set aside is over; the list of events says so instead."""
    rows = connection.execute("SELECT id, content FROM event WHERE kind = ?", (KIND,)).fetchall()
    for id, content in rows:
        if json.loads(content).get("aside") == aside:
            row = OVER, json.dumps({"text": text}, ensure_ascii=False), id
            connection.execute("UPDATE event SET kind = ?, content = ? WHERE id = ?", row)


def told(connection: sqlite3.Connection, now_ms: int) -> tuple[str, ...]:
    """Sentences of the last month, the latest first."""
    rows = connection.execute(
        "SELECT content FROM event WHERE kind = ? AND at_ms > ? ORDER BY id DESC LIMIT ?",
        (KIND, now_ms - TOLD_MS, TOLD),
    )
    return tuple(str(json.loads(content)["text"]) for (content,) in rows)
