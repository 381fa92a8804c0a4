"""Whose a flow is, seen from a gateway's LAN interface, a lone host and a mirror port."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.flows import BROADCAST, GATEWAY, GROUP, HOME, PHONE, SWITCH, TV, attribute, by_mac, flow, whole
from whitestat.attribution.attribute import Attributor, PointSum
from whitestat.attribution.devices.episodes import EpisodeTable
from whitestat.attribution.locality import PRIVATE, Locality
from whitestat.core.model import PROTOCOL_OTHER, UNATTRIBUTED, Counts, Delta, FlowKey, Scope, UsageKey
from whitestat.core.units import address_bytes


def test_up_and_down_of_a_device_are_its_out_and_in() -> None:
    result, devices = attribute(
        flow("192.168.50.11", PHONE, "203.0.113.9", GATEWAY, 100),
        flow("203.0.113.9", GATEWAY, "192.168.50.11", PHONE, 900),
        flow("2001:db8:50::11", PHONE, "2001:db8:cafe::9", GATEWAY, 10),
    )
    assert by_mac(result, devices) == {(PHONE, "wan"): (900, 110)}
    assert result.points["lan"].attributed == 1010


def test_local_traffic_is_booked_to_both_ends_and_counted_once() -> None:
    result, devices = attribute(flow("192.168.50.11", PHONE, "192.168.50.12", TV, 70))
    assert by_mac(result, devices) == {(PHONE, "lan"): (0, 70), (TV, "lan"): (70, 0)}
    assert (result.points["lan"].attributed, result.points["lan"].unattributed) == (70, 0)


def test_the_gateways_own_traffic_is_its_own_and_forwarded_packets_are_not() -> None:
    result, devices = attribute(
        flow("192.168.50.1", GATEWAY, "192.168.50.11", PHONE, 40),
        flow("203.0.113.9", GATEWAY, "192.168.50.11", PHONE, 900),
        flow("192.168.60.5", GATEWAY, "192.168.50.11", PHONE, 5),  # from another network behind the gateway
    )
    assert by_mac(result, devices) == {
        (GATEWAY, "lan"): (0, 40),
        (PHONE, "lan"): (45, 0),
        (PHONE, "wan"): (900, 0),
    }


def test_a_packet_that_only_passes_a_second_time_is_nobodys_and_not_missing() -> None:
    result, _ = attribute(flow("192.168.50.11", GATEWAY, "203.0.113.9", SWITCH, 100))
    assert result.counts() == {}
    assert result.points["lan"].unattributed == 0


@pytest.mark.parametrize(
    ("target", "mac"), [("224.0.0.251", GROUP), ("192.168.50.255", BROADCAST), ("ff02::fb", GROUP)]
)
def test_multicast_and_broadcast_never_make_a_device(target: str, mac: bytes) -> None:
    source = "fe80::11" if ":" in target else "192.168.50.11"
    result, devices = attribute(flow(source, PHONE, target, mac, 60))
    assert by_mac(result, devices) == {(PHONE, "lan"): (0, 60)}
    assert len(devices) == 1


def test_a_new_prefix_nobody_configured_still_finds_the_device_by_the_gateways_mac() -> None:
    result, devices = attribute(
        flow("2001:db8:77::11", PHONE, "2001:db8:cafe::9", GATEWAY, 100),
        flow("2001:db8:cafe::9", GATEWAY, "2001:db8:77::11", PHONE, 900),
    )
    assert by_mac(result, devices) == {(PHONE, "wan"): (900, 100)}
    assert devices.addresses(1) == []  # a forged source would be no address of the phone


def test_strangers_on_a_mirror_port_are_unattributed() -> None:
    result, devices = attribute(flow("203.0.113.9", SWITCH, "198.51.100.99", TV, 100))
    assert by_mac(result, devices) == {(None, "wan"): (100, 0)}
    assert result.points["lan"].unattributed == 100
    assert len(devices) == 0


def test_a_router_nobody_configured_is_known_by_what_it_carries() -> None:
    """At a mirror port, or in a capture: neither the MAC nor the IPv6 prefix of the house is ours."""
    result, devices = attribute(
        flow("203.0.113.9", SWITCH, "192.168.50.11", PHONE, 10),
        flow("2001:db8:77::11", PHONE, "2001:db8:cafe::9", SWITCH, 100),
        flow("2001:db8:cafe::9", SWITCH, "2001:db8:77::11", PHONE, 900),
    )
    assert by_mac(result, devices) == {(PHONE, "wan"): (910, 100)}


def test_arp_begins_a_device_and_spanning_tree_does_not() -> None:
    result, devices = attribute(
        flow(None, PHONE, None, BROADCAST, 28, PROTOCOL_OTHER, 0x0806),
        flow(None, SWITCH, None, GROUP, 38, PROTOCOL_OTHER, 0x0027),
    )
    assert by_mac(result, devices) == {(PHONE, "lan"): (0, 28), (None, "wan"): (0, 38)}


def test_what_found_the_flow_map_full_goes_to_the_device_by_its_mac() -> None:
    result, devices = attribute(
        flow(None, PHONE, None, GATEWAY, 500, None, 0), flow(None, GATEWAY, None, PHONE, 700, None, 0)
    )
    assert by_mac(result, devices) == {(PHONE, "wan"): (700, 500)}


def test_a_link_without_macs_knows_devices_by_address() -> None:
    result, devices = attribute(flow("192.168.50.11", None, "203.0.113.9", None, 100))
    [episode] = devices.episodes()
    assert (episode.mac, episode.address) == (None, address_bytes("192.168.50.11"))
    assert result.counts() == {UsageKey(episode.id, "lan", Scope.WAN): Counts(0, 100, 0, 1)}


def test_interface_totals_are_unattributed_and_keep_their_directions() -> None:
    totals = Delta(FlowKey("eth0"), Counts(900, 100, 9, 1), 0, 1000)
    result, _ = attribute(totals)
    assert result.counts() == {UsageKey(UNATTRIBUTED, "eth0", Scope.WAN): Counts(900, 100, 9, 1)}
    assert result.points["eth0"].unattributed == 1000


def test_a_router_of_the_configuration_does_not_own_what_it_forwards() -> None:
    home = Locality(HOME.networks, HOME.own_macs, HOME.own_addresses, frozenset({SWITCH}))
    result, devices = attribute(flow("192.168.60.5", SWITCH, "192.168.50.11", PHONE, 5), home=home)
    assert by_mac(result, devices) == {(PHONE, "lan"): (5, 0)}


def test_forged_devices_cost_detail_never_octets_or_memory() -> None:
    devices = EpisodeTable(limit=100)
    flood = [flow("192.168.50.11", bytes([2, 0, *n.to_bytes(4, "big")]), "203.0.113.9", GATEWAY) for n in range(1000)]
    result = Attributor(HOME, devices).attribute(flood, 1000)
    assert len(devices) == 100
    assert devices.refused == 900
    assert result.points["lan"].attributed == 100 * 100
    assert result.points["lan"].unattributed == 900 * 100


def test_when_the_networks_change_a_verdict_is_open_again() -> None:
    devices = EpisodeTable()
    attributor = Attributor(Locality(networks=()), devices)
    stranger = flow("192.168.50.11", PHONE, "203.0.113.9", SWITCH)
    assert attributor.attribute([stranger], 0).points["lan"].unattributed == 100
    attributor.move(HOME)
    assert attributor.attribute([stranger], 0).points["lan"].attributed == 100


_LOCAL = ("192.168.50.1", "192.168.50.11", "192.168.60.5", "2001:db8:50::11", "fe80::1", "0.0.0.0", "::")
_OTHER = ("203.0.113.9", "198.51.100.7", "2001:db8:cafe::9", "224.0.0.251", "ff02::1")
_addresses = st.sampled_from((*_LOCAL, *_OTHER)) | st.none()
_macs = st.sampled_from([GATEWAY, PHONE, TV, SWITCH, GROUP, BROADCAST]) | st.none()


@given(
    st.lists(st.builds(flow, _addresses, _macs, _addresses, _macs, st.integers(1, 9), st.sampled_from([6, 256, None])))
)
def test_every_octet_is_in_a_row_or_was_booked_where_it_crossed_first_whatever_the_packets(flows: list[Delta]) -> None:
    """Each alone, after those before it, so that a row says which it is of; then all at once."""
    devices = EpisodeTable()
    attributor = Attributor(HOME, devices)
    for each in flows:
        result = attributor.attribute([each], 0)
        assert result.points["lan"] == whole(each, result), result
        assert not result.points["lan"].repeated or passes_again(each, HOME)
    assert not any((episode.mac or b"\0")[0] & 1 for episode in devices.episodes())
    point = attribute(*flows)[0].points.get("lan", PointSum())
    assert sum(each.counts.octets for each in flows) == point.attributed + point.unattributed + point.repeated


def passes_again(delta: Delta, home: Locality) -> bool:
    """Whether this machine forwarded it for a host that is metered elsewhere."""
    ends = ((delta.key.mac, delta.key.address), (delta.key.peer_mac, delta.key.peer))
    return any(mac in home.own_macs and address and home.is_metered(address) for mac, address in ends)


_prefixes = st.sampled_from(("2001:db8:50::", "2001:db8:51::", "2001:db8:52::", "fd00:50::"))


@given(st.lists(st.tuples(_prefixes, st.integers(1, 9999), st.integers(1, 999), st.booleans()), min_size=1))
def test_whatever_prefixes_are_delegated_and_known_a_device_stays_one(
    steps: list[tuple[str, int, int, bool]],
) -> None:
    """A new prefix may be used before this machine has an address of it, and an old one after it has none."""
    devices = EpisodeTable()
    attributor = Attributor(HOME, devices)
    for prefix, host, octets, known in steps:
        networks = (*PRIVATE, *([ip_network(f"{prefix}/64")] if known else []))
        attributor.move(Locality(networks, HOME.own_macs, HOME.own_addresses, on_link=networks))
        phone = f"{prefix}{host:x}"
        pair = (
            flow(phone, PHONE, "2001:db8:cafe::9", GATEWAY, octets),
            flow("2001:db8:cafe::9", GATEWAY, phone, PHONE, 2 * octets),
        )
        result = attributor.attribute(pair, 0)
        assert by_mac(result, devices) == {(PHONE, "wan"): (2 * octets, octets)}
        assert attributor.routers.learned == {}
    assert len(devices) == 1
