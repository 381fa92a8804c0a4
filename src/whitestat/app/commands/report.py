"""`whitestat report`: one text file for an issue report, without names, addresses and secrets of the household."""

from __future__ import annotations

import os
import platform
import socket
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from whitestat import __version__
from whitestat.app.commands.check import check
from whitestat.app.commands.client import asked
from whitestat.app.control_client import is_running
from whitestat.config import alerts, plans, schema
from whitestat.config.schema import ValueKind, declared
from whitestat.config.sections import Config
from whitestat.config.tables import SECTIONS
from whitestat.core.errors import WhiteStatError
from whitestat.core.redaction import Redactor
from whitestat.core.system.children import run
from whitestat.ledger.files.database import open_for_reading
from whitestat.web.auth import file as accounts

PRINTED = {
    *(schema.LISTEN, schema.ZONE, schema.DURATION, schema.KEEPING, schema.KEEPING_OR_NOT, schema.SIZE),
    *(schema.MONTH_DAY, schema.HOUR, schema.FLAG, schema.URL, schema.FIRMWARE, schema.UNIT, schema.COLLECTOR),
    *(schema.NETWORKS, alerts.PERCENTS, alerts.PERCENT, alerts.AMOUNT, alerts.ALERTS, alerts.CLOCK, alerts.QUIET),
    *(plans.AMOUNT, plans.PERIOD, plans.BEGINS, plans.DIRECTION, plans.SHARES, plans.CARRY, plans.FACTOR),
    *(plans.PARTS, plans.WHEN, plans.WHEN_OVER),
}
"""The kinds of values that hold nothing private, but for addresses, which are replaced; of others stands that they
are set. A new kind is not printed before it is named here."""

LOG_LINES = 200
LOG_LIMIT_S = 10


def write(config: Config, to: Path, load_log: Callable[[], str]) -> None:
    """Write the report to a new file, readable by its owner alone. Raises WhiteStatError if it cannot be written."""
    text = report(config, load_log)
    try:
        with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise WhiteStatError(f"{to}: exists; name another file, or remove it") from None
    except OSError as error:
        raise WhiteStatError(f"{to}: cannot be written: {error.strerror}") from error


def report(config: Config, load_log: Callable[[], str]) -> str:
    """Return the report as text, redacted."""
    parts: dict[str, Callable[[], Iterator[str]]] = {
        "program": _program,
        "configuration": lambda: _configuration(config),
        "database": lambda: _database(config.store.path),
        "check": lambda: _check(config),
        "health": lambda: _health(config),
        "interfaces": _interfaces,
        f"last {LOG_LINES} lines of the log": lambda: iter(load_log().splitlines()[-LOG_LINES:]),
    }
    redactor = Redactor(_names(config))
    return "\n".join(
        redactor.text(f"== {title} ==\n" + "\n".join(_lines(part)) + "\n") for title, part in parts.items()
    )


