"""Names and addresses that the certificate is for, and the limits of the authority that signs it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_network

IpAddress = IPv4Address | IPv6Address

_PRIVATE = "127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 100.64.0.0/10 ::1/128 fc00::/7"
PRIVATE = tuple(map(ip_network, _PRIVATE.split()))
"""Addresses that are a different machine in each network (RFC 1918, 3927, 6598, 4193), and the loopback's.

An authority that vouches for these can be of use only inside a network. Link-local IPv6 is left out, as no browser
opens such an address.
"""

MOST = 64
"""Entries of a certificate: a machine with more addresses has those of containers among them."""

_DNS = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")


def is_private(address: IpAddress) -> bool:
    """Return whether the authority may vouch for the address."""
    return any(address in network for network in PRIVATE)


def dns_names(names: Iterable[str]) -> list[str]:
    """Return those that can stand in a certificate, in lower case, sorted, without doubles, at most MOST."""
    return sorted({name.lower() for name in names if _DNS.fullmatch(name.lower())})[:MOST]


def subjects(names: Iterable[str], addresses: Iterable[IpAddress]) -> tuple[str, ...]:
    """Return the entries of a certificate (RFC 5280, section 4.2.1.6) as `DNS:name` and `IP:address`, at most MOST.

    Public addresses are left out: the authority must not vouch for them, and those of IPv6 change with the provider.
    """
    private = sorted({address for address in addresses if is_private(address)}, key=lambda one: (one.version, int(one)))
    return tuple([*(f"DNS:{name}" for name in dns_names(names)), *(f"IP:{address}" for address in private)][:MOST])


def constraints(names: Iterable[str]) -> tuple[str, ...]:
    """Return what the authority is limited to (RFC 5280, section 4.2.1.10): names and those below them, PRIVATE."""
    networks = (f"IP:{network.network_address}/{network.netmask}" for network in PRIVATE)
    return (*(f"DNS:{name}" for name in dns_names(names)), *networks)


def covers(limits: Iterable[str], subject: str) -> bool:
    """Return whether an authority with these limits may vouch for the subject."""
    kind, _, value = subject.partition(":")
    if kind == "IP":
        return True  # `subjects` has private ones only, and each authority may vouch for these
    return any(kind == "DNS" and f".{value}".endswith(f".{limit.removeprefix('DNS:')}") for limit in limits)
