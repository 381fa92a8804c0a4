"""A gateway with one arm: every packet crosses it twice and is its device's, once."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.support.flows import GATEWAY, HOME, PHONE, SWITCH, by_mac, flow
from whitestat.attribution.attribute import Attributed, Attributor
from whitestat.attribution.devices.episodes import EpisodeTable
from whitestat.core.model import Delta

ARM = replace(HOME, outward=frozenset({"lan"}))
PHONE4, OWN4, HOSTS = "192.168.50.11", "198.51.100.7", ("203.0.113.9", "203.0.113.10")


def up(octets: int, host: str = HOSTS[0]) -> Delta:
    return flow(PHONE4, PHONE, host, GATEWAY, octets)


def up_again(octets: int, host: str = HOSTS[0], source: str = OWN4, service: int = 443) -> Delta:
    return flow(source, GATEWAY, host, SWITCH, octets, service=service)


def down(octets: int, host: str = HOSTS[0], target: str = OWN4) -> Delta:
    return flow(host, SWITCH, target, GATEWAY, octets)


def down_again(octets: int, host: str = HOSTS[0]) -> Delta:
    return flow(host, GATEWAY, PHONE4, PHONE, octets)


def intervals(*flows: list[Delta]) -> dict[tuple[bytes | None, str], tuple[int, int]]:
    """(MAC, scope) -> (in, out) of one interval after the other."""
    devices, whole = EpisodeTable(), Attributed()
    attributor = Attributor(ARM, devices)
    for interval in flows:
        result = attributor.attribute(interval, 1000)
        attributor.commit(result)
        assert sum(each.counts.octets for each in interval) == sum(
            point.attributed + point.unattributed + point.repeated for point in result.points.values()
        )
        booked = sum(each.octets for each in result.counts().values())
        assert booked == sum(point.attributed for point in result.points.values())
        for key, counts in result.counts().items():
            whole.book(key, counts)
    return {key: counts for key, counts in by_mac(whole, devices).items() if any(counts)}


def test_what_crosses_twice_translated_is_the_devices_once() -> None:
    assert intervals([up_again(100), up(100), down(900), down_again(900)]) == {(PHONE, "wan"): (900, 100)}


def test_what_the_gateway_sent_itself_remains_its_own() -> None:
    assert intervals([up_again(140), up(100), down(905), down_again(900), up_again(7, HOSTS[1])]) == {
        (PHONE, "wan"): (900, 100),
        (GATEWAY, "wan"): (5, 47),
    }


def test_translation_may_change_the_lower_port() -> None:
    assert intervals([up(100), up_again(60, service=1024), up_again(40, service=6881)]) == {(PHONE, "wan"): (0, 100)}


def test_what_crosses_again_untranslated_takes_nothing_from_the_gateway() -> None:
    assert intervals([up(100), up_again(100, source=PHONE4), up_again(30), down(5, target=PHONE4), down_again(5)]) == {
        (PHONE, "wan"): (5, 100),
        (GATEWAY, "wan"): (0, 30),
    }


def test_a_packet_that_leaves_in_the_next_interval_is_still_the_devices() -> None:
    assert intervals([up(100), up_again(80)], [up_again(20), up(50), up_again(50)]) == {(PHONE, "wan"): (0, 150)}


def test_what_a_firewall_stopped_is_forgotten_after_one_interval() -> None:
    assert intervals([up(1000), up_again(0)], [up_again(0)], [up_again(300)]) == {
        (PHONE, "wan"): (0, 1000),
        (GATEWAY, "wan"): (0, 300),
    }


def test_a_look_at_what_is_pending_settles_nothing() -> None:
    attributor = Attributor(ARM, EpisodeTable())
    for _ in range(2):
        first = attributor.attribute([up(100), up_again(80)], 0)
    attributor.commit(first)
    for _ in range(2):
        last = attributor.attribute([up_again(20)], 0)
        assert sum(counts.octets for counts in last.counts().values()) == 0


_amounts = st.integers(0, 50)


@given(
    st.lists(
        st.tuples(st.sampled_from(HOSTS), _amounts, _amounts, _amounts, _amounts, st.integers(0, 50)), max_size=20
    ),
    st.randoms(use_true_random=False),
)
def test_wherever_an_interval_ends_the_sum_stays_that_of_the_crossings(
    packets: list[tuple[str, int, int, int, int, int]], order: object
) -> None:
    """The device has all that it exchanged; the gateway its own, and at most what was on its way at an end."""
    flows, own_in, own_out, late = [], 0, 0, 0
    waiting: list[Delta] = []
    for host, sent, received, mine_out, mine_in, split in packets:
        delayed = min(split, sent)
        late += delayed
        interval = [*waiting, up(sent, host), up_again(sent - delayed + mine_out, host)]
        interval += [down(received + mine_in, host), down_again(received, host)]
        waiting = [up_again(delayed, host)]
        order.shuffle(interval)  # type: ignore[attr-defined]
        flows.append(interval)
        own_in, own_out = own_in + mine_in, own_out + mine_out
    booked = intervals(*flows, waiting)
    device = booked.get((PHONE, "wan"), (0, 0))
    assert device == (sum(each[2] for each in packets), sum(each[1] for each in packets))
    gateway_in, gateway_out = booked.get((GATEWAY, "wan"), (0, 0))
    assert gateway_in == own_in
    assert own_out - late <= gateway_out <= own_out + late
