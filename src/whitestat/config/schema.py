"""Kinds of configuration values, and the reader that checks tables by them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from datetime import date, time
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints
from urllib.parse import urlsplit

from whitestat.core.collector_specs import NAMES
from whitestat.core.suggestions import nearest
from whitestat.core.system.collector_plugins import is_known
from whitestat.core.system.time_zone import zone_named
from whitestat.core.units import duration_seconds, duration_text, mac_bytes, mac_text, network_of

FIRMWARES = ("V100R001", "V100R001C07SP102", "V200R001")
UNITS = ("kB", "bytes")

_MOST_ENTRIES = 1_048_576
_TYPES: dict[type, str] = {str: "text", int: "a whole number", bool: "true or false", date: "a date"}


class ValueKind(NamedTuple):
    """Kind of a value: its description, TOML types, reader (ValueError if invalid) and writer of TOML."""

    words: str
    types: tuple[type, ...]
    read: Callable[[Any], object]
    write: Callable[[Any], str] = json.dumps
    many: bool = False


class ConfigKey(NamedTuple):
    """Annotation of a field that a key sets: its description, kind of value and an example in TOML.

    `name` is the key if it differs from the field, `otherwise` describes a default that depends on the
    machine, and a `hidden` value may hold a secret: it is never printed. Only the file of root may set a
    `roots` key; a `secret` is written through the page and never answered. `narrowed` is the kind of value that the
    page's file may have, if it is less than what root's file may.
    """

    sentence: str
    kind: ValueKind
    example: str | None = None
    name: str | None = None
    otherwise: str | None = None
    hidden: bool = False
    roots: bool = False
    secret: bool = False
    narrowed: ValueKind | None = None


class DeclaredKey(NamedTuple):
    """A key with its field and the field's default (MISSING if there is none)."""

    key: ConfigKey
    field: str
    default: object

    @property
    def name(self) -> str:
        return self.key.name or self.field

    @property
    def required(self) -> bool:
        return self.default is MISSING and self.key.otherwise is None

    @property
    def is_roots(self) -> bool:
        """Whether only the file of root may set it: paths always, as they would open files for the page."""
        return self.key.roots or self.key.kind.read is _path

    @property
    def for_page(self) -> ConfigKey:
        """The key as the page's file may have it."""
        return self.key._replace(kind=self.key.narrowed or self.key.kind)

    @property
    def default_text(self) -> str:
        """The default as Markdown: TOML, or words if it has no TOML form."""
        if self.key.otherwise is not None:
            return self.key.otherwise
        if self.default is MISSING or (self.default is None and self.key.kind is not KEEPING):
            return "must be given" if self.required else "none"
        return f"`{self.key.kind.write(self.default)}`"

    @property
    def toml(self) -> str:
        """The example, else the default, as TOML."""
        return self.key.example or self.key.kind.write(self.default)


def declared(holds: type) -> tuple[DeclaredKey, ...]:
    """Return the keys of a dataclass in order; other fields are left out."""
    return _declared(holds)


@cache
def _declared(holds: type) -> tuple[DeclaredKey, ...]:
    """They never change, and evaluating the type hints takes half a millisecond."""
    hints = get_type_hints(holds, include_extras=True)
    notes = {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}
    return tuple(DeclaredKey(notes[f.name], f.name, f.default) for f in fields(holds) if f.name in notes)


def _text(value: str) -> str:
    """Return one line of text; control characters would reach terminals and log lines."""
    if not value.strip() or re.search(r"[\x00-\x1f\x7f-\x9f]", value):
        raise ValueError(value)
    return value


def _path(value: str) -> Path:
    return Path(_text(value))


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65_535:
        raise ValueError(value)
    if host.startswith("[") and host.endswith("]"):
        IPv6Address(host[1:-1])
    elif re.fullmatch(r"[0-9.]+", host):
        IPv4Address(host)
    elif not re.fullmatch(_NAME_OF_HOST, host):
        raise ValueError(value)
    return value


def _listen_unprivileged(value: str) -> str:
    if int(_listen(value).rpartition(":")[2]) < 1_024:
        raise ValueError(value)
    return value


_NAME_OF_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"


def _host(value: str) -> str:
    if not re.fullmatch(_NAME_OF_HOST, value):
        raise ValueError(value)
    return value.lower()


