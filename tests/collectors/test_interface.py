"""Totals of an interface, on 32-bit kernels too."""

from __future__ import annotations

import socket

from hypothesis import given
from hypothesis import strategies as st

from whitestat.collectors.interface import InterfaceCollector
from whitestat.core.coverage import step
from whitestat.core.model import Audit, Counts, Point, ReadResult

WRAP = 1 << 32


@given(st.integers(0, WRAP - 1), st.lists(st.integers(0, 2_000_000), max_size=8), st.integers(60, 1514))
def test_a_counter_that_begins_again_at_2_32_loses_no_octet_of_ip(begun: int, spans: list[int], frame: int) -> None:
    """All that the interface carried is booked at once, of nobody, less the link headers."""
    carried = octets = packets = 0

    def audit() -> Audit:
        return Audit("boot:2", "", Counts((begun + carried * frame) % WRAP, 0, carried % WRAP, 0))

    before = step(None, audit()).baseline
    for span in (each for each in spans if each * frame < WRAP - (1 << 24)):
        carried += span
        found = step(before, audit())
        octets, packets, before = (
            octets + found.unmetered.octets_in,
            packets + found.unmetered.packets_in,
            found.baseline,
        )
    assert (octets, packets) == (carried * (frame - 14), carried)


def test_what_the_meter_of_an_earlier_process_left_open_is_settled_with_the_first_reading() -> None:
    """It had metered 2 packets more than the interface when that was read, or 3 less."""
    for owed in (-2, 3):
        before = Audit("boot:2", "m:7", Counts(0, 1140, 0, 10), owed=Counts(0, owed * 114, 0, owed))
        found = step(before, Audit("boot:2", "", Counts(0, 1140 + 20 * 114, 0, 30)))
        assert found.unmetered == Counts(0, (20 + owed) * 100, 0, 20 + owed)
        assert found.baseline.owed == Counts()


def test_what_was_carried_since_the_last_reading_is_seen_at_once() -> None:
    """The live view looks each second; readings come with a flush, 30 s apart."""
    collector = InterfaceCollector(Point("lo", "interface", "lo"))
    collector.open({})
    first = read(collector, 1000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for _ in range(100):
            out.sendto(bytes(1000), ("127.0.0.1", 9))
    seen = [each.counts for each in collector.peek()]
    second = read(collector, 2000)
    assert len(seen) == 1
    assert 100 * 1028 <= seen[0].octets <= second.octets - first.octets
    after = [each.counts.octets for each in collector.peek()]  # what is read is not shown twice
    assert sum(after) < 100 * 1028


def read(collector: InterfaceCollector, now_ms: int) -> Counts:
    """Frames that the interface counted, by the audit of a harvest."""
    result: ReadResult = collector.read(now_ms - 1000, now_ms)
    return result.audits["lo"].frames_interface
