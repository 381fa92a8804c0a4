"""Octets over every kind of link: what is metered is what the far end's interface counted."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.collectors.captures import classic
from tests.collectors.frames import mixed
from tests.lab.joined import (
    EVERY_FRAME,
    HERE4,
    HERE6,
    KINDS,
    LINK,
    THERE4,
    Joined,
    apart,
    await_addresses,
    joined,
    provider,
    session,
    tunnel,
)
from tests.lab.machine import SLOWER, Machine, NoLabError
from tests.lab.service import Service, running, settings
from tests.lab.traffic import DISCARD, echo, finish, flood, iperf_servers, start_transfer
from whitestat.collectors import pcap
from whitestat.collectors.capture import Record
from whitestat.collectors.decode import Link, decode
from whitestat.collectors.kernel import KernelCollector
from whitestat.errors import CaptureError
from whitestat.model import Delta, FlowKey, Point

pytestmark = pytest.mark.lab

REATTACH_S = 2
LIVES = 3
NEGOTIATION = 200
"""Octets at most of the IPCP and IPV6CP of one dial: they are in a PPP interface's counter and are no IP."""
NOISE = 100_000
WIREGUARD, PADDING_MOST, HANDSHAKES = 32, 15, 1_000
"""Octets that WireGuard's counters have beyond each packet, up to how many more, and of what is no packet inside."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One kind of link with the service on it, and what both ends had counted when the service began."""

    kind: str
    ends: Joined
    service: Service
    folder: Path

    def point(self) -> dict[str, Any]:
        """Coverage when all that has passed is booked; `far` is what the far end had carried then."""
        return at_rest(self.ends, self.service)


@pytest.fixture(scope="module", params=KINDS)
def stretch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stretch]:
    folder = tmp_path_factory.mktemp(request.param)
    try:
        with joined(request.param) as ends:
            interface = "lo" if request.param == "loopback" else LINK
            with running(ends.here, folder, settings(folder, interface)) as service:
                yield Stretch(request.param, ends, service, folder)
    except NoLabError as error:
        pytest.skip(str(error))


