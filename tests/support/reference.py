"""The pages of docs/reference that are made from the code: `python -m tests.support.reference FOLDER`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from tests.support.household import booked, household
from whitestat.alerting.rules import RULES
from whitestat.app.command_parser import DEFAULT_CONFIG, LAST_COUNTS
from whitestat.app.parser import command_line as command_parser
from whitestat.config.reference import reference
from whitestat.config.schema import declared
from whitestat.config.tables import SECTIONS

_NOTE = "<!-- Made by `make reference` from the code. Do not edit: change the code and run it again. -->\n"


def configuration() -> str:
    """Every key of `whitestat.toml` and every variable of the environment."""
    return f"""# Configuration keys and variables

{_NOTE}
`whitestat.toml` is read from `/etc/whitestat/whitestat.toml` or from `--config FILE`. An unknown key is an error that
names the nearest known one. `whitestat config --example` prints a file with every key and its default;
`whitestat check` tries a configuration without starting the service.

What this file and the environment leave open may stand in `whitestat.db.settings.toml` beside the database too, the
page's file of the service's user; `page` says which keys it may set. It has no paths, no ports below 1024 and no
collectors of other packages. Of a list of tables, a row that this file has is fixed as a whole.

A key such as `web.listen` is `listen` in the section `[web]`. `point`, `device`, `plan` and other sections that
may be there several times are written with double brackets: `[[point]]`.

{reference()}"""


def command_line() -> str:
    """Every command with its options, from the parser itself."""
    parser = command_parser()
    lines = ["# Commands", "", _NOTE, f"{parser.description} `whitestat` without a command prints its help.", ""]
    lines += [
        "`--config` may stand before or after the command. " + LAST_COUNTS,
        "",
        "| option of | option | meaning |",
        "|---|---|---|",
        f"| every command | `--config FILE` | The configuration file. Default: `{DEFAULT_CONFIG}`, if it exists. |",
        "| every command | `-h`, `--help` | Show the help and exit. |",
        "| `whitestat` alone | `--version` | Print the version and exit. |",
        f"| {_listing(parser)} | `--json`, `--csv` | Print JSON or CSV instead of text. |",
        "",
        "| exit status | meaning |",
        "|---|---|",
        "| 0 | done |",
        "| 1 | failed: the reason is one line on standard error |",
        "| 2 | wrong use: unknown option, command or configuration key |",
        "",
    ]
    for name, command, sentence in commands(parser):
        lines += _command(f"whitestat {name}", command, sentence, level=2)
    return "\n".join(lines).rstrip() + "\n"


def _listing(parser: argparse.ArgumentParser) -> str:
    """Return the names of the commands that take `--json` and `--csv`."""
    return ", ".join(
        f"`{name}`" for name, command, _ in commands(parser) if any(each.dest == "form" for each in command._actions)
    )


def _command(title: str, parser: argparse.ArgumentParser, sentence: str, level: int) -> Iterator[str]:
    yield f"{'#' * level} {title}"
    yield ""
    if sentence:
        yield sentence
        yield ""
    yield from _options(parser)
    for name, command, said in commands(parser):
        yield from _command(f"{title} {name}", command, said, level + 1)


_COMMON = ("config", "form", "version")
"""Options of every command, and of every command that lists; told once."""


def _options(parser: argparse.ArgumentParser) -> list[str]:
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction | argparse._HelpAction) or action.dest in _COMMON:
            continue
        choices = "|".join(map(str, action.choices or ()))
        value = str(action.metavar or choices or action.dest.upper())
        takes_none = action.nargs == 0
        if action.option_strings:
            name = ", ".join(action.option_strings) + ("" if takes_none else f" {value}")
        else:
            name = f"{value}{' ...' if action.nargs in ('*', '+') else ''}"
            name = f"[{name}]" if action.nargs in ("?", "*") else name
        rows.append(f"| `{_cell(name)}` | {_cell(action.help or '')} |")
    return ["| option | meaning |", "|---|---|", *rows, ""] if rows else []


def commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            sentences = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, command in action.choices.items():
                yield name, command, sentences.get(name, "")


def api() -> str:
    """Every path of the HTTP interface with its parameters, bodies and answers, from the OpenAPI document."""
    described: dict[str, Any] = json.loads(_get("/openapi.json"))
    lines = ["# HTTP API", "", _NOTE, described["info"]["description"], ""]
    lines += [
        "A running service describes the same at `/openapi.json` (OpenAPI 3.1). Examples:",
        "[spreadsheets and Grafana](../how-to/spreadsheets-and-grafana.md). Log-in and tokens:",
        "[access](../how-to/access.md).",
        "",
    ]
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    lines += ["| request | answer |", "|---|---|"]
    lines += [f"| [`{title}`](#{_anchor(title)}) | {_cell(operation['summary'])} |" for title, operation in operations]
    for title, operation in operations:
        lines += ["", f"## `{title}`", "", operation["summary"], ""]
        lines += _operation(operation)
    lines += ["", "## Values", "", "What the answers hold; `null` is a value that is not known or does not apply.", ""]
    for name, schema in described["components"]["schemas"].items():
        lines += _schema(name, schema)
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _operation(operation: dict[str, Any]) -> Iterator[str]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if parameters := operation["parameters"]:
        yield "| parameter | type | meaning |"
        yield "|---|---|---|"
        for each in parameters:
            yield f"| `{each['name']}` | {_cell(_type(each['schema']))} | {_cell(each['description'])} |"
        yield ""
    if body:
        yield "| field of the body | type | meaning |"
        yield "|---|---|---|"
        yield from _fields(body)
        yield ""
    for status, response in operation["responses"].items():
        kinds = ", ".join(
            f"`{media}`: {_type(content['schema'])}" for media, content in response.get("content", {}).items()
        )
        yield f"- {status}: {response['description']}{f' ({kinds})' if kinds and status == '200' else ''}"


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    if "properties" in schema:
        yield "| field | type | meaning |"
        yield "|---|---|---|"
        yield from _fields(schema)
    else:
        yield f"{_type(schema)}. {schema.get('description', '')}".rstrip()
    yield ""


def _fields(schema: dict[str, Any], inside: str = "") -> Iterator[str]:
    """Yield a row for each field; fields of an object within are `outer.inner`, those of a list's items `list[].x`."""
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        optional = "" if name in required else ", may be absent"
        yield f"| `{inside}{name}` | {_cell(_type(field))}{optional} | {_cell(field.get('description', ''))} |"
        for within in (field, *field.get("anyOf", ())):
            yield from _fields(within, f"{inside}{name}.")
            yield from _fields(within.get("items", {}), f"{inside}{name}[].")


