"""What the devices' own interfaces carried, taken without the program: nftables and interface counters.

Two referees of different make must agree before their word is used: nftables' counters of packets sorted
by family, protocol and scope, and the interface's own octets less 14 of Ethernet for each packet.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from tests.lab.home import DEVICES, LAN4, LAN6, Device, Home, Links
from tests.lab.machine import LabError, Machine

ETHERNET_HEADER = 14
KINDS = tuple(
    f"{family}_{protocol}" for family in ("ipv4", "ipv6") for protocol in ("tcp", "udp", "icmp", "rest")
)
_MATCHES = {
    "ipv4_tcp": "ip protocol tcp",
    "ipv4_udp": "ip protocol udp",
    "ipv4_icmp": "ip protocol icmp",
    "ipv4_rest": "ip protocol != { tcp, udp, icmp }",
    "ipv6_tcp": "ip6 nexthdr tcp",
    "ipv6_udp": "ip6 nexthdr udp",
    "ipv6_icmp": "ip6 nexthdr icmpv6",
    "ipv6_rest": "ip6 nexthdr != { tcp, udp, icmpv6 }",
}
_NEAR = {"ipv4": f"{{ {LAN4} }}", "ipv6": f"{{ {LAN6}, fe80::/10, ff00::/8 }}"}


class Octets(NamedTuple):
    """Octets and packets in and out of one device."""

    octets_in: int = 0
    octets_out: int = 0
    packets_in: int = 0
    packets_out: int = 0


class Carried(NamedTuple):
    """What one device's interface carried to and from the outside; `detail` by direction and kind."""

    wan: Octets
    detail: Mapping[str, tuple[int, int]]

    def minus(self, earlier: Carried) -> Carried:
        wan = Octets(*(now - then for now, then in zip(self.wan, earlier.wan, strict=True)))
        detail = {
            key: (octets - earlier.detail[key][0], packets - earlier.detail[key][1])
            for key, (octets, packets) in self.detail.items()
        }
        return Carried(wan, {key: value for key, value in detail.items() if value[1]})


class Referee:
    """Sits in the devices and at the Internet host of a home, and reads what passed."""

    def __init__(self, home: Home) -> None:
        self._home = home
        for device in DEVICES:
            home[device].run("nft", "-f", "-", stdin=_device_rules(device))
        home.internet.run("nft", "-f", "-", stdin=_internet_rules())
        self._before = {machine.pid: self._at_rest(machine) for machine in self._machines()}
        self._lost = self.lost()

    def read(self) -> dict[Device, Carried]:
        """What each device carried so far; LabError when the referees differ or the lab lost packets."""
        if self.lost() != self._lost:
            raise LabError(f"the lab's own links lost packets: {self.lost()} after {self._lost}")
        for machine in self._machines():
            self._agree(machine)
        uploads = _counters(self._home.internet)
        return {device: self._carried(device, uploads) for device in DEVICES}

    def lost(self) -> dict[str, int]:
        """Packets that links of the lab dropped for want of room, by link."""
        return {
            f"{machine.name}.{link}": packets
            for machine in (self._home.gateway, self._home.internet, *self._home.devices.values())
            for link, packets in _dropped(machine).items()
            if link not in ("lo", "br0")
        }

    def _carried(self, device: Device, uploads: Mapping[str, tuple[int, int]]) -> Carried:
        own = _counters(self._home[device])
        sent = own if self._home.links is Links.CUT else uploads
        name = "" if self._home.links is Links.CUT else f"{device.name}_"
        detail = {f"in_{kind}": own[f"in_wan_{kind}"] for kind in KINDS}
        detail |= {f"out_{kind}": sent[f"{name}out_wan_{kind}"] for kind in KINDS}
        total: Counter[str] = Counter()
        for key, (octets, packets) in detail.items():
            total[f"octets_{key.split('_')[0]}"] += octets
            total[f"packets_{key.split('_')[0]}"] += packets
        return Carried(Octets(**total), detail)

    def _machines(self) -> list[Machine]:
        return [*self._home.devices.values(), self._home.internet]

    def _agree(self, machine: Machine) -> None:
        """In cut homes both directions can be compared, elsewhere what a far end receives. A packet may pass
        between the two looks, so there is more than one try."""
        then = self._before[machine.pid]
        sides = 2 if self._home.links is Links.CUT and machine is not self._home.internet else 1
        for _ in range(5):
            now = self._links_less_rules(machine)
            if now[:sides] == then[:sides]:
                return
            time.sleep(0.05)
        raise LabError(f"{machine.name}: the interface's counters and nftables' differ by {now} after {then}")

    def _at_rest(self, machine: Machine) -> tuple[int, int]:
        """What the interface counted before the rules were there, looked at until no packet came between."""
        last = self._links_less_rules(machine)
        for _ in range(50):
            time.sleep(0.02)
            now = self._links_less_rules(machine)
            if now == last:
                return now
            last = now
        raise LabError(f"{machine.name}: the link is never quiet")

    @staticmethod
    def _links_less_rules(machine: Machine) -> tuple[int, int]:
        """Octets in, and out, that the interface counted and the rules did not."""
        rules, stats = _counters(machine), _interface(machine, "eth0")
        carried_in = stats["rx"]["bytes"] - ETHERNET_HEADER * stats["rx"]["packets"]
        carried_out = stats["tx"]["bytes"] - ETHERNET_HEADER * stats["tx"]["packets"]
        return carried_in - rules["all_in"][0], carried_out - rules["all_out"][0]


