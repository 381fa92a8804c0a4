"""The file of flushes: whole entries in their order, of one chain, whatever was torn, folded or restored."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.flushes import FILES, NOON_S, STOCKHOLM, flush_of, key
from tests.support.full_disk import full_disk
from whitestat.core.errors import LedgerError
from whitestat.ledger.files import blocks as blocks_module
from whitestat.ledger.files.backup import back_up
from whitestat.ledger.files.blocks import BLOCK, BLOCKS, ROOM, Blocks, file_of
from whitestat.ledger.read.queries import Queries, UsageQuery
from whitestat.ledger.read.tail import OvertakenError
from whitestat.ledger.write import writer as writer_module
from whitestat.ledger.write.writer import Writer

ALWAYS = UsageQuery(NOON_S - 86_400, NOON_S + 86_400, by=())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "whitestat.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    """The first flush names the series; those after it have no news."""
    with closing(Writer(path, STOCKHOLM)) as each:
        each.commit(one())
        yield each


def one(octets: int = 1) -> writer_module.Flush:
    return flush_of({(NOON_S, key()): octets})


def total(path: Path) -> int:
    with closing(Queries(path, STOCKHOLM)) as queries:
        return sum(row.counts.octets for row in queries.usage(ALWAYS))


def copied(path: Path, to: Path) -> Path:
    """The files as they are, as after a power cut."""
    to.mkdir()
    for name in FILES:
        if path.with_name(name).exists():
            shutil.copy(path.with_name(name), to)
    return to / path.name


def read(blocks: Blocks, chain: int, sequence: int) -> list[bytes]:
    found = []
    while entry := blocks.entry(chain, sequence):
        sequence = entry[0]
        found.append(entry[1])
    return found


contents = st.lists(st.binary(min_size=1, max_size=3 * ROOM), max_size=6)


@examples(60)
@given(contents, contents, st.integers(0, 3 * BLOCKS))
def test_entries_are_read_back_in_order_and_those_of_another_chain_are_not_there(
    before: list[bytes], after: list[bytes], first: int
) -> None:
    with TemporaryDirectory() as folder, closing(Blocks(Path(folder) / "whitestat.db", writing=True)) as blocks:
        sequence = first
        for content in before:
            sequence = blocks.append(1, sequence, content)
        assert read(blocks, 1, first) == before
        at = sequence
        for content in after:
            at = blocks.append(2, at, content)
        assert read(blocks, 2, sequence) == after
        assert read(blocks, 1, first) == before
        assert read(blocks, 3, first) == []


def read_past_damage(blocks: Blocks, chain: int, sequence: int) -> list[bytes]:
    found = []
    while True:
        entry = blocks.entry(chain, sequence)
        if entry:
            sequence = entry[0]
            found.append(entry[1])
            continue
        start = blocks.later(chain, sequence, thorough=True)
        if start is None:
            return found
        sequence = start - 1


@pytest.mark.slow
@examples(60)
@given(contents.filter(bool), st.integers(0, 2 * BLOCKS), st.data())
def test_a_torn_block_loses_its_entry_and_no_other(several: list[bytes], first: int, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder, closing(Blocks(Path(folder) / "whitestat.db", writing=True)) as blocks:
        before = first
        for _ in range(BLOCKS):  # the ring is full of another chain
            before = blocks.append(2, before, b"old")
        ends = [before]
        for content in several:
            ends.append(blocks.append(1, ends[-1], content))
        torn = data.draw(st.integers(before + 1, ends[-1]))
        sector = data.draw(st.integers(0, BLOCK // 512 - 1))
        with file_of(Path(folder) / "whitestat.db").open("r+b") as file:
            file.seek(BLOCK * (torn % BLOCKS) + 512 * sector)
            was = file.read(512)
            file.seek(-512, 1)
            file.write(bytes(512))
        lost = next(number for number, end in enumerate(ends[1:]) if end >= torn)
        expected = [each for number, each in enumerate(several) if number != lost or not any(was)]
        assert read_past_damage(blocks, 1, before) == expected
        assert read(blocks, 1, before) == several[: lost if any(was) else len(several)]


def test_a_flush_without_news_writes_one_block(writer: Writer, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_module, "BLOCKS", 32)
    for _ in range(2):  # all of the ring is laid out
        for _ in range(20):
            writer.commit(one())
        writer.fold()
    log, before = path.with_name("whitestat.db-wal").stat().st_size, writer.octets_written
    for _ in range(10):
        writer.commit(one())
    assert writer.octets_written - before == 10 * BLOCK
    assert path.with_name("whitestat.db-wal").stat().st_size == log
    assert total(path) == 51


def scribbled(copy: Path, *blocks: int) -> None:
    with file_of(copy).open("r+b") as file:
        for each in blocks:
            file.seek(BLOCK * each + 40)
            file.write(b"\xff")


def zeroed(copy: Path, *blocks: int) -> None:
    with file_of(copy).open("r+b") as file:
        for each in blocks:
            file.seek(BLOCK * each)
            file.write(bytes(BLOCK))


def misplaced(copy: Path, *blocks: int) -> None:
    """The disk wrote another block where these should be."""
    with file_of(copy).open("r+b") as file:
        file.seek(BLOCK * (max(blocks) + 1))
        other = file.read(BLOCK)
        for each in blocks:
            file.seek(BLOCK * each)
            file.write(other)


@pytest.mark.parametrize("damage", [scribbled, zeroed, misplaced], ids=lambda each: each.__name__)
@pytest.mark.parametrize("blocks", [(3,), (3, 4), (2, 5)], ids=str)
def test_a_damaged_block_loses_its_flush_alone_and_is_told_after_a_restart_too(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[..., None], blocks: tuple[int, ...]
) -> None:
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(one())
        for number in range(1, 8):  # in blocks 2 to 8
            writer.commit(one(10**number))
        copy = copied(path, tmp_path / "copy")
    damage(copy, *blocks)
    expected = 1 + sum(10**number for number in range(1, 8) if number + 1 not in blocks)
    if damage is not misplaced:  # a block of the same chain tells a reader nothing of what it replaced; the fold does
        assert total(copy) == expected
    with closing(Writer(copy, STOCKHOLM)) as again:
        assert len(again.notices) == len(blocks) - (blocks == (3, 4))
        assert again.notices[0].startswith("the disk damaged ")
        assert ("2 blocks" in again.notices[0]) == (blocks == (3, 4))
        assert "between 2026-11-21T12:00" in again.notices[0]
        assert again.notices[0] in caplog.text
        again.commit(one(10**9))
        again.commit(one(10**9))
        told = again.notices
    assert total(copy) == expected + 2 * 10**9
    with closing(Writer(copy, STOCKHOLM)) as again:
        assert again.notices == told
        later = {(NOON_S + 40 * 86_400, key()): 1}
        again.commit(flush_of(later))
    with closing(Writer(copy, STOCKHOLM)) as again:
        assert again.notices == ()  # a month later


def test_a_row_that_came_after_the_snapshot_of_a_reader_is_not_taken_for_damage(path: Path) -> None:
    """Sequence 2 is a row with a new series, 3 a block that names it: who sees the block must see the row."""
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(one())
        with closing(Queries(path, STOCKHOLM)) as queries:
            (reader,) = queries._readers._idle
            reader.connection.execute("BEGIN")
            reader.connection.execute("SELECT count(*) FROM closed").fetchone()
            writer.commit(flush_of({(NOON_S, key(7)): 20}))
            writer.commit(flush_of({(NOON_S, key(7)): 300}))
            zeroed(path, 2)  # as a place looks that was laid out and not written
            with pytest.raises(OvertakenError):
                reader.tail.follow()
            reader.connection.execute("COMMIT")
            assert queries.usage(ALWAYS)[0].counts.octets == 321
        assert writer.notices == ()


def test_a_backup_leaves_damaged_blocks_out_and_takes_what_follows(writer: Writer, path: Path, tmp_path: Path) -> None:
    for _ in range(5):
        writer.commit(one())
    zeroed(path, 3)
    back_up(path, tmp_path / "backup.db", replace=False)
    assert total(tmp_path / "backup.db") == 5


def test_an_older_ledger_that_was_copied_back_takes_no_later_flushes(path: Path, tmp_path: Path) -> None:
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(one())
    old = tmp_path / "old.db"
    shutil.copy(path, old)
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(one())
        for _ in range(5):
            writer.commit(one())
        copy = copied(path, tmp_path / "copy")
    shutil.copy(old, copy)
    copy.with_name("whitestat.db-wal").unlink()
    assert total(copy) == 1
    with closing(Writer(copy, STOCKHOLM)) as writer:
        for _ in range(3):
            writer.commit(one())
        assert total(copy) == 4
    assert total(copy) == 4


def test_a_backup_has_what_is_not_folded_and_goes_its_own_way(writer: Writer, path: Path, tmp_path: Path) -> None:
    for _ in range(5):
        writer.commit(one())
    backup = tmp_path / "backup.db"
    back_up(path, backup, replace=False)
    for _ in range(5):
        writer.commit(one())
    assert (total(backup), total(path)) == (6, 11)
    restored = copied(path, tmp_path / "restored")
    shutil.copy(backup, restored)
    restored.with_name("whitestat.db-wal").unlink()
    with closing(Writer(restored, STOCKHOLM)):
        assert total(restored) == 6


def test_a_reader_that_the_writer_has_overtaken_begins_anew(
    writer: Writer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "SLOTS_MAX", 10)
    monkeypatch.setattr(blocks_module, "BLOCKS", 16)
    with closing(Queries(path, STOCKHOLM)) as queries:
        (reader,) = queries._readers._idle
        reader.connection.execute("BEGIN")
        reader.connection.execute("SELECT count(*) FROM closed").fetchone()
        for _ in range(40):
            writer.commit(one())
        with pytest.raises(OvertakenError):
            reader.tail.follow()
        reader.connection.execute("COMMIT")
        assert queries.usage(ALWAYS)[0].counts.octets == 41


def test_without_room_for_a_block_a_flush_is_refused_and_goes_in_later(writer: Writer, path: Path) -> None:
    with full_disk(file_of(path).stat().st_size + 100), pytest.raises(LedgerError, match="commit failed"):
        writer.commit(one())
    assert total(path) == 1
    for _ in range(2):
        writer.commit(one())
    assert total(path) == 3


def test_without_a_file_flushes_go_into_the_database(path: Path) -> None:
    file_of(path).mkdir()
    with closing(Writer(path, STOCKHOLM)) as writer:
        for _ in range(5):
            writer.commit(one())
    file_of(path).rmdir()
    with closing(Writer(path, STOCKHOLM)) as writer:
        for _ in range(2):
            writer.commit(one())
        assert total(path) == 7
    assert file_of(path).stat().st_size > 0


def test_a_long_flush_of_known_series_goes_into_the_database(
    writer: Writer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks_module, "MOST_PARTS", 1)
    long = {(NOON_S + 60 * n, key()): n * 7919**20 % 10**12 for n in range(1_000)}
    before = writer.octets_written
    writer.commit(flush_of(long))
    assert writer.octets_written - before > 3 * BLOCK
    writer.commit(one())
    assert total(path) == sum(long.values()) + 2
