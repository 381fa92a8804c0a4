"""A drained collector in memory, and a recorder on a real ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.support.configuration import configured
from whitestat.app import build
from whitestat.attribution.locality import Locality
from whitestat.collectors import CollectorFacts
from whitestat.config.sections import DeviceConfig
from whitestat.core.model import (
    Audit,
    CounterReading,
    Counts,
    Delta,
    FlowKey,
    Point,
    PointStatus,
    ReadResult,
    Receipt,
    Scope,
)
from whitestat.core.units import address_bytes, mac_bytes
from whitestat.ledger.read.queries import Queries, UsageQuery
from whitestat.ledger.write.writer import Writer
from whitestat.metering.recorder import Recorder

ZONE = ZoneInfo("Europe/Stockholm")
DAY_S = 1_795_300_000 // 86400 * 86400  # a midnight in UTC
END_S = DAY_S + 10 * 86400
LAN = Point("lan", "kernel", "br0")
GATEWAY, PHONE = mac_bytes("02:50:00:00:00:01"), mac_bytes("02:50:00:00:00:11")
HOST, OWN = address_bytes("203.0.113.9"), address_bytes("198.51.100.7")
HOME = Locality(own_macs=frozenset({GATEWAY}))
UP = FlowKey("lan", PHONE, address_bytes("192.168.50.11"), GATEWAY, HOST, 6, 443)


@dataclass
class Meter:
    """A drained meter in memory: counts until it is settled, as the kernel's maps do."""

    points: tuple[Point, ...] = (LAN,)
    name: str = "m"
    held: int = 0
    running: int = 0
    epoch: int = 0
    turned: bool = False
    interface: int = 0
    metered: int = 0
    readings: list[CounterReading] = field(default_factory=list)

    def carry(self, octets: int) -> None:
        self.running += octets
        self.interface += octets + 14
        self.metered += octets + 14

    def open(self, booked: Mapping[str, int]) -> None: ...

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        if not self.turned:
            self.held, self.running, self.turned = self.running, 0, True
            self.epoch += 1
        audit = Audit("boot:2", "m:2", Counts(0, self.interface, 0, 1), Counts(0, self.metered, 0, 1))
        deltas = [Delta(self._flow, Counts(0, self.held, 0, 1), since_ms, now_ms)] if self.held else []
        receipt = Receipt(self.name, self.epoch)
        return ReadResult(since_ms, now_ms, self.readings, deltas, receipt, {self.points[0].name: audit})

    def acknowledge(self, receipt: Receipt) -> None:
        if receipt.epoch == self.epoch:
            self.held, self.turned = 0, False

    def peek(self) -> Iterable[Delta]:
        return [Delta(self._flow, Counts(0, self.held + self.running, 0, 1), 0, 0)]

    @property
    def _flow(self) -> FlowKey:
        return UP._replace(point=self.points[0].name)

    def facts(self) -> CollectorFacts:
        return CollectorFacts()

    def statuses(self) -> Mapping[str, PointStatus]:
        return {}

    def halt(self) -> None: ...

    def maintain(self) -> None: ...

    def memory(self) -> int:
        return 0

    def close(self) -> None: ...


def recorder_on(writer: Writer, home: Locality = HOME) -> Recorder:
    return built_recorder(writer, lambda: home, [LAN], [DeviceConfig(PHONE, "phone", "Anna")])


def built_recorder(
    writer: Writer, local: Callable[[], Locality], points: Iterable[Point], devices: Iterable[DeviceConfig] = ()
) -> Recorder:
    """Return a recorder as the service builds it, with these devices configured, on a machine called gateway."""
    config = configured(writer._path, devices)
    attribution = build.attribution(config, writer.state(), local(), "gateway")
    return build.recorder(config, writer, attribution, zone=ZONE, local=local, points=points)


def book(recorder: Recorder, meter: Meter, since_ms: int, now_ms: int, observed_ms: int) -> None:
    """One turn of the engine with one collector."""
    result = meter.read(since_ms, now_ms)
    recorder.gather(meter, result, observed_ms)
    recorder.flush()
    if result.receipt and recorder.is_booked(result.receipt):
        meter.acknowledge(result.receipt)


def octets_of(path: Path) -> dict[str | None, int]:
    """Wide-area octets by device name, None for what is unattributed."""
    with closing(Queries(path, ZONE)) as queries:
        rows = queries.usage(UsageQuery(0, END_S, scope=Scope.WAN))
    return {row.device.name if row.device else None: row.counts.octets for row in rows}
