"""Connection of alerts and limits with the running service."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

from whitestat.alerting.addresses import addresses
from whitestat.alerting.rules import check_names
from whitestat.alerting.watcher import AlertSources, Watcher
from whitestat.app.throttle_place import interfaces, place
from whitestat.config.points import PointConfig
from whitestat.config.sections import Config
from whitestat.core.calendar import instant_text
from whitestat.core.errors import Missing
from whitestat.core.system import privileges
from whitestat.core.system.service_user import ServiceUser
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.tables import alarms
from whitestat.ledger.write.writer import Writer
from whitestat.metering.engine import Engine

if TYPE_CHECKING:  # loaded where a plan limits
    from whitestat.app.throttle_controller import ThrottleController
    from whitestat.throttle.client import Client
    from whitestat.throttle.subjects import Rule

CAP_NET_ADMIN = 12
WITHOUT_RIGHTS = "it takes root or CAP_NET_ADMIN at the start, on the gateway that the traffic passes"


class AlertService:
    """Made while there are privileges, started once they are given up."""

    def __init__(self, config: Config, points: Sequence[PointConfig], throttle_user: ServiceUser | None = None) -> None:
        """Start the process that slows devices as that user, if a plan requires it.

        Raises ConfigError for addresses and alerts.
        """
        self._config, self._points = config, points
        self._client: Client | None = None
        self._close = contextlib.ExitStack()
        self._task: asyncio.Task[None] | None = None
        self._keeper: ThrottleController | None = None
        self._engine: Engine | None = None
        self._watcher: Watcher | None = None
        self._zone: tzinfo = UTC
        check_names(config.watch.off)
        self.urls = addresses(config.notify.file, os.environ, config.notify.to)
        if self._rules() and CAP_NET_ADMIN in privileges.effective():
            from whitestat.throttle.client import Client

            self._client = Client(user=throttle_user and (throttle_user.uid, throttle_user.gid))
            self._close.callback(self._client.close)

    def start(self, engine: Engine, queries: Queries, zone: tzinfo) -> None:
        rules = self._rules()
        if rules:
            from whitestat.app.throttle_controller import ThrottleController

            self._keeper = ThrottleController(queries, self._client, lambda: place(self._points), rules, WITHOUT_RIGHTS)
        sources = AlertSources(queries, zone, engine.now_ms, engine.points, engine.write, self._keeper)
        self._engine, self._zone = engine, zone
        self._watcher = Watcher(sources, self._config.watch, self._config.notify, self.urls)
        self._task = asyncio.create_task(self._watcher.run())

    def slowed(self) -> Mapping[str, object]:
        """Return the subjects over plans that slow, for the API; `fault` is why limits are not in force."""
        if self._keeper is None:
            return {"slowed": [], "fault": None}
        report = self._keeper.report
        rows = [
            {
                "name": slowed_subject.subject.name,
                "plan": slowed_subject.subject.plan,
                "person": slowed_subject.subject.person,
                "devices": sorted(slowed_subject.subject.devices),
                "rate_bps": slowed_subject.subject.rule.rate_bps,
                "until": instant_text(slowed_subject.until_s, self._zone),
                "lifted": slowed_subject.lifted,
                "in_force": not slowed_subject.lifted and not slowed_subject.fault,
                "reason": slowed_subject.fault or None,
                "interfaces": [] if slowed_subject.lifted or slowed_subject.fault else interfaces(self._points),
            }
            for slowed_subject in report.subjects
        ]
        return {"slowed": rows, "fault": report.fault or None}

    async def lift(self, name: str, *, lifted: bool) -> None:
        """Lift a limit until the period ends, or put it in force again. Raises Missing for a name without a limit."""
        if self._keeper is None or self._engine is None or self._watcher is None:
            raise Missing("name", f"no active limit named {name!r}: no plan has when_over")
        key = self._keeper.report.key(name)
        now_ms = self._engine.now_ms()
        row = now_ms, None if lifted else now_ms
        await self._engine.write(lambda writer: _note(writer, f"lifted/{key}", row))
        await self._watcher.look()

    async def stop(self) -> None:
        """Stop; no device is slowed when this returns."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._close.close)

    def _rules(self) -> dict[str, Rule]:
        """Return the rules of the plans that limit, by plan."""
        plans = [plan for plan in self._config.plans if plan.when_over is not None]
        if not plans:
            return {}
        from whitestat.throttle.subjects import Rule

        return {plan.name: Rule(plan.when_over or None, plan.spare) for plan in plans}


def _note(writer: Writer, key: str, row: tuple[int, int | None]) -> None:
    with writer.transaction("lifting a limit") as connection:
        alarms.note(connection, {key: row})
