"""Where the meters are measured: a home, fifty devices beside it, WhiteStat and darkstat on its bridge."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench import process
from bench.darkstat import Darkstat
from bench.kernel import EmptyProgram, cost_of, statistics
from tests.lab.home import DEVICES, GATEWAY_MAC, INTERNET4, INTERNET6, Device, Home, Links
from tests.lab.machine import Machine
from tests.lab.referee import Referee
from tests.lab.service import Service, running, settings
from tests.lab.traffic import compiled, finish, iperf_servers, start_transfer

AS_FAST_AS_IT_GOES = 400_000
"""Packets a second that a load without a rate is made of; it takes as long as it takes."""


class Crowd(NamedTuple):
    """How many devices, how many flows each."""

    devices: int
    flows: int


HOUSEHOLD, LARGE, ALONE = Crowd(50, 40), Crowd(254, 258), Crowd(1, 1)
"""50 devices with 2,000 flows, one packet of each in turn; 254 devices with 65,532; one with one."""


@dataclass(frozen=True, slots=True)
class Load:
    """What both programs did in one span of steady traffic; CPU in seconds per second."""

    rate: int
    packets: int
    ours_cpu: float
    ours_lost: int
    darkstat_cpu: float
    darkstat_lost: int
    darkstat_dropped: int

    @property
    def ours_loss(self) -> float:
        return self.ours_lost / self.packets

    @property
    def darkstat_loss(self) -> float:
        return self.darkstat_lost / self.packets


@dataclass(frozen=True, slots=True)
class Kernel:
    """Nanoseconds per packet, statistics on: of ours and of an empty program on an equal socket."""

    rate: int
    ours_per_packet: float
    empty_per_packet: float

    @property
    def above_empty(self) -> float:
        return self.ours_per_packet - self.empty_per_packet


@dataclass(frozen=True, slots=True)
class Wire:
    """TCP and UDP, both families and directions at full speed: octets carried, and how far each was off."""

    octets: int
    ours_off: int
    darkstat_off: int


class Stage:
    """The home with the crowd plugged in, and both meters running on its bridge.

    The default interval between flushes is a user's: what is measured is what a user has.
    """

    home: Home
    crowd: Machine
    service: Service
    darkstat: Darkstat

    def __init__(self, collector: str = "kernel", flush: str = "30s") -> None:
        self._collector, self._flush = collector, flush

    def __enter__(self) -> Stage:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="whitestat-bench-")))
            (folder / "darkstat").mkdir()
            folder.chmod(0o755)
            self.home = stack.enter_context(Home(Links.GIANT))
            self.crowd = Machine("crowd")
            stack.callback(self.crowd.close)
            self.crowd.sysctl(net__ipv6__conf__all__disable_ipv6=1)  # it sends what it is told to, no more
            self.home.add_device(self.crowd, "crowd", "02:50:00:00:02:01")
            self.home.internet.run("nft", "-f", "-", stdin=_SWALLOW)
            config = settings(folder, flush=self._flush).replace('"kernel"', f'"{self._collector}"')
            self.service = stack.enter_context(running(self.home.gateway, folder, config))
            self.darkstat = Darkstat(self.home.gateway, folder / "darkstat")
            stack.callback(self.darkstat.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def settle(self) -> None:
        """Wait for what has passed to be booked: at the default interval that takes up to half a minute."""
        self.service.settle(limit_s=45)

    def send(self, crowd: Crowd, rate: int, seconds: float) -> tuple[int, int]:
        """Traffic of a crowd, at a rate or the highest (0); packets that its interface sent, and the rate reached."""
        before = self._sent()
        numbers = (crowd.devices, crowd.flows, int((rate or AS_FAST_AS_IT_GOES) * seconds), rate)
        words = (str(_crowd_program()), "eth0", GATEWAY_MAC, *map(str, numbers))
        answer = self.crowd.run(*words, timeout=seconds * 10 + 30)
        packets, took_ns = map(int, answer.split())
        return self._sent() - before, packets * 1_000_000_000 // took_ns

    def load(self, crowd: Crowd, rate: int, seconds: int) -> Load:
        """Steady traffic from just after one flush to the end of the next; call it where that is now."""
        counted, seen = self.counted(), self.darkstat.seen()
        ours, theirs, began = process.use(self.service.pid), process.use(self.darkstat.pid), time.monotonic()
        packets, reached = self.send(crowd, rate, seconds)
        busy = time.monotonic() - began
        self.settle()
        ours = process.use(self.service.pid).minus(ours)
        theirs = process.use(self.darkstat.pid).minus(theirs)
        accounted = self.darkstat.seen().minus(seen)
        return Load(
            rate=reached,
            packets=packets,
            ours_cpu=ours.cpu_s / busy,
            ours_lost=packets - (self.counted() - counted),
            darkstat_cpu=theirs.cpu_s / busy,
            darkstat_lost=packets - accounted.packets,
            darkstat_dropped=accounted.dropped,
        )

    def kernel(self, crowd: Crowd, rate: int, seconds: float = 3) -> Kernel:
        """Both programs see the same packets on equal sockets, bound to the bridge; the cost of a packet is the
        sum of its runs."""
        with statistics():
            with self.home.gateway.inside():
                empty = EmptyProgram("br0")
            ours_before, empty_before = cost_of(self.service.pid), empty.cost()
            packets, reached = self.send(crowd, rate, seconds)
            ours = cost_of(self.service.pid).minus(ours_before)
            idle = empty.cost().minus(empty_before)
            empty.close()
        return Kernel(reached, ours.run_ns / packets, idle.run_ns / packets)

    def wire(self) -> Wire:
        """Three devices at full speed, and whose count is how far from what their interfaces carried."""
        referee = Referee(self.home)
        before, ours_before = referee.read(), self.service.usage("wan")
        theirs_before = {device: self._darkstat_octets(device) for device in DEVICES}
        ports = dict(zip(DEVICES, (5201, 5202, 5203), strict=True))
        with iperf_servers(self.home.internet, tuple(ports.values())):
            for address in (INTERNET4, INTERNET6):
                for protocol in ("tcp", "udp"):
                    finish([start_transfer(self.home[each], address, ports[each], protocol) for each in DEVICES])
        self.settle()
        after, ours_after = referee.read(), self.service.usage("wan")
        octets = ours_off = darkstat_off = 0
        for device in DEVICES:
            wan = after[device].minus(before[device]).wan
            carried = (wan.octets_in, wan.octets_out)
            had = ours_before[device.name][:2] if device.name in ours_before else (0, 0)
            ours = _less(ours_after[device.name][:2], had)
            theirs = _less(self._darkstat_octets(device), theirs_before[device])
            octets += sum(carried)
            ours_off += sum(abs(each) for each in _less(ours, carried))
            darkstat_off += sum(abs(each) for each in _less(theirs, carried))
        return Wire(octets, ours_off, darkstat_off)

    @contextmanager
    def page_open(self) -> Iterator[None]:
        """One listener of the live stream, as an open page is."""
        stop = threading.Event()
        thread = threading.Thread(target=self._listen, args=(stop,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(5)

    def _listen(self, stop: threading.Event) -> None:
        with self.home.gateway.connect("127.0.0.1", self.service.port) as sock, suppress(TimeoutError):
            sock.sendall(b"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            while not stop.is_set() and sock.recv(65536):
                pass

    def counted(self) -> int:
        """Packets that devices sent, by our count; what is unattributed was not metered."""
        return sum(row["packets_out"] for row in self.service.rows(by="device", scope="wan") if row["device"])

    def _sent(self) -> int:
        """Packets that left the crowd's interface, by the interface."""
        path = "/sys/class/net/eth0/statistics/tx_packets"
        return int(self.crowd.run("cat", path))

    def _darkstat_octets(self, device: Device) -> tuple[int, int]:
        """In and out of a device, its addresses added up; an address it has not seen is nothing."""
        found = [self.darkstat.host(address) for address in (device.ipv4, device.ipv6)]
        return sum(each[0] for each in found), sum(each[1] for each in found)


_SWALLOW = """
table inet swallow {
  chain in { type filter hook prerouting priority -400; ip daddr 198.51.100.0/24 drop; }
}
"""
"""The crowd's peers are one rule that takes everything: no answers, no errors."""


@cache
def _crowd_program() -> Path:
    return compiled(Path(__file__).with_name("crowd.c"))


def _less(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(x - y for x, y in zip(a, b, strict=True))
