"""Protocol of the service with the helper that holds CAP_NET_ADMIN: the limits to be in force, nothing else; pure.

The helper does not trust the service: each word is checked before it is used in a command.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from whitestat.core.units import FASTEST_BPS, SLOWEST_BPS, address_bytes, address_text, mac_bytes, mac_text, network_of
from whitestat.throttle.limits import MOST, Limit

LONGEST_ORDER = 1 << 20
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
_ADDRESSES_MOST = 256


def order(interfaces: Sequence[str], limits: Sequence[Limit]) -> bytes:
    """Return the order as one line of JSON."""
    rows = [
        {
            "name": limit.name,
            "macs": [mac_text(mac) for mac in limit.macs],
            "addresses": [address_text(address) for address in limit.addresses],
            "rate_bps": limit.rate_bps,
            "spared": [str(network) for network in limit.spared],
        }
        for limit in limits
    ]
    return json.dumps({"interfaces": list(interfaces), "limits": rows}).encode() + b"\n"


def read_order(line: bytes) -> tuple[list[str], list[Limit]]:
    """Return (interfaces, limits) of a line. Raises ValueError if it is no order."""
    try:
        document = json.loads(line)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(document, dict) or set(document) != {"interfaces", "limits"}:
        raise ValueError("not an order")
    interfaces, limits = _list(document["interfaces"], str), _list(document["limits"], dict)
    if any(not _INTERFACE.fullmatch(name) for name in interfaces):
        raise ValueError("not the name of an interface")
    if len(limits) > MOST:
        raise ValueError(f"more than {MOST} limits")
    return interfaces, [_limit(row) for row in limits]


def _limit(row: dict[str, Any]) -> Limit:
    rate_bps = row["rate_bps"]
    if rate_bps is not None and (type(rate_bps) is not int or not SLOWEST_BPS <= rate_bps <= FASTEST_BPS):
        raise ValueError("not a rate")
    return Limit(
        str(row["name"]),
        tuple(mac_bytes(text) for text in _list(row["macs"], str)),
        tuple(address_bytes(text) for text in _list(row["addresses"], str)),
        rate_bps,
        tuple(network_of(text) for text in _list(row["spared"], str)),
    )


def _list(value: object, of: type) -> list[Any]:
    if not isinstance(value, list) or len(value) > max(MOST, _ADDRESSES_MOST):
        raise ValueError("not a list")
    if any(type(item) is not of for item in value):
        raise ValueError(f"not a list of {of.__name__}")
    return value
