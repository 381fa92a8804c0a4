"""Watcher that checks the warning rules twice a minute, records events and sends messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from whitestat.alerting import outbox
from whitestat.alerting.delivery import post
from whitestat.alerting.inputs import LedgerInputs
from whitestat.alerting.moment import Moment
from whitestat.alerting.rules import active, title_of
from whitestat.alerting.state import Alarm, Condition, step
from whitestat.config.alerts import NotifyConfig, WatchConfig
from whitestat.core.errors import LedgerError, QueryError
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.tables import alarms, people
from whitestat.ledger.tables.alarms import AlarmRow, MessageRow
from whitestat.ledger.write.writer import Writer

if TYPE_CHECKING:  # loaded where there are plans
    from whitestat.plans.status import PlanStatus

log = logging.getLogger("whitestat")

EVERY_S = 30

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
        self._sources, self._notify, self._urls = sources, notify, urls
        self._rules = active(watch, notify)
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
        conditions = await asyncio.to_thread(self._conditions, now_ms)
        reported: list[Condition] = await self._sources.written(lambda writer: self._note(writer, conditions, now_ms))
        return reported

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
        targets = {mark: url for mark, url in self._urls.items() if any(mark in message.waiting for message in due)}
        answers = await post(targets, *outbox.joined(due)) if targets else []
        failed = outbox.results(targets, answers)
        for answer in answers:
            if answer.get("ok") is not True:
                self._say(
                    f"a message was refused by an address of the scheme {self._scheme(answer)}: {answer['reason']}"
                )
        await self._sources.written(lambda writer: _acknowledge(writer, due, failed, now_ms))

    def _conditions(self, now_ms: int) -> list[Condition]:
        sources, moment = self._sources, Moment(now_ms, self._sources.zone)
        plan_statuses = list(sources.queries.plan_statuses(now_ms // 1000).values())
        limits = self._limits(plan_statuses, moment)
        inputs = LedgerInputs(sources.queries, sources.points(), moment, self._failed_ms, plan_statuses, limits)
        return [condition for rule, value in self._rules for condition in rule.conditions(inputs, value, moment)]

    def _limits(self, plan_statuses: Sequence[PlanStatus], moment: Moment) -> list[Condition]:
        """Put the limits in force that plans require now; return the conditions to report."""
        if self._sources.keeper is None:
            return []
        lifted = self._sources.queries.alarms("lifted/")
        look = self._sources.keeper.look
        return list(look(plan_statuses, lambda key: _holds(lifted.get(f"lifted/{key}")), moment.text))

    def _note(self, writer: Writer, conditions: Sequence[Condition], now_ms: int) -> list[Condition]:
        with writer.transaction("warnings") as connection:
            raised = {key: Alarm(*row) for key, row in alarms.alarms(connection).items()}
            done = step(raised, conditions, now_ms)
            if done.alarms:
                alarms.note(connection, done.alarms)
            for condition in done.reported:
                if not condition.is_event:
                    people.add_event(connection, now_ms, condition.kind, condition.device, {"text": condition.text})
                self._post(connection, condition, now_ms)
        return list(done.reported)

    def _post(self, connection: Any, condition: Condition, now_ms: int) -> None:
        if not self._urls:
            return
        title, body = title_of(condition.kind), condition.text
        if condition.has_title:
            title, _, body = condition.text.partition("\n")
        row = MessageRow(0, now_ms, title, body, condition.urgent, frozenset(self._urls), 0, now_ms)
        alarms.post(connection, row)

    def _scheme(self, answer: Mapping[str, object]) -> str:
        return self._urls.get(str(answer.get("mark")), "").partition(":")[0] or "unknown"

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
        for message in tried:
            alarms.update_message(connection, message.id, outbox.after(message, failed, now_ms))
