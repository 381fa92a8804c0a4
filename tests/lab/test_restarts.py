"""A steady stream both ways while the service ends and starts again: what is booked is what the interface counted.

Each packet is somebody's or unattributed, once; unattributed is no more than what passed while no process metered, by a
watch of the interface's counter and of the sockets that are bound to it.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.lab.home import DEVICES, GATEWAY4, GATEWAY_MAC, INTERNET4, INTERNET_MAC, PHONE, TV, WAN_MAC, Home, Links
from tests.lab.machine import SLOWER, Machine
from tests.lab.referee import Octets
from tests.lab.service import SOURCE, STAYS_ROOT, Service, running, settings
from tests.lab.traffic import flood

pytestmark = pytest.mark.lab

ROUNDS = int(os.environ.get("WHITESTAT_RESTARTS", "1"))
"""How often each way to end is gone through; `make soak` asks for 25."""
RATE = 3_000
"""Packets a second, each way."""
LOOK_S = 0.001
FLIGHT = 200
"""Packets that may pass between two looks that the machine has no time for, at each restart."""
UNWRITTEN = 2 * 2 * RATE * SLOWER
"""Packets that a killed process has counted since its last flush, a second ago or two: without pins, detail is lost."""

End = Callable[[Service, Path], None]


class Look(NamedTuple):
    """One look at the bridge: packets by its own counter, packet sockets that are bound to it."""

    packets: int
    sockets: int


class Watch:
    """Looks at the bridge every millisecond, from its machine's network, until the block ends."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._index = machine.run("cat", "/sys/class/net/br0/ifindex").strip()
        self._done = threading.Event()
        self._looks: list[Look] = []
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def unmetered(self) -> int:
        """Packets that passed from the last look that found all sockets bound to the first that found them again."""
        most = max(look.sockets for look in self._looks)
        passed, whole, apart = 0, self._looks[0], False
        for look in self._looks:
            if look.sockets == most:
                passed += look.packets - whole.packets if apart else 0
                whole, apart = look, False
            else:
                apart = True
        return passed

    def _look(self) -> None:
        with (
            self._machine.inside(),
            Path("/proc/thread-self/net/dev").open(encoding="ascii") as counters,
            Path("/proc/thread-self/net/packet").open(encoding="ascii") as sockets,
        ):
            while not self._done.wait(LOOK_S):
                counters.seek(0)
                sockets.seek(0)
                line = next(line for line in counters if "br0:" in line).partition(":")[2].split()
                bound = sum(line.split()[4] == self._index for line in sockets.readlines()[1:])
                self._looks.append(Look(int(line[1]) + int(line[9]), bound))


def stop(service: Service, _: Path) -> None:
    assert service.stop() == 0, service.log


def kill(service: Service, _: Path) -> None:
    service.kill()


def upgrade(service: Service, folder: Path) -> None:
    """Killed, and what starts in its place has another object file: with octets behind its end, which are not read."""
    service.kill()
    modules = folder / "upgraded"
    if not modules.exists():
        shutil.copytree(SOURCE, modules, ignore=shutil.ignore_patterns("__pycache__"))
    with (modules / "whitestat/collectors/kernel/meter.bpf.o").open("ab") as program:
        program.write(bytes(8))
    service.modules = str(modules)


def to(collector: str) -> End:
    """Killed, and what starts in its place counts in another way."""

    def end(service: Service, _: Path) -> None:
        service.kill()
        service.configure(lambda text: re.sub('collector = "[a-z]+"', f'collector = "{collector}"', text))

    return end


def resize(service: Service, _: Path) -> None:
    """Killed, and what starts in its place wants tables of another size: what is pinned does not fit."""
    service.kill()
    service.configure(lambda text: text.replace('interface = "br0"', 'interface = "br0"\nflows = 4096'))


def change_settings(service: Service, _: Path) -> None:
    """A change of settings, as the page makes it; the test starts what ended for its manager."""
    done = service.command("config", "set", "csv.keep", str(2 + service.flushes() % 200))
    assert "the service starts again with it" in done.stdout, done.stderr
    assert service.wait() == 0, service.log


@contextmanager
def household() -> Iterator[Home]:
    """A home in which nobody asks for a neighbour: all that passes is the stream."""
    with Home(Links.CUT) as home:
        for device in DEVICES:
            home.gateway.ip(f"neigh replace {device.ipv4} lladdr {device.mac} dev br0 nud permanent")
            home[device].ip(f"neigh replace {GATEWAY4} lladdr {GATEWAY_MAC} dev eth0 nud permanent")
        home.gateway.ip(f"neigh replace {INTERNET4} lladdr {INTERNET_MAC} dev wan nud permanent")
        home.internet.ip(f"neigh replace 203.0.113.1 lladdr {WAN_MAC} dev eth0 nud permanent")
        yield home


@pytest.fixture(scope="module")
def pinned() -> Iterator[Home]:
    with household() as home:
        yield home


@pytest.fixture(scope="module")
def unpinned() -> Iterator[Home]:
    """Without a BPF file system, and without the right to mount one."""
    with household() as home:
        home.gateway.run("umount", "/sys/fs/bpf")
        yield home


WITHOUT_MOUNTS = ("setpriv", "--inh-caps=-sys_admin", "--bounding-set=-sys_admin")


