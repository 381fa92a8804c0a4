"""The kernel's neighbour table (ARP, NDP): which link address an IP address has now; pure."""

from __future__ import annotations

import json

from whitestat.attribution.evidence import Evidence
from whitestat.units import address_bytes, mac_bytes

NEIGHBOURS_MAX = 8192
_KNOWN = frozenset(("REACHABLE", "STALE", "DELAY", "PROBE", "PERMANENT"))


def read(answer: bytes, at_ms: int) -> list[Evidence]:
    """Entries of `ip -j neigh show` that have a link address; empty where the answer is none."""
    try:
        entries = json.loads(answer or b"[]")
    except (ValueError, RecursionError):
        return []
    found: list[Evidence] = []
    for entry in entries if isinstance(entries, list) else ():
        try:
            if _KNOWN.intersection(entry.get("state", ())) and len(found) < NEIGHBOURS_MAX:
                address, mac = address_bytes(entry["dst"]), mac_bytes(entry["lladdr"])
                found.append(Evidence("neighbour", at_ms, mac, address))
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
    return found
