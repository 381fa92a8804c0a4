"""Totals of an interface, on 32-bit kernels too."""

from __future__ import annotations

import socket

from hypothesis import given
from hypothesis import strategies as st

from whitestat.collectors.interface import InterfaceCollector, _ip_octets
from whitestat.counters import delta
from whitestat.model import CounterReading, Counts, FlowKey, Point, Quality

WRAP = 1 << 32


@given(st.integers(0, WRAP - 1), st.integers(0, 2_000_000), st.integers(14, 1514))
def test_a_counter_that_begins_again_at_2_32_loses_no_octet_of_ip(begun: int, packets: int, frame: int) -> None:
    """Octets of link headers are taken off a counter that may be smaller than they are."""

    def reading(at_ms: int, carried: int) -> CounterReading:
        seen = Counts((begun + carried * frame) % WRAP, 0, carried, 0)
        return CounterReading(FlowKey("lan"), _ip_octets(seen, 14, 32), at_ms, "boot:2", 32)

    carried = packets * (frame - 14)
    found = delta(reading(0, 0), reading(30_000, packets))
    assert found is not None
    if packets * frame < WRAP:
        assert found.counts.octets_in == carried
        assert found.quality in (Quality.EXACT, Quality.WRAPPED)


def test_64_bits_are_never_less_than_nothing() -> None:
    assert _ip_octets(Counts(10, 0, 1, 0), 14, 64).octets_in == 0


def test_what_was_carried_since_the_last_reading_is_seen_at_once() -> None:
    """The live view looks each second; readings come with a flush, 30 s apart."""
    collector = InterfaceCollector(Point("lo", "interface", "lo"))
    collector.open({})
    [first] = collector.read(0, 1000).readings
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for _ in range(100):
            out.sendto(bytes(1000), ("127.0.0.1", 9))
    seen = [each.counts for each in collector.peek()]
    [second] = collector.read(1000, 2000).readings
    assert len(seen) == 1
    assert 100 * 1028 <= seen[0].octets <= second.counts.octets - first.counts.octets
    after = [each.counts.octets for each in collector.peek()]  # what is read is not shown twice
    assert sum(after) < 100 * 1028
