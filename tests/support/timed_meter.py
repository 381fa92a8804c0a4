"""A meter that is drained as the kernel's is, on an interface that carries a packet between any two steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tests.support.recorder import DAY_S, LAN, UP
from whitestat.collectors import CollectorFacts
from whitestat.core.model import Audit, Counts, Delta, PointStatus, ReadResult, Receipt
from whitestat.metering.recorder import Recorder

OCTETS, HEADER = 100, 14
"""Of each packet: IP's, and its link header."""


class Cut(NamedTuple):
    """Packets handed out until an epoch ended, and those until its interface was read that were not metered."""

    handed_out: int
    missed: int


class CutMeter:
    """`misses` is which of how many packets the interface alone counts, 0 for none of them."""

    points = (LAN,)

    def __init__(self, boot: str, misses: int = 0) -> None:
        self.boot, self._misses = boot, misses
        self.interface = self.epoch = self._handed_out = self._running = self._missed = 0
        self.busy = True
        self.cuts = [Cut(0, 0)]

    def carry(self) -> None:
        """One packet, while there is traffic."""
        if self.busy:
            self.interface += 1
            is_missed = bool(self._misses) and self.interface % self._misses == 0
            self._missed += is_missed
            self._running += not is_missed

    def open(self, booked: Mapping[str, int]) -> None: ...

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        self.carry()
        seen, missed = self.interface, self._missed
        self.carry()
        held, self._running = self._running, 0
        self.epoch, self._handed_out = self.epoch + 1, self._handed_out + held
        self.cuts.append(Cut(self._handed_out, missed))
        self.carry()
        audit = Audit(self.boot, f"{self.boot}:{self.epoch}", _frames(seen), _frames(held), frames_at_attach=Counts())
        deltas = [Delta(UP, Counts(0, held * OCTETS, 0, held), since_ms, now_ms)]
        return ReadResult(since_ms, now_ms, (), deltas, Receipt(self.boot, self.epoch), {LAN.name: audit})

    def acknowledge(self, receipt: Receipt) -> None:
        self.carry()

    def peek(self) -> Iterable[Delta]:
        return ()

    def facts(self) -> CollectorFacts:
        return CollectorFacts()

    def statuses(self) -> Mapping[str, PointStatus]:
        return {}

    def halt(self) -> None: ...

    def maintain(self) -> None: ...

    def memory(self) -> int:
        return 0

    def close(self) -> None: ...


def poll(recorder: Recorder, meter: CutMeter, number: int) -> None:
    """One turn of the engine, with traffic between its steps."""
    now_ms = (DAY_S + 30 * number) * 1000
    result = meter.read(now_ms - 30_000, now_ms)
    meter.carry()
    recorder.gather(meter, result, 30_000)
    meter.carry()
    recorder.flush()
    meter.carry()
    assert result.receipt
    meter.acknowledge(result.receipt)


def _frames(packets: int) -> Counts:
    return Counts(0, packets * (OCTETS + HEADER), 0, packets)
