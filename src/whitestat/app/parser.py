"""What can be typed: commands and their options. Which of them does what stands in `cli`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whitestat import __version__
from whitestat.query.parameters import QUESTION

DEFAULT_CONFIG = Path("/etc/whitestat/whitestat.toml")


_AMOUNT_OFF = re.compile(r"-[0-9.]")
"""What argparse, which would take it for an option, is to take for a number."""
LAST_COUNTS = "An option that is given twice: the last one counts."


class Commands(argparse._SubParsersAction):  # type: ignore[type-arg]
    """Words below a parser. An option in front of a word has its effect there too, or is refused.

    argparse would let the word's parser put its own default over what was given in front of the word, and drop
    what the word has no use for. An option of several levels has therefore no default but at the topmost
    (`argparse.SUPPRESS`): what is in the namespace was given.
    """

    def __init__(self, option_strings: Sequence[str], **more: Any) -> None:
        super().__init__(option_strings, **more)

    def add_parser(self, name: str, **more: Any) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().add_parser(name, epilog=LAST_COUNTS, **more)
        parser.register("action", "parsers", Commands)
        return parser

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


def _given(parser: argparse.ArgumentParser, namespace: argparse.Namespace) -> dict[str, str]:
    """Return the options of a parser that were given: dest and the names, `--json/--csv` where several set it."""
    names: dict[str, str] = {}
    for action in parser._actions:
        if action.option_strings and getattr(namespace, action.dest, action.default) is not action.default:
            name = action.option_strings[-1]
            names[action.dest] = f"{names[action.dest]}/{name}" if action.dest in names else name
    return names


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options, with `command` for what to run; end the process on a usage error (2) and after help."""
    return _parser().parse_args(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="whitestat", description="Who used how much of the Internet, when and on what.", epilog=LAST_COUNTS
    )
    parser.register("action", "parsers", Commands)
    parser.add_argument("--version", action="version", version=f"whitestat {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    for of, default in (parser, None), (common, argparse.SUPPRESS):
        of.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            default=default,
            help=f"default: {DEFAULT_CONFIG}, if there is one",
        )
    listing = argparse.ArgumentParser(add_help=False)
    form = listing.add_mutually_exclusive_group()
    for name in ("json", "csv"):
        form.add_argument(
            f"--{name}",
            action="store_const",
            dest="form",
            const=name,
            default=argparse.SUPPRESS,
            help=f"print {name.upper()}",
        )

    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    run = commands.add_parser("run", parents=[common], help="meter, keep and show usage (the default)")
    run.set_defaults(command="run")
    today = commands.add_parser("today", parents=[common, listing], help="usage of today by device")
    today.set_defaults(command="today")
    history = commands.add_parser("history", parents=[common, listing], help="usage of any span, in the API's words")
    _add_question(history, start="month", step="day", by="")
    history.set_defaults(command="history")
    top = commands.add_parser("top", parents=[common, listing], help="the devices of most usage in a span")
    top.add_argument(
        "top", nargs="?", metavar="N", help="how many; all others are one rest (default: 10)", default="10"
    )
    _add_question(top, start="cycle", step="total", by="device")
    top.set_defaults(command="history")
    plans = commands.add_parser("plans", parents=[common, listing], help="what is used and left of each plan")
    plans.set_defaults(command="plans")
    _add_plan(commands, common)
    devices = commands.add_parser("devices", parents=[common, listing], help="every device known")
    devices.set_defaults(command="devices")
    devices.add_argument(
        "--import", type=Path, dest="file", metavar="FILE", help="take names and owners from a CSV file"
    )
    _add_household(commands, common, listing)
    _add_logins(commands, common, listing)
    _add_warnings(commands, common, listing)
    check = commands.add_parser("check", parents=[common], help="try the configuration and every point")
    check.set_defaults(command="check")
    replay = commands.add_parser("replay", parents=[common, listing], help="usage by device of a capture file")
    replay.add_argument("file", type=Path, metavar="FILE", help="pcap or pcapng, gzip-compressed or not")
    replay.set_defaults(command="replay")
    _add_import(commands, common)
    backup = commands.add_parser("backup", parents=[common], help="copy the ledger, while the service runs too")
    backup.add_argument("file", type=Path, metavar="FILE", help="where to; to restore, copy it back")
    backup.add_argument("--force", action="store_true", help="replace FILE if it exists")
    backup.set_defaults(command="backup")
    recover = commands.add_parser("recover", parents=[common], help="bring back what can be read of a damaged ledger")
    recover.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="DAMAGED",
        help="a damaged ledger; without it, all that were set aside",
    )
    recover.add_argument(
        "--to", type=Path, metavar="NEW", help="a new file for it, instead of the ledger that is in use"
    )
    recover.set_defaults(command="recover")
    config = commands.add_parser("config", parents=[common], help="show what the configuration can hold")
    config.add_argument("--example", action="store_true", help="print a commented example that loads")
    config.set_defaults(command="config")
    parser.set_defaults(command="run", form="text")
    return parser


