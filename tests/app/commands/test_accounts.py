"""Passwords, people who log in and tokens in a terminal: with the service and without, and no secret on the line."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tests.support.control import controlled
from tests.support.household import House, booked, household
from whitestat.app.main import run_command
from whitestat.web.auth import file, passwords
from whitestat.web.auth.accounts import Accounts

PASSWORD = "correct horse battery"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A stopped service's."""
    with household(tmp_path, booked()):
        pass
    path = tmp_path / "whitestat.toml"
    path.write_text(
        f'[web]\nlisten = "192.0.2.1:7777"\nbase = "/stats"\n[store]\npath = "{tmp_path / "whitestat.db"}"\n'
    )
    return path


def run(config: Path, *words: str) -> int:
    return run_command([*words, "--config", str(config)])


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def kept(config: Path) -> Accounts:
    return Accounts(file.path_of(config.with_name("whitestat.db")))


@pytest.mark.slow
def test_the_owner_s_password_is_read_from_the_input(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, f"{PASSWORD}\n")
    assert run(config, "password") == 0
    assert "password of owner is set" in capsys.readouterr().out
    assert passwords.matches(PASSWORD, kept(config).account(1).password)
    typed(monkeypatch, "short\n")
    assert run(config, "password", "OWNER") == 2
    assert "password: must have 8 to 256 letters, has 5" in capsys.readouterr().err
    assert passwords.matches(PASSWORD, kept(config).account(1).password)
    typed(monkeypatch, f"{PASSWORD}\n")
    assert run(config, "password", "nobody") == 2
    assert "there is no account 'nobody'; whitestat users lists them" in capsys.readouterr().err
    typed(monkeypatch, f"{PASSWORD}\n")
    assert run(config, "password", "ownr") == 2
    assert "there is no account 'ownr' (did you mean 'owner'?)" in capsys.readouterr().err


def test_people_who_log_in_are_added_listed_and_removed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "users", "add", "anna", "--person", "anna") == 0
    said = capsys.readouterr().out
    assert "http://192.0.2.1:7777/stats/first?key=" in said
    assert run(config, "users", "add", "bo", "--role", "editor") == 0
    assert run(config, "users", "link", "Anna") == 0
    capsys.readouterr()
    assert run(config, "users", "--json") == 0
    assert '"person": "Anna"' in capsys.readouterr().out
    assert run(config, "users", "remove", "bo") == 0
    assert [(each.name, each.person) for each in kept(config).accounts] == [("anna", "Anna")]
    assert run(config, "users", "add", "carl", "--person", "Carl") == 2
    assert "there is no person 'Carl'; there are: Anna, Bo" in capsys.readouterr().err


def test_a_token_is_printed_once_and_ends_when_it_is_revoked(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "token", "add", "Excel") == 0
    text = capsys.readouterr().out.strip()
    assert kept(config).by_token(text, 0)
    assert run(config, "token", "list") == 0
    listed = capsys.readouterr().out
    assert "Excel" in listed
    assert text not in listed
    assert run(config, "token", "revoke", "excel") == 0
    assert kept(config).by_token(text, 0) is None
    assert run(config, "token", "revoke", "excel") == 2


def test_the_service_is_asked_where_one_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger, config = tmp_path / "whitestat.db", tmp_path / "whitestat.toml"
    config.write_text(f'[store]\npath = "{ledger}"\n')
    with household(tmp_path, booked()) as house, controlled(house, ledger):
        typed(monkeypatch, f"{PASSWORD}\n")
        assert run(config, "password") == 0
        assert run(config, "token", "add", "Grafana", "--scope", "metrics") == 0
        assert works(house, capsys.readouterr().out.split()[-1])
        assert house.accounts.has_owner


def works(house: House, token: str) -> bool:
    return house.get("/metrics", Authorization=f"Bearer {token}").status == 200
