"""A home whose gateway has a default route on its wan side: without NAT, or with NAT for IPv4 alone."""

from __future__ import annotations

import socket
from enum import Enum

from tests.lab.home import INTERNET6, Home, Links
from tests.lab.referee import Carried, Octets


class Nat(Enum):
    """What the gateway translates."""

    NONE = "none"
    IPV4 = "ipv4"


class RoutedHome(Home):
    """As `Home`; the provider's router is the default route of both families."""

    def __init__(self, nat: Nat) -> None:
        super().__init__(Links.CUT)
        self.nat = nat

    def _uplink(self) -> None:
        super()._uplink()
        if self.nat is Nat.IPV4:
            self.gateway.run("nft", "-f", "-", stdin=_MASQUERADE)

    def shown(self, carried: Carried) -> Octets:
        """What of a device's traffic has its own address on the wan side."""
        if self.nat is Nat.NONE:
            return carried.wan
        (octets_in, packets_in), (octets_out, packets_out) = (
            carried.detail.get(f"{way}_ipv6", (0, 0)) for way in _WAYS
        )
        return Octets(octets_in, octets_out, packets_in, packets_out)

    def meet_next_hop(self) -> None:
        """The provider's router forgets the gateway and asks for it: ARP, and solicitations from its link-local."""
        self.internet.ip("neigh flush all")
        self.gateway.ip("neigh flush dev wan")
        with self.internet.inside(), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
            sock.sendto(b"who is there?", ("ff02::1", 5353, 0, socket.if_nametoindex("eth0")))
        with self.gateway.inside(), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"a question", (INTERNET6, 53))


_WAYS = ("in", "out")
_MASQUERADE = """
table ip nat {
  chain postrouting { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }
}
"""
