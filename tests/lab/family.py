"""A family's devices in the lab: leases from a real dnsmasq, IPv6 by its advertisements, names by a real avahi."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.lab.home import GATEWAY4, INTERNET4, INTERNET6, Home
from tests.lab.machine import LabError, Machine, end
from tests.lab.referee import Octets

PAYLOAD = 1000
_ECHO_HEADERS = {4: 28, 6: 48}
_SCRIPT = f"""#!/bin/sh
case $1 in
deconfig) ip -4 address flush dev $interface; rm -f "$WHERE" ;;
bound|renew)
  ip -4 address flush dev $interface
  ip address add $ip/24 brd + dev $interface
  ip route replace default via {GATEWAY4} dev $interface
  echo $ip > "$WHERE.new" && mv "$WHERE.new" "$WHERE" ;;
esac
"""


@contextmanager
def dnsmasq(gateway: Machine, folder: Path) -> Iterator[Path]:
    """Leases and router advertisements on br0; yields the lease file."""
    leases = folder / "dnsmasq.leases"
    words = ("--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file=", "--no-ping")
    where = ("--interface=br0", "--bind-interfaces", "--dhcp-authoritative", f"--dhcp-leasefile={leases}")
    given = ("--dhcp-range=192.168.50.100,192.168.50.199,255.255.255.0,2m", f"--dhcp-option=3,{GATEWAY4}")
    six = ("--enable-ra", "--dhcp-range=::,constructor:br0,ra-only")
    with (folder / "dnsmasq.log").open("w") as log:
        process = gateway.start("dnsmasq", *words, *where, *given, *six, stdout=log.fileno())
        try:
            wait_for(lambda: process.poll() is not None or leases.exists(), "dnsmasq keeps leases")
            if process.poll() is not None:
                raise LabError(f"dnsmasq ended: {(folder / 'dnsmasq.log').read_text()}")
            yield leases
        finally:
            end(process)


class Member:
    """A device that joins by DHCP and by router advertisements, and moves as real ones do."""

    def __init__(self, home: Home, folder: Path, name: str, mac: str, *asks: str) -> None:
        """`asks` are more words for udhcpc: what it calls itself, its client identifier."""
        self.machine = home._machine(name)
        self._home, self._folder, self._name, self._asks = home, folder, name, asks
        self._client: subprocess.Popen[str] | None = None
        self.plug("eth0", mac)

    def plug(self, link: str, mac: str) -> None:
        """One more interface, up, with IPv6 addresses of its own making (RFC 4862, RFC 8981)."""
        port = f"{self._name[:8]}-{link}"
        self._home._veth(self._home.gateway, port, self.machine, link, mac)
        self._home.gateway.ip(f"link set {port} master br0 up")
        settings = {"accept_ra": 1, "autoconf": 1, "use_tempaddr": 2, "router_solicitations": 5}
        settings |= {"router_solicitation_delay": 0, "router_solicitation_interval": 1}
        self.machine.sysctl(**{f"net__ipv6__conf__{link}__{key}": value for key, value in settings.items()})
        self.machine.ip(f"link set {link} up")

    def lease(self, *more: str, link: str = "eth0", wants: str | None = None) -> str:
        """Ask for an address, or for a certain one; returns it, once there is one of IPv6 too."""
        script, where = self._folder / "udhcpc.sh", self._folder / f"{self._name}.{link}"
        script.write_text(_SCRIPT)
        script.chmod(0o755)
        where.unlink(missing_ok=True)
        words = ("udhcpc", "-f", "-i", link, "-s", str(script), "-t", "10", "-T", "1")
        asked = ("-r", wants) if wants else ()
        self._client = self.machine.start(
            *words, *asked, *self._asks, *more, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "WHERE": str(where)}
        )
        wait_for(where.exists, f"a lease for {self._name}")
        wait_for(lambda: len(self.addresses(link)) >= 2, f"{self._name} makes addresses of IPv6")
        return where.read_text().strip()

    def release(self) -> None:
        """Give the address back."""
        assert self._client
        self._client.send_signal(signal.SIGUSR2)
        wait_for(lambda: "192.168.50." not in self.machine.ip("-4 address show"), f"{self._name} released its address")
        self.leave()

    def leave(self) -> None:
        """The DHCP client ends, and says nothing."""
        if self._client:
            end(self._client)

    def change_mac(self, mac: str) -> None:
        """As a phone does it: away, and back as somebody else."""
        self.leave()
        self.machine.ip("-4 address flush dev eth0")
        self.machine.ip("link set eth0 down")
        self.machine.ip(f"link set eth0 address {mac}")
        self.machine.ip("link set eth0 up")

    def addresses(self, link: str = "eth0") -> list[str]:
        """Those of IPv6 that reach beyond the link."""
        shown = self.machine.ip(f"-6 -o address show dev {link} scope global").split("\n")
        return [line.split()[3].split("/")[0] for line in shown if line and " tentative" not in line]

    def announces(self, host: str) -> None:
        """avahi says the host's name on the link (RFC 6762)."""
        config = self._folder / f"{self._name}.avahi"
        config.write_text(
            f"[server]\nhost-name={host}\nenable-dbus=no\nallow-interfaces=eth0\n[publish]\n[reflector]\n"
        )
        self.machine.run("mount", "-t", "tmpfs", "none", "/run")
        process = self.machine.start(
            "avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits", "--file", str(config)
        )
        assert process.stdout
        said = ""
        while "startup complete" not in said:
            line = process.stdout.readline()
            said += line
            if not line:
                raise LabError(f"avahi-daemon ended: {said}")


def surf(machine: Machine, six: int = 10, four: int = 10, source: str | None = None) -> Octets:
    """Echo requests to the Internet, each answered; returns what that is, headers included."""
    machine.run("sysctl", "-qw", "net.ipv4.ping_group_range=0 0")
    for target, count in ((INTERNET4, four), (INTERNET6, six)):
        if count:
            _exchange(machine, target, count, source)
    octets = four * (_ECHO_HEADERS[4] + PAYLOAD) + six * (_ECHO_HEADERS[6] + PAYLOAD)
    return Octets(octets, octets, four + six, four + six)


def _exchange(machine: Machine, target: str, count: int, source: str | None) -> None:
    six = ":" in target
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    with machine.inside(), socket.socket(family, socket.SOCK_DGRAM, protocol) as sock:
        sock.settimeout(5)
        if source:
            sock.bind((source, 0))
        sock.connect((target, 0))
        for number in range(count):
            sock.send(bytes([128 if six else 8, 0, 0, 0, 0, 0]) + number.to_bytes(2, "big") + bytes(PAYLOAD))
            sock.recv(65536)


def send(gateway: Machine, port: int, method: str, path: str, body: object = None) -> Any:
    """An edit, as our own page on the machine itself sends it."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.sock = gateway.connect("127.0.0.1", port)
    try:
        connection.request(method, path, json.dumps(body or {}), {"content-type": "application/json"})
        answer = connection.getresponse()
        content = json.loads(answer.read())
        if answer.status != 200:
            raise LabError(f"{method} {path}: {answer.status} {content}")
        return content
    finally:
        connection.close()


def wait_for(holds: Callable[[], object], what: str, limit_s: float = 15) -> None:
    until = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > until:
            raise LabError(f"never within {limit_s:.0f} s: {what}")
        time.sleep(0.05)
