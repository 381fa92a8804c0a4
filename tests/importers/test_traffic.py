"""Traffic's samples of a B593: its own CSV and what mongoexport writes.

The rows are written as the program wrote them (volumes with a decimal point, milliseconds), and as mongoexport writes
documents, in its plain and its extended form.
"""

from __future__ import annotations

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.importing import Home
from whitestat.core.calendar import instant_text
from whitestat.core.errors import ImportFault
from whitestat.core.model import Counts
from whitestat.importers.history import NOBODY, ImportedHistory
from whitestat.importers.traffic import read

ZONE = ZoneInfo("Europe/Stockholm")
HEAD = "uplink,downlink,uplink rate,downlink rate,IP address,time,session id\r\n"
DAY_MS = 86_400_000
T = 1_439_418_300_000 // DAY_MS * DAY_MS + DAY_MS // 2
"""Noon of a day in 2015, on the wall."""
Sample = tuple[int, int, int]


def csv_of(*samples: Sample) -> str:
    rows = (f"{up}.0,{down}.0,85.0,156.0,192.0.2.49,{at},150344511\r\n" for at, down, up in samples)
    return HEAD + "".join(rows)


def json_of(*samples: Sample, extended: bool = False, array: bool = False) -> str:
    def figure(value: int) -> object:
        return {"$numberLong": str(value)} if extended else float(value)

    documents = [
        json.dumps(
            {
                "_id": {"$oid": "55cbc1dc0000000000000000"},
                "Time": figure(at),
                "UplinkVolume": figure(up),
                "DownlinkVolume": figure(down),
                "UplinkRate": 85.0,
                "DownlinkRate": 156.0,
                "IPAddress": "192.0.2.49",
            }
        )
        for at, down, up in samples
    ]
    return f"[{','.join(documents)}]\n" if array else "\n".join(documents) + "\n"


def history_of(folder: Path, text: str, unit: str = "kB") -> ImportedHistory:
    file = folder / "B593"
    file.write_text(text)
    return read(file, ZONE, unit)


def days(history: ImportedHistory) -> dict[int, Counts]:
    rows = list(history.days())
    assert all(row.host == NOBODY for row in rows) and history.rows == len(rows)
    return {row.day: row.counts for row in rows}


SAMPLES: tuple[Sample, ...] = ((T, 1000, 100), (T + 6000, 1151, 183), (T + 12_000, 1151, 183), (T + 18_000, 1152, 183))


@pytest.mark.parametrize(
    "text",
    [
        csv_of(*SAMPLES),
        json_of(*SAMPLES),
        json_of(*SAMPLES, extended=True),
        json_of(*SAMPLES, array=True),
        "_id,Time,UplinkVolume,DownlinkVolume\n" + "".join(f"x,{at},{up},{down}\n" for at, down, up in SAMPLES),
    ],
)
def test_every_form_tells_the_same(tmp_path: Path, text: str) -> None:
    assert days(history_of(tmp_path, text)) == {20150812: Counts(152 * 1024, 83 * 1024)}
    assert days(history_of(tmp_path, text, "bytes")) == {20150812: Counts(152, 83)}


def test_times_are_the_walls_and_not_utc(tmp_path: Path) -> None:
    late = T + DAY_MS // 2 - 60_000
    history = history_of(tmp_path, csv_of((late, 0, 0), (late + 30_000, 5, 0)), "bytes")
    [row] = history.days()
    assert row.seen_s is not None
    assert instant_text(row.seen_s, ZONE).startswith("2015-08-12T23:59:30")


def test_a_gap_is_spread_over_its_days_to_the_octet(tmp_path: Path) -> None:
    history = history_of(tmp_path, csv_of((T, 0, 0), (T + 2 * DAY_MS, 1001, 3)), "bytes")
    found = days(history)
    assert found == {20150812: Counts(250), 20150813: Counts(500, 2), 20150814: Counts(251, 1)}
    assert sum(each.octets for each in found.values()) == 1004


def test_counters_that_fell_were_cleared_and_what_no_line_carries_is_left_out(tmp_path: Path) -> None:
    samples = ((T, 5_000_000_000, 9), (T + 6000, 700, 9), (T + 12_000, 1 << 50, 9), (T + 18_000, (1 << 50) + 1, 9))
    history = history_of(tmp_path, csv_of(*samples), "bytes")
    assert sum(each.octets for each in days(history).values()) == 700 + 9 + 1
    assert any("1 times the counters fell" in each for each in history.left_out)
    assert any("is --unit right?" in each for each in history.left_out)


