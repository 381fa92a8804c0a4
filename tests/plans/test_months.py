"""Months at a fast clock: a router's counters that wrap and restart, a week without contact, a leap day, moved clocks.

What a plan has used and left is compared with a reckoning of its own: every octet that the router counted, minute by
minute, by the calendar alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from tests.support.recorder import PHONE, Meter, recorder_on
from whitestat.attribution.locality import Locality
from whitestat.core.model import CounterReading, Counts, FlowKey, Point, ReadResult
from whitestat.core.units import address_bytes, mac_bytes
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.write.writer import Writer
from whitestat.plans.plan import Period, Plan, Share, Tariff
from whitestat.plans.status import PlanStatus
from whitestat.plans.tariff import Window

ZONE = ZoneInfo("Europe/Stockholm")
ROUTER = Point("router", "archer-c20")
TABLET = mac_bytes("02:50:00:00:00:12")
ADDRESSES = {PHONE: address_bytes("192.168.50.11"), TABLET: address_bytes("192.168.50.12")}
HOME = Locality((ip_network("192.168.50.0/24"),))
POLL_S = 900
WRAPS_EVERY_S = 1200
MODULUS = 1 << 32

EVERY = frozenset(range(7))
WORKDAYS = frozenset(range(5))
NIGHT = Tariff("off-peak", (Window("off-peak", WORKDAYS, 22 * 60 + 30, 6 * 60 + 15),), allowance=900 * 10**12)
WEEKEND = Tariff("weekend", (Window("weekend", frozenset((5, 6)), 0, 1440),), 50)
HOUSE = Plan(
    "house",
    400 * 10**12,
    Period(day=31, hour=6),
    tariffs=(NIGHT, WEEKEND),
    otherwise="peak",
    carry_most=None,
    shares=(Share("Anna", 2), Share("Bo")),
)
WEEK = Plan("week", 10**13, Period("week", weekday=6), direction="in", otherwise="all")
THIRTY = Plan("thirty", 10**15, Period("days", length=30, since=20280201, hour=3), person="Anna", otherwise="all")


class Span(NamedTuple):
    """When the months are, and what happens in them."""

    first: date
    days: int
    silent: date
    reboot: date


SPANS = {
    "leap day, spring": Span(date(2028, 2, 27), 34, date(2028, 3, 8), date(2028, 3, 3)),
    "autumn": Span(date(2027, 10, 19), 18, date(2027, 10, 24), date(2027, 10, 20)),
}


@dataclass
class Router(Meter):
    """A table of 32-bit counters that wrap every 20 minutes; they start from zero when it does."""

    points: tuple[Point, ...] = (ROUTER,)
    totals: dict[bytes, Counts] = field(default_factory=lambda: {PHONE: Counts(), TABLET: Counts()})
    boots: int = 0

    def carried(self, mac: bytes, counts: Counts) -> None:
        self.totals[mac] = self.totals[mac].plus(counts)

    def reboot(self) -> None:
        self.boots += 1
        self.totals = dict.fromkeys(self.totals, Counts())

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        shown = {mac: Counts(*(each % MODULUS for each in counts)) for mac, counts in self.totals.items()}
        readings = [
            CounterReading(FlowKey("router", mac, ADDRESSES[mac]), counts, now_ms, str(self.boots), 32)
            for mac, counts in shown.items()
        ]
        return ReadResult(since_ms, now_ms, readings)


@dataclass
class Reckoning:
    """Octets in and out by plan's period, tariff and device, from the calendar."""

    octets: Counter[tuple[str, int, str, bytes, str]] = field(default_factory=Counter)

    def add(self, mac: bytes, counts: Counts, start_s: int, end_s: int) -> None:
        for minute_s, into, out in minutes(counts, start_s, end_s):
            wall = datetime.fromtimestamp(minute_s, ZONE)
            for plan in (HOUSE, WEEK, THIRTY):
                if plan is THIRTY and mac != PHONE:
                    continue
                place = plan.name, begun(plan.name, wall.replace(minute=0)), tariff(plan, wall), mac
                self.octets[*place, "in"] += into
                self.octets[*place, "out"] += out

    def used(self, plan: Plan, start_s: int, tariff: str, *macs: bytes) -> tuple[int, int]:
        """Octets, and what they take of the allowance."""
        both = [self.octets[plan.name, start_s, tariff, mac, side] for mac in macs for side in ("in", "out")]
        counted = both[::2] if plan.direction == "in" else both
        percent = {each.name: each.factor_percent for each in plan.tariffs}.get(tariff, 100)
        return sum(both), sum(counted) * percent // 100


