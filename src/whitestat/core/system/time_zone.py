"""Time zone of the machine: by its name, by the file of its rules, or UTC where neither is there."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from datetime import UTC, tzinfo
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from zoneinfo import TZPATH, ZoneInfo, ZoneInfoNotFoundError

from whitestat.core.errors import ConfigError

FILE_OCTETS_MAX = 65_536
"""A file of rules (TZif, RFC 9636) of the zone database has at most 4 kB."""
LINKS_MAX = 8
NO_DATA = "there is no time zone data on this machine: install tzdata (apt install tzdata, or pip install tzdata)"

_FAULTS = (ZoneInfoNotFoundError, OSError, ValueError, IndexError, struct.error)
"""Of `ZoneInfo`: no such zone, a folder of the zone database, no name, and a damaged file (two kinds)."""


class Zone(NamedTuple):
    """A time zone, and a notice if it is a guess, else empty."""

    zone: tzinfo
    notice: str = ""


def zone_named(name: str) -> tzinfo:
    """Return the zone of that name; UTC needs no data. ValueError where it is unknown, ConfigError without any data."""
    try:
        return ZoneInfo(name)
    except _FAULTS:
        if name in ("UTC", "Etc/UTC"):
            return UTC
        if not _has_data():
            raise ConfigError(f"time zone {name[:60]!r}: {NO_DATA}") from None
        raise ValueError(name) from None


def name_in(path: str) -> str:
    """Return the name of the zone that a path into a zone database stands for; any other text as it is."""
    return path.rpartition("zoneinfo/")[2].removeprefix("posix/").removeprefix("right/")


def system_zone(root: Path = Path("/")) -> Zone:
    """Return the zone that /etc/localtime links to, else of the rules in it, else that /etc/timezone names, else UTC.

    The C library reads /etc/localtime only (tzset(3)), so /etc/timezone may be out of date. `root` is the parent of
    /etc.
    """
    localtime = root / "etc/localtime"
    rules, written = _octets_of(localtime), _octets_of(root / "etc/timezone").decode("ascii", "replace").strip()
    name = _linked(localtime) or ("" if rules else written)
    if name:
        try:
            return Zone(zone_named(name))
        except (ValueError, ConfigError):
            if not rules:
                return _utc(f"the time zone of this machine, {name[:60]!r}, is not known here")
    if rules:
        try:
            return Zone(ZoneInfo.from_file(io.BytesIO(rules), key=name or _name_of(rules, written, root)))
        except _FAULTS:
            return _utc("/etc/localtime has no time zone rules")
    return _utc("this machine does not say in which time zone it is")


def _utc(why: str) -> Zone:
    what = 'set timezone = "Europe/Stockholm" or the like' if _has_data() else NO_DATA
    return Zone(UTC, f"{why}, so days begin and end by UTC: {what}")


def _linked(path: Path) -> str:
    """The zone that the link, or one that it leads to, names; empty for none."""
    for _ in range(LINKS_MAX):
        try:
            target = path.readlink()
        except OSError:
            return ""
        if "zoneinfo/" in str(target):
            return name_in(str(target))
        path = path.parent / target
    return ""


def _octets_of(path: Path) -> bytes:
    """What is in a file that is no larger than one of rules may be, else nothing."""
    try:
        with path.open("rb") as file:
            octets = file.read(FILE_OCTETS_MAX + 1)
    except OSError:
        return b""
    return octets if len(octets) <= FILE_OCTETS_MAX else b""


def _name_of(rules: bytes, written: str, root: Path) -> str:
    """The name of a file of rules: the one written, if it ends in the same rule, else of the file that has the same."""
    for folder in _folders(root):
        end = _last_rule(_octets_of(folder / written)) if written and ".." not in written else ""
        if end and end == _last_rule(rules):
            return written
        for name in _names(folder):
            path = folder / name
            if path.is_file() and path.stat().st_size == len(rules) and _octets_of(path) == rules:
                return name
    return _last_rule(rules) or "/etc/localtime"


def _last_rule(rules: bytes) -> str:
    """The rule for times to come, like CET-1CEST,M3.5.0,M10.5.0/3 (RFC 9636, section 3.3), empty if there is none."""
    *_, last, end = (b"", *rules.split(b"\n"))
    return last.decode() if not end and last.isascii() and last.decode().isprintable() else ""


def _names(folder: Path) -> Iterator[str]:
    """Names of a zone database, the usual ones first: several zones have the same rules."""
    yield "UTC"
    table = _octets_of(folder / "zone1970.tab").decode("utf-8", "replace").splitlines()
    yield from (line.split("\t")[2] for line in table if line.count("\t") >= 2 and not line.startswith("#"))
    yield from (str(path.relative_to(folder)) for path in sorted(folder.rglob("[A-Z]*")))


def _folders(root: Path) -> Iterator[Path]:
    """Where there is zone data: the system's, then that of the package tzdata."""
    package = find_spec("tzdata")
    yield from (folder for name in TZPATH if (folder := root / name.lstrip("/")).is_dir())
    if package and package.submodule_search_locations:
        yield from (Path(name) / "zoneinfo" for name in package.submodule_search_locations)


def _has_data() -> bool:
    try:
        ZoneInfo("Europe/London")
    except _FAULTS:
        return False
    return True
