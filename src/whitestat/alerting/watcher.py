"""Watcher that checks the warning rules twice a minute, records events and sends messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from whitestat.alerting import outbox, rules, summaries
from whitestat.alerting.delivery import post
from whitestat.alerting.rules import User
from whitestat.alerting.state import Alarm, Condition, step
from whitestat.config.alerts import NotifyConfig, WatchConfig
from whitestat.core.calendar import HOUR_S, instant_text, span, wall_time
from whitestat.core.errors import LedgerError, QueryError
from whitestat.core.model import Coverage, Scope
from whitestat.core.system.collector_plugins import spec_of
from whitestat.ledger.read.queries import Queries, UsageQuery
from whitestat.ledger.tables import alarms, people
from whitestat.ledger.tables.alarms import AlarmRow, MessageRow
from whitestat.ledger.write.writer import Writer

if TYPE_CHECKING:  # loaded where there are plans
    from whitestat.plans.status import PlanStatus

log = logging.getLogger("whitestat")

EVERY_S = 30
NEWS = "new-device"
TITLES = {
    "plan-used": "Data allowance",
    "plan-forecast": "Allowance will not last",
    "share-used": "Personal share",
    "burst": "High data use",
    "unreachable": "No data from a meter",
    "coverage-low": "Data not matched to devices",
    NEWS: "New device",
    "daily-summary": "Yesterday",
    "period-summary": "Billing period",
    "slowed": "Slowed down",
    "throttle-failed": "Not slowed down",
}
NEWS_MS = 3_600_000
"""Age in ms up to which a new device is reported after a restart."""

T = TypeVar("T")


class LimitController(Protocol):
    """Controller of rate limits for people that used up a plan; yields conditions to report."""

    def look(
        self, plan_statuses: Sequence[PlanStatus], lifted: Callable[[str], bool], text_of: Callable[[int], str]
    ) -> Iterator[Condition]: ...


@dataclass(frozen=True)
class AlertSources:
    """Inputs of the watcher. `points` returns the rows of the health report; `written` runs a function with the writer
    in the thread that may write."""

    queries: Queries
    zone: tzinfo
    now_ms: Callable[[], int]
    points: Callable[[], Sequence[Mapping[str, Any]]]
    written: Callable[[Callable[[Writer], Any]], Awaitable[Any]]
    keeper: LimitController | None = None


class Watcher:
    """Loop over the warning rules; failures are logged and tried again."""

    def __init__(
        self, sources: AlertSources, watch: WatchConfig, notify: NotifyConfig, urls: Mapping[str, str]
    ) -> None:
        """Set up with `urls`, the addresses of messages by their marks."""
        self._sources, self._watch, self._notify, self._urls = sources, watch, notify, urls
        self._failed_ms: dict[str, int] = {}
        self._told: str | None = None

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.look()
                await self.send()
            except (LedgerError, QueryError, OSError) as error:
                self._say(str(error))

    async def look(self) -> list[Condition]:
        """Record conditions that began or ended; return those reported."""
        now_ms = self._sources.now_ms()
        found = await asyncio.to_thread(self._conditions, now_ms)
        told: list[Condition] = await self._sources.written(lambda writer: self._note(writer, found, now_ms))
        return told

    async def send(self) -> None:
        """Send all due messages as one to each address that has not accepted them."""
        if not self._urls:
            return
        now_ms = self._sources.now_ms()
        quiet = self._notify.quiet is not None and self._notify.quiet.holds(now_ms // 1000, self._sources.zone)
        waiting: list[MessageRow] = await self._sources.written(lambda writer: _read(writer, alarms.messages))
        due = outbox.due(waiting, now_ms, quiet=quiet)
        if not due:
            return
        targets = {mark: url for mark, url in self._urls.items() if any(mark in each.waiting for each in due)}
        answers = await post(targets, *outbox.joined(due)) if targets else []
        failed = outbox.results(targets, answers)
        for each in answers:
            if each.get("ok") is not True:
                self._say(f"a message was refused by an address of the scheme {self._scheme(each)}: {each['reason']}")
        await self._sources.written(lambda writer: _acknowledge(writer, due, failed, now_ms))

    def _conditions(self, now_ms: int) -> list[Condition]:
        now_s = now_ms // 1000
        watch, sources = self._watch, self._sources
        plan_statuses = list(sources.queries.plan_statuses(now_s).values())
        hour = max(0, now_s - HOUR_S), max(1, now_s)
        found = rules.of_plans(plan_statuses, watch.percent, sources.zone, ahead=watch.forecast)
        if watch.burst is not None:
            found += rules.burst(self._users(*hour), watch.burst)
        found += rules.unreachable(self._failing(now_ms), now_ms, watch.unreachable_s)
        found += rules.covered(self._coverage(*hour), watch.coverage)
        if sources.keeper:
            lifted = sources.queries.alarms("lifted/")
            found += sources.keeper.look(plan_statuses, lambda key: _holds(lifted.get(f"lifted/{key}")), self._text)
        return found + self._summaries(now_s, plan_statuses) + self._news(now_ms)

    def _coverage(self, start_s: int, end_s: int) -> dict[str, Coverage]:
        """Return the coverage of points that count by device."""
        able = {
            str(point["point"])
            for point in self._sources.points()
            if spec_of(str(point["collector"])).measures == "devices"
        }
        return {name: row for name, row in self._sources.queries.coverage(start_s, end_s).items() if name in able}

    def _news(self, now_ms: int) -> list[Condition]:
        """Return conditions for new devices, if messages about them are configured; their events exist already."""
        if not self._notify.devices:
            return []
        return [
            Condition(
                f"event/{each.id}", NEWS, True, False, f"New device: {each.content.get('name') or 'without a name'}."
            )
            for each in self._sources.queries.events(50)
            if each.kind == NEWS and each.at_ms > now_ms - NEWS_MS
        ]

    def _users(self, start_s: int, end_s: int) -> list[User]:
        rows = self._sources.queries.usage(UsageQuery(start_s, end_s, by=("device",), scope=Scope.WAN))
        return [User(each.device.id if each.device else None, _name(each.device), each.counts.octets) for each in rows]

    def _failing(self, now_ms: int) -> dict[str, tuple[int | None, str]]:
        """Return by point the start of its failure, UTC ms (None if it works), and the reason."""
        found: dict[str, tuple[int | None, str]] = {}
        for point in self._sources.points():
            name = str(point["point"])
            if point["state"] in ("failed", "waiting"):
                found[name] = self._failed_ms.setdefault(name, now_ms), str(point["notice"])
            else:
                self._failed_ms.pop(name, None)
                found[name] = None, ""
        return found

    def _summaries(self, now_s: int, plan_statuses: Sequence[PlanStatus]) -> list[Condition]:
        """Return summaries as conditions that hold from their time on, so each is sent once, restarts included."""
        found = []
        if self._watch.daily is not None:
            local = wall_time(now_s, self._sources.zone)
            if local.hour * 60 + local.minute >= self._watch.daily:
                found.append(self._daily(now_s, plan_statuses))
        if self._watch.period:
            found += [self._period(each) for each in plan_statuses]
        return found

    def _daily(self, now_s: int, plan_statuses: Sequence[PlanStatus]) -> Condition:
        start_s, end_s = span("yesterday", now_s, self._sources.zone)
        day = instant_text(start_s, self._sources.zone)[:10]
        rows = self._sources.queries.usage(UsageQuery(start_s, end_s, by=("person", "device"), scope=Scope.WAN))
        by: dict[str, int] = {}
        for row in rows:
            who = row.person or _name(row.device) or "unattributed"
            by[who] = by.get(who, 0) + row.counts.octets
        users = [summaries.Used(name, octets) for name, octets in by.items()]
        watched = any(each.observed_ms for each in self._sources.queries.coverage(start_s, end_s).values())
        title, body = summaries.daily(day, users, sum(by.values()), plan_statuses, watched=watched)
        return Condition(f"daily/{day}", "daily-summary", True, False, f"{title}\n{body}")

    def _period(self, running: PlanStatus) -> Condition:
        """Return the summary of the period before the running one, if it has usage."""
        before = [
            each
            for each in self._sources.queries.plan_statuses(running.start_s - 1).values()
            if each.plan.name == running.plan.name
        ]
        key = f"period/{running.plan.name}/{instant_text(running.start_s, self._sources.zone)}"
        if not before or not any(pot.used for pot in before[0].pots):
            return Condition(key, "period-summary", False, False, "")
        title, body = summaries.period(before[0], self._sources.zone)
        return Condition(key, "period-summary", True, False, f"{title}\n{body}")

    def _note(self, writer: Writer, found: Sequence[Condition], now_ms: int) -> list[Condition]:
        with writer.transaction("warnings") as connection:
            held = {key: Alarm(*row) for key, row in alarms.alarms(connection).items()}
            done = step(held, found, now_ms)
            if done.alarms:
                alarms.note(connection, done.alarms)
            for each in done.told:
                if each.kind != NEWS:
                    people.add_event(connection, now_ms, each.kind, each.device, {"text": each.text})
                self._post(connection, each, now_ms)
        return list(done.told)

    def _post(self, connection: Any, told: Condition, now_ms: int) -> None:
        if not self._urls:
            return
        title, body = TITLES.get(told.kind, "WhiteStat"), told.text
        if told.kind.endswith("summary"):
            title, _, body = told.text.partition("\n")
        row = MessageRow(0, now_ms, title, body, told.urgent, frozenset(self._urls), 0, now_ms)
        alarms.post(connection, row)

    def _scheme(self, answer: Mapping[str, object]) -> str:
        return self._urls.get(str(answer.get("mark")), "").partition(":")[0] or "unknown"

    def _text(self, at_s: int) -> str:
        return instant_text(at_s, self._sources.zone)

    def _say(self, text: str) -> None:
        if text != self._told:
            self._told = text
            log.warning("%s", text)


def _holds(alarm: AlarmRow | None) -> bool:
    return alarm is not None and alarm.cleared_ms is None


def _read(writer: Writer, what: Callable[[Any], T]) -> T:
    with writer.transaction("messages") as connection:
        return what(connection)


def _acknowledge(writer: Writer, tried: Sequence[MessageRow], failed: frozenset[str], now_ms: int) -> None:
    with writer.transaction("messages") as connection:
        for each in tried:
            alarms.update_message(connection, each.id, outbox.after(each, failed, now_ms))


def _name(device: Any) -> str:
    return (device.name or device.mac or f"device {device.id}") if device else ""
