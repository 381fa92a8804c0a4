"""The accounts file deleted, moved or replaced while the service runs: log-ins go on, and health has a notice."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from whitestat.app.service import watch_accounts
from whitestat.core.errors import LedgerError
from whitestat.web.auth import file
from whitestat.web.auth.accounts import Accounts
from whitestat.web.auth.roles import Role

NOW_MS = 1_800_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "whitestat.db.access"


@pytest.fixture
def accounts(path: Path) -> Accounts:
    accounts = Accounts(path)
    accounts.set_password(accounts.owner(NOW_MS).id, "scrypt$")
    return accounts


def can_log_in(accounts: Accounts) -> bool:
    return accounts.by_session(accounts.begin(1, NOW_MS), NOW_MS) is not None


def test_a_file_in_its_place_is_no_notice(accounts: Accounts, path: Path) -> None:
    before = path.stat()
    assert accounts.check_file() is None
    assert can_log_in(accounts)
    assert accounts.check_file() is None
    again = Accounts(path)
    assert again.check_file() is None
    assert path.stat().st_ino != before.st_ino, "a log-in writes, a check does not"


def test_no_file_is_written_before_there_is_an_account(path: Path) -> None:
    assert Accounts(path).check_file() is None
    assert not path.exists()


def deleted(path: Path) -> None:
    path.unlink()


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


@pytest.mark.parametrize("lose", [deleted, moved])
@pytest.mark.parametrize("notice_by", [Accounts.check_file, can_log_in])
def test_a_lost_file_is_written_again(
    accounts: Accounts, path: Path, lose: Callable[[Path], None], notice_by: Callable[[Accounts], object]
) -> None:
    lose(path)
    notice_by(accounts)
    assert [account.name for account in Accounts(path).accounts] == ["owner"]
    assert "was deleted or moved while the service ran" in (accounts.check_file() or "")


def test_without_a_place_log_ins_go_on_and_the_file_is_written_when_there_is_one(
    accounts: Accounts, path: Path
) -> None:
    shutil.rmtree(path.parent)
    assert "accounts cannot be written: no such file" in (accounts.check_file() or "")
    secret = accounts.begin(1, NOW_MS)
    assert accounts.by_session(secret, NOW_MS)
    path.parent.mkdir()
    assert "the accounts were written to it again" in (accounts.check_file() or "")
    assert Accounts(path).by_session(secret, NOW_MS), "the log-in meanwhile is in the file"


def test_a_log_in_that_could_not_be_written_is_written_later(accounts: Accounts, path: Path) -> None:
    obstacle = path.with_name(f"{path.name}.new")
    obstacle.mkdir()
    secret = accounts.begin(1, NOW_MS)
    assert "accounts cannot be written" in (accounts.check_file() or "")
    obstacle.rmdir()
    assert accounts.check_file() is None
    assert Accounts(path).by_session(secret, NOW_MS)


def renamed_over(path: Path, other: Path) -> None:
    other.rename(path)


def copied_over(path: Path, other: Path) -> None:
    """The inode stays."""
    shutil.copyfile(other, path)


def damaged(path: Path, other: Path) -> None:
    path.write_text("{")


@pytest.mark.parametrize("replace", [renamed_over, copied_over, damaged])
def test_another_file_is_not_overwritten(
    accounts: Accounts, path: Path, tmp_path: Path, replace: Callable[[Path, Path], None]
) -> None:
    other = tmp_path / "other"
    Accounts(other).add("Bo", Role.OWNER, None, NOW_MS)
    replace(path, other)
    content = path.read_bytes()
    assert can_log_in(accounts)
    with pytest.raises(LedgerError, match="another file was put in its place"):
        accounts.set_password(1, "scrypt$other")
    assert "another file was put in its place" in (accounts.check_file() or "")
    assert path.read_bytes() == content
    if replace is not damaged:
        assert [account.name for account in Accounts(path).accounts] == ["Bo"], "the next start uses it"
    path.unlink()
    assert "written to it again" in (accounts.check_file() or "")
    accounts.set_password(1, "scrypt$other")


def test_a_file_that_appears_where_none_was_is_not_overwritten(path: Path, tmp_path: Path) -> None:
    accounts = Accounts(path)
    Accounts(path).add("Bo", Role.OWNER, None, NOW_MS)
    assert "another file was put in its place" in (accounts.check_file() or "")
    with pytest.raises(LedgerError, match="another file was put in its place"):
        accounts.owner(NOW_MS)
    assert [account.name for account in Accounts(path).accounts] == ["Bo"]


def test_a_copy_of_the_file_is_the_same_file(accounts: Accounts, path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    copy.rename(path)
    assert accounts.check_file() is None
    accounts.set_password(1, "scrypt$other")


def test_a_file_of_which_only_the_folder_could_not_be_synchronised_is_the_same_file(
    accounts: Accounts, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        raise OSError(5, os.strerror(5))

    with monkeypatch.context() as patch:
        patch.setattr(file, "_sync", fail)
        with pytest.raises(LedgerError, match="cannot be written"):
            accounts.set_password(1, "scrypt$other")
    assert accounts.check_file() is None
    assert Accounts(path).account(1).password == accounts.account(1).password


def test_the_service_has_the_latest_notice_among_those_of_health(accounts: Accounts, path: Path) -> None:
    notices = ["of another part"]

    async def watch() -> list[list[str]]:
        task = asyncio.create_task(watch_accounts(accounts, notices, every_s=0.01))
        seen = []
        shutil.rmtree(path.parent)
        for text in ("cannot be written", "written to it again"):
            async with asyncio.timeout(20):
                while not any(text in notice for notice in notices):
                    await asyncio.sleep(0.01)
            seen.append(list(notices))
            path.parent.mkdir(exist_ok=True)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return seen

    assert [len(each) for each in asyncio.run(watch())] == [2, 2]
    assert path.exists()


def test_a_file_of_the_version_before_is_read_and_written_anew(path: Path) -> None:
    """Its sessions have no address and no browser, its tokens no expiry and no last use."""
    session = {"digest": "d" * 64, "account": 1, "created_ms": 5, "seen_ms": 6}
    token = {"id": 2, "name": "Excel", "role": "viewer", "person": None, "digest": "e" * 64, "created_ms": 5}
    owner = {"id": 1, "name": "owner", "role": "owner", "person": None, "password": None, "created_ms": 5}
    content = {
        "version": 1,
        "next": 3,
        "accounts": [owner],
        "tokens": [token],
        "sessions": [session],
        "links": [],
        "known": [],
    }
    path.write_text(json.dumps(content))
    accounts = Accounts(path)
    assert accounts.fault is None
    assert [(row.address, row.browser) for row in accounts.sessions(1, 7)] == [("", "")]
    assert (accounts.tokens[0].expires_ms, accounts.tokens[0].seen_ms) == (None, None)
    accounts.begin(1, 7)
    assert json.loads(path.read_text())["version"] == 2
    assert len(Accounts(path).sessions(1, 7)) == 2
