"""A home network of network namespaces: a gateway with a bridge, three devices and an Internet host.

phone  eth0 ── phone ┐
laptop eth0 ── laptop├ br0 (gateway) wan ── eth0 internet
tv     eth0 ── tv    ┘
192.168.50.0/24, 2001:db8:50::/64    203.0.113.0/24, 2001:db8:cafe::/64 (RFC 5737, RFC 3849)
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.machine import Machine, NoLabError, missing

LAN4, LAN6 = "192.168.50.0/24", "2001:db8:50::/64"
GATEWAY_MAC, WAN_MAC, INTERNET_MAC = "02:50:00:00:00:01", "02:50:00:00:01:01", "02:50:00:00:01:02"
GATEWAY4, GATEWAY6 = "192.168.50.1", "2001:db8:50::1"
INTERNET4, INTERNET6 = "203.0.113.2", "2001:db8:cafe::2"


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the household; `number` is the last octet of its addresses (in hexadecimal for the MAC)."""

    name: str
    number: int

    @property
    def mac(self) -> str:
        return f"02:50:00:00:00:{self.number}"

    @property
    def ipv4(self) -> str:
        return f"192.168.50.{self.number}"

    @property
    def ipv6(self) -> str:
        return f"2001:db8:50::{self.number}"


PHONE, LAPTOP, TV = DEVICES = (Device("phone", 11), Device("laptop", 12), Device("tv", 13))


class Links(Enum):
    """Where giant packets (TSO, GSO) are cut to what a wire would carry."""

    GIANT = "giant"
    """Devices and the Internet host hand over giant packets as their kernel likes; the gateway cuts them on
    its way out, as a network card would. What arrives at a far end is what the wire carries, so downloads
    are taken at the device, and uploads at the Internet host."""

    CUT = "cut"
    """Every end cuts before it sends: the counters of the devices' own interfaces are the wire's."""


class Home:
    """The whole network, up when entered; everything ends with it. Raises NoLabError with the reason."""

    def __init__(self, links: Links = Links.GIANT, masquerade: bool = False) -> None:
        self.links = links
        self.masquerade = masquerade
        self.devices: dict[str, Machine] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        reason = missing()
        if reason:
            raise NoLabError(reason)
        with self._stack:
            self.gateway = self._machine("gateway")
            self.internet = self._machine("internet")
            self._wire()
            for device in DEVICES:
                self.join(device)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def __getitem__(self, device: Device) -> Machine:
        return self.devices[device.name]

    def add_device(self, machine: Machine, port: str, mac: str) -> None:
        """Plug `machine` into the bridge; its end is called eth0."""
        self._veth(self.gateway, port, machine, "eth0", mac)
        self.gateway.ip(f"link set {port} master br0 up")
        machine.ip("link set eth0 up")

    def join(self, device: Device) -> Machine:
        """A device comes into the house: plugged in, with its addresses, the gateway its way out."""
        machine = self.devices[device.name] = self._machine(device.name)
        self.add_device(machine, device.name, device.mac)
        _addresses(machine, "eth0", f"{device.ipv4}/24", f"{device.ipv6}/64")
        _routes(machine, GATEWAY4, GATEWAY6)
        return machine

    def _machine(self, name: str) -> Machine:
        machine = Machine(name)
        self._stack.callback(machine.close)
        quiet(machine)
        return machine

    def _wire(self) -> None:
        # No snooping: a bridge that asks for group members is noise. Its MAC is fixed before ports come.
        self.gateway.ip(f"link add br0 address {GATEWAY_MAC} type bridge mcast_snooping 0 stp_state 0")
        self.gateway.ip("link set br0 up")
        plain_bridge(self.gateway)
        _addresses(self.gateway, "br0", f"{GATEWAY4}/24", f"{GATEWAY6}/64")
        self._uplink()
        self.gateway.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        if self.masquerade:
            self.gateway.run("nft", "-f", "-", stdin=_MASQUERADE)

    def _uplink(self) -> None:
        self._veth(self.gateway, "wan", self.internet, "eth0", INTERNET_MAC)
        self.gateway.ip(f"link set wan address {WAN_MAC} up")
        self.internet.ip("link set eth0 up")
        _addresses(self.gateway, "wan", "203.0.113.1/24", "2001:db8:cafe::1/64")
        _addresses(self.internet, "eth0", f"{INTERNET4}/24", f"{INTERNET6}/64")
        if self.masquerade:
            return
        self.internet.ip(f"route add {LAN4} via 203.0.113.1")
        self.internet.ip(f"route add {LAN6} via 2001:db8:cafe::1")
        _routes(self.gateway, INTERNET4, INTERNET6)

    def _veth(self, here: Machine, port: str, there: Machine, far: str, far_mac: str) -> None:
        here.ip(f"link add {port} type veth peer name {far} address {far_mac} netns {there.pid}")
        # A link that takes one segment at a time makes the kernel cut giant packets in front of it.
        here.ip(f"link set {port} gso_max_segs 1")
        if self.links is Links.CUT:
            there.ip(f"link set {far} gso_max_segs 1")


_MASQUERADE = """
table inet nat {
  chain postrouting { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }
}
"""


def quiet(machine: Machine) -> None:
    """No duplicate address detection, no router solicitations: less noise, and addresses usable at once."""
    for scope in ("all", "default"):
        machine.sysctl(
            **{
                f"net__ipv6__conf__{scope}__accept_dad": 0,
                f"net__ipv6__conf__{scope}__accept_ra": 0,
                f"net__ipv6__conf__{scope}__router_solicitations": 0,
                f"net__ipv6__conf__{scope}__disable_ipv6": 0,
            }
        )


def plain_bridge(machine: Machine) -> None:
    """Frames cross the bridge without netfilter. Where br_netfilter is loaded it would, with masquerading on,
    put fragments together before br0 sees them: then nothing on br0 is what the wire carried."""
    for name in ("iptables", "ip6tables", "arptables"):
        if Path(f"/proc/sys/net/bridge/bridge-nf-call-{name}").exists():
            machine.run("sysctl", "-qw", f"net.bridge.bridge-nf-call-{name}=0")


def _addresses(machine: Machine, link: str, ipv4: str, ipv6: str) -> None:
    machine.ip(f"address add {ipv4} brd + dev {link}")
    machine.ip(f"address add {ipv6} dev {link} nodad")


def _routes(machine: Machine, ipv4: str, ipv6: str) -> None:
    machine.ip(f"route add default via {ipv4}")
    machine.ip(f"-6 route add default via {ipv6}")
