"""What is not a sound database of ours is refused in a sentence with its path, and stays as it was."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.flushes import FILES, NOON_S, STOCKHOLM, flush_of, key, whole
from whitestat.core.errors import LedgerError
from whitestat.ledger.files.database import APPLICATION_ID, MIGRATIONS, READERS_KIB, open_for_reading
from whitestat.ledger.read.queries import Queries, UsageQuery
from whitestat.ledger.write.writer import Writer

NOBODY = 65_534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "whitestat.db"


def book(path: Path, flushes: int = 3) -> None:
    with closing(Writer(path, STOCKHOLM)) as writer:
        for epoch in range(1, flushes + 1):
            writer.commit(whole(epoch))


def not_a_database(path: Path) -> None:
    path.write_text("[web]\nlisten = '127.0.0.1:7777'\n" * 100)


def an_executable(path: Path) -> None:
    path.write_bytes(b"\x7fELF" + os.urandom(10_000))


def one_octet(path: Path) -> None:
    path.write_bytes(b"S")


def of_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE device (id INTEGER)")


def of_another_program_with_a_log(path: Path) -> None:
    """Its writer was killed: whoever opens it for writing moves the log into the database."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE device (id INTEGER)")
        connection.commit()
        files = {file: file.read_bytes() for file in (path, path.with_name("whitestat.db-wal"))}
    for file, content in files.items():
        file.write_bytes(content)


def of_another_program_without_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 1196444487")


