"""Argument parser with subcommands: options keep their effect in front of a subcommand, and typos get suggestions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from whitestat.core.suggestions import did_you_mean

DEFAULT_CONFIG = Path("/etc/whitestat/whitestat.toml")
SINCE = "The first day that it applies to, like 2026-11-24. Default: from the beginning."
LAST_COUNTS = "If an option is given twice, the last one counts."


class CommandParser(argparse.ArgumentParser):
    """Parser of one command. Unknown words and options are usage errors that name the nearest known one."""

    def __init__(self, **more: Any) -> None:
        super().__init__(epilog=LAST_COUNTS, **more)
        self.register("action", "parsers", Subcommands)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Return the options and no rest: what is left over is an error of this command, not of the one above."""
        options, rest = super().parse_known_args(args, namespace)
        if rest:
            self._refuse(rest[0])
        return options, rest

    def _refuse(self, word: str) -> NoReturn:
        names = [name for action in self._actions for name in action.option_strings]
        kind, near = ("option", did_you_mean(word, names)) if word.startswith("-") else ("argument", "")
        self.error(f"unknown {kind} {word!r}{near}; {self.prog} --help lists all")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        words = list(map(str, action.choices))
        near = did_you_mean(str(value), words)
        if isinstance(action, argparse._SubParsersAction):
            self.error(f"unknown command {value!r}{near}; {self.prog} --help lists all")
        raise argparse.ArgumentError(action, f"unknown word {value!r}{near}, expected one of {', '.join(words)}")


class Subcommands(argparse._SubParsersAction):  # type: ignore[type-arg]
    """Words below a parser. An option in front of a word has its effect there too, or is refused.

    argparse would let the word's parser put its own default over what was given in front of the word, and drop
    what the word has no use for. An option of several levels has therefore no default but at the topmost
    (`argparse.SUPPRESS`): what is in the namespace was given.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        given = _given(parser, namespace)
        if below := self.choices.get(values[0]):
            known = {action.dest for action in below._actions}
            for dest in given.keys() - known:
                parser.error(f"argument {given[dest]}: not used by {below.prog}")
        before = {dest: getattr(namespace, dest) for dest, names in given.items() if "/" in names}
        super().__call__(parser, namespace, values, option_string)
        for dest, value in before.items():
            if getattr(namespace, dest) != value:
                parser.error(f"argument {given[dest]}: one of them, not several")


Commands: TypeAlias = "argparse._SubParsersAction[CommandParser]"


def add_command(
    commands: Commands,
    name: str,
    sentence: str,
    parents: Sequence[CommandParser],
    **values: object,
) -> CommandParser:
    """Add a command with its sentence and the values that stand for it in the namespace; return its parser."""
    parser = commands.add_parser(name, parents=parents, help=sentence, description=sentence)
    parser.set_defaults(**values)
    return parser


def add_list(kinds: Commands, listed: str) -> None:
    """Add `list` to a group of commands: the same as the group's name alone, which leaves `what` None."""
    add_command(kinds, "list", f"List the {listed} (the default).", LISTING, what=None)


def add_config(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        default=default,
        help=f"The configuration file. Default: {DEFAULT_CONFIG}, if it exists.",
    )


def _common() -> CommandParser:
    """Return the options of every command, as a parent parser."""
    parser = CommandParser(add_help=False)
    add_config(parser, argparse.SUPPRESS)
    return parser


def _listing() -> CommandParser:
    """Return the options of commands that print tables, as a parent parser."""
    parser = CommandParser(add_help=False)
    forms = parser.add_mutually_exclusive_group()
    for form in ("json", "csv"):
        forms.add_argument(
            f"--{form}",
            action="store_const",
            dest="form",
            const=form,
            default=argparse.SUPPRESS,
            help=f"Print {form.upper()} instead of text.",
        )
    return parser


COMMON = (_common(),)
LISTING = (*COMMON, _listing())


def _given(parser: argparse.ArgumentParser, namespace: argparse.Namespace) -> dict[str, str]:
    """Return the options of a parser that were given: dest and the names, `--json/--csv` where several set it."""
    names: dict[str, str] = {}
    for action in parser._actions:
        if action.option_strings and getattr(namespace, action.dest, action.default) is not action.default:
            name = action.option_strings[-1]
            names[action.dest] = f"{names[action.dest]}/{name}" if action.dest in names else name
    return names
