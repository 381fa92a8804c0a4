"""How much will have been used at the end of a period, from the habit of weekdays; pure.

A level that follows the last weeks, times what a weekday usually is of it. Both lean on few days carefully: a
weekday's share is drawn towards the mean until it was seen often. The range is what past days strayed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import log, sqrt
from typing import NamedTuple

HALF_LIFE_DAYS = 14
MEAN_AGE_DAYS = HALF_LIFE_DAYS / log(2)
CAUTION = 4
"""How many average days a weekday's own days have to outweigh."""
DRIFT_A_DAY = 0.01
"""By how much the level of habits moves from one day to the next."""
EIGHTY_PERCENT = 1.28
"""Standard deviations on either side that hold four of five outcomes of a normal distribution."""


class Forecast(NamedTuple):
    """Octets at the end of the period, with a range that holds four times of five; `runs_out` is the first day on
    which the allowance is likely used up, `earliest` and `latest` at the ends of the range, None where it lasts."""

    octets: int
    low: int
    high: int
    runs_out: date | None = None
    earliest: date | None = None
    latest: date | None = None


def forecast(
    past: Mapping[date, int], used: int, today: date, *, today_part: float, end: date, allowance: int | None = None
) -> Forecast | None:
    """From whole days that are over to the end of the period (its first day no more).

    `used` is the period's so far, today's included; `today_part` is how much of today is over, 0 to 1. None
    without a single whole day to learn from.
    """
    if not past:
        return None
    habit = _habit(past, today)
    strayed = _strayed(past, habit)
    mistaken = strayed**2 / _effective_days(past, today)
    expected, spread, variance = float(used), 0.0, 0.0
    gone: list[date | None] = [today if allowance is not None and used >= allowance else None] * 3
    day = today
    while day < end:
        share = habit[day.weekday()] * (1 - today_part if day == today else 1.0)
        expected += share
        variance += (strayed * share) ** 2
        # Days stray each on its own; the level that all are drawn from may be mistaken, and drifts from when it was.
        drifted = DRIFT_A_DAY**2 * (MEAN_AGE_DAYS + (day - today).days / 3)
        spread = EIGHTY_PERCENT * sqrt(variance + (mistaken + drifted) * (expected - used) ** 2)
        if allowance is not None:
            reached = (expected, expected + spread, max(float(used), expected - spread))
            gone = [gone[n] or (day if reached[n] >= allowance else None) for n in range(3)]
        day += timedelta(days=1)
    return Forecast(round(expected), max(used, round(expected - spread)), round(expected + spread), *gone)


def straight_line(used: int, elapsed_days: float, total_days: float) -> int:
    """What most programs show: as it went so far, so it will go on."""
    return round(used * total_days / elapsed_days) if elapsed_days else 0


def _habit(past: Mapping[date, int], today: date) -> Sequence[float]:
    """Octets expected on each weekday, Monday first."""
    weights = {day: 0.5 ** ((today - day).days / HALF_LIFE_DAYS) for day in past}
    total = sum(weights.values())
    if not total:  # all of it so long ago that its weight is nothing: it counts the same
        weights = dict.fromkeys(past, 1.0)
        total = float(len(past))
    level = sum(weights[day] * octets for day, octets in past.items()) / total
    return [_weekday(past, weights, weekday, level) for weekday in range(7)]


def _effective_days(past: Mapping[date, int], today: date) -> float:
    """How many equal days would tell the level as well as these, of which late ones weigh more (Kish)."""
    weights = [0.5 ** ((today - day).days / HALF_LIFE_DAYS) for day in past]
    squares = sum(weight * weight for weight in weights)
    return sum(weights) ** 2 / squares if squares else float(len(past))


def _weekday(past: Mapping[date, int], weights: Mapping[date, float], weekday: int, level: float) -> float:
    own = [day for day in past if day.weekday() == weekday]
    weight = sum(weights[day] for day in own)
    seen = sum(weights[day] * past[day] for day in own)
    return (seen + CAUTION * level / 7) / (weight + CAUTION / 7)


def _strayed(past: Mapping[date, int], habit: Sequence[float]) -> float:
    """How far days were from what was expected of them, as a part of it (root of the mean square)."""
    parts = [(octets / habit[day.weekday()] - 1) ** 2 for day, octets in past.items() if habit[day.weekday()]]
    return sqrt(sum(parts) / len(parts)) if parts else 0.0
