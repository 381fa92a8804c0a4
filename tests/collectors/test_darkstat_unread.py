"""Frames that darkstat captured and could not read (VLAN tags, PPPoE) lower the coverage; link chatter does not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whitestat.collectors.darkstat.follow import TableSnapshot
from whitestat.collectors.darkstat.unread import CHATTER_PER_S, UnreadFrames


def look(at_s: float, captured: int | None, packets: int, dropped: int = 0, life: int = 1) -> TableSnapshot:
    octets = 500 * packets
    return TableSnapshot(int(at_s * 1000), life, {}, octets, 0, octets, octets, packets, dropped, captured=captured)


def unread(*looks: TableSnapshot) -> list[int]:
    """Frames that each look shows to be unread."""
    state, frames = UnreadFrames(), []
    for each in looks:
        state, more = state.take(each)
        frames.append(more)
    return frames


def test_frames_that_are_captured_and_never_seen_are_unread() -> None:
    assert unread(look(0, 700, 600), look(30, 5_700, 600), look(60, 5_700, 600)) == [0, 0, 5_000 - 30 * CHATTER_PER_S]


def test_frames_that_wait_in_the_ring_are_not_unread() -> None:
    looks = (look(0, 0, 0), look(30, 9_000, 4_000), look(60, 18_000, 13_000), look(90, 18_000, 18_000))
    assert unread(*looks) == [0, 0, 0, 0]


def test_frames_that_pcap_dropped_are_not_unread() -> None:
    assert unread(look(0, 100, 100), look(30, 9_100, 600, 8_500), look(60, 9_100, 600, 8_500)) == [0, 0, 0]


def test_link_chatter_is_not_unread() -> None:
    looks = [look(30 * poll, 30 * poll * (CHATTER_PER_S + 5), 30 * poll * 5) for poll in range(100)]
    assert sum(unread(*looks)) == 0


def test_a_new_process_counts_from_zero_and_a_wipe_is_a_baseline() -> None:
    begun = look(60, 3_000, 10, life=2)
    assert unread(look(30, 50_000, 50_000), begun, look(90, 3_000, 10, life=2)) == [0, 0, 2_990 - 300]
    wiped = look(60, 60_000, 10, life=2)
    assert unread(look(30, 50_000, 50_000), wiped, look(90, 60_000, 10, life=2)) == [0, 0, 0]


def test_looks_in_quick_succession_are_compared_two_seconds_apart() -> None:
    looks = [look(second, 1_000 * second, 1_000 * max(0, second - 1)) for second in range(60)]
    assert sum(unread(*looks)) == 0


def test_a_page_without_the_figure_says_nothing() -> None:
    assert unread(look(0, None, 0), look(30, None, 0), look(60, 900, 0), look(90, 900, 0)) == [0, 0, 0, 0]


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 3000)), max_size=30))
def test_never_more_is_unread_than_there_was(spans: list[tuple[int, int, int]]) -> None:
    """Each span has frames that can be read, others, and how many of the first still wait in the ring at its end."""
    looks, readable, others = [look(0, 0, 0)], 0, 0
    for number, (more, unreadable, waiting) in enumerate(spans, 1):
        before, readable, others = readable, readable + more, others + unreadable
        looks.append(look(30 * number, readable + others, max(before, readable - waiting)))
    assert sum(unread(*looks)) <= others
