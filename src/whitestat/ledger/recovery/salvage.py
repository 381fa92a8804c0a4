"""What can still be read of a damaged ledger, row by row, into a sound one of the same version.

A table's rows are found by its tree. Where a page of that tree is bad, pages that no tree reaches any more are looked
at too, and are the table's when all their rows have its shape: so a bad page costs the rows it holds, and no others.
"""

from __future__ import annotations

import collections
import os
import re
import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from whitestat.ledger.files.migrations import APPLICATION_ID, MIGRATIONS, PAGE_OCTETS
from whitestat.ledger.recovery.pages import (
    INDEX_LEAF,
    INDEX_NODE,
    TABLE_LEAF,
    Cell,
    Damaged,
    Pages,
    Value,
    record,
    trees,
)
from whitestat.ledger.tables import packed
from whitestat.ledger.tables.buckets import CHUNK_BITS, COVERAGE, USAGE

PACKED_SINCE = 8
"""The first version that has the buckets of a chunk in one row."""

_CHUNKS = {
    "month": (2_000, 2_200),
    "hour": (10_957, 84_006),
    "day": (200_001, 220_012),
    "minute": (262_968, 1_577_807),
    "second": (1_577_808, 12_000_000),
}
"""Which chunks a resolution can have from the year 2000 on, which tells a page's table: no two overlap."""

_BUCKETS = {"hour": (946_684_800, 7_258_118_400), "day": (20_000_101, 22_000_101), "month": (200_001, 220_001)}
_PYTHON = {"INTEGER": int, "TEXT": str, "BLOB": bytes}
_ROOT = re.compile(r"CREATE TABLE \"?(\w+)\"?", re.IGNORECASE)


_INDEXES: Mapping[str, Callable[[list[Value]], list[Value]]] = {
    "series": lambda entry: [entry[3], *entry[:3]],
    "point": lambda entry: [entry[1], entry[0], "lost", None, 1],
}
"""Tables whose rows, or what matters of them, are in the index of their unique columns as well: row of an entry."""


class Column(NamedTuple):
    kind: type
    nullable: bool


class Table(NamedTuple):
    """How a table's rows look; `rowid` is the place of the column that stands for it, None where rows have none."""

    name: str
    columns: tuple[Column, ...]
    rowid: int | None

    @property
    def is_usage(self) -> bool:
        """Whether it holds metered usage; the others hold devices, people and plans."""
        return self.name.startswith(("usage_", "coverage_", "service_", "peer_")) or self.name in (
            "detail",
            "plan_usage",
        )

    def row(self, cell: Cell, version: int) -> list[Value] | None:
        """The row of a cell; None for one that is not of this table."""
        with suppress(Damaged):
            values = record(cell.record or b"")
            if len(values) != len(self.columns):
                return None
            if self.rowid is not None:
                if values[self.rowid] is not None:
                    return None
                values[self.rowid] = cell.rowid
            if all(
                type(value) is column.kind if value is not None else column.nullable
                for value, column in zip(values, self.columns, strict=True)
            ) and self._has_sense(values, version):
                return values
        return None

    def _has_sense(self, values: list[Value], version: int) -> bool:
        """What tells a table from others of the same columns, and a row from random octets."""
        kind, _, resolution = self.name.partition("_")
        if kind in ("usage", "coverage") and version >= PACKED_SINCE:
            return _is_chunk(values, kind, resolution)
        if kind in ("service", "peer"):
            low, high = _BUCKETS[resolution]
            return isinstance(values[2], int) and low <= values[2] < high
        if self.name == "detail":
            return _inflates(values[1])
        if self.name in ("audit", "user_name"):
            return (self.name == "audit") == (isinstance(values[1], str) and values[1].startswith('{"'))
        return True


class Salvage(NamedTuple):
    """Rows saved by table, pages that could not be read, and tables whose place was lost."""

    rows: dict[str, int]
    bad: int
    tables: tuple[str, ...]


def version_of(pages: Pages) -> int:
    """The version that the ledger was of; the newest where nothing tells."""
    if 0 < pages.version <= len(MIGRATIONS):
        return pages.version
    named = {name for name, _ in _roots(pages)[0].items()}
    for version in range(1, len(MIGRATIONS) + 1):
        if named and named <= {table.name for table in tables_of(version)} and version >= PACKED_SINCE:
            return version
    return len(MIGRATIONS)


