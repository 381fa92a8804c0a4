"""What the devices' own interfaces carried, taken without the program: nftables and interface counters.

Two referees of different make must agree before their word is used: nftables' counters of packets sorted
by family, protocol and scope, and the interface's own octets less 14 of Ethernet for each packet.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import NamedTuple

from tests.lab.home import DEVICES, LAN4, LAN6, Device, Home, Links
from tests.lab.machine import LabError, Machine

ETHERNET_HEADER = 14
PROTOCOLS = {"ipv4": ("tcp", "udp", "icmp"), "ipv6": ("tcp", "udp", "icmpv6")}
"""What is told apart, by family; the family's own counter holds these and all the rest."""
_FIELDS = {"ipv4": ("ip saddr", "ip daddr", "ip protocol"), "ipv6": ("ip6 saddr", "ip6 daddr", "ip6 nexthdr")}
_NEAR = {
    "ipv4": f"{{ {LAN4}, 224.0.0.0/4, 255.255.255.255 }}",
    "ipv6": f"{{ {LAN6}, fe80::/10, ff00::/8 }}",
}


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
        owner = "" if self._home.links is Links.CUT else f"{device.name}_"
        detail = {name: own[name] for name in _names("in")}
        detail |= {name: sent[owner + name] for name in _names("out")}
        total = [
            [sum(detail[f"{way}_{family}"][unit] for family in PROTOCOLS) for way in ("in", "out")] for unit in (0, 1)
        ]
        return Carried(Octets(*total[0], *total[1]), detail)

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


def frames(machine: Machine, link: str) -> tuple[int, int]:
    """(IP octets, packets) that a bridge carried by its own counters; it counts what it receives without header."""
    for line in machine.run("cat", "/proc/net/dev").splitlines():
        name, _, figures = line.partition(":")
        if name.strip() == link:
            column = list(map(int, figures.split()))
            return column[0] + column[8] - 14 * column[9], column[1] + column[9]
    raise LabError(f"no {link}")


def _names(way: str) -> list[str]:
    """Counters of one direction to or from the outside: each family's, and those of its protocols."""
    kinds = [f"{way}_{family}_{protocol}" for family in PROTOCOLS for protocol in PROTOCOLS[family]]
    return [*(f"{way}_{family}" for family in PROTOCOLS), *kinds]


def _device_rules(device: Device) -> str:
    # What it shouts it hears itself, from the inside: that never crossed the interface.
    incoming = [f"ip saddr {device.ipv4} return", f"ip6 saddr {device.ipv6} return", "counter name all_in"]
    outgoing = ["counter name all_out"]
    for family, (source, target, protocol) in _FIELDS.items():
        for way, far, rules in (("in", source, incoming), ("out", target, outgoing)):
            kinds = ", ".join(f'{each} : "{way}_{family}_{each}"' for each in PROTOCOLS[family])
            rules.append(f"{far} != {_NEAR[family]} counter name {way}_{family}")
            rules.append(f"{far} != {_NEAR[family]} counter name {protocol} map {{ {kinds} }}")
    return _table([*_names("in"), *_names("out")], incoming, outgoing)


def _internet_rules() -> str:
    incoming = ["counter name all_in"]
    for family, (source, _, protocol) in _FIELDS.items():
        owners = {(each.ipv4 if family == "ipv4" else each.ipv6): each.name for each in DEVICES}
        totals = ", ".join(f'{address} : "{name}_out_{family}"' for address, name in owners.items())
        kinds = ", ".join(
            f'{address} . {each} : "{name}_out_{family}_{each}"'
            for address, name in owners.items()
            for each in PROTOCOLS[family]
        )
        incoming.append(f"counter name {source} map {{ {totals} }}")
        incoming.append(f"counter name {source} . {protocol} map {{ {kinds} }}")
    names = [f"{device.name}_{name}" for device in DEVICES for name in _names("out")]
    return _table(names, incoming, ["counter name all_out"])


def _table(names: list[str], incoming: list[str], outgoing: list[str]) -> str:
    """Both chains sit at the interface: the first to see what comes, the last before the driver."""
    declared = [f"counter {name} {{ }}" for name in ("all_in", "all_out", *names)]
    chains = []
    for hook, rules in (("ingress", incoming), ("egress", outgoing)):
        chains += [f'chain {hook} {{ type filter hook {hook} device "eth0" priority -500', *rules, "}"]
    fresh = ["table netdev referee", "delete table netdev referee", "table netdev referee {"]
    return "\n".join([*fresh, *declared, *chains, "}"])


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
    return {link["ifname"]: link["stats64"]["rx"]["dropped"] + link["stats64"]["tx"]["dropped"] for link in links}
