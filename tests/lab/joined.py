"""Two machines joined by one link of any kind, called link0 at both ends."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.lab.home import quiet
from tests.lab.machine import LabError, Machine, NoLabError

LINK = "link0"
HERE4, THERE4 = "192.168.60.1", "192.168.60.2"
HERE6, THERE6 = "2001:db8:60::1", "2001:db8:60::2"
JUMBO = 9000

_TUNSETIFF, _TUN, _TAP, _NO_HEADER = 0x400454CA, 1, 2, 0x1000


class Joined(NamedTuple):
    here: Machine
    there: Machine


@contextmanager
def joined(kind: str) -> Iterator[Joined]:
    """Both machines with their addresses. Raises NoLabError with the reason where this machine has no such links."""
    with ExitStack() as stack:
        here, there = (stack.enter_context(_machine(name)) for name in ("here", "there"))
        both = Joined(here, there)
        stack.enter_context(_KINDS[kind](both))
        if kind != "loopback":
            for machine, ipv4, ipv6 in ((here, HERE4, HERE6), (there, THERE4, THERE6)):
                machine.ip(f"link set {LINK} up")
                if kind != "pppoe":
                    machine.ip(f"address add {ipv4}/24 dev {LINK}")
                machine.ip(f"address add {ipv6}/64 dev {LINK} nodad")
        yield both


@contextmanager
def _machine(name: str) -> Iterator[Machine]:
    machine = Machine(name)
    try:
        quiet(machine)
        yield machine
    finally:
        machine.close()


@contextmanager
def _veth(both: Joined) -> Iterator[None]:
    _cable(both, LINK)
    yield


@contextmanager
def _bridge(both: Joined) -> Iterator[None]:
    _cable(both, "port", LINK)
    both.here.ip(f"link add {LINK} mtu {JUMBO} type bridge mcast_snooping 0 stp_state 0")
    both.here.ip(f"link set port master {LINK} up")
    yield


@contextmanager
def _on_cable(both: Joined, words: str) -> Iterator[None]:
    _cable(both, "under")
    for machine in both:
        _add(machine, f"link add link under name {LINK} type {words}")
        machine.ip("link set under up")
    yield


@contextmanager
def _wireguard(both: Joined) -> Iterator[None]:
    _need("wg")
    _cable(both, "under")
    keys = []
    for number, machine in enumerate(both, 1):
        _add(machine, f"link add {LINK} type wireguard")
        machine.ip(f"address add 192.168.61.{number}/24 dev under")
        machine.ip("link set under up")
        private = machine.run("wg", "genkey")
        machine.run("wg", "set", LINK, "listen-port", "51820", "private-key", "/dev/stdin", stdin=private)
        keys.append(machine.run("wg", "pubkey", stdin=private).strip())
    for number, machine in enumerate(both, 1):
        peer = 3 - number
        words = ("endpoint", f"192.168.61.{peer}:51820", "allowed-ips", "0.0.0.0/0,::/0")
        machine.run("wg", "set", LINK, "peer", keys[peer - 1], *words)
    yield


@contextmanager
def _pppoe(both: Joined) -> Iterator[None]:
    if not Path("/dev/ppp").exists():
        raise NoLabError("this kernel has no PPP (no /dev/ppp)")
    _need("pppd", "pppoe", "pppoe-server")
    _cable(both, "under")
    for machine in both:
        machine.ip("link set under up")
    options = ["noauth", "nodetach", "local", "noipdefault", "ifname", "link0", "nodefaultroute"]
    both.there.start("pppoe-server", "-F", "-I", "under", "-L", THERE4, "-R", HERE4, "-N", "1")
    dial(both.here, options)
    yield


def dial(machine: Machine, options: list[str]) -> None:
    """Start a PPPoE session over `under`, and wait for its interface."""
    machine.start("pppd", "pty", "pppoe -I under", *options)
    until = time.monotonic() + 20
    while LINK not in machine.run("cat", "/proc/net/dev"):
        if time.monotonic() > until:
            raise LabError("no PPP session in 20 s")
        time.sleep(0.1)


@contextmanager
def _loopback(both: Joined) -> Iterator[None]:
    yield


@contextmanager
def tunnel(both: Joined, mode: int = _TUN) -> Iterator[None]:
    """A tun or tap at both ends, and two threads that carry what one end sends to the other."""
    if not Path("/dev/net/tun").exists():
        raise NoLabError("this kernel has no tun (no /dev/net/tun)")
    ends = [_tunnel_end(machine, mode) for machine in both]
    over = threading.Event()
    carriers = [threading.Thread(target=_carry, args=(*way, over), daemon=True) for way in (ends, ends[::-1])]
    try:
        for machine in both:  # an end that is down refuses what is written to it
            machine.ip(f"link set {LINK} txqueuelen 10000 up")
        for each in carriers:
            each.start()
        yield
    finally:
        over.set()
        for each in carriers:
            if each.ident:
                each.join()
        for end in ends:
            os.close(end)


def _tunnel_end(machine: Machine, mode: int) -> int:
    with machine.inside():
        end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22x", LINK.encode(), mode | _NO_HEADER))
    return end


def _carry(source: int, target: int, over: threading.Event) -> None:
    poll = select.poll()
    poll.register(source, select.POLLIN)
    while not over.is_set():
        if not poll.poll(100):
            continue
        try:
            os.write(target, os.read(source, 65536))
        except BlockingIOError:
            continue


def _cable(both: Joined, here: str, there: str | None = None) -> None:
    """A veth pair that takes one segment at a time, as a wire does."""
    there = there or here
    both.here.ip(f"link add {here} mtu {JUMBO} type veth peer name {there} mtu {JUMBO} netns {both.there.pid}")
    for machine, link in ((both.here, here), (both.there, there)):
        machine.ip(f"link set {link} gso_max_segs 1")


def _need(*programs: str) -> None:
    absent = [program for program in programs if not shutil.which(program)]
    if absent:
        raise NoLabError(f"this link needs {', '.join(absent)} (Debian: ppp pppoe wireguard-tools)")


def _add(machine: Machine, words: str) -> None:
    try:
        machine.ip(words)
    except LabError as error:
        raise NoLabError(f"this kernel refuses: ip {words}: {str(error).splitlines()[-1]}") from None


_KINDS: dict[str, Callable[[Joined], AbstractContextManager[None]]] = {
    "veth": _veth,
    "bridge": _bridge,
    "vlan": lambda both: _on_cable(both, "vlan id 7"),
    "tun": tunnel,
    "tap": lambda both: tunnel(both, _TAP),
    "wireguard": _wireguard,
    "pppoe": _pppoe,
    "loopback": _loopback,
}
KINDS = tuple(_KINDS)
EVERY_FRAME = ("veth", "tap")
"""Kinds whose far end sees whatever Ethernet frame was sent; a bridge takes in those for itself alone."""
