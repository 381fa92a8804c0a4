"""A backup holds whole flushes, is checked, and is all there or not there; to restore is to copy."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.flushes import NOON_S, STOCKHOLM, flush_of, flushes_in, key, whole
from whitestat.core.errors import LedgerError
from whitestat.ledger.files import copies
from whitestat.ledger.files.backup import back_up, back_up_series
from whitestat.ledger.write.writer import Writer

OURS = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / "src")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "whitestat").mkdir()
    return tmp_path / "whitestat" / "whitestat.db"


@pytest.mark.slow
def test_a_backup_of_a_running_writer_holds_whole_flushes_and_never_holds_it_up(tmp_path: Path, path: Path) -> None:
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(flush_of({(NOON_S - 86_400 + 60 * n, key(e)): 0 for n in range(300) for e in range(100)}))
        writer.fold()
        writer._connection.execute("PRAGMA busy_timeout = 0")  # no lock is waited for
        epoch, taken, to = 0, [0], tmp_path / "backup.db"
        backing_up = threading.Thread(target=lambda: taken.append(back_up(path, to, replace=False)))
        backing_up.start()
        while backing_up.is_alive() or epoch < 3:
            epoch += 1
            writer.commit(whole(epoch))
        backing_up.join()
        assert taken[-1] == to.stat().st_size > 100_000
    assert 0 <= flushes_in(to) <= epoch
    assert list(tmp_path.glob("*.part*")) == []


def test_a_restored_backup_goes_on(tmp_path: Path, path: Path) -> None:
    with closing(Writer(path, STOCKHOLM)) as writer:
        for epoch in range(1, 4):
            writer.commit(whole(epoch))
        back_up(path, tmp_path / "backup.db", replace=False)
        writer.commit(whole(4))
    shutil.copy(tmp_path / "backup.db", path)
    with closing(Writer(path, STOCKHOLM)) as writer:
        assert writer.state().receipts == {"kernel": 3}
        assert writer.commit(whole(4))
    assert flushes_in(path) == 4


def test_the_command_refuses_to_replace_a_file_unless_told(tmp_path: Path, path: Path) -> None:
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(whole(1))
        config, to = tmp_path / "whitestat.toml", tmp_path / "backup.db"
        config.write_text(f'[store]\npath = "{path}"\n')
        to.write_text("precious")
        words = [sys.executable, "-m", "whitestat", "backup", str(to), "--config", str(config)]
        refused = subprocess.run(words, capture_output=True, text=True, check=False, env=OURS)
        assert (refused.returncode, refused.stderr) == (1, f"whitestat: {to}: exists; --force replaces it\n")
        assert to.read_text() == "precious"
        done = subprocess.run([*words, "--force"], capture_output=True, text=True, check=False, env=OURS)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{to}: {to.stat().st_size} octets, checked\n"
    assert to.stat().st_mode & 0o777 == 0o600
    assert flushes_in(to) == 1


def test_what_cannot_be_the_place_of_a_backup_is_refused(tmp_path: Path, path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no database yet"):
        back_up(path, tmp_path / "backup.db", replace=False)
    Writer(path, STOCKHOLM).close()
    (tmp_path / "link.db").symlink_to(path)
    for to, fault in (
        (tmp_path, "is a folder; name a file in it"),
        (path, "is the ledger itself"),
        (tmp_path / "link.db", "is the ledger itself"),
        (tmp_path / "missing" / "backup.db", "the folder .*missing does not exist"),
        (Path("/proc/backup.db"), "the copy cannot be written"),
    ):
        with pytest.raises(LedgerError, match=fault):
            back_up(path, to, replace=True)
    assert flushes_in(path) == 0


@pytest.mark.slow
def test_a_damaged_ledger_makes_no_backup_and_leaves_the_old_one(tmp_path: Path, path: Path) -> None:
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(flush_of({(NOON_S + 60 * n, key(e)): 1 for n in range(20) for e in range(900)}))
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 8192 * 4096)  # usage, in the middle of it
        file.write(b"\xa5" * 4096 * 5)
    to = tmp_path / "backup.db"
    to.write_text("the backup of yesterday")
    with pytest.raises(LedgerError, match="the copy is damaged, as the ledger may be"):
        back_up(path, to, replace=True)
    assert to.read_text() == "the backup of yesterday"
    assert list(tmp_path.glob("*.part*")) == []


@pytest.fixture
def old(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of an earlier version, by adding a later one to this program."""
    with closing(Writer(path, STOCKHOLM)) as writer:
        for epoch in range(1, 4):
            writer.commit(whole(epoch))
    return path


