"""A ledger damaged, deleted, moved or replaced while the service runs: metering goes on, and no octet is lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.engine import Service, named
from tests.support.flushes import NOON_S, flush_of, key
from tests.support.recorder import ZONE, Meter
from whitestat.core.errors import DamagedLedger
from whitestat.core.model import Receipt
from whitestat.ledger.files.backup import back_up
from whitestat.ledger.files.blocks import file_of
from whitestat.ledger.files.condition import aside
from whitestat.ledger.files.wal import log_of
from whitestat.ledger.read.queries import Queries, UsageQuery
from whitestat.ledger.recovery.recover import recover
from whitestat.ledger.usage_query import TimeStep
from whitestat.ledger.write.writer import Writer

PAGE = 2048


class House:
    """A service that metered two hours, with a page that looks."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "whitestat.db"
        self.meter = Meter(named("lan"))
        self.service = Service(self.path, self.meter)
        self.zone = self.service.writer._zone
        self.sent = 0
        self.closed = False
        self.queries = Queries(self.path, self.zone)
        self.queries.tell = self.service.engine.damaged

    def use(self, octets: int, after_ms: int = 30_000) -> None:
        self.meter.running += octets
        self.sent += octets
        self.service.tick(after_ms)

    def shown(self) -> int:
        rows = self.queries.usage(UsageQuery(0, 4_000_000_000, by=()))
        return sum(row.counts.octets for row in rows)

    def notices(self) -> str:
        return str(self.service.notices)

    def close(self) -> None:
        if not self.closed:
            self.queries.close()
            self.service.writer.close()
        self.closed = True


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    (tmp_path / "data").mkdir()
    found = House(tmp_path / "data")
    for number in range(6):
        found.use(1_000 + number, 1_200_000)
    assert found.shown() == found.sent
    yield found
    found.close()


def deleted(house: House) -> None:
    house.path.unlink()


def deleted_with_all_beside_it(house: House) -> None:
    for each in house.path.parent.iterdir():
        each.unlink()


def moved(house: House) -> None:
    house.path.rename(house.path.with_name("elsewhere.db"))


def folder_deleted(house: House) -> None:
    shutil.rmtree(house.path.parent)


def folder_moved(house: House) -> None:
    house.path.parent.rename(house.path.parent.with_name("elsewhere"))


