"""An engine on a real ledger, with collectors in memory and a clock of its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.recorder import GATEWAY, HOST, PHONE, ZONE, Meter, built_recorder
from whitestat.attribution.locality import Locality
from whitestat.config.sections import DeviceConfig
from whitestat.core.errors import CollectorError, LedgerError
from whitestat.core.model import Counts, Delta, FlowKey, Point, ReadResult, Receipt, Scope
from whitestat.core.units import address_bytes
from whitestat.ledger.read.queries import Queries, UsageQuery
from whitestat.ledger.write.writer import Flush, Writer
from whitestat.metering.engine import Engine
from whitestat.metering.timekeeper import BUILT_MS

HOUR_MS, DAY_MS, YEAR_MS = 3_600_000, 86_400_000, 365 * 86_400_000
NOW_MS = BUILT_MS + 30 * DAY_MS + 12 * HOUR_MS
FOR_EVER = UsageQuery(0, 4_000_000_000, by=("point",), scope=Scope.WAN)


@dataclass
class FakeClock:
    """The seam to the system: the wall may be set, the ticks only go on."""

    wall_ms: int = NOW_MS
    ticks_ms: int = 5_000_000

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_ms(self) -> int:
        return self.ticks_ms

    def run(self, ms: int) -> None:
        self.wall_ms += ms
        self.ticks_ms += ms


@dataclass
class Ring(Meter):
    """A meter that hands its counts out once and keeps nothing, as the packet collector does."""

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        octets, self.running = self.running, 0
        deltas = [delta(self.points[0].name, octets, since_ms, now_ms)] if octets else []
        return ReadResult(since_ms, now_ms, deltas=deltas)

    def acknowledge(self, receipt: Receipt) -> None:
        raise AssertionError("there is nothing to settle")


@dataclass
class Failing(Meter):
    """Cannot be read for a while."""

    reason: str | None = "no route to the router"

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        if self.reason:
            raise CollectorError(self.reason)
        return super().read(since_ms, now_ms)


@dataclass
class Stuck(Ring):
    """Does not answer until it is let go."""

    answer: threading.Event = field(default_factory=threading.Event)

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        self.answer.wait(30)
        return super().read(since_ms, now_ms)


def delta(point: str, octets: int, start_ms: int, end_ms: int) -> Delta:
    key = FlowKey(point, PHONE, address_bytes("192.168.50.11"), GATEWAY, HOST, 6, 443)
    return Delta(key, Counts(0, octets, 0, 1), start_ms, end_ms)


def named(name: str) -> tuple[Point, ...]:
    return (Point(name, "kernel", name),)


class Service:
    """An engine on a real ledger, with collectors in memory and a clock of its own."""

    def __init__(self, path: Path, *collectors: Meter, clock: FakeClock | None = None, boot: str = "a boot") -> None:
        self.clock = clock or FakeClock()
        self.path = path
        self.writer = Writer(path, ZONE)
        home = Locality(own_macs=frozenset({GATEWAY}))
        points = [point for each in collectors for point in each.points]
        recorder = built_recorder(self.writer, lambda: home, points, [DeviceConfig(PHONE, "phone")])
        self.engine = Engine(collectors, self.writer, recorder, flush_s=30, clock=self.clock, boot=boot)

    def tick(self, after_ms: int = 30_000) -> None:
        self.clock.run(after_ms)
        self.engine.tick()

    @property
    def notices(self) -> list[str]:
        notices = self.engine.health()["notices"]
        assert isinstance(notices, list)
        return notices

    def failures(self) -> dict[str, str]:
        points = self.engine.health()["points"]
        assert isinstance(points, list)
        return {each["point"]: each["notice"] for each in points if each["state"] == "failed"}

    def booked(self) -> dict[str, int]:
        """Octets by point."""
        with closing(Queries(self.path, ZONE)) as queries:
            return {str(row.point): row.counts.octets for row in queries.usage(FOR_EVER) if row.counts.octets}

    def octets(self, start_ms: int, end_ms: int) -> int:
        """Octets of a span, minutes."""
        with closing(Queries(self.path, ZONE)) as queries:
            question = UsageQuery(start_ms // 60_000 * 60, -(-end_ms // 60_000) * 60, scope=Scope.WAN)
            return sum(row.counts.octets for row in queries.usage(question))

    def today(self) -> int:
        rows = asyncio.run(self.engine.today())
        return sum(row.counts.octets for row in rows.devices.values())


def full(flush: Flush, *more: object) -> bool:
    raise LedgerError("whitestat.db: commit failed: database or disk is full")