def test_octets_over_the_link_are_the_far_ends(stretch: Stretch) -> None:
    here, there = stretch.ends
    far = here if stretch.kind == "loopback" else there
    addresses = ("127.0.0.1", "::1") if stretch.kind == "loopback" else (HERE4, HERE6)
    before = stretch.point()
    with iperf_servers(here, (5201, 5202, 5203, 5204)):
        finish(
            [
                start_transfer(far, addresses[0], 5201, "tcp", "--bitrate", f"{40 // SLOWER}M"),
                start_transfer(far, addresses[1], 5202, "tcp", "--bitrate", f"{40 // SLOWER}M"),
                start_transfer(far, addresses[0], 5203, "udp", "--bitrate", f"{20 // SLOWER}M"),
                start_transfer(far, addresses[1], 5204, "udp", "--bitrate", f"{20 // SLOWER}M"),
            ]
        )
    for address in addresses:
        echo(far, address, count=20, payload=8000)
        flood(far, address, packets=5000, rate=20_000 // SLOWER)
    point = stretch.point()
    assert point["frame_octets_interface"] > 10_000_000 // SLOWER
    if stretch.kind == "loopback":  # our own questions to the service cross it, and it is never quiet
        assert abs(point["frame_octets_metered"] - point["frame_octets_interface"]) < NOISE
    else:
        assert point["frame_octets_metered"] == point["frame_octets_interface"]
        more = point["far"] - before["far"] - (octets(point) - octets(before))
        padding = PADDING_MOST * packets(stretch.ends) + HANDSHAKES if stretch.kind == "wireguard" else 0
        assert 0 <= more <= padding
        assert point["packets_lost"] == 0


@pytest.mark.needs("tcpreplay")
@pytest.mark.parametrize("stretch", EVERY_FRAME, indirect=True)
def test_a_capture_of_every_shape_counts_as_the_decoder_says(stretch: Stretch) -> None:
    frames = [frame for frame in mixed() if stretch.kind != "tap" or len(frame) <= 1514]
    capture = stretch.folder / "mixed.pcap"
    capture.write_bytes(classic([Record(0, Link.ETHERNET, len(frame), frame) for frame in frames]))
    before = stretch.point()
    stretch.ends.there.run(
        "tcpreplay", "--quiet", f"--pps={20_000 // SLOWER}", "--loop=20", f"--intf1={LINK}", str(capture)
    )
    point = stretch.point()
    sent = 20 * sum(decode(frame, len(frame), Link.ETHERNET).octets for frame in frames)
    assert octets(point) - octets(before) == sent
    assert point["frame_octets_metered"] == point["frame_octets_interface"]


@pytest.mark.needs("tcpdump")
def test_a_capture_of_the_link_replayed_is_what_was_counted_live(stretch: Stretch) -> None:
    """Flow by flow: octets and packets under the same keys."""
    here, there = stretch.ends
    link = "lo" if stretch.kind == "loopback" else LINK
    far, addresses = (here, ("127.0.0.1", "::1")) if stretch.kind == "loopback" else (there, (HERE4, HERE6))
    capture = stretch.folder / "live.pcap"
    way = ("-Q", "in") if stretch.kind == "loopback" else ()  # what it sends it receives, and that is counted
    with here.inside():
        meter = KernelCollector([Point("lan", "kernel", link)])
        meter.open({})
        words = ("-i", link, "-s", "200", "-B", "16384", "--immediate-mode", "-U", "-w", str(capture), *way)
        tcpdump = here.start("tcpdump", *words, "port 9 or icmp or icmp6")
        try:
            assert tcpdump.stdout
            while "listening" not in tcpdump.stdout.readline():
                assert tcpdump.poll() is None
            receipt = meter.read(0, 0).receipt  # what came before is forgotten
            assert receipt
            meter.settle(receipt)
            for address in addresses:
                echo(far, address, count=20, payload=900)
                flood(far, address, packets=2000, rate=10_000 // SLOWER)
            until = time.monotonic() + 10 * SLOWER
            while captured(capture) < 2 * 2040 and time.monotonic() < until:
                time.sleep(0.1)
            tcpdump.send_signal(signal.SIGINT)
            tcpdump.communicate(timeout=10 * SLOWER)
            live = flows(meter.read(0, 1).deltas)
        finally:
            meter.close()
    with capture.open("rb") as stream:
        replayed = flows(pcap.deltas(stream, "lan"))
    assert sum(packets for _, packets in replayed.values()) >= 2 * 2040
    assert {key: live.get(key) for key in replayed} == replayed


def at_rest(ends: Joined, service: Service) -> dict[str, Any]:
    """Coverage when all that has passed is booked, with what the far end had carried then as `far`.

    A machine says something of its own now and then, so it is read again until nothing came between."""
    while True:
        far = carried(ends)
        service.settle()
        service.settle()
        (point,) = service.get("/api/v1/coverage?start=2000-01-01&end=2100-01-01").json["points"]
        if far == carried(ends):
            return {**point, "far": far}


def captured(capture: Path) -> int:
    """Packets that tcpdump has written; it may be in the middle of one."""
    packets = 0
    with capture.open("rb") as stream, suppress(CaptureError):
        for delta in pcap.deltas(stream, "lan"):
            packets += delta.counts.packets_out
    return packets


def flows(deltas: Iterable[Delta]) -> dict[FlowKey, tuple[int, int]]:
    """Echoes and floods alone: a machine says something of its own now and then."""
    found: dict[FlowKey, tuple[int, int]] = {}
    for key, counts, *_ in deltas:
        if key.protocol in (1, 58) or key.service == DISCARD:
            octets, packets = found.get(key, (0, 0))
            found[key] = octets + counts.octets_out, packets + counts.packets_out
    return found


Life = Callable[[Joined], AbstractContextManager[None]]
"""Makes the link, for the length of a block."""


@contextmanager
def crossed(ends: Joined) -> Iterator[None]:
    """A tunnel, for as long as somebody holds it."""
    with tunnel(ends):
        for machine, address in zip(ends, (HERE4, THERE4), strict=True):
            machine.run("sysctl", "-qw", f"net.ipv6.conf.{LINK}.disable_ipv6=1")
            machine.ip(f"address add {address}/24 dev {LINK}")
        yield


def killed(ends: Joined) -> AbstractContextManager[None]:
    """A PPPoE session of which this end goes without a farewell."""
    return session(ends, ended_by=signal.SIGKILL)


@pytest.mark.parametrize(
    ("line", "life"),
    [(nullcontext, crossed), (provider, session), (provider, killed)],
    ids=("tun", "pppoe", "pppoe-killed"),
)
def test_a_link_without_a_header_that_comes_back_is_metered_within_two_seconds(
    tmp_path: Path, line: Life, life: Life
) -> None:
    """A PPPoE re-dial, and what is like it: the interface goes, and is there again under another index."""
    try:
        with apart() as ends, line(ends):
            redialled(ends, life, tmp_path)
    except NoLabError as error:
        pytest.skip(str(error))


def redialled(ends: Joined, life: Life, folder: Path) -> None:
    config = settings(folder, LINK).replace(f'interface = "{LINK}"', f'interface = "{LINK}"\nwait = true')
    with running(ends.here, folder, config) as service:
        total, lives = 0, set()
        for _ in range(LIVES):
            with life(ends):
                assert until(service, "ok") < REATTACH_S * SLOWER
                lives.add(ends.here.run("cat", f"/sys/class/net/{LINK}/ifindex"))
                await_addresses(ends, "inet")
                flood(ends.there, HERE4, packets=3000, rate=20_000 // SLOWER)
                point = at_rest(ends, service)
                total += point["far"]
            until(service, "waiting")
        service.settle()
        assert len(lives) == LIVES
        (point,) = service.get("/api/v1/coverage?start=2000-01-01&end=2100-01-01").json["points"]
        assert octets(point) == point["frame_octets_interface"] == total
        assert point["octets_unattributed"] <= (0 if life is crossed else LIVES * NEGOTIATION)


def until(service: Service, state: str) -> float:
    """Seconds until the point is in `state`."""
    began = time.monotonic()
    while service.get("/api/v1/health").json["points"][0]["state"] != state:
        assert time.monotonic() - began < 10 * SLOWER
        time.sleep(0.02)
    return time.monotonic() - began


def octets(point: dict[str, Any]) -> int:
    return int(point["octets_attributed"] + point["octets_unattributed"])


def carried(ends: Joined) -> int:
    """IP octets that crossed link0 both ways, by counters of the far end; nothing may have been dropped.

    What Wi-Fi sends has its own header in the sender's counter, so there it is what each end received. WireGuard's
    counters have what its packets are outside: its padding cannot be told, and is left in."""
    far = _counters(ends.there)
    if far is None:
        return 0
    near = _counters(ends.here) if _is_wifi(ends) else None
    received, sent = far["rx"], near["rx"] if near else far["tx"]
    header = far["header"]["octets"] or (WIREGUARD if _is_wireguard(ends) else 0)
    assert far["tx"]["dropped"] == 0, "the lab's own link lost packets"
    return int(received["bytes"] + sent["bytes"] - header * (received["packets"] + sent["packets"]))


def _counters(machine: Machine) -> dict[str, dict[str, int]] | None:
    for each in json.loads(machine.ip("-j -s link")):
        if each["ifname"] == LINK:
            return {**each["stats64"], "header": {"octets": 14 if each["link_type"] == "ether" else 0}}
    return None


def packets(ends: Joined) -> int:
    far = _counters(ends.there)
    return far["rx"]["packets"] + far["tx"]["packets"] if far else 0


def _is_wireguard(ends: Joined) -> bool:
    return "DEVTYPE=wireguard" in ends.there.run("cat", f"/sys/class/net/{LINK}/uevent")


def _is_wifi(ends: Joined) -> bool:
    return "phy80211" in ends.there.run("ls", f"/sys/class/net/{LINK}")