def test_an_hour_that_comes_twice_is_booked_once(tmp_path: Path) -> None:
    samples = ((T, 10, 0), (T + 3_000_000, 20, 0), (T, 25, 0), (T + 3_000_000, 40, 0))
    history = history_of(tmp_path, csv_of(*samples), "bytes")
    assert days(history) == {20150812: Counts(30)}
    assert history.left_out == ("1 times the clock went back; what passed then is booked where it says",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no row"),
        ("a,b\n1,2\n", "line 1: no columns"),
        ("uplink,down\rlink,time\n1,2,3\n", "line 1: not CSV"),
        (HEAD, "there is no row"),
        ("[" * 100_000, "line 1: not JSON"),
        ("[1, 2]", "row 1: "),
        ('{"a":' * 1500 + "\n", "line 1: not JSON"),
        ('[{"Time": true, "UplinkVolume": [], "DownlinkVolume": {}}]', "row 1: "),
        (HEAD + "x,2,3,4,5,1439418300000,7\r\n", "line 2: "),
    ],
)
def test_a_file_without_a_row_is_refused_with_the_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ImportFault) as fault:
        history_of(tmp_path, text)
    assert str(fault.value).startswith(str(tmp_path / "B593"))
    assert said in str(fault.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (csv_of(*SAMPLES) + "1,2,3\r\n", "line 6: "),
        (csv_of(*SAMPLES) + "1,2\r3,4\r\n", "line 6: not CSV"),
        (csv_of(*SAMPLES) + "x,2,3,4,5,1439418300000,7\r\n", "line 6: "),
        (csv_of(*SAMPLES) + "nan,2,3,4,5,1439418300000,7\r\n", "line 6: "),
        (csv_of(*SAMPLES) + "-1,2,3,4,5,1439418300000,7\r\n", "line 6: "),
        (csv_of(*SAMPLES) + "1,2,3,4,5,7,7\r\n", "its time is out of range"),
        (csv_of(*SAMPLES) + "1,2,3,4,5,253402300800000,7\r\n", "its time is out of range"),
        (csv_of(*SAMPLES) + "9" * 20_000, "line 6: longer than"),
        (csv_of(*SAMPLES) + "\0" * 20_000, "line 6: "),
        (json_of(*SAMPLES) + '{"Time": 1', "line 5: not JSON"),
        (json_of(*SAMPLES) + '{"Time": 1439418300000}', "line 5: "),
        (json_of(*SAMPLES) + "5\n", "line 5: "),
        (json_of(*SAMPLES, array=True).rstrip("]\n") + ", 7]", "row 5: "),
    ],
)
def test_a_row_that_cannot_be_is_named_and_costs_itself_alone(tmp_path: Path, text: str, said: str) -> None:
    history = history_of(tmp_path, text)
    assert days(history) == {20150812: Counts(152 * 1024, 83 * 1024)}
    assert history.left_out[0].startswith("1 row that cannot be read: ")
    assert said in history.left_out[0]


def test_what_is_no_text_costs_its_row_alone(tmp_path: Path) -> None:
    file = tmp_path / "B593"
    file.write_bytes(b"\xef\xbb\xbf" + csv_of(*SAMPLES).encode() + b"\xff\xfe\n")
    history = read(file, ZONE)
    assert days(history) == {20150812: Counts(152 * 1024, 83 * 1024)}
    assert "line 6: " in history.left_out[0]
    with pytest.raises(ImportFault, match="cannot be read: no such file"):
        read(tmp_path / "absent", ZONE)


def test_a_row_of_a_clock_that_was_ahead_does_not_take_those_after_it(tmp_path: Path) -> None:
    file = tmp_path / "B593"
    file.write_text(csv_of(*SAMPLES[:2], (T + 4000 * DAY_MS, 1151, 183), *SAMPLES[2:]))
    history = read(file, ZONE, now_s=T // 1000 + 10 * 86_400)
    assert days(history) == {20150812: Counts(152 * 1024, 83 * 1024)}
    assert "line 4: " in history.left_out[0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40 * 86_400_000), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=2))
def test_however_samples_lie_no_octet_is_lost_or_doubled(tmp_path: Path, steps: list[Sample]) -> None:
    at, down, up = T, 0, 0
    samples = []
    for span, more_down, more_up in steps:
        samples.append((at, down, up))
        at, down, up = at + span, down + more_down, up + more_up
    found = days(history_of(tmp_path, csv_of(*samples), "bytes"))
    assert sum(each.octets_in for each in found.values()) == samples[-1][1]
    assert sum(each.octets_out for each in found.values()) == samples[-1][2]


def test_the_command_books_it_once_and_shows_it_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, file = Home(tmp_path), tmp_path / "B593.csv"
    start = 1_795_000_000_000 // DAY_MS * DAY_MS
    file.write_text(csv_of((start, 10, 1), (start + 6000, 20, 3)))
    assert home.run("traffic", file, "--dry-run") == 0
    assert not home.store.exists()
    assert home.run("traffic", file, "--unit", "bytes") == 0
    assert "as 'traffic import'" in capsys.readouterr().out
    assert list(home.days().values()) == [Counts(10, 2)]
    assert home.run("traffic", file, "--unit", "bytes") == 0
    assert list(home.days().values()) == [Counts(10, 2)]
    assert "Nothing to book" in capsys.readouterr().out
