"""What happened to the ledger itself, kept among its events, so that it is told after a restart too."""

from __future__ import annotations

import json
import sqlite3
from datetime import tzinfo

from whitestat.ledger.folding import Loss
from whitestat.ledger.people import add_event
from whitestat.periods import instant_text

KIND = "ledger"
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


def note(connection: sqlite3.Connection, at_ms: int, text: str) -> None:
    """Call it in a transaction of the writer."""
    add_event(connection, at_ms, KIND, None, {"text": text})


def told(connection: sqlite3.Connection, now_ms: int) -> tuple[str, ...]:
    """Sentences of the last month, the latest first."""
    rows = connection.execute(
        "SELECT content FROM event WHERE kind = ? AND at_ms > ? ORDER BY id DESC LIMIT ?",
        (KIND, now_ms - TOLD_MS, TOLD),
    )
    return tuple(str(json.loads(content)["text"]) for (content,) in rows)
