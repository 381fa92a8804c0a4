"""Conditions to warn about, from the figures of points; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from whitestat.alerting.moment import Moment
from whitestat.alerting.state import Condition
from whitestat.core.model import Coverage
from whitestat.core.units import duration_text, octets_text

LEAST_COVERED_OCTETS = 10_000_000
"""Least data per hour, in octets, for a coverage warning: below it a few packets decide the ratio."""


class Failure(NamedTuple):
    """Since when a point cannot be read, UTC ms, and why."""

    since_ms: int
    reason: str


def unreachable(failures: Mapping[str, Failure | None], patience_s: int, moment: Moment) -> list[Condition]:
    """Return a condition for each point; it holds where the point failed for `patience_s`."""
    return [_unreachable(point, failure, patience_s, moment.now_ms) for point, failure in sorted(failures.items())]


def _unreachable(point: str, failure: Failure | None, patience_s: int, now_ms: int) -> Condition:
    gone_ms = now_ms - failure.since_ms if failure else 0
    for_long = duration_text(max(1, gone_ms // 60_000) * 60)
    text = f"No data from point {point} for {for_long}: {failure.reason if failure else ''}"
    return Condition(f"point/{point}", "unreachable", gone_ms >= patience_s * 1000, failure is None, text, urgent=True)


def covered(coverage: Mapping[str, Coverage], least_percent: int, moment: Moment) -> list[Condition]:
    """Return conditions for points where little of the last hour was matched to devices."""
    return [_covered(point, row, least_percent) for point, row in sorted(coverage.items()) if _matters(row)]


def _matters(coverage: Coverage) -> bool:
    return coverage.octets_attributed + coverage.octets_unattributed >= LEAST_COVERED_OCTETS


def _covered(point: str, coverage: Coverage, least_percent: int) -> Condition:
    ratio = coverage.ratio or 0.0
    text = (
        f"Only {ratio * 100:.0f} % of the last hour's data at point {point} could be matched to devices. "
        f"Not matched: {octets_text(coverage.octets_unattributed)}."
    )
    low = ratio * 100 < least_percent
    return Condition(f"coverage/{point}", "coverage-low", low, ratio * 100 >= min(100, least_percent + 2), text)
