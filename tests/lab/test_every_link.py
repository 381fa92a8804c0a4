"""Octets over every kind of link: what is metered is what the far end's interface counted."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.far import HANDSHAKES, PADDING_MOST, at_rest, octets, packets
from tests.lab.joined import CABLE, FRAMED, HEADLESS, HERE4, HERE6, KINDS, LINK, METERED, TO_ITSELF, Joined, joined
from tests.lab.machine import SLOWER, NoLabError
from tests.lab.service import Service, running, settings
from tests.lab.traffic import DISCARD, echo, finish, flood, iperf_servers, put_packets, start_transfer
from tests.support.captures import classic
from tests.support.frames import mixed
from whitestat.collectors.capture import pcap
from whitestat.collectors.capture.records import Record
from whitestat.collectors.decode import LinkType, decode
from whitestat.collectors.kernel.collector import KernelCollector
from whitestat.core.errors import CaptureError
from whitestat.core.model import Delta, FlowKey, Point
from whitestat.core.units import mac_bytes

pytestmark = pytest.mark.lab

NOISE = 100_000
FLOODS = "port 9 or icmp or icmp6"


@dataclass(frozen=True, slots=True)
class Stretch:
    """One kind of link with the service on it, and what both ends had counted when the service began."""

    kind: str
    ends: Joined
    service: Service
    folder: Path

    def point(self) -> dict[str, Any]:
        """Coverage when all that has passed is booked; `far` is what the far end had carried then."""
        return at_rest(self.ends, self.service, CABLE if self.kind == "pppoe-below" else LINK)


@pytest.fixture(scope="module", params=KINDS)
def stretch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stretch]:
    folder = tmp_path_factory.mktemp(request.param)
    try:
        with (
            joined(request.param) as ends,
            running(ends.here, folder, settings(folder, METERED[request.param])) as service,
        ):
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
@pytest.mark.parametrize("stretch", (*FRAMED, *HEADLESS), indirect=True)
def test_a_capture_of_every_shape_counts_as_the_decoder_says(stretch: Stretch) -> None:
    link = LinkType.RAW if stretch.kind in HEADLESS else LinkType.ETHERNET
    shapes = shapes_for(stretch)
    assert len(shapes) >= 50
    before = stretch.point()
    if link is LinkType.RAW:
        put_packets(stretch.ends.there, LINK, shapes * 20, rate=20_000 // SLOWER)
    else:
        capture = stretch.folder / "mixed.pcap"
        capture.write_bytes(classic([Record(0, link, len(frame), frame) for frame in shapes]))
        words = ("--quiet", f"--pps={20_000 // SLOWER}", "--loop=20", f"--intf1={LINK}", str(capture))
        stretch.ends.there.run("tcpreplay", *words)
    point = stretch.point()
    sent = 20 * sum(decode(each, len(each), link).octets for each in shapes)
    more = HANDSHAKES if stretch.kind == "wireguard" else 0
    assert 0 <= octets(point) - octets(before) - sent <= more
    assert 0 <= point["frame_octets_interface"] - point["frame_octets_metered"] <= more


def shapes_for(stretch: Stretch) -> list[bytes]:
    """What of the mixed capture the link has room for and this end takes in; IP alone where there is no header."""
    here = stretch.ends.here
    room = int(here.run("cat", f"/sys/class/net/{LINK}/mtu"))
    if stretch.kind in HEADLESS:
        return [frame[14:] for frame in mixed() if frame[12:14] in (b"\x08\x00", b"\x86\xdd") and len(frame) <= room]
    frames = [frame for frame in mixed() if len(frame) <= room + 14]
    if stretch.kind not in TO_ITSELF:
        return frames
    own = mac_bytes(here.run("cat", f"/sys/class/net/{LINK}/address").strip())
    return [frame if frame[0] & 1 else own + frame[6:] for frame in frames]


@pytest.mark.needs("tcpdump")
def test_a_capture_of_the_link_replayed_is_what_was_counted_live(stretch: Stretch) -> None:
    """Flow by flow: octets and packets under the same keys."""
    here, there = stretch.ends
    link = METERED[stretch.kind]
    far, addresses = (here, ("127.0.0.1", "::1")) if stretch.kind == "loopback" else (there, (HERE4, HERE6))
    capture = stretch.folder / "live.pcap"
    way = ("-Q", "in") if stretch.kind == "loopback" else ()  # what it sends it receives, and that is counted
    with here.inside():
        meter = KernelCollector([Point("lan", "kernel", link)])
        meter.open({})
        words = ("-i", link, "-s", "200", "-B", "16384", "--immediate-mode", "-U", "-w", str(capture), *way)
        tcpdump = here.start("tcpdump", *words, f"{FLOODS} or (pppoes and ({FLOODS}))")
        try:
            assert tcpdump.stdout
            while "listening" not in tcpdump.stdout.readline():
                assert tcpdump.poll() is None
            receipt = meter.read(0, 0).receipt  # what came before is forgotten
            assert receipt
            meter.acknowledge(receipt)
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
