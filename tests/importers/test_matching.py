"""Which device an old host is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whitestat.attribution.devices.names import ShownName
from whitestat.core.model import Episode, Mac
from whitestat.core.units import address_bytes, mac_bytes
from whitestat.importers.history import HostSummary, ImportedHost
from whitestat.importers.matching import Matched, match
from whitestat.ledger.read.queries import DeviceRow

A, B, ROUTER = (mac_bytes(f"02:00:5e:00:00:{end}") for end in ("0a", "0b", "01"))
PHONE = Episode(1, 1, A, None, 0)
PHONE_ROW = DeviceRow(1, "phone", "dns", "02:00:5e:00:00:0a", ("192.168.1.10",), None, 0, 0)
PRINTER = Episode(2, 2, None, address_bytes("192.168.1.20"), 0)
PRINTER_ROW = DeviceRow(2, "printer", "config", None, ("192.168.1.20",), None, 0, 0)


def host(mac: Mac | None, address: str) -> ImportedHost:
    return ImportedHost(mac, address_bytes(address))


def sight(name: str | None = None, last_s: int = 2_000) -> HostSummary:
    return HostSummary(ShownName(name, "dns") if name else None, 1_000, last_s)


def found(hosts: dict[ImportedHost, HostSummary], routers: frozenset[Mac] = frozenset()) -> Matched:
    return match(hosts, [PHONE, PRINTER], [PHONE_ROW, PRINTER_ROW], routers)


def device(mac: Mac | None, address: str, name: str | None = None) -> int:
    one = host(mac, address)
    matched = found({one: sight(name)})
    return matched.devices[matched.episodes[one]]


def test_a_mac_goes_before_an_address_and_a_name() -> None:
    assert device(A, "192.168.1.20", "printer") == 1


def test_an_address_tells_where_no_mac_is_known() -> None:
    assert device(None, "192.168.1.10") == 1
    assert device(None, "192.168.1.20") == 2
    assert device(B, "192.168.1.20") == 2


def test_two_macs_at_one_address_are_two_devices() -> None:
    assert device(B, "192.168.1.10") == 3


def test_a_name_tells_last() -> None:
    assert device(B, "192.168.1.99", "Phone") == 1
    assert device(B, "192.168.1.20", "phone") == 2
    assert device(B, "192.168.1.99", "laptop") == 3


def test_a_name_that_several_have_tells_nothing() -> None:
    hosts = {host(B, "192.168.1.98"): sight("phone"), host(ROUTER, "192.168.1.99"): sight("phone")}
    assert sorted(found(hosts).devices) == [0, 3, 4]
    again = match(hosts, [PHONE], [PHONE_ROW, PHONE_ROW._replace(id=9)])
    assert 1 not in again.devices.values()


def test_our_own_last_resort_is_no_name() -> None:
    matched = match({host(B, "192.168.1.99"): sight("phone")}, [PHONE], [PHONE_ROW._replace(name_source="vendor")])
    assert [each.name for each in matched.new_devices] == ["phone"]


def test_a_mac_on_two_addresses_is_one_device_and_new_ones_are_named() -> None:
    hosts = {host(B, "192.168.1.5"): sight("old", 1_000), host(B, "192.168.1.6"): sight("new", 3_000)}
    matched = found(hosts)
    assert len(set(matched.episodes.values())) == 1
    ((new,), (episode,)) = matched.new_devices, matched.new_episodes
    assert (new.name, new.name_source) == ("new", "dns")
    assert (episode.mac, episode.start_ms, episode.end_ms) == (B, 1_000_000, None)
    assert matched.seen == {episode.id: 3_000_000}
    assert {address for _, address in matched.addresses} == {each.address for each in hosts}


def test_behind_a_router_devices_are_told_apart_by_address() -> None:
    hosts = {host(ROUTER, "192.168.1.5"): sight(), host(ROUTER, "192.168.1.6"): sight()}
    assert len(set(found(hosts, frozenset({ROUTER})).episodes.values())) == 2
    assert len(set(found(hosts).episodes.values())) == 1
    alone = {host(ROUTER, "192.168.1.1"): sight()}
    assert found(alone, frozenset({ROUTER})).new_episodes[0].mac == ROUTER


def test_an_address_of_a_device_with_a_mac_does_not_stand_for_it_later() -> None:
    (episode,) = found({host(None, "192.168.1.10"): sight()}).new_episodes
    assert (episode.device, episode.mac, episode.end_ms) == (1, None, 2_000_000)


def test_what_has_neither_mac_nor_address_is_nobodys() -> None:
    one = host(None, "0.0.0.0")
    assert found({one: sight()}).episodes == {one: 0}


hosts = st.dictionaries(
    st.builds(host, st.sampled_from([None, A, B, ROUTER]), st.integers(0, 30).map(lambda n: f"192.168.1.{n}")),
    st.builds(sight, st.sampled_from([None, "phone", "x"]), st.integers(1, 9)),
    max_size=12,
)


@given(hosts)
def test_a_second_run_finds_what_the_first_began(old: dict[ImportedHost, HostSummary]) -> None:
    first = found(old)
    assert set(first.episodes) == set(old)
    assert len({each.id for each in first.new_episodes}) == len(first.new_episodes)
    second = match(old, [PHONE, PRINTER, *first.new_episodes], [PHONE_ROW, PRINTER_ROW])
    assert (second.episodes, second.new_episodes, second.new_devices) == (first.episodes, [], [])
