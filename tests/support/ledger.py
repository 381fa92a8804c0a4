"""A ledger opened for writing and reading, and the start of a time step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.support.flushes import (
    STOCKHOLM,
)
from whitestat.core.calendar import Cycle, day_bounds, day_of, hour_start, minute_start, span
from whitestat.core.model import Episode
from whitestat.ledger.read.queries import Queries, TimeStep, UsageQuery
from whitestat.ledger.resolutions import KEPT_S
from whitestat.ledger.write.writer import DeviceRecord, Flush, Writer

CYCLE = Cycle(25, 2)
"""The periods of most tests: they begin in the hour that clocks repeat."""


@contextmanager
def opened(
    path: Path, zone: ZoneInfo = STOCKHOLM, kept: Mapping[str, int | None] = KEPT_S
) -> Iterator[tuple[Writer, Queries]]:
    with closing(Writer(path, zone, kept)) as writer, closing(Queries(path, zone, CYCLE)) as queries:
        yield writer, queries


def step_start(step: TimeStep, at_s: int, question: UsageQuery, zone: ZoneInfo) -> int:
    day = day_of(at_s, zone)
    return {
        TimeStep.TOTAL: question.start_s,
        TimeStep.SECOND: at_s,
        TimeStep.MINUTE: minute_start(at_s),
        TimeStep.HOUR: hour_start(at_s, zone),
        TimeStep.DAY: day_bounds(day, zone)[0],
        TimeStep.WEEK: span("week", at_s, zone)[0],
        TimeStep.MONTH: day_bounds(day // 100 * 100 + 1, zone)[0],
        TimeStep.CYCLE: span("cycle", at_s, zone, CYCLE)[0],
    }[step]


PEOPLE = {1: "Anna", 2: "Anna", 3: "Bo"}
DEVICES = Flush(
    devices=[DeviceRecord(number, person=PEOPLE.get(number)) for number in range(1, 6)],
    episodes=[Episode(number, number, None, None, 0) for number in range(1, 6)],
)
