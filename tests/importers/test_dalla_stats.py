"""dalla-stats' logs of devices: what is usage in them, what is not, and what is wrong with them.

The rows are written as the program wrote them: a header with blanks behind its commas, UTC seconds, octets.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.importing import FIXTURES, A, B, Home
from whitestat.core.calendar import parse_instant
from whitestat.core.errors import ImportFault
from whitestat.core.model import Address, Counts
from whitestat.core.units import address_text
from whitestat.importers.dalla_stats import read
from whitestat.importers.history import ImportedHistory

ZONE = ZoneInfo("Africa/Johannesburg")
HEADER = "Time, Total Bytes, Delta, On-Peak, Off-Peak\n"
NOON_S = parse_instant("2026-11-20T12:00", ZONE)
DAY_S = 86_400


def is_local(address: Address) -> bool:
    return address_text(address).startswith(("192.168.", "10."))


class Logs:
    """A folder as dalla-stats made it, a month or all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def device(self, mac: str, address: str, *rows: tuple[int, int, int], month: str = "") -> Path:
        folder = self.folder / month / "devices"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{mac.replace(':', '-')}_{address}.csv"
        lines, on_peak = [], 0
        for at, total, delta in rows:  # the peaks of the month add up, and nobody slept
            on_peak += max(0, delta)
            lines.append(f"{at}, {total}, {delta}, {on_peak}, 0\n")
        file.write_text(HEADER + "".join(lines))
        return file

    def read(self) -> ImportedHistory:
        return read(self.folder, ZONE, is_local)


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


def usage(history: ImportedHistory) -> dict[tuple[int, str], Counts]:
    return {(day.day, address_text(day.host.address or b"")): day.counts for day in history.days()}


def test_deltas_are_summed_by_day_and_what_stood_there_at_first_is_no_usage(logs: Logs) -> None:
    rows = [(NOON_S, 5000, 5000), (NOON_S + 30, 5100, 100), (NOON_S + 60, 5100, 0), (NOON_S + DAY_S, 5700, 600)]
    logs.device(A, "192.168.1.10", *rows)
    history = logs.read()
    assert usage(history) == {
        (20261120, "192.168.1.10"): Counts(octets_unsplit=100),
        (20261121, "192.168.1.10"): Counts(octets_unsplit=600),
    }
    assert history.left_out == (
        "5.0 kB that devices had on the router's counters when a log began: they are of the time before",
    )


def test_a_new_months_log_goes_on_from_the_last_ones(logs: Logs) -> None:
    logs.device(A, "192.168.1.10", (NOON_S, 5000, 5000), (NOON_S + 30, 5100, 100), month="2026-11")
    logs.device(A, "192.168.1.10", (NOON_S + DAY_S, 5350, 5350), month="2026-12")
    history = logs.read()
    assert sum(day.counts.octets for day in history.days()) == 350
    logs.device(A, "192.168.1.10", (NOON_S + DAY_S, 20, 20), month="2026-12")
    assert sum(day.counts.octets for day in logs.read().days()) == 100


def test_unknown_figures_and_rows_that_stand_twice_are_left_out(logs: Logs) -> None:
    rows = [(NOON_S, 10, 10), (NOON_S + 30, 25, 15), (NOON_S + 30, 25, -9_999_999_999), (NOON_S + 60, 26, 1)]
    logs.device(A, "192.168.1.10", *rows)
    logs.device(A, "192.168.1.10", *rows, month="copy")
    history = logs.read()
    assert sum(day.counts.octets for day in history.days()) == 16
    assert history.left_out[-1].startswith("5 rows that are not later")


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("160.0.0.5", "10.0.0.5"),
        ("160.0.15.15", "10.0.0.255"),
        ("10.0.0.5", "10.0.0.5"),
        ("203.0.113.9", "203.0.113.9"),
    ],
)
def test_an_address_that_was_cut_wrongly_is_put_right(logs: Logs, written: str, right: str) -> None:
    if written == "160.0.15.15":  # bin(0x0A0000FF) cut into eights from its left end
        bits = bin(0x0A0000FF)[2:]
        assert ".".join(str(int(bits[at : at + 8], 2)) for at in (0, 8, 16, 24)) == written
    logs.device(A, written, (NOON_S, 0, 0), (NOON_S + 30, 5, 5))
    [(_, address)] = usage(logs.read())
    assert address == right


def test_a_last_line_that_is_cut_off_costs_itself_alone(logs: Logs) -> None:
    file = logs.device(A, "192.168.1.10", (NOON_S, 0, 0), (NOON_S + 30, 5, 5))
    with file.open("a") as opened:
        opened.write(f"{NOON_S + 60}, 12")
    history = logs.read()
    assert sum(day.counts.octets for day in history.days()) == 5
    assert history.left_out == (f"the last line of {file.name}, which is cut off",)


