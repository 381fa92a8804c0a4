"""What readers see of the journal: entries that no bucket holds yet, in TEMP tables of the reading connection."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from whitestat.core.model import Counts, Coverage
from whitestat.ledger.files import journal
from whitestat.ledger.files.blocks import Blocks
from whitestat.ledger.files.journal import JournalEntry


def _adding(table: str, columns: tuple[str, ...]) -> str:
    places = ", ".join("?" * (len(columns) + 2))
    sums = ", ".join(f"{column} = {column} + excluded.{column}" for column in columns)
    return f"INSERT INTO {table} VALUES ({places}) ON CONFLICT DO UPDATE SET {sums}"  # noqa: S608


_TABLES = (
    f"CREATE TEMP TABLE flushed_usage (bucket, series, {', '.join(Counts._fields)}, PRIMARY KEY (bucket, series))",
    f"CREATE TEMP TABLE flushed_coverage (bucket, point, {', '.join(Coverage._fields)}, PRIMARY KEY (bucket, point))",
    "CREATE TEMP TABLE tail_seen (episode INTEGER PRIMARY KEY, last_ms INTEGER NOT NULL)",
    "CREATE TEMP TABLE tail_address (episode INTEGER, address BLOB, last_ms INTEGER, PRIMARY KEY (episode, address))",
    f"CREATE TEMP TABLE memory_usage (bucket, series, {', '.join(Counts._fields)})",
    f"CREATE TEMP TABLE memory_coverage (bucket, point, {', '.join(Coverage._fields)})",
    "CREATE TEMP VIEW tail_usage AS SELECT * FROM flushed_usage UNION ALL SELECT * FROM memory_usage",
    "CREATE TEMP VIEW tail_coverage AS SELECT * FROM flushed_coverage UNION ALL SELECT * FROM memory_coverage",
    """CREATE TEMP VIEW episode_seen AS SELECT e.id, e.device, e.mac, e.address, e.start_ms,
        max(e.last_seen_ms, coalesce(t.last_ms, 0)) AS last_seen_ms
        FROM main.episode e LEFT JOIN tail_seen t ON t.episode = e.id""",
    """CREATE TEMP VIEW address_seen AS SELECT episode, address, last_ms FROM main.episode_address
        UNION ALL SELECT episode, address, last_ms FROM tail_address""",
)
_NAMES = ("flushed_usage", "flushed_coverage", "tail_seen", "tail_address")
_ADD_USAGE = _adding("flushed_usage", Counts._fields)
_ADD_COVERAGE = _adding("flushed_coverage", Coverage._fields)
_SEE = """INSERT INTO tail_seen VALUES (?, ?)
    ON CONFLICT DO UPDATE SET last_ms = max(last_ms, excluded.last_ms)"""
_SEE_ADDRESS = """INSERT INTO tail_address VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET last_ms = max(last_ms, excluded.last_ms)"""


class OvertakenError(Exception):
    """The snapshot is older than what is in the journal: the writer has come round in it, and what was to be read next
    is folded meanwhile, or an entry is in rows that came after the snapshot."""


class JournalTail:
    """The TEMP views `tail_usage` and `tail_coverage` have the columns of minutes, with what is unflushed; the views
    `episode_seen` and `address_seen` are their tables with the journal's times put in."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._blocks: Blocks | None = None
        connection.execute("PRAGMA temp_store = MEMORY")
        for statement in _TABLES:
            connection.execute(statement)
        self._chain = 0
        self._folded = self._sequence = self._begun_again = -1
        self._missed: set[tuple[int, int]] = set()

    def follow(self) -> None:
        """Take in what was journaled since the last call. Call it in the transaction that asks, and commit that.

        OvertakenError where that transaction is older than what is in the journal: begin it anew. OSError.
        """
        folded, last = journal.folded(self._connection), self._sequence
        if folded != self._folded:
            for name in _NAMES:
                self._connection.execute(f"DELETE FROM {name}")  # noqa: S608 - a name from above
            last = folded
        self._folded = -1  # until all is in
        self._chain = journal.chain(self._connection)
        blocks = self._opened()
        for sequence, entry in journal.entries(self._connection, blocks, folded, last, self._miss, thorough=False):
            self._take(entry)
            last = sequence
        if folded != self._begun_again and self._is_overtaken(last):
            self._begun_again = folded
            raise OvertakenError
        self._folded, self._sequence = folded, last

    @property
    def sequence(self) -> int:
        """The last flush that the snapshot has, folded or not."""
        return self._sequence

    def close(self) -> None:
        if self._blocks:
            self._blocks.close()

    def _is_overtaken(self, sequence: int) -> bool:
        return self._blocks is not None and self._blocks.is_overtaken(self._chain, sequence)

    def _miss(self, first: int, _: int) -> None:
        """Begin anew where entries are not there; what the next snapshot does not have either was damaged."""
        if (self._chain, first) not in self._missed:
            self._missed = {miss for miss in self._missed if miss[0] == self._chain} | {(self._chain, first)}
            raise OvertakenError

    def _opened(self) -> Blocks | None:
        """The file of the journal, once there is one."""
        if self._blocks and not self._blocks.is_at(self._path):
            self._blocks.close()
            self._blocks = None
        if self._blocks is None:
            with suppress(FileNotFoundError):
                self._blocks = Blocks(self._path)
        return self._blocks

    def _take(self, entry: JournalEntry) -> None:
        run = self._connection.executemany
        run(_ADD_USAGE, entry.usage)
        run(_ADD_COVERAGE, entry.coverage)
        run(_SEE, entry.seen)
        run(_SEE_ADDRESS, [(episode, bytes.fromhex(address), at_ms) for episode, address, at_ms in entry.addresses])
