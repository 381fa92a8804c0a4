"""A ledger with its recorder and the identities of its devices."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.support.configuration import configured
from tests.support.recorder import DAY_S, END_S, LAN, PHONE, ZONE, Meter, recorder_on
from whitestat.app import build
from whitestat.attribution.devices.edits import Edit
from whitestat.config.sections import DeviceConfig
from whitestat.core.model import Counts, Delta, FlowKey, ReadResult
from whitestat.core.units import address_bytes
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.usage_query import UsageQuery
from whitestat.ledger.write.writer import Writer
from whitestat.metering.recorder import Recorder

MINUTE_MS = 60_000
CONFIG = configured(Path(), [DeviceConfig(PHONE, "phone", "Anna")])
START_MS = DAY_S * 1000
MACS = [bytes([2, 0x50, 0, 0, 0, number]) for number in range(0x31, 0x36)]
TABLET, LAPTOP = MACS[0], MACS[4]


class House:
    """A ledger, its booker and the identities of its devices."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer = Writer(path, ZONE)
        self.recorder: Recorder = recorder_on(self.writer)
        self.identity = build.identity(CONFIG, self.writer, self.recorder, START_MS - 1)
        self.now_ms = START_MS

    def flows(self, mac: bytes, octets: int, number: int = 10) -> None:
        """A minute in which the device sends."""
        key = FlowKey(LAN.name, mac, address_bytes(f"192.168.50.{number}"), None, address_bytes("203.0.113.9"), 6, 443)
        delta = Delta(key, Counts(0, octets, 0, 1), self.now_ms, self.now_ms + MINUTE_MS)
        self.now_ms += MINUTE_MS
        self.recorder.gather(Meter(), ReadResult(delta.start_ms, delta.end_ms, deltas=[delta]), MINUTE_MS)

    def edit(self, edit: Edit) -> int:
        return self.identity.edit(edit, "test", self.now_ms).edit

    def device(self, mac: bytes) -> int:
        episode = self.recorder.known.episode_of(mac, None)
        assert episode is not None
        return self.recorder.known.device_of(episode)

    def usage(self) -> dict[str | None, int]:
        """By name, which several may have."""
        with closing(Queries(self.path, ZONE)) as queries:
            rows = queries.usage(UsageQuery(0, END_S))
        octets: Counter[str | None] = Counter()
        for row in rows:
            octets[row.device.name if row.device else None] += row.counts.octets
        return octets

    def close(self) -> None:
        self.recorder.flush()
        self.identity.keep()
        self.writer.close()
