"""Runs in the emulated machine: the service meters the lab's home on this kernel, and every octet must be right."""

from __future__ import annotations

import platform
import socket
from pathlib import Path

from tests.lab.home import INTERNET4, INTERNET6, LAPTOP, PHONE, TV, Home, Links
from tests.lab.machine import LabError, Machine
from tests.lab.referee import Octets, Referee
from tests.lab.service import Service, settings
from tests.lab.traffic import DISCARD, echo, finish, iperf_servers, start_transfer

RESIDENT_LIMIT_MB = 38
DATAGRAMS = 10_000
NOISE = 2_000
FOLDER = Path("/var/lib/whitestat")


def main() -> None:
    print(f"armv7: Linux {platform.release()} on {platform.machine()}, {len(CPUS)} CPUs", flush=True)
    FOLDER.mkdir(parents=True)
    with Home(Links.CUT) as home:
        service = Service(home.gateway, FOLDER, settings(FOLDER, flush="2s"))
        service.start_limit_s = 120
        cold_s = service.start().start_seconds
        _metered_by_the_kernel(service)
        referee, begun = Referee(home), service.at_rest()
        before = referee.read()
        _traffic(home)
        service.kill()  # what it metered is in the kernel's maps, and the next process finds it
        service.start()
        ended = service.at_rest()
        carried = {each.name: after.minus(before[each]).wan for each, after in referee.read().items()}
        _equal("the interface and what is booked", ended[0][0] - begun[0][0], ended[1] - begun[1])
        _equal("the devices and what is booked", carried, _metered(service))
        _report(service, carried, cold_s)
        _equal("exit status", service.stop(), 0)


def _traffic(home: Home) -> None:
    """Echoes, small datagrams and TCP, both families, in and out."""
    with iperf_servers(home.internet, (5201,)):
        finish([start_transfer(home[LAPTOP], INTERNET6, 5201, "tcp")])
    echo(home[TV], INTERNET4, count=200)
    echo(home[TV], INTERNET6, count=200)
    _send(home[PHONE], INTERNET4)
    _send(home.internet, PHONE.ipv6)


def _send(machine: Machine, address: str) -> None:
    """Datagrams of every size up to a full packet to a port that nobody listens at."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with machine.inside(), socket.socket(family, socket.SOCK_DGRAM) as sock:
        for number in range(DATAGRAMS):
            sock.sendto(bytes(number % 1400), (address, DISCARD))


def _metered_by_the_kernel(service: Service) -> None:
    if "br0 (in the kernel)" not in service.log or service.get("/api/v1/health").json["notices"]:
        raise LabError(f"the kernel meter could not be used:\n{service.log}")


def _metered(service: Service) -> dict[str, Octets]:
    """By device. ARP that passes while the service is away is unattributed; nothing else was sent then."""
    found = service.usage("wan")
    away = found.pop("unattributed", Octets())
    if away.octets_in + away.octets_out > NOISE:
        raise LabError(f"unattributed is {away}, though all was sent while the meter counted")
    return found


def _equal(what: str, *sides: object) -> None:
    if sides[0] != sides[1]:
        raise LabError(f"{what} differ: {sides[0]} and {sides[1]}")


def _report(service: Service, carried: dict[str, Octets], cold_s: float) -> None:
    health = service.get("/api/v1/health").json
    resident = health["memory_resident_octets"] / 1e6
    packets = sum(each.packets_in + each.packets_out for each in carried.values())
    octets = sum(each.octets_in + each.octets_out for each in carried.values())
    print(f"armv7: {octets} octets in {packets} packets, each counted once, over a kill -9 too")
    print(f"armv7: {cold_s:.1f} s to the first answer, {service.start_seconds:.1f} s the second time")
    print(f"armv7: {resident:.1f} MB resident, and {health['memory_kernel_octets'] / 1e6:.1f} MB of the kernel's")
    if resident > RESIDENT_LIMIT_MB:
        raise LabError(f"{resident:.1f} MB resident are more than {RESIDENT_LIMIT_MB}")


CPUS = sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*"))

if __name__ == "__main__":
    main()