def _base(value: str) -> str:
    if not re.fullmatch(r"(?:/[A-Za-z0-9._~-]+)*/?", value) or len(value) > 100 or "/." in value:
        raise ValueError(value)
    return value.rstrip("/")


def _zone(value: str) -> str:
    zone_named(value)
    return value


def _interval(value: str | int) -> int:
    seconds = duration_seconds(value) if isinstance(value, str) else value
    return _between(seconds, 3_600)


def _between(value: int, most: int) -> int:
    if not 1 <= value <= most:
        raise ValueError(value)
    return value


def _hour(value: int) -> int:
    if not 0 <= value <= 23:
        raise ValueError(value)
    return value


def _url(value: str) -> str:
    parts = urlsplit(value)
    # A name or password in the address would be printed with it; they have keys of their own.
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.port == 0:
        raise ValueError("not an address")
    if re.search(r"\s", value):
        raise ValueError("white space in an address")
    return _text(value)


def _pattern(value: str) -> str:
    try:
        re.compile(_text(value))
    except (re.error, RecursionError, OverflowError):
        raise ValueError(value) from None
    return value


def _point_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9_-]{1,32}", value):
        raise ValueError(value)
    return value


def _collector(value: str) -> str:
    if not is_known(value):
        raise ValueError(value)
    return value


def _one_of(value: str, words: tuple[str, ...]) -> str:
    if value not in words:
        raise ValueError(value)
    return value


def _yes(value: bool) -> bool:
    return value


TEXT = ValueKind("one line of text", (str,), _text)
PATH = ValueKind(
    "a path",
    (str,),
    _path,
    lambda path: json.dumps(str(path)),
)
PATHS = PATH._replace(words="paths", write=lambda paths: json.dumps([str(path) for path in paths]), many=True)
PATTERN = ValueKind("a regular expression", (str,), _pattern)
LISTEN = ValueKind("host:port like 127.0.0.1:7777 or [::1]:7777", (str,), _listen)
LISTEN_UNPRIVILEGED = LISTEN._replace(
    words="host:port with a port from 1024 (smaller ones only in the configuration file)", read=_listen_unprivileged
)
HTTPS = ValueKind("one of off, both, only", (str,), lambda value: _one_of(value, ("off", "both", "only")))
ZONE = ValueKind("a time zone like Europe/Stockholm", (str,), _zone)
DURATION = ValueKind('a duration from "1s" to "1h"', (str, int), _interval, lambda s: json.dumps(duration_text(s)))
KEEPING = ValueKind(
    'a duration like "7d", or "forever"',
    (str,),
    lambda value: None if value == "forever" else duration_seconds(value),
    lambda seconds: json.dumps("forever" if seconds is None else duration_text(seconds)),
)
KEEPING_OR_NOT = ValueKind(
    'a duration like "1h", "forever" or "off"',
    (str,),
    lambda value: 0 if value == "off" else KEEPING.read(value),
    lambda seconds: KEEPING.write(seconds) if seconds != 0 else json.dumps("off"),
)
SIZE = ValueKind(f"a whole number from 1 to {_MOST_ENTRIES}", (int,), lambda value: _between(value, _MOST_ENTRIES))
MONTH_DAY = ValueKind("a whole number from 1 to 31", (int,), lambda value: _between(value, 31))
HOUR = ValueKind("a whole number from 0 to 23", (int,), _hour)
FLAG = ValueKind("true or false", (bool,), _yes)
URL = ValueKind("an address like http://192.168.1.1, without a user name or password in it", (str,), _url)
NAME = ValueKind("1 to 32 of a-z, 0-9, - and _", (str,), _point_name)
FIRMWARE = ValueKind(f"one of {', '.join(FIRMWARES)}", (str,), lambda value: _one_of(value, FIRMWARES))
UNIT = ValueKind(f"one of {', '.join(UNITS)}", (str,), lambda value: _one_of(value, UNITS))
COLLECTOR = ValueKind(f"one of {', '.join(NAMES)}, or of an installed package", (str,), _collector)
OWN_COLLECTOR = ValueKind(f"one of {', '.join(NAMES)}", (str,), lambda value: _one_of(value, tuple(NAMES)))
MAC = ValueKind("a MAC address like 02:50:00:00:00:11", (str,), mac_bytes, lambda mac: json.dumps(mac_text(mac)))
MACS = MAC._replace(
    words="MAC addresses like 02:50:00:00:00:11",
    write=lambda macs: json.dumps([mac_text(mac) for mac in macs]),
    many=True,
)
HOSTS = ValueKind("host names like stats.example.org", (str,), _host, lambda names: json.dumps(list(names)), many=True)
BASE = ValueKind('a path like "/whitestat", empty for none', (str,), _base)
NETWORKS = ValueKind(
    "networks like 192.168.50.0/24",
    (str,),
    lambda value: network_of(value, strict=False),
    lambda networks: json.dumps([str(network) for network in networks]),
    many=True,
)


