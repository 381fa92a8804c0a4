"""A month of routers in fast motion: wraps, reboots, a week without contact, clocks that are set."""

from __future__ import annotations

import random

import pytest

from whitestat.collectors.router.archer_c20 import ArcherC20
from whitestat.collectors.router.follow import TotalsFollower
from whitestat.collectors.router.huawei_b593.collector import B593
from whitestat.collectors.router.protocol import LINE, RouterKey, RouterTotals
from whitestat.core.model import Counts
from whitestat.core.units import address_bytes, mac_bytes

MINUTE_MS, HOUR_MIN, DAY_MIN = 60_000, 60, 1440
ROUND = 1 << 32
PHONE: RouterKey = (mac_bytes("02:50:00:00:00:0a"), address_bytes("192.168.1.10"))
TV: RouterKey = (mac_bytes("02:50:00:00:00:0b"), address_bytes("192.168.1.11"))


class Clock:
    """The wall may be set, the monotonic clock only goes on."""

    def __init__(self) -> None:
        self.wall_ms = 1_795_305_142_000
        self.polled_min = 0

    def step(self, follower: TotalsFollower, look: RouterTotals, at_min: int) -> int:
        elapsed_ms = (at_min - self.polled_min) * MINUTE_MS
        self.polled_min = at_min
        step = follower.take(look, self.wall_ms + at_min * MINUTE_MS, elapsed_ms)
        assert not step.implausible
        return sum(delta.counts.octets for delta in step.deltas)


@pytest.mark.slow
def test_a_month_of_wraps_and_reboots_of_a_router_with_32_bits() -> None:
    """A wrap every twenty minutes of the busy device; a reboot every two days right after a poll loses nothing."""
    dice, clock, follower = random.Random(7), Clock(), TotalsFollower("router", ArcherC20.ceiling_bps)
    rows = {PHONE: [0, 0], TV: [3_000_000_000, 3_000_000]}
    passed = booked = 0
    clock.step(follower, look_of(rows), 0)
    for minute in range(1, 30 * DAY_MIN):
        for who, most in ((PHONE, ROUND // 10), (TV, 2_000_000)):
            octets = dice.randrange(most)
            passed += octets
            carry(rows[who], octets)
        if minute % DAY_MIN == 5 * HOUR_MIN:
            clock.wall_ms += dice.choice((-86_400_000, 3_600_000, 400 * 86_400_000))  # somebody set the clock
        booked += clock.step(follower, look_of(rows), minute)
        if minute % (2 * DAY_MIN) == 0:
            rows = {who: [0, 0] for who in rows}
    assert booked == passed


@pytest.mark.slow
def test_a_month_of_a_line_with_a_week_without_contact() -> None:
    dice, clock, follower = random.Random(8), Clock(), TotalsFollower("line", B593.ceiling_bps)
    down = up = live_s = passed = booked = lost = 0
    for minute in range(30 * DAY_MIN):
        grown = dice.randrange(60_000_000), dice.randrange(4_000_000)
        down, up, live_s, passed = down + grown[0], up + grown[1], live_s + 60, passed + sum(grown)
        if minute == 0:
            lost = passed  # what was there at the first look
        if minute == 20 * DAY_MIN:
            down = up = live_s = 0  # cleared by somebody, right after what was carried in this minute
            lost += sum(grown)
        away = 9 * DAY_MIN <= minute < 16 * DAY_MIN
        if not away:
            booked += clock.step(follower, RouterTotals({LINE: Counts(down, up)}, counted_s=live_s), minute)
    assert booked == passed - lost


def look_of(rows: dict[RouterKey, list[int]]) -> RouterTotals:
    return RouterTotals({who: Counts(0, 0, packets, 0, octets) for who, (octets, packets) in rows.items()}, 32)


def carry(row: list[int], octets: int) -> None:
    row[0] = (row[0] + octets) % ROUND
    row[1] = (row[1] + -(-octets // 1000)) % ROUND
