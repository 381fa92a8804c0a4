"""A ledger of an earlier version, with flushes in its journal that were not folded, is opened with every octet."""

from __future__ import annotations

import json
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.flushes import NOON_S, STOCKHOLM
from whitestat.core.calendar import HOUR_S
from whitestat.ledger.files.database import APPLICATION_ID
from whitestat.ledger.files.migrations import MIGRATIONS
from whitestat.ledger.read.queries import Queries, UsageQuery
from whitestat.ledger.write.writer import Writer

SLOT_OCTETS = 4000
"""What a row of the journal held in versions 2 and 3."""

ADDRESS = "00000000000000000000ffffc0000201"
"""192.0.2.1, mapped into IPv6."""


def rows_of(flush: int, series: int) -> list[list[list[int | str]]]:
    """The tables of an entry as versions 2 and 3 wrote them, row by row, with as many series as asked for."""
    at_s = NOON_S + 60 * flush
    return [
        [[at_s, each, 100, 10, 1, 1, 0] for each in range(1, series + 1)],
        [[at_s, 1, 60_000, 0, 0, 110 * series, 0, 0]],
        [[1, at_s * 1000]],
        [[1, ADDRESS, at_s * 1000]],
        [[1, "", ADDRESS, "", "", -1, -1, 0, 100 * flush, 10, 1, 1, 0, at_s * 1000, "1", 64]],
        [],
        [["kernel", flush]],
    ]


def by_columns(tables: list[list[list[int | str]]]) -> list[object]:
    """As later releases of versions 3 to 5 wrote them."""
    return [*([list(column) for column in zip(*table, strict=True)] for table in tables[:4]), *tables[4:]]


def old_ledger(path: Path, version: int, entries: list[object], cut: int = SLOT_OCTETS) -> None:
    """A ledger as that version left it when its power went: folded up to 7, the entries behind it in its journal."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for migration in MIGRATIONS[:version]:
            migration(connection)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("INSERT INTO point VALUES (1, 'lan', 'kernel', 'br0', 1)")
        connection.execute("INSERT INTO device VALUES (1, 'phone', 'user', NULL)")
        connection.execute("INSERT INTO episode VALUES (1, 1, x'025000000011', NULL, 0, NULL, 0)")
        for number in range(1, 10):
            connection.execute("INSERT INTO series VALUES (?, ?, 1, 0)", (number, number))
        connection.execute("INSERT INTO closed VALUES ('minute', 7)")
        slot = 0
        for entry in entries:
            content = zlib.compress(json.dumps(entry, separators=(",", ":")).encode())
            parts = [content[at : at + cut] for at in range(0, len(content), cut)]
            for number, part in enumerate(parts):
                row = slot, 8 + slot, len(parts) - number - 1, part.ljust(cut, b"\0")
                connection.execute("INSERT INTO journal VALUES (?, ?, ?, ?)", row)
                slot += 1


@pytest.mark.parametrize("series", [1, 2, 7, 9], ids=lambda each: f"{each} series")
@pytest.mark.parametrize("written", [list, by_columns], ids=["by rows", "by columns"])
@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_a_journal_of_an_earlier_version_is_booked(tmp_path: Path, version: int, written: object, series: int) -> None:
    path = tmp_path / "whitestat.db"
    assert callable(written)
    old_ledger(path, version, [written(rows_of(flush, series)) for flush in range(1, 5)], cut=100)
    with closing(Writer(path, STOCKHOLM)) as writer:
        state = writer.state()
        assert writer.notices == ()
    assert state.receipts == {"kernel": 4}
    assert [each.counts.octets_in for each in state.readings] == [400]
    with closing(Queries(path, STOCKHOLM)) as queries:
        [row] = queries.usage(UsageQuery(NOON_S, NOON_S + HOUR_S, by=()))
        assert row.counts.octets == 4 * 110 * series
        assert queries.coverage(NOON_S, NOON_S + HOUR_S)["lan"].octets_attributed == 4 * 110 * series
        assert [each.addresses for each in queries.devices()] == [("192.0.2.1",)]
