"""Variables of the environment, which override `whitestat.toml`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple

from whitestat.config import legacy_v5
from whitestat.config.points import PASSWORD, variable_of
from whitestat.config.schema import LISTEN, TEXT, URL, ZONE, shown
from whitestat.core.errors import ConfigError
from whitestat.core.system.time_zone import name_in
from whitestat.core.units import mac_bytes


class Variable(NamedTuple):
    """A variable of the environment: the section and field it sets, its description and its reader."""

    section: str
    field: str
    words: str
    read: Callable[[str], object]


VARIABLES = {
    "DATA_STORE": Variable("store", "path", "the folder of whitestat.db", lambda v: Path(v) / "whitestat.db"),
    "SERVER_PORT": Variable(
        "web", "listen", "a port from 0 to 65535, on every address", lambda v: LISTEN.read(f"0.0.0.0:{v}")
    ),
    "TZ": Variable("", "timezone", ZONE.words, lambda v: ZONE.read(name_in(v.removeprefix(":")))),
    "DARKSTAT_URL": Variable("point", "url", f"{URL.words}: the darkstat to read", URL.read),
    "LAN_SEGMENT_MASKS": Variable(
        "lan",
        "segments",
        "beginnings of IPv4 addresses like 192.168.1|10.0",
        lambda v: tuple(map(ip_network, legacy_v5.networks(v))),
    ),
    "LAN_ROUTERS_TO_SKIP": Variable(
        "lan",
        "routers",
        "MAC addresses with | between them",
        lambda v: tuple(map(mac_bytes, legacy_v5.routers(v))),
    ),
}


def take(environ: Mapping[str, str], values: dict[str, Any], notices: list[str]) -> Iterator[str]:
    """Override the file's values by the environment's, with notices, and yield the faults. Empty counts as unset."""
    for name, variable in VARIABLES.items():
        text = environ.get(name, "")
        if not _counts(text):
            continue
        try:
            value = variable.read(text)
        except ValueError:
            yield f"environment: {name}: must be {variable.words}, got {shown(text)}"
            continue
        fields = _darkstat_point(values["point"]) if variable.section == "point" else values[variable.section]
        if fields.get(variable.field, value) != value:
            notices.append(f"{name} of the environment overrides the configuration file")
        fields[variable.field] = value


def _counts(text: str) -> bool:
    """Some systems name TZ's own default in every process's environment."""
    return bool(text) and text.removeprefix(":") != "/etc/localtime"


def keys_set(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the keys that the environment sets, like `web.listen`, with their variables."""
    given = ((name, variable) for name, variable in VARIABLES.items() if _counts(environ.get(name, "")))
    return {f"{variable.section}.{variable.field}".lstrip("."): name for name, variable in given}


def take_passwords(environ: Mapping[str, str], points: list[dict[str, Any]], notices: list[str]) -> Iterator[str]:
    """Override the file's passwords by the environment's, and yield the faults."""
    names = {variable_of(str(point.get("name", ""))): point for point in points}
    for name, text in environ.items():
        if not name.startswith(PASSWORD) or not text:
            continue
        if name not in names:
            notices.append(f"{name} of the environment matches no point")
            continue
        try:
            names[name]["password"] = TEXT.read(text)
        except ValueError:
            yield f"environment: {name}: must be {TEXT.words}"


def _darkstat_point(points: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the point that reads a darkstat, or a new one."""
    for point in points:
        if point.get("collector") == legacy_v5.COLLECTOR:
            return point
    points.append({"name": legacy_v5.POINT, "collector": legacy_v5.COLLECTOR})
    return points[-1]


def store_path(environ: Mapping[str, str], *, root: bool) -> Path:
    """Return the default path of the database: the system's as root, else the user's (a relative XDG folder is void).

    Raises ConfigError for a user without a home.
    """
    if root:
        return Path("/var/lib/whitestat/whitestat.db")
    data = Path(environ.get("XDG_DATA_HOME", ""))
    if not data.is_absolute():
        try:
            data = Path(environ.get("HOME") or Path.home()) / ".local/share"
        except RuntimeError:
            raise ConfigError(
                "store.path: this user has no home folder: set HOME, or path of [store] in whitestat.toml"
            ) from None
    return data / "whitestat/whitestat.db"
