"""Commands that change devices, people, edits and accounts, each option with its help sentence."""

from __future__ import annotations

from pathlib import Path

from whitestat.app.command_parser import COMMON, LISTING, SINCE, CommandParser, Commands, add_command, add_list

DEVICE = "The device: its number, its MAC, one of its addresses, or its name."
PERSON = "The person: a number or a name."


def add_devices(commands: Commands) -> None:
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


def add_people(commands: Commands) -> None:
    people = _add_edit(commands, "people", "List people, change them, or set which devices they own.", lists=True)
    people.set_defaults(what=None)
    kinds = people.add_subparsers(title="actions", dest="what", metavar="ACTION")
    add_list(kinds, "people")
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


def add_edits(commands: Commands) -> None:
    proposals = _add_edit(commands, "proposals", "List devices that are probably the same, or answer.", lists=True)
    proposals.set_defaults(what=None, proposal=None)
    kinds = proposals.add_subparsers(title="answers", dest="what", metavar="ANSWER")
    add_list(kinds, "proposals")
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


def add_access(commands: Commands) -> None:
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
    add_list(kinds, "accounts")
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
    page = add_command(
        commands,
        "link",
        "Print the page's address and QR code; without a password yet, as a link that sets it.",
        COMMON,
        command="logins",
        about="link",
    )
    page.add_argument(
        "name", nargs="?", metavar="NAME", help="An account: the link sets its password, once, within 15 minutes."
    )
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
    add_list(kinds, "tokens")
    add = add_command(kinds, "add", "Add a token and print its text, which is shown only once.", COMMON)
    add.add_argument("name", metavar="NAME", help="A name that says what the token is for.")
    add.add_argument(
        "--scope", choices=["read", "metrics", "edit"], default="read", help="What it may do. Default: read."
    )
    add.add_argument("--person", metavar="PERSON", help="Restrict it to the usage of this person, instead of a scope.")
    revoke = add_command(kinds, "revoke", "Revoke a token.", COMMON)
    revoke.add_argument("name", metavar="NAME", help="The token: its name or number.")
