"""Fold of the journal into the tables that queries read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from operator import add
from typing import Any, NamedTuple

from whitestat.core.model import Address
from whitestat.ledger.files import journal
from whitestat.ledger.files.blocks import Blocks
from whitestat.ledger.files.journal import JournalEntry
from whitestat.ledger.resolutions import Resolution
from whitestat.ledger.tables import buckets, plans

ADDRESSES_KEPT = 16
"""How many addresses of an episode are remembered: the latest; IPv6 privacy addresses change daily."""

_SEE_EPISODE = "UPDATE episode SET last_seen_ms = :at_ms WHERE id = :episode AND last_seen_ms < :at_ms"
_SEE_ADDRESS = """INSERT INTO episode_address VALUES (:episode, :address, :at_ms, :at_ms)
    ON CONFLICT DO UPDATE SET last_ms = excluded.last_ms WHERE last_ms < excluded.last_ms"""
_FORGET_ADDRESSES = """DELETE FROM episode_address WHERE episode = :episode AND address NOT IN
    (SELECT address FROM episode_address WHERE episode = :episode ORDER BY last_ms DESC, address LIMIT :kept)"""
_PUT_READING = "INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_AUDIT = "INSERT OR REPLACE INTO audit VALUES (?, ?)"
_PUT_RECEIPT = "INSERT OR REPLACE INTO receipt VALUES (?, ?)"


FoldedSums = dict[int, dict[int, list[int]]]
"""Amounts by the number of the series or point, then by instant, UTC seconds."""


class Loss(NamedTuple):
    """Blocks of the journal that the disk damaged, and the instants of the entries around them, UTC seconds."""

    blocks: int
    after_s: int
    before_s: int


class Folded(NamedTuple):
    """How far a fold got, and what it could not read."""

    sequence: int
    losses: tuple[Loss, ...] = ()


def fold(
    connection: sqlite3.Connection,
    blocks: Blocks | None,
    zone: tzinfo,
    addresses: Mapping[tuple[int, Address], int],
    pause: Callable[[], None],
) -> Folded:
    """Book every entry of the journal that can be read: days, months and plans by `zone`, that of the ledger.

    Call it in a transaction.

    `addresses` were seen since the entry that has them, UTC milliseconds. `pause` is called every millisecond or so.
    """
    before = sequence = journal.folded(connection)
    usage: FoldedSums = {}
    coverage: FoldedSums = {}
    entries: list[JournalEntry] = []
    lost: list[tuple[int, int, int]] = []
    losses: list[Loss] = []
    at_s = buckets.newest(connection, Resolution.MINUTE) or 0

    def lose(first: int, last: int) -> None:
        nonlocal sequence
        sequence = last
        lost.append((lost.pop()[0] if lost else first, last, at_s))

    for number, entry in journal.entries(connection, blocks, before, before, lose, thorough=True):
        sequence = number
        pause()
        if (lost or losses) and not _is_known(connection, entry):
            lose(number, number)  # what named its series is among what was lost
            continue
        at_s = instant_of(entry) or at_s
        losses += [Loss(last - first + 1, after_s, at_s) for first, last, after_s in lost]
        lost.clear()
        gather(usage, entry.usage)
        gather(coverage, entry.coverage)
        entries.append(entry._replace(usage=[], coverage=[]))
    losses += [Loss(last - first + 1, after_s, after_s) for first, last, after_s in lost]
    if sequence == before:
        return Folded(before)
    buckets.book(connection, zone, buckets.USAGE, usage, pause)
    buckets.book(connection, zone, buckets.COVERAGE, coverage, pause)
    plans.book(connection, zone, usage)
    if usage or coverage:
        buckets.close(connection, zone, max(map(max, (*usage.values(), *coverage.values()))))
    mark(connection, entries, addresses)
    journal.set_folded(connection, sequence)
    return Folded(sequence, tuple(losses))


def _is_known(connection: sqlite3.Connection, entry: JournalEntry) -> bool:
    """Whether the database knows the series and points that the entry names."""
    named = {
        "series": {row[1] for row in entry.usage},
        "point": {row[1] for row in entry.coverage}
        | {row[0] for table in (entry.readings, entry.audits) for row in table},
    }
    return all(
        numbers <= {number for (number,) in connection.execute(f"SELECT id FROM {table}")}  # noqa: S608 - a word from above
        for table, numbers in named.items()
    )


def instant_of(entry: JournalEntry) -> int:
    """The latest that it has something of, UTC seconds; 0 for none."""
    return max((int(row[0]) for table in (entry.usage, entry.coverage) for row in table), default=0)


def mark(
    connection: sqlite3.Connection, entries: list[JournalEntry], addresses: Mapping[tuple[int, Address], int]
) -> None:
    """Fold the parts of entries besides usage: seen devices, and counters of meters."""
    _see(connection, entries, addresses)
    _go_on(connection, entries)


def gather(sums: FoldedSums, rows: Iterable[Sequence[int]]) -> None:
    """Add rows of instant, number and amounts to those of their number and instant."""
    for at_s, key, *amounts in rows:
        steps = sums.get(key)
        if steps is None:
            steps = sums[key] = {}
        present = steps.get(at_s)
        if present is None:
            steps[at_s] = amounts
        else:
            present[:] = map(add, present, amounts)


def _see(connection: sqlite3.Connection, entries: list[JournalEntry], again: Mapping[tuple[int, Address], int]) -> None:
    """When episodes and their addresses were last seen."""
    run = connection.executemany
    seen: dict[int, int] = {}
    for episode, at_ms in (row for entry in entries for row in entry.seen):
        seen[episode] = max(at_ms, seen.get(episode, at_ms))
    run(_SEE_EPISODE, [{"episode": episode, "at_ms": at_ms} for episode, at_ms in seen.items()])
    addresses = [
        {"episode": episode, "address": bytes.fromhex(address), "at_ms": at_ms}
        for entry in entries
        for episode, address, at_ms in entry.addresses
    ]
    run(_SEE_ADDRESS, addresses)
    run(
        _SEE_ADDRESS,
        [{"episode": episode, "address": address, "at_ms": at_ms} for (episode, address), at_ms in again.items()],
    )
    run(
        _FORGET_ADDRESSES,
        [{"episode": entry, "kept": ADDRESSES_KEPT} for entry in {row["episode"] for row in addresses}],
    )


def _go_on(connection: sqlite3.Connection, entries: list[JournalEntry]) -> None:
    """Of readings, audits and receipts the latest counts."""
    run = connection.executemany
    run(_PUT_READING, [_reading(row) for entry in entries for row in entry.readings])
    run(_PUT_AUDIT, [row for entry in entries for row in entry.audits])
    run(_PUT_RECEIPT, [row for entry in entries for row in entry.receipts])


def _reading(row: list[Any]) -> list[Any]:
    point, *names = row[:5]
    return [point, *map(bytes.fromhex, names), *row[5:]]
