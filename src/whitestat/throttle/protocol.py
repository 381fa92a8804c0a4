"""What the service may tell the helper that holds CAP_NET_ADMIN: the limits there are to be, and nothing else; pure.

The helper trusts the service with nothing: each word is judged before it comes near a command.
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
    """One line."""
    told = [
        {
            "name": each.name,
            "macs": [mac_text(mac) for mac in each.macs],
            "addresses": [address_text(address) for address in each.addresses],
            "rate_bps": each.rate_bps,
            "spared": [str(network) for network in each.spared],
        }
        for each in limits
    ]
    return json.dumps({"interfaces": list(interfaces), "limits": told}).encode() + b"\n"


def read_order(line: bytes) -> tuple[list[str], list[Limit]]:
    """(interfaces, limits) of a line; ValueError for anything else."""
    try:
        told = json.loads(line)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(told, dict) or set(told) != {"interfaces", "limits"}:
        raise ValueError("not an order")
    interfaces, limits = _list(told["interfaces"], str), _list(told["limits"], dict)
    if any(not _INTERFACE.fullmatch(each) for each in interfaces):
        raise ValueError("not the name of an interface")
    if len(limits) > MOST:
        raise ValueError(f"more than {MOST} limits")
    return interfaces, [_limit(each) for each in limits]


def _limit(told: dict[str, Any]) -> Limit:
    rate_bps = told["rate_bps"]
    if rate_bps is not None and (type(rate_bps) is not int or not SLOWEST_BPS <= rate_bps <= FASTEST_BPS):
        raise ValueError("not a rate")
    return Limit(
        str(told["name"]),
        tuple(mac_bytes(each) for each in _list(told["macs"], str)),
        tuple(address_bytes(each) for each in _list(told["addresses"], str)),
        rate_bps,
        tuple(network_of(each) for each in _list(told["spared"], str)),
    )


def _list(found: object, of: type) -> list[Any]:
    if not isinstance(found, list) or len(found) > max(MOST, _ADDRESSES_MOST):
        raise ValueError("not a list")
    if any(type(each) is not of for each in found):
        raise ValueError(f"not a list of {of.__name__}")
    return found