def newer(path: Path) -> None:
    book(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")


def cut_short(path: Path) -> None:
    book(path)
    os.truncate(path, path.stat().st_size - 4096)


def cut_within_the_header(path: Path) -> None:
    book(path)
    os.truncate(path, 60)


def with_a_damaged_page(path: Path) -> None:
    book(path)
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xa5" * 4096)


UNUSABLE: dict[Callable[[Path], None], str] = {
    not_a_database: "is not a database",
    an_executable: "is not a database",
    one_octet: "is not a database",
    of_another_program: "is not a database of WhiteStat, but of another program",
    of_another_program_with_a_log: "is not a database of WhiteStat, but of another program",
    of_another_program_without_tables: "is not a database of WhiteStat, but of another program",
    newer: rf"was written by a newer WhiteStat \(version {len(MIGRATIONS) + 1}; this one knows",
    cut_short: "the database is damaged",
    cut_within_the_header: "is not a database",
    with_a_damaged_page: "the database is damaged",
}


@pytest.mark.parametrize("spoil", UNUSABLE, ids=lambda spoil: spoil.__name__)
def test_a_file_that_cannot_be_used_is_refused_and_not_touched(path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(path)
    before = path.read_bytes(), path.stat().st_mtime_ns
    with pytest.raises(LedgerError, match=rf"whitestat\.db: {UNUSABLE[spoil]}") as refusal:
        Writer(path, STOCKHOLM)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "spoil", [spoil for spoil in UNUSABLE if spoil is not with_a_damaged_page], ids=lambda spoil: spoil.__name__
)
def test_a_file_that_cannot_be_used_is_refused_by_a_reader_too(path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(path)
    with pytest.raises(LedgerError, match=rf"whitestat\.db: {UNUSABLE[spoil]}"):
        Queries(path, STOCKHOLM)


def test_a_damaged_page_is_an_error_to_a_reader_when_it_gets_there(path: Path) -> None:
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(flush_of({(NOON_S + 60 * n, key(e)): 1 for n in range(20) for e in range(900)}))
    with path.open("r+b") as file:
        file.seek(60 * 2048)
        file.write(b"\xa5" * (path.stat().st_size - 60 * 2048))
    with closing(Queries(path, STOCKHOLM)) as queries, pytest.raises(LedgerError, match="cannot be read"):
        queries.usage(UsageQuery(NOON_S, NOON_S + 59 * 60))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    for opened in (Writer, Queries):
        with pytest.raises(LedgerError, match=f"{tmp_path}: is a folder, not a database"):
            opened(tmp_path, STOCKHOLM)


def test_a_pipe_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(LedgerError, match=f"{path}: is neither a file nor a folder"):
        Writer(path, STOCKHOLM)


def test_the_last_folder_is_made_and_a_missing_way_to_it_is_refused(tmp_path: Path) -> None:
    book(tmp_path / "made" / "whitestat.db")
    missing = tmp_path / "typo" / "data" / "whitestat.db"
    with pytest.raises(LedgerError, match=rf"{missing}: the folder {tmp_path}/typo does not exist"):
        Writer(missing, STOCKHOLM)
    assert not (tmp_path / "typo").exists()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    path = tmp_path / "data" / "whitestat.db"
    with pytest.raises(LedgerError, match=rf"{path}: the folder {tmp_path}/data cannot be created"):
        Writer(path, STOCKHOLM)


def test_a_reader_without_a_database_is_told_when_there_will_be_one(path: Path) -> None:
    with pytest.raises(LedgerError, match=rf"{path}: there is no database yet"):
        Queries(path, STOCKHOLM)
    assert not path.exists()


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch()
    book(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def test_a_link_to_a_database_is_the_database(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    path = tmp_path / "whitestat.db"
    path.symlink_to(tmp_path / "disk" / "real.db")
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(whole(1))
        assert writer.octets_written > 0
        with closing(Queries(path, STOCKHOLM)) as queries:
            assert queries.usage(UsageQuery(NOON_S, NOON_S + 3600))
            assert queries.octets_on_disk() > 4096


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that anybody can get to, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def as_nobody(act: Callable[[], None]) -> str:
    """What the act says when done by a user who may write nothing: the error's text, or 'done'."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        told = "died"
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            act()
            told = "done"
        except BaseException as error:  # the parent's test runner must not go on in the child
            told = f"{type(error).__name__}: {error}"
        finally:
            os.write(writer, told.encode())
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as answer:
        return answer.read()


def open_and_close(path: Path) -> None:
    Writer(path, STOCKHOLM).close()


def test_a_folder_that_may_not_be_written_is_refused(public_folder: Path) -> None:
    path = public_folder / "whitestat.db"
    public_folder.chmod(stat.S_IRUSR | stat.S_IXUSR | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    told = as_nobody(lambda: open_and_close(path))
    assert told == f"LedgerError: {path}: the database cannot be written: permission denied"
    assert list(public_folder.iterdir()) == []


def test_a_database_that_may_not_be_written_is_refused(public_folder: Path) -> None:
    path = public_folder / "whitestat.db"
    book(path)
    path.chmod(0o444)
    public_folder.chmod(0o555)
    before = path.read_bytes()
    told = as_nobody(lambda: open_and_close(path))
    assert told == f"LedgerError: {path}: the database cannot be written: attempt to write a readonly database"
    assert path.read_bytes() == before


def test_a_database_that_may_not_be_read_is_refused(public_folder: Path) -> None:
    path = public_folder / "whitestat.db"
    book(path)
    path.chmod(0)
    told = as_nobody(lambda: open_and_close(path))
    assert told == f"LedgerError: {path}: the database cannot be read: permission denied"


@pytest.mark.parametrize("running", [True, False], ids=["while the service runs", "while it is stopped"])
def test_a_user_who_may_only_read_the_folder_can_ask(public_folder: Path, running: bool) -> None:
    path = public_folder / "whitestat.db"

    def ask() -> None:
        with closing(Queries(path, STOCKHOLM)) as queries:
            assert sum(row.counts.octets for row in queries.usage(UsageQuery(NOON_S, NOON_S + 3600))) == 40

    writer = Writer(path, STOCKHOLM)
    writer.commit(whole(1))
    if not running:
        writer.close()
    for file in public_folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    if os.getuid() == 0:  # otherwise the reader is the owner
        assert as_nobody(ask).startswith("LedgerError: ")
    for file in public_folder.iterdir():  # as its owner may allow
        file.chmod(0o644)
    assert as_nobody(ask) == "done"
    writer.close()
    assert {file.name for file in public_folder.iterdir()} == {*FILES, "whitestat.db.lock"} - {"whitestat.db-wal"}


def test_a_second_writer_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "whitestat.db"
    first = Writer(path, STOCKHOLM)
    with pytest.raises(LedgerError, match="another whitestat keeps usage here"):
        Writer(path, STOCKHOLM)
    first.close()
    Writer(path, STOCKHOLM).close()


def test_a_reading_connection_keeps_few_pages_of_a_large_ledger(path: Path) -> None:
    book(path)
    with closing(open_for_reading(path)) as connection:
        assert connection.execute("PRAGMA cache_size").fetchone() == (-READERS_KIB,)
