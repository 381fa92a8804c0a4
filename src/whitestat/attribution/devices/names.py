"""What a device is called: the configuration's name, its DNS name, else its vendor and MAC."""

from __future__ import annotations

import socket
import unicodedata
from collections.abc import Callable, Mapping
from typing import NamedTuple

from whitestat.core.model import Address, Mac
from whitestat.core.units import address_text, mac_text

NAME_MAX = 64
RANKS = {
    "user": 9,
    "config": 8,
    "host": 8,
    "dhcp": 7,
    "mdns": 6,
    "llmnr": 5,
    "netbios": 4,
    "dns": 3,
    "vendor": 1,
    "mac": 0,
}
"""Where a name came from, the strongest first; a weaker source never replaces a stronger one."""


class ShownName(NamedTuple):
    """A shown name and where it came from."""

    text: str
    source: str


def clean(text: str) -> str:
    """A name from the wire made harmless to show: no control, format or bidirectional characters, bounded."""
    kept = "".join(character for character in text if unicodedata.category(character)[0] != "C")
    return " ".join(kept.split())[:NAME_MAX]


def is_private_mac(mac: Mac) -> bool:
    """Locally administered: the U/L bit of IEEE 802, as phones set it in their random MACs."""
    return bool(mac[0] & 2)


def by_address(mac: Mac | None, address: Address | None, vendor: Callable[[str], str | None]) -> ShownName:
    """The name of last resort: the vendor with the MAC, the MAC, or the IP address."""
    if mac is None:
        return ShownName(address_text(address) if address else "unknown", "mac")
    text = mac_text(mac)
    if is_private_mac(mac):
        return ShownName(f"{text} (private MAC)", "mac")
    made_by = clean(vendor(text) or "")[: NAME_MAX - len(text) - 1].rstrip()  # the MAC is never cut: it is what tells
    return ShownName(f"{made_by} {text}", "vendor") if made_by else ShownName(text, "mac")


def by_dns(address: Address, resolve: Callable[[str], str | None]) -> ShownName | None:
    """The first label of the address's name in the DNS (PTR), None without one."""
    host_name = resolve(address_text(address))
    return in_dns(host_name) if host_name else None


def in_dns(host_name: str) -> ShownName | None:
    """The first label of a name in the DNS; none where that is an address again."""
    label = clean(host_name.split(".", 1)[0])
    return ShownName(label, "dns") if label and not label.isdigit() and ":" not in label else None


def resolve(address: str) -> str | None:
    """The PTR name of `address` by the system's resolver; blocks for as long as that takes."""
    try:
        return socket.gethostbyaddr(address)[0]
    except OSError:
        return None


def stronger(name: ShownName | None, than: ShownName | None) -> bool:
    """Whether `name` may take the place of `than`: a better source, or a new name of the same source."""
    if name is None or name == than:
        return False
    return than is None or RANKS.get(name.source, 0) >= RANKS.get(than.source, 0)


def configured(names: Mapping[Mac, str], mac: Mac | None) -> ShownName | None:
    """The name the configuration gives this MAC."""
    name = names.get(mac) if mac is not None else None
    return ShownName(name, "config") if name else None
