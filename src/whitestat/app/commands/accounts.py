"""The commands about access: passwords, accounts and the tokens of programs."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Callable, Sequence
from getpass import getpass

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
    return f"Added. This link sets the password; it works once, within a week:\n{_address(config, answer['link'])}\n"


def _link_user(ask: Call, options: argparse.Namespace, config: Config) -> str:
    account = named("account", options.name, _accounts(ask), "users")
    answer = ask("POST", f"/api/v1/accounts/{account['id']}/link", None)
    return f"This link sets a new password; it works once, within a week:\n{_address(config, answer['link'])}\n"


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


def _address(config: Config, path: str) -> str:
    """Where others find this machine, as far as it knows."""
    web = config.web
    is_beside = web.https_mode == "only"
    listen, port = (web.https_listen or web.listen, web.https_port) if is_beside else (web.listen, web.port)
    host = listen.rpartition(":")[0]
    host = socket.gethostname() if host in ("0.0.0.0", "[::]", "::") else host  # noqa: S104
    has_tls = is_beside or (web.certificate is not None and web.https_mode == "off")
    return f"{'https' if has_tls else 'http'}://{host}:{port}{path}"


_COMMANDS: dict[tuple[str, str], Callable[[Call, argparse.Namespace, Config], str]] = {
    ("password", "list"): _password,
    ("users", "list"): _users,
    ("users", "add"): _add_user,
    ("users", "link"): _link_user,
    ("users", "remove"): _remove_user,
    ("token", "list"): _tokens,
    ("token", "add"): _add_token,
    ("token", "revoke"): _revoke_token,
}
