"""Two machines joined by one link of any kind, called link0 at both ends."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.lab.home import quiet
from tests.lab.machine import SLOWER, LabError, Machine, NoLabError

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
    """A session that the kernel carries, as a home's gateway does; at the provider's end too where it can.

    A program would carry it there otherwise, and lose packets when it is late.
    """
    if not Path("/dev/ppp").exists():
        raise NoLabError("this kernel has no PPP (no /dev/ppp)")
    _need("pppd", "pppoe", "pppoe-server")
    _cable(both, "under")
    for machine in both:
        machine.ip("link set under mtu 1500 up")
    with TemporaryDirectory(prefix="whitestat-ppp-") as folder:
        options = Path(folder) / "options"
        options.write_text(" ".join(_PPP_OPTIONS) + "\n")
        words = ("-F", "-I", "under", "-L", THERE4, "-R", HERE4, "-N", "9", "-O", str(options))
        kernel = ("-k",) if _PPPOE_PLUGIN.exists() else ()
        both.there.start("pppoe-server", *kernel, *words, stdout=subprocess.DEVNULL)
        dial(both)
        yield


def dial(both: Joined) -> subprocess.Popen[str]:
    """Begin a PPPoE session over `under`, and wait for its interface at both ends."""
    words = ("plugin", "rp-pppoe.so", "nic-under", "nodetach", *_PPP_OPTIONS)
    session = both.here.start("pppd", *words)
    try:
        _wait(lambda: all(map(_speaks_ppp, both)), "no PPP session")
    except LabError as error:
        session.kill()
        raise LabError(f"{error}: {session.communicate()[0]}") from None
    return session


def _speaks_ppp(machine: Machine) -> bool:
    """Both families were agreed on: pppd gives the interface an address of each."""
    held = json.loads(machine.ip("-j address"))
    found = [each["family"] for link in held if link.get("ifname") == LINK for each in link["addr_info"]]
    return {"inet", "inet6"} <= set(found)


_PPPOE_PLUGIN = Path("/etc/ppp/plugins/rp-pppoe.so")
"""Where pppoe-server looks for it; Debian has it elsewhere, and `make links` puts a link there."""
_PPP_OPTIONS = (
    *("noauth", "noipdefault", "nodefaultroute", "noccp", "+ipv6", "lcp-echo-interval", "0"),
    *("ifname", LINK),
)


@contextmanager
def _wifi(both: Joined) -> Iterator[None]:
    """An access point, and a station that is its guest: Wi-Fi in managed mode, the meter on the station's side."""
    radios = [each for each in sorted(Path("/sys/class/ieee80211").glob("phy*")) if _is_simulated(each)]
    if len(radios) < 2:
        raise NoLabError("this kernel has no two simulated radios (mac80211_hwsim)")
    _need("iw", "hostapd")
    for machine, radio in zip(both, radios, strict=False):
        wireless = next((radio / "device/net").iterdir()).name
        subprocess.run(["iw", "phy", radio.name, "set", "netns", str(machine.pid)], check=True)
        machine.ip(f"link set {wireless} name {LINK}")
    with TemporaryDirectory(prefix="whitestat-wifi-") as folder:
        config = Path(folder) / "hostapd.conf"
        config.write_text(f"interface={LINK}\ndriver=nl80211\nssid=lab\nhw_mode=g\nchannel=1\nwmm_enabled=1\n")
        both.there.start("hostapd", str(config), stdout=subprocess.DEVNULL)
        both.here.ip(f"link set {LINK} up")
        both.here.run("iw", "dev", LINK, "set", "power_save", "off")
        _wait(lambda: _joins(both.here), "the station found no access point")
        yield


def _is_simulated(radio: Path) -> bool:
    """Nothing real is ever taken."""
    return (radio / "device/driver").resolve().name == "mac80211_hwsim"


def _joins(station: Machine) -> bool:
    if "Connected to" in station.run("iw", "dev", LINK, "link"):
        return True
    with suppress(LabError):  # it is busy looking
        station.run("iw", "dev", LINK, "connect", "lab")
    return False


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + 20 * SLOWER
    while not condition():
        if time.monotonic() > until:
            raise LabError(f"{otherwise} in {20 * SLOWER} s")
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
        raise NoLabError(f"this link needs {', '.join(absent)} (Debian: ppp pppoe wireguard-tools iw hostapd)")


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
    "wifi": _wifi,
    "loopback": _loopback,
}
KINDS = tuple(_KINDS)
EVERY_FRAME = ("veth", "tap")
"""Kinds whose far end sees whatever Ethernet frame was sent; a bridge takes in those for itself alone."""