class TableParser:
    """Reader of TOML tables that collects all faults.

    A relative path starts at the folder of `file`; `homes` maps a key's name to its full name.
    """

    def __init__(self, file: Path | None, homes: Mapping[str, str], *, is_roots: bool = True) -> None:
        """Without `is_roots` it is the page's file, which may not set everything."""
        self.faults: list[str] = []
        self._is_roots = is_roots
        self._file = file
        self._homes = homes

    def fault(self, where: str, what: str) -> None:
        self.faults.append(f"{self._file}: {where}: {what}")

    def table(self, holds: type, table: Mapping[str, Any], where: str, others: Iterable[str] = ()) -> dict[str, Any]:
        """Return the values for the fields of a dataclass; `others` are further names allowed in the table."""
        names = [*(one.name for one in declared(holds)), *others]
        for name in table:
            if name not in names:
                self.fault(
                    f"{where}{_bare(name)}",
                    f"unknown key {name!r} (did you mean {self._near(name, names)!r}?)",
                )
        values: dict[str, Any] = {}
        for one in declared(holds):
            if one.name in table:
                self._take(one, table[one.name], where, values)
            elif one.required:
                self.fault(f"{where}{one.name}", "is missing")
        return values

    def _take(self, one: DeclaredKey, raw: object, where: str, values: dict[str, Any]) -> None:
        if one.is_roots and not self._is_roots:
            self.fault(f"{where}{one.name}", "only root's configuration file may set it (whitestat.toml)")
            return
        try:
            value = _value(one.key if self._is_roots else one.for_page, raw)
        except ValueError as error:
            self.fault(f"{where}{one.name}", str(error))
        else:
            values[one.field] = self._file.parent / value if self._file and isinstance(value, Path) else value

    def _near(self, name: str, names: Iterable[str]) -> str:
        """Return the suggested key: a very similar one, else that name in another table, else the most similar one."""
        known, word = list(names), name.lower()
        return nearest(word, known, 0.8) or self._homes.get(name) or nearest(word, known, 0.0) or known[0]


def _value(key: ConfigKey, raw: object) -> object:
    """Return the value of a key from TOML. Raises ValueError with the expected kind."""
    if key.kind.many:
        return _values(key, raw)
    if type(raw) not in key.kind.types:  # A bool is an int to isinstance.
        raise _refused(key, " or ".join(_TYPES[allowed] for allowed in key.kind.types), raw)
    try:
        return key.kind.read(raw)
    except ValueError:
        raise _refused(key, key.kind.words, raw) from None


def _values(key: ConfigKey, raw: object) -> tuple[object, ...]:
    if not isinstance(raw, list):
        raise _refused(key, f"a list of {key.kind.words}", raw)
    one = key._replace(kind=key.kind._replace(many=False))
    good, bad = [], []
    for item in raw:
        try:
            good.append(_value(one, item))
        except ValueError:
            bad.append(item)
    if bad:
        raise _refused(key, key.kind.words, *bad)
    return tuple(good)


def _refused(key: ConfigKey, words: str, *raw: object) -> ValueError:
    got = "" if key.hidden else f", got {', '.join(map(shown, raw))}"
    return ValueError(f"must be {words}{got}")


def _bare(name: str) -> str:
    """Return a key as written in TOML, always on one line."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else repr(name)


def shown(raw: object) -> str:
    """Return a TOML value for a message: short, on one line, without the contents of lists and tables."""
    if isinstance(raw, list | dict):
        return "a list" if isinstance(raw, list) else "a table"
    if isinstance(raw, bool | date | time):
        return str(raw).lower()
    text = repr(raw)
    return text if len(text) <= 80 else f"{text[:77]}..."
