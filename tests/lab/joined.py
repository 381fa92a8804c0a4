"""Two machines joined by one link of any kind, called link0 at both ends."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tests.lab.home import plain_bridge, quiet
from tests.lab.machine import SLOWER, LabError, Machine, NoLabError

LINK, CABLE = "link0", "under"
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
    with apart() as both, _KINDS[kind](both):
        if kind != "loopback":
            for machine, ipv4, ipv6 in ((both.here, HERE4, HERE6), (both.there, THERE4, THERE6)):
                machine.ip(f"link set {LINK} up")
                if "pppoe" not in kind:
                    machine.ip(f"address add {ipv4}/24 dev {LINK}")
                machine.ip(f"address add {ipv6}/64 dev {LINK} nodad")
        yield both


@contextmanager
def apart() -> Iterator[Joined]:
    """Both machines, with nothing between them."""
    with _machine("here") as here, _machine("there") as there:
        yield Joined(here, there)


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
    plain_bridge(both.here)
    _cable(both, "port", LINK)
    both.here.ip(f"link add {LINK} mtu {JUMBO} type bridge mcast_snooping 0 stp_state 0")
    both.here.ip(f"link set port master {LINK} up")
    yield


@contextmanager
def _on_cable(both: Joined, words: str) -> Iterator[None]:
    _cable(both, CABLE)
    for machine in both:
        _add(machine, f"link add link under name {LINK} gso_max_segs 1 type {words}")
        machine.ip("link set under up")
    yield


@contextmanager
def _wireguard(both: Joined) -> Iterator[None]:
    _need("wg")
    _cable(both, CABLE)
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
    with provider(both), session(both):
        await_addresses(both, "inet", "inet6")
        yield


@contextmanager
def provider(both: Joined, echo_s: int = 0) -> Iterator[None]:
    """There is an access concentrator (RFC 2516) on the cable `under`, and the kernel carries its sessions.

    Debian's pppoe-server leaves that to a program, which loses packets when it is late; so the pppd that it begins for
    a session is told to do as a client's. Asked for an echo every `echo_s` seconds, who misses a few has hung up."""
    if not Path("/dev/ppp").exists():
        raise NoLabError("this kernel has no PPP (no /dev/ppp)")
    _need("pppd", "pppoe-server")
    _cable(both, CABLE)
    for machine in both:
        machine.ip("link set under mtu 1500 up")
    with TemporaryDirectory(prefix="whitestat-ppp-") as folder:
        options, pool, pppd = (Path(folder) / name for name in ("options", "pool", "pppd"))
        pool.write_text(f"{HERE4}\n" * 9)  # whichever session it is
        options.write_text(f"{' '.join(_PPP_OPTIONS)} lcp-echo-interval {echo_s} lcp-echo-failure {2 + SLOWER}\n")
        pppd.write_text(_KERNEL_PPPD)
        pppd.chmod(0o755)
        words = ("-F", "-I", "under", "-L", THERE4, "-p", str(pool), "-O", str(options), "-q", str(pppd))
        both.there.start("pppoe-server", *words, stdout=subprocess.DEVNULL)
        yield


@contextmanager
def session(both: Joined, ended_by: signal.Signals = signal.SIGTERM) -> Iterator[None]:
    """A PPPoE session over `under`, from when its interface is up here to when it is gone at both ends.

    Killed (SIGKILL), this end says no farewell, and the provider finds out by itself."""
    pppd = both.here.start("pppd", "plugin", "rp-pppoe.so", "nic-under", "nodetach", *_PPP_OPTIONS)
    try:
        _wait(lambda: "UP" in _link(both.here).get("flags", ()), "no PPP session")
        yield
    except LabError as error:
        pppd.kill()
        raise LabError(f"{error}: {pppd.communicate()[0]}") from None
    pppd.send_signal(ended_by)
    _wait(lambda: not any(map(_link, both)), "the PPP session did not end")


def _link(machine: Machine) -> dict[str, Any]:
    """What `ip` says of link0; empty where there is none."""
    return next((link for link in json.loads(machine.ip("-j address")) if link.get("ifname") == LINK), {})


def await_addresses(both: Joined, *families: str) -> None:
    """Wait until link0 has an address of each family at both ends: pppd gives it one when that is agreed on."""

    def held(machine: Machine) -> set[str]:
        return {each["family"] for each in _link(machine).get("addr_info", ())}

    _wait(lambda: all(set(families) <= held(machine) for machine in both), f"no addresses of {families}")


_PPP_OPTIONS = (
    *("noauth", "noipdefault", "nodefaultroute", "noccp", "+ipv6", "lcp-echo-interval", "0", "lcp-max-terminate", "1"),
    *("ifname", LINK),
)
_KERNEL_PPPD = r"""#!/bin/sh
# As pppoe-server begins it: pppd pty "pppoe ... -e SESSION:MAC ..." and options.
session=$(expr "$2" : '.* -e \([^ ]*\)') && shift 2 &&
  exec pppd plugin rp-pppoe.so nic-under pppoe-sess "$session" "$@"
"""


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
    "pppoe-below": _pppoe,
    "wifi": _wifi,
    "loopback": _loopback,
}
KINDS = tuple(_KINDS)
METERED = dict.fromkeys(KINDS, LINK) | {"loopback": "lo", "pppoe-below": CABLE}
"""Where the meter is: below a PPPoE session its packets are met behind a header."""
FRAMED = ("veth", "tap", "vlan", "bridge", "wifi")
"""Kinds whose far end sees whatever Ethernet frame was sent."""
TO_ITSELF = ("bridge", "wifi")
"""Those of them that take in what is for themselves or for many alone."""
HEADLESS = ("tun", "pppoe", "wireguard")
"""Kinds without a link header: IP alone crosses them."""
