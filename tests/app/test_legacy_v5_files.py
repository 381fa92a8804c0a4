"""What a first start in WhiteStat 5's place leaves in its folder."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from whitestat.app import legacy_v5_files
from whitestat.config import legacy_v5
from whitestat.config.loader import load

NAMES = {"WhiteStatConfig.json", "IP_MAC.txt", "MAC_MAC.txt", "MAC_HOST.txt"}


def environ(folder: Path, **more: str) -> dict[str, str]:
    return {"DATA_STORE": str(folder), **more}


def start(variables: dict[str, str]) -> None:
    legacy_v5_files.make_files(load(None, variables, root=False), variables)


def test_the_files_of_version_5_are_made_and_mean_what_the_environment_said(tmp_path: Path) -> None:
    variables = environ(
        tmp_path, DARKSTAT_URL="http://10.0.0.1:777", SERVER_PORT="777", LAN_SEGMENT_MASKS="10.", LAN_ROUTERS_TO_SKIP=""
    )
    before = load(None, variables, root=False)
    start(variables)
    assert {each.name for each in tmp_path.iterdir()} == NAMES
    found = json.loads((tmp_path / legacy_v5.NAME).read_text())
    assert (found["DARKSTAT_URL"], found["SERVER_PORT"], found["IdleSeconds"]) == ("http://10.0.0.1:777", 777, 30)
    assert all((tmp_path / name).read_bytes() == b"" for name in NAMES if name.endswith(".txt"))
    for again in (load(None, variables, root=False), load(None, environ(tmp_path), root=False)):
        assert again == replace(before, source=again.source, notices=again.notices)


def test_without_a_darkstat_and_a_port_the_next_start_means_the_same(tmp_path: Path) -> None:
    before = load(None, environ(tmp_path), root=False)
    start(environ(tmp_path))
    again = load(None, environ(tmp_path), root=False)
    assert again == replace(before, source=again.source, notices=again.notices)


def test_what_is_there_stays_and_links_are_not_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "data", tmp_path / "outside"
    folder.mkdir()
    (folder / "IP_MAC.txt").write_text("192.168.1.54|02:00:5e:00:00:0a")
    (folder / "MAC_MAC.txt").symlink_to(outside)
    for _ in range(2):
        start(environ(folder))
    assert (folder / "IP_MAC.txt").read_text() == "192.168.1.54|02:00:5e:00:00:0a"
    assert not outside.exists() and (folder / "MAC_MAC.txt").is_symlink()
    assert (folder / "MAC_HOST.txt").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_they_belong_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 54321)
    start(environ(tmp_path))
    for each in tmp_path.iterdir():
        state = each.stat()
        assert (state.st_uid, state.st_gid, state.st_mode & 0o777) == (12345, 54321, 0o600)


def test_a_folder_that_cannot_be_written_is_told_and_no_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        start(environ(tmp_path / "absent"))
    assert "WhiteStatConfig.json: is not made: no such file or directory" in caplog.text


def test_a_configuration_of_our_own_needs_none_of_them(tmp_path: Path) -> None:
    toml = tmp_path / "whitestat.toml"
    toml.write_text("")
    legacy_v5_files.make_files(load(toml, environ(tmp_path), root=False), environ(tmp_path))
    legacy_v5_files.make_files(load(None, {}, root=False), {})
    assert [each.name for each in tmp_path.iterdir()] == ["whitestat.toml"]
