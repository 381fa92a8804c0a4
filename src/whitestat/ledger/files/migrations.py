"""The tables of the ledger, as ordered steps from one version to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from itertools import groupby
from operator import itemgetter

from whitestat.ledger.files import journal
from whitestat.ledger.tables.packed import packed

APPLICATION_ID = 0x57535437
"""Marks the file as WhiteStat's (SQLite file format, database header)."""

PAGE_OCTETS = 2048
"""A flush of 50 devices fills one page. It holds for new databases; an existing one keeps its own."""

_COUNTS = """octets_in INTEGER NOT NULL, octets_out INTEGER NOT NULL, packets_in INTEGER NOT NULL,
    packets_out INTEGER NOT NULL, octets_unsplit INTEGER NOT NULL"""

_COVERAGE = """observed_ms INTEGER NOT NULL, frame_octets_interface INTEGER NOT NULL,
    frame_octets_metered INTEGER NOT NULL, octets_attributed INTEGER NOT NULL,
    octets_unattributed INTEGER NOT NULL, packets_lost INTEGER NOT NULL"""


def _bucket_tables(resolution: str) -> tuple[str, str]:
    """Time first in the key: a flush then touches the last pages of each table and no others."""
    return (
        f"""CREATE TABLE usage_{resolution} (bucket INTEGER NOT NULL, series INTEGER NOT NULL, {_COUNTS},
            PRIMARY KEY (bucket, series)) STRICT, WITHOUT ROWID""",
        f"""CREATE TABLE coverage_{resolution} (bucket INTEGER NOT NULL, point INTEGER NOT NULL, {_COVERAGE},
            PRIMARY KEY (bucket, point)) STRICT, WITHOUT ROWID""",
    )


_FIRST = (
    """CREATE TABLE point (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, collector TEXT NOT NULL,
        interface TEXT, counts INTEGER NOT NULL) STRICT""",
    "CREATE TABLE device (id INTEGER PRIMARY KEY, name TEXT, name_source TEXT, person TEXT) STRICT",
    """CREATE TABLE episode (id INTEGER PRIMARY KEY, device INTEGER NOT NULL, mac BLOB, address BLOB,
        start_ms INTEGER NOT NULL, end_ms INTEGER, last_seen_ms INTEGER NOT NULL) STRICT""",
    """CREATE TABLE episode_address (episode INTEGER NOT NULL, address BLOB NOT NULL,
        first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
        PRIMARY KEY (episode, address)) STRICT, WITHOUT ROWID""",
    # Whose usage, where and of which scope, as one small number, which usage rows carry.
    """CREATE TABLE series (id INTEGER PRIMARY KEY, episode INTEGER NOT NULL, point INTEGER NOT NULL,
        scope INTEGER NOT NULL, UNIQUE (episode, point, scope)) STRICT""",
    # `bucket` is the start as UTC seconds for minutes and local hours, and the local date YYYYMMDD for days.
    *_bucket_tables("minute"),
    *_bucket_tables("hour"),
    *_bucket_tables("day"),
    # Since when rows of a resolution are kept, in UTC seconds; a resolution without a row is complete.
    "CREATE TABLE kept (resolution TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    # Keys of a running counter: what was not seen is x'' or -1, since no column of a primary key may be NULL.
    f"""CREATE TABLE reading (point INTEGER NOT NULL, mac BLOB NOT NULL, address BLOB NOT NULL,
        peer_mac BLOB NOT NULL, peer BLOB NOT NULL, protocol INTEGER NOT NULL, service INTEGER NOT NULL,
        vlan INTEGER NOT NULL, {_COUNTS}, at_ms INTEGER NOT NULL, epoch TEXT NOT NULL, width INTEGER NOT NULL,
        PRIMARY KEY (point, mac, address, peer_mac, peer, protocol, service, vlan)) STRICT, WITHOUT ROWID""",
    # Nothing is ever asked about an audit but the whole of it, so it is one JSON object.
    "CREATE TABLE audit (point INTEGER PRIMARY KEY, content TEXT NOT NULL) STRICT",
    "CREATE TABLE receipt (meter TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT, WITHOUT ROWID",
)


def _create_tables(connection: sqlite3.Connection) -> None:
    for statement in _FIRST:
        connection.execute(statement)


_COLUMNS = {"usage": ("series", _COUNTS), "coverage": ("point", _COVERAGE)}
_CHUNKS = {"minute": 3_600, "hour": 86_400, "day": 100}


def _clustered(kind: str, resolution: str) -> str:
    """A device's span is read by seeks, and what is booked together lies together: chunk (the UTC hour of minutes,
    the UTC day of hours, the month of days, the year of months), then series, then start."""
    key, columns = _COLUMNS[kind]
    return f"""CREATE TABLE {kind}_{resolution} (chunk INTEGER NOT NULL, {key} INTEGER NOT NULL,
        bucket INTEGER NOT NULL, {columns}, PRIMARY KEY (chunk, {key}, bucket)) STRICT, WITHOUT ROWID"""


