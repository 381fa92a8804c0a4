"""A large ledger is opened at once and checked afterwards; what is damaged is told, and a stop does not wait."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.flushes import NOON_S, STOCKHOLM, flush_of, key, whole
from whitestat.ledger.files import database, inspection
from whitestat.ledger.files.inspection import Inspection
from whitestat.ledger.write.writer import Writer


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger that counts as large here."""
    path = tmp_path / "whitestat.db"
    with closing(Writer(path, STOCKHOLM)) as writer:
        for epoch in range(1, 30):
            writer.commit(whole(epoch))
        writer.commit(flush_of({(NOON_S, key(episode)): 1 for episode in range(3_000)}))
    for module in (database, inspection):
        monkeypatch.setattr(module, "CHECKED_AT_ONCE_OCTETS", 4096)
    return path


def found_in(path: Path) -> list[str]:
    told: list[str] = []
    each = Inspection(path, lambda reason, place: told.append(reason))
    each.start()
    for thread in threading.enumerate():
        if thread.name == "inspection":
            thread.join()
    each.stop()
    return told


def test_a_sound_ledger_is_told_nothing_of(large: Path) -> None:
    with closing(Writer(large, STOCKHOLM)):
        assert found_in(large) == []


@pytest.mark.slow
def test_a_damaged_page_is_told_while_the_service_runs(large: Path) -> None:
    with large.open("r+b") as file:
        file.seek(large.stat().st_size - 3 * 4096)
        file.write(b"\xa5" * 4096 * 3)
    with closing(database.open_for_writing(large)):
        (told,) = found_in(large)
    assert told.startswith(f"{large}: the database is damaged: ")


def test_a_stop_ends_it_at_once_and_is_not_taken_for_damage(large: Path) -> None:
    told: list[str] = []
    each = Inspection(large, lambda reason, place: told.append(reason))
    each.start()
    began = time.monotonic()
    each.stop()
    assert time.monotonic() - began < 1
    assert told == []
