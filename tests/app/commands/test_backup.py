"""`whitestat backup --to` and `whitestat restore` as they are typed."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.flushes import STOCKHOLM, flushes_in, whole
from whitestat.app.main import run_command
from whitestat.config import page_file
from whitestat.ledger.write.writer import Writer
from whitestat.web.auth import file as accounts


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    file = tmp_path / "whitestat.toml"
    file.write_text(f'[store]\npath = "{tmp_path}/data/whitestat.db"\n')
    with closing(Writer(tmp_path / "data" / "whitestat.db", STOCKHOLM)) as writer:
        writer.commit(whole(1))
    accounts.write(accounts.path_of(tmp_path / "data" / "whitestat.db"), accounts.AccountsFile(next=7))
    return file


def test_a_series_is_written_and_restored_with_its_accounts(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = tmp_path / "data" / "whitestat.db"
    assert run_command(["backup", "--to", str(tmp_path / "copies"), "--config", str(config)]) == 0
    (copy,) = (tmp_path / "copies").glob("*.db")
    printed = capsys.readouterr().out
    assert f"{copy}\n{copy}.access\n" in printed
    assert "hashes of passwords and tokens" in printed
    with closing(Writer(ledger, STOCKHOLM)) as writer:
        writer.commit(whole(2))
    accounts.write(accounts.path_of(ledger), accounts.AccountsFile(next=9))

    assert run_command(["restore", str(copy), "--accounts", "--config", str(config)]) == 0
    assert flushes_in(ledger) == 1
    assert accounts.read(accounts.path_of(ledger)).next == 7
    (replaced,) = tmp_path.glob("data/*.before-restore-*Z")
    assert flushes_in(replaced) == 2
    assert accounts.read(accounts.path_of(replaced)).next == 9


@pytest.mark.slow
def test_the_settings_of_the_page_go_with_the_backup(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = page_file.path_of(tmp_path / "data" / "whitestat.db")
    page_file.write(page, "# ours\nbilling.day = 5\n")
    for _ in range(2):
        words = ["backup", "--to", str(tmp_path / "copies"), "--keep", "1", "--config", str(config)]
        assert run_command(words) == 0
        time.sleep(1.1)  # copies are named by the second
    copy, settings = sorted((tmp_path / "copies").glob("*.db*"), key=lambda file: len(file.name))[::2]
    assert settings.read_text() == "# ours\nbilling.day = 5\n"
    assert len(list((tmp_path / "copies").iterdir())) == 3, "the older backup is gone with its files"
    page_file.write(page, "billing.day = 6\n")
    assert run_command(["restore", str(copy), "--config", str(config)]) == 0
    assert "day = 6" in page.read_text()
    time.sleep(1.1)  # so is what was in use
    assert run_command(["restore", str(copy), "--settings", "--config", str(config)]) == 0
    assert page.read_text() == "# ours\nbilling.day = 5\n"
    settings.unlink()
    assert run_command(["restore", str(copy), "--settings", "--config", str(config)]) == 1
    assert "there is no such file; without --settings" in capsys.readouterr().err


def test_accounts_stay_where_they_are_not_asked_for_or_not_in_the_backup(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    assert run_command(["backup", str(copy), "--config", str(config)]) == 0
    assert run_command(["restore", str(copy), "--accounts", "--config", str(config)]) == 1
    assert f"{copy}.access: there is no such file" in capsys.readouterr().err
    assert run_command(["restore", str(copy), "--config", str(config)]) == 0
    assert accounts.read(accounts.path_of(tmp_path / "data" / "whitestat.db")).next == 7


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "name either FILE or --to FOLDER"),
        (["copy.db", "--to", "copies"], "name either FILE or --to FOLDER"),
        (["copy.db", "--keep", "3"], "used with --to FOLDER alone"),
        (["--to", "copies", "--force"], "not used with --to"),
    ],
)
def test_words_that_contradict_each_other_are_refused(
    config: Path, capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    assert run_command(["backup", *words, "--config", str(config)]) == 2
    assert reason in capsys.readouterr().err
