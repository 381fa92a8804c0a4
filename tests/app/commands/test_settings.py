"""`whitestat config`: settings shown, set and undone in a terminal, without a service and over its control socket."""

from __future__ import annotations

import io
import json
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.control import controlled
from tests.support.household import ZONE, House, booked
from whitestat.app import build
from whitestat.app.main import run_command
from whitestat.config import page_file
from whitestat.config.loader import load
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.write.writer import Writer


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "whitestat.toml"
    file.write_text('timezone = "Europe/Stockholm"\n[store]\npath = "whitestat.db"\n[lan]\nhear = false\n')
    with closing(Writer(tmp_path / "whitestat.db", ZONE)) as writer:
        writer.commit(booked())
    return file


def run(capsys: pytest.CaptureFixture[str], config: Path, *words: str, status: int = 0) -> str:
    assert run_command(["config", *words, "--config", str(config)]) == status
    out, err = capsys.readouterr()
    return out if status == 0 else err


def test_settings_are_set_shown_and_undone(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = page_file.path_of(config.parent / "whitestat.db")
    assert "billing.day is changed; it counts from the next start on. To take it back: whitestat config undo 1" in run(
        capsys, config, "set", "billing.day", "15"
    )
    run(capsys, config, "set", "lan.networks", "192.0.2.0/24,198.51.100.0/24")
    run(capsys, config, "set", "plan.line.allowance", "40GB")
    assert page.read_text().startswith("# Settings made on WhiteStat's page")
    loaded = load(config, {}, root=False)
    assert (loaded.billing.day, len(loaded.lan.networks), loaded.plans[0].allowance) == (15, 2, 40_000_000_000)
    assert run(capsys, config, "get", "billing.day") == "15\n"
    assert run(capsys, config, "get", "plan.line") == "plan.line.name = line\nplan.line.allowance = 40GB\n"
    assert f"billing.day,15,{page}" in run(capsys, config, "show", "--csv").splitlines()
    rows = {row["name"]: row for row in json.loads(run(capsys, config, "show", "--json"))["settings"]}
    assert rows["lan.hear"]["fixed_by"] == str(config)
    assert "edit 3 is undone" in run(capsys, config, "undo")
    assert "edit 1 is undone" in run(capsys, config, "undo", "1")
    assert load(config, {}, root=False).billing.day == 1
    run(capsys, config, "unset", "lan.networks")
    assert "networks" not in page.read_text()
    assert run(capsys, config, "unset", "lan.networks") == "No change.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "billing.day", "99"), "must be a whole number from 1 to 31, got 99"),
        (("set", "lan.hear", "true"), "change it there"),
        (("set", "billing.dya", "1"), "did you mean 'day'?"),
        (("get", "nonsense"), "unknown key 'nonsense'"),
        (("set", "billing.day"), "missing. Example: whitestat config set billing.day VALUE"),
        (("set", "point.router.password", "tulip"), "is a secret: leave the value out"),
        (("set", "plan.line", "x"), "is a table: set its keys"),
        (("undo",), "there is nothing to undo"),
    ],
)
def test_a_fault_says_what_would_be_right(
    config: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert said in run(capsys, config, *words, status=2)


def test_a_password_is_read_from_the_input(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_file.path_of(config.parent / "whitestat.db")
    page_file.write(
        page, '[[point]]\nname = "router"\ncollector = "archer-c20"\nurl = "http://192.0.2.1"\npassword = "a"\n'
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("tulip\n"))
    assert "tulip" not in run(capsys, config, "set", "point.router.password")
    assert 'password = "tulip"' in page.read_text()
    assert "tulip" not in run(capsys, config, "show") + run(capsys, config, "show", "--json")


def test_addresses_of_messages_are_read_from_the_input(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("ntfys://ntfy.example.org/tulip, mailto://rose@example.org\n"))
    run(capsys, config, "set", "notify.to")
    assert load(config, {}, root=False).notify.to == ("ntfys://ntfy.example.org/tulip", "mailto://rose@example.org")
    shown = run(capsys, config, "show", "--csv")
    assert "notify.to,(secret)," in shown and "tulip" not in shown
    assert "tulip" not in repr(load(config, {}, root=False))


def test_a_running_service_is_asked(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = config.parent / "whitestat.db"
    with closing(Writer(ledger, ZONE)) as writer, closing(Queries(ledger, ZONE)) as queries:
        house = House(queries, writer, settings=build.settings_file(load(config, {}, root=False)))
        with controlled(house, ledger):
            assert "billing.day,1,default" in run(capsys, config, "show", "--csv").splitlines()
            assert "must be a whole number" in run(capsys, config, "set", "billing.day", "x", status=2)


def test_a_faulty_file_of_the_page_ends_the_check(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "the configuration is valid" in run(capsys, config)
    page_file.write(page_file.path_of(config.parent / "whitestat.db"), "billing.day = 77\n")
    assert "whitestat.db.settings.toml: billing.day: must be a whole number" in run(capsys, config, status=2)


@pytest.mark.parametrize("content", [b"rub[bish\x00\xff", b"[billing]\nday = 99\n"])
def test_a_faulty_file_of_the_page_is_named_with_the_way_out_by_each_command(
    config: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    run(capsys, config, "set", "billing.day", "7")
    page = page_file.path_of(config.parent / "whitestat.db")
    page.write_bytes(content)
    assert run_command(["config", "get", "billing.day", "--config", str(config)]) == 0
    assert f"whitestat: not in use: {page}: " in capsys.readouterr().err
    assert run_command(["check", "--config", str(config)]) == 1
    assert f"settings of the page: {page}: " in capsys.readouterr().out
    if content.startswith(b"["):  # a wrong value is put right by a right one
        run(capsys, config, "set", "billing.day", "8")
        return
    for words in (("set", "billing.day", "8"), ("unset", "billing.day"), ("undo",)):
        assert run_command(["config", *words, "--config", str(config)]) != 0
        assert f"{page}: not UTF-8 text at octet 9; correct that file or remove it" in capsys.readouterr().err, words


def test_an_edit_that_is_none_of_settings_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, config, "set", "billing.day", "7")
    for number in ("0", "99"):
        assert f"no change of settings has the number {number}" in run(capsys, config, "undo", number, status=2)
    assert load(config, {}, root=False).billing.day == 7
