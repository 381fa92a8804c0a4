"""Where a meter sees addresses alone: leases and neighbours tell whose an address is, and when it changed hands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_interface
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.identity import MACS, MINUTE_MS, START_MS, House
from tests.support.recorder import END_S, LAN, PHONE, ZONE, Meter
from whitestat.app.local_network import listening_on
from whitestat.attribution.devices.address_ownership import HAND_ONS_MAX, HOUR_MS, SETTLES_MS, SILENT_MS
from whitestat.attribution.devices.edits import Merge, Rename
from whitestat.attribution.evidence import Evidence
from whitestat.collectors.links import NetworkInterface
from whitestat.config.loader import load
from whitestat.config.points import PointConfig
from whitestat.core.model import Counts, Delta, FlowKey, ReadResult
from whitestat.core.units import address_bytes
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.tables import people
from whitestat.ledger.tables.people import EventRow
from whitestat.ledger.usage_query import UsageQuery

TEN, ELEVEN = "192.168.50.10", "192.168.50.11"
ANNA, BO, GUEST = MACS[:3]


class Table(House):
    """A house whose meter is a table of addresses."""

    def uses(self, address: str, octets: int) -> None:
        """A minute in which a host of that address sends so much."""
        key = FlowKey(LAN.name, None, address_bytes(address))
        delta = Delta(key, Counts(0, octets, 0, 1), self.now_ms, self.now_ms + MINUTE_MS)
        self.now_ms += MINUTE_MS
        result = ReadResult(delta.start_ms, delta.end_ms, deltas=[delta])
        self.recorder.gather(Meter(), result, MINUTE_MS)
        self.recorder.flush()
        self.identity.follow(self.now_ms)
        self.recorder.flush()
        self.recorder.keep_names()

    def usage(self) -> dict[str | None, int]:
        with closing(Queries(self.path, ZONE)) as queries:
            rows = queries.usage(UsageQuery(0, END_S + 30 * 86_400))
        return {row.device.name if row.device else None: row.counts.octets for row in rows}

    def leased(self, address: str, mac: bytes, name: str | None = None, lasts_ms: int | None = None) -> None:
        ends_ms = None if lasts_ms is None else self.now_ms + lasts_ms
        self.identity.hear([Evidence("dhcp", self.now_ms, mac, address_bytes(address), name, until_ms=ends_ms)])

    def neighbour(self, address: str, mac: bytes) -> None:
        self.identity.hear([Evidence("neighbour", self.now_ms, mac, address_bytes(address))])

    def maintain(self) -> list[EventRow]:
        self.now_ms += SETTLES_MS
        self.identity.maintain(self.now_ms)
        with self.writer.transaction("reading") as connection:
            return people.events(connection)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Table]:
    with closing(Table(tmp_path / "whitestat.db")) as each:
        yield each


def test_two_devices_that_swap_addresses_keep_their_octets_and_their_names(house: Table) -> None:
    house.leased(TEN, ANNA, "annas-phone")
    house.uses(TEN, 100)
    house.leased(ELEVEN, BO, "bos-tablet")
    house.uses(ELEVEN, 10)
    assert house.usage() == {"annas-phone": 100, "bos-tablet": 10}
    for _ in range(2):
        house.leased(TEN, BO, "bos-tablet")
        house.leased(ELEVEN, ANNA, "annas-phone")
        house.uses(TEN, 1)
        house.uses(ELEVEN, 1000)
        house.leased(TEN, ANNA, "annas-phone")
        house.leased(ELEVEN, BO, "bos-tablet")
    house.uses(TEN, 1000)
    assert house.usage() == {"annas-phone": 3100, "bos-tablet": 12}
    assert [each.kind for each in house.maintain()] == ["new-device", "new-device"]


def test_an_address_that_a_stranger_took_over_is_two_devices_and_the_second_is_new(house: Table) -> None:
    house.neighbour(TEN, ANNA)
    house.uses(TEN, 100)
    number = house.recorder.known.addressed(address_bytes(TEN))[0].device
    house.edit(Rename(number, "Anna's phone"))
    house.maintain()
    house.neighbour(TEN, GUEST)
    house.uses(TEN, 7)
    assert house.usage() == {"Anna's phone": 100, "02:50:00:00:00:33 (private MAC)": 7}
    assert [each.kind for each in house.maintain()] == ["new-device", "new-device"]
    house.neighbour(ELEVEN, ANNA)
    house.uses(ELEVEN, 20)
    assert house.usage() == {"Anna's phone": 120, "02:50:00:00:00:33 (private MAC)": 7}


def test_ten_addresses_of_one_mac_are_one_device_without_an_edit_and_one_event(house: Table) -> None:
    for number in range(10):
        address = f"fd00:50::{number + 1:x}"
        if number % 2:
            house.neighbour(address, ANNA)
            house.uses(address, 1 << number)
        else:
            house.uses(address, 1 << number)
            house.neighbour(address, ANNA)
    assert list(house.usage().values()) == [1023]
    assert [each.kind for each in house.maintain()] == ["new-device"]
    with house.writer.transaction("reading") as connection:
        assert people.edits(connection) == []
        assert people.proposals(connection) == []


def test_an_address_of_ipv6_that_was_silent_for_two_weeks_is_given_up_and_comes_back_to_its_device(
    house: Table,
) -> None:
    for address, octets in ((TEN, 1), ("fd00:50::1", 2), ("fd00:50::2", 4)):
        house.neighbour(address, ANNA)
        house.uses(address, octets)
    house.now_ms += SILENT_MS
    house.uses("fd00:50::2", 8)
    house.maintain()
    assert len(house.recorder.known.addressed()) == 2  # and the one of IPv4
    house.neighbour("fd00:50::1", ANNA)
    house.uses("fd00:50::1", 16)
    house.recorder.flush()
    assert list(house.usage().values()) == [31]
    assert [each.kind for each in house.maintain()] == ["new-device"]
    house.close()
    again = Table(house.path)
    again.now_ms = house.now_ms
    again.uses("fd00:50::1", 32)
    assert list(again.usage().values()) == [63]
    house.writer, house.recorder = again.writer, again.recorder


def test_devices_of_one_mac_that_were_there_before_are_proposed_and_not_merged(house: Table) -> None:
    house.uses(TEN, 1)
    house.uses("fd00:50::1", 2)
    house.maintain()
    house.neighbour(TEN, ANNA)
    house.neighbour("fd00:50::1", ANNA)
    house.maintain()
    with house.writer.transaction("reading") as connection:
        [proposal] = people.proposals(connection)
    assert (proposal.percent, proposal.reasons, proposal.state) == (
        95,
        ("their addresses are at the same MAC",),
        "open",
    )
    assert sorted(house.usage().values()) == [1, 2]


def test_a_lease_in_force_goes_before_a_neighbour_table_that_lags_behind(house: Table) -> None:
    house.leased(TEN, ANNA, lasts_ms=10 * MINUTE_MS)
    house.uses(TEN, 1)
    house.neighbour(TEN, BO)
    house.uses(TEN, 2)
    assert list(house.usage().values()) == [3]
    house.now_ms += 10 * MINUTE_MS
    house.neighbour(TEN, BO)
    house.uses(TEN, 4)
    assert sorted(house.usage().values()) == [3, 4]


def test_a_restart_knows_who_held_an_address(house: Table, tmp_path: Path) -> None:
    house.leased(TEN, ANNA, "annas-phone")
    house.uses(TEN, 100)
    house.leased(ELEVEN, BO, "bos-tablet")
    house.uses(ELEVEN, 10)
    house.maintain()
    house.close()
    again = Table(house.path)
    again.now_ms = house.now_ms
    again.leased(TEN, BO, "bos-tablet")
    again.uses(TEN, 5)
    assert again.usage() == {"annas-phone": 100, "bos-tablet": 15}
    again.close()
    third = Table(house.path)
    third.now_ms = again.now_ms
    third.uses(TEN, 5)
    assert third.usage() == {"annas-phone": 100, "bos-tablet": 20}
    third.close()
    house.writer = Table(house.path).writer


def test_one_device_on_two_macs_keeps_its_address(house: Table) -> None:
    house.leased(TEN, ANNA)
    house.uses(TEN, 1)
    house.leased(ELEVEN, BO)
    house.uses(ELEVEN, 2)
    ten, eleven = (house.recorder.known.addressed(address_bytes(each))[0].device for each in (TEN, ELEVEN))
    house.edit(Merge(eleven, ten))
    house.leased(TEN, BO)
    house.uses(TEN, 4)
    assert list(house.usage().values()) == [7]
    assert len(house.recorder.known.addressed()) == 2


def test_what_the_configuration_says_of_a_mac_holds_for_the_address_it_has(house: Table) -> None:
    house.neighbour(TEN, PHONE)
    house.uses(TEN, 1)
    assert house.usage() == {"phone": 1}
    house.maintain()
    with house.writer.transaction("reading") as connection:
        assert people.rows(connection)["person"] == {(1,): ("Anna",)}
        assert len(people.rows(connection)["owner"]) == 1


def test_a_router_holds_no_address_of_others(house: Table) -> None:
    house.uses(TEN, 1)
    attributor = house.recorder._attributor
    attributor.move(replace(attributor.locality, own_macs=frozenset((GUEST,))))
    house.neighbour(TEN, GUEST)
    assert house.usage() == {TEN: 1}


def test_a_forgotten_device_leaves_the_address_to_whom_it_is_now(house: Table) -> None:
    house.leased(TEN, ANNA, "annas-phone")
    house.uses(TEN, 100)
    first = house.recorder.known.addressed(address_bytes(TEN))[0].device
    house.leased(TEN, BO, "bos-tablet")
    house.uses(TEN, 10)
    house.identity.forget(first, "test", house.now_ms)
    house.uses(TEN, 1)
    assert house.usage() == {"forgotten device": 100, "bos-tablet": 11}


def test_beside_a_table_of_addresses_the_links_of_the_lan_are_heard() -> None:
    def link(name: str, kind: str, *addresses: str) -> NetworkInterface:
        return NetworkInterface(name, 1, True, "", kind, None, tuple(map(ip_interface, (*addresses, "fe80::1/64"))))

    known = [
        link("lo", "loopback", "127.0.0.1/8"),
        link("br0", "ether", "192.168.50.1/24"),
        link("wan", "ether", "203.0.113.1/24"),
        link("tun0", "none", "10.8.0.1/24"),
    ]
    links = {each.name: each for each in known}
    table, meter = PointConfig("table", "darkstat", url="http://h"), PointConfig("lan", "kernel", "eth0")
    config = load(None, {"HOME": "/root"}, root=False)
    assert listening_on(config, (table,), links) == ["br0"]
    assert listening_on(config, (table, meter), links) == ["eth0", "br0"]
    assert listening_on(config, (meter,), links) == ["eth0"]


def test_forged_leases_make_a_bounded_number_of_episodes_and_lose_no_octet(house: Table) -> None:
    house.leased(TEN, ANNA)
    house.uses(TEN, 1)
    for number in range(3 * HAND_ONS_MAX):
        house.leased(TEN, b"\x02\x66" + number.to_bytes(4, "big"))
    house.uses(TEN, 2)
    assert len(house.recorder._attributor.devices.ever()) == HAND_ONS_MAX + 1
    assert sum(house.usage().values()) == 3
    house.now_ms += HOUR_MS
    house.leased(TEN, ANNA)
    house.uses(TEN, 4)
    house.recorder.flush()
    assert house.usage()[TEN] == 5


def test_episodes_end_where_the_next_begins(house: Table) -> None:
    house.leased(TEN, ANNA)
    house.uses(TEN, 1)
    house.leased(TEN, BO)
    handed_ms = house.now_ms
    house.uses(TEN, 2)
    rows = list(house.writer.transaction("reading").__enter__().execute("SELECT id, start_ms, end_ms FROM episode"))
    assert rows == [(1, START_MS + MINUTE_MS, handed_ms), (2, handed_ms, None)]


steps = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.integers(0, 9)), max_size=12)


@pytest.mark.slow
@examples(20)
@given(steps)
def test_whatever_leases_say_each_octet_is_of_the_mac_that_held_the_address(several: list[tuple[int, ...]]) -> None:
    """Addresses change hands, sometimes the service starts again; one device for each MAC that used anything."""
    with TemporaryDirectory() as folder:
        house, held, used = Table(Path(folder) / "whitestat.db"), {}, Counter[bytes]()
        for number, (host, mac, restarts, exponent) in enumerate(several):
            address = f"192.168.50.{10 + host}"
            held[host] = MACS[mac]
            house.leased(address, MACS[mac])
            house.uses(address, 10**exponent + number)
            used[MACS[mac]] += 10**exponent + number
            if restarts:
                house.close()
                now_ms, house = house.now_ms, Table(house.path)
                house.now_ms = now_ms
        house.recorder.flush()
        with closing(Queries(house.path, ZONE)) as queries:
            found = sorted(row.counts.octets for row in queries.usage(UsageQuery(0, END_S + 30 * 86_400)))
        assert found == sorted(used.values())
        assert len(house.recorder.known.addressed()) == len(held)
        house.close()
