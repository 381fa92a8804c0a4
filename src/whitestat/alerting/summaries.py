"""Summaries of a day and of a billing period that ended, a few lines for a phone; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, NamedTuple

from whitestat.alerting.moment import Moment
from whitestat.alerting.state import Condition
from whitestat.core.calendar import instant_text
from whitestat.core.units import octets_text

if TYPE_CHECKING:  # loaded where there are plans
    from whitestat.plans.status import PlanStatus

MOST = 5


class Used(NamedTuple):
    """Octets that a person, or a device without an owner, used in a span."""

    name: str
    octets: int


class PastDay(NamedTuple):
    """Yesterday from its start, UTC seconds: what each used, plans as they are now; whether any point ran."""

    start_s: int
    users: Sequence[Used]
    plan_statuses: Sequence[PlanStatus]
    watched: bool


class PastPeriod(NamedTuple):
    """A plan in its running period, and at the last instant of the period before, if there was one."""

    running: PlanStatus
    before: PlanStatus | None


def of_day(day: PastDay | None, minute: int, moment: Moment) -> list[Condition]:
    """Return the summary of yesterday as a condition that holds from its time on, so that it is sent once."""
    if day is None:
        return []
    text = moment.day(day.start_s)
    total = sum(user.octets for user in day.users)
    title, body = daily(text, day.users, total, day.plan_statuses, watched=day.watched)
    return [Condition(f"daily/{text}", "daily-summary", True, False, f"{title}\n{body}", has_title=True)]


def of_periods(periods: Sequence[PastPeriod], is_on: bool, moment: Moment) -> list[Condition]:
    """Return the summary of each period before the running one that has usage, as a condition."""
    return [_of_period(period, moment) for period in periods]


def _of_period(periods: PastPeriod, moment: Moment) -> Condition:
    running, before = periods
    key = f"period/{running.plan.name}/{moment.text(running.start_s)}"
    if before is None or not any(allowance.used for allowance in before.pots):
        return Condition(key, "period-summary", False, False, "")
    title, body = period(before, moment.zone)
    return Condition(key, "period-summary", True, False, f"{title}\n{body}", has_title=True)


def daily(
    day: str, users: Sequence[Used], total: int, plan_statuses: Sequence[PlanStatus], *, watched: bool = True
) -> tuple[str, str]:
    """Return (title, body) for the past `day`, a text; `watched` is False if no point ran then."""
    nothing = "no data used" if watched else "not watched"
    title = f"{day}: {octets_text(total)}" if total else f"{day}: {nothing}"
    return title, "\n".join(
        [*_users(users), *(_left(plan_status) for plan_status in plan_statuses if plan_status.pots)]
    )


def period(plan_status: PlanStatus, zone: tzinfo) -> tuple[str, str]:
    """Return (title, body) for a plan's period that is over, from its status at the last instant."""
    used = plan_status.total("used") or 0
    available = plan_status.total("available")
    of = "" if available is None else f" of {octets_text(available)}"
    first, last = (instant_text(at_s, zone)[:10] for at_s in (plan_status.start_s, plan_status.end_s - 1))
    title = f"{plan_status.plan.name}, {first} to {last}: {octets_text(used)}{of}"
    users = [Used(person.person or "no owner", person.octets) for person in plan_status.persons if person.octets]
    tariffs = [f"{tariff.name}: {octets_text(tariff.octets)}" for tariff in plan_status.tariffs if tariff.octets]
    return title, "\n".join([*_users(users), *(tariffs if len(plan_status.tariffs) > 1 else [])])


def _users(users: Sequence[Used]) -> list[str]:
    ordered = sorted((user for user in users if user.octets), key=lambda user: -user.octets)
    lines = [f"{user.name}: {octets_text(user.octets)}" for user in ordered[:MOST]]
    rest = sum(user.octets for user in ordered[MOST:])
    return [*lines, f"others: {octets_text(rest)}"] if rest else lines


def _left(plan_status: PlanStatus) -> str:
    left, available = plan_status.total("left"), plan_status.total("available")
    if left is None or available is None:
        return f"{plan_status.plan.name}: {octets_text(sum(allowance.used for allowance in plan_status.pots))} used"
    may = sum(allowance.today.may or 0 for allowance in plan_status.pots)
    days = f"{plan_status.days_left} days left" if plan_status.days_left != 1 else "last day"
    state = f"{octets_text(left)} of {octets_text(available)} left" if left >= 0 else f"{octets_text(-left)} over"
    return f"{plan_status.plan.name}: {state}, {days}, {octets_text(may)} per day"
