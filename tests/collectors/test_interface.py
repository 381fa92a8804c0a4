"""Totals of an interface, on 32-bit kernels too."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whitestat.collectors.interface import _ip_octets
from whitestat.counters import delta
from whitestat.model import CounterReading, Counts, FlowKey, Quality

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
