"""The kernel program: what it is built from, what it makes of every frame, what it counts on a real link."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.frames import Sample, extension, ipv4, ipv6, mixed, ports, samples
from tests.support.kernel_run import LOOPBACK_INDEX, Bench
from whitestat.collectors.decode import LinkType, decode
from whitestat.collectors.kernel.meter import LAYOUT, LINK_ETHERNET, OBJECT, PLACES, POINTS
from whitestat.core.errors import CollectorError

pytestmark = pytest.mark.needs()

ETHERNET4 = bytes.fromhex("0200000000010250000000ff0800")
ETHERNET6 = bytes.fromhex("0200000000010250000000ff86dd")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    meter = Bench()
    yield meter
    meter.close()


@pytest.fixture(scope="module")
def raw_bench() -> Iterator[Bench]:
    meter = Bench(raw=True)
    yield meter
    meter.close()


def instructions(path: Path, workdir: Path) -> dict[str, bytes]:
    """The sections that the kernel is given: program, maps, licence."""
    found = {}
    for section in ("socket", ".maps", "license"):
        out = workdir / "section"
        subprocess.run(["llvm-objcopy", f"--dump-section={section}={out}", path, workdir / "unused"], check=True)
        found[section] = out.read_bytes()
    return found


@pytest.mark.needs("clang", "llvm-strip", "llvm-objcopy")
def test_the_object_file_is_what_its_source_says(tmp_path: Path) -> None:
    for name in ("meter.bpf.c", "Makefile"):
        (tmp_path / name).write_bytes(OBJECT.with_name(name).read_bytes())
    subprocess.run(["make", "-s", "-C", tmp_path], check=True)
    assert instructions(tmp_path / "meter.bpf.o", tmp_path) == instructions(OBJECT, tmp_path)


@pytest.mark.needs("llvm-objcopy")
def test_the_program_is_small_enough_for_a_socket_of_a_32_bit_kernel(tmp_path: Path) -> None:
    """net.core.optmem_max is 10,240 octets there before Linux 6.7, and loading adds instructions: 9,104 octets of ours
    were taken, 9,632 were not."""
    assert len(instructions(OBJECT, tmp_path)["socket"]) <= 9_104


@given(samples(links=(LinkType.ETHERNET,)))
@examples(400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_ethernet_frame_is_counted_as_the_decoder_says(bench: Bench, sample: Sample) -> None:
    counted = bench.run(sample.frame)
    if counted:
        assert counted.packet == decode(sample.frame, len(sample.frame), LinkType.ETHERNET)
        assert counted.packets == 1


@given(samples(links=(LinkType.RAW,)))
@examples(400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_packet_without_a_link_header_is_counted_as_the_decoder_says(raw_bench: Bench, sample: Sample) -> None:
    counted = raw_bench.run(sample.frame)
    if counted:
        assert counted.packet == decode(sample.frame, len(sample.frame), LinkType.RAW)


def test_every_frame_of_the_corpus_is_counted_as_the_decoder_says(bench: Bench) -> None:
    for frame in (each for each in mixed() if len(each) < 3000):  # a test run takes no more than a page
        counted = bench.run(frame)
        assert counted is not None
        assert counted.packet == decode(frame, len(frame), LinkType.ETHERNET), frame.hex(" ")


@given(
    samples(links=(LinkType.ETHERNET,)),
    st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=3),
    st.integers(0),
)
@examples(400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_frame_is_counted_as_the_decoder_says(
    bench: Bench, sample: Sample, damages: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(sample.frame)
    for place, octet in damages:
        damaged[place % len(damaged)] = octet
    frame = bytes(damaged[: max(14, cut % (len(damaged) + 1))])
    counted = bench.run(frame)
    if counted:
        assert counted.packet == decode(frame, len(frame), LinkType.ETHERNET), frame.hex(" ")


@pytest.mark.parametrize(
    ("front", "network", "headers"),
    [
        (ETHERNET4, ipv4(ports(rest=8) + b"\x50" + bytes(2887), 6), 14 + 20 + 20),
        (ETHERNET4, ipv4(ports(rest=8) + b"\x80" + bytes(2899), 6), 14 + 20 + 32),
        (ETHERNET6, ipv6(ports(rest=8) + b"\x50" + bytes(2887), 6), 14 + 40 + 20),
        (ETHERNET6, ipv6(ports(rest=2904), 17), 14 + 40 + 8),
    ],
)
def test_a_giant_packet_counts_as_the_wire_carries_it(bench: Bench, front: bytes, network: bytes, headers: int) -> None:
    frame = front + network
    for segments in (3, 0):  # the kernel may leave the number of segments open
        size = -(-(len(frame) - headers) // 3)
        counted = bench.run(frame, segments, size)
        assert counted is not None
        assert counted.packets == 3
        assert counted.packet.frame_octets == len(frame) + 2 * headers
        assert counted.packet.octets == len(network) + 2 * (headers - 14)


def test_extension_headers_count_as_headers_of_each_segment(bench: Bench) -> None:
    chain = extension(0, 60, 1) + extension(60, 6, 0)
    network = ipv6(chain + ports(rest=8) + b"\x50" + bytes(2887), 0)
    counted = bench.run(ETHERNET6 + network, 3, 1000)
    assert counted is not None
    assert counted.packet.octets == len(network) + 2 * (40 + len(chain) + 20)
    assert counted.packet.service == 443


def test_interfaces_that_would_have_the_same_place_are_counted_apart(bench: Bench) -> None:
    others = [LOOPBACK_INDEX + each * POINTS for each in range(1, PLACES)]
    bench.unwatch(LOOPBACK_INDEX)
    for index in (*others, LOOPBACK_INDEX):
        bench.watch(index, LINK_ETHERNET, index)
    assert bench.run(bytes(60)) is not None
    for each in others:
        totals = bench.totals(each, bench.epoch)
        assert totals is not None
        assert totals.received.packets == totals.sent.packets == 0
    with pytest.raises(CollectorError, match="finds no place beside 4 others"):
        bench.watch(LOOPBACK_INDEX + PLACES * POINTS, LINK_ETHERNET, 9)
    bench.unwatch(others[0])
    bench.watch(LOOPBACK_INDEX + PLACES * POINTS, LINK_ETHERNET, 9)
    assert others[0] not in bench.watched()
    for index in set(bench.watched()) - {LOOPBACK_INDEX}:
        bench.unwatch(index)
    assert bench.run(bytes(60)) is not None


def test_totals_turn_with_the_flows_and_are_cleared_with_them(bench: Bench) -> None:
    """Packets of two epochs: what is read of the first is still while the second is written, and goes alone."""
    frame = ETHERNET4 + ipv4(ports(rest=30), 17)
    for _ in range(3):
        bench.put(frame)
    ended = bench.turn()
    for _ in range(5):
        bench.put(frame)
    assert [(packets(bench, each), counted(bench, each)) for each in (ended, bench.epoch)] == [(3, 3), (5, 5)]
    bench.clear(ended)
    assert [(packets(bench, each), counted(bench, each)) for each in (ended, bench.epoch)] == [(0, 0), (5, 5)]
    bench.clear(bench.epoch)


def test_what_an_interface_carried_is_told_until_its_epoch_is_cleared(bench: Bench) -> None:
    """It is watched no more, and another may want its place meanwhile."""
    bench.put(bytes(60))
    bench.unwatch(LOOPBACK_INDEX)
    bench.watch(LOOPBACK_INDEX + POINTS, LINK_ETHERNET, 9)
    assert packets(bench, bench.epoch) == 1
    assert {(index, number) for index, number, _ in bench.carried(bench.epoch)} == {
        (LOOPBACK_INDEX, 1),
        (LOOPBACK_INDEX + POINTS, 9),
    }
    bench.clear(bench.turn())
    assert bench.totals(LOOPBACK_INDEX, bench.epoch) is None
    bench.unwatch(LOOPBACK_INDEX + POINTS)
    bench.watch(LOOPBACK_INDEX, LINK_ETHERNET, 1)
    assert bench.run(bytes(60)) is not None


def packets(bench: Bench, epoch: int) -> int:
    totals = bench.totals(LOOPBACK_INDEX, epoch)
    assert totals
    return totals.received.packets + totals.sent.packets


def counted(bench: Bench, epoch: int) -> int:
    return sum(packets for _, _, packets in bench.flows(epoch))


def test_the_layout_is_of_the_structs_that_the_program_has() -> None:
    """Pinned maps of another layout would be read wrongly: whoever changes a struct raises LAYOUT, and this hash."""
    source = OBJECT.with_name("meter.bpf.c").read_text()
    structs = source[source.index("struct flow_key {") : source.index("static __always_inline")]
    code = re.sub(r"//.*|\s+", "", structs)
    assert (LAYOUT, hashlib.sha256(code.encode()).hexdigest()[:16]) == (2, "debd2223e6074d83")
