"""When the days and periods of a plan begin and end; pure.

A plan's day begins at its hour, so periods are made of whole days. Clocks that are moved make days of 23 or 25 hours.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta, tzinfo
from functools import lru_cache

from whitestat.core.calendar import clock_start, wall_time
from whitestat.plans.plan import Period

ONE = timedelta(days=1)


def day_of(at_s: int, zone: tzinfo, hour: int) -> date:
    """The date of the plan's day that holds the instant: before its hour, that of the day before."""
    day = wall_time(at_s, zone).date() + ONE
    while at_s < clock_start(day, hour, zone):
        day -= ONE
    return day


def day_start(day: date, zone: tzinfo, hour: int) -> int:
    return clock_start(day, hour, zone)


@lru_cache(maxsize=512)
def day_bounds(at_s: int, zone: tzinfo, hour: int) -> tuple[int, int]:
    day = day_of(at_s, zone, hour)
    return clock_start(day, hour, zone), clock_start(day + ONE, hour, zone)


def bounds(period: Period, at_s: int, zone: tzinfo) -> tuple[int, int]:
    """First instant of the period that holds this one, and of the next, UTC seconds."""
    first, following = dates(period, day_of(at_s, zone, period.hour))
    return clock_start(first, period.hour, zone), clock_start(following, period.hour, zone)


def dates(period: Period, day: date) -> tuple[date, date]:
    """The first day of the period that holds the day, and of the next."""
    if period.every == "day":
        return day, day + ONE
    if period.every == "week":
        first = day - timedelta(days=(day.weekday() - period.weekday) % 7)
        return first, first + timedelta(days=7)
    if period.every == "days":
        begun = date(period.since // 10_000, period.since // 100 % 100, period.since % 100)
        first = day - timedelta(days=(day - begun).days % period.length)
        return first, first + timedelta(days=period.length)
    this = _in_month(day, period.day)
    if this <= day:
        return this, _in_month(day.replace(day=1) + timedelta(days=31), period.day)
    return _in_month(day.replace(day=1) - ONE, period.day), this


def days(start_s: int, end_s: int, zone: tzinfo, hour: int) -> Iterator[date]:
    """The plan's days that begin from the one instant up to the other."""
    day = day_of(start_s, zone, hour)
    while clock_start(day, hour, zone) < end_s:
        yield day
        day += ONE


def _in_month(day: date, day_of_month: int) -> date:
    return day.replace(day=min(day_of_month, monthrange(day.year, day.month)[1]))