def _add_import(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add `import`, with the programs, files and options of the readers' table."""
    from whitestat.importers.readers import READERS

    *titles, last = (reader.title for reader in READERS)
    old = commands.add_parser("import", parents=[common], help=f"take over what {', '.join(titles)} or {last} kept")
    old.add_argument("program", choices=[reader.name for reader in READERS], help="whose data it is")
    old.add_argument("file", type=Path, metavar="FILE", help="; ".join(reader.files for reader in READERS))
    old.add_argument("--dry-run", action="store_true", help="print what would be booked, and book nothing")
    for option in (option for reader in READERS for option in reader.options):
        old.add_argument(option.name, **option.arguments)
    old.set_defaults(command="import")


def _add_warnings(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
    listing: argparse.ArgumentParser,
) -> None:
    throttle = commands.add_parser(
        "throttle", parents=[common, listing], help="who is slowed or cut off, and lifting it"
    )
    throttle.set_defaults(command="throttle", what=None, name=None)
    kinds = throttle.add_subparsers(title="to change", dest="what", metavar="WHAT")
    for kind, sentence in ("lift", "no limit until the period ends"), ("restore", "the limit again"):
        kinds.add_parser(kind, parents=[common], help=sentence).add_argument("name", nargs="?", metavar="NAME")
    notify = commands.add_parser("notify", parents=[common], help="where warnings and summaries are sent")
    notify.add_argument("--test", action="store_true", help="send a message to each address and say who took it")
    notify.set_defaults(command="notify")


def _add_plan(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    plan = commands.add_parser(
        "plan", parents=[common], help="top a plan up, or count what was used as the plan is now"
    )
    kinds = plan.add_subparsers(title="to do", dest="what", metavar="WHAT", required=True)
    topup = kinds.add_parser("topup", parents=[common], help="more for the running period; -5GB takes off")
    topup.add_argument("plan", metavar="PLAN")
    topup.add_argument("amount", metavar="AMOUNT", help="like 5GB or -5GB")
    topup.add_argument("--allowance", metavar="TARIFF", help="which one, where tariffs have their own")
    topup._negative_number_matcher = _AMOUNT_OFF
    reprice = kinds.add_parser("reprice", parents=[common], help="class usage anew, after a plan was changed")
    reprice.add_argument("plan", metavar="PLAN")
    reprice.add_argument("--from", dest="since", metavar="DAY", help="like 2026-11-24; without it all of it")
    plan.set_defaults(command="plan")


def _add_household(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
    listing: argparse.ArgumentParser,
) -> None:
    """What changes devices and people; DEVICE is a number, a MAC, an address or a name that only one has."""

    def add(name: str, sentence: str, *words: str, lists: bool = False) -> argparse.ArgumentParser:
        parents = [common, listing] if lists else [common]
        parser = commands.add_parser(name, parents=parents, help=sentence)
        parser.set_defaults(command="household", about=name)
        for word in words:
            parser.add_argument(word, metavar=word.upper())
        return parser

    add("name", "give a device a name; an empty one takes yours away", "device", "name")
    label = add("label", "group a device by words (kids, TV room); none takes them away", "device")
    label.add_argument("labels", nargs="*", metavar="LABEL")
    add("merge", "make a device one with another, back to its first day", "device", "into")
    split = add("split", "make some addresses of a device a device of their own", "device")
    split.add_argument("addresses", nargs="+", metavar="ADDRESS")
    split.add_argument("--into", metavar="DEVICE", help="the device whose they are from now on, instead of a new one")
    people = add("people", "list people, or add, rename and remove them and say what they own", lists=True)
    people.set_defaults(what=None)
    kinds = people.add_subparsers(title="to change", dest="what", metavar="WHAT")
    shapes = {
        "add": ("name",),
        "rename": ("person", "name"),
        "remove": ("person",),
        "own": ("device", "person"),
        "disown": ("device",),
    }
    for kind, words in shapes.items():
        parser = kinds.add_parser(kind, parents=[common])
        for word in words:
            parser.add_argument(word, metavar=word.upper())
        if "device" in words:
            parser.add_argument("--from", dest="since", metavar="DAY", help="like 2026-11-24; without it all its days")
    proposals = add("proposals", "list devices that are probably one, or answer", lists=True)
    proposals.set_defaults(what=None, proposal=None)
    kinds = proposals.add_subparsers(title="to answer", dest="what", metavar="WHAT")
    for kind, sentence in ("confirm", "merge the devices"), ("refuse", "never propose it again"):
        answer = kinds.add_parser(kind, parents=[common], help=sentence)
        answer.add_argument("proposal", nargs="?", type=int, metavar="NUMBER")
    add("edits", "list what was changed, the latest first", lists=True)
    undo = add("undo", "take an edit back; without a number the latest")
    undo.add_argument("edit", nargs="?", type=int, metavar="EDIT")
    forget = add("forget", "remove names, addresses and peers of a device for good", "device")
    forget.add_argument("--yes", action="store_true", help="do it; there is no way back")
    add("export", "print all that is kept about a device or a person", "who")


def _add_logins(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
    listing: argparse.ArgumentParser,
) -> None:
    """Who may look."""
    password = commands.add_parser(
        "password", parents=[common], help="set the owner's password, or another's; asked for, or read from the input"
    )
    password.add_argument("name", nargs="?", metavar="NAME", help="whose; without it the owner's")
    password.set_defaults(command="logins", about="password")
    users = commands.add_parser("users", parents=[common, listing], help="list, add and remove those who may log in")
    users.set_defaults(command="logins", about="users", what=None)
    kinds = users.add_subparsers(title="to change", dest="what", metavar="WHAT")
    for kind, sentence in (
        ("add", "add somebody; a link that sets the password is printed"),
        ("link", "print a link that sets a password anew"),
        ("remove", "remove somebody"),
    ):
        kinds.add_parser(kind, parents=[common], help=sentence).add_argument("name", metavar="NAME")
    add = kinds.choices["add"]
    add.add_argument("--role", choices=["owner", "editor", "viewer"], default="viewer", help="default: viewer")
    add.add_argument("--person", metavar="PERSON", help="whose usage alone is seen, instead of a role")
    token = commands.add_parser("token", parents=[common, listing], help="list, add and revoke what programs ask with")
    token.set_defaults(command="logins", about="token", what=None)
    kinds = token.add_subparsers(title="to change", dest="what", metavar="WHAT")
    kinds.add_parser("list", parents=[common, listing], help="list them (the default)")
    add = kinds.add_parser("add", parents=[common], help="make one; its text is printed now and never again")
    add.add_argument("name", metavar="NAME", help="what it is for")
    add.add_argument("--scope", choices=["read", "metrics", "edit"], default="read", help="default: read")
    add.add_argument("--person", metavar="PERSON", help="whose usage alone is seen, instead of a scope")
    kinds.add_parser("revoke", parents=[common], help="end one").add_argument("name", metavar="NAME")


def _add_question(parser: argparse.ArgumentParser, **defaults: str) -> None:
    """An option for each parameter of a question that the command does not take otherwise."""
    taken = {action.dest for action in parser._actions}
    for each in QUESTION:
        if each.name not in taken:
            default = defaults.get(each.name)
            said = "" if default is None else f" (default: {default or 'none'})"
            words = f" One of {', '.join(each.words)}." if each.words else ""
            parser.add_argument(
                f"--{each.name}", metavar=each.name.upper(), default=default, help=f"{each.sentence}{words}{said}"
            )
