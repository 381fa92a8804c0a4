"""Every command and option of the command line, each with its help sentence; `main.COMMANDS` has what runs them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from whitestat import __version__
from whitestat.app.command_parser import (
    COMMON,
    LISTING,
    SINCE,
    CommandParser,
    Commands,
    add_command,
    add_config,
    add_list,
)
from whitestat.app.household_parser import add_access, add_devices, add_edits, add_people
from whitestat.query.parameters import QUESTION

_NEGATIVE_AMOUNT = re.compile(r"-[0-9.]")
"""What argparse, which would take it for an option, is to take for a number."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options, with `command` for what to run; end the process on a usage error (2) and after help."""
    return command_line().parse_args(arguments)


def command_line() -> CommandParser:
    """Return the parser of the whole command line."""
    parser = CommandParser(prog="whitestat", description="Show who used how much Internet data, when and on what.")
    parser._actions[0].help = HELP
    parser.add_argument(
        "--version", action="version", version=f"whitestat {__version__}", help="Print the version and exit."
    )
    add_config(parser, None)
    parser.set_defaults(command="help", form="text")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for add in (_add_usage, _add_plan, add_devices, add_people, add_edits, add_access, _add_limits, _add_service):
        add(commands)
    for command in parsers(parser):
        command._actions[0].help = HELP
    return parser


HELP = "Show this help and exit."


def parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Return a parser and all below it."""
    return [
        parser,
        *(
            inner
            for action in parser._actions
            if isinstance(action, argparse._SubParsersAction)
            for child in action.choices.values()
            for inner in parsers(child)
        ),
    ]


def _add_usage(commands: Commands) -> None:
    add_command(commands, "today", "Show today's usage of each device.", LISTING, command="today")
    history = add_command(
        commands, "history", "Show the usage of any period, split and filtered as you wish.", LISTING, command="history"
    )
    _add_query(history, start="month", step="day", by="")
    top = add_command(commands, "top", "Show the devices with the most usage.", LISTING, command="history")
    top.add_argument(
        "top",
        nargs="?",
        metavar="N",
        default="10",
        help="How many devices to list; all others are summed up in one row. Default: 10.",
    )
    _add_query(top, start="cycle", step="total", by="device")


def _add_query(parser: argparse.ArgumentParser, **defaults: str) -> None:
    """Add an option for each parameter of a usage query that the command does not take otherwise."""
    taken = {action.dest for action in parser._actions}
    for parameter in QUESTION:
        if parameter.name in taken:
            continue
        default = defaults.get(parameter.name)
        words = f" One of {', '.join(parameter.words)}." if parameter.words else ""
        note = "" if default is None else f" Default: {default or 'none'}."
        parser.add_argument(
            f"--{parameter.name}",
            metavar=parameter.name.upper(),
            default=default,
            help=f"{parameter.sentence}{words}{note}",
        )


def _add_plan(commands: Commands) -> None:
    add_command(commands, "plans", "Show what is used and left of each plan.", LISTING, command="plans")
    plan = add_command(commands, "plan", "Add data to a plan, or recalculate its past usage.", COMMON, command="plan")
    kinds = plan.add_subparsers(title="actions", dest="what", metavar="ACTION", required=True)
    topup = add_command(kinds, "topup", "Add data to the running period; a negative amount takes it off.", COMMON)
    topup.add_argument("plan", metavar="PLAN", help="The name of the plan.")
    topup.add_argument("amount", metavar="AMOUNT", help="The amount, like 5GB or -5GB.")
    topup.add_argument(
        "--allowance", metavar="TARIFF", help="The tariff to add to, if tariffs have allowances of their own."
    )
    topup._negative_number_matcher = _NEGATIVE_AMOUNT
    reprice = add_command(kinds, "reprice", "Recalculate past usage by the plan's current terms.", COMMON)
    reprice.add_argument("plan", metavar="PLAN", help="The name of the plan.")
    reprice.add_argument("--from", dest="since", metavar="DAY", help=SINCE)


def _add_limits(commands: Commands) -> None:
    throttle = add_command(
        commands, "throttle", "List active limits, lift or restore one.", LISTING, command="throttle", what=None
    )
    throttle.set_defaults(name=None)
    kinds = throttle.add_subparsers(title="actions", dest="what", metavar="ACTION")
    add_list(kinds, "limits")
    for kind, sentence in (
        ("lift", "Lift a limit until the period ends."),
        ("restore", "Put a lifted limit in force again."),
    ):
        limit = add_command(kinds, kind, sentence, COMMON)
        limit.add_argument("name", nargs="?", metavar="NAME", help="The name of the limit, as listed.")
    notify = add_command(commands, "notify", "List where messages are sent, or test it.", COMMON, command="notify")
    notify.add_argument("--test", action="store_true", help="Send a test message to each address and show the result.")


def _add_service(commands: Commands) -> None:
    add_command(commands, "run", "Start the service: count, store and show usage.", COMMON, command="run")
    add_command(commands, "check", "Check the configuration and try every point.", COMMON, command="check")
    report = add_command(
        commands, "report", "Write a text file for an issue report, without names, addresses and secrets.", COMMON
    )
    report.set_defaults(command="report")
    report.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="The file to write. Default: whitestat-report.txt."
    )
    _add_config(commands)
    replay = add_command(
        commands, "replay", "Show the usage of each device in a capture file.", LISTING, command="replay"
    )
    replay.add_argument("file", type=Path, metavar="FILE", help="A pcap or pcapng file; it may be gzip-compressed.")
    _add_import(commands)
    _add_copies(commands)
    recover = add_command(
        commands, "recover", "Recover what is readable of a damaged database.", COMMON, command="recover"
    )
    recover.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="DAMAGED",
        help="The damaged file. Default: all files that were set aside.",
    )
    recover.add_argument(
        "--to", type=Path, metavar="NEW", help="A new file to write. Default: the database that is in use."
    )


def _add_config(commands: Commands) -> None:
    """Add `config` with its actions."""
    config = add_command(
        commands, "config", "Show or change settings, validate the configuration, or print an example.", LISTING
    )
    config.set_defaults(command="config", what=None)
    config.add_argument(
        "--example", action="store_true", help="Print a commented example with every key and its default."
    )
    kinds = config.add_subparsers(title="actions", dest="what", metavar="ACTION")
    for name in ("show", "list"):
        add_command(kinds, name, "List every setting, its value and where that comes from.", LISTING, what="show")
    get = add_command(kinds, "get", "Print the value of a setting.", COMMON)
    change = add_command(kinds, "set", "Set a setting, as the page does; the service starts again with it.", COMMON)
    unset = add_command(kinds, "unset", "Take a setting, or a row like plan.line, out of the page's file.", COMMON)
    for parser in (get, change, unset):
        parser.add_argument("key", metavar="KEY", help="The name, like billing.day or plan.line.allowance.")
    change.add_argument(
        "value", nargs="?", metavar="VALUE", help="The value, like 15, 40GB or a,b. Without it a password is asked for."
    )
    undo = add_command(kinds, "undo", "Undo a change of settings.", COMMON)
    undo.add_argument("edit", nargs="?", type=int, metavar="EDIT", help="The number of the edit. Default: the latest.")


def _add_copies(commands: Commands) -> None:
    """Add `backup` and `restore`."""
    backup = add_command(commands, "backup", "Copy the database; the service may be running.", COMMON, command="backup")
    backup.add_argument("file", type=Path, nargs="?", metavar="FILE", help="The copy to write: the database alone.")
    backup.add_argument("--force", action="store_true", help="Replace FILE if it exists.")
    backup.add_argument(
        "--to",
        dest="folder",
        type=Path,
        metavar="FOLDER",
        help="Instead of FILE: write copies of the database, accounts and settings into FOLDER, named by the time.",
    )
    backup.add_argument(
        "--keep",
        type=_count,
        metavar="N",
        help="With --to: keep the newest N backups and remove older ones. Default: 7.",
    )
    restore = add_command(
        commands,
        "restore",
        "Put a backup in the place of the database; stop the service first.",
        COMMON,
        command="restore",
    )
    restore.add_argument("file", type=Path, metavar="FILE", help="The backup. It stays as it is.")
    restore.add_argument(
        "--accounts",
        action="store_true",
        help="Restore the accounts and tokens too, from FILE.access beside the backup.",
    )
    restore.add_argument(
        "--settings",
        action="store_true",
        help="Restore the page's settings too, from FILE.settings.toml beside the backup.",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a number of 1 or more")
    return int(text)


def _add_import(commands: Commands) -> None:
    """Add `import`, with the programs, files and options of the readers' table."""
    from whitestat.importers.readers import READERS

    *titles, last = (reader.title for reader in READERS)
    sentence = f"Import the history of {', '.join(titles)} or {last}."
    parser = add_command(commands, "import", sentence, COMMON, command="import")
    programs = [reader.name for reader in READERS]
    parser.add_argument("program", choices=programs, help="The program that wrote the data.")
    files = "; ".join(reader.files for reader in READERS)
    parser.add_argument("file", type=Path, metavar="FILE", help=f"The data: {files}.")
    parser.add_argument("--dry-run", action="store_true", help="Show what would be imported without changing anything.")
    for option in (option for reader in READERS for option in reader.options):
        parser.add_argument(option.name, **option.arguments)
