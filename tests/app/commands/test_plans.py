"""`whitestat plans`, `plan` and `today`: what is left, in a terminal, a script and a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from whitestat.app.local_time import zone_of
from whitestat.app.main import run_command
from whitestat.core.model import Counts, Episode, Scope, UsageKey
from whitestat.core.system.clock import SystemClock
from whitestat.ledger.tables.flush import DeviceRecord, Flush
from whitestat.ledger.write.writer import Writer
from whitestat.plans.plan import Plan, Share


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "whitestat.toml"
    file.write_text('timezone = "Europe/Stockholm"\n[store]\npath = "whitestat.db"\n[lan]\nhear = false\n')
    return file


def book(config: Path, *plans: Plan) -> None:
    """Anna's phone used 3 GB just now."""
    from whitestat.config.loader import load

    zone, now_s = zone_of(load(config, {}, root=False)), SystemClock().now_ms() // 1000
    with closing(Writer(config.parent / "whitestat.db", zone)) as writer:
        writer.follow_plans(plans, now_s - 3_600)
        writer.commit(
            Flush(
                {(now_s - now_s % 60, UsageKey(1, "lan", Scope.WAN)): Counts(2 * 10**9, 10**9)},
                devices=[DeviceRecord(1, "phone", "user", "Anna")],
                episodes=[Episode(1, 1, b"\x02\x50\0\0\0\x11", None, now_s * 1000)],
            )
        )


def said(capsys: pytest.CaptureFixture[str], config: Path, *words: str) -> str:
    number = 2 if words[0] == "plan" else 1
    assert run_command([*words[:number], "--config", str(config), *words[number:]]) == 0
    return capsys.readouterr().out


def test_today_says_what_is_left_below_its_table(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book(config, Plan("line", 40 * 10**9))
    text = said(capsys, config, "today")
    assert "phone   2.0 GB  1.0 GB  3.0 GB  wan" in text
    assert "line: until " in text
    assert "  3.0 GB of 40.0 GB used, 37.0 GB left\n" in text
    found: dict[str, Any] = json.loads(said(capsys, config, "today", "--json"))
    assert (found["rows"][0]["octets"], found["plans"][0]["left"]) == (3 * 10**9, 37 * 10**9)


def test_without_a_plan_today_is_as_it_was(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book(config)
    assert len(said(capsys, config, "today").splitlines()) == 2
    assert set(json.loads(said(capsys, config, "today", "--json"))) == {"rows"}
    assert said(capsys, config, "plans").startswith("There are no plans.")


def test_plans_say_who_used_how_much_of_a_share(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book(config, Plan("line", 8 * 10**9, shares=(Share("Anna"), Share("Bo", 3))))
    text = said(capsys, config, "plans")
    assert "    Anna: 3.0 GB of 2.0 GB, 1.0 GB over\n" in text
    assert "    Bo: 0 B of 6.0 GB, 6.0 GB left\n" in text
    rows = list(csv.DictReader(io.StringIO(said(capsys, config, "plans", "--csv"))))
    assert [(row["person"], row["used"], row["left"]) for row in rows] == [
        ("", "3000000000", "5000000000"),
        ("Anna", "3000000000", "-1000000000"),
        ("Bo", "0", "6000000000"),
    ]


def test_a_plan_is_topped_up_and_the_top_up_undone(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book(config, Plan("line", 4 * 10**9))
    made = said(capsys, config, "plan", "topup", "line", "5GB")
    assert made == "Done: 5.0 GB topped up. To take it back: whitestat undo 1\n"
    assert "3.0 GB of 9.0 GB used, 6.0 GB left (5.0 GB topped up)" in said(capsys, config, "plans")
    assert said(capsys, config, "plan", "topup", "line", "-2GB").startswith("Done: 2.0 GB taken off.")
    said(capsys, config, "undo", "1")
    assert "3.0 GB of 2.0 GB used, 1.0 GB over (2.0 GB taken off)" in said(capsys, config, "plans")
    assert said(capsys, config, "plan", "reprice", "line").startswith("Done: what was used since ")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["topup", "house", "5GB"], "plan: there is no plan 'house'; whitestat plans lists them"),
        (["topup", "lime", "5GB"], "plan: there is no plan 'lime' (did you mean 'line'?); whitestat plans lists them"),
        (["topup", "line", "5"], "amount: not an amount like 400GB or 40GiB: '5'"),
        (
            ["topup", "line", "5GB", "--allowance", "night"],
            "allowance: the plan has none named 'night'; it has: standard",
        ),
    ],
)
def test_what_is_wrong_with_a_top_up_is_told(
    config: Path, capsys: pytest.CaptureFixture[str], words: list[str], fault: str
) -> None:
    book(config, Plan("line", 4 * 10**9))
    assert run_command(["plan", words[0], "--config", str(config), *words[1:]]) != 0
    assert capsys.readouterr().err == f"whitestat: {fault}\n"
