"""Time zones in which days and months of the ledger were booked, and since when."""

from __future__ import annotations

import sqlite3
from datetime import tzinfo

from whitestat.core.calendar import DAY_S, MINUTE_S
from whitestat.core.zone_history import ZoneHistory
from whitestat.ledger.resolutions import Resolution
from whitestat.ledger.tables import buckets

MOST_CHANGES = 1_000
"""Changes that are kept: of more, the earliest are forgotten."""

APART_S = 3 * DAY_S
"""A zone lasts so long at least, though the machine has another one meanwhile: no day is changed twice."""

_ZONES = "SELECT since_s, name FROM zone ORDER BY since_s"
_FORGET = "DELETE FROM zone WHERE since_s NOT IN (SELECT since_s FROM zone ORDER BY since_s DESC LIMIT ?)"


def booked_zone(connection: sqlite3.Connection, zone: tzinfo) -> tzinfo:
    """Return the zone by which days and months are numbered: `zone` itself where it was never another one.

    A zone of which this machine has no rules any more counts as `zone`.
    """
    zones = [(since_s, _named(name, zone)) for since_s, name in connection.execute(_ZONES)]
    if all(zone_row is zone for _, zone_row in zones):
        return zone
    return ZoneHistory(zones)


def note(connection: sqlite3.Connection, zone: tzinfo) -> None:
    """Keep the zone, from the next whole hour after all that is booked, if it is another one than before."""
    rows = connection.execute(_ZONES).fetchall()
    if rows and rows[-1][1] == str(zone):
        return
    since_s = _booked_until(connection, booked_zone(connection, zone)) if rows else 0
    connection.execute("DELETE FROM zone WHERE since_s >= ?", (since_s,))
    before_s, name = connection.execute(f"{_ZONES} DESC LIMIT 1").fetchone() or (None, None)
    if name != str(zone):
        since_s = since_s if before_s is None else max(since_s, before_s + APART_S)
        connection.execute("INSERT INTO zone VALUES (?, ?)", (since_s, str(zone)))
        connection.execute(_FORGET, (MOST_CHANGES,))


def _booked_until(connection: sqlite3.Connection, booked: tzinfo) -> int:
    """Return the end of the local hour of what is booked last, UTC seconds; 0 for an empty ledger."""
    newest = (buckets.newest(connection, Resolution.MINUTE, kind) for kind in (buckets.USAGE, buckets.COVERAGE))
    last_s = max(buckets.closed(connection).hours_s, *(0 if at_s is None else at_s + MINUTE_S for at_s in newest))
    return Resolution.HOUR.ceiling(last_s, booked) if last_s else 0


def _named(name: str, zone: tzinfo) -> tzinfo:
    if name == str(zone):
        return zone
    from whitestat.core.errors import ConfigError
    from whitestat.core.system.time_zone import zone_named

    try:
        return zone_named(name)
    except (ConfigError, ValueError):
        return zone
