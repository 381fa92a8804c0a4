"""The counter rules, each as a property (RFC 2578, RFC 2863)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whitestat.core.counters import CEILING_BPS, delta
from whitestat.core.model import CounterReading, Counts, FlowKey, Quality

KEY = FlowKey("lan")
SPANS = st.integers(1, 3_600_000)


def reading(octets_in: int, at_ms: int = 0, *, epoch: str = "a", width: int = 64, packets: int = 0) -> CounterReading:
    return CounterReading(KEY, Counts(octets_in, 0, packets, 0), at_ms, epoch, width)


def carried(span_ms: int, ceiling_bps: int = CEILING_BPS) -> int:
    return ceiling_bps * span_ms // 8000


@given(st.integers(0, 2**64 - 1))
def test_first_sight_is_a_baseline_never_traffic(octets: int) -> None:
    assert delta(None, reading(octets)) is None


@given(st.integers(0, 2**60), SPANS, st.data())
def test_growth_is_booked_to_the_octet(start: int, span_ms: int, data: st.DataObject) -> None:
    grown = data.draw(st.integers(0, carried(span_ms)))
    found = delta(reading(start), reading(start + grown, span_ms))
    assert found is not None
    assert (found.counts.octets_in, found.quality) == (grown, Quality.EXACT)
    assert (found.start_ms, found.end_ms) == (0, span_ms)


@given(st.integers(0, 2**32 - 1), SPANS, st.data())
def test_a_32_bit_counter_that_wraps_loses_nothing(start: int, span_ms: int, data: st.DataObject) -> None:
    grown = data.draw(st.integers(0, min(carried(span_ms), 2**32 - 1)))
    now = (start + grown) % 2**32
    found = delta(reading(start, width=32), reading(now, span_ms, width=32))
    assert found is not None
    assert found.counts.octets_in == grown
    assert found.quality is (Quality.WRAPPED if now < start else Quality.EXACT)


def test_the_wrap_is_modulo_two_to_the_width_and_not_one_short() -> None:
    found = delta(reading(2**32 - 1, width=32), reading(0, 1000, width=32))
    assert found is not None
    assert found.counts.octets_in == 1


@given(st.integers(2**40, 2**63), SPANS, st.data())
def test_a_decrease_that_no_link_can_explain_is_a_reset_from_zero(
    start: int, span_ms: int, data: st.DataObject
) -> None:
    now = data.draw(st.integers(0, carried(min(span_ms, 60_000))))
    if now >= start:
        return
    found = delta(reading(start), reading(now, span_ms))
    assert found is not None
    assert (found.counts.octets_in, found.quality) == (now, Quality.RESET)


@given(st.integers(0, 2**40), SPANS, st.data())
def test_a_new_epoch_starts_from_zero(start: int, span_ms: int, data: st.DataObject) -> None:
    now = data.draw(st.integers(0, carried(span_ms)))
    found = delta(reading(start), reading(now, span_ms, epoch="b"))
    assert found is not None
    assert (found.counts.octets_in, found.quality) == (now, Quality.RESET)


@given(st.integers(1, 2**40), st.integers(1, 2**40), SPANS)
def test_a_jump_back_to_a_value_seen_before_is_a_restored_meter(back: int, more: int, span_ms: int) -> None:
    found = delta(reading(back + more), reading(back, span_ms), earlier={Counts(back)})
    assert found is not None
    assert (found.counts, found.quality) == (Counts(), Quality.AMBIGUOUS)


@given(st.integers(0, 2**40), st.integers(1, 60_000), st.integers(1, 2**40))
def test_what_the_link_cannot_have_carried_is_not_booked(start: int, span_ms: int, more: int) -> None:
    impossible = 2 * carried(span_ms + 1000) + more
    found = delta(reading(start), reading(start + impossible, span_ms))
    assert found is not None
    assert (found.counts, found.quality) == (Counts(), Quality.IMPLAUSIBLE)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(1000, 60_000)), max_size=30))
def test_deltas_add_up_to_the_traffic_over_any_number_of_wraps(steps: list[tuple[int, int]]) -> None:
    total = at_ms = booked = 0
    before: CounterReading | None = reading(0, width=32)
    for octets, span_ms in steps:
        total, at_ms = total + octets, at_ms + span_ms
        now = reading(total % 2**32, at_ms, width=32)
        found = delta(before, now)
        assert found is not None
        booked, before = booked + found.counts.octets, now
    assert booked == total


def test_a_new_epoch_starts_from_what_the_counter_had_when_it_became_the_keys() -> None:
    now = reading(500_000_001_000, 1000, epoch="b")._replace(begun=Counts(500_000_000_000))
    found = delta(reading(70, epoch="a"), now)
    assert found is not None
    assert (found.counts, found.quality) == (Counts(1000), Quality.RESET)
