"""Services and peers: handed in compressed, folded a few times a day into tables of the most used of each device.

Services are kept by hour and by day, peers by day and by month. In each bucket of a series the largest stay and all
others are one row, so that rows add up to what was handed in.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import tzinfo
from functools import cache, partial
from typing import Any, NamedTuple

from whitestat.core.errors import DamagedLedger
from whitestat.core.model import OTHER_PEER, OTHER_SERVICE, Address, Counts
from whitestat.core.units import MAPPED_IPV4
from whitestat.ledger.resolutions import Piece, Resolution, pieces
from whitestat.ledger.tables.cuts import TablePart

DetailId = tuple[Any, ...]
"""What a row of detail is about: (protocol, service), or (peer,) as stored."""
DetailRows = dict[tuple[int, int, DetailId], list[int]]
"""Amounts by bucket, series and what they are about."""


class DetailKind(NamedTuple):
    """One kind of detail: its columns, its two resolutions, what stands for all others and how many are kept."""

    name: str
    columns: tuple[str, ...]
    fine: Resolution
    coarse: Resolution
    other: DetailId
    most: int

    def table(self, resolution: Resolution) -> str:
        return f"{self.name}_{resolution}"


SERVICE = DetailKind("service", ("protocol", "service"), Resolution.HOUR, Resolution.DAY, OTHER_SERVICE, 100)
PEER = DetailKind("peer", ("peer",), Resolution.DAY, Resolution.MONTH, (OTHER_PEER,), 50)
KINDS = {kind.name: kind for kind in (SERVICE, PEER)}

KEPT_S: dict[str, int | None] = {
    "service_hour": 31 * 86_400,
    "service_day": 400 * 86_400,
    "peer_day": 31 * 86_400,
    "peer_month": 400 * 86_400,
}
"""How long rows are kept where nothing else is configured."""

_PUT = "INSERT INTO detail (content) VALUES (?)"
_ALL = "SELECT id, content FROM detail WHERE id > ? ORDER BY id"
_PUT_KEPT = """INSERT INTO kept VALUES (?, ?)
    ON CONFLICT DO UPDATE SET since = excluded.since WHERE since < excluded.since"""


def stored(peer: Address) -> bytes:
    """An address as the tables hold it: four octets for IPv4."""
    return peer[12:] if peer[:12] == MAPPED_IPV4 else peer


def address(peer: bytes) -> Address:
    """The address of a stored peer; empty for all others."""
    return MAPPED_IPV4 + peer if len(peer) == 4 else peer


class DetailEntry(NamedTuple):
    """What was handed in at once: hour, series, what it is about (a peer in hexadecimal digits), and counts."""

    service: list[list[Any]]
    peer: list[list[Any]]


def append(connection: sqlite3.Connection, entry: DetailEntry) -> None:
    content = json.dumps(entry, separators=(",", ":")).encode()
    connection.execute(_PUT, (zlib.compress(content),))


def entries(connection: sqlite3.Connection, after: int = 0) -> Iterator[tuple[int, DetailEntry]]:
    """What was handed in and is not folded; LedgerError where it is damaged."""
    for number, content in connection.execute(_ALL, (after,)):
        try:
            yield number, DetailEntry(*json.loads(zlib.decompress(content)))
        except (ValueError, TypeError, zlib.error) as error:
            raise DamagedLedger(f"the detail is damaged at {number}: {error}") from error


def add_to(sums: DetailRows, kind: DetailKind, entry: DetailEntry, bucket: Callable[[int], int]) -> None:
    """Add the entry's rows of the kind, in the buckets its hours lie in."""
    width = len(kind.columns)
    for row in entry.service if kind is SERVICE else entry.peer:
        about = (row[2], row[3]) if kind is SERVICE else (bytes.fromhex(row[2]),)
        _add(sums, (bucket(row[0]), row[1], about), row[2 + width :])


TAIL = """CREATE TEMP TABLE flushed_{name} (bucket INTEGER, series INTEGER, {keys}, {counts},
    PRIMARY KEY (bucket, series, {keys}))"""
_MEMORY = "CREATE TEMP TABLE IF NOT EXISTS memory_{name} (bucket, series, {keys}, {counts})"
_WITH_MEMORY = "CREATE TEMP VIEW tail_{name} AS SELECT * FROM flushed_{name} UNION ALL SELECT * FROM memory_{name}"