_SECOND = (
    # One flush, or a part of one, in each row, which fills its page, so that it is rewritten in place.
    """CREATE TABLE journal (slot INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, following INTEGER NOT NULL,
        content BLOB NOT NULL) STRICT""",
    # Up to where a resolution holds what is in the next finer one: `minute` up to and with a sequence of the
    # journal, `day` up to the start of an hour, `month` up to the date of a day.
    "CREATE TABLE closed (resolution TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    # Version 1 booked each flush to its day at once: whatever is in hours is in days.
    """INSERT INTO closed SELECT 'day', max(bucket) + 1 FROM
        (SELECT bucket FROM usage_hour UNION ALL SELECT bucket FROM coverage_hour) HAVING max(bucket) IS NOT NULL""",
)


def _set_aside(connection: sqlite3.Connection, table: str) -> bool:
    """Rename a table to `old`, for its rows; drop an empty one, since a new ledger would spend most of its time so."""
    filled = connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()  # noqa: S608 - words of this module
    connection.execute(f"ALTER TABLE {table} RENAME TO old" if filled else f"DROP TABLE {table}")
    return bool(filled)


def _journal_and_chunks(connection: sqlite3.Connection) -> None:
    for statement in _SECOND:
        connection.execute(statement)
    for kind, (key, columns) in _COLUMNS.items():
        names = ", ".join(column.split()[0] for column in columns.split(","))
        for resolution, length in _CHUNKS.items():
            table = f"{kind}_{resolution}"
            filled = _set_aside(connection, table)
            connection.execute(_clustered(kind, resolution))
            if filled:
                connection.execute(
                    f"""INSERT INTO {table} SELECT bucket / {length}, {key}, bucket, {names}
                        FROM old ORDER BY 1, 2, 3"""  # noqa: S608 - words of this module
                )
                connection.execute("DROP TABLE old")
        connection.execute(_clustered(kind, "month"))


def _detail_table(name: str, columns: str, keys: str) -> str:
    return f"""CREATE TABLE {name} (chunk INTEGER NOT NULL, series INTEGER NOT NULL, bucket INTEGER NOT NULL, {columns},
        {_COUNTS}, PRIMARY KEY (chunk, series, bucket, {keys})) STRICT, WITHOUT ROWID"""


_SERVICE = ("protocol INTEGER NOT NULL, service INTEGER NOT NULL", "protocol, service")
_PEER = ("peer BLOB NOT NULL", "peer")

_THIRD = (
    # Services and peers as they were handed in, compressed, until they are folded.
    "CREATE TABLE detail (id INTEGER PRIMARY KEY AUTOINCREMENT, content BLOB NOT NULL) STRICT",
    _detail_table("service_hour", *_SERVICE),
    _detail_table("service_day", *_SERVICE),
    # An IPv4 address has four octets here; none at all stands for all others.
    _detail_table("peer_day", *_PEER),
    _detail_table("peer_month", *_PEER),
)


def _services_and_peers(connection: sqlite3.Connection) -> None:
    for statement in _THIRD:
        connection.execute(statement)


_FOURTH = (
    "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT",
    # From a local day up to and without another (YYYYMMDD); 0 is from the beginning, NULL still.
    """CREATE TABLE ownership (device INTEGER NOT NULL, from_day INTEGER NOT NULL, person INTEGER NOT NULL,
        until_day INTEGER, PRIMARY KEY (device, from_day)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE label (device INTEGER NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (device, text)) STRICT, WITHOUT ROWID""",
    # What the user calls a device; the table device has the name that is shown.
    "CREATE TABLE user_name (device INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT",
    """CREATE TABLE proposal (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, device INTEGER NOT NULL,
        into_device INTEGER NOT NULL, percent INTEGER NOT NULL, reasons TEXT NOT NULL, state TEXT NOT NULL) STRICT""",
    # Each edit with the rows it changed, before and after: undoing it is the same the other way round.
    """CREATE TABLE edit (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, by TEXT NOT NULL,
        action TEXT NOT NULL, changes TEXT NOT NULL, undoes INTEGER) STRICT""",
    """CREATE TABLE event (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, kind TEXT NOT NULL,
        device INTEGER, content TEXT NOT NULL) STRICT""",
    # What an episode said of itself: a name, a DHCP identity (in hexadecimal digits) or a vendor class.
    """CREATE TABLE heard (episode INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, last_ms INTEGER NOT NULL,
        PRIMARY KEY (episode, kind, text)) STRICT, WITHOUT ROWID""",
)


def _people(connection: sqlite3.Connection) -> None:
    for statement in _FOURTH:
        connection.execute(statement)


