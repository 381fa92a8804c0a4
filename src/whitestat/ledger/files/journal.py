"""What was flushed and not folded yet: one entry per flush, in a block of a file, or, with what is new to the
database, in rows of a table.

Entries are numbered by a sequence, wherever they are; entry n after the last fold lies in slot n of the table, so a
fold frees all slots by saying how far it got.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from whitestat.ledger.files.blocks import Blocks

SLOT_OCTETS = 1952
"""With its row's header this fills a page of 2,048 octets (schema.PAGE_OCTETS), so that no two slots share one, and
rewriting a row writes one page of the log, the least SQLite can write."""

MOST = 2**53
"""No count of a flush may reach this (9 PB): a thousand such flushes still fit a bucket."""

_PUT = "INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?)"
_FOLDED = "SELECT until FROM closed WHERE resolution = 'minute'"
_SET_FOLDED = "INSERT OR REPLACE INTO closed VALUES ('minute', ?)"
_GET = "SELECT following, content FROM journal WHERE slot = ? AND sequence = ?"

_NEXT = "SELECT min(sequence) FROM journal WHERE sequence > ?"

_CHAIN = "SELECT number FROM chain"
_SET_CHAIN = "UPDATE chain SET number = ?"

_BY_COLUMNS = 4
"""How many tables of an entry, from its first, are kept by columns."""

_SMALLEST_INSTANT_S = 100_000_000

Numbers = Sequence[int]
Lost = Callable[[int, int], None]


class JournalEntry(NamedTuple):
    """A flush as rows, with the numbers that points and series have in the database.

    `usage` is the start of a minute or second, series and counts; `coverage` the same, point and coverage; `seen`
    episode and ms; `addresses` episode, address in hexadecimal digits and ms; `readings` have theirs in hexadecimal
    digits too.
    """

    usage: list[Numbers] = []  # noqa: RUF012 - never changed
    coverage: list[Numbers] = []  # noqa: RUF012
    seen: list[Numbers] = []  # noqa: RUF012
    addresses: list[Sequence[Any]] = []  # noqa: RUF012
    readings: list[list[Any]] = []  # noqa: RUF012
    audits: list[list[Any]] = []  # noqa: RUF012
    receipts: list[list[Any]] = []  # noqa: RUF012


def packed(entry: JournalEntry) -> bytes:
    """OverflowError for a number and UnicodeError for a text that no table could hold."""
    for row in (*entry.usage, *entry.coverage):
        if max(row) >= MOST or min(row) < 0:
            raise OverflowError(f"a count of {max(row)} cannot be booked")
    for number in (value for row in (*entry.readings, *entry.receipts) for value in row if isinstance(value, int)):
        if not -(2**63) <= number < 2**63:
            raise OverflowError(f"{number} has more than 64 bits")
    # By columns, which compress better than rows do: a minute, a time and its neighbours are nearly the same in all.
    columns = [[list(column) for column in zip(*table, strict=True)] for table in entry[:_BY_COLUMNS]]
    return zlib.compress(
        json.dumps([*columns, *entry[_BY_COLUMNS:]], separators=(",", ":"), ensure_ascii=False).encode()
    )


def unpacked(content: bytes) -> JournalEntry:
    """ValueError for what `packed` never made."""
    try:
        tables = json.loads(_inflated(content))
        rows: list[Any] = [list(zip(*table, strict=True)) for table in tables[:_BY_COLUMNS]]
        return JournalEntry(*rows, *tables[_BY_COLUMNS:])
    except TypeError as error:
        raise ValueError(str(error)) from error


def _inflated(content: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(content)  # zeros may follow
    except zlib.error as error:
        raise ValueError(str(error)) from error


def by_columns(connection: sqlite3.Connection) -> None:
    """Write the entries of a version before 6, some of which had every table by rows, as `packed` has them now.

    What cannot be read is left where it is, for the fold to tell. Call it in a transaction.
    """
    before = folded(connection)
    rows: list[tuple[int, bytes]] = []
    while row := _in_table(connection, before, rows[-1][0] if rows else before):
        rows.append(row)
    connection.execute("DELETE FROM journal")
    sequence = before
    for _, content in rows:
        with suppress(ValueError):
            content = _by_columns(content)  # noqa: PLW2901
        sequence = append(connection, before, sequence, content)


def _by_columns(content: bytes) -> bytes:
    tables = json.loads(_inflated(content))
    if _is_by_rows(tables[:2]):
        return packed(JournalEntry(*tables))
    return content


def _is_by_rows(tables: list[list[list[int]]]) -> bool:
    """Whether usage and coverage begin with a row and not with the column of instants: a row's second number is that
    of a series or point, which no instant after 1970 is as small as."""
    return any(len(table[0]) > 1 and table[0][1] < _SMALLEST_INSTANT_S for table in tables if table)


def folded(connection: sqlite3.Connection) -> int:
    """The last sequence that is in buckets."""
    row = connection.execute(_FOLDED).fetchone()
    return int(row[0]) if row else 0


def set_folded(connection: sqlite3.Connection, sequence: int) -> None:
    connection.execute(_SET_FOLDED, (sequence,))


def chain(connection: sqlite3.Connection) -> int:
    """What the blocks that are not folded are marked with."""
    return int(connection.execute(_CHAIN).fetchone()[0])


def new_chain(connection: sqlite3.Connection) -> int:
    """From now on no block that there is belongs to the database."""
    number = secrets.randbits(62)
    connection.execute(_SET_CHAIN, (number,))
    return number


def append(connection: sqlite3.Connection, folded: int, sequence: int, content: bytes) -> int:
    """Write an entry behind the one of this sequence; returns its own, that of its last part."""
    parts = [content[at : at + SLOT_OCTETS].ljust(SLOT_OCTETS, b"\0") for at in range(0, len(content), SLOT_OCTETS)]
    for following, part in zip(reversed(range(len(parts))), parts, strict=True):
        sequence += 1
        connection.execute(_PUT, (sequence - folded - 1, sequence, following, part))
    return sequence


def entries(
    connection: sqlite3.Connection, blocks: Blocks | None, folded: int, sequence: int, lost: Lost, *, thorough: bool
) -> Iterator[tuple[int, JournalEntry]]:
    """Sequence and content of each entry behind `sequence`; `lost` and `thorough` as those of `contents`."""
    for number, content in contents(connection, blocks, folded, sequence, lost, thorough=thorough):
        try:
            yield number, unpacked(content)
        except ValueError:
            lost(number, number)


def contents(
    connection: sqlite3.Connection, blocks: Blocks | None, folded: int, sequence: int, lost: Lost, *, thorough: bool
) -> Iterator[tuple[int, bytes]]:
    """As `entries`, packed.

    Where none is behind another, though later ones follow, `lost` is called with the first and the last sequence that
    are not there. For the writer these were damaged by the disk. For a reader they may be in rows that its snapshot
    does not have yet: what follows would name series that it does not know, so it begins a new one by an exception.
    """
    mark = chain(connection)
    while True:
        row = _in_table(connection, folded, sequence) or (blocks and blocks.entry(mark, sequence))
        if row:
            sequence = row[0]
            yield row
            continue
        # Not the next one again: where its row lies in another slot, it would be found here and above never.
        starts = (_later_row(connection, sequence + 1), blocks and blocks.later(mark, sequence, thorough=thorough))
        start = min((start for start in starts if start), default=None)
        if start is None:
            return
        lost(sequence + 1, start - 1)
        sequence = start - 1


def _later_row(connection: sqlite3.Connection, sequence: int) -> int | None:
    """The sequence of the next entry in the table, which is whole, as it came in one transaction."""
    following: int | None = connection.execute(_NEXT, (sequence,)).fetchone()[0]
    return following


def _in_table(connection: sqlite3.Connection, folded: int, sequence: int) -> tuple[int, bytes] | None:
    parts: list[bytes] = []
    while row := connection.execute(_GET, (sequence - folded, sequence + 1)).fetchone():
        sequence += 1
        parts.append(row[1])
        if row[0] == 0:
            return sequence, b"".join(parts)
    return None