def test_with_pinned_maps(pinned: Home, tmp_path: Path) -> None:
    """What a killed process had counted is found by the next one, of another version too."""
    found = restarted(pinned, tmp_path, settings(tmp_path), (stop, kill, upgrade))
    assert found.difference == (0, 0)
    assert found.unattributed <= found.unmetered + found.restarts * FLIGHT


def test_with_changed_settings(pinned: Home, tmp_path: Path) -> None:
    """No octet is lost, and the page is back within 5 s: the wait of a unit (RestartSec) is 1 s of these.

    The five seconds are measured by `make soak`, on a machine that does nothing else; beside other tests it is 20.
    """
    prefix = ("env", "WHITESTAT_RESTART=exit")
    found = restarted(pinned, tmp_path, settings(tmp_path), (change_settings, change_settings), prefix)
    assert found.difference == (0, 0)
    assert found.unattributed <= found.unmetered + found.restarts * FLIGHT
    assert found.slowest_s + 1 < (5 if "WHITESTAT_RESTARTS" in os.environ else 20) * SLOWER


def test_without_a_bpf_file_system(unpinned: Home, tmp_path: Path) -> None:
    found = restarted(unpinned, tmp_path, settings(tmp_path, more=STAYS_ROOT), (stop, kill), WITHOUT_MOUNTS)
    assert found.difference == (0, 0)
    assert found.unattributed <= found.unmetered + found.restarts * (FLIGHT + UNWRITTEN)


def test_counted_in_this_process(pinned: Home, tmp_path: Path) -> None:
    packets = settings(tmp_path).replace('collector = "kernel"', 'collector = "packet"')
    found = restarted(pinned, tmp_path, packets, (stop, kill))
    assert found.difference == (0, 0)
    assert found.unattributed <= found.unmetered + found.restarts * (FLIGHT + UNWRITTEN)


def test_a_clean_stop_leaves_nothing_that_was_counted(unpinned: Home, tmp_path: Path) -> None:
    """Neither what came since the last flush, nor what came while the last one was under way."""
    found = restarted(unpinned, tmp_path, settings(tmp_path, more=STAYS_ROOT), (stop,), WITHOUT_MOUNTS)
    assert found.difference == (0, 0)
    assert found.unattributed <= found.unmetered + found.restarts * FLIGHT


def test_totals_of_the_interface_alone_go_on_over_a_restart(pinned: Home, tmp_path: Path) -> None:
    totals = settings(tmp_path).replace('collector = "kernel"', 'collector = "interface"')
    assert restarted(pinned, tmp_path, totals, (stop, kill)).difference == (0, 0)


def test_one_collector_goes_on_where_another_left_off(pinned: Home, tmp_path: Path) -> None:
    """As where rights to meter are given, or taken away; and where its maps are none that this process can use."""
    ends = resize, to("interface"), to("packet"), to("interface"), to("kernel")
    assert restarted(pinned, tmp_path, settings(tmp_path), ends).difference == (0, 0)


class Found(NamedTuple):
    """`difference` of what is booked from what the interface counted (octets, packets); packets that are unattributed,
    and that passed while no process metered."""

    restarts: int
    difference: tuple[int, int]
    unattributed: int
    unmetered: int
    slowest_s: float
    """The longest time from an end that the service was asked for to the first healthy answer after it."""


def restarted(home: Home, folder: Path, config: str, ends: tuple[End, ...], prefix: tuple[str, ...] = ()) -> Found:
    """The figures after `ROUNDS` of all ends, with the stream in every millisecond of them."""
    slowest_s = 0.0
    flood(home[PHONE], INTERNET4, packets=1)  # the program is made before two threads want it
    with running(home.gateway, folder, config, prefix=prefix) as service, Watch(home.gateway) as watch:
        (before, booked_before), packets_before = service.at_rest(), packets_of(service)
        missed_before = unattributed(service)
        with streaming(home):
            time.sleep(0.5)
            for number, end in enumerate(ends * ROUNDS):
                time.sleep(0.2 + number * 0.37 % 1)
                end(service, folder)
                service.start()
                slowest_s = max(slowest_s, service.end_seconds + service.start_seconds)
            time.sleep(0.5)
        (after, booked), packets = service.at_rest(), packets_of(service)
        missed = unattributed(service) - missed_before
    difference = booked - booked_before - (after[0] - before[0]), packets - packets_before - (after[1] - before[1])
    found = Found(len(ends) * ROUNDS, difference, missed, watch.unmetered(), slowest_s)
    print(f"{after[1] - before[1]} packets: {found}")
    return found


def unattributed(service: Service) -> int:
    missed = service.usage("wan").get("unattributed", Octets())
    return missed.packets_in + missed.packets_out


def packets_of(service: Service) -> int:
    """Packets of the point, attributed or not. No two devices talk to each other here, so none is in two rows."""
    rows = [each for scope in ("wan", "lan") for each in service.usage(scope).values()]
    return sum(each.packets_in + each.packets_out for each in rows)


@contextmanager
def streaming(home: Home) -> Iterator[None]:
    """The phone sends to the Internet, and the Internet to the TV, for the length of the block."""
    done = threading.Event()

    def send(machine: Machine, address: str) -> None:
        while not done.is_set():
            flood(machine, address, packets=RATE // 2, rate=RATE)

    senders = [
        threading.Thread(target=send, args=(machine, address))
        for machine, address in ((home[PHONE], INTERNET4), (home.internet, TV.ipv4))
    ]
    for sender in senders:
        sender.start()
    try:
        yield
    finally:
        done.set()
        for sender in senders:
            sender.join()
