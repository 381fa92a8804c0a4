"""Commands answer from the running service, which has what is not written yet; without one from the ledger."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.control import controlled
from tests.support.household import CYCLE, NOON_S, PHONE, ZONE, House, booked
from tests.support.unflushed import CountedUsage
from whitestat.app.main import run_command
from whitestat.core.model import Counts, Scope, UsageKey
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.write.writer import Writer

SPAN = ("--start", "2026-11-21", "--end", "2026-11-22")
UNWRITTEN = Counts(5_000_000, 500_000, 40, 4)


class Household:
    """A ledger with 5.5 MB of the phone that are counted and not written; `run` runs a command beside it."""

    def __init__(self, folder: Path, writer: Writer, capsys: pytest.CaptureFixture[str]) -> None:
        self.ledger, self._writer, self._capsys = folder / "whitestat.db", writer, capsys
        self._config = folder / "whitestat.toml"
        self._config.write_text('timezone = "Europe/Stockholm"\n[store]\npath = "whitestat.db"\n')

    @contextmanager
    def service(self, unwritten: Counts = UNWRITTEN, now_s: int = NOON_S) -> Iterator[House]:
        usage = {(NOON_S, UsageKey(PHONE, "lan", Scope.WAN)): unwritten} if unwritten.octets else {}
        with closing(Queries(self.ledger, ZONE, CYCLE, CountedUsage(self._writer, usage))) as queries:
            house = House(queries, self._writer, now_s=now_s)
            with controlled(house, self.ledger):
                yield house

    def run(self, *words: str, status: int = 0) -> str:
        assert run_command([*words, "--config", str(self._config)]) == status
        out, err = self._capsys.readouterr()
        return out if status == 0 else err


@pytest.fixture
def household(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Household]:
    with closing(Writer(tmp_path / "whitestat.db", ZONE)) as writer:
        writer.commit(booked())
        yield Household(tmp_path, writer, capsys)


def octets(document: str) -> int:
    return sum(row["octets"] for row in json.loads(document)["rows"])


@pytest.mark.parametrize("command", [("history",), ("top", "2")])
def test_history_and_top_include_what_is_not_written_yet_in_every_form(
    household: Household, command: tuple[str, ...]
) -> None:
    words = (*command, *SPAN, "--device", "phone", "--step", "total")
    written = octets(household.run(*words, "--json"))
    with household.service():
        assert octets(household.run(*words, "--json")) == written + UNWRITTEN.octets
        (row,) = csv.DictReader(io.StringIO(household.run(*words, "--csv"), newline=""))
        assert int(row["octets"]) == written + UNWRITTEN.octets
        assert "5.5 MB" in household.run(*words)
    assert octets(household.run(*words, "--json")) == written


def test_today_includes_what_is_not_written_yet(household: Household) -> None:
    with household.service():
        phone = [row for row in json.loads(household.run("today", "--json"))["rows"] if row["device"] == "phone"]
    assert [row["octets"] for row in phone] == [1_100 + UNWRITTEN.octets]


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
def test_an_answer_is_the_same_with_a_service_and_without(household: Household, form: tuple[str, ...]) -> None:
    words = ("history", *SPAN, "--by", "device,scope", "--step", "hour", *form)
    alone = household.run(*words)
    with household.service(Counts(), NOON_S + 86_400):
        assert without_elapsed(household.run(*words)) == without_elapsed(alone)


def without_elapsed(text: str) -> Any:
    """Return an answer without the time that has passed: the test's service has a clock of its own."""
    if not text.startswith("{"):
        return [line for line in text.splitlines() if "watched" not in line]
    return json.loads(text) | {"elapsed_ms": 0}


def test_a_service_refuses_by_the_name_of_the_parameter(household: Household) -> None:
    with household.service():
        said = household.run("history", "--device", "phnoe", status=2)
    assert said.startswith("whitestat: device: no device 'phnoe' (did you mean 'phone'?)")


def test_a_service_that_refuses_leaves_the_ledger_to_answer(household: Household) -> None:
    house = House(cast(Queries, None), household._writer)  # its answers are 500
    with controlled(house, household.ledger):
        assert octets(household.run("history", *SPAN, "--device", "phone", "--json")) == 1_100
