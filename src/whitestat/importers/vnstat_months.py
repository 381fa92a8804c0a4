"""From when to when vnStat's months and years run, and whether its sums agree with that; pure.

A bucket's label is not its bounds: with `MonthRotate 15` the month 2022-10 runs from 15 October to 14 November, and
with `MonthRotateAffectsYears` years begin on 15 January (vnstat.conf(5)). What vnStat prints does not say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

from whitestat.core.model import Counts
from whitestat.core.sums import add_to
from whitestat.core.units import octets_text
from whitestat.importers.history import Span
from whitestat.importers.spread import spread

LAST_ROTATE = 28
_DAY = timedelta(days=1)
_FOR_EVER = 99_991_231


class InterfaceTotals(NamedTuple):
    """Buckets by label (the first day, were it not for `MonthRotate`), and all that was ever counted if known.

    `created` and `updated` are when vnStat began and when it counted last, None if unknown.
    """

    days: Mapping[date, Counts]
    months: Mapping[date, Counts]
    years: Mapping[date, Counts]
    whole: Counts | None
    created: date | None
    updated: date | None

    def turned(self) -> InterfaceTotals:
        """Return the same totals with download and upload exchanged."""
        days, months, years = (
            {key: counts.turned() for key, counts in buckets.items()}
            for buckets in (self.days, self.months, self.years)
        )
        return InterfaceTotals(days, months, years, self.whole and self.whole.turned(), self.created, self.updated)


def spans_of(totals: InterfaceTotals, rotate: int | None) -> tuple[Span, ...]:
    """Months, then years, as spans of days. ValueError, with the sums, where they do not agree with one another."""
    faults = []
    for with_years in (False, True):
        spans = _spans(totals, rotate or 1, with_years=with_years)
        fault = _disagreement(totals, spans)
        if fault is None:
            return spans
        faults.append(fault)
    fits = [day for day in range(1, LAST_ROTATE + 1) if day != (rotate or 1) and _agrees(totals, day)]
    hint = (
        f"vnStat's months begin on another day (`vnstat --showconfig | grep MonthRotate`): say --month-rotate DAY, "
        f"where {_ranges(fits)} would agree"
        if fits
        else "no day on which months may begin makes them agree: import the days alone, which `vnstat --json d` prints"
    )
    raise ValueError(f"{faults[0]}: {hint}")


def number(day: date) -> int:
    """YYYYMMDD."""
    return day.year * 10_000 + day.month * 100 + day.day


def _agrees(totals: InterfaceTotals, rotate: int) -> bool:
    return any(
        _disagreement(totals, _spans(totals, rotate, with_years=with_years)) is None for with_years in (False, True)
    )


def _spans(totals: InterfaceTotals, rotate: int, *, with_years: bool) -> tuple[Span, ...]:
    first = min([totals.created, *totals.days]) if totals.created else None
    last = max([totals.updated, *totals.days]) if totals.updated else None

    def span(start: date, end: date, counts: Counts) -> Span:
        inside = max(start, first or start), min(end - _DAY, last or end)
        low, high = inside if inside[0] <= inside[1] else (start, end - _DAY)
        return Span(number(low), number(high), counts)

    begins = rotate if with_years else 1
    months = [span(_at(day, rotate), _at(day + 31 * _DAY, rotate), counts) for day, counts in totals.months.items()]
    years = [span(_at(day, begins), _at(day + 366 * _DAY, begins), counts) for day, counts in totals.years.items()]
    return (*months, *years)


def _at(day: date, rotate: int) -> date:
    return day.replace(day=rotate)


def _disagreement(totals: InterfaceTotals, spans: tuple[Span, ...]) -> str | None:
    """The first sum that is larger than the bucket it lies in, as a sentence."""
    days = {number(day): counts for day, counts in totals.days.items()}
    for span in spans[: len(totals.months)]:
        if fault := _larger("days", days, span):
            return fault
    for day, share in spread(days, spans[: len(totals.months)], _FOR_EVER).items():
        add_to(days, day, share)
    for span in spans[len(totals.months) :]:
        if fault := _larger("months", days, span):
            return fault
    for day, share in spread(days, spans[len(totals.months) :], _FOR_EVER).items():
        add_to(days, day, share)
    everything = Span(min(days, default=0), max(days, default=0), totals.whole or Counts())
    return _larger("days, months and years", days, everything) if totals.whole else None


def _larger(what: str, days: Mapping[int, Counts], span: Span) -> str | None:
    inside = [counts for day, counts in days.items() if span.first <= day <= span.last]
    for at, way in enumerate(("received", "sent")):
        there, whole = sum(counts[at] for counts in inside), span.counts[at]
        if there > whole:
            return (
                f"its {what} from {_text(span.first)} to {_text(span.last)} come to {there:,} octets {way} "
                f"({octets_text(there)}), and vnStat's own sum of that time is {whole:,} ({octets_text(whole)})"
            )
    return None


def _text(day: int) -> str:
    return f"{day // 10_000}-{day // 100 % 100:02}-{day % 100:02}"


def _ranges(days: list[int]) -> str:
    """`6 to 20`, `3, 6 to 20`."""
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
