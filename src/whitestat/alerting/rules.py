"""Table of the alert rules: what each is called, the setting it has, what it looks at and what it concludes.

A new rule is one line of `RULES`. The watcher, `whitestat check`, the titles of messages and of events in the API, and
the reference page read the table. Inputs come from the outside; conclusions are pure functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from whitestat.alerting import device_rules, plan_rules, point_rules, summaries
from whitestat.alerting.device_rules import NewDevice, User
from whitestat.alerting.moment import Moment
from whitestat.alerting.point_rules import Failure
from whitestat.alerting.state import Condition
from whitestat.alerting.summaries import PastDay, PastPeriod
from whitestat.config.alerts import NotifyConfig, WatchConfig
from whitestat.config.schema import declared
from whitestat.core.errors import ConfigError
from whitestat.core.model import Coverage
from whitestat.core.suggestions import did_you_mean

if TYPE_CHECKING:  # loaded where there are plans
    from whitestat.plans.status import PlanStatus

T = TypeVar("T")


class AlertInputs(Protocol):
    """What rules look at. Each method reads anew; a rule that is off reads nothing."""

    def plan_statuses(self) -> Sequence[PlanStatus]: ...

    def users(self) -> Sequence[User]:
        """Return what each device used in the last hour."""

    def failures(self) -> Mapping[str, Failure | None]:
        """Return by point since when it fails and why; None where it works."""

    def coverage(self) -> Mapping[str, Coverage]:
        """Return the last hour's coverage of each point that counts single devices."""

    def new_devices(self) -> Sequence[NewDevice]: ...

    def past_day(self, from_minute: int) -> PastDay | None:
        """Return yesterday; None before this minute of the day."""

    def past_periods(self) -> Sequence[PastPeriod]: ...

    def limits(self) -> Sequence[Condition]:
        """Return the conditions of the limits that plans require."""


class AlertRule(NamedTuple, Generic[T]):
    """One kind of alert.

    `key` is the kind of its events, `title` the title of its messages, `when` a sentence for the reference.
    `setting` is its key in the configuration as `section.key`; the rule is off where that is none, false or empty.
    `input` reads what the rule looks at; `decide` turns it, the setting's value and the time into conditions.
    """

    key: str
    title: str
    when: str
    setting: str
    input: Callable[[AlertInputs, Any], T]
    decide: Callable[[T, Any, Moment], Iterable[Condition]]

    def conditions(self, inputs: AlertInputs, value: Any, moment: Moment) -> list[Condition]:
        """Return the conditions at this moment with this value of the setting."""
        return list(self.decide(self.input(inputs, value), value, moment))


RULES: tuple[AlertRule[Any], ...] = (
    AlertRule(
        "plan-used",
        "Data allowance",
        "The used part of an allowance of a plan reaches one of these percentages; of several, the highest.",
        "watch.percent",
        lambda inputs, _: inputs.plan_statuses(),
        plan_rules.used,
    ),
    AlertRule(
        "share-used",
        "Personal share",
        "The used part of a person's share of a plan reaches one of these percentages; of several, the highest.",
        "watch.percent",
        lambda inputs, _: inputs.plan_statuses(),
        plan_rules.shares,
    ),
    AlertRule(
        "plan-forecast",
        "Allowance will not last",
        "At the current pace an allowance will not last; once a period.",
        "watch.forecast",
        lambda inputs, _: inputs.plan_statuses(),
        plan_rules.overrun,
    ),
    AlertRule(
        "burst",
        "High data use",
        "The line carried more than this in an hour; again after an hour of less than half.",
        "watch.burst",
        lambda inputs, _: inputs.users(),
        device_rules.burst,
    ),
    AlertRule(
        "unreachable",
        "No data from a meter",
        "A point could not be read for this long: a router that does not answer, an interface that is gone.",
        "watch.unreachable",
        lambda inputs, _: inputs.failures(),
        point_rules.unreachable,
    ),
    AlertRule(
        "coverage-low",
        "Data not matched to devices",
        "Less than this percentage of the last hour's data could be matched to devices.",
        "watch.coverage",
        lambda inputs, _: inputs.coverage(),
        point_rules.covered,
    ),
    AlertRule(
        "new-device",
        "New device",
        "A device was never seen before.",
        "notify.devices",
        lambda inputs, _: inputs.new_devices(),
        device_rules.new_devices,
    ),
    AlertRule(
        "daily-summary",
        "Yesterday",
        "From this time on: yesterday by person or device, and what is left of each plan.",
        "watch.daily",
        lambda inputs, minute: inputs.past_day(minute),
        summaries.of_day,
    ),
    AlertRule(
        "period-summary",
        "Billing period",
        "A plan's period is over: the usage of each person in each tariff.",
        "watch.period",
        lambda inputs, _: inputs.past_periods(),
        summaries.of_periods,
    ),
    AlertRule(
        "slowed",
        "Slowed down",
        "A person or device has nothing left of a plan that limits.",
        "plan.when_over",
        lambda inputs, _: inputs.limits(),
        lambda conditions, _, __: [condition for condition in conditions if condition.kind == "slowed"],
    ),
    AlertRule(
        "throttle-failed",
        "Not slowed down",
        "A limit that a plan asks for cannot be put in force.",
        "plan.when_over",
        lambda inputs, _: inputs.limits(),
        lambda conditions, _, __: [condition for condition in conditions if condition.kind == "throttle-failed"],
    ),
)
BY_KEY = {rule.key: rule for rule in RULES}


def active(watch: WatchConfig, notify: NotifyConfig) -> list[tuple[AlertRule[Any], Any]]:
    """Return the rules that are on, each with the value of its setting."""
    values = [(rule, setting_of(rule, watch, notify)) for rule in RULES if rule.key not in watch.off]
    return [(rule, value) for rule, value in values if value is not None and value is not False and value != ()]


def setting_of(rule: AlertRule[Any], watch: WatchConfig, notify: NotifyConfig) -> Any:
    """Return the value of a rule's setting; True where plans have it, each its own."""
    section, _, name = rule.setting.partition(".")
    table: object = {"watch": watch, "notify": notify}.get(section)
    if table is None:
        return True
    return next(getattr(table, key.field) for key in declared(type(table)) if key.name == name)


def title_of(kind: str) -> str:
    """Return the title of a kind of event; the kind in words if no rule has it."""
    return BY_KEY[kind].title if kind in BY_KEY else kind.replace("-", " ").capitalize()


def check_names(names: Iterable[str]) -> None:
    """Raise ConfigError for a name in `watch.off` that no rule has."""
    for name in names:
        if name not in BY_KEY:
            near, known = did_you_mean(name, BY_KEY), ", ".join(BY_KEY)
            raise ConfigError(f"watch.off: unknown alert {name!r}{near}, expected some of {known}")
