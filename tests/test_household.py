"""Devices and people on the command line, with the service and without one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_control import controlled
from tests.web.house import PHONE_MAC, booked, household
from whitestat.cli import EXIT_OK, EXIT_USAGE, run_command


class Told:
    """The commands over one ledger."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self._config = folder / "whitestat.toml"
        ledger = f'[store]\npath = "{folder / "whitestat.db"}"\n[lan]\nnetworks = ["10.0.0.0/8"]\n'
        known = f'[[device]]\nmac = "{PHONE_MAC}"\nname = "phone"\n'
        self._config.write_text(f'timezone = "Europe/Stockholm"\n{ledger}{known}')

    def __call__(self, *words: str, status: int = EXIT_OK) -> str:
        assert run_command([*words, "--config", str(self._config)]) == status, self._capsys.readouterr().err
        said = self._capsys.readouterr()
        return said.out if status == EXIT_OK else said.err

    def names(self) -> list[str]:
        return [each["name"] for each in json.loads(self("devices", "--json"))["devices"]]


@pytest.fixture(params=["service", "ledger"])
def told(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Told]:
    with household(tmp_path, booked()) as house:
        if request.param == "service":
            with controlled(house, tmp_path / "whitestat.db"):
                yield Told(tmp_path, capsys)
            return
    yield Told(tmp_path, capsys)


def test_a_device_is_named_by_its_mac_and_the_latest_edit_undone(told: Told) -> None:
    assert "whitestat undo 1" in told("name", PHONE_MAC, "Anna's phone")
    assert "Anna's phone" in told.names()
    assert "edit 1 is undone" in told("undo")
    assert "phone" in told.names()
    assert told("name", "phone", "") == "It was so already.\n"
    assert "nothing to undo" in told("undo", status=EXIT_USAGE)


def test_devices_are_merged_and_split_again(told: Told) -> None:
    told("merge", "Annas laptop", "1")
    assert "device 2 is new" in told("split", "1", "02-50-00-00-00-12")
    assert "there are: 02:50:00:00:00:11" in told("split", "1", "10.1.2.3", status=EXIT_USAGE)


def test_people_own_devices_from_a_day(told: Told) -> None:
    told("people", "add", "Cleo")
    told("people", "own", "phone", "cleo", "--from", "2026-11-20")
    assert "phone from 2026-11-20" in told("people")
    told("people", "rename", "Cleo", "=Cleo")
    (row,) = csv.DictReader(io.StringIO(told("people", "--csv")))
    assert row["name"] == "'=Cleo"
    told("people", "disown", "phone")
    told("people", "remove", "1")
    assert told("people") == "There are no people.\n"
    assert "undo: " not in told("edits", "--csv")
    assert len(json.loads(told("edits", "--json"))["edits"]) == 5


def test_labels_proposals_and_edits_are_listed(told: Told) -> None:
    told("label", "phone", "kids", "TV room")
    assert "label 1 kids: nothing to set" in told("edits")
    assert told("proposals") == "There are no proposals.\n"
    assert "there is no proposal 7" in told("proposals", "confirm", "7", status=EXIT_USAGE)
    assert "which one?" in told("proposals", "refuse", status=EXIT_USAGE)


def test_what_is_not_there_is_named_with_what_to_do(told: Told) -> None:
    assert "whitestat devices lists them" in told("name", "nobody", "x", status=EXIT_USAGE)
    assert "whitestat people lists them" in told("people", "own", "phone", "nobody", status=EXIT_USAGE)
    told("name", "2", "phone")
    assert "name one by its number: 1, 2" in told("name", "phone", "x", status=EXIT_USAGE)


def test_forget_asks_first_and_export_tells_all(told: Told) -> None:
    told("name", "phone", "secret")
    everything = json.loads(told("export", "secret"))
    assert everything["kept"]["name"] == [{"device": 1, "text": "secret"}]
    assert everything["kept"]["episode"][0]["mac"] == PHONE_MAC
    assert sum(each["octets_in"] for each in everything["usage"]) == 7_990
    assert "say --yes" in told("forget", "secret", status=EXIT_USAGE)
    assert "is forgotten" in told("forget", "secret", "--yes")
    assert "secret" not in told("devices", "--json")
    assert "secret" not in told("edits", "--json")


def test_a_person_s_export_has_the_devices(told: Told) -> None:
    told("people", "add", "Cleo")
    told("people", "own", "phone", "Cleo")
    found = json.loads(told("export", "Cleo"))
    assert (found["name"], [each["id"] for each in found["devices"]]) == ("Cleo", [1])


def test_a_file_names_devices_and_says_whose_they_are(told: Told) -> None:
    file = told.folder / "home.csv"
    file.write_text(f"mac,name,person\n{PHONE_MAC},Blue phone,Cleo\n02:50:00:00:00:99,None,\n02:50:00:00:00:12,,Cleo\n")
    assert "2 devices" in told("devices", "--import", str(file))
    assert "Blue phone" in told.names()
    assert "Annas laptop" in told("people")


def test_a_user_map_of_dalla_stats_says_whose_devices_are(told: Told) -> None:
    file = told.folder / "user-map.csv"
    file.write_text("Name, MAC\nJohn, 02-50-00-00-00-11\n")
    assert "whitestat undo 1" in told("devices", "--import", str(file))
    assert "John" in told("people")
    assert "phone" in told.names()


def test_a_ledger_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "start whitestat run first" in Told(tmp_path, capsys)("people", status=1)
