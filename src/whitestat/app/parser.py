"""Every command and option of the command line, each with its help sentence; `main.COMMANDS` has what runs them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from whitestat import __version__
from whitestat.app.command_parser import CommandParser, add_command
from whitestat.query.parameters import QUESTION

DEFAULT_CONFIG = Path("/etc/whitestat/whitestat.toml")

DEVICE = "The device: its number, its MAC, one of its addresses, or its name."
PERSON = "The person: a number or a name."
SINCE = "The first day that it applies to, like 2026-11-24. Default: from the beginning."

_NEGATIVE_AMOUNT = re.compile(r"-[0-9.]")
"""What argparse, which would take it for an option, is to take for a number."""

Commands: TypeAlias = "argparse._SubParsersAction[CommandParser]"


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
    _add_config(parser, None)
    parser.set_defaults(command="help", form="text")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for add in (_add_usage, _add_plan, _add_devices, _add_people, _add_edits, _add_access, _add_limits, _add_service):
        add(commands)
    for each in parsers(parser):
        each._actions[0].help = HELP
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


def _add_config(parser: argparse.ArgumentParser, default: str | None) -> None:
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
    _add_config(parser, argparse.SUPPRESS)
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


def _add_devices(commands: Commands) -> None:
    devices = add_command(commands, "devices", "List all known devices.", LISTING, command="devices")
    devices.add_argument(
        "--import", type=Path, dest="file", metavar="FILE", help="Take names and owners from this CSV file."
    )
    name = _add_edit(commands, "name", "Name a device.")
    name.add_argument("device", metavar="DEVICE", help=DEVICE)
    name.add_argument("name", metavar="NAME", help="The new name; an empty one removes the name you gave.")
    label = _add_edit(commands, "label", "Set the labels of a device, such as kids or TV.")
    label.add_argument("device", metavar="DEVICE", help=DEVICE)
    label.add_argument("labels", nargs="*", metavar="LABEL", help="The labels; none removes all.")
    merge = _add_edit(commands, "merge", "Merge a device into another, past usage included.")
    merge.add_argument("device", metavar="DEVICE", help=DEVICE)
    merge.add_argument("into", metavar="INTO", help="The device that remains.")
    split = _add_edit(commands, "split", "Move some addresses of a device to a new or another device.")
    split.add_argument("device", metavar="DEVICE", help=DEVICE)
    split.add_argument("addresses", nargs="+", metavar="ADDRESS", help="The MACs or addresses to move.")
    split.add_argument("--into", metavar="DEVICE", help="The device that gets them. Default: a new device.")
    forget = _add_edit(commands, "forget", "Delete the names, addresses and peers of a device for good.")
    forget.add_argument("device", metavar="DEVICE", help=DEVICE)
    forget.add_argument("--yes", action="store_true", help="Confirm: this cannot be undone.")


def _add_people(commands: Commands) -> None:
    people = _add_edit(commands, "people", "List people, change them, or set which devices they own.", lists=True)
    people.set_defaults(what=None)
    kinds = people.add_subparsers(title="actions", dest="what", metavar="ACTION")
    add = add_command(kinds, "add", "Add a person.", COMMON)
    rename = add_command(kinds, "rename", "Rename a person.", COMMON)
    remove = add_command(kinds, "remove", "Remove a person; their devices have no owner afterwards.", COMMON)
    own = add_command(kinds, "own", "Assign a device to a person.", COMMON)
    disown = add_command(kinds, "disown", "Remove the owner of a device.", COMMON)
    for parser in (own, disown):
        parser.add_argument("device", metavar="DEVICE", help=DEVICE)
    for parser in (rename, remove, own):
        parser.add_argument("person", metavar="PERSON", help=PERSON)
    for parser in (add, rename):
        parser.add_argument("name", metavar="NAME", help="The new name.")
    for parser in (own, disown):
        parser.add_argument("--from", dest="since", metavar="DAY", help=SINCE)


def _add_edits(commands: Commands) -> None:
    proposals = _add_edit(commands, "proposals", "List devices that are probably the same, or answer.", lists=True)
    proposals.set_defaults(what=None, proposal=None)
    kinds = proposals.add_subparsers(title="answers", dest="what", metavar="ANSWER")
    for kind, sentence in ("confirm", "Merge the two devices."), ("refuse", "Never propose these two again."):
        answer = add_command(kinds, kind, sentence, COMMON)
        answer.add_argument("proposal", nargs="?", type=int, metavar="NUMBER", help="The number of the proposal.")
    _add_edit(commands, "edits", "List the changes made to devices, people and plans, latest first.", lists=True)
    undo = _add_edit(commands, "undo", "Undo a change.")
    undo.add_argument("edit", nargs="?", type=int, metavar="EDIT", help="The number of the edit. Default: the latest.")
    export = _add_edit(commands, "export", "Print all that is stored about a device or a person, as JSON.")
    export.add_argument("who", metavar="WHO", help="The person or the device: a name or a number, or an address.")


def _add_edit(commands: Commands, name: str, sentence: str, *, lists: bool = False) -> CommandParser:
    return add_command(commands, name, sentence, LISTING if lists else COMMON, command="household", about=name)


def _add_access(commands: Commands) -> None:
    password = add_command(
        commands,
        "password",
        "Set a password, typed at the prompt or read from standard input.",
        COMMON,
        command="logins",
        about="password",
    )
    password.add_argument("name", nargs="?", metavar="NAME", help="The account. Default: the owner's.")
    users = add_command(
        commands, "users", "List, add or remove accounts.", LISTING, command="logins", about="users", what=None
    )
    kinds = users.add_subparsers(title="actions", dest="what", metavar="ACTION")
    for kind, sentence in (
        ("add", "Add an account, and print a link to set its password."),
        ("link", "Print a link to set a new password."),
        ("remove", "Remove an account."),
    ):
        add_command(kinds, kind, sentence, COMMON).add_argument("name", metavar="NAME", help="The account's name.")
    add = kinds.choices["add"]
    add.add_argument(
        "--role", choices=["owner", "editor", "viewer"], default="viewer", help="What it may do. Default: viewer."
    )
    add.add_argument("--person", metavar="PERSON", help="Restrict it to the usage of this person, instead of a role.")
    _add_tokens(commands)


def _add_tokens(commands: Commands) -> None:
    token = add_command(
        commands,
        "token",
        "List, add or revoke the tokens that programs log in with.",
        LISTING,
        command="logins",
        about="token",
        what=None,
    )
    kinds = token.add_subparsers(title="actions", dest="what", metavar="ACTION")
    add_command(kinds, "list", "List the tokens (the default).", LISTING)
    add = add_command(kinds, "add", "Add a token and print its text, which is shown only once.", COMMON)
    add.add_argument("name", metavar="NAME", help="A name that says what the token is for.")
    add.add_argument(
        "--scope", choices=["read", "metrics", "edit"], default="read", help="What it may do. Default: read."
    )
    add.add_argument("--person", metavar="PERSON", help="Restrict it to the usage of this person, instead of a scope.")
    revoke = add_command(kinds, "revoke", "Revoke a token.", COMMON)
    revoke.add_argument("name", metavar="NAME", help="The token: its name or number.")


def _add_limits(commands: Commands) -> None:
    throttle = add_command(
        commands, "throttle", "List active limits, lift or restore one.", LISTING, command="throttle", what=None
    )
    throttle.set_defaults(name=None)
    kinds = throttle.add_subparsers(title="actions", dest="what", metavar="ACTION")
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
    config = add_command(commands, "config", "Validate the configuration, or print an example.", COMMON)
    config.set_defaults(command="config")
    config.add_argument(
        "--example", action="store_true", help="Print a commented example with every key and its default."
    )
    replay = add_command(
        commands, "replay", "Show the usage of each device in a capture file.", LISTING, command="replay"
    )
    replay.add_argument("file", type=Path, metavar="FILE", help="A pcap or pcapng file; it may be gzip-compressed.")
    _add_import(commands)
    backup = add_command(commands, "backup", "Copy the database; the service may be running.", COMMON, command="backup")
    backup.add_argument("file", type=Path, metavar="FILE", help="The copy to write. To restore it, copy it back.")
    backup.add_argument("--force", action="store_true", help="Replace FILE if it exists.")
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
