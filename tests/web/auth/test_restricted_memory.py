"""What a person sees of usage that is not written yet: their own devices alone, the same before and after a flush."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.support.engine import NOW_MS, Ring, Service, named
from tests.support.recorder import GATEWAY, HOST, PHONE, ZONE
from whitestat.attribution.devices.edits import ALWAYS, AssignToPerson
from whitestat.attribution.devices.identity import Identity
from whitestat.core.model import Counts, Delta, FlowKey, ReadResult, Scope
from whitestat.core.units import address_bytes
from whitestat.ledger.read.queries import Queries, UsageQuery
from whitestat.web.auth.restricted import RestrictedQueries

LAPTOP = bytes.fromhex("025000000077")
SPAN = NOW_MS // 1000 - 7_200, NOW_MS // 1000 + 79_200


@dataclass
class TwoDevices(Ring):
    """Carries octets of the phone, and ten times as many of the laptop."""

    def peek(self) -> list[Delta]:
        return self._deltas(NOW_MS, NOW_MS)

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        deltas, self.running = self._deltas(since_ms, now_ms), 0
        return ReadResult(since_ms, now_ms, deltas=deltas)

    def _deltas(self, since_ms: int, now_ms: int) -> list[Delta]:
        devices = ((PHONE, "192.168.50.11", 1), (LAPTOP, "192.168.50.12", 10))
        return [
            Delta(
                FlowKey(self.points[0].name, mac, address_bytes(address), GATEWAY, HOST, 6, 443),
                Counts(0, self.running * times, 0, 1),
                since_ms,
                now_ms,
            )
            for mac, address, times in devices
            if self.running
        ]


def octets(queries: RestrictedQueries, *by: str) -> int:
    return sum(row.counts.octets for row in queries.usage(UsageQuery(*SPAN, scope=Scope.WAN, by=by)))


def test_services_and_peers_of_a_person_add_up_to_the_usage_before_and_after_a_flush(tmp_path: Path) -> None:
    meter = TwoDevices(named("lan"))
    service = Service(tmp_path / "whitestat.db", meter)
    meter.carry(1_000)
    service.tick()
    with closing(Queries(service.path, ZONE, memory=service.engine)) as queries:
        phone = next(row.id for row in queries.devices() if row.name == "phone")
        identity = Identity(service.writer, service.engine._recorder, NOW_MS, {})
        identity.edit(AssignToPerson(phone, "Anna", ALWAYS), "test", NOW_MS)
        anna = RestrictedQueries(queries, "Anna")
        for flush in range(1, 5):
            meter.carry(100)
            service.clock.run(2_000)
            expected = 1_000 + 100 * flush
            for written in (False, True):
                if written:
                    service.tick()
                figures = {by: octets(anna, *by) for by in ((), ("service",), ("peer",), ("device",))}
                assert set(figures.values()) == {expected}, (written, figures)
                devices = {row.device.id for row in anna.usage(UsageQuery(*SPAN, by=("device",))) if row.device}
                assert devices == {phone}
                assert [row.id for row in anna.devices()] == [phone]
        everything = sum(row.counts.octets for row in queries.usage(UsageQuery(*SPAN, scope=Scope.WAN, by=())))
        assert everything == 11 * expected
    asyncio.run(service.engine.stop())
