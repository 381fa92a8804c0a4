"""The commands that show and change settings."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import getpass
from typing import Any

from whitestat.app.commands.client import Call, asked
from whitestat.config.changes import SettingPlace, is_list, is_secret, place_of, typed
from whitestat.config.sections import Config
from whitestat.core.errors import QueryError, WhiteStatError
from whitestat.core.model import Json
from whitestat.query import tables


def run(config: Config, options: argparse.Namespace) -> str:
    """Return what the command prints. Raises QueryError, or ConfigError for a key that is none."""
    with asked(config) as ask:
        return _COMMANDS[options.what](ask, options)


def _show(ask: Call, options: argparse.Namespace) -> str:
    answer = ask("GET", "/api/v1/config", None)
    if options.form == "json":
        return json.dumps(answer, indent=1) + "\n"
    rows = list(_rows(answer))
    fault = f"Not in use: {answer['fault']}\n" if answer["fault"] and options.form == "text" else ""
    return fault + tables.listing("settings", ("key", "value", "source"), rows, rows, options.form)


def _rows(answer: Json) -> Iterator[Json]:
    for one in answer["settings"]:
        value = one["default"] if one["value"] is None else _written(one["value"])
        value = "(secret)" if one["is_secret"] and one["source"] != "default" else value
        yield {"key": one["name"], "value": value, "source": one["source"]}
    for table in answer["tables"]:
        for row in table["rows"]:
            for key, value in [*row["values"].items(), *((key, "(secret)") for key in row["secrets"])]:
                name = f"{table['name']}.{row['name']}.{key}"
                yield {"key": name, "value": _written(value), "source": row["source"]}


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _get(ask: Call, options: argparse.Namespace) -> str:
    place_of(options.key)
    answer = ask("GET", "/api/v1/config", None)
    if answer["fault"]:
        print(f"whitestat: not in use: {answer['fault']}", file=sys.stderr)
    rows = {row["key"]: row["value"] for row in _rows(answer)}
    inner = {key: value for key, value in rows.items() if key.startswith(f"{options.key}.")}
    if options.key in rows:
        return f"{tables.printable(rows[options.key])}\n"
    if not inner:
        raise QueryError("key", f"{options.key} is not set")
    return "".join(f"{tables.printable(key)} = {tables.printable(value)}\n" for key, value in inner.items())


def _set(ask: Call, options: argparse.Namespace) -> str:
    place = place_of(options.key)
    if place.row and not place.key:
        raise QueryError("key", f"{options.key} is a table: set its keys, like {options.key}.name")
    return _changed(ask, place.name, _value(place, options.value))


def _value(place: SettingPlace, text: str | None) -> object:
    """Return the value; a secret is read from the terminal or the input, since a command line can be seen by all."""
    if is_secret(place) and text is not None:
        raise QueryError("value", f"{place.name} is a secret: leave the value out, and type it when you are asked")
    if text is not None:
        return typed(place, text)
    if not is_secret(place):
        raise QueryError("value", f"missing. Example: whitestat config set {place.name} VALUE")
    given = getpass(f"{place.name}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    return typed(place, given) if is_list(place) else given


def _unset(ask: Call, options: argparse.Namespace) -> str:
    return _changed(ask, place_of(options.key).name, None)


def _changed(ask: Call, name: str, value: object) -> str:
    with _remedy(ask):
        answer = ask("PATCH", "/api/v1/config", {"set": {name: value}})
    if not answer["edit"]:
        return "No change.\n"
    return f"Done: {_applied(answer)} To take it back: whitestat config undo {answer['edit']}\n"


@contextmanager
def _remedy(ask: Call) -> Iterator[None]:
    """Say what to do where the page's file is what is at fault, and not the change."""
    try:
        yield
    except QueryError as error:
        fault = ask("GET", "/api/v1/config", None)["fault"]
        if error.parameter != "set" or not fault.endswith(error.reason):
            raise
        text = f"{fault}; correct that file or remove it: copies of it from before each change are beside it"
        raise WhiteStatError(text) from None


def _applied(answer: Any) -> str:
    names = tables.printable(", ".join(answer["changed"]))
    when = "the service starts again with it." if answer["restarts"] else "it counts from the next start on."
    return f"{names} is changed; {when}"


def _undo(ask: Call, options: argparse.Namespace) -> str:
    edits = [edit for edit in ask("GET", "/api/v1/edits", None)["edits"] if edit["action"].endswith("settings")]
    open_ones = [edit["id"] for edit in edits if edit["undone_by"] is None and edit["undoes"] is None]
    number = next(iter(open_ones), None) if options.edit is None else options.edit
    if number is None:
        raise QueryError("edit", "there is nothing to undo")
    if number not in [edit["id"] for edit in edits]:
        raise QueryError("edit", f"no change of settings has the number {number}; whitestat edits lists them")
    with _remedy(ask):
        answer = ask("POST", f"/api/v1/edits/{number}/undo", None)
    return f"Done: edit {number} is undone; {_applied(answer)}\n"


_COMMANDS: dict[str, Callable[[Call, argparse.Namespace], str]] = {
    "show": _show,
    "get": _get,
    "set": _set,
    "unset": _unset,
    "undo": _undo,
}
