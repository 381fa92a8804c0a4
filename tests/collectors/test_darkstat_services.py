"""Services by hosts' own pages: never more than there was, never more than the usage, whatever darkstat forgot."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from whitestat.collectors.darkstat.parse import PROTOCOLS, HostDetail, PortKey
from whitestat.collectors.darkstat.services import EPHEMERAL, QUARTER_MS, Services, UsedService, services
from whitestat.core.model import Counts
from whitestat.core.units import address_bytes

PHONE = address_bytes("192.168.50.11")
HOST = (b"\x02\x50\0\0\0\x11", PHONE)
WEB, DNS = UsedService(6, 443), UsedService(17, 53)
SHOWN = 30
Tables = dict[tuple[int, bool], dict[int, Counts]]


class Traffic(NamedTuple):
    """Octets of a host between a port here and one there."""

    protocol: int
    here: int
    there: int
    counts: Counts


@dataclass
class Peer:
    """darkstat's tables of one host: `most` ports are kept in each, and cut to `keep` of them."""

    most: int
    keep: int
    tables: Tables = field(default_factory=lambda: {(number, far): {} for number in (6, 17) for far in (False, True)})
    protocols: dict[int, Counts] = field(default_factory=dict)

    def carry(self, each: Traffic) -> None:
        self.protocols[each.protocol] = self.protocols.get(each.protocol, Counts()).plus(each.counts)
        for far, port in ((False, each.here), (True, each.there)):
            table = self.tables.get((each.protocol, far))
            if table is None:
                continue
            if len(table) >= self.most:
                kept = sorted(table, key=lambda port: -table[port].octets)[: self.keep]
                table.clear() if len(kept) < self.keep else [table.pop(gone) for gone in set(table) - set(kept)]
            table[port] = table.get(port, Counts()).plus(each.counts)

    def page(self) -> HostDetail:
        ports = {
            PortKey(number, port, far): table[port]
            for (number, far), table in self.tables.items()
            for port in sorted(table, key=lambda port: -table[port].octets)[:SHOWN]
        }
        whole = {key for key, table in self.tables.items() if len(table) <= SHOWN} | {PROTOCOLS}
        return HostDetail(ports, dict(self.protocols), frozenset(whole))


counts = st.builds(Counts, st.integers(0, 5000), st.integers(0, 5000))
ports = st.sampled_from([22, 53, 80, 123, 443, 5353, 8080]) | st.integers(1, 65_535)
traffic = st.builds(Traffic, st.sampled_from([6, 6, 17, 1]), ports, ports, counts)
pages = st.lists(st.lists(traffic, max_size=60), min_size=2, max_size=6)


def total(found: dict[UsedService, Counts]) -> Counts:
    summed = Counts()
    for each in found.values():
        summed = summed.plus(each)
    return summed


@given(pages, st.integers(40, 60), st.integers(1, 30))
def test_no_port_has_more_than_it_had_whatever_is_forgotten_in_between(
    looks: list[list[Traffic]], most: int, keep: int
) -> None:
    peer, before = Peer(most, keep), None
    for between in looks:
        had: Counter[tuple[UsedService, str]] = Counter()
        whole = Counts()
        for each in between:
            peer.carry(each)
            whole = whole.plus(each.counts)
            for port in {each.here, each.there} if each.protocol != 1 else {0}:
                had[UsedService(each.protocol, port), "in"] += each.counts.octets_in
                had[UsedService(each.protocol, port), "out"] += each.counts.octets_out
        now = peer.page()
        if before:
            found = services(before, now)
            for on, part in found.items():
                assert part.octets_in <= had[on, "in"]
                assert part.octets_out <= had[on, "out"]
                assert on.port < EPHEMERAL
            assert total(found).octets_in <= whole.octets_in
            assert total(found).octets_out <= whole.octets_out
        before = now


def test_a_download_is_the_lower_port_s_and_both_ports_alike_count_once() -> None:
    peer = Peer(60, 30)
    before = peer.page()
    peer.carry(Traffic(6, 50_001, 443, Counts(1000, 10)))
    peer.carry(Traffic(6, 20_000, 443, Counts(500, 5)))  # an old system's asking side
    peer.carry(Traffic(17, 123, 123, Counts(48, 48)))
    peer.carry(Traffic(1, 0, 0, Counts(84, 84)))
    assert services(before, peer.page()) == {
        WEB: Counts(1500, 15),
        UsedService(17, 123): Counts(48, 48),
        UsedService(1, 0): Counts(84, 84),
    }