def _type(schema: dict[str, Any]) -> str:
    """Return the type in words, with a link where it is a named value."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{'null' if each is None else each}`" for each in schema["enum"])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(_type(each) for each in schema[several])
    declared = schema.get("type", "any value")
    kinds: list[str] = declared if isinstance(declared, list) else [declared]
    names: dict[str, str] = {"array": f"list of {_type(schema['items'])}" if "items" in schema else "list"}
    names["string"] = schema.get("format", "string")
    return " or ".join(names.get(kind, kind) for kind in kinds)


def _anchor(title: str) -> str:
    """Return the anchor that GitHub and mkdocs both give a heading."""
    return re.sub(r"[^\w\s-]", "", title.lower()).replace(" ", "-")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def alerts() -> str:
    """Every alert with its event, its setting and when it is reported, from the table of rules."""
    lines = ["# Alerts", "", _NOTE]
    lines += [
        "How they are reported and sent: [alerts, summaries and limits](../how-to/alerts.md). `[watch]` `off` switches",
        "alerts off by the name of their event.",
        "",
        "| event | title of the message | setting | default | reported when |",
        "|---|---|---|---|---|",
    ]
    keys = {f"{section.name}.{key.name}": key for section in SECTIONS for key in declared(section.holds)}
    for rule in RULES:
        default = keys[rule.setting].default_text
        default = "off" if default in ("none", "`false`") else default
        lines.append(f"| `{rule.key}` | {rule.title} | `{rule.setting}` | {default} | {_cell(rule.when)} |")
    return "\n".join(lines) + "\n"


def metrics() -> str:
    """The metrics of a running service, as a scrape shows them."""
    lines = ["# Metrics for Prometheus", "", _NOTE]
    lines += [
        "`GET /metrics`, for a token with `--scope metrics` ([access](../how-to/access.md)).",
        "",
        "| metric | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    text = _get("/metrics")
    for name, sentence in re.findall("^# HELP ([a-z_]+) (.*)$", text, re.MULTILINE):
        kind = re.search(f"^# TYPE {name} ([a-z]+)$", text, re.MULTILINE)
        sample = re.search(rf"^{name}{{(.*?)}} ", text, re.MULTILINE)
        labels = re.findall('([a-z_]+)="', sample[1]) if sample else []
        words = ", ".join(f"`{label}`" for label in labels)
        lines.append(f"| `{name}` | {kind[1] if kind else ''} | {words} | {_cell(sentence)} |")
    lines += [
        "",
        "`direction` is `in` (download), `out` (upload) or `unsplit` (the meter cannot tell which).",
        "`device` is the device's number, or `unattributed`. Octets per second: `rate(whitestat_octets_total[5m])`.",
    ]
    return "\n".join(lines) + "\n"


def _get(path: str) -> str:
    """Return what a running service answers."""
    with TemporaryDirectory() as folder, household(Path(folder), booked()) as house:
        connection = HTTPConnection(urlsplit(house.url).netloc, timeout=20)
        connection.request("GET", path)
        text = connection.getresponse().read().decode()
        connection.close()
    return text


PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": configuration,
    "cli.md": command_line,
    "api.md": api,
    "metrics.md": metrics,
    "alerts.md": alerts,
}
"""File names in docs/reference, and what makes each."""


def main(folder: Path, names: Iterable[str] = PAGES) -> None:
    for name in names:
        (folder / name).write_text(PAGES[name]())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
