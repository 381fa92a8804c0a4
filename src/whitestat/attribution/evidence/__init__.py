"""What the network tells about its devices unasked: names, addresses and identities, from packets and files.

Decoders are pure and never raise: all of it is an attacker's input. What they find is `Evidence`; what it is
worth is decided elsewhere.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import NamedTuple

from whitestat.core.model import Address, Mac

IDENTITY_MAX = 128
"""Octets of a client identifier that are looked at (a DUID has at most 130, RFC 8415, section 11.1)."""


class Evidence(NamedTuple):
    """One statement about a device at one instant (UTC milliseconds).

    `source` is dhcp, mdns, llmnr, netbios or neighbour. `client` is the identity a DHCP client gives itself:
    its client identifier (RFC 2132, section 9.14), with a DUID in the form of RFC 4361 for IPv6 too.
    `until_ms` is when the address goes back to its owner (the end of a lease). `name` is as sent: clean it
    before it is shown.
    """

    source: str
    at_ms: int
    mac: Mac | None = None
    address: Address | None = None
    name: str | None = None
    client: bytes | None = None
    vendor_class: str | None = None
    until_ms: int | None = None


class Prefix(NamedTuple):
    """A network that a router advertises for its link (RFC 4861, section 4.6.2); lifetime in seconds."""

    network: IPv6Network
    lifetime_s: int
    router: Mac


def text_of(raw: bytes) -> str | None:
    """Text as a device sent it; None where nothing is left of it."""
    text = raw.split(b"\x00", 1)[0].decode("utf-8", "replace").strip()
    return text or None


def first_label(name: str) -> str:
    """`anna` of `anna.lan.`: what people call the host."""
    return name.split(".", 1)[0]