def tables_of(version: int) -> list[Table]:
    """The tables of a version, from its own statements."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for migration in MIGRATIONS[:version]:
            migration(connection)
        tables = []
        for name, rowless in connection.execute("SELECT name, wr FROM pragma_table_list WHERE type = 'table'"):
            if name.startswith("sqlite_"):
                continue
            columns = connection.execute('SELECT type, "notnull", pk FROM pragma_table_info(?)', (name,)).fetchall()
            keys = [place for place, (kind, _, key) in enumerate(columns) if key and kind == "INTEGER"]
            rowid = keys[0] if not rowless and sum(bool(key) for *_, key in columns) == 1 and keys else None
            shape = tuple(Column(_PYTHON[kind], not needed and not key) for kind, needed, key in columns)
            tables.append(Table(name, shape, rowid))
        return tables


def salvage(
    path: Path, to: Path, is_wanted: Callable[[Table], bool], pause: Callable[[], None] = lambda: None
) -> Salvage:
    """Write the rows of wanted tables into a new database, of the same version, that has all tables. OSError.

    The version before today's that the ledger had is kept: the writer brings it to the newest.
    """
    with closing(Pages(path)) as pages:
        version = version_of(pages)
        with closing(sqlite3.connect(to, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size = {PAGE_OCTETS}")
            connection.execute("PRAGMA synchronous = OFF")  # the file is synced once, before it is of use
            connection.execute("BEGIN")
            for migration in MIGRATIONS[:version]:
                migration(connection)
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            salvaged = _Reader(pages, version, is_wanted).copy(connection, pause)
            connection.execute("COMMIT")
    _sync(to)
    return salvaged


def has_content_of_ours(path: Path) -> bool:
    """Whether a file that SQLite does not take for a database, or that has no mark of ours, has our tables."""
    with suppress(OSError), closing(Pages(path)) as pages:
        return bool({"usage_minute", "coverage_minute"} & _roots(pages)[0].keys())
    return False


class _Reader:
    def __init__(self, pages: Pages, version: int, is_wanted: Callable[[Table], bool]) -> None:
        self._pages = pages
        self._version = version
        self._tables = {table.name: table for table in tables_of(version)}
        self._wanted = {name for name, table in self._tables.items() if is_wanted(table)}
        self._found: set[int] = set()
        self._bad: list[int] = []

    def copy(self, connection: sqlite3.Connection, pause: Callable[[], None]) -> Salvage:
        roots, others = _roots(self._pages, self._found, self._bad)
        lost = {name for name in self._tables if name not in roots}
        schema_bad = len(self._bad)
        rows = dict.fromkeys(self._wanted, 0)
        for name in self._tables:
            if name in roots and name in self._wanted and self._walk(connection, name, roots[name], rows, pause):
                lost.add(name)
        if lost & self._wanted:  # what no tree reaches is found only where all trees are known
            for name in self._tables:
                if name in roots and name not in self._wanted and self._walk(None, name, roots[name], rows, pause):
                    lost.add(name)
            for root in others.values():
                collections.deque(trees(self._pages, root, self._found, []), maxlen=0)
            for name, orphans in self._orphans([self._tables[name] for name in self._tables if name in lost], pause):
                if name in self._wanted:
                    rows[name] += _put(connection, self._tables[name], iter(orphans), pause)
        for name in lost & self._wanted & _INDEXES.keys():
            rows[name] += self._from_index(connection, name, others)
        return Salvage(rows, len(self._bad), tuple(sorted(lost)) if schema_bad or lost else ())

    def _from_index(self, connection: sqlite3.Connection, name: str, indexes: Mapping[str, int]) -> int:
        """Put the rows that an index has and the table's pages have not; returns their number."""
        before = connection.total_changes
        root = indexes.get(f"sqlite_autoindex_{name}_1")
        for cell in trees(self._pages, root, set(), []) if root else ():
            with suppress(Damaged, IndexError):
                row = _INDEXES[name](record(cell.record or b""))
                put = f"INSERT OR IGNORE INTO {name} VALUES ({', '.join('?' * len(row))})"  # noqa: S608
                with suppress(sqlite3.Error):
                    connection.execute(put, row)
        return connection.total_changes - before

    def _walk(
        self,
        connection: sqlite3.Connection | None,
        name: str,
        root: int,
        rows: dict[str, int],
        pause: Callable[[], None],
    ) -> bool:
        """Take the rows of a tree, with a connection into its table; whether a page of it is bad."""
        before = len(self._bad)
        cells = trees(self._pages, root, self._found, self._bad)
        if connection:
            rows[name] += _put(connection, self._tables[name], self._rows(self._tables[name], cells), pause)
        else:
            collections.deque(cells, maxlen=0)
        return len(self._bad) > before

    def _rows(self, table: Table, cells: Iterator[Cell]) -> Iterator[list[Value]]:
        for cell in cells:
            row = table.row(cell, self._version)
            if row is not None:
                yield row

    def _orphans(self, tables: Collection[Table], pause: Callable[[], None]) -> Iterator[tuple[str, list[list[Value]]]]:
        """Rows of pages that no tree reaches, by table."""
        free = self._pages.free()
        for number in range(2, self._pages.count + 1):
            if number in self._found or number in free:
                continue
            pause()
            if self._pages.kind(number) not in (TABLE_LEAF, INDEX_LEAF, INDEX_NODE):
                continue
            with suppress(Damaged):
                kind, cells, _ = self._pages.cells(number)
                full = [cell for cell in cells if cell.record is not None]
                for table in tables:
                    if full and (table.rowid is not None) == (kind == TABLE_LEAF):
                        rows = [table.row(cell, self._version) for cell in full]
                        whole = [row for row in rows if row is not None]
                        if len(whole) == len(rows):
                            yield table.name, whole
                            break


