"""The report tells what a maintainer needs, and holds no name, address or secret of the household."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.household import EVIL_NAME, LAPTOP, NAMES, ZONE, booked
from whitestat.app.commands.report import report
from whitestat.app.main import run_command
from whitestat.config import loader
from whitestat.ledger.write.writer import Writer

SECRETS = ("hunter2", "Annas-Laptop", "Anna", "02:50:00:00:00:11", "192.168.50.7", "kids", "smallhouse")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "whitestat.toml"
    file.write_text(
        f"""timezone = "UTC"
[web]
listen = "127.0.0.1:0"
names = ["smallhouse.example.org"]
[store]
path = "{tmp_path}/whitestat.db"
flush = "10s"
[[point]]
name = "router"
collector = "darkstat"
url = "http://127.0.0.1:1"
username = "Anna"
password = "hunter2"
[[device]]
mac = "02:50:00:00:00:11"
name = "Annas-Laptop"
person = "Anna"
[[plan]]
name = "kids"
allowance = "40GB"
"""
    )
    file.chmod(0o600)
    return file


def test_a_report_has_settings_and_faults_and_nothing_private(config: Path) -> None:
    log = "Annas-Laptop (192.168.50.7) joined\nANNA logged in"
    text = report(loader.load(config, {}, root=True), lambda: log)
    for fact in (
        "collector = darkstat",
        "flush = 10s",
        "allowance = 40GB",
        "password = (set)",
        "== check ==",
        "Python 3",
    ):
        assert fact in text
    assert re.search(r"<name-\d+> \(<ipv4-private-\d+>\) joined", text)
    assert [secret for secret in SECRETS if secret.lower() in text.lower()] == []


def test_names_of_the_ledger_are_replaced_too(tmp_path: Path, config: Path) -> None:
    with closing(Writer(tmp_path / "whitestat.db", ZONE)) as writer:
        writer.commit(booked())
    text = report(loader.load(config, {}, root=True), lambda: f"{NAMES[LAPTOP]} joined {EVIL_NAME}")
    assert "joined" in text
    assert [name for name in (NAMES[LAPTOP], EVIL_NAME) if name in text] == []
    assert "usage" in text.partition("== database ==")[2]


def test_the_command_writes_a_file_for_its_owner_alone_and_replaces_none(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.txt"
    words = ["report", str(file), "--config", str(config)]
    assert run_command(words) == 0
    assert "read it before you send it" in capsys.readouterr().out
    assert file.stat().st_mode & 0o777 == 0o600
    assert run_command(words) == 1
    assert "exists" in capsys.readouterr().err