def minutes(counts: Counts, start_s: int, end_s: int) -> Iterator[tuple[int, int, int]]:
    """Each minute's share: what had flowed up to its end less what had up to its start, in proportion to time."""
    length, before = end_s - start_s, (0, 0)
    for edge_s in (*range(start_s - start_s % 60 + 60, end_s, 60), end_s):
        upto = tuple(each * (edge_s - start_s) // length for each in counts[:2])
        yield (edge_s - 1) // 60 * 60, upto[0] - before[0], upto[1] - before[1]
        before = upto[0], upto[1]


def tariff(plan: Plan, wall: datetime) -> str:
    if plan is not HOUSE:
        return "all"
    clock, weekday = wall.hour * 60 + wall.minute, wall.weekday()
    if weekday < 5 and clock >= 22 * 60 + 30:
        return "off-peak"
    if (weekday - 1) % 7 < 5 and clock < 6 * 60 + 15:
        return "off-peak"
    return "weekend" if weekday >= 5 else "peak"


@cache
def begun(plan: str, wall: datetime) -> int:
    """Where the period began: the last of its possible beginnings that the clocks have passed, all on whole hours."""
    hour = {"house": 6, "week": 0, "thirty": 3}[plan]
    for back in range(64):
        day = wall.date() - timedelta(days=back)
        last = (day + timedelta(days=1)).month != day.month
        first = {"house": last, "week": day.weekday() == 6, "thirty": (day - date(2028, 2, 1)).days % 30 == 0}[plan]
        at = datetime(day.year, day.month, day.day, hour, tzinfo=ZONE)
        if first and at.astimezone(UTC) <= wall.astimezone(UTC):
            return int(at.timestamp())
    raise AssertionError(f"{plan} begins nowhere before {wall}")


def rate(rng: Random) -> int:
    """Octets of a poll, such that the counter wraps every 20 minutes."""
    return rng.randrange(MODULUS * POLL_S * 3 // 4 // WRAPS_EVERY_S, MODULUS * POLL_S // WRAPS_EVERY_S)


@pytest.mark.slow
@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS)
def test_used_and_left_are_exact_to_the_octet_over_months(tmp_path: Path, span: Span) -> None:
    start_s = int(datetime(span.first.year, span.first.month, span.first.day, tzinfo=ZONE).timestamp())
    rng, router, reckoning = Random(7), Router(), Reckoning()
    carried = compared = 0
    with closing(Writer(tmp_path / "db", ZONE)) as writer:
        writer.follow_plans([HOUSE, WEEK, THIRTY], start_s)
        recorder = recorder_on(writer, HOME)
        with closing(Queries(tmp_path / "db", ZONE)) as queries:
            last_s = start_s
            for number in range(span.days * 86_400 // POLL_S):
                now_s = start_s + number * POLL_S
                day = datetime.fromtimestamp(now_s, ZONE).date()
                if span.silent <= day < span.silent + timedelta(days=6, hours=12):
                    continue  # the router does not answer
                if day == span.reboot and number % 96 == 50:
                    router.reboot()
                for mac in router.totals if number else ():
                    counts = Counts(rate(rng), rng.randrange(MODULUS // 2))
                    router.carried(mac, counts)
                    reckoning.add(mac, counts, last_s, now_s)
                    carried += counts.octets
                recorder.gather(router, router.read(last_s * 1000, now_s * 1000), POLL_S * 1000)
                last_s = now_s
                if number % 8 == 7:
                    recorder.flush()
                if number % 197 == 196:
                    recorder.flush()
                    for found in queries.plan_statuses(now_s).values():
                        compare(found, reckoning)
                        compared += 1
            recorder.flush(last=True)
            writer.fold()
            plan_statuses = queries.plan_statuses(last_s)
            for found in plan_statuses.values():
                compare(found, reckoning)
            assert by_period(reckoning, "house") == carried
    assert compared >= 15
    with closing(Writer(tmp_path / "db", ZONE)) as writer:
        writer.reprice(1, None)
        with closing(Queries(tmp_path / "db", ZONE)) as queries:
            assert queries.plan_statuses(last_s)[1].pots == plan_statuses[1].pots


def by_period(reckoning: Reckoning, plan: str) -> int:
    return sum(octets for key, octets in reckoning.octets.items() if key[0] == plan)


def compare(found: PlanStatus, reckoning: Reckoning) -> None:
    plan = found.plan
    macs = (PHONE,) if plan.person else (PHONE, TABLET)
    for each in found.tariffs:
        assert (each.octets, each.used) == reckoning.used(plan, found.start_s, each.name, *macs), (plan.name, each)
    for pot in found.pots:
        wanted = sum(reckoning.used(plan, found.start_s, name, *macs)[1] for name in pot.tariffs)
        assert pot.allowance is not None and pot.left is not None
        assert (pot.used, pot.left) == (wanted, pot.allowance + pot.carried - wanted)
    assert sum(each.used for each in found.days) == found.total("used")
    assert sum(part.used for each in found.persons for part in each.parts) == found.total("used")
    if plan is HOUSE:
        assert {pot.name: pot.carried for pot in found.pots} == carried_over(found, reckoning)


def carried_over(found: PlanStatus, reckoning: Reckoning) -> dict[str, int]:
    """What whole periods before left, from the first that began after the plan did."""
    starts = sorted({key[1] for key in reckoning.octets if key[0] == "house" and key[1] < found.start_s})
    left = {"peak": 0, "off-peak": 0}
    for start_s in starts[1:]:
        for name, tariffs in (("peak", ("peak", "weekend")), ("off-peak", ("off-peak",))):
            used = sum(reckoning.used(HOUSE, start_s, each, PHONE, TABLET)[1] for each in tariffs)
            left[name] = max(0, HOUSE.pots[name] + left[name] - used)  # type: ignore[operator]
    return left