def test_what_begins_in_a_table_that_is_cut_off_is_left_out() -> None:
    peer = Peer(60, 30)
    for port in range(1, SHOWN + 5):
        peer.carry(Traffic(6, 50_000, port, Counts(1000 + port, 0)))
    before = peer.page()
    peer.carry(Traffic(6, 50_000, 1, Counts(100, 0)))
    assert services(before, peer.page()) == {}


def looked(peer: Peer, found: Services, *carried: Traffic, same_life: bool = True) -> Counts:
    """Traffic, a look at the host's page, the next poll; returns what the poll finds."""
    usage = Counts()
    for each in carried:
        peer.carry(each)
        usage = usage.plus(each.counts)
    found.looked(PHONE, peer.page())
    found.polled([PHONE], same_life=same_life)
    return usage


def test_usage_is_explained_by_pages_that_come_after_it_within_its_quarter() -> None:
    peer, found = Peer(60, 30), Services()
    assert found.explain({HOST: looked(peer, found)}, 0, 30_000) == {}
    assert found.explain({HOST: Counts(1000, 10)}, 30_000, 60_000) == {}
    looked(peer, found, Traffic(6, 50_001, 443, Counts(900, 10)), Traffic(17, 50_002, 53, Counts(400, 0)))
    assert found.explain({}, 60_000, 90_000) == {(HOST, DNS): Counts(400, 0), (HOST, WEB): Counts(600, 10)}
    assert found.explain({}, 90_000, 120_000) == {}
    looked(peer, found, Traffic(6, 50_001, 443, Counts(50, 5)))
    # What is over the usage waits for more of it, and no longer than the quarter.
    assert found.explain({HOST: Counts(1000, 1000)}, 120_000, 150_000) == {(HOST, WEB): Counts(350, 5)}
    looked(peer, found, Traffic(6, 50_001, 443, Counts(50, 5)))
    assert found.explain({HOST: Counts(70, 7)}, QUARTER_MS, QUARTER_MS + 1) == {}


def test_nothing_is_compared_over_a_restart_of_darkstat() -> None:
    peer, found = Peer(60, 30), Services()
    looked(peer, found, Traffic(6, 50_001, 443, Counts(900, 10)))
    looked(peer, found, Traffic(6, 50_001, 443, Counts(900, 10)), same_life=False)
    assert found.explain({HOST: Counts(5000, 5000)}, 0, 30_000) == {}


def test_pages_are_looked_at_in_turn_and_only_those_of_hosts_that_moved() -> None:
    found, others = Services(), [address_bytes(f"192.168.50.{last}") for last in (1, 2, 3)]
    found.polled(others, same_life=True)
    first = found.due()
    found.polled([others[0]], same_life=True)
    assert [first, found.due(), found.due(), found.due(), found.due()] == [*others, others[0], None]


@given(
    st.lists(
        st.tuples(st.lists(traffic, max_size=8), st.booleans(), st.integers(1, QUARTER_MS // 2)),
        min_size=1,
        max_size=12,
    )
)
def test_the_services_of_an_hour_never_exceed_its_usage(polls: list[tuple[list[Traffic], bool, int]]) -> None:
    peer, found, at_ms = Peer(60, 30), Services(), 0
    usage: Counter[tuple[int, str]] = Counter()
    told: Counter[tuple[int, str]] = Counter()
    for carried, page, span_ms in polls:
        grown = Counts()
        for each in carried:
            peer.carry(each)
            grown = grown.plus(each.counts)
        if page:
            found.looked(PHONE, peer.page())
        found.polled([PHONE], same_life=True)
        explained = found.explain({HOST: grown}, at_ms, at_ms + span_ms)
        hour = at_ms // QUARTER_MS
        if explained:
            assert hour == (at_ms + span_ms - 1) // QUARTER_MS
        usage.update({(hour, "in"): grown.octets_in, (hour, "out"): grown.octets_out})
        for part in explained.values():
            told.update({(hour, "in"): part.octets_in, (hour, "out"): part.octets_out})
        assert all(told[each] <= usage[each] for each in told)
        at_ms += span_ms
