"""The commands about devices and people, on the ledger of a service that does not run, and each edit's way back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.flushes import STOCKHOLM
from tests.support.household import EVIL_NAME, booked
from whitestat.app.main import EXIT_USAGE, run_command
from whitestat.ledger.write.writer import Writer

PHONE_MAC, LAPTOP_MAC = "02:50:00:00:00:11", "02:50:00:00:00:12"
DEVICES = {PHONE_MAC: "phone", LAPTOP_MAC: "Annas laptop"}
SPAN = ("--start", "2026-11-20", "--end", "2026-11-22")
Tell = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with closing(Writer(tmp_path / "whitestat.db", STOCKHOLM)) as writer:
        writer.commit(booked())
    named = "".join(f'[[device]]\nmac = "{mac}"\nname = "{name}"\n' for mac, name in DEVICES.items())
    (tmp_path / "whitestat.toml").write_text(f'timezone = "Europe/Stockholm"\n[store]\npath = "whitestat.db"\n{named}')
    return tmp_path


@pytest.fixture
def tell(home: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Tell]:
    def told(*words: str, status: int = 0) -> str:
        found = run_command([*words, "--config", str(home / "whitestat.toml")])
        out, err = capsys.readouterr()
        assert found == status, out + err
        return out + err

    yield told


def usage(tell: Tell, by: str = "device") -> dict[str | None, int]:
    rows = json.loads(tell("history", *SPAN, "--step", "total", "--by", by, "--json"))["rows"]
    return {row[by]["name"] if isinstance(row[by], dict) else row[by]: row["octets"] for row in rows}


@pytest.mark.slow
def test_a_device_is_named_labelled_and_given_and_all_is_taken_back(tell: Tell) -> None:
    before = usage(tell)
    assert "To take it back: whitestat undo 1" in tell("name", PHONE_MAC, "Anna's phone")
    assert "No change." in tell("name", "anna's PHONE", "Anna's phone")
    tell("label", "Anna's phone", "kids", "TV room")
    tell("people", "add", "Cleo")
    tell("people", "own", "Anna's phone", "cleo")
    assert usage(tell, "person")["Cleo"] == before["phone"]
    assert (
        json.loads(tell("history", *SPAN, "--step", "total", "--label", "kids", "--json"))["rows"][0]["octets"]
        == before["phone"]
    )
    assert "Anna's phone" in tell("people")
    assert [each["action"] for each in json.loads(tell("edits", "--json"))["edits"]] == [
        "own",
        "add person",
        "label",
        "rename",
    ]
    for _ in range(4):
        assert "is undone" in tell("undo")
    assert "nothing to undo" in tell("undo", status=EXIT_USAGE)
    assert usage(tell) == before


@pytest.mark.slow
def test_devices_are_merged_split_and_an_address_is_given_to_another(tell: Tell) -> None:
    before = usage(tell)
    tell("merge", LAPTOP_MAC, "phone")
    assert usage(tell)["phone"] == before["phone"] + before["Annas laptop"]
    assert "device 2 is new" in tell("split", "phone", LAPTOP_MAC)
    assert usage(tell) == before
    tell("merge", "3", "phone")
    tell("split", "phone", "3", "--into", "2")
    assert usage(tell)["Annas laptop"] == before["Annas laptop"] + before[EVIL_NAME]
    assert "is none of the device's; there are: " in tell("split", "phone", "02:50:00:00:00:99", status=EXIT_USAGE)


@pytest.mark.slow
def test_a_tablet_that_was_handed_down_counts_for_both(tell: Tell) -> None:
    for person in ("Cleo", "Dan"):
        tell("people", "add", person)
    tell("people", "own", "phone", "Cleo")
    tell("people", "own", "phone", "Dan", "--from", "2026-11-21")
    people = json.loads(tell("people", "--json"))["people"]
    assert [(each["name"], each["devices"][0]["from"], each["devices"][0]["until"]) for each in people] == [
        ("Cleo", None, "2026-11-21"),
        ("Dan", "2026-11-21", None),
    ]
    tell("people", "disown", "phone")
    assert "Dan" not in usage(tell, "person")
    tell("people", "rename", "Dan", "Beatrix")
    tell("people", "remove", "Beatrix")
    assert [each["name"] for each in json.loads(tell("people", "--json"))["people"]] == ["Cleo"]


def test_the_user_map_of_dalla_stats_says_whose_devices_are_in_one_edit(tell: Tell, home: Path) -> None:
    before = usage(tell)
    (home / "user-map.csv").write_text(
        "Name, MAC\nCleo, 02-50-00-00-00-11\nDan, 02-50-00-00-00-12\nGone, 02-50-00-00-00-77\n"
    )
    said = tell("devices", "--import", str(home / "user-map.csv"))
    assert "no device 02:50:00:00:00:77 was ever seen; left out" in said
    assert "2 devices" in said
    found = usage(tell, "person")
    assert (found["Cleo"], found["Dan"]) == (before["phone"], before["Annas laptop"])
    tell("undo")
    assert json.loads(tell("people", "--json")) == {"people": []}


def test_a_csv_names_devices_by_mac_address_or_number(tell: Tell, home: Path) -> None:
    (home / "names.csv").write_text("device,name,person,from\n1,Anna's phone,Anna,2026-11-21\n3,harmless,,\n")
    tell("devices", "--import", str(home / "names.csv"))
    assert {"Anna's phone", "harmless"} <= usage(tell).keys()
    assert "line 2" in _refused(tell, home, "mac,name\nnot a mac,x\n")


def _refused(tell: Tell, home: Path, text: str) -> str:
    (home / "bad.csv").write_text(text)
    return tell("devices", "--import", str(home / "bad.csv"), status=1)


@pytest.mark.slow
def test_a_forgotten_device_has_no_name_and_forgetting_is_asked_twice(tell: Tell, home: Path) -> None:
    before = usage(tell)
    tell("name", "phone", "Anna's phone")
    assert "say --yes" in tell("forget", "Anna's phone", status=EXIT_USAGE)
    assert "Anna's phone" in tell("export", "1")
    tell("forget", "Anna's phone", "--yes")
    assert usage(tell)["forgotten device"] == before["phone"]
    assert b"Anna's phone" not in b"".join(each.read_bytes() for each in home.glob("whitestat.db*"))
    assert [each["action"] for each in json.loads(tell("edits", "--json"))["edits"]] == ["forget device 1"]
    assert "cannot be undone" in tell("undo", "2", status=EXIT_USAGE)


def test_words_that_name_nobody_or_several_are_told(tell: Tell) -> None:
    assert "there is no device 'tv'; whitestat devices lists them" in tell("name", "tv", "x", status=EXIT_USAGE)
    tell("name", "2", "phone")
    assert "2 are called" in tell("name", "phone", "x", status=EXIT_USAGE).replace("devices are", "are")
    assert "there is no device 'phoen' (did you mean 'phone'?)" in tell("name", "phoen", "x", status=EXIT_USAGE)
    tell("people", "add", "Cleo")
    assert "there is no person 'Celo' (did you mean 'Cleo'?); whitestat people lists them" in tell(
        "people", "own", "1", "Celo", status=EXIT_USAGE
    )
    assert "there is no person 'Eve'" in tell("people", "own", "1", "Eve", status=EXIT_USAGE)


@pytest.mark.slow
def test_a_name_that_arrives_in_an_ascii_locale_is_stored_as_utf_8(tell: Tell, home: Path) -> None:
    ascii_locale = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    config = ("--config", str(home / "whitestat.toml"))
    for words in (["name", PHONE_MAC, "Zoë"], ["label", PHONE_MAC, "Küche"]):
        command = [sys.executable, "-m", "whitestat", *words, *config]
        ended = subprocess.run(command, env=ascii_locale, capture_output=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr
    devices = tell("devices", "--json")
    assert "Zoë" in json.dumps(json.loads(devices), ensure_ascii=False)
    assert "Küche" in json.dumps(json.loads(devices), ensure_ascii=False)
