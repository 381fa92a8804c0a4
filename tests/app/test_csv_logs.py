"""The logs that dalla-stats wrote, from a real ledger: rows, months, peaks, power cuts, and what is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.unflushed import CountedUsage
from whitestat.app import build
from whitestat.app.commands.check import _check_csv
from whitestat.app.csv_logs import AT_NIGHT, OFF_PEAK, CsvLogs, clock_of
from whitestat.config import loader
from whitestat.config.plans import plan_of
from whitestat.core.calendar import parse_instant
from whitestat.core.model import UNATTRIBUTED, Counts, Episode, Point, Scope, UsageKey
from whitestat.core.units import address_bytes, mac_bytes
from whitestat.importers.dalla_stats import read
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.write.writer import DeviceRecord, Flush, Writer
from whitestat.plans.tariff import Tariffs, Window

HOME = ZoneInfo("Africa/Johannesburg")
A, B = "02:50:00:00:00:0a", "02:50:00:00:00:0b"
HEADER = "Time, Total Bytes, Delta, On-Peak, Off-Peak"
LAN = Point("lan", "kernel", "br0")


def at(text: str) -> int:
    return parse_instant(f"2026-{text}", HOME)


class Ledger:
    """A real one with two devices; the first is Anna's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "logs"
        self.folder.mkdir()
        self.writer = Writer(folder / "w.db", HOME)
        episodes = [
            Episode(1, 1, mac_bytes(A), address_bytes("192.168.1.10"), 0),
            Episode(2, 2, mac_bytes(B), address_bytes("192.168.1.11"), 0),
        ]
        addresses = {(1, address_bytes("192.168.1.10")): 5000, (2, address_bytes("192.168.1.11")): 5000}
        devices = [DeviceRecord(1, "phone", "user", "Anna"), DeviceRecord(2, "tv", "user", None)]
        self.writer.commit(
            Flush(points=[LAN], devices=devices, episodes=episodes, seen={1: 5000, 2: 5000}, addresses=addresses)
        )
        self.queries = Queries(folder / "w.db", HOME)

    def use(self, when: str, episode: int, octets: int, scope: Scope = Scope.WAN) -> None:
        key = UsageKey(episode, "lan", scope)
        self.writer.commit(Flush(usage={(at(when), key): Counts(octets - octets // 10, octets // 10)}))

    def logs(self, clock: Tariffs | None = None, keep: int = 12) -> CsvLogs:
        night = Tariffs([AT_NIGHT], HOME, "on-peak")
        return CsvLogs(self.folder, self.queries, HOME, clock or night, keep)

    def rows(self, path: str) -> list[list[int]]:
        first, *rows = (self.folder / path).read_text().splitlines()
        assert first == HEADER
        return [[int(cell) for cell in row.split(", ")] for row in rows]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    with closing(made.writer), closing(made.queries):
        yield made


PHONE = f"2026-11/devices/{A.replace(':', '-')}_192.168.1.10.csv"


def test_rows_are_as_dalla_stats_wrote_them_by_device_user_and_total(ledger: Ledger) -> None:
    ledger.use("11-20T05:59", 1, 100)
    ledger.use("11-20T06:00", 1, 40)
    ledger.use("11-20T07:00", 2, 7)
    ledger.use("11-20T07:00", UNATTRIBUTED, 3)
    ledger.use("11-20T07:00", 1, 9999, Scope.LAN)
    logs = ledger.logs()
    logs.write(at("11-20T08:00"))
    ledger.use("11-20T08:30", 1, 60)
    logs.write(at("11-20T09:00"))
    assert ledger.rows(PHONE) == [[at("11-20T08:00"), 140, 140, 40, 100], [at("11-20T09:00"), 200, 60, 100, 100]]
    assert ledger.rows("2026-11/users/Anna.csv") == ledger.rows(PHONE)
    assert ledger.rows("2026-11/users/Unknown.csv") == [[at("11-20T08:00"), 10, 10, 10, 0]]
    assert ledger.rows("2026-11/total.csv") == [
        [at("11-20T08:00"), 150, 150, 50, 100],
        [at("11-20T09:00"), 210, 60, 110, 100],
    ]
    assert (ledger.folder / "2026-11/summary.csv").read_text() == (
        "Name, Total, On-Peak, Off-Peak\nTOTAL, 210, 110, 100\nAnna, 200, 100, 100\nUnknown, 10, 10, 0\n"
    )


def test_off_peak_is_what_a_tariff_says(ledger: Ledger) -> None:
    weekend = Tariffs([Window(OFF_PEAK, frozenset({5, 6}), 0, 1440)], HOME, "peak")
    ledger.use("11-20T23:59", 1, 30)  # a Friday
    ledger.use("11-21T00:00", 1, 4)
    ledger.logs(weekend).write(at("11-22T00:00"))
    assert ledger.rows(PHONE) == [[at("11-22T00:00"), 34, 34, 30, 4]]


def test_off_peak_is_that_of_the_first_plan_that_has_it(tmp_path: Path) -> None:
    file = tmp_path / "whitestat.toml"
    plain = '[[plan]]\nname = "kids"\nallowance = "1GB"\n'
    file.write_text(f'{plain}[[plan]]\nname = "house"\n[[plan.tariff]]\nname = "off-peak"\nwhen = ["22:00-07:00"]\n')
    clock = clock_of(map(plan_of, loader.load(file, {}, root=False).plans), HOME)
    assert [clock.at(at(f"11-20T{hour}:00")) == OFF_PEAK for hour in ("06", "07", "21", "22")] == [
        True,
        False,
        False,
        True,
    ]
    file.write_text(plain)
    clock = clock_of(map(plan_of, loader.load(file, {}, root=False).plans), HOME)
    assert [clock.at(at(f"11-20T{hour}:00")) == OFF_PEAK for hour in ("05", "06", "22")] == [True, False, False]


def test_a_new_month_is_a_new_folder_and_deltas_add_up_to_the_month(ledger: Ledger) -> None:
    logs = ledger.logs()
    for day in (29, 30):
        ledger.use(f"11-{day}T12:00", 1, day)
        logs.write(at(f"11-{day}T13:00"))
    ledger.use("11-30T23:59", 1, 500)  # after the month's last row
    ledger.use("12-01T00:00", 1, 11)
    logs.write(at("12-01T00:30"))
    november, december = ledger.rows(PHONE), ledger.rows(PHONE.replace("2026-11", "2026-12"))
    assert sum(row[2] for row in november) == november[-1][3] + november[-1][4] == 59
    assert december == [[at("12-01T00:30"), 570, 11, 0, 11]]


def test_another_process_goes_on_and_writes_nothing_where_nothing_passed(ledger: Ledger) -> None:
    ledger.use("11-20T12:00", 1, 10)
    ledger.logs().write(at("11-20T13:00"))
    ledger.logs().write(at("11-20T14:00"))
    ledger.use("11-20T14:30", 1, 5)
    ledger.logs().write(at("11-20T15:00"))
    assert [row[1:3] for row in ledger.rows(PHONE)] == [[10, 10], [15, 5]]


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_row_cut_off_by_a_power_cut_is_written_anew(ledger: Ledger, cut: int) -> None:
    ledger.use("11-20T12:00", 1, 10)
    ledger.logs().write(at("11-20T13:00"))
    file = ledger.folder / PHONE
    file.write_bytes(file.read_bytes()[:-cut])
    ledger.use("11-20T13:30", 1, 5)
    ledger.logs().write(at("11-20T14:00"))
    rows = ledger.rows(PHONE)
    assert sum(row[2] for row in rows) == 15
    assert rows[-1][1] == 15


def test_a_log_keeps_its_name_when_the_address_changes(ledger: Ledger) -> None:
    ledger.use("11-20T12:00", 1, 10)
    ledger.logs().write(at("11-20T13:00"))
    ledger.writer.commit(Flush(addresses={(1, address_bytes("192.168.1.99")): at("11-20T13:00") * 1000}))
    ledger.use("11-20T13:30", 1, 5)
    ledger.logs().write(at("11-20T14:00"))
    assert [path.name for path in (ledger.folder / "2026-11/devices").iterdir()] == [Path(PHONE).name]


def test_old_months_keep_their_summary_alone_and_what_is_not_ours_stays(ledger: Ledger) -> None:
    logs = ledger.logs(keep=2)
    (ledger.folder / "2026-09" / "devices").mkdir(parents=True)
    (ledger.folder / "2026-09" / "notes.txt").write_text("mine")
    (ledger.folder / "photos").mkdir()
    for month in ("09", "10", "11"):
        ledger.use(f"{month}-20T12:00", 1, 10)
        logs.write(at(f"{month}-20T13:00"))
    assert sorted(path.name for path in (ledger.folder / "2026-09").iterdir()) == ["notes.txt", "summary.csv"]
    assert (ledger.folder / PHONE.replace("2026-11", "2026-10")).exists()
    assert (ledger.folder / "photos").exists()


def test_a_persons_name_can_leave_no_folder_and_make_no_formula(ledger: Ledger) -> None:
    person = "=../../x,y\n"
    ledger.writer.commit(Flush(devices=[DeviceRecord(1, "phone", "user", person)]))
    ledger.use("11-20T12:00", 1, 10)
    ledger.logs().write(at("11-20T13:00"))
    users = [path.name for path in (ledger.folder / "2026-11/users").iterdir()]
    assert all(name[0].isalnum() or name[0] == "_" for name in users)
    assert not any("/" in name or "\n" in name for name in users)
    assert all(len(line.split(",")) == 4 for line in (ledger.folder / "2026-11/summary.csv").read_text().splitlines())


def test_a_link_in_the_place_of_a_log_is_not_followed(ledger: Ledger, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    (ledger.folder / "2026-11").mkdir()
    (ledger.folder / "2026-11/total.csv").symlink_to(other)
    ledger.use("11-20T12:00", 1, 10)
    with pytest.raises(OSError):
        ledger.logs().write(at("11-20T13:00"))
    assert other.read_text() == "mine"


def test_the_import_of_dalla_stats_reads_what_is_written_here(ledger: Ledger) -> None:
    times = [at(f"11-20T{hour:02}:00") for hour in range(10, 16)]
    for number, (before, after) in enumerate(pairwise(times)):
        ledger.use(f"11-20T{10 + number}:30", 1, 100 + number)
        ledger.logs().write(after)
        assert before < after
    history = read(ledger.folder, HOME, lambda address: True)
    # The first row of a log is a baseline there, since dalla-stats' own first rows were.
    assert sum(day.counts.octets for day in history.days()) == 101 + 102 + 103 + 104


class Watching:
    """As much of an engine as the task asks."""

    clock_is_held = False

    def now_ms(self) -> int:
        return at("11-20T13:00") * 1000


def test_the_service_writes_at_once_and_tells_a_failure_once(ledger: Ledger) -> None:
    ledger.use("11-20T12:00", 1, 10)
    engine, notices = Watching(), list[str]()

    async def for_a_while(logs: CsvLogs, until: Callable[[], bool]) -> None:
        task = asyncio.create_task(logs.run(engine, 1, notices))
        async with asyncio.timeout(10):
            while not until():
                await asyncio.sleep(0.01)
        task.cancel()

    engine.clock_is_held = True
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(ledger.logs().run(engine, 1, notices), 0.2))
    assert not list(ledger.folder.iterdir())
    engine.clock_is_held = False
    asyncio.run(for_a_while(ledger.logs(), (ledger.folder / "2026-11/summary.csv").exists))
    assert ledger.rows(PHONE)[0][1:3] == [10, 10]
    blocked = CsvLogs(ledger.folder / PHONE, ledger.queries, HOME, Tariffs([AT_NIGHT], HOME, "on-peak"), 12)
    asyncio.run(for_a_while(blocked, lambda: bool(notices)))
    assert len(notices) == 1
    assert notices[0].startswith("csv: ")


def test_the_configuration_says_where_how_often_and_how_long(tmp_path: Path) -> None:
    file = tmp_path / "whitestat.toml"
    file.write_text('[store]\npath = "w.db"\n')
    assert build.csv_logs(loader.load(file, {}, root=False), HOME) is None
    with closing(Writer(tmp_path / "w.db", HOME)):
        file.write_text('[store]\npath = "w.db"\n[csv]\nfolder = "logs"\n')
        logs = build.csv_logs(loader.load(file, {}, root=False), HOME)
    assert logs is not None
    with closing(logs):
        assert logs.folder == tmp_path / "logs"


def test_a_row_has_what_is_not_written_yet(tmp_path: Path) -> None:
    file = tmp_path / "whitestat.toml"
    file.write_text('[store]\npath = "w.db"\n[csv]\nfolder = "logs"\n')
    ledger = Ledger(tmp_path)
    ledger.use("11-20T12:00", 1, 10)
    memory = CountedUsage(ledger.writer, {(at("11-20T12:10"), UsageKey(1, "lan", Scope.WAN)): Counts(90)})
    logs = build.csv_logs(loader.load(file, {}, root=False), HOME, memory)
    assert logs
    with closing(ledger.writer), closing(ledger.queries), closing(logs):
        logs.write(at("11-20T13:00"))
    assert ledger.rows("2026-11/total.csv") == [[at("11-20T13:00"), 100, 100, 100, 0]]


def test_check_says_whether_the_folder_can_be_written(tmp_path: Path) -> None:
    file, told = tmp_path / "whitestat.toml", list[str]()
    for folder, works in (("logs/new", True), ("whitestat.toml/logs", False)):
        file.write_text(f'[csv]\nfolder = "{folder}"\n')
        assert _check_csv(loader.load(file, {}, root=False), told.append) is works
    assert told == [
        f"csv: {tmp_path}/logs/new: can be written",
        f"csv: {tmp_path}/whitestat.toml/logs: cannot be written by this user",
    ]
