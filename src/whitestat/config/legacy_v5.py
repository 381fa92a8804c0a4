"""WhiteStat 5's `WhiteStatConfig.json` and its words of the environment, as the tables of our configuration; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

NAME = "WhiteStatConfig.json"
COLLECTOR = POINT = "darkstat"
"""The one meter of WhiteStat 5, and what its point is called here."""

_ANY_IPV4 = r"([\d]+\.){3,3}\d+"
"""The filter that WhiteStat 5 wrote into every file: IPv4 addresses, since it read no others."""
_FILES = {
    "DBFile": ("store", "old", "WhiteStat.db"),
    "IP_MAC_REWRITE": ("lan", "ip_mac", "IP_MAC.txt"),
    "MAC_MAC_REWRITE": ("lan", "mac_mac", "MAC_MAC.txt"),
    "MAC_HOST_MAP": ("lan", "mac_host", "MAC_HOST.txt"),
}
"""The table and key that name a file here, and what it was called unless somebody changed it."""
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
    """ValueError when it is not JSON, or a value is none that WhiteStat 5 took."""
    try:
        found = json.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not an object of keys")
    notices = [f"{key} is not a key of WhiteStat 5 and has no effect" for key in found if key not in _KNOWN]
    given, found = found, {key: _number(value) if key in _NUMBERS else value for key, value in found.items()}
    point = {"name": POINT, "collector": COLLECTOR}
    tables: dict[str, Any] = {"web": {}, "store": {}, "lan": {}, "point": []}
    if "DARKSTAT_URL" in found:
        point["url"] = found["DARKSTAT_URL"]
        tables["point"].append(point)
    if found.get("IPFilter", _ANY_IPV4) != _ANY_IPV4:
        point["only"] = found["IPFilter"]
    for key, (table, name, usual) in _FILES.items():
        if found.get(key) and found[key] != usual:  # beside the configuration, as it was, or a whole path
            tables[table][name] = found[key]
    if "IdleSeconds" in found:
        point["interval"] = found["IdleSeconds"]
    if "UpdateDBSeconds" in found:
        tables["store"]["flush"] = found["UpdateDBSeconds"]
    if found.get("DATA_STORE"):
        tables["store"]["path"] = f"{found['DATA_STORE']}/whitestat.db"
    if "SERVER_PORT" in found:
        tables["web"]["listen"] = f"0.0.0.0:{found['SERVER_PORT']}"
    tables["lan"]["segments"] = list(networks(str(found.get("LAN_SEGMENT_MASKS", ""))))
    tables["lan"]["routers"] = list(routers(str(found.get("LAN_ROUTERS_TO_SKIP", ""))))
    return Legacy(tables, tuple(notices), given)


def fault(place: str, given: Mapping[str, object]) -> str | None:
    """What is wrong at a place of our tables, in the words of the file; None for a place that is not of it."""
    key, words = _PLACES.get(place, ("", ""))
    if key not in given:
        return None
    return f"{key}: must be {words}, got {json.dumps(given[key], ensure_ascii=False)[:80]}"


def first(environ: Mapping[str, str], interval_s: int, flush_s: int) -> str:
    """The file of a first start: what version 5 wrote, with what holds; without keys that would change that."""
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
    """A number that stands in quotes, as a number."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value) else value


def networks(masks: str) -> tuple[str, ...]:
    """`192.168.1|10.` as networks; empty means none. ValueError for what is not the beginning of an address.

    In WhiteStat 5 `192.168.1` was the beginning of `192.168.100.7` too; here it is 192.168.1.0/24.
    """
    found = []
    for mask in _parts(masks):
        octets = mask.rstrip(".").split(".")
        if not _MASK.fullmatch(mask) or any(int(octet) > 255 for octet in octets):
            raise ValueError(f"LAN_SEGMENT_MASKS: {mask[:40]!r} is not the beginning of an IPv4 address like 192.168.1")
        found.append(f"{'.'.join([*octets, '0', '0', '0'][:4])}/{8 * len(octets)}")
    return tuple(found)


def routers(macs: str) -> tuple[str, ...]:
    """MAC addresses with `|` between them; empty means none, where WhiteStat 5 then skipped everybody."""
    return _parts(macs)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|") if part.strip())
