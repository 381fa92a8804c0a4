"""Makes traffic in the lab: iperf3 both ways, echo requests, datagrams, and floods of small packets."""

from __future__ import annotations

import atexit
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

from tests.lab.machine import LabError, Machine, end

DISCARD = 9
"""The port floods go to (RFC 863); nobody listens, and the refusals are traffic like any other."""


@contextmanager
def iperf_servers(machine: Machine, ports: tuple[int, ...]) -> Iterator[None]:
    """One iperf3 server per port (each serves one client at a time), listening when the block begins."""
    with ExitStack() as stack:
        for port in ports:
            server = machine.start("iperf3", "--server", "--port", str(port), "--forceflush")
            stack.callback(end, server)
            assert server.stdout
            while "listening" not in (line := server.stdout.readline()):
                if not line:
                    raise LabError(f"iperf3 server on port {port} ended at once")
        yield


def start_transfer(
    machine: Machine, address: str, port: int, protocol: str, *more: str, seconds: int = 1
) -> subprocess.Popen[str]:
    """An iperf3 client, both directions at once. Windows and rates are small enough that no queue overflows:
    the lab's links are in one kernel, and a packet lost between the meter and a device would be seen by one
    and not by the other."""
    shape = ("--udp", "--bitrate", "80M", "--length", "1200") if protocol == "udp" else ("--window", "48K")
    words = ("--client", address, "--port", str(port), "--time", str(seconds), "--bidir", "--json")
    return machine.start("iperf3", *words, *shape, *more)


def finish(transfers: list[subprocess.Popen[str]]) -> None:
    """Wait for transfers; LabError when one failed."""
    for transfer in transfers:
        output, _ = transfer.communicate(timeout=60)
        if transfer.returncode:
            raise LabError(f"iperf3: exit {transfer.returncode}: {output[-2000:]}")


class Flood(NamedTuple):
    """What a flood sent: packets, octets of payload, packets per second."""

    packets: int
    octets: int
    rate: int


def flood(
    machine: Machine, address: str, *, packets: int, payload: int = 22, rate: int = 0, segments: int = 1
) -> Flood:
    """Send `packets` datagrams, as fast as one core can where `rate` is 0."""
    numbers = (DISCARD, payload, packets, rate, segments)
    due_s = packets / rate if rate else 0
    answer = machine.run(str(_flood_program()), address, *map(str, numbers), timeout=120 + 2 * due_s)
    sent, octets, took_ns = map(int, answer.split())
    return Flood(sent, octets, sent * 1_000_000_000 // max(took_ns, 1))


def forge(machine: Machine, target_mac: str, packets: int) -> None:
    """Frames from as many forged MACs and addresses as there are frames."""
    machine.run(str(_forge_program()), "eth0", target_mac, str(packets), timeout=300)


@cache
def _forge_program() -> Path:
    return compiled(Path(__file__).with_name("forge.c"))


@cache
def _flood_program() -> Path:
    return compiled(Path(__file__).with_name("flood.c"))


@cache
def _programs() -> Path:
    folder = Path(mkdtemp(prefix="whitestat-lab-"))
    atexit.register(shutil.rmtree, folder)
    return folder


def compiled(source: Path) -> Path:
    """The program, in a folder that goes when we do."""
    program = _programs() / source.stem
    subprocess.run(["cc", "-O2", "-Wall", "-o", str(program), str(source)], check=True)
    return program


def echo(machine: Machine, address: str, count: int = 20, payload: int = 1200, patience_s: float = 5) -> None:
    """`count` echo requests, each answered (RFC 792, RFC 4443); TimeoutError where one is not."""
    six = ":" in address
    machine.run("sysctl", "-qw", "net.ipv4.ping_group_range=0 0")
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    with machine.inside(), socket.socket(family, socket.SOCK_DGRAM, protocol) as sock:
        sock.settimeout(patience_s)
        sock.connect((address, 0))
        for number in range(count):
            request = bytes([128 if six else 8, 0, 0, 0, 0, 0]) + number.to_bytes(2, "big") + bytes(payload)
            sock.send(request)
            sock.recv(65536)


def put(machine: Machine, link: str, frames: Iterable[bytes]) -> None:
    """Frames onto a link as they are, tags in the frame."""
    with machine.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind((link, 0))
        for frame in frames:
            sock.send(frame)


def put_packets(machine: Machine, link: str, packets: Iterable[bytes], rate: int) -> None:
    """IP packets onto a link without a header of its own, `rate` a second."""
    with machine.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as sock:
        began = time.monotonic()
        for number, packet in enumerate(packets):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            sock.sendto(packet, (link, 0x0800 if packet[0] >> 4 == 4 else 0x86DD))


def shout(machine: Machine, link: str = "eth0", count: int = 20) -> None:
    """Datagrams to everybody: broadcast, and the groups of mDNS in both families (RFC 6762)."""
    with machine.inside():
        index = socket.if_nametoindex(link)
        for address in ("192.168.50.255", "255.255.255.255", "224.0.0.251", "ff02::fb"):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            target = (address, 5353, 0, index) if ":" in address else (address, 5353)
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
                for _ in range(count):
                    sock.sendto(b"who is there?", target)
