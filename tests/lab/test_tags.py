"""VLAN tags on real links, where the kernel keeps the first of them beside the frame."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from tests.lab.machine import Machine
from tests.lab.service import running, settings
from tests.lab.traffic import put
from tests.support.frames import Sample, ipv4, ports, samples
from whitestat.collectors.decode import LinkType, decode
from whitestat.collectors.kernel.meter import FLOW_KEY, LINK_ETHERNET, Meter
from whitestat.collectors.packet.collector import PacketCollector
from whitestat.core.model import PROTOCOL_OTHER, Point

pytestmark = pytest.mark.lab

LINKS = ("near", "far", "br0", "port", "end")
TO_ALL = b"\xff" * 6 + bytes.fromhex("020000000007")
TAG, SECOND, PRIORITY = b"\x81\x00\x00\x07", b"\x88\xa8\x00\x09", b"\x81\x00\xe0\x00"
PAYLOAD = b"\x08\x00" + ipv4(ports(rest=200))
FRAMES = [TO_ALL + tags + PAYLOAD for tags in (b"", TAG, TAG + SECOND, PRIORITY, SECOND + TAG + PRIORITY)]

Flow = tuple[object, ...]
Flows = dict[Flow, tuple[int, int]]


@pytest.fixture(scope="module")
def switch() -> Iterator[Machine]:
    """near - far, a port of br0; another port of it - end. What `far` got with its tag in the frame, `end` gets
    with the tag beside it: there the interface's counter does not have the tag, at `far` it has."""
    machine = Machine("switch")
    machine.sysctl(net__ipv6__conf__all__disable_ipv6=1, net__ipv6__conf__default__disable_ipv6=1)
    machine.ip("link add br0 type bridge mcast_snooping 0 stp_state 0")
    machine.ip("link add near type veth peer name far")
    machine.ip("link add port type veth peer name end")
    for link in LINKS:
        machine.ip(f"link set {link}{' master br0' * (link in ('far', 'port'))} up")
    yield machine
    machine.close()


@pytest.mark.parametrize("collector", ["kernel", "packet"])
def test_frame_octets_are_the_interfaces_wherever_the_tag_sits(switch: Machine, tmp_path: Path, collector: str) -> None:
    points = "".join(
        f'[[point]]\nname = "{link}"\ncollector = "kernel"\ninterface = "{link}"\ncounts = false\n'
        for link in LINKS[:-1]
    )
    config = settings(tmp_path, interface="end", more=points).replace("kernel", collector)
    with running(switch, tmp_path, config) as service:
        before = carried(switch)
        for link in ("near", "br0"):
            put(switch, link, FRAMES * 40)
            service.settle()  # the debt of one span may not hide in the tags of the next
        for _ in range(3):
            service.settle()
        rows = {row["point"]: row for row in service.get("/api/v1/coverage").json["points"]}
    after = carried(switch)
    for link, name in zip(LINKS, (*LINKS[:-1], "lan"), strict=True):
        row = rows[name]
        assert row["frame_octets_metered"] == row["frame_octets_interface"] == after[link] - before[link], link
    assert after["far"] - before["far"] != after["end"] - before["end"], "one has the tags and the other has not"


def carried(machine: Machine) -> dict[str, int]:
    """Frame octets of each link by its own counter; br0's leaves out the Ethernet header of what it received."""
    found = {}
    for entry in json.loads(machine.ip("-j -s link")):
        stats = entry["stats64"]
        header = 14 * stats["rx"]["packets"] if entry["ifname"] == "br0" else 0
        found[entry["ifname"]] = stats["rx"]["bytes"] + stats["tx"]["bytes"] + header
    return found


@pytest.fixture(scope="module")
def meter(switch: Machine) -> Iterator[Meter]:
    with switch.inside():
        meter = Meter(flows=1024, pairs=16)
    for number, link in enumerate(("near", "far"), 1):
        meter.watch(index(switch, link), LINK_ETHERNET, number)
    yield meter
    meter.close()


@pytest.fixture(scope="module")
def ring(switch: Machine) -> Iterator[PacketCollector]:
    collector = PacketCollector(Point("far", "packet", "far"))
    with switch.inside():
        collector.open({})
    yield collector
    collector.close()


@given(st.lists(samples(links=(LinkType.ETHERNET,)), min_size=20, max_size=60))
@hypothesis(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_frames_of_any_tags_count_live_as_the_decoder_says(
    switch: Machine, meter: Meter, ring: PacketCollector, drawn: list[Sample]
) -> None:
    frames = [sample.frame for sample in drawn]
    expected: Counter[Flow] = Counter()
    for frame in frames:
        packet = decode(frame, len(frame), LinkType.ETHERNET)
        expected[packet[:7]] += packet.octets
    sent_before = seen(switch, meter)
    with switch.inside():
        ring.read(0, 0)
    put(switch, "near", frames)
    until = time.monotonic() + 30
    while seen(switch, meter) - sent_before < 2 * len(frames) and time.monotonic() < until:
        time.sleep(0.01)
    near, far = kernel_flows(meter, 1), kernel_flows(meter, 2)
    meter.clear(meter.epoch)
    with switch.inside():
        result = ring.read(0, 0)
    live: Counter[Flow] = Counter()
    for delta in result.deltas:
        key = delta.key
        live[(key.mac, key.peer_mac, key.address, key.peer, key.protocol, key.service, key.vlan)] += delta.counts.octets
    assert near == far == live == expected


def seen(machine: Machine, meter: Meter) -> int:
    totals = [meter.totals(index(machine, link), meter.epoch) for link in ("near", "far")]
    return sum(way.packets for each in totals if each for way in each)


def kernel_flows(meter: Meter, point: int) -> Counter[Flow]:
    """Octets by what separates flows, as the decoder names it."""
    found: Counter[Flow] = Counter()
    for raw, octets, _ in meter.flows(meter.epoch):
        number, vlan, protocol, service, mac, peer_mac, _, source, target = FLOW_KEY.unpack(raw)
        other = protocol == PROTOCOL_OTHER
        addresses = (None, None) if other else (source, target)
        if number == point:
            found[(mac, peer_mac, *addresses, protocol, service, vlan)] += octets
    return found


def index(machine: Machine, link: str) -> int:
    return int(json.loads(machine.ip(f"-j link show {link}"))[0]["ifindex"])
