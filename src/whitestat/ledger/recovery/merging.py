"""One ledger added to another: usage to usage, and devices, people and plans that the other does not know.

Both are first closed up to the same day, so that each octet is in the same resolutions of both, and rows can be added.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import tzinfo
from typing import NamedTuple

from whitestat.core.model import UNATTRIBUTED, Counts
from whitestat.ledger.resolutions import Resolution
from whitestat.ledger.tables import buckets, packed, zones
from whitestat.ledger.tables.buckets import CHUNK_BITS, COVERAGE, USAGE

_KEY = (1 << CHUNK_BITS) - 1
_DETAILS = {"service_hour": 5, "service_day": 5, "peer_day": 4, "peer_month": 4}
"""Tables of services and peers, and how many columns their keys have."""

_WHO = (
    "person",
    "ownership",
    "label",
    "user_name",
    "proposal",
    "edit",
    "event",
    "heard",
    "plan",
    "terms",
    "topup",
    "alarm",
    "message",
)
"""Tables of which rows that are not there are taken as they are, where both ledgers number devices alike."""


class _Numbers(NamedTuple):
    """What points, devices, episodes and series of the one are in the other."""

    points: Mapping[int, int]
    episodes: Mapping[int, int]
    series: Mapping[int, int]
    alike: bool


def merge(to: sqlite3.Connection, of: sqlite3.Connection, zone: tzinfo) -> None:
    """Add all of `of` to `to`; call it in a transaction of `to`. Journals and details of both must be folded.

    Readings, audits and receipts stay those of `to`, which knows the meters last.
    """
    _close(to, of, zone)
    numbers = _numbers(to, of)
    for kind, keys in ((USAGE, numbers.series), (COVERAGE, numbers.points)):
        for resolution in Resolution:
            if resolution is not Resolution.SECOND or (_has_seconds(to) and _has_seconds(of)):
                _add(to, of, f"{kind.name}_{resolution}", len(kind.columns), keys)
    for table, width in _DETAILS.items():
        _add_details(to, of, table, width, numbers.series)
    if numbers.alike:
        for table in _WHO:
            _take(to, of, table)
        _add_plans(to, of, numbers.series)
    for resolution, since in of.execute("SELECT resolution, since FROM kept"):
        if resolution != Resolution.SECOND:
            to.execute(
                "INSERT INTO kept VALUES (?, ?) ON CONFLICT DO UPDATE SET since = max(since, excluded.since)",
                (resolution, since),
            )


def _close(to: sqlite3.Connection, of: sqlite3.Connection, zone: tzinfo) -> None:
    newest = [buckets.newest(connection, Resolution.MINUTE) or 0 for connection in (to, of)]
    at_s = max(*newest, buckets.closed(to).hours_s, buckets.closed(of).hours_s)
    buckets.close(to, zones.booked_zone(to, zone), at_s)
    of.execute("BEGIN")
    buckets.close(of, zones.booked_zone(of, zone), at_s)
    of.execute("COMMIT")


def _has_seconds(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM kept WHERE resolution = 'second'").fetchone() is not None


def _numbers(to: sqlite3.Connection, of: sqlite3.Connection) -> _Numbers:
    points = {}
    for number, *row in of.execute("SELECT id, name, collector, interface, counts FROM point"):
        to.execute("INSERT OR IGNORE INTO point (name, collector, interface, counts) VALUES (?, ?, ?, ?)", row)
        points[number] = to.execute("SELECT id FROM point WHERE name = ?", row[:1]).fetchone()[0]
    episodes = _episodes(to, of)
    series = {}
    for number, episode, point, scope in of.execute("SELECT id, episode, point, scope FROM series"):
        if point in points:
            row = episodes.get(episode, UNATTRIBUTED), points[point], scope
            to.execute("INSERT OR IGNORE INTO series (episode, point, scope) VALUES (?, ?, ?)", row)
            rows = to.execute("SELECT id FROM series WHERE episode = ? AND point = ? AND scope = ?", row)
            series[number] = rows.fetchone()[0]
    alike = all(old == new for old, new in episodes.items())
    return _Numbers(points, episodes, series, alike)


def _episodes(to: sqlite3.Connection, of: sqlite3.Connection) -> dict[int, int]:
    """Episodes of the same number, address and beginning are one; others get a number that neither ledger has."""
    get = "SELECT id, device, mac, address, start_ms, end_ms, last_seen_ms FROM episode ORDER BY id"
    there = {row[0]: row for row in to.execute(get)}
    rows = of.execute(get).fetchall()
    unused = 1 + max([0, *(max(row[:2]) for row in (*there.values(), *rows))])
    known = {row[2]: row[1] for row in there.values() if row[2]}
    episodes: dict[int, int] = {}
    devices: dict[int, int] = {}
    for number, device, mac, address, start_ms, end_ms, seen_ms in rows:
        present = there.get(number)
        if present and (present[2:5] == (mac, address, start_ms) or present[2] is present[3] is None):
            episodes[number] = number
            devices.setdefault(device, present[1])
            continue
        episodes[number] = unused if present else number
        if device not in devices:
            devices[device] = known.get(mac, episodes[number] if present or device in there else device)
        unused += bool(present)
        row = episodes[number], devices[device], mac, address, start_ms, end_ms, seen_ms
        to.execute("INSERT INTO episode VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    for device, *row in of.execute("SELECT id, name, name_source, person FROM device").fetchall():
        to.execute("INSERT OR IGNORE INTO device VALUES (?, ?, ?, ?)", (devices.get(device, device), *row))
    for episode, *row in of.execute("SELECT episode, address, first_ms, last_ms FROM episode_address").fetchall():
        to.execute(
            """INSERT INTO episode_address VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET
                first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms)""",
            (episodes.get(episode, episode), *row),
        )
    return episodes


def _add(to: sqlite3.Connection, of: sqlite3.Connection, table: str, columns: int, keys: Mapping[int, int]) -> None:
    get = f"SELECT content FROM {table} WHERE id = ?"  # noqa: S608 - words of the schema, here and below
    put = f"INSERT OR REPLACE INTO {table} VALUES (?, ?)"  # noqa: S608
    for number, content in of.execute(f"SELECT id, content FROM {table} ORDER BY id"):  # noqa: S608
        key = keys.get(number & _KEY)
        if key is None:
            continue
        place = number >> CHUNK_BITS << CHUNK_BITS | key
        present = to.execute(get, (place,)).fetchone()
        if present:
            rows = list(zip(*packed.unpacked(content, columns), strict=True))
            content = packed.added(present[0], rows, columns)  # noqa: PLW2901
        to.execute(put, (place, content))


def _add_details(
    to: sqlite3.Connection, of: sqlite3.Connection, table: str, keys: int, series: Mapping[int, int]
) -> None:
    sums = ", ".join(f"{column} = {column} + excluded.{column}" for column in Counts._fields)
    places = ", ".join("?" * (keys + len(Counts._fields)))
    put = f"INSERT INTO {table} VALUES ({places}) ON CONFLICT DO UPDATE SET {sums}"  # noqa: S608
    for chunk, number, *row in of.execute(f"SELECT * FROM {table}"):  # noqa: S608
        if number in series:
            to.execute(put, (chunk, series[number], *row))


def _take(to: sqlite3.Connection, of: sqlite3.Connection, table: str) -> None:
    for row in of.execute(f"SELECT * FROM {table}"):  # noqa: S608
        places = ", ".join("?" * len(row))
        to.execute(f"INSERT OR IGNORE INTO {table} VALUES ({places})", row)  # noqa: S608


def _add_plans(to: sqlite3.Connection, of: sqlite3.Connection, series: Mapping[int, int]) -> None:
    """Usage by tariff, under terms that are the same in both."""
    get = "SELECT id, plan, from_s, content FROM terms"
    same = {row[0] for row in {*to.execute(get)} & {*of.execute(get)}}
    for terms, day, tariff, number, *octets in of.execute("SELECT * FROM plan_usage"):
        if terms in same and number in series:
            to.execute(
                """INSERT INTO plan_usage VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
                    octets_in = octets_in + excluded.octets_in, octets_out = octets_out + excluded.octets_out,
                    octets_unsplit = octets_unsplit + excluded.octets_unsplit""",
                (terms, day, tariff, series[number], *octets),
            )
