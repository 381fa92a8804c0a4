"""Coverage: the interface's counter as referee, read while packets flow."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from whitestat.core.counters import WRAP
from whitestat.core.coverage import step
from whitestat.core.model import Audit, Counts

PACKET = 114  # frame octets: 100 of IP behind 14 of Ethernet


def audit(interface: int, metered: int, *, epoch: str = "boot:2", meter: str = "m:2", giants: int = 0) -> Audit:
    """So many packets in, by the interface and by the meter."""
    return Audit(
        epoch,
        meter,
        Counts(interface * PACKET - giants, 0, interface, 0),
        Counts(metered * PACKET, 0, metered, 0),
        Counts(giants),
    )


def test_the_first_sight_is_a_baseline() -> None:
    found = step(None, audit(1000, 0))
    assert found.unmetered == Counts()
    assert found.frame_octets_interface == 0


def test_traffic_before_the_meter_attached_again_is_unattributed_ip_octets_by_the_second_read() -> None:
    first = step(audit(1000, 900), audit(1500, 20, meter="n:2"))
    assert first.frame_octets_interface == 500 * PACKET
    assert first.frame_octets_metered == 20 * PACKET
    assert first.unmetered == Counts()
    second = step(first.baseline, audit(1600, 120, meter="n:2"))
    assert second.unmetered == Counts(480 * 100, 0, 480, 0)


def test_a_reboot_starts_the_interface_from_zero() -> None:
    first = step(audit(1000, 1000), audit(70, 50, epoch="next:2", meter="n:2"))
    second = step(first.baseline, audit(70, 50, epoch="next:2", meter="n:2"))
    assert second.unmetered == Counts(20 * 100, 0, 20, 0)


def test_packets_on_their_way_between_two_reads_are_not_called_missing() -> None:
    first = step(audit(0, 0), audit(100, 90))
    assert first.unmetered == Counts()
    second = step(first.baseline, audit(200, 200))
    assert second.unmetered == Counts()
    assert second.baseline.owed == Counts()


def test_what_two_reads_miss_is_booked_once() -> None:
    first = step(audit(0, 0), audit(100, 90))
    second = step(first.baseline, audit(200, 190))
    third = step(second.baseline, audit(300, 290))
    assert second.unmetered == Counts(10 * 100, 0, 10, 0)
    assert third.unmetered == Counts()


def test_where_nothing_but_the_interface_counts_all_is_unattributed_at_once_and_none_of_it_is_missed() -> None:
    first = step(audit(0, 0, meter=""), audit(100, 0, meter=""))
    assert first.unmetered == Counts(100 * 100, 0, 100, 0)
    assert first.frame_octets_metered == first.frame_octets_interface == 100 * PACKET
    second = step(first.baseline, audit(130, 0, meter=""))
    assert second.unmetered == Counts(30 * 100, 0, 30, 0)
    assert second.baseline.owed == Counts()


def test_giants_counted_once_by_the_interface_are_not_missing() -> None:
    found = step(audit(0, 0), audit(100, 100, giants=5000))
    assert found.unmetered == Counts()
    assert found.frame_octets_interface == found.frame_octets_metered


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 50), st.integers(0, 20)), min_size=1, max_size=40))
def test_metered_and_unmetered_add_up_to_the_interface_when_it_falls_quiet(
    spans: list[tuple[int, int, int]],
) -> None:
    """However far the interface, read first, is behind the meter, and whatever the meter misses."""
    carried = missed = booked = 0
    before = audit(0, 0)
    for packets, skew, lost in spans:
        carried, missed = carried + packets, missed + min(lost, packets)
        interface = max(before.frames_interface.packets_in, carried - skew)
        found = step(before, audit(interface, carried - missed))
        booked, before = booked + found.unmetered.packets_in, found.baseline
        assert booked <= missed
    for _ in range(3):
        found = step(before, audit(carried, carried - missed))
        booked, before = booked + found.unmetered.packets_in, found.baseline
    assert booked == missed


TAG = 4


def tagged(interface: int, carried: int, *, counted: bool) -> Audit:
    """So many packets in, by the interface and by the meter, each with a tag beside it that is in the octets or not."""
    now = audit(interface, carried)._replace(tags=Counts(carried * TAG))
    return now._replace(frames_interface=Counts(interface * (PACKET + TAG * counted), 0, interface, 0))


@example([(59, 2)], True)  # 59 tags are as many octets as the two packets that hide them
@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 50)), min_size=1, max_size=40), st.booleans())
def test_tags_beside_frames_are_metered_as_far_as_the_interface_has_them(
    spans: list[tuple[int, int]], counted: bool
) -> None:
    """However far the interface, read first, is behind the meter in what a span brought."""
    carried = interface_octets = metered_octets = 0
    before = tagged(0, 0, counted=counted)
    quiet = [(0, 0)] * 2
    for packets, skew in (*spans, *quiet):
        carried += packets
        found = step(before, tagged(carried - min(skew, packets), carried, counted=counted))
        before = found.baseline
        interface_octets += found.frame_octets_interface
        metered_octets += found.frame_octets_metered
        assert found.unmetered == Counts()
    assert metered_octets == interface_octets == carried * (PACKET + TAG * counted)


@given(st.integers(0, 1000), st.integers(0, 50))
def test_tags_that_an_interface_does_not_count_hide_nothing_once_both_agree(packets: int, skew: int) -> None:
    """Quiet for one read, then a packet is lost: what was open of tags before is no excuse for it."""
    first = step(tagged(0, 0, counted=False), tagged(packets - min(skew, packets), packets, counted=False))
    quiet = step(first.baseline, tagged(packets, packets, counted=False))
    assert quiet.baseline.tags_open == Counts()
    lost = step(quiet.baseline, tagged(packets + 1, packets, counted=False))
    found = step(lost.baseline, tagged(packets + 1, packets, counted=False))
    assert found.unmetered == Counts(100, 0, 1, 0)


def test_a_packet_that_nobody_metered_is_more_than_the_tags_of_its_span() -> None:
    before = audit(0, 0)
    first = step(before, audit(100, 90)._replace(tags=Counts(10 * TAG)))
    second = step(first.baseline, audit(100, 90)._replace(tags=Counts(10 * TAG)))
    assert second.unmetered == Counts(10 * 100 - 10 * TAG, 0, 10, 0)


def test_packets_between_the_first_two_readings_of_all_are_no_ghost() -> None:
    """The interface was read before a packet, the meter after it."""
    first = step(None, audit(1000, 5)._replace(frames_at_attach=Counts(1000 * PACKET, 0, 1000, 0)))
    second = step(first.baseline, audit(1005, 5))
    third = step(second.baseline, audit(1005, 5))
    assert [each.unmetered for each in (first, second, third)] == [Counts()] * 3
    assert third.baseline.owed == Counts()
    frames = [(each.frame_octets_interface, each.frame_octets_metered) for each in (first, second, third)]
    assert sum(interface for interface, _ in frames) == sum(metered for _, metered in frames) == 5 * PACKET


@given(st.lists(st.integers(0, 2_000_000), min_size=1, max_size=60), st.integers(0, 2**33))
def test_an_interface_that_counts_to_2_32_alone_covers_what_it_carried(spans: list[int], begun: int) -> None:
    """Octets of frames of 1,514 are full every few spans; the meter counts in 64 bits."""
    frame = 1514

    def seen(packets: int) -> Audit:
        interface = Counts((begun + packets * frame) % WRAP, 0, packets % WRAP, 0)
        return Audit("boot:2", "m:2", interface, Counts(packets * frame, 0, packets, 0))

    carried = interface_octets = booked = 0
    before = seen(0)
    for packets in (*spans, 0, 0):
        carried += packets
        found = step(before, seen(carried))
        before = found.baseline
        interface_octets += found.frame_octets_interface
        booked += found.unmetered.octets
    assert interface_octets == carried * frame
    assert booked == 0


def test_a_packet_counter_that_is_full_goes_on_and_a_reset_begins_again() -> None:
    near = Audit("boot:2", "m:2", Counts(3_000_000_000, 0, WRAP - 10, 0))
    on = near._replace(frames_interface=Counts(3_000_010_000, 0, 10, 0), frames_metered=Counts(10_000, 0, 20, 0))
    assert step(near, on).frame_octets_interface == 10_000
    young = near._replace(frames_interface=Counts(3_000_000_000, 0, 1_000_000, 0))
    reset = near._replace(frames_interface=Counts(5_000, 0, 10, 0))
    assert step(young, reset).frame_octets_interface == 5_000


def test_what_an_interface_carried_under_another_name_is_no_ghost() -> None:
    """It was there, with gigabytes on it, before it took the point's name."""
    foreign = Counts(500_000_000_000, 0, 400_000_000, 0)
    now = Audit("boot:3", "n:3", foreign.plus(Counts(50 * PACKET, 0, 50, 0)), Counts(20 * PACKET, 0, 20, 0))
    first = step(audit(1000, 1000), now._replace(frames_foreign=foreign))
    assert first.frame_octets_interface == 50 * PACKET
    second = step(first.baseline, now._replace(frames_foreign=foreign))
    assert second.unmetered == Counts(30 * 100, 0, 30, 0)


