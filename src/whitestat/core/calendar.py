"""Minutes, local hours, days, weeks, months and billing periods as UTC instants, and the sharing out of
counts over them; pure.

Instants are UTC seconds (`_s`) or milliseconds (`_ms`), a day is a local date written YYYYMMDD, spans
include their start and exclude their end. Hours and days of one zone never overlap and leave no gap,
on the days clocks are moved too.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache, partial
from itertools import pairwise
from typing import NamedTuple

from whitestat.core.model import Counts

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MOST_PIECES = 7 * DAY_S // MINUTE_S
"""How many minutes `split` books one interval to: those of the week that minutes are kept."""

_INSTANT = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.0+)?"
    r"(?P<offset>Z|[+ -][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?)?"
)


class Cycle(NamedTuple):
    """When billing periods begin, local time: `day` 1 to 31 of each month, `hour` 0 to 23.

    In a month without that day it is the last one, so 31 means the last. An hour that clocks repeat
    begins the period where it comes first, one they skip where they land.
    """

    day: int = 1
    hour: int = 0


CALENDAR_MONTHS = Cycle()


def minute_start(at_s: int) -> int:
    """The start of the UTC minute, which is the local one in every zone of our time."""
    return at_s - at_s % MINUTE_S


def hour_start(at_s: int, zone: tzinfo) -> int:
    """The start of the local hour. An hour that clocks repeat is two hours; one they cut is shorter.

    Where the shift falls inside an hour (Lord Howe moves by 30 minutes) a new hour starts with it.
    """
    start_s = at_s - (at_s + _offset(at_s, zone)) % HOUR_S
    return _after_shift(start_s, at_s, zone)


def day_of(at_s: int, zone: tzinfo) -> int:
    """The local date as YYYYMMDD, such that `day_bounds` of it holds the instant.

    Clocks that move back over midnight (St. John's, 00:01 to 23:01) do not bring yesterday back: a
    day that has begun goes on.
    """
    day = wall_time(at_s, zone).date()
    while at_s >= _day_start(tomorrow := day + timedelta(days=1), zone):
        day = tomorrow
    return _number(day)


def day_bounds(day: int, zone: tzinfo) -> tuple[int, int]:
    """First instant of a local day (YYYYMMDD) and of the next; ValueError for a date of no calendar.

    Usually 23, 24 or 25 hours. A day that a zone left out (Apia, 2011-12-30) starts where it ends.
    """
    first = _date(day)
    return _day_start(first, zone), _day_start(first + timedelta(days=1), zone)


def split(counts: Counts, start_ms: int, end_ms: int, finest_s: int = MINUTE_S) -> list[tuple[int, Counts]]:
    """The counts of an interval by minute start, in proportion to time; the shares add up to the octet.

    Minutes without a share are left out; an interval without a length belongs to the minute of its
    end. An interval of over a week is shared out over UTC hours, one of over 420 days over UTC days,
    or as many days as keep it to about `MOST_PIECES` shares; each is booked to the first minute the
    hour or day has in the interval. Where `finest_s` is 1, seconds stand for minutes, in intervals of
    up to 2.8 hours.
    """
    return [(at_s, Counts(*share)) for at_s, share in split_integers(counts, start_ms, end_ms, finest_s)]


def split_integers(
    amounts: Sequence[int], start_ms: int, end_ms: int, finest_s: int = MINUTE_S
) -> list[tuple[int, tuple[int, ...]]]:
    """Return (minute start, shares) pairs of amounts, as `split` does; their columns add up to the amounts."""
    if end_ms <= start_ms:
        edges = [end_ms, end_ms + 1]
    elif start_ms // (1_000 * finest_s) == (end_ms - 1) // (1_000 * finest_s):
        edges = [start_ms, end_ms]
    else:
        edges = _edges(start_ms, end_ms, finest_s)
    starts = (at // 1_000 - at // 1_000 % finest_s for at in edges)
    return [(at_s, share) for at_s, share in zip(starts, _shares(amounts, edges), strict=False) if any(share)]


def span(word: str, now_s: int, zone: tzinfo, cycle: Cycle = CALENDAR_MONTHS) -> tuple[int, int]:
    """Start and end of the local today, week (from Monday), month, cycle or year that now lies in.

    `yesterday` and the words that begin with `last-` are the one before. ValueError for another word.
    """
    if word not in _SPANS:
        raise ValueError(f"expected one of {', '.join(_SPANS)}, got {word!r}")
    name, before = _SPANS[word]
    bounds = _bounds(name, cycle)
    start_s, end_s = bounds(now_s, zone)
    return bounds(start_s - 1, zone) if before else (start_s, end_s)


def parse_instant(text: str, zone: tzinfo) -> int:
    """Return UTC seconds of an ISO 8601 date (its first instant in the zone) or date-time, local without offset.

    A local time that occurs twice means the first. Raises ValueError with the expected form, or for a day that the
    clocks skipped (Apia, 2011-12-30).
    """
    match = _INSTANT.fullmatch(text)
    day = None
    try:
        # Years outside have no usage, and the ends of the calendar have no neighbouring day.
        if not match or not 1970 <= int(text[:4]) < 9999:
            raise ValueError
        if not match["time"]:
            day = date.fromisoformat(match["day"])
        # A plus sign that was not escaped in an address reaches us as a space.
        offset = (match["offset"] or "").replace(" ", "+")
        moment = datetime.fromisoformat(f"{match['day']}T{match['time'] or '00:00'}{offset}")
    except ValueError:
        raise ValueError(
            f"expected a date or date-time like 2026-11-21 or 2026-11-21T08:00+01:00, got {text!r}"
        ) from None
    if day:
        start_s, end_s = day_bounds(_number(day), zone)
        if start_s == end_s:
            raise ValueError(f"there was no {text} in {zone}: the clocks there passed over it")
        return start_s
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())


def wall_time(at_s: int, zone: tzinfo) -> datetime:
    """Return the instant in the zone. `fromtimestamp` uses the C library, where a time of 32 bits ends in 2038."""
    return (_EPOCH + timedelta(seconds=at_s)).astimezone(zone)


def instant_text(at_s: int, zone: tzinfo) -> str:
    """`2026-11-21T00:00:00+01:00`: the instant in the zone (ISO 8601)."""
    return wall_time(at_s, zone).isoformat()


def step_text(at_s: int, zone: tzinfo) -> str:
    """As `instant_text`, for many that lie close together: the zone is asked once for a day of them."""
    steady = _steady(at_s // DAY_S, zone)
    if steady is None:
        return instant_text(at_s, zone)
    day, rest_s = divmod(at_s + steady.offset_s, DAY_S)
    minutes, second = divmod(rest_s, MINUTE_S)
    hour, minute = divmod(minutes, 60)
    return f"{_day_text(day)}T{_SIXTY[hour]}:{_SIXTY[minute]}:{_SIXTY[second]}{steady.text}"


def steps(start_s: int, end_s: int, step: str, zone: tzinfo, cycle: Cycle = CALENDAR_MONTHS) -> Iterator[int]:
    """Starts of the steps that meet the span; the first may lie before it.

    `step` is minute, hour, day, week (from Monday, ISO 8601), month, cycle or year; ValueError for another word.
    """
    if step not in _STEPS:
        raise ValueError(f"expected one of {', '.join(_STEPS)}, got {step!r}")
    return _walk(start_s, end_s, _bounds(step, cycle), zone)


_Bounds = Callable[[int, tzinfo], tuple[int, int]]


def _walk(start_s: int, end_s: int, bounds: _Bounds, zone: tzinfo) -> Iterator[int]:
    at_s = start_s
    while at_s < end_s:
        bucket_s, at_s = bounds(at_s, zone)
        yield bucket_s


def _second(at_s: int, _: tzinfo) -> tuple[int, int]:
    return at_s, at_s + 1


def _minute(at_s: int, zone: tzinfo) -> tuple[int, int]:
    start_s = minute_start(at_s)
    return start_s, start_s + MINUTE_S


def _hour(at_s: int, zone: tzinfo) -> tuple[int, int]:
    """The hour ends on the hour, or earlier where the offset changes."""
    end_s = at_s - (at_s + _offset(at_s, zone)) % HOUR_S + HOUR_S
    moved = _offset(end_s, zone) != _offset(at_s, zone)
    return hour_start(at_s, zone), _after_shift(at_s, end_s, zone) if moved else end_s


def _day(at_s: int, zone: tzinfo) -> tuple[int, int]:
    return day_bounds(day_of(at_s, zone), zone)


def _week(at_s: int, zone: tzinfo) -> tuple[int, int]:
    today = _date(day_of(at_s, zone))
    monday = today - timedelta(days=today.weekday())
    return _day_start(monday, zone), _day_start(monday + timedelta(days=7), zone)


def _month(at_s: int, zone: tzinfo) -> tuple[int, int]:
    first = _date(day_of(at_s, zone)).replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return _day_start(first, zone), _day_start(following, zone)


def _cycle(at_s: int, zone: tzinfo, cycle: Cycle) -> tuple[int, int]:
    first = _date(day_of(at_s, zone)).replace(day=1)
    start_s = _cycle_start(first, zone, cycle)
    if at_s < start_s:
        return _cycle_start(first - timedelta(days=1), zone, cycle), start_s
    return start_s, _cycle_start(first + timedelta(days=31), zone, cycle)


def _cycle_start(month: date, zone: tzinfo, cycle: Cycle) -> int:
    """Where the billing period begins that begins in the month of a date."""
    day = min(cycle.day, monthrange(month.year, month.month)[1])
    return clock_start(month.replace(day=day), cycle.hour, zone)


def _year(at_s: int, zone: tzinfo) -> tuple[int, int]:
    year = day_of(at_s, zone) // 10_000
    return _day_start(date(year, 1, 1), zone), _day_start(date(year + 1, 1, 1), zone)


_STEPS: dict[str, _Bounds | None] = {
    "second": _second,
    "minute": _minute,
    "hour": _hour,
    "day": _day,
    "week": _week,
    "month": _month,
    "cycle": None,
    "year": _year,
}
_SPANS = {
    "today": ("day", False),
    "yesterday": ("day", True),
    "week": ("week", False),
    "last-week": ("week", True),
    "month": ("month", False),
    "last-month": ("month", True),
    "cycle": ("cycle", False),
    "last-cycle": ("cycle", True),
    "year": ("year", False),
    "last-year": ("year", True),
}
SPAN_WORDS = tuple(_SPANS)
"""The words that `span` accepts."""


def _bounds(step: str, cycle: Cycle) -> _Bounds:
    return _STEPS[step] or partial(_cycle, cycle=cycle)


def _edges(start_ms: int, end_ms: int, finest_s: int) -> list[int]:
    """The interval's ends and the seconds, minutes, hours or days between them, milliseconds."""
    piece_ms = 1_000 * _piece((end_ms - start_ms) // 1_000, finest_s)
    return [start_ms, *range(start_ms - start_ms % piece_ms + piece_ms, end_ms, piece_ms), end_ms]


def _piece(length_s: int, finest_s: int) -> int:
    """The shortest of second, minute, hour, day and several days that `MOST_PIECES` of cover the length."""
    for piece_s in (1, MINUTE_S, HOUR_S):
        if piece_s >= finest_s and length_s <= piece_s * MOST_PIECES:
            return piece_s
    return DAY_S * -(-length_s // (DAY_S * MOST_PIECES))


def _shares(amounts: Sequence[int], edges: list[int]) -> Iterator[tuple[int, ...]]:
    """What flowed up to each edge less what flowed up to the one before: rounding cannot lose an octet."""
    start, length = edges[0], edges[-1] - edges[0]
    upto = ([amount * (edge - start) // length for amount in amounts] for edge in edges)
    for before, after in pairwise(upto):
        yield tuple(b - a for a, b in zip(before, after, strict=True))


def _day_start(day: date, zone: tzinfo) -> int:
    """The first instant whose local date is the day or a later one."""
    return clock_start(day, 0, zone)


@lru_cache(maxsize=4096)
def clock_start(day: date, hour: int, zone: tzinfo) -> int:
    """The first instant at which local clocks show the hour of the day, or have passed over it."""
    return _first_at(datetime.combine(day, time(hour)), zone)


def _first_at(wall: datetime, zone: tzinfo) -> int:
    """The first instant at which local clocks show this time, given without a zone, or have passed over it."""
    # The first of two such times; one that clocks skip is read with the offset before the gap.
    at_s = int(wall.replace(tzinfo=zone).timestamp())
    # A gap that opens before midnight (Toronto 1919: 23:30 to 00:30) starts the day itself.
    if wall_time(at_s - 1, zone).replace(tzinfo=None) >= wall:
        return _after_shift(at_s - DAY_S, at_s, zone)
    return at_s


def _after_shift(low_s: int, high_s: int, zone: tzinfo) -> int:
    """The first instant after the change of offset between the two, or `low_s` where none is."""
    offset = _offset(high_s, zone)
    if _offset(low_s, zone) == offset:
        return low_s
    while high_s - low_s > 1:
        middle_s = (low_s + high_s) // 2
        low_s, high_s = (low_s, middle_s) if _offset(middle_s, zone) == offset else (middle_s, high_s)
    return high_s


def _offset(at_s: int, zone: tzinfo) -> int:
    """Seconds that local clocks are ahead of UTC."""
    offset = wall_time(at_s, zone).utcoffset() or timedelta()
    return offset.days * DAY_S + offset.seconds


class _Steady(NamedTuple):
    """How far local clocks are ahead of UTC, in seconds and as ISO 8601 writes it."""

    offset_s: int
    text: str


@lru_cache(maxsize=64)
def _steady(day: int, zone: tzinfo) -> _Steady | None:
    """Of a day of UTC, by its number since 1970; None where clocks are moved within it, which none are twice."""
    first_s = day * DAY_S
    offset_s = _offset(first_s, zone)
    if _offset(first_s + DAY_S - 1, zone) != offset_s:
        return None
    return _Steady(offset_s, instant_text(first_s, zone)[len("1970-01-01T00:00:00") :])


@lru_cache(maxsize=64)
def _day_text(day: int) -> str:
    """`2026-11-21`, by its number since 1970."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()


_SIXTY = tuple(f"{number:02}" for number in range(60))


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _date(day: int) -> date:
    return date(day // 10_000, day // 100 % 100, day % 100)
