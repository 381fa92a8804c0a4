"""Manual pages and shell completions, made from the parser and the configuration's keys: `manual.py FOLDER`.

Written are `whitestat.1`, `whitestat.toml.5`, `whitestat.bash` and `_whitestat` (zsh).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import shtab
from argparse_manpage.manpage import Manpage

from whitestat import __version__
from whitestat.app.command_parser import DEFAULT_CONFIG
from whitestat.app.parser import command_line, parsers
from whitestat.config.environment import VARIABLES
from whitestat.config.schema import declared
from whitestat.config.sections import Config
from whitestat.config.tables import SECTIONS

COMPLETIONS = {"bash": "whitestat.bash", "zsh": "_whitestat"}


def write(folder: Path) -> None:
    """Write every page and completion into a folder, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "whitestat.1").write_text(command_page())
    (folder / "whitestat.toml.5").write_text(configuration_page())
    for shell, name in COMPLETIONS.items():
        (folder / name).write_text(shtab.complete(_with_files(command_line()), shell=shell))


def command_page() -> str:
    """Return the manual page of the command, all its subcommands included, as roff."""
    data = {
        "prog": "whitestat",
        "project_name": "whitestat",
        "description": "usage of the Internet by device and person",
        "version": __version__,
        "manual_title": "WhiteStat",
        "format": "single-commands-section",
    }
    return str(Manpage(command_line(), data)) + _section("SEE ALSO") + ".BR whitestat.toml (5)\n"


def configuration_page() -> str:
    """Return the manual page of the configuration file, every key and variable included, as roff."""
    lines = [
        f'.TH WHITESTAT.TOML 5 "" "whitestat {__version__}" "WhiteStat"',
        ".SH NAME",
        r"whitestat.toml \- configuration of whitestat",
        ".SH DESCRIPTION",
        f"The file is {_roff(str(DEFAULT_CONFIG))}, or the one given with",
        r".B \-\-config\fR. It is written in TOML; every key has a default.",
        r"The command \fBwhitestat config \-\-example\fR prints all of them, commented.",
    ]
    for title, sentence, kind in [("KEYS", "", Config), *((s.name, s.sentence, s.holds) for s in SECTIONS)]:
        lines += [f".SH {title.upper()}", *([_roff(sentence)] if sentence else [])]
        for key in declared(kind):
            default = f"{key.key.sentence} Default: {key.default_text}".rstrip(". ") + "."
            lines += _entry(key.name, key.key.kind.words, default)
    lines += [".SH ENVIRONMENT", "A variable that is set goes before its key in the file."]
    for name, variable in VARIABLES.items():
        place = f"{variable.section}.{variable.field}".lstrip(".")
        lines += _entry(name, variable.words, f"The key {place}.")
    return "\n".join(lines) + "\n" + _section("SEE ALSO") + ".BR whitestat (1)\n"


def _entry(name: str, value: str, sentence: str) -> list[str]:
    return [".TP", f"\\fB{_roff(name)}\\fR ({_roff(value)})", _roff(sentence)]


def _section(title: str) -> str:
    return f".SH {title}\n"


def _roff(text: str) -> str:
    """Return text with the characters escaped that roff would interpret."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _with_files(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Mark the arguments that are paths, for which the shell completes file names."""
    for action in (action for each in parsers(parser) for action in each._actions if action.type is Path):
        action.complete = shtab.FILE  # type: ignore[attr-defined]
    return parser


if __name__ == "__main__":
    write(Path(sys.argv[1]))