def _put(connection: sqlite3.Connection, table: Table, rows: Iterator[list[Value]], pause: Callable[[], None]) -> int:
    """What is there already was found first, by the tree, and stays; a row that breaks a rule of the table is none."""
    places = ", ".join("?" * len(table.columns))
    if table.name in ("closed", "chain"):  # the statements of the tables put rows of their own
        connection.execute(f"DELETE FROM {table.name}")  # noqa: S608 - a word of the schema
    put = f"INSERT OR IGNORE INTO {table.name} VALUES ({places})"  # noqa: S608
    number = 0
    for number, row in enumerate(rows, 1):
        with suppress(sqlite3.IntegrityError, OverflowError):
            connection.execute(put, row)
        if number % 64 == 0:
            pause()
    return number


def _roots(
    pages: Pages, seen: set[int] | None = None, bad: list[int] | None = None
) -> tuple[dict[str, int], dict[str, int]]:
    """Where tables begin, by name, and where indexes do: from the tree of the schema, and from pages of its shape."""
    seen = set() if seen is None else seen
    bad = [] if bad is None else bad
    rows = [row for cell in trees(pages, 1, seen, bad) if (row := _schema_row(cell))]
    if bad:
        for number in range(2, pages.count + 1):
            if number not in seen and pages.kind(number) == TABLE_LEAF:
                with suppress(Damaged):
                    several = [_schema_row(cell) for cell in pages.cells(number)[1]]
                    if several and all(several):
                        seen.add(number)
                        rows += [row for row in several if row]
    tables = {name: root for name, root, sql in rows if sql.startswith("CREATE TABLE")}
    return tables, {name: root for name, root, sql in rows if not sql.startswith("CREATE TABLE")}


def _schema_row(cell: Cell) -> tuple[str, int, str] | None:
    """Name, root and statement of something in the schema; None for what is no row of one."""
    with suppress(Damaged):
        values = record(cell.record or b"")
        if len(values) == 5 and values[0] in ("table", "index"):
            _, name, of, root, sql = values
            if isinstance(name, str) and isinstance(of, str) and isinstance(root, int) and root > 0:
                text = sql if isinstance(sql, str) else ""
                match = _ROOT.match(text)
                return (match[1] if match else name), root, text.strip()
    return None


def _is_chunk(values: list[Value], kind: str, resolution: str) -> bool:
    number, content = values
    if not isinstance(number, int) or not isinstance(content, bytes):
        return False
    low, high = _CHUNKS[resolution]
    with suppress(ValueError):
        packed.unpacked(content, len((USAGE if kind == "usage" else COVERAGE).columns))
        return low <= number >> CHUNK_BITS <= high
    return False


def _inflates(value: Value) -> bool:
    with suppress(zlib.error):
        return isinstance(value, bytes) and bool(zlib.decompressobj().decompress(value))
    return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
