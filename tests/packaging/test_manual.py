"""The manual pages and shell completions name every command, option, key and variable, and the tools take them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from whitestat.app.parser import command_line, parsers
from whitestat.config.environment import VARIABLES
from whitestat.config.schema import declared
from whitestat.config.tables import SECTIONS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("manual")
    script = Path(__file__).parents[2] / "packaging" / "manual.py"
    subprocess.run([sys.executable, script, path], check=True, capture_output=True)
    return path


def page(folder: Path, name: str) -> str:
    return (folder / name).read_text().replace("\\-", "-")


def test_the_page_of_the_command_has_every_command_and_option(folder: Path) -> None:
    text = page(folder, "whitestat.1")
    for parser in parsers(command_line()):
        assert parser.prog in text
        for option in (option for action in parser._actions for option in action.option_strings):
            assert option in text or option in ("-h", "--help"), option


def test_the_page_of_the_file_has_every_key_and_variable(folder: Path) -> None:
    text = page(folder, "whitestat.toml.5")
    assert all(f"\\fB{key.name}\\fR" in text for section in SECTIONS for key in declared(section.holds))
    assert all(f"\\fB{name}\\fR" in text for name in VARIABLES)


@pytest.mark.parametrize("name", ["whitestat.1", "whitestat.toml.5"])
def test_a_page_is_shown_without_a_warning(folder: Path, name: str) -> None:
    if shutil.which("man") is None or shutil.which("groff") is None:
        pytest.skip("man is not installed")
    shown = subprocess.run(["man", "--warnings", "-l", folder / name], capture_output=True, text=True, check=True)
    assert "NAME" in shown.stdout
    assert shown.stderr == ""


def completed(folder: Path, *words: str) -> set[str]:
    """Return what bash offers for the last of the words."""
    script = (
        f"source {folder / 'whitestat.bash'}\n"
        f"COMP_WORDS=({' '.join(repr(word) for word in words)})\nCOMP_CWORD={len(words) - 1}\nCOMP_TYPE=9\n"
        '$(complete -p whitestat | sed "s/.*-F \\([^ ]*\\) .*/\\1/")\n'
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return set(subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split())


def test_bash_completes_commands_actions_and_options(folder: Path) -> None:
    assert completed(folder, "whitestat", "hi") == {"history"}
    assert completed(folder, "whitestat", "people", "re") == {"rename", "remove"}
    assert "--month-rotate" in completed(folder, "whitestat", "import", "--m")


def test_bash_completes_the_names_of_files(folder: Path) -> None:
    offered = completed(folder, "whitestat", "replay", f"{folder}/whites")
    assert f"{folder}/whitestat.1" in offered