def journal() -> str:
    """Return the end of the service's log from journald, or why there is none."""
    words = ("journalctl", "--unit", "whitestat", "--lines", str(LOG_LINES), "--no-pager", "--output", "short-iso")
    try:
        done = run(*words, timeout_s=LOG_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"not available: {error}"
    return (done.stdout or done.stderr).decode(errors="replace")


def _lines(part: Callable[[], Iterator[str]]) -> Iterator[str]:
    """Yield the lines of a part; if it fails, why, as the other parts may tell the reason."""
    try:
        yield from part()
    except (WhiteStatError, OSError, sqlite3.Error, ValueError) as error:
        yield f"not available: {error}"


def _program() -> Iterator[str]:
    yield f"whitestat {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    yield f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} processors, {_memory()}"
    yield f"distribution: {_distribution()}; 64 bits: {sys.maxsize > 2**32}; root: {os.geteuid() == 0}"
    for name in sorted(set(_dependencies())):
        yield f"{name} {metadata.version(name)}"


def _dependencies() -> Iterator[str]:
    names = (text.split(";")[0] for text in metadata.requires("whitestat") or [])
    for name in (text.split("[")[0].split("<")[0].split(">")[0].split("=")[0].strip() for text in names):
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        yield name


def _memory() -> str:
    octets = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{octets >> 20} MiB of memory"


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unnamed")
    except OSError:
        return "unknown"


def _configuration(config: Config) -> Iterator[str]:
    yield f"file: {'none' if config.source is None else Path(config.source).suffix or 'without a suffix'}"
    variables = sorted(name for name in os.environ if name.startswith("WHITESTAT_"))
    yield f"environment: {', '.join(variables) or 'no variables'}"
    if config.source is None or Path(config.source).suffix != ".toml":
        return
    document = tomllib.loads(Path(config.source).read_text(encoding="utf-8"))
    yield from _values("", Config, document)
    for section in SECTIONS:
        for number, table in enumerate(_tables(document, section.name.split(".")), 1):
            yield f"[{section.name}]{f' {number}' if section.many else ''}"
            yield from _values("  ", section.holds, table)


def _tables(table: Any, path: list[str]) -> Iterator[dict[str, Any]]:
    """Yield every table at a path, through lists of tables."""
    if isinstance(table, list):
        for item in table:
            yield from _tables(item, path)
    elif isinstance(table, dict) and not path:
        yield table
    elif isinstance(table, dict) and path[0] in table:
        yield from _tables(table[path[0]], path[1:])


def _values(indent: str, holds: type, table: dict[str, Any]) -> Iterator[str]:
    for key in declared(holds):
        if key.name in table:
            shown = table[key.name] if _is_printed(key.key.kind) and not key.key.hidden else "(set)"
            yield f"{indent}{key.name} = {shown}"


def _is_printed(kind: ValueKind) -> bool:
    return kind in PRINTED


def _database(path: Path) -> Iterator[str]:
    for file in sorted(path.parent.glob(f"{path.name}*")):
        status = file.lstat()
        yield f"{file.name.removeprefix(path.name) or 'database'}: {status.st_size} octets, mode {status.st_mode:o}"
    with closing(open_for_reading(path)) as connection:
        yield f"schema {connection.execute('PRAGMA user_version').fetchone()[0]}"
        tables = [
            row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        ]
        for table in tables:
            count = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]  # noqa: S608 - names of its own
            yield f"{table}: {count} rows"


def _check(config: Config) -> Iterator[str]:
    lines: list[str] = []
    status = check(config, lines.append)
    yield from lines
    yield f"exit status {status}"


def _health(config: Config) -> Iterator[str]:
    if not is_running(config.store.path):
        yield "the service does not run"
        return
    with asked(config) as call:
        yield from _flat("", call("GET", "/api/v1/health", None))


def _flat(name: str, value: object) -> Iterator[str]:
    """Yield a line for each value of nested JSON."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(f"{name}.{key}".lstrip("."), item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _flat(f"{name}[{number}]", item)
    else:
        yield f"{name}: {value}"


def _interfaces() -> Iterator[str]:
    folder = Path("/sys/class/net")
    for interface in sorted(folder.iterdir()) if folder.is_dir() else []:
        facts = {name: _read(interface / name) for name in ("type", "operstate", "speed", "mtu")}
        kinds = [
            kind for kind in ("bridge", "brport", "wireless", "bonding", "tun_flags") if (interface / kind).exists()
        ]
        yield ", ".join((f"{interface.name}: type {facts.pop('type')}", *map(" ".join, facts.items()), *kinds))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return "unknown"


NAMES = (
    "SELECT name FROM device",
    "SELECT person FROM device",
    "SELECT name FROM person",
    "SELECT text FROM label",
    "SELECT text FROM user_name",
    "SELECT text FROM heard",
    "SELECT name FROM plan",
)

PLAIN = {"root", "localhost", "whitestat", "owner"}
"""Names that are the same in many households, and tell nothing of one."""


def _names(config: Config) -> set[str]:
    """Return the names that the report must not hold: devices, people, accounts, plans, this machine and its user."""
    host = socket.gethostname()
    names = {host, host.partition(".")[0], Path.home().name, *(plan.name for plan in config.plans)}
    names |= {name for device in config.devices for name in (device.name, device.person) if name}
    with suppress(WhiteStatError):
        names |= {account.name for account in accounts.read(accounts.path_of(config.store.path)).accounts}
    with suppress(WhiteStatError, sqlite3.Error), closing(open_for_reading(config.store.path)) as connection:
        for query in NAMES:
            names |= {row[0] for row in connection.execute(query) if row[0]}
    if is_running(config.store.path):
        with suppress(WhiteStatError), asked(config) as call:
            names |= {device["name"] for device in call("GET", "/api/v1/devices", None)["devices"]}
    return {name for name in names if len(name) > 1} - PLAIN
