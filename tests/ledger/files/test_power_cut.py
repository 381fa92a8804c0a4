"""Power cut at any moment: what was written since the last sync is lost, torn or out of order, and no flush with it.

The writes and syncs of a real process are noted in order (writes.c); a cut leaves every write up to a file's last sync,
and of those after it whichever the disk had got to, the last of them torn at a sector.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.flushes import MEMORY, flushes_in
from tests.support.recorder import ZONE, octets_of, recorder_on
from tests.support.timed_meter import OCTETS, Cut, CutMeter, poll
from whitestat.ledger.write.writer import Writer

FLUSHES = 40
SECTOR = 512
RECORD = Struct("=IIQ64s")

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler (Debian: gcc)")

WRITING = f"""
import os, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from tests.support.flushes import STOCKHOLM, whole
from whitestat.ledger.write.writer import Writer
folder = Path(sys.argv[1])
told = os.open(folder / "told", os.O_WRONLY | os.O_CREAT)
for first in (1, {FLUSHES // 2}):
    writer = Writer(folder / "whitestat.db", STOCKHOLM)
    for epoch in range(first, {FLUSHES} if first > 1 else {FLUSHES // 2}):
        writer.commit(whole(epoch))
        os.write(told, bytes([epoch]))
    writer.close()
"""


METERING = f"""
import json, os, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from tests.support.timed_meter import CutMeter, poll
from tests.support.recorder import ZONE, recorder_on
from whitestat.ledger.write.writer import Writer
folder = Path(sys.argv[1])
told = os.open(folder / "told", os.O_WRONLY | os.O_CREAT)
meter = CutMeter("boot:2", int(sys.argv[2]))
for life in range(2):
    writer = Writer(folder / "whitestat.db", ZONE)
    recorder = recorder_on(writer)
    for _ in range({FLUSHES // 2}):
        poll(recorder, meter, meter.epoch + 1)
        os.write(told, bytes([meter.epoch]))
    writer.close()
print(json.dumps(meter.cuts))
"""


@dataclass(frozen=True, slots=True)
class Record:
    kind: str
    name: str
    offset: int
    data: bytes


class Records(list[Record]):
    """Millions of octets, which no failure should print."""

    def __repr__(self) -> str:
        return f"{len(self)} records"


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """Everything one process told the disk: two lives of a writer, with its migrations, flushes and ends."""
    return recorded(tmp_path_factory.mktemp("writes"), WRITING)[0]


@pytest.fixture(scope="module", params=[0, 5], ids=["all-metered", "each-fifth-missed"])
def metered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Records, list[Cut]]:
    """The same of a meter that is booked under traffic, and what it had handed out at each of its cuts."""
    records, output = recorded(tmp_path_factory.mktemp("metered"), METERING, str(request.param))
    return records, [Cut(*each) for each in json.loads(output)]


def recorded(folder: Path, program: str, *words: str) -> tuple[Records, bytes]:
    """What a program told the disk, and what it printed."""
    shim, log, data = folder / "writes.so", folder / "log", folder / "data"
    data.mkdir()
    source = Path(__file__).with_name("writes.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", shim, source, "-ldl"], check=True)
    told = {"LD_PRELOAD": str(shim), "WRITES_OF": str(data), "WRITES_TO": str(log)}
    command = [sys.executable, "-c", program, str(data), *words]
    done = subprocess.run(command, env=os.environ | told, check=True, stdout=subprocess.PIPE)
    return Records(parsed(log.read_bytes())), done.stdout


def parsed(log: bytes) -> Iterator[Record]:
    at = 0
    while at < len(log):
        kind, length, offset, name = RECORD.unpack_from(log, at)
        at += RECORD.size
        yield Record(chr(kind), name.rstrip(b"\0").decode(), offset, log[at : at + length])
        at += length


def files_after(records: list[Record], chance: random.Random, kept: float) -> dict[str, bytes]:
    """What a disk holds that lost its power after the last record; `kept` of the writes not synced are there."""
    files: dict[str, bytearray] = {}
    waiting: dict[str, list[Record]] = {}
    for record in records:
        waiting.setdefault(record.name, []).append(record)
        if record.kind in "su":
            for each in waiting.pop(record.name):
                apply(files, each)
    for several in waiting.values():
        there = [each for each in several if chance.random() < kept]
        for each in there:
            torn = each is there[-1] and each.kind == "w" and kept < 1
            apply(files, cut_short(each, chance) if torn else each)
    return {name: bytes(content) for name, content in files.items()}


def cut_short(record: Record, chance: random.Random) -> Record:
    sectors = -(-len(record.data) // SECTOR)
    return Record(record.kind, record.name, record.offset, record.data[: SECTOR * chance.randrange(sectors + 1)])


def apply(files: dict[str, bytearray], record: Record) -> None:
    if record.kind == "u":
        files.pop(record.name, None)
    elif record.kind == "t":
        content = files.setdefault(record.name, bytearray())
        content[record.offset :] = bytes(max(0, record.offset - len(content)))
    elif record.kind == "w" and record.data:
        content = files.setdefault(record.name, bytearray())
        content.extend(bytes(max(0, record.offset - len(content))))
        content[record.offset : record.offset + len(record.data)] = record.data


def told_by(records: list[Record]) -> int:
    """The last flush whose commit had returned."""
    return max((each.data[-1] for each in records if each.name == "told"), default=0)


@pytest.mark.slow
def test_the_record_is_complete(records: Records) -> None:
    """Without this, a write that escaped the notes would make the tests below mean nothing."""
    files = files_after(records, random.Random(0), 1)
    assert told_by(records) == FLUSHES - 1
    with TemporaryDirectory(dir=MEMORY) as folder:
        (Path(folder) / "whitestat.db").write_bytes(files["whitestat.db"])
        assert flushes_in(Path(folder) / "whitestat.db") == FLUSHES - 1
    assert {each.kind for each in records} >= {"w", "s"}


@pytest.mark.slow
@examples(150)
@given(st.integers(0, 2**32), st.integers(0, 2**32), st.sampled_from([0, 0.5, 0.9, 1]))
def test_a_power_cut_at_any_write_leaves_every_flush_that_was_told(
    records: Records, moment: int, seed: int, kept: float
) -> None:
    cut, chance = moment % (len(records) + 1), random.Random(seed)
    before = records[:cut]
    with TemporaryDirectory(dir=MEMORY) as folder:
        for name, content in files_after(before, chance, kept).items():
            if not name.endswith("-shm"):  # memory shared by processes, which ended with them
                (Path(folder) / name).write_bytes(content)
        found = flushes_in(Path(folder) / "whitestat.db")
        assert told_by(before) <= found <= told_by(before) + 1


@pytest.mark.slow
@examples(60)
@given(st.integers(0, 2**32), st.integers(0, 2**32), st.sampled_from([0, 0.5, 0.9, 1]), st.integers(0, 30))
def test_a_power_cut_under_traffic_costs_one_flush_at_most_and_doubles_none(
    metered: tuple[Records, list[Cut]], moment: int, seed: int, kept: float, packets: int
) -> None:
    """The interface counts from zero afterwards, and what the meter was ahead of it before is no excuse for a loss."""
    records, cuts = metered
    before = records[: moment % (len(records) + 1)]
    with TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "whitestat.db"
        for name, content in files_after(before, random.Random(seed), kept).items():
            if not name.endswith("-shm"):
                (Path(folder) / name).write_bytes(content)
        with closing(Writer(path, ZONE)) as writer:
            last = writer.state().receipts.get("boot:2", 0)
            assert told_by(before) <= last <= told_by(before) + 1
            recorder, meter = recorder_on(writer), CutMeter("boot:3", 3)
            for _ in range(packets):
                meter.carry()
            for number in range(4):
                meter.busy = number < 2
                poll(recorder, meter, FLUSHES + 1 + number)
        booked = sum(octets_of(path).values())
        handed_out, missed = cuts[last]
        carried = handed_out + meter.interface
        assert carried * OCTETS <= booked <= (carried + missed) * OCTETS
