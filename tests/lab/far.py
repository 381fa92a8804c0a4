"""What the far end of a link counted, beside what the service says of its own end."""

from __future__ import annotations

import json
from typing import Any

from tests.lab.joined import CABLE, LINK, Joined
from tests.lab.machine import Machine
from tests.lab.service import Service

WIREGUARD, PADDING_MOST, HANDSHAKES = 32, 15, 1_000
"""Octets that WireGuard's counters have beyond each packet, up to how many more, and of what is no packet inside."""
PPPOE = 8
"""Octets of the headers of a session's packet (RFC 2516, section 4) and of PPP in it."""


def at_rest(ends: Joined, service: Service, link: str = LINK) -> dict[str, Any]:
    """Coverage when all that has passed is booked, with what the far end had carried then as `far`.

    A machine says something of its own now and then, so it is read again until nothing came between."""
    while True:
        far = carried(ends, link)
        service.settle()
        service.settle()
        (point,) = service.get("/api/v1/coverage?start=2000-01-01&end=2100-01-01").json["points"]
        if far == carried(ends, link):
            return {**point, "far": far}


def octets(point: dict[str, Any]) -> int:
    return int(point["octets_attributed"] + point["octets_unattributed"])


def carried(ends: Joined, link: str = LINK) -> int:
    """IP octets that crossed a link both ways, by counters of the far end; nothing may have been dropped.

    What Wi-Fi sends has its own header in the sender's counter, so there it is what each end received. WireGuard's
    counters have what its packets are outside: its padding cannot be told, and is left in. A VLAN interface's leave the
    link header out of what it received. On the cable below PPPoE, what crossed link0 has a header more."""
    if link == CABLE:
        return _octets(ends, link) - PPPOE * packets(ends)
    return _octets(ends, link)


def _octets(ends: Joined, link: str) -> int:
    far = _counters(ends.there, link)
    if far is None:
        return 0
    kind = ends.there.run("cat", f"/sys/class/net/{link}/uevent")
    near = _counters(ends.here, link) if "DEVTYPE=wlan" in kind else None
    received, sent = far["rx"], near["rx"] if near else far["tx"]
    header = far["header"]["octets"] or (WIREGUARD if "DEVTYPE=wireguard" in kind else 0)
    received_header = 0 if "DEVTYPE=vlan" in kind else header
    assert far["tx"]["dropped"] == 0, "the lab's own link lost packets"
    octets = received["bytes"] - received_header * received["packets"] + sent["bytes"] - header * sent["packets"]
    return int(octets)


def _counters(machine: Machine, link: str) -> dict[str, dict[str, int]] | None:
    for each in json.loads(machine.ip("-j -s link")):
        if each["ifname"] == link:
            return {**each["stats64"], "header": {"octets": 14 if each["link_type"] == "ether" else 0}}
    return None


def packets(ends: Joined) -> int:
    """Packets that crossed link0 both ways."""
    far = _counters(ends.there, LINK)
    return far["rx"]["packets"] + far["tx"]["packets"] if far else 0
