"""The kernel's neighbour table (ARP, NDP): which link address an IP address has now; pure."""

from __future__ import annotations

import json
from collections import Counter

from whitestat.attribution.evidence import Evidence
from whitestat.core.units import MAPPED_IPV4, address_bytes, mac_bytes

NEIGHBOURS_MAX = 8192
_KNOWN = frozenset(("REACHABLE", "STALE", "DELAY", "PROBE", "PERMANENT"))


def read(answer: bytes, at_ms: int) -> list[Evidence]:
    """Entries of `ip -j neigh show` that have a link address; empty where the answer is none.

    A MAC with several IPv4 addresses is left out: a router, or a repeater that lends its own to hosts.
    """
    try:
        entries = json.loads(answer or b"[]")
    except (ValueError, RecursionError):
        return []
    evidence: list[Evidence] = []
    for entry in entries if isinstance(entries, list) else ():
        try:
            if _KNOWN.intersection(entry.get("state", ())) and len(evidence) < NEIGHBOURS_MAX:
                address, mac = address_bytes(entry["dst"]), mac_bytes(entry["lladdr"])
                evidence.append(Evidence("neighbour", at_ms, mac, address))
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
    addresses = Counter(
        mac for _, _, mac, address, *_ in dict.fromkeys(evidence) if address and address[:12] == MAPPED_IPV4
    )
    return [neighbour for neighbour in evidence if neighbour.mac is None or addresses[neighbour.mac] < 2]
