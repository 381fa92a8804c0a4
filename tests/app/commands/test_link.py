"""The page's address in a terminal: for other machines, as a QR code, and with a secret only where one is needed."""

from __future__ import annotations

import io
import re
import socket
import sys
from pathlib import Path

import pytest
import segno

from tests.support.household import booked, household
from whitestat.app.commands import link
from whitestat.app.main import run_command
from whitestat.config.loader import load
from whitestat.config.sections import Config
from whitestat.web.auth import file
from whitestat.web.auth.accounts import Accounts

HALVES = {" ": (0, 0), "\u2580": (1, 0), "\u2584": (0, 1), "\u2588": (1, 1)}


def config_of(folder: Path, web: str) -> Path:
    path = folder / "whitestat.toml"
    path.write_text(f'[web]\n{web}\n[store]\npath = "{folder / "whitestat.db"}"\n')
    return path


def loaded(folder: Path, web: str) -> Config:
    return load(config_of(folder, web), {}, root=False)


def run(path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run_command([*words, "--config", str(path)]) == 0
    return capsys.readouterr().out


def test_a_secret_is_in_the_link_until_the_owner_has_a_password_or_an_account_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with household(tmp_path, booked()):
        pass
    path = config_of(tmp_path, 'listen = "192.0.2.1:7777"\nbase = "/stats"')
    first = run(path, capsys, "link")
    assert "it works once, within 15 minutes:\nhttp://192.0.2.1:7777/stats/first?key=" in first
    kept = Accounts(file.path_of(tmp_path / "whitestat.db"))
    key = re.findall(r"key=(\S+)", first)[0]
    now_ms = kept._kept.links[0].until_ms - 15 * 60_000
    assert kept.name_of_link(key, now_ms + 14 * 60_000) == "owner"
    assert kept.name_of_link(key, now_ms + 15 * 60_000) is None
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse battery\n"))
    run(path, capsys, "password")
    assert run(path, capsys, "link") == "The page, where you log in:\nhttp://192.0.2.1:7777/stats/\n"
    assert "first?key=" in run(path, capsys, "link", "owner")


def test_who_listens_everywhere_is_reached_at_an_address_of_the_network_and_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = loaded(tmp_path, 'listen = "0.0.0.0:7777"')
    monkeypatch.setattr(link, "_address_outward", {4: "192.0.2.7", 6: None}.get)
    assert link.links(config, "/") == ["http://192.0.2.7:7777/", f"http://{socket.gethostname()}:7777/"]
    monkeypatch.setattr(link, "_address_outward", {4: None, 6: None}.get)
    assert link.links(config, "/") == [f"http://{socket.gethostname()}:7777/"]
    only = loaded(tmp_path, 'listen = "0.0.0.0:80"\nhttps = "only"\nhttps_listen = "[::]:443"')
    monkeypatch.setattr(link, "_address_outward", {4: None, 6: "[2001:db8::7]"}.get)
    assert link.links(only, "/x")[0] == "https://[2001:db8::7]:443/x"


def test_on_the_loopback_it_says_how_a_phone_reaches_it(tmp_path: Path) -> None:
    assert 'set listen = "0.0.0.0:7990" in [web]' in link.text(loaded(tmp_path, 'listen = "127.0.0.1:7990"'), "/", "x")
    assert "set listen" not in link.text(loaded(tmp_path, 'listen = "192.0.2.1:7777"'), "/", "x")


def test_the_code_has_the_modules_of_the_link_and_is_left_out_where_it_cannot_be_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = "http://192.0.2.7:7777/first?key=" + "k" * 43
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", terminal)
    drawn = re.sub(r"\x1b\[[0-9;]*m", "", link.qr_code(address)).splitlines()
    rows = [
        list(row) for line in drawn if line.strip("\n") for row in zip(*(HALVES[part] for part in line), strict=True)
    ]
    modules = [[bool(module) for module in row] for row in segno.make(address, error="l", micro=False).matrix]
    size = len(modules)
    light = rows[0][0]  # the quiet zone
    assert [[part != light for part in row[2 : 2 + size]] for row in rows[2 : 2 + size]] == modules
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert link.qr_code(address) == ""
