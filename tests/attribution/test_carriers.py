"""MACs that carry the outside: learned from what they stand for, contradicted by what is on the link, forgotten."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.flows import PHONE, SWITCH, TV, by_mac, flow
from whitestat.attribution.attribute import WAITING_MAX, Attributor
from whitestat.attribution.devices.episodes import EpisodeTable
from whitestat.attribution.locality import Locality
from whitestat.attribution.routers import CARRIED_MAX, CARRIERS_MAX, NEIGHBOURS_MAX, WINDOW_MS, Carriers
from whitestat.core.model import Delta
from whitestat.core.units import address_bytes

MIRROR = Locality((ip_network("192.168.50.0/24"),), counting=("lan",))
"""A mirror port where the configuration names IPv4 alone."""
LAPTOP6, HOST6 = "2001:db8:77::11", "2001:db8:cafe::9"
SOLICITED = flow("fe80::1", SWITCH, LAPTOP6, PHONE, 72, 58, 0)
ANSWERED = flow(LAPTOP6, PHONE, "fe80::1", SWITCH, 72, 58, 0)
IPV4 = flow("192.168.50.11", PHONE, "203.0.113.9", SWITCH, 1)
UP, DOWN = flow(LAPTOP6, PHONE, HOST6, SWITCH, 100), flow(HOST6, SWITCH, LAPTOP6, PHONE, 900)


def attributor() -> Attributor:
    return Attributor(MIRROR, EpisodeTable())


def wan(attributor: Attributor, *flows: Delta, at_ms: int = 0) -> dict[bytes | None, tuple[int, int]]:
    result = attributor.attribute(flows, at_ms)
    return {mac: counts for (mac, scope), counts in by_mac(result, attributor.devices).items() if scope == "wan"}


@pytest.mark.parametrize("first", [[SOLICITED], [ANSWERED], [SOLICITED, ANSWERED]])
@pytest.mark.parametrize("later", [False, True])
def test_a_solicitation_makes_nothing_of_a_laptop(first: list[Delta], later: bool) -> None:
    here = attributor()
    if later:
        wan(here, IPV4, *first)
        assert wan(here, UP, DOWN) == {PHONE: (900, 100)}
    else:
        assert wan(here, UP, *first, DOWN, IPV4) == {PHONE: (900, 101)}


def test_an_address_that_answers_a_link_local_one_is_a_device_without_any_router_known() -> None:
    assert wan(attributor(), UP, DOWN, ANSWERED) == {PHONE: (900, 100)}


def test_what_was_learned_wrongly_is_contradicted() -> None:
    """Between two devices of which only one has an address that is known to be local, the other looks like a router."""
    home = replace(MIRROR, networks=(*MIRROR.networks, ip_network("2001:db8:50::/64")))
    here = Attributor(home, EpisodeTable())
    wan(here, IPV4, flow("2001:db8:50::12", TV, LAPTOP6, PHONE, 5))
    assert wan(here, UP, DOWN) == {None: (1000, 0)}
    assert wan(here, UP, DOWN, ANSWERED) == {PHONE: (900, 100)}
    wan(here, flow("2001:db8:50::12", TV, LAPTOP6, PHONE, 5))
    assert wan(here, UP, DOWN) == {PHONE: (900, 100)}  # not learned again


def test_what_was_learned_is_forgotten_after_a_day_without_it() -> None:
    here = attributor()
    wan(here, IPV4)
    assert wan(here, UP, at_ms=WINDOW_MS - 1) == {PHONE: (0, 100)}
    assert wan(here, UP, at_ms=2 * WINDOW_MS) == {None: (100, 0)}


def test_a_router_that_goes_on_carrying_is_not_forgotten() -> None:
    here = attributor()
    for hour in range(60):
        wan(here, IPV4, at_ms=hour * 3_600_000)
    assert wan(here, UP, at_ms=60 * 3_600_000) == {PHONE: (0, 100)}


def test_more_strangers_than_are_kept_back_are_counted_all_the_same() -> None:
    strangers = [flow(f"2001:db8:1::{n:x}", TV, f"2001:db8:2::{n:x}", SWITCH, 1) for n in range(WAITING_MAX + 50)]
    assert wan(attributor(), *strangers) == {None: (WAITING_MAX + 50, 0)}


_sights = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 9), st.booleans(), st.integers(0, 3 * WINDOW_MS)))


@given(_sights)
def test_a_carrier_stood_within_a_day_for_what_is_not_its_own(sights: list[tuple[int, int, bool, int]]) -> None:
    carriers = Carriers()
    seen: dict[tuple[bytes, bytes], int] = {}
    own = set()
    now_ms = 0
    for number, host, neighbour, at_ms in sorted(sights, key=lambda each: each[3]):
        mac, address, now_ms = bytes([2, 0, 0, 0, 0, number]), address_bytes(f"2001:db8::{host}"), at_ms
        if neighbour:
            carriers.saw_neighbour(mac, address, at_ms)
            own.add((mac, address))
            seen.pop((mac, address), None)
        elif (mac, address) not in own:
            carriers.saw(mac, address, at_ms)
            seen[mac, address] = at_ms
    carriers.expire(now_ms)
    recent = {mac for (mac, _), at_ms in seen.items() if now_ms - at_ms < WINDOW_MS}
    assert {bytes([2, 0, 0, 0, 0, n]) for n in range(100) if bytes([2, 0, 0, 0, 0, n]) in carriers} <= recent
    assert len(carriers._carried) <= CARRIERS_MAX
    assert all(len(each) <= CARRIED_MAX for each in carriers._carried.values())
    assert len(carriers._neighbours) <= NEIGHBOURS_MAX
