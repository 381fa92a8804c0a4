"""A damaged ledger, whatever its size and damage: metering goes on, it is told, and what can be read comes back."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.flushes import NOON_S, STOCKHOLM, key
from whitestat.app.ledger import open_ledger
from whitestat.config.loader import load
from whitestat.config.sections import Config
from whitestat.core.calendar import HOUR_S
from whitestat.core.errors import DamagedLedger, LedgerError
from whitestat.core.model import Counts, Coverage, Episode, PeerKey, Point, Receipt, ServiceKey
from whitestat.ledger.files import condition
from whitestat.ledger.files.blocks import file_of
from whitestat.ledger.files.condition import aside
from whitestat.ledger.files.database import MIGRATIONS
from whitestat.ledger.files.inspection import Inspection
from whitestat.ledger.files.place import Place
from whitestat.ledger.files.wal import log_of
from whitestat.ledger.read.queries import Queries, UsageQuery
from whitestat.ledger.recovery.aside import set_aside
from whitestat.ledger.recovery.pages import INDEX_NODE, TABLE_NODE, Pages, trees
from whitestat.ledger.recovery.recover import recover
from whitestat.ledger.recovery.salvage import tables_of
from whitestat.ledger.resolutions import Resolution
from whitestat.ledger.tables import packed
from whitestat.ledger.write.writer import DeviceRecord, Flush, LedgerState, Writer

OLD_BOUND = 32 << 20
"""Where a small ledger, which was refused, ended, and a large one, whose damage was found after the start, began."""

EPISODES = 30
PAGE = 2048
OURS = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / "src")}


def metered(epoch: int, at_s: int, octets: int = 1_000) -> Flush:
    """What an hour of thirty devices is, with its coverage."""
    used = {key(each): Counts(octets_in=octets + each) for each in range(1, EPISODES)}
    usage = {(at_s + 60 * n, each): counts for n in range(3) for each, counts in used.items()}
    covered = Coverage(60_000, octets_attributed=sum(each.octets for each in used.values()))
    coverage = {(at_s + 60 * n, "lan"): covered for n in range(3)}
    return Flush(usage=usage, coverage=coverage, receipts=[Receipt("kernel", epoch)])


def first(at_s: int) -> Flush:
    devices = [DeviceRecord(each, f"device {each}", "user", None) for each in range(1, EPISODES)]
    episodes = [Episode(each, each, bytes((2, 0x50, 0, 0, 0, each)), None, at_s * 1000) for each in range(1, EPISODES)]
    detail = {(at_s, ServiceKey(key(each), 6, 443)): Counts(octets_in=500) for each in range(1, EPISODES)}
    peers = {
        (at_s, PeerKey(key(each), bytes(12) + bytes((192, 0, 2, each)))): Counts(octets_in=400) for each in range(1, 9)
    }
    return replace(
        metered(1, at_s),
        points=[Point("lan", "kernel", "br0", True)],
        devices=devices,
        episodes=episodes,
        services=detail,
        peers=peers,
    )


class Ledger(NamedTuple):
    """A ledger as a power cut left it, or a clean stop."""

    path: Path
    octets: int


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five weeks of usage, some hours a day."""
    path = tmp_path_factory.mktemp("small") / "whitestat.db"
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(first(NOON_S - 35 * 86_400))
        for number in range(35 * 4):
            writer.commit(metered(number + 2, NOON_S - 35 * 86_400 + number * 6 * HOUR_S))
        writer.fold_details()
    return path


