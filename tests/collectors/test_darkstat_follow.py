"""From sight to sight: growth, pruning, new lives and imports, each as a property of what really passed."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.collectors.darkstat.follow import TableFollower, TableSnapshot
from whitestat.collectors.darkstat.parse import HostTotals
from whitestat.core.model import Address, Counts
from whitestat.core.units import address_bytes

PHONE, TV, NAS = (address_bytes(f"192.168.1.{last}") for last in (10, 11, 12))
FAR = address_bytes("203.0.113.9")
ALL = (PHONE, TV, NAS)
Steps = list[tuple[Address, int, int]]
"""Whose, octets in and out."""
STEPS = st.lists(st.tuples(st.sampled_from(ALL), st.integers(0, 5000), st.integers(0, 5000)), max_size=8)


class Peer:
    """A darkstat in memory: every packet goes between a host and one far away; it exports, crashes and prunes."""

    def __init__(self) -> None:
        self.life, self.passed, self.at_ms = 1, 0, 0
        self.rows: dict[Address, HostTotals] = {}
        self.export: dict[Address, HostTotals] = {}

    def carry(self, address: Address, into: int, out: int) -> None:
        for host, a, b in ((address, into, out), (FAR, out, into)):
            if a or b:
                old = self.rows.get(host, HostTotals(0, 0))
                self.rows[host] = HostTotals(old.octets_in + a, old.octets_out + b)
        self.passed += into + out

    def restart(self, kept: dict[Address, HostTotals] | None = None) -> None:
        self.life, self.passed, self.rows = self.life + 1, 0, dict(kept or {})

    def sight(self) -> TableSnapshot:
        self.at_ms += 1000
        local = {each: host for each, host in self.rows.items() if each != FAR}
        into = sum(host.octets_in for host in self.rows.values())
        out = sum(host.octets_out for host in self.rows.values())
        others = frozenset(self.rows.keys() - local.keys())
        return TableSnapshot(self.at_ms, self.life, local, into, out, self.passed, self.passed, others=others)


def total(booked: list[dict[Address, Counts]], address: Address) -> tuple[int, int]:
    found = [each[address] for each in booked if address in each]
    return sum(each.octets_in for each in found), sum(each.octets_out for each in found)


def carried(steps: Steps, address: Address) -> tuple[int, int]:
    return sum(s[1] for s in steps if s[0] == address), sum(s[2] for s in steps if s[0] == address)


@given(st.lists(STEPS, min_size=1, max_size=6), st.data())
def test_every_life_is_booked_once_whatever_ends_it(lives: list[Steps], data: st.DataObject) -> None:
    peer, follower = Peer(), TableFollower()
    follower.take(peer.sight())
    booked, steps = [], []
    for number, life in enumerate(lives):
        if number:
            peer.restart(peer.rows if data.draw(st.booleans(), label="imports what it exported") else None)
        for step in life:
            peer.carry(*step)
            steps.append(step)
            if data.draw(st.booleans(), label="looked at"):
                booked.append(follower.take(peer.sight()).grown)
        booked.append(follower.take(peer.sight()).grown)
    for address in ALL:
        assert total(booked, address) == carried(steps, address)


@given(STEPS, STEPS, STEPS, STEPS)
def test_a_jump_back_to_an_export_books_only_what_is_new(
    first: Steps, second: Steps, third: Steps, fourth: Steps
) -> None:
    peer, follower = Peer(), TableFollower()
    booked = [follower.take(peer.sight()).grown]
    for step in first:
        peer.carry(*step)
    booked.append(follower.take(peer.sight()).grown)
    export = dict(peer.rows)
    later = (second, third, fourth)
    for number, life in enumerate(later):
        if number:
            peer.restart(export)
        for step in life:
            peer.carry(*step)
        step_seen = follower.take(peer.sight())
        assert step_seen.nobodys == 0
        booked.append(step_seen.grown)
    for address in ALL:
        assert total(booked, address) == carried([*first, *(s for life in later for s in life)], address)


@given(STEPS, STEPS, STEPS, STEPS)
def test_an_export_between_two_sights_books_nothing_twice_and_nothing_is_lost(
    before: Steps,
    after: Steps,
    more: Steps,
    new: Steps,
) -> None:
    peer, follower = Peer(), TableFollower()
    booked = [follower.take(peer.sight()).grown]
    for step in before:
        peer.carry(*step)
    export = dict(peer.rows)
    for steps in (after, more):
        for step in steps:
            peer.carry(*step)
        booked.append(follower.take(peer.sight()).grown)
    peer.restart(export)
    for step in new:
        peer.carry(*step)
    last = follower.take(peer.sight())
    booked.append(last.grown)
    everything = [*before, *after, *more, *new]
    for address in ALL:
        found, real = total(booked, address), carried(everything, address)
        assert found[0] <= real[0]
        assert found[1] <= real[1]
    octets = sum(sum(total(booked, address)) for address in ALL)
    assert octets + last.nobodys <= sum(a + b for _, a, b in everything)


def test_a_pruned_host_comes_back_from_zero_and_a_vanished_one_books_nothing() -> None:
    peer, follower = Peer(), TableFollower()
    peer.carry(PHONE, 100, 10)
    follower.take(peer.sight())
    peer.rows = {}
    assert follower.take(peer.sight()).grown == {}
    peer.carry(PHONE, 500, 50)
    assert follower.take(peer.sight()).grown == {PHONE: Counts(500, 50)}
    peer.rows = {}
    peer.carry(PHONE, 30, 3)
    assert follower.take(peer.sight()).grown == {PHONE: Counts(30, 3)}


def test_a_row_cannot_grow_by_more_than_passed() -> None:
    peer, follower = Peer(), TableFollower()
    follower.take(peer.sight())
    peer.rows[PHONE] = HostTotals(10**9, 0)
    step = follower.take(peer.sight())
    assert (step.grown, step.refused) == ({}, 1)


def test_a_host_that_becomes_local_brings_no_past() -> None:
    follower = TableFollower()
    follower.take(TableSnapshot(0, 1, {}, 900, 0, 900, 900, others=frozenset({PHONE})))
    assert follower.take(TableSnapshot(1, 1, {PHONE: HostTotals(950, 0)}, 950, 0, 950, 950)).grown == {}
    assert follower.take(TableSnapshot(2, 1, {PHONE: HostTotals(957, 0)}, 957, 0, 957, 957)).grown == {PHONE: Counts(7)}


def test_rows_that_could_not_be_read_have_not_gone() -> None:
    follower = TableFollower()
    follower.take(TableSnapshot(0, 1, {PHONE: HostTotals(900, 0)}, 900, 0, 900, 900))
    assert follower.take(TableSnapshot(1, 1, {}, 0, 0, 2000, 2000, whole=False)).grown == {}
    assert follower.take(TableSnapshot(2, 1, {PHONE: HostTotals(950, 0)}, 950, 0, 2050, 2050)).grown == {
        PHONE: Counts(50)
    }


@pytest.mark.slow
def test_hours_of_sights_of_a_thousand_hosts_take_little_memory() -> None:
    follower = TableFollower()
    tracemalloc.start()
    try:
        for at in range(60):
            rows = {address_bytes(f"192.168.1.{last}"): HostTotals(last + at * (last < 9), 0) for last in range(100)}
            others = frozenset(address_bytes(f"203.{at}.{n >> 8}.{n & 255}") for n in range(900))
            follower.take(TableSnapshot(at * 1000, 1, rows, 900 + at, 0, 900 + at, 900 + at, others=others))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1_500_000


def test_a_host_that_was_none_of_ours_at_the_export_brings_nothing_of_that_time() -> None:
    follower = TableFollower()
    follower.take(TableSnapshot(0, 1, {PHONE: HostTotals(100, 0)}, 1000, 1000, 1000, 1000, others=frozenset({TV})))
    follower.take(TableSnapshot(1, 1, {PHONE: HostTotals(200, 0), TV: HostTotals(900, 0)}, 1100, 1100, 1100, 1100))
    restored = TableSnapshot(2, 2, {PHONE: HostTotals(105, 0), TV: HostTotals(907, 0)}, 1012, 1012, 12, 12)
    assert follower.take(restored).grown == {PHONE: Counts(5)}
