"""Metering points of a home: at the gateway, at its uplink, on its only port, at a mirror port and on a lone host."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_network

from whitestat.attribution.locality import PRIVATE, Locality, Uplink
from whitestat.core.model import Network
from whitestat.core.units import address_bytes, mac_bytes

OWN, OWN_WAN, HOP, PHONE, TV = (mac_bytes(f"02:50:00:00:00:{n}") for n in ("01", "02", "99", "11", "12"))
LAN = ("192.168.50.0/24", "2001:db8:50::/64", "fd00:50::/64")
WAN = ("198.51.100.0/24", "2001:db8:cafe::/64")


@dataclass(frozen=True)
class Family:
    phone: str
    tv: str
    own: str
    own_wan: str
    host: str
    hop: str


FAMILIES = {
    "ipv4": Family("192.168.50.11", "192.168.50.12", "192.168.50.1", "198.51.100.7", "203.0.113.9", "198.51.100.1"),
    "global": Family(
        "2001:db8:50::11", "2001:db8:50::12", "2001:db8:50::1", "2001:db8:cafe::7", "2600::9", "2001:db8:cafe::1"
    ),
    "ula": Family("fd00:50::11", "fd00:50::12", "fd00:50::1", "2001:db8:cafe::7", "2600::9", "2001:db8:cafe::1"),
    "link-local": Family("fe80::11", "fe80::12", "fe80::1", "fe80::2", "", "fe80::99"),
}
OWN_ADDRESSES = {each for family in FAMILIES.values() for each in (family.own, family.own_wan)}


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(ip_network, texts))


BASE = Locality(
    (*PRIVATE, *networks(*LAN)),
    own_macs=frozenset({OWN, OWN_WAN}),
    own_addresses=frozenset(map(address_bytes, OWN_ADDRESSES)),
    counting=("lan",),
    on_link=networks(*LAN, *WAN),
    metered=networks(*LAN),
)
PLACES = {
    "lan-bridge": BASE,
    "lan-port": BASE,
    "uplink": replace(BASE, outward=frozenset({"lan"}), uplinks={"lan": Uplink(OWN_WAN)}, metered=networks(*WAN)),
    "only-arm": replace(BASE, outward=frozenset({"lan"}), metered=networks(*LAN, *WAN)),
    "mirror": Locality((*PRIVATE, *networks(*LAN)), counting=("lan",)),
    "lone-host": replace(BASE, outward=frozenset({"lan"}), on_link=networks(*LAN)),
}