def later(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE later (id INTEGER) STRICT")


def broken(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE half (id INTEGER) STRICT")
    raise sqlite3.OperationalError("no such thing")


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def migrating(monkeypatch: pytest.MonkeyPatch, *steps: object) -> int:
    """This program's version with more steps to come; returns what it was."""
    from whitestat.ledger.files import database

    version = len(database.MIGRATIONS)
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, *steps))
    return version


def test_a_copy_is_kept_before_a_migration(
    old: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "whitestat")
    with monkeypatch.context() as newer:
        version = migrating(newer, later)
        with closing(Writer(old, STOCKHOLM)) as writer:
            assert writer.state().receipts == {"kernel": 3}
        assert "later" in tables(old)
    assert f"{old}: brought from version {version} to {version + 1}" in caplog.text
    kept = old.with_name(f"whitestat.db.v{version}")
    assert "later" not in tables(kept)
    assert flushes_in(kept) == 3


def roomy(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE large AS SELECT zeroblob(4000000) AS content")
    connection.execute("DROP TABLE large")


def test_what_a_migration_leaves_free_is_given_back(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrating(monkeypatch, roomy)
    with closing(Writer(old, STOCKHOLM)) as writer:
        assert writer.state().receipts == {"kernel": 3}
    assert old.stat().st_size < 1_000_000


def test_a_migration_that_breaks_leaves_the_old_version(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        migrating(newer, later, broken)
        with pytest.raises(LedgerError, match="no such thing"):
            Writer(old, STOCKHOLM)
        assert "later" in tables(old)  # each step is a transaction of its own
        assert "half" not in tables(old)
        with pytest.raises(LedgerError, match="no such thing"):
            Writer(old, STOCKHOLM)  # and the first one is not tried again


def test_no_room_for_the_copy_refuses_the_migration_in_words(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrating(monkeypatch, later)
    monkeypatch.setattr(copies, "_ROOM_KEPT", 1 << 62)
    before = old.read_bytes()
    with pytest.raises(LedgerError, match=r"there is no room to keep a copy of it .* make room, and start again"):
        Writer(old, STOCKHOLM)
    assert old.read_bytes() == before
    assert "later" not in tables(old)


def test_a_new_database_leaves_no_copy(path: Path) -> None:
    Writer(path, STOCKHOLM).close()
    assert {each.name for each in path.parent.iterdir()} <= {
        "whitestat.db",
        "whitestat.db.lock",
        "whitestat.db.flushes",
    }


def test_a_running_writer_of_the_old_version_is_not_migrated_under_its_feet(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Writer(old, STOCKHOLM)) as writer:
        with monkeypatch.context() as newer:
            migrating(newer, later)
            with pytest.raises(LedgerError, match="another whitestat keeps usage here"):
                Writer(old, STOCKHOLM)
        assert writer.commit(whole(4))
    assert "later" not in tables(old)


NIGHT_MS = 1_790_000_000_000
DAY_MS = 86_400_000


def test_a_series_keeps_the_newest_backups_and_touches_no_other_file(tmp_path: Path, path: Path) -> None:
    folder = tmp_path / "copies"
    accounts = path.with_name(f"{path.name}.access")
    accounts.write_text("accounts")
    with closing(Writer(path, STOCKHOLM)) as writer:
        for night in range(4):
            writer.commit(whole(night + 1))
            done = back_up_series(path, folder, [accounts], keep=2, now_ms=NIGHT_MS + night * DAY_MS)
            (folder / "whitestat-notes.db").write_text("the user's")
    assert folder.stat().st_mode & 0o777 == 0o700
    ledgers = sorted(folder.glob("whitestat-2*.db"))
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        [*(file.name for file in ledgers), *(f"{file.name}.access" for file in ledgers), "whitestat-notes.db"]
    )
    assert [file.stat().st_mode & 0o777 for file in (done.ledger, *done.beside)] == [0o600, 0o600]
    assert (done.ledger, len(done.removed)) == (ledgers[-1], 2)
    assert [flushes_in(file) for file in ledgers] == [3, 4]


def test_a_backup_that_fails_removes_no_older_one(tmp_path: Path, path: Path) -> None:
    folder = tmp_path / "copies"
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(whole(1))
        first = back_up_series(path, folder, [], keep=1, now_ms=NIGHT_MS)
        with pytest.raises(LedgerError, match="exists"):
            back_up_series(path, folder, [], keep=1, now_ms=NIGHT_MS)
        unreadable = tmp_path / "folder.access"
        unreadable.mkdir()
        with pytest.raises(LedgerError, match="the copy cannot be written"):
            back_up_series(path, folder, [unreadable], keep=1, now_ms=NIGHT_MS + DAY_MS)
    assert list(folder.iterdir()) == [first.ledger]
