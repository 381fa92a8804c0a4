"""The removal of devices: their rows go, and their usage is of no device from then on.

Usage names its series, a series its episode; a series of which the episode is gone is summed as unattributed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from whitestat.core.model import Counts
from whitestat.ledger.resolutions import Resolution
from whitestat.ledger.tables import buckets

_SERIES = "SELECT id, episode FROM series WHERE episode IN (SELECT value FROM json_each(?))"
_REMOVE = (
    "DELETE FROM episode_address WHERE episode IN (SELECT value FROM json_each(:episodes))",
    "DELETE FROM heard WHERE episode IN (SELECT value FROM json_each(:episodes))",
    """DELETE FROM event WHERE device IN (SELECT device FROM episode
        WHERE id IN (SELECT value FROM json_each(:episodes)))""",
    """DELETE FROM proposal WHERE device IN (SELECT device FROM episode
            WHERE id IN (SELECT value FROM json_each(:episodes)))
        OR into_device IN (SELECT device FROM episode WHERE id IN (SELECT value FROM json_each(:episodes)))""",
    "DELETE FROM device WHERE id IN (SELECT device FROM episode WHERE id IN (SELECT value FROM json_each(:episodes)))",
    "DELETE FROM episode WHERE id IN (SELECT value FROM json_each(:episodes))",
)


def usage_of(connection: sqlite3.Connection, episodes: Collection[int], start_s: int, end_s: int) -> dict[int, Counts]:
    """Return what each episode used in the hours of a span, UTC seconds, that are folded; LedgerError for damage."""
    series = dict(connection.execute(_SERIES, (json.dumps(list(episodes)),)))
    sums: dict[int, Counts] = {}
    for _, number, columns in buckets.read(connection, buckets.USAGE, Resolution.HOUR, (start_s, end_s), series):
        counts = Counts(*map(sum, columns[1:]))
        episode = series[number]
        sums[episode] = sums[episode].plus(counts) if episode in sums else counts
    return sums


def remove(connection: sqlite3.Connection, episodes: Collection[int]) -> None:
    """Remove devices that have no other episodes than these, with all that tells of them but usage."""
    for statement in _REMOVE:
        connection.execute(statement, {"episodes": json.dumps(list(episodes))})
