"""What alert rules look at, read from the ledger and the health of the points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whitestat.alerting.device_rules import NewDevice, User
from whitestat.alerting.moment import Moment
from whitestat.alerting.point_rules import Failure
from whitestat.alerting.state import Condition
from whitestat.alerting.summaries import PastDay, PastPeriod, Used
from whitestat.core.calendar import HOUR_S, span, wall_time
from whitestat.core.model import Coverage, Scope
from whitestat.core.system.collector_plugins import spec_of
from whitestat.ledger.read.queries import Queries, UsageQuery

if TYPE_CHECKING:  # loaded where there are plans
    from whitestat.plans.status import PlanStatus

NEW_DEVICE = "new-device"
EVENTS_READ = 50


@dataclass(frozen=True)
class LedgerInputs:
    """The inputs at one moment. `points` are rows of the health report; `failed_ms` is kept from look to look."""

    queries: Queries
    points: Sequence[Mapping[str, Any]]
    moment: Moment
    failed_ms: dict[str, int]
    statuses: Sequence[PlanStatus]
    limit_conditions: Sequence[Condition]

    def plan_statuses(self) -> Sequence[PlanStatus]:
        return self.statuses

    def limits(self) -> Sequence[Condition]:
        return self.limit_conditions

    def users(self) -> list[User]:
        rows = self.queries.usage(UsageQuery(*self._hour(), by=("device",), scope=Scope.WAN))
        return [User(row.device.id if row.device else None, _name(row.device), row.counts.octets) for row in rows]

    def failures(self) -> dict[str, Failure | None]:
        failures: dict[str, Failure | None] = {}
        for point in self.points:
            name = str(point["point"])
            if point["state"] in ("failed", "waiting"):
                since_ms = self.failed_ms.setdefault(name, self.moment.now_ms)
                failures[name] = Failure(since_ms, str(point["notice"]))
            else:
                self.failed_ms.pop(name, None)
                failures[name] = None
        return failures

    def coverage(self) -> dict[str, Coverage]:
        able = {str(point["point"]) for point in self.points if spec_of(str(point["collector"])).measures == "devices"}
        return {name: row for name, row in self.queries.coverage(*self._hour()).items() if name in able}

    def new_devices(self) -> list[NewDevice]:
        events = self.queries.events(EVENTS_READ)
        return [
            NewDevice(event.id, str(event.content.get("name") or ""), event.at_ms)
            for event in events
            if event.kind == NEW_DEVICE
        ]

    def past_day(self, from_minute: int) -> PastDay | None:
        now_s = self.moment.now_ms // 1000
        local = wall_time(now_s, self.moment.zone)
        if local.hour * 60 + local.minute < from_minute:
            return None
        start_s, end_s = span("yesterday", now_s, self.moment.zone)
        octets: dict[str, int] = {}
        for row in self.queries.usage(UsageQuery(start_s, end_s, by=("person", "device"), scope=Scope.WAN)):
            name = row.person or _name(row.device) or "unattributed"
            octets[name] = octets.get(name, 0) + row.counts.octets
        watched = any(row.observed_ms for row in self.queries.coverage(start_s, end_s).values())
        return PastDay(start_s, [Used(*item) for item in octets.items()], self.statuses, watched)

    def past_periods(self) -> list[PastPeriod]:
        return [self._past_period(status) for status in self.statuses]

    def _past_period(self, running: PlanStatus) -> PastPeriod:
        statuses = self.queries.plan_statuses(running.start_s - 1).values()
        before = [status for status in statuses if status.plan.name == running.plan.name]
        return PastPeriod(running, before[0] if before else None)

    def _hour(self) -> tuple[int, int]:
        now_s = self.moment.now_ms // 1000
        return max(0, now_s - HOUR_S), max(1, now_s)


def _name(device: Any) -> str:
    return (device.name or device.mac or f"device {device.id}") if device else ""