def make_memory(connection: sqlite3.Connection) -> None:
    """The TEMP tables of what is not handed in, empty."""
    for kind in KINDS.values():
        keys, counts = ", ".join(kind.columns), ", ".join(Counts._fields)
        connection.execute(_MEMORY.format(name=kind.name, keys=keys, counts=counts))


class DetailTail:
    """What readers see of detail that is not folded: TEMP tables of the reading connection, made when first asked."""

    def __init__(self, connection: sqlite3.Connection, zone: tzinfo) -> None:
        self._connection = connection
        self._zone = zone
        self._made = False
        self._last = self._first = 0

    def follow(self) -> None:
        """Take in what was handed in since the last call. Call it in the transaction that asks."""
        if not self._made:
            make_memory(self._connection)
            for kind in KINDS.values():
                keys, counts = ", ".join(kind.columns), ", ".join(Counts._fields)
                self._connection.execute(TAIL.format(name=kind.name, keys=keys, counts=counts))
                self._connection.execute(_WITH_MEMORY.format(name=kind.name))
            self._made = True
        first = self._connection.execute("SELECT coalesce(min(id), 0) FROM detail").fetchone()[0]
        if first != self._first:
            for kind in KINDS.values():
                self._connection.execute(f"DELETE FROM flushed_{kind.name}")  # noqa: S608 - a word of this module
            self._last = 0
        self._first = 0  # until all is in
        for number, entry in entries(self._connection, self._last):
            for kind in KINDS.values():
                self._take(kind, entry)
            self._last = number
        self._first = first

    def _take(self, kind: DetailKind, entry: DetailEntry) -> None:
        sums: DetailRows = {}
        add_to(sums, kind, entry, lambda hour_s: kind.fine.bucket(hour_s, self._zone))
        places = ", ".join("?" * (2 + len(kind.columns) + len(Counts._fields)))
        adding = ", ".join(f"{column} = {column} + excluded.{column}" for column in Counts._fields)
        self._connection.executemany(
            f"INSERT INTO flushed_{kind.name} VALUES ({places}) ON CONFLICT DO UPDATE SET {adding}",  # noqa: S608
            [(bucket, series, *about, *amounts) for (bucket, series, about), amounts in sums.items()],
        )


class DetailRetention(NamedTuple):
    """Of one kind: since when there are fine and coarse buckets, and the last instant that any is of, UTC seconds."""

    kind: DetailKind
    fine_s: int
    coarse_s: int
    newest_s: int

    def floor(self, at_s: int, zone: tzinfo) -> int:
        """The start of the finest bucket that is still there."""
        return self.finest(at_s).floor(at_s, zone)

    def ceiling(self, at_s: int, zone: tzinfo) -> int:
        return self.finest(at_s).ceiling(at_s, zone)

    def finest(self, at_s: int) -> Resolution:
        """Return the finer resolution if its bucket of an instant is still there, else the coarser one."""
        return self.kind.fine if at_s >= self.fine_s else self.kind.coarse


def kept(connection: sqlite3.Connection, zone: tzinfo, kind: DetailKind) -> DetailRetention:
    since = dict(connection.execute("SELECT resolution, since FROM kept"))
    table = kind.table(kind.fine)
    newest = connection.execute(
        f"SELECT max(bucket) FROM {table} WHERE chunk = (SELECT max(chunk) FROM {table})"  # noqa: S608
    ).fetchone()[0]
    newest_s = 0 if newest is None else kind.fine.start(newest, zone)
    return DetailRetention(kind, since.get(table, 0), since.get(kind.table(kind.coarse), 0), newest_s)


def parts(
    kept: DetailRetention, span: tuple[int, int], zone: tzinfo, levels: tuple[Resolution, ...] = ()
) -> list[TablePart]:
    """The tables that hold an aligned span: coarse buckets inside, fine ones at both ends, and the tail.

    `levels` are the resolutions to choose from, coarsest first, both where there are none. A coarse bucket that ends
    after the span is taken too where nothing came later: the running month is one row, not its days.
    """
    kind, (start_s, end_s) = kept.kind, span
    levels = levels or (kind.coarse, kind.fine)
    whole_s = levels[0].ceiling(end_s, zone) if end_s > kept.newest_s else end_s
    several = [
        TablePart(kind.table(piece.resolution), piece)
        for piece in pieces(start_s, whole_s, zone, levels)
        if start_s < end_s
    ]
    low, high = (kind.fine.bucket(at_s, zone) for at_s in span)
    return [*several, TablePart(f"tail_{kind.name}", Piece(kind.fine, low, high, start_s, max(end_s, start_s + 1)))]