@pytest.fixture(scope="module")
def large(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with years of other series' minutes, as many pages as make it large."""
    path = tmp_path_factory.mktemp("large") / "whitestat.db"
    shutil.copy(small, path)
    shutil.copy(file_of(small), file_of(path))
    filling = packed.packed([(n, 2**40 + n, 2**40, 2**30, 2**30, 0) for n in range(60)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("INSERT INTO point VALUES (2, 'other', 'kernel', 'eth1', 0)")
        connection.execute("INSERT INTO series VALUES (10000, 1, 2, 0)")
        chunk = (NOON_S - 35 * 86_400) // 3_600 - 20_000
        rows = ((chunk + number << 32 | 10_000, filling) for number in range((OLD_BOUND + (4 << 20)) // 2_000))
        connection.executemany("INSERT INTO usage_minute VALUES (?, ?)", rows)
        connection.commit()
    assert path.stat().st_size > OLD_BOUND
    return path


Rows = Mapping[str, set[tuple[object, ...]]]
NAMES = [
    *("point", "device", "episode", "series", "service_hour", "service_day", "peer_day", "peer_month"),
    *(f"{kind}_{resolution}" for kind in ("usage", "coverage") for resolution in Resolution),
]


def rows_of(path: Path) -> Rows:
    with closing(sqlite3.connect(path)) as connection:
        return {name: set(connection.execute(f"SELECT * FROM {name}")) for name in NAMES}


def rows_on_sound_pages(pristine: Path, damaged: Path) -> Rows:
    """All rows whose page is as it was, by SQLite's own word on the sound ledger."""
    tables = {table.name: table for table in tables_of(len(MIGRATIONS))}
    found: dict[str, set[tuple[object, ...]]] = {}
    with closing(Pages(pristine)) as before, closing(Pages(damaged)) as after:
        after.size = before.size
        for name in NAMES:
            rows = found.setdefault(name, set())
            for number in pages_of(pristine, name):
                if before.page(number) == after.page(number):
                    cells = [cell for cell in before.cells(number)[1] if cell.record is not None]
                    rows |= {tuple(tables[name].row(cell, len(MIGRATIONS)) or ()) for cell in cells}
    return found


def octets_in(rows: Rows, table: str) -> int:
    """Of all columns of octets of usage."""
    return sum(
        sum(map(sum, packed.unpacked(content, 5)[1:3])) for _, content in rows[table] if isinstance(content, bytes)
    )


class Wound(NamedTuple):
    """A kind of damage, and whether every row is still to be found."""

    inflict: Callable[[Path], None]
    whole: bool


def over(path: Path, numbers: list[int], content: Callable[[int], bytes] = os.urandom) -> None:
    with path.open("r+b") as file:
        for number in numbers:
            file.seek((number - 1) * PAGE)
            file.write(content(PAGE))


def root_of(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0])


def pages_of(path: Path, table: str, nodes: bool | None = None) -> list[int]:
    with closing(Pages(path)) as pages:
        found: set[int] = set()
        for _ in trees(pages, root_of(path, table), found, []):
            pass
        return sorted(
            each for each in found if nodes is None or (pages.kind(each) in (TABLE_NODE, INDEX_NODE)) == nodes
        )


def random_pages(path: Path) -> None:
    chance = random.Random(1)
    over(path, chance.sample(range(2, path.stat().st_size // PAGE), 6))


def zeroed_pages(path: Path) -> None:
    over(path, pages_of(path, "usage_hour", nodes=False)[1:3], bytes)


def inner_page(path: Path) -> None:
    """What says where the rows of a table are: the rows themselves are all there."""
    over(path, pages_of(path, "usage_minute", nodes=True)[:1])


def first_page(path: Path) -> None:
    over(path, [1])


def zeroed_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(100))


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3 // PAGE * PAGE + 700)


def cut_to_a_little(path: Path) -> None:
    os.truncate(path, 60)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def overwritten(path: Path) -> None:
    path.write_text("no database\n" * 5_000)


WOUNDS = {
    "random pages": Wound(random_pages, False),
    "zeroed pages": Wound(zeroed_pages, False),
    "an inner page": Wound(inner_page, True),
    "the first page": Wound(first_page, True),
    "a zeroed header": Wound(zeroed_header, True),
    "cut short": Wound(cut_short, False),
    "cut to a little": Wound(cut_to_a_little, False),
    "emptied": Wound(emptied, False),
    "overwritten": Wound(overwritten, False),
}


def config_of(path: Path) -> Config:
    config = load(None, {}, root=False)
    return replace(config, store=replace(config.store, path=path))


def command(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    config = path.with_name("whitestat.toml")
    store, point = f'[store]\npath = "{path}"\n', '[[point]]\nname = "lan"\ncollector = "interface"\ninterface = "lo"\n'
    config.write_text(f'timezone = "Europe/Stockholm"\n{store}{point}')
    line = [sys.executable, "-m", "whitestat", *words, "--config", str(config)]
    return subprocess.run(line, capture_output=True, text=True, check=False, env=OURS, timeout=120)


SLOW = ("an inner page", "the first page", "cut short")
"""What a large ledger, which takes seconds to read, would not show otherwise than a small one."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "wound"),
    [*(("small", each) for each in WOUNDS), *(("large", each) for each in WOUNDS if each not in SLOW)],
)
def test_a_damaged_ledger_is_set_aside_and_what_can_be_read_comes_back(
    tmp_path: Path, request: pytest.FixtureRequest, size: str, wound: str
) -> None:
    pristine: Path = request.getfixturevalue(size)
    path = tmp_path / "whitestat.db"
    shutil.copy(pristine, path)
    shutil.copy(file_of(pristine), file_of(path))
    before = rows_of(pristine)
    inflict, whole = WOUNDS[wound]
    inflict(path)
    damaged = path.read_bytes()

    writer, state = start(config_of(path))
    try:  # metering goes on
        assert writer.commit(metered(1_000, NOON_S + HOUR_S, octets=7))
        with closing(Queries(path, STOCKHOLM)) as queries:
            now = sum(row.counts.octets for row in queries.usage(UsageQuery(NOON_S, NOON_S + 3 * HOUR_S, by=())))
        assert now >= 3 * sum(7 + each for each in range(1, EPISODES))
        assert "is set aside as whitestat.db.damaged-" in str(writer.notices)
        assert "whitestat recover" in str(writer.notices)
    finally:
        writer.close()
    [found] = aside(path)
    is_small = pristine.stat().st_size < OLD_BOUND
    if is_small:  # a large one was opened, and its start noted in it
        assert found.read_bytes() == damaged
    if whole:
        assert {each.name for each in state.devices} == {f"device {each}" for each in range(1, EPISODES)}

    alone, since = tmp_path / "alone.db", rows_of(path)
    [done] = recover(path, STOCKHOLM, source=found, to=alone, now_ms=NOON_S * 1000)
    saved = rows_of(alone)
    expected = rows_on_sound_pages(pristine, found)
    for name in NAMES:
        assert expected[name] <= saved[name] <= before[name], name
        assert not whole or saved[name] == before[name]
    if whole and is_small:
        assert (done.octets, done.missing) == (octets_in(saved, "usage_minute"), 0)
        assert f"({done.octets} octets) of {done.days} days" in done.text()

    [done] = recover(path, STOCKHOLM, now_ms=NOON_S * 1000)
    assert done.source.name == found.name
    assert not aside(path)
    assert Path(f"{found}.recovered").stat().st_size == len(damaged)
    after = rows_of(path)
    for table in ("usage_minute", "usage_hour"):
        assert octets_in(after, table) == octets_in(saved, table) + octets_in(since, table)
    assert after["episode"] >= saved["episode"]
    with closing(Writer(path, STOCKHOLM)) as writer:
        assert writer.notices == ()
        assert writer.state().receipts["kernel"] == 1_000


def start(config: Config) -> tuple[Writer, LedgerState]:
    """As the service starts; a large ledger is read through afterwards, and set aside when that finds damage."""
    writer, _ = open_ledger(config, STOCKHOLM)
    told: list[tuple[str, Place | None]] = []
    inspection = Inspection(config.store.path, lambda *each: told.append(each))
    inspection.start()
    for thread in threading.enumerate():
        if thread.name == "inspection":
            thread.join()
    for reason, place in told:
        assert place == writer.place
        writer.set_aside(reason, NOON_S * 1000)
    return writer, writer.state()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five weeks of usage over the end of a month, three hours of it."""
    path = tmp_path_factory.mktemp("tiny") / "whitestat.db"
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(first(NOON_S - 35 * 86_400))
        for number, day in enumerate((30, 2, 0), 2):
            writer.commit(metered(number, NOON_S - day * 86_400))
        writer.fold_details()
    return path


@pytest.mark.slow
def test_whatever_page_is_lost_it_is_found_and_the_rest_comes_back_once(tmp_path: Path, tiny: Path) -> None:
    before = rows_of(tiny)
    for page in range(1, tiny.stat().st_size // PAGE + 1):
        path = tmp_path / str(page) / "whitestat.db"
        path.parent.mkdir()
        shutil.copy(tiny, path)
        shutil.copy(file_of(tiny), file_of(path))
        over(path, [page], bytes)
        if path.read_bytes() == tiny.read_bytes():
            continue  # a page that nothing uses
        with suppress(DamagedLedger):  # so bad that it cannot be looked into
            assert condition.faults(path, runs=False), page
        [done] = recover(path, STOCKHOLM, now_ms=NOON_S * 1000)
        saved, readable = rows_of(path), rows_on_sound_pages(tiny, Path(f"{done.source}.recovered"))
        for resolution in Resolution:
            table = f"usage_{resolution}"
            octets = [octets_in(rows, table) for rows in (readable, saved, before)]
            assert octets == sorted(octets), (page, table)
        with closing(Writer(path, STOCKHOLM)) as writer, closing(Queries(path, STOCKHOLM)) as queries:
            assert writer.notices == (), page
            whole = UsageQuery(NOON_S - 40 * 86_400, NOON_S + 86_400, by=())
            assert sum(row.counts.octets for row in queries.usage(whole)) <= octets_in(before, "usage_minute"), page
            assert len(queries.coverage(*whole.span)) >= 1, page


@pytest.mark.slow
def test_the_commands_find_the_damage_and_get_out_of_it(tmp_path: Path, small: Path) -> None:
    path = tmp_path / "whitestat.db"
    shutil.copy(small, path)
    assert command(path, "check").returncode == 0
    inner_page(path)
    found = command(path, "check")
    assert found.returncode == 1
    assert f"store: {path}: the database is damaged: " in found.stdout
    assert "whitestat recover" in found.stdout

    writer, _ = start(config_of(path))
    writer.commit(metered(1_000, NOON_S + HOUR_S))
    writer.close()
    found = command(path, "check")
    assert found.returncode == 1
    assert "was damaged and is set aside; whitestat recover" in found.stdout
    done = command(path, "recover")
    assert (done.returncode, done.stderr) == (0, "")
    assert "saved 12.5 MB (12451005 octets) of 36 days; 1 page could not be read" in done.stdout
    found = command(path, "check")
    assert (found.returncode, found.stderr) == (0, ""), found.stdout
    again = command(path, "recover")
    assert again.returncode == 1
    assert again.stderr == f"whitestat: {path}: is sound, and nothing was set aside; there is nothing to recover\n"


@pytest.mark.slow
def test_recover_needs_no_start_before_and_refuses_a_running_writer(tmp_path: Path, small: Path) -> None:
    path = tmp_path / "whitestat.db"
    shutil.copy(small, path)
    inner_page(path)
    [done] = recover(path, STOCKHOLM, now_ms=NOON_S * 1000)
    assert (done.octets, done.missing) == (12_451_005, 0)
    assert rows_of(path)["usage_minute"] == rows_of(small)["usage_minute"]
    with closing(Writer(path, STOCKHOLM)), pytest.raises(LedgerError, match="another whitestat keeps usage here"):
        list(recover(path, STOCKHOLM, source=Path(f"{done.source}.recovered"), now_ms=0))


def test_what_was_never_a_ledger_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "whitestat.db"
    for content in (b"[web]\n" * 900, bytes(10_000), b"S"):
        path.write_bytes(content)
        for act in (lambda: start(config_of(path)), lambda: list(recover(path, STOCKHOLM, now_ms=0))):
            with pytest.raises(LedgerError, match="is not a database"):
                act()
        assert [each.name for each in tmp_path.iterdir()] == ["whitestat.db"]
        assert path.read_bytes() == content


def test_a_clean_stop_leaves_one_file_that_is_all_of_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "whitestat.db"
    with closing(Writer(path, STOCKHOLM)) as writer, closing(Queries(path, STOCKHOLM)) as queries:
        for epoch in range(1, 5):
            writer.commit(metered(epoch, NOON_S))
        queries.usage(UsageQuery(NOON_S, NOON_S + HOUR_S))
        copy = tmp_path / "killed" / "whitestat.db"
        copy.parent.mkdir()
        for each in (path, log_of(path), file_of(path)):
            shutil.copy(each, copy.parent)
    assert not log_of(path).exists()
    (tmp_path / "alone").mkdir()
    shutil.copy(path, tmp_path / "alone")
    expected = 4 * 3 * sum(1_000 + each for each in range(1, EPISODES))
    assert octets_in(rows_of(tmp_path / "alone" / "whitestat.db"), "usage_minute") == expected
    assert condition.faults(path, runs=False) == []
    [told] = condition.faults(copy, runs=False)
    assert "was not stopped cleanly: part of the ledger is in whitestat.db-wal and whitestat.db.flushes (4 fl" in told
    Writer(copy, STOCKHOLM).close()
    assert condition.faults(copy, runs=False) == []


@pytest.mark.timeout(60)
def test_a_ledger_that_lost_how_far_it_was_folded_is_set_aside_and_recovered(tmp_path: Path) -> None:
    """Flushes in rows lie in slots counted from the last fold: without it they are in other slots than expected."""
    path = tmp_path / "whitestat.db"
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(first(NOON_S))
        writer.commit(metered(2, NOON_S + HOUR_S))
        writer.fold_details()
        writer.commit(replace(metered(3, NOON_S + 2 * HOUR_S), points=[Point("dsl", "interface", "eth1", True)]))
        sequence = writer.sequence
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM closed WHERE resolution = 'minute'")
        connection.execute("INSERT OR REPLACE INTO journal VALUES (0, ?, 0, x'00')", (sequence + 3,))
        connection.commit()

    to = set_aside(path, "damaged", (NOON_S + 3 * HOUR_S) * 1000)

    with closing(Writer(path, STOCKHOLM)) as writer:
        assert writer.state().receipts
    [done] = recover(path, STOCKHOLM, source=to, now_ms=(NOON_S + 4 * HOUR_S) * 1000)
    hour = sum(counts.octets for counts in metered(1, NOON_S).usage.values())
    assert done.octets == 3 * hour  # each flush once
