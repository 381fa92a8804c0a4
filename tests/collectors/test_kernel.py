"""The kernel program: what it is built from, what it makes of every frame, what it counts on a real link."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.collectors.frames import Sample, extension, ipv4, ipv6, ports, samples
from tests.collectors.kernel_run import Bench
from whitestat.collectors.decode import Link, decode
from whitestat.collectors.kernel.meter import OBJECT

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


@given(samples(links=(Link.ETHERNET,)))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_ethernet_frame_is_counted_as_the_decoder_says(bench: Bench, sample: Sample) -> None:
    counted = bench.run(sample.frame)
    if counted:
        assert counted.packet == decode(sample.frame, len(sample.frame), Link.ETHERNET)
        assert counted.packets == 1


@given(samples(links=(Link.RAW,)))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_packet_without_a_link_header_is_counted_as_the_decoder_says(raw_bench: Bench, sample: Sample) -> None:
    counted = raw_bench.run(sample.frame)
    if counted:
        assert counted.packet == decode(sample.frame, len(sample.frame), Link.RAW)


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
