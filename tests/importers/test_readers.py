"""The table of readers: each can be typed, has help, is loaded by the command and by nothing before it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from tests.support.importing import Home
from whitestat.app.parser import command_line, parse
from whitestat.importers import traffic
from whitestat.importers.history import ImportedHistory
from whitestat.importers.readers import BY_NAME, READERS, Reader
from whitestat.importers.source import ImportSource

EXAMPLES = {"kB": "kB", "DAY": "7", "NAME": "eth0"}
"""A value for an option, by its first choice or its placeholder."""

every_reader = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


def importcommand_line() -> argparse.ArgumentParser:
    commands = next(action for action in command_line()._actions if isinstance(action, argparse._SubParsersAction))
    return cast("argparse.ArgumentParser", commands.choices["import"])


def words_of(reader: Reader) -> list[str]:
    """Every option of the reader as it can be typed, with a value where it takes one."""
    words = []
    for option in reader.options:
        words.append(option.name)
        if option.arguments.get("action") != "store_true":
            words.append(EXAMPLES[(option.arguments.get("choices") or [option.arguments.get("metavar")])[0]])
    return words


@every_reader
def test_the_command_has_help_for_the_reader(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "2000")  # argparse breaks lines at hyphens
    text = " ".join(importcommand_line().format_help().split())
    assert reader.files
    assert reader.files in text
    assert reader.title in " ".join(command_line().format_help().split())
    for option in reader.options:
        assert option.name in text
        assert option.arguments["help"] in text


@every_reader
def test_the_command_reaches_the_reader_with_its_options(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function of the reader's module is called, with the path and every option that was given."""
    module, _, name = reader.read.partition(":")
    sources: list[ImportSource] = []

    def record(source: ImportSource) -> ImportedHistory:
        sources.append(source)
        return ImportedHistory("test import", 0, lambda: iter(()))

    assert callable(reader.load())
    monkeypatch.setattr(sys.modules[module], name, record)
    home = Home(tmp_path)
    assert home.run(reader.name, tmp_path / "old", "--dry-run", *words_of(reader)) == 0
    (source,) = sources
    assert source.path == tmp_path / "old"
    assert source.options.keys() == {option.key for option in reader.options}


@every_reader
def test_a_path_that_is_not_there_is_refused_by_the_reader(
    reader: Reader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path)
    assert home.run(reader.name, tmp_path / "missing", *words_of(reader)) != 0
    assert str(tmp_path / "missing") in capsys.readouterr().err
    assert not home.store.exists()


@every_reader
def test_an_option_of_another_reader_is_refused(
    reader: Reader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path)
    for other in READERS:
        if other is not reader and other.options:
            assert home.run(reader.name, tmp_path, *words_of(other)) == 2
            assert f"{other.options[0].name}: is an option for files of {other.name}" in capsys.readouterr().err


def test_names_and_options_are_of_one_reader_each() -> None:
    assert len(BY_NAME) == len(READERS)
    names = [option.name for reader in READERS for option in reader.options]
    assert len(names) == len(set(names))
    assert {option.key for reader in READERS for option in reader.options} <= vars(
        parse(["import", "traffic", "f"])
    ).keys()


def test_the_units_that_can_be_typed_are_those_of_the_reader() -> None:
    (unit,) = BY_NAME["traffic"].options
    assert set(unit.arguments["choices"]) == traffic.UNITS.keys()


def test_a_command_line_loads_the_table_and_no_reader() -> None:
    program = (
        "import json, sys; from whitestat.app.parser import parse; parse(['run']); "
        "print(json.dumps([name for name in sys.modules if name.startswith('whitestat.importers.')]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == ["whitestat.importers.readers"]
