"""The command line answers from a real ledger, in the words of the API."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.flushes import STOCKHOLM
from tests.support.household import NAMES, NOON_S, PHONE, booked
from whitestat.app.main import EXIT_USAGE, run_command
from whitestat.core.calendar import parse_instant
from whitestat.core.model import Counts, Coverage, Point, Scope, ServiceKey, UsageKey
from whitestat.ledger.write.writer import DeviceRecord, Flush, Writer

SPAN = ("--start", "2026-11-20", "--end", "2026-11-22")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """It holds the ledger while commands read it, as a running service does."""
    with closing(Writer(tmp_path / "whitestat.db", STOCKHOLM)) as each:
        each.commit(booked())
        yield each


@pytest.fixture
def config(tmp_path: Path, writer: Writer) -> Path:
    file = tmp_path / "whitestat.toml"
    file.write_text('timezone = "Europe/Stockholm"\n[store]\npath = "whitestat.db"\n[billing]\nday = 21\n')
    return file


@pytest.fixture
def told(config: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    return Told(config, capsys)


class Told:
    """What a command prints, and how it ends."""

    def __init__(self, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._config, self._capsys = config, capsys

    def __call__(self, *words: str) -> str:
        status = run_command([*words, "--config", str(self._config)])
        out, err = self._capsys.readouterr()
        assert (status, err) == (0, "")
        return out

    def refused(self, *words: str) -> str:
        assert run_command([*words, "--config", str(self._config)]) == EXIT_USAGE
        out, err = self._capsys.readouterr()
        assert out == ""
        return err


def test_history_is_a_table_of_days(told: Told) -> None:
    assert told("history", *SPAN, "--device", "phone").splitlines()[:3] == [
        "From            In    Out   Total",
        "2026-11-20  7.0 kB   70 B  7.1 kB",
        "2026-11-21   990 B  110 B  1.1 kB",
    ]


def test_history_tells_apart_what_is_asked(told: Told) -> None:
    lines = told("history", *SPAN, "--by", "device,scope", "--step", "hour", "--device", "2").splitlines()
    assert lines[:3] == [
        "From                    Device        Scope      In    Out   Total",
        "2026-11-21 12:00+01:00  Annas laptop  wan    5.0 kB  600 B  5.6 kB",
        "2026-11-21 12:00+01:00  Annas laptop  lan      40 B    4 B    44 B",
    ]
    assert lines[3].startswith("lan: watched ")


def test_history_says_which_days_were_not_watched(writer: Writer, told: Told) -> None:
    minutes = range(NOON_S - 86_400 * 3, NOON_S - 86_400 * 3 + 3_600, 60)
    writer.commit(Flush(coverage={(each, "lan"): Coverage(60_000) for each in minutes}))
    lines = told("history", "--start", "2026-11-17", "--end", "2026-11-22", "--device", "phone").splitlines()
    assert "Not watched: 2026-11-17 to 2026-11-18, 2026-11-19 to 2026-11-20" in lines


def test_history_says_when_there_is_nothing_and_whether_anybody_watched(told: Told) -> None:
    assert told("history", "--start", "2026-11-02", "--end", "2026-11-03") == (
        "Not watched in this span: what was used is not known.\nlan: not watched\n"
    )


def test_what_was_imported_is_not_called_idle(writer: Writer, told: Told) -> None:
    at_s = parse_instant("2026-10-05T12:00", STOCKHOLM)
    key = UsageKey(0, "vnstat eth0 import", Scope.WAN)
    writer.commit(Flush(usage={(at_s, key): Counts(5_000)}, points=[Point("vnstat eth0 import", "import")]))
    said = told("history", "--start", "2026-10-05", "--end", "2026-10-06")
    assert "5.0 kB" in said and "vnstat eth0 import: taken over by day from another program\n" in said
    assert "nothing flowed" not in said


def test_a_day_that_was_not_watched_is_not_a_day_without_usage(told: Told) -> None:
    assert told("today").startswith("Not watched today.")


def test_top_adds_up_all_others(told: Told) -> None:
    lines = told("top", "1", *SPAN).splitlines()
    assert lines[1].split() == ["2026-11-20", "phone", "8.0", "kB", "180", "B", "8.2", "kB"]
    assert lines[2].split()[:2] == ["2026-11-20", "rest"]
    assert len(lines) == 4


def test_json_and_csv_hold_the_same_figures(told: Told) -> None:
    for words in (("history", *SPAN, "--by", "device"), ("top", *SPAN)):
        rows = json.loads(told(*words, "--json"))["rows"]
        lines = list(csv.DictReader(io.StringIO(told(*words, "--csv"), newline="")))
        assert [int(line["octets"]) for line in lines] == [row["octets"] for row in rows] != []


def test_devices_are_listed(told: Told) -> None:
    lines = told("devices").splitlines()
    assert lines[0].split() == ["Id", "Device", "MAC", "Address", "Person", "Labels", "Last", "seen"]
    assert lines[2].split() == ["2", "Annas", "laptop", "02:50:00:00:00:12", "Anna", "2026-11-21", "12:00+01:00"]
    found = json.loads(told("devices", "--json"))["devices"]
    assert {each["id"]: each["name"] for each in found} == NAMES
    names = [line["name"] for line in csv.DictReader(io.StringIO(told("devices", "--csv"), newline=""))]
    assert names == [name if name[0].isalpha() else f"'{name}" for name in NAMES.values()]


def test_services_are_told_apart(told: Told, writer: Writer) -> None:
    key = ServiceKey(UsageKey(PHONE, "lan", Scope.WAN), 6, 443)
    writer.commit(Flush(services={(NOON_S, key): Counts(500, 100)}))
    lines = told("top", "1", *SPAN, "--by", "service,protocol", "--device", "phone").splitlines()
    assert lines[0].split() == ["From", "Service", "Protocol", "Rest", "In", "Out", "Total"]
    assert lines[1].split()[1:3] == ["https", "tcp"]
    assert lines[2].split()[1] == "rest"
    lines = told("history", *SPAN, "--by", "peer", "--step", "total").splitlines()
    assert lines[1].split()[1] == "unknown"
    assert told("history", *SPAN, "--service", "https", "--csv").count("\n") == 2


def test_today_takes_json_and_csv(told: Told) -> None:
    assert set(json.loads(told("today", "--json"))) == {"rows"}
    assert told("today", "--csv").startswith("device,mac,scope,octets")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("history", "--step", "houer"), "whitestat: step: unknown word 'houer' (did you mean 'hour'?)"),
        (("history", "--start", "tomorow"), "whitestat: start: expected a date"),
        (("history", "--device", "phnoe"), "whitestat: device: no device 'phnoe' (did you mean 'phone'?)"),
        (("top", "0"), "whitestat: top: must be a whole number from 1 to 1000, got '0'"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(told: Told, words: tuple[str, ...], said: str) -> None:
    assert told.refused(*words).startswith(said)


def test_no_control_sequence_of_a_name_reaches_the_terminal(told: Told, writer: Writer) -> None:
    writer.commit(Flush(devices=[DeviceRecord(PHONE, "\x1b[2Jphone", person="\x9b2J")]))
    assert "\x1b" not in told("devices") + told("history", *SPAN, "--by", "device")


def test_without_a_ledger_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "whitestat.toml"
    file.write_text('[store]\npath = "none.db"')
    assert run_command(["devices", "--config", str(file)]) == 1
    assert "no usage is kept here yet; start whitestat run first" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_ends_it_quietly(config: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "whitestat",
        "history",
        "--step",
        "minute",
        *SPAN,
        "--csv",
        "--config",
        str(config),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
