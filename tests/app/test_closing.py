"""Every command closes the databases that it opens: Python warns of those it does not since 3.13."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.support.flushes import STOCKHOLM
from tests.support.household import booked
from whitestat.app.main import run_command
from whitestat.ledger.write.writer import Writer

COMMANDS = ["today", "history", "devices", "plans", "people", "edits", "proposals", "check", "backup", "today --csv"]


class Connection(sqlite3.Connection):
    """One that is counted while it is open."""

    open: ClassVar[set[int]] = set()

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.open.add(id(self))

    def close(self) -> None:
        super().close()
        self.open.discard(id(self))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with closing(Writer(tmp_path / "whitestat.db", STOCKHOLM)) as writer:
        writer.commit(booked())
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *words, **more: connect(*words, **more, factory=Connection))
    Connection.open.clear()
    file = tmp_path / "whitestat.toml"
    point = '[[point]]\nname = "lo"\ncollector = "interface"\ninterface = "lo"\n'
    file.write_text(f'timezone = "Europe/Stockholm"\n[store]\npath = "whitestat.db"\n{point}')
    return file


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_closes_what_it_opened(config: Path, command: str) -> None:
    more = [str(config.with_name("copy.db"))] if command == "backup" else []
    assert run_command([*command.split(), *more, "--config", str(config)]) in (0, 1)
    assert not Connection.open


@pytest.mark.parametrize("content", [b"SQLite format 3\0" + bytes(9_000), b"x" * 9_000], ids=["damaged", "no database"])
def test_one_that_cannot_be_read_is_closed_too(config: Path, content: bytes) -> None:
    config.with_name("whitestat.db").write_bytes(content)
    assert run_command(["today", "--config", str(config)]) == 1
    assert not Connection.open
