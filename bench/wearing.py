"""What a day wears the card: every flush of a day through the real writer, on a card and in a process of its own.

The ledger has a year in it, so that what ages out is deleted as it would be. Flushes are made as the booker makes
them: aligned to the clock, services and peers handed in as configured, an expiry every hour. Two days go before
those that are measured: by then the write-ahead log is as long as it gets. It is moved into the database once in a
day and a third, so that four days are measured.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import NamedTuple

from bench import process
from bench.card import Card
from bench.filling import NOW_S, ZONE, kept
from bench.household import DAY_S, HOUR_S, POINT, Household
from whitestat.config.sections import Store
from whitestat.core.model import Audit, Counts, Coverage, Receipt
from whitestat.ledger.write.writer import Flush, Writer
from whitestat.metering.batch import PendingBatch
from whitestat.metering.breakdown import BreakdownBuffer

BEFORE_S, DAYS = 2 * DAY_S, 4

DETAIL_S = Store(Path()).detail_s


class Wear(NamedTuple):
    """Octets of a day: what reached the device, what the kernel charged the process (`write_bytes`,
    proc_pid_io(5)), and what SQLite wrote; how much was handed in at a time."""

    device: int
    process: int
    log: int
    services: float
    peers: float


def wear(ledger: Path, home: Household, card: Card, flush_s: int, restless: bool = False) -> Wear:
    """Days on a copy of the ledger, in this process: have one for each call."""
    copy = card.folder / "whitestat.db"
    shutil.copyfile(ledger, copy)
    writer = Writer(copy, ZONE, kept())
    day = Day(home, writer, flush_s, restless)
    start_s = NOW_S + BEFORE_S
    for at_s in range(NOW_S, start_s, flush_s):
        day.flush(at_s)
    device, charged, log = card.written(), process.use(os.getpid()).written, writer.octets_written
    for at_s in range(start_s, start_s + DAYS * DAY_S, flush_s):
        day.flush(at_s)
    written = card.written() - device, process.use(os.getpid()).written - charged, writer.octets_written - log
    writer.close()
    handed = max(1, day.handed_in)
    device, charged, log = (octets // DAYS for octets in written)
    found = Wear(device, charged, log, day.services / handed, day.peers / handed)
    copy.unlink()
    return found


def apart(ledger: Path, home: Household, card: Card, times: int = 4, pause_s: float = 7) -> int:
    """Octets at the device of one flush, where so much time lies between two that the file system's own come to it."""
    copy = card.folder / "whitestat.db"
    shutil.copyfile(ledger, copy)
    writer = Writer(copy, ZONE, kept())
    day = Day(home, writer, 30)
    for number in range(20):  # what is new goes first, and the next blocks are laid out
        day.flush(NOW_S + 30 * number)
    before = card.written()
    for number in range(20, 20 + times):
        time.sleep(pause_s)
        day.flush(NOW_S + 30 * number)
    time.sleep(pause_s)
    octets = card.written() - before
    writer.close()
    copy.unlink()
    return octets // times


class Day:
    """Flush by flush, what the booker would write; times of flushes with and without a fold apart."""

    def __init__(self, home: Household, writer: Writer, flush_s: int, restless: bool = False) -> None:
        self._home = home
        self._writer = writer
        self._flush_s = flush_s
        self._restless = restless
        self._detail = BreakdownBuffer()
        self._carried = Counts()
        self._epoch = 0
        self._hour = 0
        self.octets = self.handed_in = self.services = self.peers = 0
        self.flush_ms: list[float] = []
        self.fold_ms: list[float] = []

    def flush(self, at_s: int) -> None:
        """What passed in the seconds from then on."""
        flush = self.made(at_s)
        began = time.monotonic()
        self._writer.commit(flush)
        took_ms = (time.monotonic() - began) * 1000
        folded, self._hour = at_s // HOUR_S != self._hour, at_s // HOUR_S
        (self.fold_ms if folded else self.flush_ms).append(took_ms)
        if folded:
            self._writer.expire(at_s)

    def made(self, at_s: int) -> Flush:
        traffic = self._home.span(at_s, self._flush_s, restless=self._restless)
        span_ms = at_s * 1000, (at_s + self._flush_s) * 1000
        draft = PendingBatch()
        for key, counts in traffic.usage.items():
            draft.add_usage(key, counts, *span_ms)
            self._carried = self._carried.plus(counts)
            self.octets += counts.octets
        self._epoch += 1
        passed = sum(counts.octets for counts in traffic.usage.values())
        frames = passed + passed // 60
        draft.add_coverage(POINT, Coverage(self._flush_s * 1000, frames, frames, passed, 0), *span_ms)
        draft.add([], {POINT: self._audit(span_ms[1])}, Receipt(f"5a17c0de9b3f2e61:{self._flush_s}", self._epoch))
        self._detail.add(traffic.services, traffic.peers, span_ms, ZONE)
        return self._with_detail(draft, at_s)

    def _with_detail(self, draft: PendingBatch, at_s: int) -> Flush:
        due = (at_s + self._flush_s) % DETAIL_S == 0
        detail = self._detail if due else BreakdownBuffer()
        if due:
            self._detail = BreakdownBuffer()
            self.handed_in += 1
            self.services += len(detail.services)
            self.peers += len(detail.peers)
        there = {key.episode for _, key in draft.usage}
        residents = [each for each in self._home.residents if each.id in there]
        return Flush(
            usage=draft.usage,
            coverage=draft.coverage,
            audits=draft.audits,
            receipts=tuple(draft.receipts.values()),
            seen={each.id: at_s * 1000 + 17 * each.id for each in residents},
            addresses={(each.id, each.address): at_s * 1000 + 17 * each.id for each in residents},
            services=detail.services,
            peers=detail.peers,
        )

    def _audit(self, at_ms: int) -> Audit:
        frames = self._carried
        return Audit(
            "6f1c2ab4-5d0e-4c8e-9a3b-0c7d1e2f3a4b:3", "5a17c0de9b3f2e61", frames, frames, at_ms=at_ms, since_ms=at_ms
        )
