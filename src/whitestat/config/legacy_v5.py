"""WhiteStat 5's `WhiteStatConfig.json` and its words of the environment, as the tables of our configuration; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

NAME = "WhiteStatConfig.json"
COLLECTOR = POINT = "darkstat"
"""The only meter of WhiteStat 5, and the name of its point."""

_ANY_IPV4 = r"([\d]+\.){3,3}\d+"
"""The default filter of WhiteStat 5: IPv4 addresses only."""
_FILES = {
    "DBFile": ("store", "old", "WhiteStat.db"),
    "IP_MAC_REWRITE": ("lan", "ip_mac", "IP_MAC.txt"),
    "MAC_MAC_REWRITE": ("lan", "mac_mac", "MAC_MAC.txt"),
    "MAC_HOST_MAP": ("lan", "mac_host", "MAC_HOST.txt"),
}
"""The table and key that name a file here, and its default name in version 5."""
MAP_FILES = tuple(usual for table, _, usual in _FILES.values() if table == "lan")
_KNOWN = frozenset({"DATA_STORE", "DARKSTAT_URL", "IdleSeconds", "UpdateDBSeconds", "SERVER_PORT", *_FILES})
_KNOWN |= {"LAN_SEGMENT_MASKS", "LAN_ROUTERS_TO_SKIP", "IPFilter", "LOGFile", "TRACEFile"}
_MASK = re.compile(r"(?:[0-9]{1,3}\.){0,3}[0-9]{1,3}\.?")


_NUMBERS = ("IdleSeconds", "UpdateDBSeconds", "SERVER_PORT")
"""Keys whose value version 5 took in quotes too."""
_SECONDS = "a whole number of seconds from 1 to 3600"
_PLACES = {
    "point[1].url": ("DARKSTAT_URL", "an address like http://192.168.1.5:777, without a user name or password in it"),
    "point[1].interval": ("IdleSeconds", _SECONDS),
    "point[1].only": ("IPFilter", "a regular expression"),
    "store.flush": ("UpdateDBSeconds", _SECONDS),
    "store.path": ("DATA_STORE", "a path"),
    "store.old": ("DBFile", "a path"),
    "web.listen": ("SERVER_PORT", "a port from 0 to 65535"),
    "lan.routers": ("LAN_ROUTERS_TO_SKIP", "MAC addresses with | between them"),
    "lan.ip_mac": ("IP_MAC_REWRITE", "a path"),
    "lan.mac_mac": ("MAC_MAC_REWRITE", "a path"),
    "lan.mac_host": ("MAC_HOST_MAP", "a path"),
}
"""By the place of a value in our tables: the key of the file that it is from, and what that may be."""


class Legacy(NamedTuple):
    """The file as tables of TOML, each value to be judged like any other, and what of it has no effect.

    `given` is what the file itself has.
    """

    document: dict[str, Any]
    notices: tuple[str, ...]
    given: Mapping[str, object]


def document(text: str) -> Legacy:
    """Return the tables of the file. Raises ValueError if it is not JSON, or WhiteStat 5 did not accept a value."""
    try:
        values = json.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("not an object of keys")
    notices = [f"{key} is not a key of WhiteStat 5 and has no effect" for key in values if key not in _KNOWN]
    given, values = values, {key: _number(value) if key in _NUMBERS else value for key, value in values.items()}
    point = {"name": POINT, "collector": COLLECTOR}
    tables: dict[str, Any] = {"web": {}, "store": {}, "lan": {}, "point": []}
    if "DARKSTAT_URL" in values:
        point["url"] = values["DARKSTAT_URL"]
        tables["point"].append(point)
    if values.get("IPFilter", _ANY_IPV4) != _ANY_IPV4:
        point["only"] = values["IPFilter"]
    for key, (table, name, usual) in _FILES.items():
        if values.get(key) and values[key] != usual:  # beside the configuration, as it was, or a whole path
            tables[table][name] = values[key]
    if "IdleSeconds" in values:
        point["interval"] = values["IdleSeconds"]
    if "UpdateDBSeconds" in values:
        tables["store"]["flush"] = values["UpdateDBSeconds"]
    if values.get("DATA_STORE"):
        tables["store"]["path"] = f"{values['DATA_STORE']}/whitestat.db"
    if "SERVER_PORT" in values:
        tables["web"]["listen"] = f"0.0.0.0:{values['SERVER_PORT']}"
    tables["lan"]["segments"] = list(networks(str(values.get("LAN_SEGMENT_MASKS", ""))))
    tables["lan"]["routers"] = list(routers(str(values.get("LAN_ROUTERS_TO_SKIP", ""))))
    return Legacy(tables, tuple(notices), given)


def fault(place: str, given: Mapping[str, object]) -> str | None:
    """Return the fault at a place of our tables by the file's own key; None if the file does not set that place."""
    key, words = _PLACES.get(place, ("", ""))
    if key not in given:
        return None
    return f"{key}: must be {words}, got {json.dumps(given[key], ensure_ascii=False)[:80]}"


def first(environ: Mapping[str, str], interval_s: int, flush_s: int) -> str:
    """Return the file of a first start: the keys of version 5 with the current values."""
    values: dict[str, object] = {
        "DATA_STORE": environ.get("DATA_STORE", ""),
        "DBFile": "WhiteStat.db",
        "LOGFile": "WhiteStatLog.txt",
        "TRACEFile": "WhiteStatTrace.txt",
        **{key: usual for key, (_, _, usual) in _FILES.items() if key != "DBFile"},
        "DARKSTAT_URL": environ.get("DARKSTAT_URL", ""),
        "IPFilter": _ANY_IPV4,
        "IdleSeconds": interval_s,
        "UpdateDBSeconds": flush_s,
        "SERVER_PORT": environ.get("SERVER_PORT", ""),
        "LAN_SEGMENT_MASKS": environ.get("LAN_SEGMENT_MASKS", ""),
        "LAN_ROUTERS_TO_SKIP": environ.get("LAN_ROUTERS_TO_SKIP", ""),
    }
    values["SERVER_PORT"] = _number(values["SERVER_PORT"])
    unset = [key for key in ("DARKSTAT_URL", "SERVER_PORT") if values[key] == ""]
    return json.dumps({key: value for key, value in values.items() if key not in unset}, indent=2) + "\n"


def _number(value: object) -> object:
    """Return a number in quotes as a number."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value) else value


def networks(masks: str) -> tuple[str, ...]:
    """Return `192.168.1|10.` as networks; empty means none. Raises ValueError if a part is no beginning of an address.

    In WhiteStat 5 `192.168.1` was the beginning of `192.168.100.7` too; here it is 192.168.1.0/24.
    """
    prefixes = []
    for mask in _parts(masks):
        octets = mask.rstrip(".").split(".")
        if not _MASK.fullmatch(mask) or any(int(octet) > 255 for octet in octets):
            raise ValueError(f"LAN_SEGMENT_MASKS: {mask[:40]!r} is not the beginning of an IPv4 address like 192.168.1")
        prefixes.append(f"{'.'.join([*octets, '0', '0', '0'][:4])}/{8 * len(octets)}")
    return tuple(prefixes)


def routers(macs: str) -> tuple[str, ...]:
    """Return the MAC addresses with `|` between them; empty means none, where WhiteStat 5 then skipped all devices."""
    return _parts(macs)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|") if part.strip())
