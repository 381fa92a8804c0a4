"""What forecasts of plans are worth: their error beside the straight line's, over households made with a seed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from statistics import mean
from typing import NamedTuple

from bench.table import Row
from whitestat.plans.forecast import forecast, straight_line

FIRST = date(2026, 1, 1)
HOUSEHOLDS = 100


class Worth(NamedTuple):
    """Mean errors at the end of the period as a part of it, and how often the range held the figure."""

    ours: float
    line: float
    held: float


def household(seed: int, days: int) -> dict[date, int]:
    """Weekends and work from home differ, days stray by a third, and habits drift slowly."""
    rng = Random(seed)
    weekday = [rng.uniform(0.4, 1.2) for _ in range(5)] + [rng.uniform(1.0, 2.6) for _ in range(2)]
    level, made = rng.uniform(0.5e9, 8e9), {}
    for number in range(days):
        day = FIRST + timedelta(days=number)
        level *= rng.gauss(1, 0.01)
        made[day] = max(0, round(level * weekday[day.weekday()] * rng.lognormvariate(0, 0.35)))
    return made


def measured() -> Worth:
    """April, forecast on its 4th, 8th, 15th and 22nd from the days since January."""
    ours, line, held = [], [], []
    for seed in range(HOUSEHOLDS):
        days = household(seed, 120)
        period = [day for day in days if day.month == 4]
        total = sum(days[day] for day in period)
        for over in (3, 7, 14, 21):
            used = sum(days[day] for day in period[:over])
            past = {day: octets for day, octets in days.items() if day < period[over]}
            found = forecast(past, used, period[over], today_part=0.0, end=date(2026, 5, 1))
            if found is None:
                raise RuntimeError("there are days to learn from")
            ours.append(abs(found.octets - total) / total)
            line.append(abs(straight_line(used, over, 30) - total) / total)
            held.append(found.low <= total <= found.high)
    return Worth(mean(ours), mean(line), mean(held))


def rows() -> Iterator[Row]:
    worth = measured()
    said = f"{worth.ours:.1%}; a straight line {worth.line:.1%}"
    yield Row(
        f"forecast of a plan, mean error of {HOUSEHOLDS} households", "< the line's", said, "-", worth.ours < worth.line
    )
    yield Row("its range holds the figure", "75 to 85 %", f"{worth.held:.0%}", "-", 0.75 <= worth.held <= 0.85)