@pytest.mark.parametrize(
    "line",
    [
        "1795305142, 5, 5, 5",
        "1795305142, 5, five, 5, 0",
        "5, 5, 5, 5, 0",
        "1795305142, -5, 5, 5, 0",
        "1795305142, 5, -10000000000, 5, 0",
        "\x00\x01\x02",
        "\x00" * 5000,
        "253402300800, 5, 5, 5, 0",
        "x" * 500,
    ],
)
def test_a_damaged_line_is_named_and_costs_itself_alone(logs: Logs, line: str) -> None:
    file = logs.device(A, "192.168.1.10", (NOON_S, 0, 0))
    file.write_text(file.read_text() + line + "\n")
    with file.open("a") as opened:
        opened.write(f"{NOON_S + 60}, 12, 12, 12, 0\n")
    history = logs.read()
    assert sum(day.counts.octets for day in history.days()) == 12
    (said,) = history.left_out
    assert said.startswith(f"1 row that cannot be read: {file}, line 3: not a row of such a log: ")


def test_what_is_no_such_folder_is_told(logs: Logs) -> None:
    with pytest.raises(ImportFault, match="there is no folder 'devices' with logs in it"):
        logs.read()
    with pytest.raises(ImportFault, match="there is no such folder"):
        read(logs.folder / "absent", ZONE, is_local)
    file = logs.device(A, "192.168.1.10", (NOON_S, 0, 0))
    file.write_text("Name, Total\n")
    with pytest.raises(ImportFault, match="line 1: not a row"):
        logs.read()
    file.unlink()
    (file.parent / "users.csv").write_text(HEADER)
    with pytest.raises(ImportFault, match=r"users\.csv: not a log of a device"):
        logs.read()
    logs.device(A, "192.168.1.10", (NOON_S, 0, 0), (NOON_S + 60, 5, 5))
    assert "users.csv: not a log of a device" in logs.read().left_out[0]
    assert sum(day.counts.octets for day in logs.read().days()) == 5


def test_version_0_2_polls_each_second_and_logs_each_minute(logs: Logs) -> None:
    folder = logs.folder / "2016-12" / "devices"
    folder.mkdir(parents=True)
    name = f"{A.replace(':', '-')}_192.168.1.10.csv"
    shutil.copy(FIXTURES / "dalla_stats" / "version_0_2.csv", folder / name)
    history = logs.read()
    assert sum(day.counts.octets for day in history.days()) == 300_000
    assert history.left_out == ()


def test_peaks_begin_again_in_each_months_folder(logs: Logs) -> None:
    for month, rows in (("2016-11", (0, 500, 800)), ("2016-12", (0, 100))):
        file = logs.device(A, "192.168.1.10", month=month)
        start_s, total = (NOON_S, 9_000) if month == "2016-11" else (NOON_S + DAY_S, 9_800)
        text = "".join(f"{start_s + 60 * at}, {total + peak}, 1, 0, {peak}\n" for at, peak in enumerate(rows))
        file.write_text(HEADER + text)
    assert sum(day.counts.octets for day in logs.read().days()) == 900


def test_a_lost_cache_bills_the_routers_whole_counter_again_and_is_no_usage(logs: Logs) -> None:
    file = logs.device(A, "192.168.1.10")
    rows = ((0, 9_000, 0, 0), (60, 9_500, 500, 500), (120, 9_700, 9_700, 9_700), (180, 9_800, 100, 9_800))
    file.write_text(HEADER + "".join(f"{NOON_S + at}, {total}, {d}, {on}, 0\n" for at, total, d, on in rows))
    assert sum(day.counts.octets for day in logs.read().days()) == 800


def test_a_delta_above_what_the_peaks_grew_by_is_told(logs: Logs) -> None:
    file = logs.device(A, "192.168.1.10")
    file.write_text(HEADER + f"{NOON_S}, 100, 0, 0, 0\n{NOON_S + 60}, 150, 80, 50, 0\n")
    history = logs.read()
    assert sum(day.counts.octets for day in history.days()) == 50
    assert history.left_out[0].startswith("the Delta of 1 rows")


def test_the_command_books_it_once_and_shows_it_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, logs = Home(tmp_path), Logs(tmp_path / "logs")
    start_s = parse_instant("2026-11-18T12:00", ZONE)
    logs.device(A, "192.168.1.10", (start_s, 900, 900), (start_s + 60, 1000, 100))
    logs.device(B, "192.168.1.11", (start_s, 0, 0), (start_s + 60, 7, 7))
    (tmp_path / "logs" / "users").mkdir()
    (tmp_path / "logs" / "users" / "Anna.csv").write_text(HEADER + f"{start_s}, 1, 1, 1, 0\n")
    assert home.run("dalla-stats", tmp_path / "logs", "--dry-run") == 0
    assert not home.store.exists()
    assert home.run("dalla-stats", tmp_path / "logs") == 0
    assert "Booked: 1 days from 2026-11-18 to 2026-11-18, as 'dalla-stats import'." in capsys.readouterr().out
    booked = {("2026-11-18", A): Counts(octets_unsplit=100), ("2026-11-18", B): Counts(octets_unsplit=7)}
    assert home.days() == booked
    assert home.run("dalla-stats", tmp_path / "logs") == 0
    assert home.days() == booked
    assert "Nothing to book" in capsys.readouterr().out