def test_a_meter_that_cannot_tell_in_from_out_owns_what_it_missed() -> None:
    """Octets of darkstat's referee are of both directions in one."""
    wire = Audit("wire", "d", Counts(octets_unsplit=1000), Counts(octets_unsplit=1000))
    on = wire._replace(frames_interface=Counts(octets_unsplit=9000), frames_metered=Counts(octets_unsplit=5000))
    first = step(wire, on)
    assert (first.frame_octets_interface, first.frame_octets_metered) == (8000, 4000)
    second = step(first.baseline, on)
    assert second.unmetered == Counts(octets_unsplit=4000)
    again = step(second.baseline, on._replace(frames_interface=Counts(octets_unsplit=7), frames_metered=Counts()))
    assert again.frame_octets_interface == 7  # it fell, so it has begun again


EVENTS = st.sampled_from(["read", "not read", "another life", "gone"])


@given(st.lists(st.tuples(EVENTS, st.integers(0, 1000), st.integers(0, 50), st.integers(0, 20)), max_size=40))
def test_booked_and_metered_are_what_was_carried_whatever_becomes_of_the_interface_and_the_process(
    events: list[tuple[str, int, int, int]],
) -> None:
    """Each audit is of the packets handed out with it. Only what the meter was ahead of an interface when that was read
    for the last time can hide what was missed until then."""
    carried = metered = booked = hidden = of_life = 0
    ahead, life = 0, "boot:1"
    before = audit(0, 0, epoch=life)
    for number, (kind, packets, late, lost) in enumerate([*events, *[("read", 0, 0, 0)] * 3]):
        missed, skew = min(lost, packets), min(late, packets)
        if kind == "another life":
            hidden, of_life, life = hidden + ahead, 0, f"boot:{number}:2"
        carried, metered, of_life = carried + packets, metered + packets - missed, of_life + packets
        now = audit(of_life - skew, packets - missed, epoch=life, meter=f"m:{number}")
        if kind in ("not read", "gone"):
            now = now._replace(epoch="", frames_interface=Counts())
            ahead += packets
        else:
            ahead = skew
        if kind == "gone":
            now, of_life = now._replace(frames_gone=Counts(packets * PACKET, 0, packets, 0)), of_life - packets
            ahead -= packets
        found = step(before, now)
        booked, before = booked + found.unmetered.packets_in, found.baseline
        assert found.unmetered.octets_in == 100 * found.unmetered.packets_in
        assert metered + booked <= carried
    assert carried - hidden <= metered + booked


def test_an_interface_that_went_owes_nothing_for_later() -> None:
    """It had carried 70 packets before it was watched; 30 were metered, and it went before it was read."""
    first = step(
        audit(100, 100), audit(0, 30, epoch="", meter="n:2")._replace(frames_gone=Counts(100 * PACKET, 0, 100))
    )
    assert first.unmetered == Counts(70 * 100, 0, 70, 0)
    assert first.frame_octets_interface == 100 * PACKET
    assert first.baseline.owed == Counts()
    back = step(first.baseline, audit(10, 10, epoch="boot:3", meter="o:2"))
    assert back.unmetered == back.baseline.owed == Counts()


def test_octets_of_ip_are_right_though_octets_and_packets_are_owed_at_different_times() -> None:
    """A driver may count a packet before its octets: what is booked of both is together what was carried."""
    before = audit(0, 0)
    octets = 0
    for seen_octets, seen_packets in ((10, 3), (20, 3), (3 * PACKET, 3), (3 * PACKET, 3), (3 * PACKET, 3)):
        found = step(before, audit(0, 0)._replace(frames_interface=Counts(seen_octets, 0, seen_packets, 0)))
        octets, before = octets + found.unmetered.octets_in, found.baseline
    assert octets == 3 * 100