def fold(connection: sqlite3.Connection, zone: tzinfo, pause: Callable[[], None]) -> None:
    """Move what was handed in into the tables. Call it in a transaction; `pause` is called every few milliseconds."""
    rows = list(entries(connection))
    if not rows:
        return
    for kind in KINDS.values():
        fine: DetailRows = {}
        bucket = cache(partial(kind.fine.bucket, zone=zone))
        for _, entry in rows:
            pause()
            add_to(fine, kind, entry, bucket)
        coarse: DetailRows = {}
        bucket_of = cache(lambda bucket, kind=kind: kind.coarse.bucket(kind.fine.start(bucket, zone), zone))
        for (place, series, about), amounts in fine.items():
            _add(coarse, (bucket_of(place), series, about), amounts)
        _merge(connection, kind, kind.fine, fine, pause)
        _merge(connection, kind, kind.coarse, coarse, pause)
    connection.execute("DELETE FROM detail WHERE id <= ?", (rows[-1][0],))


def expire(connection: sqlite3.Connection, zone: tzinfo, now_s: int, kept_s: Mapping[str, int | None] = KEPT_S) -> None:
    """Drop what is past its time, by whole buckets of the next coarser resolution."""
    for kind in KINDS.values():
        for resolution, edge in ((kind.fine, kind.coarse), (kind.coarse, Resolution.MONTH)):
            keep_s = kept_s.get(kind.table(resolution))
            if keep_s is None:
                continue
            since_s = edge.floor(now_s - keep_s, zone)
            low = resolution.bucket(since_s, zone)
            connection.execute(
                f"DELETE FROM {kind.table(resolution)} WHERE chunk <= ? AND bucket < ?",  # noqa: S608
                (resolution.chunk(low), low),
            )
            connection.execute(_PUT_KEPT, (kind.table(resolution), since_s))


def _merge(
    connection: sqlite3.Connection,
    kind: DetailKind,
    resolution: Resolution,
    fresh: DetailRows,
    pause: Callable[[], None],
) -> None:
    """Add rows to their buckets, and let the smallest of each be others."""
    table, columns = kind.table(resolution), (*kind.columns, *Counts._fields)
    groups: dict[tuple[int, int], DetailRows] = {}
    for (bucket, series, about), amounts in fresh.items():
        _add(groups.setdefault((bucket, series), {}), (bucket, series, about), amounts)
    select = f"SELECT {', '.join(columns)} FROM {table} WHERE chunk = ? AND series = ? AND bucket = ?"  # noqa: S608
    delete = f"DELETE FROM {table} WHERE chunk = ? AND series = ? AND bucket = ?"  # noqa: S608
    places = ", ".join("?" * (len(columns) + 3))
    insert = f"INSERT INTO {table} VALUES ({places})"  # noqa: S608
    for (bucket, series), rows in sorted(groups.items()):
        pause()
        where = resolution.chunk(bucket), series, bucket
        width = len(kind.columns)
        for row in connection.execute(select, where):
            _add(rows, (bucket, series, row[:width]), row[width:])
        connection.execute(delete, where)
        largest = _largest(kind, rows)
        connection.executemany(insert, [(*where, *about, *amounts) for about, amounts in largest])


def _largest(kind: DetailKind, rows: DetailRows) -> list[tuple[DetailId, list[int]]]:
    """In the order of the table."""
    by_size = sorted(
        ((about, amounts) for (_, _, about), amounts in rows.items() if about != kind.other),
        key=lambda item: (-Counts(*item[1]).octets, item[0]),
    )
    kept = dict(by_size[: kind.most])
    rest = [amounts for _, amounts in by_size[kind.most :]]
    rest += [amounts for (_, _, about), amounts in rows.items() if about == kind.other]
    if rest:
        kept[kind.other] = [sum(column) for column in zip(*rest, strict=True)]
    return sorted(kept.items())


def _add(sums: DetailRows, place: tuple[int, int, DetailId], amounts: Iterable[int]) -> None:
    present = sums.get(place)
    if present is None:
        sums[place] = list(amounts)
    else:
        for at, amount in enumerate(amounts):
            present[at] += amount
