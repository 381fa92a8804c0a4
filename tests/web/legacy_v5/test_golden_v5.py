"""WhiteStat 5's golden run: the same polls through our counter rules give the same deltas, except where v5 erred.

The polls are those of a recorded run against a darkstat stand-in, in KB; what version 5 made of them is written
beside them. Each difference of ours is listed with its reason, and the list is complete: a figure that is not in
it must be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from whitestat.collectors.darkstat.follow import TableFollower, TableSnapshot
from whitestat.collectors.darkstat.parse import HostTotals
from whitestat.core import counters
from whitestat.core.model import CounterReading, Counts, FlowKey, Quality
from whitestat.core.units import address_bytes

KB = 1024
A, A_NEW, B, C, D = (f"192.168.1.{last}" for last in (10, 20, 11, 12, 13))

Frame = dict[str, tuple[int, int]]


class Difference(NamedTuple):
    """Poll, host, what version 5 had then for the day and what we have, KB in and out."""

    poll: int
    host: str
    v5: tuple[int, int] | None
    ours: tuple[int, int]
    why: str


POLLS: tuple[Frame, ...] = (
    {A: (100, 10), B: (50, 5)},
    {A: (150, 12), B: (10, 1)},
    {A: (150, 12), C: (7, 3)},
    {A: (160, 12), B: (20, 2), C: (7, 3), D: (9, 9)},
    {A_NEW: (1, 1), A: (160, 12), B: (20, 2), C: (7, 3)},
    {A_NEW: (1, 1), A: (160, 12), B: (20, 2), C: (7, 3)},
)
"""The last is the first of a new day. D has sent nothing in darkstat's view, its last sight is "(never)"."""

V5: tuple[Frame, ...] = (
    {A: (0, 0), B: (0, 0)},
    {A: (50, 2), B: (10, 1)},
    {A: (50, 2), B: (10, 1), C: (7, 3)},
    {A: (60, 2), B: (20, 2), C: (7, 3)},
    {A_NEW: (61, 3), A: (160, 12), B: (20, 2), C: (7, 3)},
    {A_NEW: (0, 0), A: (0, 0), B: (0, 0), C: (0, 0)},
)
"""What version 5 had of the day after each poll; after the last, of the new day."""

MOVED = "a MAC with a second address: v5 moved its usage to that row, and added the old row's whole counter again"
NEVER = "darkstat's (never) means that it sent nothing; v5 left the row out, with what it received"

DIFFERENCES = (
    Difference(3, D, None, (9, 9), NEVER),
    Difference(4, A_NEW, (61, 3), (1, 1), MOVED),
    Difference(4, A, (160, 12), (60, 2), MOVED),
    Difference(4, D, None, (9, 9), NEVER),
)


def by_counters() -> Iterator[Frame]:
    """Each host's deltas by `counters.delta`; a host that is new in a table which was seen before began at zero."""
    last: dict[str, CounterReading] = {}
    for poll, frame in enumerate(POLLS):
        grown: Frame = {}
        for host, (into, out) in frame.items():
            key = FlowKey("darkstat", address=address_bytes(host))
            now = CounterReading(key, Counts(into * KB, out * KB), poll * 30_000, "life")
            zero = CounterReading(key, Counts(), (poll - 1) * 30_000, "life") if poll else None
            found = counters.delta(last.get(host, zero), now)
            last[host] = now
            grown[host] = (found.counts.octets_in // KB, found.counts.octets_out // KB) if found else (0, 0)
        yield grown


def by_the_collector() -> Iterator[Frame]:
    """The same by what follows darkstat's table, which knows of pruning and restarts as well."""
    follower = TableFollower()
    for poll, frame in enumerate(POLLS):
        rows = {address_bytes(host): HostTotals(into * KB, out * KB) for host, (into, out) in frame.items()}
        grown = follower.take(TableSnapshot(poll * 30_000, 0, rows)).grown
        found = {host: grown.get(address_bytes(host), Counts()) for host in frame}
        yield {host: (counts.octets_in // KB, counts.octets_out // KB) for host, counts in found.items()}


def days(deltas: Iterator[Frame]) -> Iterator[Frame]:
    """The day's usage after each poll; the last poll begins a new day."""
    day: Frame = {}
    for poll, grown in enumerate(deltas):
        if poll == len(POLLS) - 1:
            day = {}
        for host, (into, out) in grown.items():
            before = day.get(host, (0, 0))
            day[host] = before[0] + into, before[1] + out
        yield dict(day)


@pytest.mark.parametrize("rules", [by_counters, by_the_collector])
def test_the_golden_run_is_reproduced_except_where_v5_erred(rules: Callable[[], Iterator[Frame]]) -> None:
    differences = {(each.poll, each.host): each for each in DIFFERENCES}
    for poll, (ours, theirs) in enumerate(zip(days(rules()), V5, strict=True)):
        for host in {**ours, **theirs}:
            listed = differences.pop((poll, host), None)
            expected = (listed.v5, listed.ours) if listed else (theirs.get(host), theirs.get(host))
            assert (theirs.get(host), ours.get(host)) == expected, f"poll {poll}, {host}"
    assert not differences, "listed, but not different"


def test_one_mac_on_two_addresses_is_counted_once() -> None:
    *_, before_midnight, _ = days(by_counters())
    assert (before_midnight[A][0] + before_midnight[A_NEW][0]) == 61
    assert V5[4][A][0] + V5[4][A_NEW][0] == 61 + 160


def test_a_counter_that_fell_is_a_reset_as_v5_took_it() -> None:
    key = FlowKey("darkstat", address=address_bytes(B))
    before = CounterReading(key, Counts(50 * KB, 5 * KB), 0, "life")
    found = counters.delta(before, CounterReading(key, Counts(10 * KB, KB), 30_000, "life"))
    assert found is not None
    assert (found.counts, found.quality) == (Counts(10 * KB, KB), Quality.RESET)