def _device_rules(device: Device) -> str:
    # What it shouts it hears itself, from the inside: that never crossed the interface.
    own = [f"ip saddr {device.ipv4} return", f"ip6 saddr {device.ipv6} return"]
    rules = ([*own, "counter name all_in"], ["counter name all_out"])
    for kind in KINDS:
        ip = "ip" if kind.startswith("ipv4") else "ip6"
        near = _NEAR[kind[:4]]
        rules[0].append(f"{ip} saddr != {near} {_MATCHES[kind]} counter name in_wan_{kind}")
        rules[1].append(f"{ip} daddr != {near} {_far(ip)} {_MATCHES[kind]} counter name out_wan_{kind}")
    names = [f"{side}_wan_{kind}" for side in ("in", "out") for kind in KINDS]
    return _table(names, *rules)


def _far(ip: str) -> str:
    """Neither broadcast nor multicast, which are local whatever their address."""
    return "ip daddr != { 224.0.0.0/4, 255.255.255.255 }" if ip == "ip" else ""


def _internet_rules() -> str:
    rules, names = ["counter name all_in"], []
    for device in DEVICES:
        for kind in KINDS:
            name = f"{device.name}_out_wan_{kind}"
            source = f"ip saddr {device.ipv4}" if kind.startswith("ipv4") else f"ip6 saddr {device.ipv6}"
            rules.append(f"{source} {_MATCHES[kind]} counter name {name}")
            names.append(name)
    return _table(names, rules, ["counter name all_out"])


def _table(names: list[str], incoming: list[str], outgoing: list[str]) -> str:
    """Both chains sit at the interface: the first to see what comes, the last before the driver."""
    declared = [f"counter {name} {{ }}" for name in ("all_in", "all_out", *names)]
    chains = []
    for hook, rules in (("ingress", incoming), ("egress", outgoing)):
        chains += [f'chain {hook} {{ type filter hook {hook} device "eth0" priority -500', *rules, "}"]
    return "\n".join(["table netdev referee {", *declared, *chains, "}"])


def _counters(machine: Machine) -> dict[str, tuple[int, int]]:
    """IP octets and packets of every named counter."""
    listed = json.loads(machine.run("nft", "-j", "list", "counters"))["nftables"]
    found = {}
    for counter in (entry["counter"] for entry in listed if "counter" in entry):
        name, packets = counter["name"], counter["packets"]
        # On the way out the Ethernet header is there already, on the way in it is gone.
        link = ETHERNET_HEADER if name.startswith(("out_", "all_out")) else 0
        found[name] = (counter["bytes"] - link * packets, packets)
    return found


def _interface(machine: Machine, link: str) -> dict[str, dict[str, int]]:
    stats: dict[str, dict[str, int]] = json.loads(machine.ip(f"-j -s link show {link}"))[0]["stats64"]
    return stats


def _dropped(machine: Machine) -> dict[str, int]:
    links = json.loads(machine.ip("-j -s link"))
    return {
        link["ifname"]: link["stats64"]["rx"]["dropped"] + link["stats64"]["tx"]["dropped"] for link in links
    }
