"""A process killed, or a disk cut off, at any moment leaves whole flushes and nothing else."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.flushes import FILES, MEMORY, STOCKHOLM, flushes_in, whole
from whitestat.ledger.write.writer import Writer

FLUSHES = 12

COMMITTING = f"""
import sys
sys.path[:0] = {sys.path!r}
from itertools import count
from pathlib import Path
from tests.support.flushes import FILES, STOCKHOLM, WITH_SECONDS, whole
from whitestat.ledger.write.writer import Writer
writer = Writer(Path(sys.argv[1]), STOCKHOLM, WITH_SECONDS)
for epoch in count(writer.state().receipts.get("kernel", 0) + 1):
    writer.commit(whole(epoch))
    print(epoch, flush=True)
"""


def test_a_writer_killed_between_commits_leaves_what_it_committed(tmp_path: Path) -> None:
    with closing(Writer(tmp_path / "whitestat.db", STOCKHOLM)) as writer:
        for epoch in range(1, FLUSHES):
            writer.commit(whole(epoch))
            copy = tmp_path / str(epoch)
            copy.mkdir()
            for name in FILES:
                shutil.copy(tmp_path / name, copy)
            assert flushes_in(copy / "whitestat.db") == epoch


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The database and its log after some flushes, before any checkpoint."""
    folder = tmp_path_factory.mktemp("ledger")
    with closing(Writer(folder / "whitestat.db", STOCKHOLM)) as writer:
        for epoch in range(1, FLUSHES):
            writer.commit(whole(epoch))
        return {name: (folder / name).read_bytes() for name in FILES}


def restored(ledger: dict[str, bytes], folder: str, log: bytes) -> Path:
    path = Path(folder) / "whitestat.db"
    path.write_bytes(ledger["whitestat.db"])
    path.with_name("whitestat.db.flushes").write_bytes(ledger["whitestat.db.flushes"])
    path.with_name("whitestat.db-wal").write_bytes(log)
    return path


@pytest.mark.slow
@examples(60)
@given(st.data())
def test_a_log_cut_off_anywhere_leaves_whole_flushes(ledger: dict[str, bytes], data: st.DataObject) -> None:
    log = ledger["whitestat.db-wal"]
    cut = data.draw(st.integers(0, len(log)))
    with TemporaryDirectory(dir=MEMORY) as folder:
        assert 0 <= flushes_in(restored(ledger, folder, log[:cut])) < FLUSHES


@pytest.mark.slow
@examples(60)
@given(st.data())
def test_a_log_with_blocks_that_never_reached_the_disk_leaves_whole_flushes(
    ledger: dict[str, bytes], data: st.DataObject
) -> None:
    log = bytearray(ledger["whitestat.db-wal"])
    block = data.draw(st.integers(0, len(log) // 4096 - 1)) * 4096
    log[block : block + 4096] = bytes(4096)
    with TemporaryDirectory(dir=MEMORY) as folder:
        assert 0 <= flushes_in(restored(ledger, folder, bytes(log))) < FLUSHES


@pytest.mark.slow
def test_a_writer_killed_in_the_middle_of_a_commit_loses_and_doubles_nothing(tmp_path: Path) -> None:
    path = tmp_path / "whitestat.db"
    for round_ in range(6):
        with subprocess.Popen([sys.executable, "-c", COMMITTING, str(path)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(0.01 * round_)
            child.send_signal(signal.SIGKILL)
            told = [int(line) for line in child.stdout.read().splitlines()]
        booked = flushes_in(path)
        assert booked >= max(told, default=1)  # what was told to be committed is there
        with closing(Writer(path, STOCKHOLM)) as writer:
            assert not writer.commit(whole(booked))  # the meter that was not settled yet drains it once more
        assert flushes_in(path) == booked
