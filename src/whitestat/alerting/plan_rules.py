"""Conditions to warn about, from the status of plans; pure.

Each sentence is complete in itself, as a phone shows it without the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from whitestat.alerting.moment import Moment
from whitestat.alerting.state import Condition
from whitestat.core.units import octets_text

if TYPE_CHECKING:  # loaded where there are plans
    from whitestat.plans.status import Allowance, AllowanceShare, PlanStatus

SLACK_PERCENT = 5
"""Percentage points that a figure must fall below its threshold before a new warning."""
FORECAST_SLACK_PERCENT = 3


def used(plan_statuses: Iterable[PlanStatus], percents: Sequence[int], moment: Moment) -> Iterator[Condition]:
    """Yield a condition for each percentage of each allowance."""
    for status in plan_statuses:
        for allowance in status.pots:
            if allowance.available:
                yield from _used(status, allowance, percents, moment)


def _used(status: PlanStatus, allowance: Allowance, percents: Sequence[int], moment: Moment) -> Iterator[Condition]:
    available = allowance.available or 0
    percentage = allowance.used * 100 // available
    group = f"plan/{status.plan.name}/{allowance.name}/{moment.text(status.start_s)}"
    left = available - allowance.used
    rest = f"{octets_text(left)} left" if left >= 0 else f"{octets_text(-left)} over"
    text = (
        f"{_name(status, allowance)}: {percentage} % of {octets_text(available)} used, {rest}. "
        f"The period ends on {_last_day(status, moment)}.{_most(status)}"
    )
    for percent in percents:
        yield Condition(
            f"{group}/{percent}",
            "plan-used",
            allowance.used * 100 >= percent * available,
            percentage < percent - SLACK_PERCENT,
            text,
            group=group,
            rank=percent,
            urgent=percent >= 100,
        )


def overrun(plan_statuses: Iterable[PlanStatus], is_on: bool, moment: Moment) -> Iterator[Condition]:
    """Yield the forecast's condition of each allowance that has a forecast."""
    for status in plan_statuses:
        for allowance in status.pots:
            if allowance.forecast and allowance.available:
                yield _overrun(status, allowance, moment)


def _overrun(status: PlanStatus, allowance: Allowance, moment: Moment) -> Condition:
    """Return the forecast's condition; it never clears within a period, as a forecast may cross its limit often."""
    forecast, available = allowance.forecast, allowance.available or 0
    expected = forecast.octets if forecast else 0
    when = f" It runs out about {forecast.runs_out:%A %d %B}." if forecast and forecast.runs_out else ""
    text = (
        f"{_name(status, allowance)}: at this pace {octets_text(expected)} by {_last_day(status, moment)}, "
        f"more than the allowance of {octets_text(available)}.{when}"
    )
    over = expected * 100 > available * (100 + FORECAST_SLACK_PERCENT)
    key = f"forecast/{status.plan.name}/{allowance.name}/{moment.text(status.start_s)}"
    return Condition(key, "plan-forecast", over and allowance.used < available, False, text)


def shares(plan_statuses: Iterable[PlanStatus], percents: Sequence[int], moment: Moment) -> Iterator[Condition]:
    """Yield a condition for each percentage of each person's share."""
    for status in plan_statuses:
        for person in status.persons:
            for share in person.parts:
                if person.person is not None and share.available:
                    yield from _share(status, person.person, share, percents, moment.text(status.start_s))


def _share(
    status: PlanStatus, person: str, share: AllowanceShare, percents: Sequence[int], period: str
) -> Iterator[Condition]:
    available = share.available or 0
    percentage = share.used * 100 // available
    allowance = "" if len(status.pots) == 1 else f" ({share.name})"
    group = f"share/{status.plan.name}/{share.name}/{person}/{period}"
    text = (
        f"{person} has used {percentage} % of their share of {octets_text(available)} of {status.plan.name}{allowance}."
    )
    for percent in percents:
        yield Condition(
            f"{group}/{percent}",
            "share-used",
            share.used * 100 >= percent * available,
            percentage < percent - SLACK_PERCENT,
            text,
            group=group,
            rank=percent,
        )


def _name(status: PlanStatus, allowance: Allowance) -> str:
    return status.plan.name if len(status.pots) == 1 else f"{status.plan.name} ({allowance.name})"


def _last_day(status: PlanStatus, moment: Moment) -> str:
    return moment.day(status.end_s - 1)


def _most(status: PlanStatus) -> str:
    users = [person for person in status.persons if person.person and person.octets]
    if not users:
        return ""
    most = max(users, key=lambda person: person.octets)
    return f" Most by {most.person}: {octets_text(most.octets)}."
