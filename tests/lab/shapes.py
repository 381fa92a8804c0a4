"""A router behind the home's gateway, without address translation."""

from __future__ import annotations

from tests.lab.home import (
    GATEWAY4,
    Home,
)
from tests.lab.machine import Machine

ATTIC_MAC = "02:50:00:00:00:21"
HOSTS = tuple(f"192.168.60.{10 + n}" for n in range(5))


def attic(home: Home) -> Machine:
    """A router behind ours, without address translation; its hosts are addresses on its inner side."""
    machine = home._machine("attic")
    home.add_device(machine, "attic", ATTIC_MAC)
    machine.ip("address add 192.168.50.2/24 dev eth0")
    machine.ip(f"route add default via {GATEWAY4}")
    for host in HOSTS:
        machine.ip(f"address add {host}/32 dev lo")
    home.gateway.ip("route add 192.168.60.0/24 via 192.168.50.2")
    home.internet.ip("route add 192.168.60.0/24 via 203.0.113.1")
    return machine