@pytest.mark.parametrize("lose", [deleted, deleted_with_all_beside_it, moved, folder_deleted, folder_moved])
def test_a_ledger_that_is_gone_is_seen_at_the_next_flush_and_written_again(
    house: House, lose: Callable[[House], None]
) -> None:
    house.use(10)
    lose(house)
    house.use(20)
    assert "the ledger was deleted or moved while the service ran" in house.notices()
    assert house.service.engine.health()["unwritten_octets"] == 0
    house.use(40)
    assert house.shown() == house.sent
    house.close()
    with closing(Writer(house.path, house.zone)) as writer:
        assert "the ledger was deleted or moved" in str(writer.notices)
        assert writer.state().points
    with closing(Queries(house.path, house.zone)) as queries:
        assert sum(row.counts.octets for row in queries.usage(UsageQuery(0, 4_000_000_000, by=()))) == house.sent
    with closing(sqlite3.connect(house.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_where_there_is_no_place_usage_is_kept_in_memory_until_there_is(house: House) -> None:
    folder = house.path.parent
    shutil.rmtree(folder)
    folder.write_text("a file where the folder was")
    house.use(20)
    house.use(40)
    health = house.service.engine.health()
    assert (health["status"], health["unwritten_octets"]) == ("degraded", 20)  # the meter holds the rest
    assert "is gone (deleted or moved) and cannot be written again yet" in house.notices()
    folder.unlink()
    house.use(80)
    assert house.service.engine.health()["unwritten_octets"] == 0
    assert house.shown() == house.sent


def test_the_journal_alone_may_be_deleted(house: House) -> None:
    house.use(10)
    file_of(house.path).unlink()
    house.use(20)
    house.use(40)
    assert file_of(house.path).exists()
    assert house.shown() == house.sent


def test_a_backup_put_in_its_place_is_used_and_what_is_in_memory_goes_there(house: House) -> None:
    backup = house.path.with_name("backup.db")
    back_up(house.path, backup, replace=False)
    before = house.sent
    house.use(10)
    house.meter.running += 20
    backup.rename(house.path)
    house.service.tick()
    assert "another ledger was put in the place of the one in use" in house.notices()
    house.service.tick()
    assert house.shown() == before + 20


@pytest.mark.parametrize("content", [b"", b"no database" * 1_000], ids=["an empty file", "another file"])
def test_what_is_no_ledger_in_its_place_is_told_and_not_touched(house: House, content: bytes) -> None:
    kept = house.path.with_name("kept.db")
    house.path.rename(kept)
    house.path.write_bytes(content)
    house.use(20)
    assert "another file was put in the place of the ledger while the service ran" in house.notices()
    assert house.path.read_bytes() == content
    kept.rename(house.path)
    house.use(40)
    assert house.service.engine.health()["unwritten_octets"] == 0
    assert house.shown() == house.sent


def damage(house: House, *tables: str) -> None:
    """Random octets over the first pages of tables, on the disk alone: nothing of them is in the log any more."""
    house.service.writer.fold()
    house.service.writer._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    house.service.writer._connection.execute("PRAGMA shrink_memory")
    with closing(sqlite3.connect(house.path)) as connection:
        roots = [
            connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (each,)).fetchone()[0]
            for each in tables
        ]
    held = os.open(house.path, os.O_WRONLY)  # closing it would drop the locks that SQLite has on it
    for root in roots:
        os.pwrite(held, os.urandom(PAGE), (root - 1) * PAGE)


def goes_on(house: House, lost: bool) -> None:
    """What holds after any damage found while the service runs."""
    [found] = aside(house.path)
    assert "is set aside as whitestat.db.damaged-" in house.notices()
    before = house.sent
    house.use(40)
    house.use(80, 3_600_000)
    health = house.service.engine.health()
    assert (health["status"], health["unwritten_octets"]) == ("ok", 0)
    assert house.shown() >= 120
    house.close()
    [done] = recover(house.path, house.zone, now_ms=NOON_S * 1000)
    assert done.source == found
    with closing(Queries(house.path, house.zone)) as queries:
        rows = queries.usage(UsageQuery(0, 4_000_000_000, by=("device",)))
        total = sum(row.counts.octets for row in rows)
        assert total == house.sent if not lost else 120 <= total <= house.sent
        assert [row.device.name for row in rows if row.device] == ["phone"]
    assert before


def test_damage_that_a_flush_comes_across_costs_none_of_it(house: House) -> None:
    damage(house, "usage_second", "usage_month", "journal")
    house.use(20)
    house.service.writer._connection.execute("PRAGMA shrink_memory")
    house.use(40, 3_600_000)
    house.use(40, 3_600_000)
    goes_on(house, lost=False)


def test_damage_that_a_question_comes_across_is_told_and_the_next_is_answered(house: House) -> None:
    house.use(20)
    damage(house, "usage_hour")
    with closing(Queries(house.path, house.zone)) as queries:
        queries.tell = house.service.engine.damaged
        with pytest.raises(DamagedLedger):
            queries.usage(UsageQuery(0, 4_000_000_000, TimeStep.HOUR, by=()))
        house.service.engine._thread.submit(lambda: None).result()
        assert "table usage_hour" in house.notices()
        house.use(20)
        assert sum(row.counts.octets for row in queries.usage(UsageQuery(0, 4_000_000_000, TimeStep.HOUR, by=()))) == 20
    goes_on(house, lost=True)


def test_nothing_that_was_booked_is_booked_again_to_the_ledger_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "whitestat.db"
    with closing(Writer(path, ZONE)) as writer:
        flush = flush_of({(NOON_S, key()): 5}, Receipt("kernel", 7))
        assert writer.commit(flush)
        writer.set_aside("it was damaged", NOON_S * 1000)
        assert not writer.commit(flush)
        assert writer.commit(flush_of({(NOON_S, key()): 5}, Receipt("kernel", 8)))
    assert not log_of(path).exists()
    with closing(Writer(path, ZONE)) as writer:
        assert writer.state().receipts == {"kernel": 8}
