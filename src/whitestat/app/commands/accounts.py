"""The commands about access: passwords, accounts and the tokens of programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from getpass import getpass

from whitestat.app.commands import link
from whitestat.app.commands.client import Call, asked
from whitestat.app.commands.named import named
from whitestat.config.sections import Config
from whitestat.core.errors import QueryError
from whitestat.core.model import Json
from whitestat.query import tables


def run(config: Config, options: argparse.Namespace) -> str:
    """What the command prints. QueryError says what is wrong with its words, and what would be right."""
    with asked(config) as ask:
        return _COMMANDS[options.about, getattr(options, "what", None) or "list"](ask, options, config)


def _password(ask: Call, options: argparse.Namespace, config: Config) -> str:
    accounts = _accounts(ask)
    if options.name is None:
        owners = [row for row in accounts if row["role"] == "owner"][:1]
    else:
        owners = [named("account", options.name, accounts, "users")]
    password = _read()
    account = owners[0]["id"] if owners else _first_owner(ask)
    ask("POST", f"/api/v1/accounts/{account}/password", {"password": password})
    name = owners[0]["name"] if owners else "owner"
    return f"The password of {tables.printable(name)} is set. Its open sessions have ended.\n"


def _first_owner(ask: Call) -> int:
    return int(ask("POST", "/api/v1/accounts", {"name": "owner", "role": "owner"})["account"])


def _read() -> str:
    """From the terminal, unseen, twice; else the first line of the input: a command line can be seen by all."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("New password: ")
    if getpass("Repeat the new password: ") != password:
        raise QueryError("password", "the two entries differ")
    return password


def _users(ask: Call, options: argparse.Namespace, config: Config) -> str:
    accounts = _accounts(ask)
    rows = [{**account, "password": "set" if account["has_password"] else "not set"} for account in accounts]
    fields = ("id", "name", "role", "person", "password", "sessions", "created")
    return tables.listing("accounts", fields, accounts, rows, options.form)


def _add_user(ask: Call, options: argparse.Namespace, config: Config) -> str:
    role = "person" if options.person else options.role
    person = {"person": options.person} if options.person else {}
    answer = ask("POST", "/api/v1/accounts", {"name": options.name, "role": role, **person})
    return (
        f"Added. This link sets the password; it works once, within a week:\n{link.links(config, answer['link'])[0]}\n"
    )


def _link_user(ask: Call, options: argparse.Namespace, config: Config) -> str:
    account = named("account", options.name, _accounts(ask), "users")
    answer = ask("POST", f"/api/v1/accounts/{account['id']}/link", None)
    return f"This link sets a new password; it works once, within a week:\n{link.links(config, answer['link'])[0]}\n"


def _page_link(ask: Call, options: argparse.Namespace, config: Config) -> str:
    """The page, where its owner has a password and no other account is named; else a link that sets one."""
    accounts = _accounts(ask)
    owners = [row for row in accounts if row["role"] == "owner"][:1]
    if options.name is None and owners and owners[0]["has_password"]:
        return link.text(config, f"{config.web.base}/", "The page, where you log in:")
    row = named("account", options.name, accounts, "users") if options.name else None
    number = row["id"] if row else owners[0]["id"] if owners else _first_owner(ask)
    answer = ask("POST", f"/api/v1/accounts/{number}/link", {"minutes": link.LASTS_MIN})
    return link.text(
        config, answer["link"], f"This link sets a password; it works once, within {link.LASTS_MIN} minutes:"
    )


def _remove_user(ask: Call, options: argparse.Namespace, config: Config) -> str:
    account = named("account", options.name, _accounts(ask), "users")
    ask("DELETE", f"/api/v1/accounts/{account['id']}", None)
    return f"Removed: {tables.printable(account['name'])}.\n"


def _tokens(ask: Call, options: argparse.Namespace, config: Config) -> str:
    tokens = ask("GET", "/api/v1/tokens", None)["tokens"]
    return tables.listing("tokens", ("id", "name", "scope", "person", "created"), tokens, tokens, options.form)


def _add_token(ask: Call, options: argparse.Namespace, config: Config) -> str:
    scope = "person" if options.person else options.scope
    person = {"person": options.person} if options.person else {}
    answer = ask("POST", "/api/v1/tokens", {"name": options.name, "scope": scope, **person})
    print(
        "This token is shown only once. Send it as `Authorization: Bearer`, or as the password with any user name.",
        file=sys.stderr,
    )
    return f"{answer['text']}\n"


def _revoke_token(ask: Call, options: argparse.Namespace, config: Config) -> str:
    token = named("token", options.name, ask("GET", "/api/v1/tokens", None)["tokens"], "token list")
    ask("DELETE", f"/api/v1/tokens/{token['id']}", None)
    return f"Revoked: {tables.printable(token['name'])}.\n"


def _accounts(ask: Call) -> Sequence[Json]:
    accounts: Sequence[Json] = ask("GET", "/api/v1/accounts", None)["accounts"]
    return accounts


_COMMANDS: dict[tuple[str, str], Callable[[Call, argparse.Namespace, Config], str]] = {
    ("password", "list"): _password,
    ("users", "list"): _users,
    ("users", "add"): _add_user,
    ("users", "link"): _link_user,
    ("link", "list"): _page_link,
    ("users", "remove"): _remove_user,
    ("token", "list"): _tokens,
    ("token", "add"): _add_token,
    ("token", "revoke"): _revoke_token,
}
