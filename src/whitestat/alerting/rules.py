"""Conditions to warn about, from the status of plans and the figures of meters; pure.

Each sentence is complete in itself, as a phone shows it without the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, NamedTuple

from whitestat.alerting.state import Condition
from whitestat.core.calendar import instant_text
from whitestat.core.model import Coverage
from whitestat.core.units import duration_text, octets_text

if TYPE_CHECKING:  # loaded where there are plans
    from whitestat.plans.status import Allowance, PlanStatus

SLACK_PERCENT = 5
"""Percentage points that a figure must fall below its threshold before a new warning."""
FORECAST_SLACK_PERCENT = 3
LEAST_COVERED_OCTETS = 10_000_000
"""Least data per hour, in octets, for a coverage warning: below it a few packets decide the ratio."""


class User(NamedTuple):
    """Octets of a device in the last hour; `name` is the text shown, empty if unattributed."""

    device: int | None
    name: str
    octets: int


def of_plans(
    plan_statuses: Iterable[PlanStatus], percents: Sequence[int], zone: tzinfo, *, ahead: bool
) -> list[Condition]:
    """Return conditions for used percentages of allowances and personal shares, and (`ahead`) for forecasts."""
    found: list[Condition] = []
    for each in plan_statuses:
        period = instant_text(each.start_s, zone)
        for pot in each.pots:
            found += _used(each, pot, percents, zone)
            if ahead and pot.forecast and pot.available:
                found.append(_overrun(each, pot, zone))
        found += _shares(each, percents, period)
    return found


def burst(users: Sequence[User], limit: int | None) -> list[Condition]:
    """Return the condition for more than `limit` octets on the line in the last hour, naming the largest device."""
    if limit is None:
        return []
    octets = sum(each.octets for each in users)
    most = max(users, key=lambda each: each.octets, default=User(None, "", 0))
    who = f" Most by {most.name or 'unattributed traffic'}: {octets_text(most.octets)}." if octets else ""
    text = f"{octets_text(octets)} in the last hour, more than {octets_text(limit)}.{who}"
    return [Condition("burst", "burst", octets > limit, octets <= limit // 2, text, device=most.device)]


def unreachable(failed_ms: Mapping[str, tuple[int | None, str]], now_ms: int, patience_s: int) -> list[Condition]:
    """Return a condition for each point; `failed_ms` has the start of its failure (None: works) and the reason."""
    return [_unreachable(point, *row, now_ms, patience_s) for point, row in sorted(failed_ms.items())]


def covered(coverage: Mapping[str, Coverage], least_percent: int) -> list[Condition]:
    """Return conditions for points where little of the last hour was matched to devices."""
    return [_covered(point, of, least_percent) for point, of in sorted(coverage.items()) if _matters(of)]


def _used(plan_status: PlanStatus, pot: Allowance, percents: Sequence[int], zone: tzinfo) -> Iterator[Condition]:
    if not pot.available:
        return
    period = instant_text(plan_status.start_s, zone)
    used = pot.used * 100 // pot.available
    group = f"plan/{plan_status.plan.name}/{pot.name}/{period}"
    end = f"The period ends on {_last_day(plan_status, zone)}."
    for percent in percents:
        left = pot.available - pot.used
        rest = f"{octets_text(left)} left" if left >= 0 else f"{octets_text(-left)} over"
        what = f"{_called(plan_status, pot)}: {used} % of {octets_text(pot.available)} used, {rest}. {end}"
        yield Condition(
            f"{group}/{percent}",
            "plan-used",
            pot.used * 100 >= percent * pot.available,
            used < percent - SLACK_PERCENT,
            what + _most(plan_status),
            group=group,
            rank=percent,
            urgent=percent >= 100,
        )


def _overrun(plan_status: PlanStatus, pot: Allowance, zone: tzinfo) -> Condition:
    """Return the forecast's condition; it never clears within a period, as a forecast may cross its limit often."""
    found, available = pot.forecast, pot.available or 0
    expected = found.octets if found else 0
    when = f" It runs out about {found.runs_out:%A %d %B}." if found and found.runs_out else ""
    text = (
        f"{_called(plan_status, pot)}: at this pace {octets_text(expected)} by {_last_day(plan_status, zone)}, "
        f"more than the allowance of {octets_text(available)}.{when}"
    )
    over = expected * 100 > available * (100 + FORECAST_SLACK_PERCENT)
    key = f"forecast/{plan_status.plan.name}/{pot.name}/{instant_text(plan_status.start_s, zone)}"
    return Condition(key, "plan-forecast", over and pot.used < available, False, text)


def _shares(plan_status: PlanStatus, percents: Sequence[int], period: str) -> Iterator[Condition]:
    for person in plan_status.persons:
        for part in person.parts:
            if person.person is None or not part.available:
                continue
            used = part.used * 100 // part.available
            pot = "" if len(plan_status.pots) == 1 else f" ({part.name})"
            group = f"share/{plan_status.plan.name}/{part.name}/{person.person}/{period}"
            for percent in percents:
                text = (
                    f"{person.person} has used {used} % of their share of {octets_text(part.available)} "
                    f"of {plan_status.plan.name}{pot}."
                )
                yield Condition(
                    f"{group}/{percent}",
                    "share-used",
                    part.used * 100 >= percent * part.available,
                    used < percent - SLACK_PERCENT,
                    text,
                    group=group,
                    rank=percent,
                )


def _called(plan_status: PlanStatus, pot: Allowance) -> str:
    return plan_status.plan.name if len(plan_status.pots) == 1 else f"{plan_status.plan.name} ({pot.name})"


def _last_day(plan_status: PlanStatus, zone: tzinfo) -> str:
    return instant_text(plan_status.end_s - 1, zone)[:10]


def _most(plan_status: PlanStatus) -> str:
    users = [each for each in plan_status.persons if each.person and each.octets]
    if not users:
        return ""
    most = max(users, key=lambda each: each.octets)
    return f" Most by {most.person}: {octets_text(most.octets)}."


def _unreachable(point: str, since_ms: int | None, why: str, now_ms: int, patience_s: int) -> Condition:
    gone_ms = 0 if since_ms is None else now_ms - since_ms
    for_long = duration_text(max(1, gone_ms // 60_000) * 60)
    text = f"No data from point {point} for {for_long}: {why}"
    return Condition(f"point/{point}", "unreachable", gone_ms >= patience_s * 1000, since_ms is None, text, urgent=True)


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
