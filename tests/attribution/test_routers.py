"""A second router behind ours: learned by the hosts it carries, which are devices of their own then."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.flows import GATEWAY, HOME, PHONE, SWITCH, flow
from whitestat.attribution.attribute import Attributor
from whitestat.attribution.devices.episodes import EpisodeTable
from whitestat.attribution.routers import CANDIDATES_MAX, HOSTS, WINDOW_MS, Routers
from whitestat.attribution.shape import Shape
from whitestat.core.model import Delta, Episode
from whitestat.core.units import address_bytes, address_text, mac_text

ON_LINK = replace(HOME, on_link=(ip_network("192.168.50.0/24"), ip_network("2001:db8:50::/64")))
HOST = "203.0.113.9"


def up(address: str, mac: bytes = SWITCH, octets: int = 100) -> Delta:
    return flow(address, mac, HOST if "." in address else "2001:db8:cafe::9", GATEWAY, octets)


def down(address: str, mac: bytes = SWITCH, octets: int = 900) -> Delta:
    return flow(HOST if "." in address else "2001:db8:cafe::9", GATEWAY, address, mac, octets)


def behind(count: int) -> list[str]:
    return [f"192.168.60.{10 + n}" for n in range(count)]


def by_device(attributor: Attributor, *flows: Delta, at_ms: int = 0) -> dict[str, tuple[int, int]]:
    """(in, out) by MAC, or by address where the device has no MAC."""
    result = attributor.attribute(flows, at_ms)
    attributor.commit(result)
    found = {}
    for key, counts in result.counts().items():
        episode = attributor.devices.by_id(key.episode)
        assert episode.mac or episode.address
        found[mac_text(episode.mac) if episode.mac else address_text(episode.address or b"")] = counts[:2]
    return found


def test_four_hosts_that_are_answered_behind_one_mac_make_it_a_router() -> None:
    attributor = Attributor(ON_LINK, EpisodeTable())
    both = [each for address in behind(HOSTS) for each in (up(address), down(address))]
    by_device(attributor, *both)
    assert by_device(attributor, *both) == dict.fromkeys(behind(HOSTS), (900, 100))
    [notice] = Shape().notices(str, attributor.routers.learned, 0)
    assert mac_text(SWITCH) in notice
    assert "192.168.60.10" in notice
    assert by_device(attributor, up("192.168.50.2"), down("192.168.50.2")) == {mac_text(SWITCH): (900, 100)}


@pytest.mark.parametrize(
    "flows",
    [
        [each for n in range(10) for each in (up(f"2001:db8:50::{n}", PHONE), down(f"2001:db8:50::{n}", PHONE))],
        [each for n in range(10) for each in (up(f"2001:db8:60::{n}", PHONE), down(f"2001:db8:60::{n}", PHONE))],
        [each for n in range(10) for each in (up(f"192.168.50.{20 + n}", PHONE), down(f"192.168.50.{20 + n}", PHONE))],
        [each for n in range(10) for each in (up(f"169.254.7.{n + 1}", PHONE), down(f"169.254.7.{n + 1}", PHONE))],
        [up(address, PHONE) for address in behind(100)],  # forged: nobody answers
        [each for address in behind(HOSTS - 1) for each in (up(address, PHONE), down(address, PHONE))],
    ],
    ids=["ten-ipv6", "ten-ipv6-elsewhere", "ten-ipv4", "link-local", "forged", "too-few"],
)
def test_a_phone_with_many_addresses_is_no_router(flows: list[Delta]) -> None:
    attributor = Attributor(ON_LINK, EpisodeTable())
    for _ in range(2):
        assert set(by_device(attributor, *flows)) == {mac_text(PHONE)}
    assert attributor.routers.learned == {}


def test_without_an_address_on_the_link_nothing_is_learned() -> None:
    attributor = Attributor(HOME, EpisodeTable())
    by_device(attributor, *(each for address in behind(20) for each in (up(address), down(address))))
    assert attributor.routers.learned == {}


def test_after_a_restart_one_host_that_was_a_device_is_enough() -> None:
    devices = EpisodeTable([Episode(1, 1, None, address_bytes("192.168.60.10"), 0)])
    attributor = Attributor(ON_LINK, devices)
    assert by_device(attributor, up("192.168.60.10"), down("192.168.60.10")) == {"192.168.60.10": (900, 100)}
    assert by_device(attributor, up("192.168.60.99")) == {"192.168.60.99": (0, 100)}


def test_behind_a_router_of_the_configuration_hosts_are_devices_and_what_passes_again_is_nobodys() -> None:
    attributor = Attributor(replace(ON_LINK, routers=frozenset({SWITCH})), EpisodeTable())
    assert by_device(attributor, up("192.168.60.10"), up("192.168.50.11"), down("192.168.60.11")) == {
        "192.168.60.10": (0, 100),
        "192.168.60.11": (900, 0),
    }


def test_ipv6_behind_a_router_is_the_routers() -> None:
    home = replace(ON_LINK, networks=(*ON_LINK.networks, ip_network("2001:db8:60::/64")))
    attributor = Attributor(replace(home, routers=frozenset({SWITCH})), EpisodeTable())
    assert by_device(attributor, up("2001:db8:60::7"), down("2001:db8:60::8")) == {mac_text(SWITCH): (900, 100)}


def learned() -> Attributor:
    attributor = Attributor(ON_LINK, EpisodeTable())
    by_device(attributor, *(each for address in behind(HOSTS) for each in (up(address), down(address))))
    assert set(attributor.routers.learned) == {SWITCH}
    return attributor


def test_all_flows_of_the_interval_that_tells_of_a_router_are_its_hosts_whatever_their_order() -> None:
    flows = [each for address in behind(HOSTS) for each in (up(address), down(address))]
    for order in (flows, flows[::-1]):
        attributor = Attributor(ON_LINK, EpisodeTable())
        assert by_device(attributor, *order) == dict.fromkeys(behind(HOSTS), (900, 100))


def test_a_router_that_carries_nothing_for_a_day_is_none_any_more() -> None:
    attributor = learned()
    by_device(attributor, up("192.168.60.10"), at_ms=WINDOW_MS // 2)
    by_device(attributor, at_ms=WINDOW_MS)
    assert set(attributor.routers.learned) == {SWITCH}
    by_device(attributor, at_ms=2 * WINDOW_MS)
    assert attributor.routers.learned == {}
    assert Shape().notices(str, attributor.routers.learned, 0) == ()


def test_hosts_that_are_answered_behind_other_macs_take_their_evidence_with_them() -> None:
    attributor = learned()
    macs = [bytes([2, 0, 0, 0, 1, n]) for n in range(HOSTS)]
    by_device(attributor, *(up(address, mac) for address, mac in zip(behind(HOSTS), macs, strict=True)))
    assert set(attributor.routers.learned) == {SWITCH}  # a forged source gets no answer
    by_device(attributor, *(down(address, mac) for address, mac in zip(behind(HOSTS), macs, strict=True)))
    assert SWITCH not in attributor.routers.learned


_sights = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 30), st.integers(0, 2 * WINDOW_MS), st.booleans()))


@given(_sights)
def test_whatever_is_seen_a_router_had_four_answered_hosts_within_a_day(
    sights: list[tuple[int, int, int, bool]],
) -> None:
    routers, seen = Routers(), set()
    for mac, host, at_ms, sent in sorted(sights, key=lambda each: each[2]):
        seen.add((mac, host, sent))
        routers.saw(bytes([2, 0, 0, 0, 0, mac]), bytes([host]), at_ms, sent=sent, known=False)
    for router in routers.learned:
        hosts = {host for mac, host, _ in seen if mac == router[5]}
        assert sum({(router[5], host, True), (router[5], host, False)} <= seen for host in hosts) >= HOSTS
    assert len(routers._candidates) <= CANDIDATES_MAX
