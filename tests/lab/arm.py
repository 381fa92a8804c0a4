"""A home whose gateway has one arm: devices, gateway and router share one switch.

phone  eth0 ── phone ┐            ┌ gateway ── eth0 gateway 192.168.50.1 and 198.51.100.2
laptop eth0 ── laptop├ br0 (switch)
tv     eth0 ── tv    ┘            └ internet ── eth0 internet 198.51.100.1, the outside on its loopback
"""

from __future__ import annotations

import json

from tests.lab.home import GATEWAY4, GATEWAY6, GATEWAY_MAC, INTERNET4, INTERNET6, INTERNET_MAC, LAN4, LAN6, Home
from tests.lab.machine import Machine
from tests.lab.referee import Octets

NEAR4, FAR4, _BETWEEN = "198.51.100.2", "198.51.100.1", "198.51.100.0/30"
"""This side and the other of the network between gateway and router."""
NEAR6, FAR6 = "fe80::50:ff:fe00:1", "fe80::50:ff:fe00:102"
"""The same, made of their MACs (RFC 4291, appendix A)."""


class OneArm(Home):
    """Each packet between a device and the outside crosses the gateway's eth0 twice."""

    def add_device(self, machine: Machine, port: str, mac: str) -> None:
        self._veth(self.switch, port, machine, "eth0", mac)
        self.switch.ip(f"link set {port} master br0 up")
        machine.ip("link set eth0 up")

    def _wire(self) -> None:
        self.switch = self._machine("switch")
        self.switch.ip("link add br0 type bridge mcast_snooping 0 stp_state 0")
        self.switch.ip("link set br0 up")
        self.switch.sysctl(net__ipv6__conf__br0__disable_ipv6=1)
        self.add_device(self.gateway, "gateway", GATEWAY_MAC)
        self.add_device(self.internet, "internet", INTERNET_MAC)
        self.gateway.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        # It would tell devices of the shorter way, which is what a one-armed gateway must not do.
        self.gateway.sysctl(net__ipv4__conf__all__send_redirects=0, net__ipv4__conf__eth0__send_redirects=0)
        for address in (f"{GATEWAY4}/24 brd +", f"{NEAR4}/30", f"{GATEWAY6}/64 nodad"):
            self.gateway.ip(f"address add {address} dev eth0")
        for address in (f"{FAR4}/30 dev eth0", f"{INTERNET4}/32 dev lo", f"{INTERNET6}/128 dev lo nodad"):
            self.internet.ip(f"address add {address}")
        # Whoever it answers, it answers from the outside.
        self.internet.ip(f"route replace {_BETWEEN} dev eth0 src {INTERNET4}")
        self.gateway.ip(f"route add default via {FAR4}")
        self.gateway.ip(f"-6 route add default via {FAR6} dev eth0 src {GATEWAY6}")
        self.internet.ip(f"-6 route add {LAN6} via {NEAR6} dev eth0 src {INTERNET6}")

        self.gateway.run("nft", "-f", "-", stdin=_OWN + (_MASQUERADE if self.masquerade else ""))
        if not self.masquerade:
            self.internet.ip(f"route add {LAN4} via {NEAR4} src {INTERNET4}")

    def own(self) -> Octets:
        """What the gateway itself exchanged with the outside, by its netfilter: forwarded packets are not in it."""
        listed = json.loads(self.gateway.run("nft", "-j", "list", "counters"))["nftables"]
        found = {entry["counter"]["name"]: entry["counter"] for entry in listed if "counter" in entry}
        return Octets(*(found[name][unit] for unit in ("bytes", "packets") for name in ("own_in", "own_out")))


_OWN = f"""
table inet own {{
  counter own_in {{ }}
  counter own_out {{ }}
  chain input {{ type filter hook input priority 0; ip saddr {INTERNET4} counter name own_in
                ip6 saddr {INTERNET6} counter name own_in; }}
  chain output {{ type filter hook output priority 0; ip daddr {INTERNET4} counter name own_out
                 ip6 daddr {INTERNET6} counter name own_out; }}
}}
"""
_MASQUERADE = f"""
table inet nat {{
  chain postrouting {{ type nat hook postrouting priority srcnat; oifname "eth0"
    ip saddr {LAN4} ip daddr != {LAN4} masquerade
    ip6 saddr {LAN6} ip6 daddr != {LAN6} masquerade; }}
}}
"""
