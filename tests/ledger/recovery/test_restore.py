"""A backup takes the place of the ledger as a whole, the old one keeps all it had, and nothing changes on a failure."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.support.flushes import STOCKHOLM, flushes_in, whole
from whitestat.core.errors import LedgerError
from whitestat.ledger.files.backup import back_up
from whitestat.ledger.recovery.restore import restore
from whitestat.ledger.write.writer import Writer

NOW_MS = 1_790_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "whitestat").mkdir()
    return tmp_path / "whitestat" / "whitestat.db"


@pytest.fixture
def backup(tmp_path: Path, path: Path) -> Path:
    """Of two flushes, beside a ledger that has three, the last of them in its journal."""
    to = tmp_path / "backup.db"
    with closing(Writer(path, STOCKHOLM)) as writer:
        for epoch in (1, 2):
            writer.commit(whole(epoch))
        back_up(path, to, replace=False)
        writer.commit(whole(3))
    return to


def test_a_restored_ledger_has_what_the_backup_has_and_the_old_one_is_kept_whole(path: Path, backup: Path) -> None:
    replaced = restore(path, backup, NOW_MS)
    assert replaced is not None
    assert (flushes_in(path), flushes_in(replaced), flushes_in(backup)) == (2, 3, 2)
    with closing(Writer(path, STOCKHOLM)) as writer:
        assert writer.commit(whole(3))
    assert flushes_in(path) == 3


def test_a_new_machine_starts_with_the_backup(tmp_path: Path, backup: Path) -> None:
    new = tmp_path / "elsewhere" / "whitestat.db"
    with pytest.raises(LedgerError, match=r"the folder .* does not exist"):
        restore(new, backup, NOW_MS)
    new.parent.mkdir()
    assert restore(new, backup, NOW_MS) is None
    assert flushes_in(new) == 2
    assert new.stat().st_mode & 0o777 == 0o600


def test_nothing_is_restored_while_the_service_runs(path: Path, backup: Path) -> None:
    with closing(Writer(path, STOCKHOLM)), pytest.raises(LedgerError, match="stop it first"):
        restore(path, backup, NOW_MS)
    assert flushes_in(path) == 3


def test_what_is_no_sound_backup_changes_nothing(tmp_path: Path, path: Path, backup: Path) -> None:
    damaged = tmp_path / "damaged.db"
    content = bytearray(backup.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 8192] = b"\xa5" * 8192
    damaged.write_bytes(content)
    note = tmp_path / "note.txt"
    note.write_text("milk, bread" * 100)
    for file, fault in (
        (damaged, "damaged"),
        (note, "is not a database"),
        (tmp_path / "missing.db", "there is no database"),
        (path, "is the ledger in use"),
    ):
        with pytest.raises(LedgerError, match=fault):
            restore(path, file, NOW_MS)
    assert flushes_in(path) == 3
    assert [file.name for file in path.parent.iterdir() if "restor" in file.name] == []
