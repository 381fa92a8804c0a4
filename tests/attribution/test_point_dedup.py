"""Two counting points: what both see of a flow is booked once, what a device does here and there is summed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.flows import GATEWAY, HOME, PHONE, TV, flow
from whitestat.attribution.attribute import Attributed, Attributor
from whitestat.attribution.devices.episodes import EpisodeTable
from whitestat.attribution.point_dedup import FLOWS_MAX
from whitestat.attribution.shape import ALONE, ALONE_MS, SHOWN_MS, Shape
from whitestat.core.model import Counts, Delta, Scope, UsageKey

PHONE4, HOST = "192.168.50.11", "203.0.113.9"


def attributor(*points: str) -> Attributor:
    return Attributor(replace(HOME, counting=points), EpisodeTable())


def at(point: str, delta: Delta, start_ms: int = 0, end_ms: int = 30_000, vlan: int = 0) -> Delta:
    return delta._replace(key=delta.key._replace(point=point, vlan=vlan), start_ms=start_ms, end_ms=end_ms)


def up(octets: int, host: str = HOST, source: str = PHONE4) -> Delta:
    return flow(source, PHONE, host, GATEWAY, octets)


def by_point(result: Attributed) -> dict[str, int]:
    """Octets of devices, by point."""
    found: dict[str, int] = {}
    for key, counts in result.counts().items():
        found[key.point] = found.get(key.point, 0) + counts.octets
    return found


@pytest.mark.parametrize("order", [("lan", "port"), ("port", "lan")])
def test_the_same_flow_at_two_points_is_booked_at_the_first_of_the_configuration(order: tuple[str, str]) -> None:
    result = attributor("lan", "port").attribute([at(point, up(50_000)) for point in order], 0)
    assert by_point(result) == {"lan": 50_000}
    assert {name: each.attributed for name, each in result.points.items()} == {"lan": 50_000, "port": 0}
    assert result.points["port"].repeated == 50_000
    assert [(each.first, each.point, each.octets) for each in result.duplicates] == [("lan", "port", 50_000)]


def test_a_tag_that_only_one_of_them_sees_makes_no_difference() -> None:
    result = attributor("lan", "port").attribute([at("lan", up(500)), at("port", up(500), vlan=7)], 0)
    assert by_point(result) == {"lan": 500}


def test_a_device_that_moves_from_one_network_to_the_other_is_summed() -> None:
    """It has another address there; and where it has not, other octets."""
    flows = [
        at("lan", up(50_000)),
        at("guest", up(50_000, source="192.168.60.11")),
        at("guest", up(9000, "203.0.113.10")),
    ]
    result = attributor("lan", "guest").attribute([*flows, at("guest", up(20_000))], 0)
    assert by_point(result) == {"lan": 50_000, "guest": 79_000}
    assert result.duplicates == []


def test_what_a_guest_sends_to_the_lan_is_the_guests_there_and_the_others_here() -> None:
    result = attributor("lan", "guest").attribute(
        [
            at("guest", flow("192.168.60.11", PHONE, "192.168.50.12", GATEWAY, 700)),
            at("lan", flow("192.168.60.11", GATEWAY, "192.168.50.12", TV, 700)),
        ],
        0,
    )
    assert by_point(result) == {"lan": 700, "guest": 700}


def test_points_that_are_read_one_after_the_other_are_compared_in_the_same_interval_only() -> None:
    found = attributor("lan", "port")
    steps = [("lan", 0, 30_000), ("port", 20, 30_020), ("port", 30_020, 60_020), ("lan", 30_000, 60_000)]
    booked = []
    for point, start_ms, end_ms in steps:
        result = found.attribute([at(point, up(40_000), start_ms, end_ms)], end_ms)
        found.commit(result)
        booked.append(by_point(result))
    assert booked == [{"lan": 40_000}, {}, {"port": 40_000}, {}]


def test_a_look_at_both_is_no_sighting_of_what_is_booked() -> None:
    found = attributor("lan", "port")
    found.commit(found.attribute([at("lan", up(40_000))], 0))
    pending = found.attribute([at("port", up(40_000), 0, 0)], 0)
    assert by_point(pending) == {"port": 40_000}


def test_one_point_alone_compares_nothing() -> None:
    result = attributor("lan").attribute([at("lan", up(500)), at("lan", up(500))], 0)
    assert by_point(result) == {"lan": 1000}
    assert not result.seen


@pytest.mark.slow
def test_a_flood_of_flows_is_compared_up_to_a_bound() -> None:
    flows = [at("lan", up(10, f"203.0.{n >> 8}.{n & 255}")) for n in range(FLOWS_MAX + 500)]
    result = attributor("lan", "port").attribute(flows, 0)
    assert by_point(result) == {"lan": 10 * len(flows)}
    assert len(result.seen) == FLOWS_MAX


def test_the_notice_names_the_device_both_points_and_the_remedy_and_goes_when_it_is_mended() -> None:
    shape, result = Shape(), attributor("lan", "port").attribute([at("lan", up(50_000)), at("port", up(50_000))], 0)
    shape.saw_doubles(result.duplicates, 1000)
    [notice] = shape.notices(lambda episode: "phone", {}, 2000)
    assert "phone is seen at the points lan and port" in notice
    assert "counts = false" in notice
    assert shape.notices(lambda episode: "phone", {}, 1000 + SHOWN_MS) == ()


def test_two_small_answers_of_one_length_are_no_notice() -> None:
    shape, result = Shape(), attributor("lan", "port").attribute([at("lan", up(80)), at("port", up(80))], 0)
    shape.saw_doubles(result.duplicates, 0)
    assert shape.notices(str, {}, 0) == ()


_flows = st.lists(
    st.tuples(st.sampled_from(["lan", "port", "guest"]), st.sampled_from(range(6)), st.integers(0, 10**6)), max_size=30
)


@given(_flows)
def test_whatever_is_seen_where_a_device_has_no_less_than_at_any_one_point_and_no_more_than_at_all(
    sightings: list[tuple[str, int, int]],
) -> None:
    flows = list(
        {(point, host): at(point, up(octets, f"203.0.113.{host}")) for point, host, octets in sightings}.values()
    )
    result = attributor("lan", "port").attribute(flows, 0)
    booked = result.counts()
    for point in ("lan", "guest"):  # the first one, and one that is not compared
        whole = sum(each.counts.octets for each in flows if each.key.point == point)
        assert booked.get(UsageKey(1, point, Scope.WAN), Counts()).octets == whole
        assert sum(each.attributed for name, each in result.points.items() if name == point) == whole
    lost = sum(each.octets for each in result.duplicates)
    assert sum(by_point(result).values()) + lost == sum(each.counts.octets for each in flows)


def test_who_sees_only_itself_for_minutes_is_told_until_others_appear() -> None:
    shape = Shape()
    shape.saw_users(own=True, others=False, at_ms=1000)
    assert shape.notices(str, {}, ALONE_MS) == ()
    assert shape.notices(str, {}, 1000 + ALONE_MS) == (ALONE,)
    shape.saw_users(own=True, others=True, at_ms=2000 + ALONE_MS)
    shape.saw_users(own=True, others=False, at_ms=3 * ALONE_MS)
    assert shape.notices(str, {}, 9 * ALONE_MS) == ()  # they sleep
    assert Shape().notices(str, {}, 9 * ALONE_MS) == ()  # nobody uses anything: who knows