_FIFTH = (
    # `pots` are the names of its allowances, none where it is not agreed any more; instants are UTC seconds.
    """CREATE TABLE plan (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, since_s INTEGER NOT NULL,
        pots TEXT NOT NULL) STRICT""",
    """CREATE TABLE terms (id INTEGER PRIMARY KEY, plan INTEGER NOT NULL, from_s INTEGER NOT NULL, until_s INTEGER,
        content TEXT NOT NULL) STRICT""",
    # By the start of the plan's day and the number that the tariff has in the terms.
    """CREATE TABLE plan_usage (terms INTEGER NOT NULL, day INTEGER NOT NULL, tariff INTEGER NOT NULL,
        series INTEGER NOT NULL, octets_in INTEGER NOT NULL, octets_out INTEGER NOT NULL,
        octets_unsplit INTEGER NOT NULL, PRIMARY KEY (terms, day, tariff, series)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE topup (id INTEGER PRIMARY KEY, plan INTEGER NOT NULL, at_s INTEGER NOT NULL, pot TEXT NOT NULL,
        octets INTEGER NOT NULL) STRICT""",
)


def _plans(connection: sqlite3.Connection) -> None:
    for statement in _FIFTH:
        connection.execute(statement)


_SIXTH = (
    # What blocks of the journal's file that are not folded are marked with; versions before would not look there.
    "CREATE TABLE chain (id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL) STRICT",
    "INSERT INTO chain VALUES (1, 0)",
)


def _blocks(connection: sqlite3.Connection) -> None:
    for statement in _SIXTH:
        connection.execute(statement)
    journal.by_columns(connection)


_ALARMS = (
    # What was told, so that it is told once: what it was about, since when it holds, and when it was over.
    """CREATE TABLE alarm (key TEXT PRIMARY KEY, raised_ms INTEGER NOT NULL, cleared_ms INTEGER)
        STRICT, WITHOUT ROWID""",
    # Messages that some addresses have not taken yet, by the addresses' marks: addresses hold passwords.
    """CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, title TEXT NOT NULL,
        body TEXT NOT NULL, urgent INTEGER NOT NULL, waiting TEXT NOT NULL, tries INTEGER NOT NULL,
        next_ms INTEGER NOT NULL) STRICT""",
)


def _warnings(connection: sqlite3.Connection) -> None:
    for statement in _ALARMS:
        connection.execute(statement)


def _packed_buckets(connection: sqlite3.Connection) -> None:
    """What a series has in a chunk is one row: a fifth of the octets that a row for each bucket takes."""
    for kind, (_, columns) in _COLUMNS.items():
        for resolution in ("minute", "hour", "day", "month"):
            table, unit = f"{kind}_{resolution}", 60 if resolution == "minute" else 1
            length = _CHUNKS.get(resolution, 100)
            names = ", ".join(column.split()[0] for column in columns.split(","))
            filled = _set_aside(connection, table)
            connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT")
            if not filled:
                continue
            rows = connection.execute(
                f"""SELECT chunk << 32 | {_COLUMNS[kind][0]}, bucket % {length} / {unit}, {names}
                    FROM old ORDER BY 1, 2"""  # noqa: S608 - words of this module
            )
            connection.executemany(
                f"INSERT INTO {table} VALUES (?, ?)",  # noqa: S608
                ((id, packed([row[1:] for row in several])) for id, several in groupby(rows, itemgetter(0))),
            )
            connection.execute("DROP TABLE old")


def _seconds(connection: sqlite3.Connection) -> None:
    for kind in _COLUMNS:
        connection.execute(f"CREATE TABLE {kind}_second (id INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT")


_HELD = (
    # Since when usage is held because the clock is not believed, at most one row, and what is held (`held.py`).
    """CREATE TABLE hold (id INTEGER PRIMARY KEY CHECK (id = 1), boot TEXT NOT NULL, offset_ms INTEGER NOT NULL,
        since_ms INTEGER NOT NULL, wall_offset_ms INTEGER NOT NULL, steady_ms INTEGER NOT NULL) STRICT""",
    """CREATE TABLE held (id INTEGER PRIMARY KEY, boot TEXT NOT NULL, offset_ms INTEGER NOT NULL,
        content BLOB NOT NULL) STRICT""",
)


def _held_usage(connection: sqlite3.Connection) -> None:
    for statement in _HELD:
        connection.execute(statement)


def _zones(connection: sqlite3.Connection) -> None:
    """Since when days and months are booked in which time zone (`zones.py`), UTC seconds."""
    connection.execute("CREATE TABLE zone (since_s INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT")


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _create_tables,
    _journal_and_chunks,
    _services_and_peers,
    _people,
    _plans,
    _blocks,
    _warnings,
    _packed_buckets,
    _seconds,
    _held_usage,
    _zones,
)
"""Number n brings a database from `user_version` n to n + 1."""
