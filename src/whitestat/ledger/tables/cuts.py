"""How the buckets of tables become the steps of an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo
from functools import cache, partial
from itertools import pairwise
from typing import NamedTuple

from whitestat.core.calendar import Cycle, steps
from whitestat.core.zone_history import ZoneHistory
from whitestat.ledger.resolutions import Piece, Resolution
from whitestat.ledger.usage_query import TimeStep, UsageQuery

SEEKS_MAX = 12
"""Up to this many series are sought one by one within each chunk of a table; of more, all chunks are read."""


class TablePart(NamedTuple):
    """Buckets of one table."""

    table: str
    piece: Piece


class Cut(NamedTuple):
    """How the buckets of a piece become steps: an expression, and the start of the step it gives."""

    expression: str
    start_s: Callable[[int], int]

    def starts(self, numbers: Sequence[int]) -> Sequence[int]:
        """The starts of the steps that buckets are in, by their numbers."""
        if self.start_s is _itself:
            return numbers
        return [self.start_s(number // 100 if self.expression == MONTHS else number) for number in numbers]


MONTHS = "bucket / 100"
"""The month of a day, by their numbers."""

Parts = Callable[[int, int], Sequence[TablePart]]
"""The tables to sum for a span, UTC seconds, and which of their buckets; each octet is in one of them."""


def cuts(
    question: UsageQuery, zone: tzinfo, cycle: Cycle, parts: Parts, *, one_by_one: bool, booked: tzinfo
) -> Iterator[tuple[TablePart, Cut]]:
    """The parts of the question's span with how; those of each step apart where `each` asks for it.

    Steps are those of `zone`, buckets those of `booked`.
    """
    start_s, end_s = question.span
    if not one_by_one:
        for part in parts(start_s, end_s):
            if is_foreign(booked, zone, part.piece.start_s, part.piece.end_s):
                yield part, _by_middle(question, part.piece, zone, cycle, booked)
            else:
                yield part, _cut(question, part.piece, zone, cycle)
        return
    starts = list(steps(start_s, end_s, question.step, zone, cycle))
    edges = [start_s, *starts[1:], end_s]
    for at_s, (low_s, high_s) in zip(starts, pairwise(edges), strict=True):
        cut = Cut("0", partial(_same, at_s))
        yield from ((part, cut) for part in parts(low_s, high_s))


def chunked(table: str, piece: Piece, series: int) -> tuple[str, tuple[object, ...]]:
    """The part of a condition that finds the rows of some series: by seeks for a few, else in one sweep."""
    if table.startswith("tail"):
        return "", ()
    low, high = piece.resolution.chunk(piece.low), piece.resolution.chunk(piece.high)
    if series <= SEEKS_MAX:
        return "chunk IN (SELECT value FROM json_each(?)) AND", (json.dumps(list(range(low, high + 1))),)
    return "chunk BETWEEN ? AND ? AND", (low, high)


def is_foreign(booked: tzinfo, zone: tzinfo, start_s: int, end_s: int) -> bool:
    """Return whether some buckets of the span were booked by other local clocks than those of the zone."""
    return isinstance(booked, ZoneHistory) and any(booked.unlike(zone, start_s, end_s))


def whole_edge(parts: Sequence[Piece], booked: tzinfo, zone: tzinfo, at_s: int) -> int:
    """Return the instant, or the nearest edge of the bucket that it cuts, where that is in another time zone.

    `parts` are those of the whole answer. Windows of it with such edges have each bucket where its middle is.
    """
    for piece in parts:
        if piece.start_s < at_s < piece.end_s and is_foreign(booked, zone, piece.start_s, piece.end_s):
            return piece.resolution.nearest(at_s, booked)
    return at_s


def _by_middle(question: UsageQuery, piece: Piece, zone: tzinfo, cycle: Cycle, booked: tzinfo) -> Cut:
    """Assign each bucket to the step that its middle lies in: a day of another time zone keeps its date."""
    if question.step is TimeStep.TOTAL:
        return Cut("0", lambda _: question.start_s)

    def step_of(bucket: int) -> int:
        middle_s = piece.resolution.middle(bucket, booked)
        return next(steps(middle_s, middle_s + 1, question.step, zone, cycle))

    return Cut("bucket", cache(step_of))


def _cut(question: UsageQuery, piece: Piece, zone: tzinfo, cycle: Cycle) -> Cut:
    step = question.step
    if step is TimeStep.TOTAL:
        return Cut("0", lambda _: question.start_s)
    if step is TimeStep.WEEK:
        start_of = piece.resolution.start
        week = partial(steps, end_s=question.end_s, step=step, zone=zone, cycle=cycle)
        return Cut("bucket", cache(lambda bucket: next(week(start_of(bucket, zone)))))
    of_step = Resolution(step.value)
    if step is TimeStep.MONTH and piece.resolution is Resolution.DAY:
        return Cut(MONTHS, cache(lambda month: of_step.start(month, zone)))
    if of_step is piece.resolution:
        by_start = of_step in _NUMBERED_BY_START
        return Cut("bucket", _itself if by_start else cache(lambda bucket: of_step.start(bucket, zone)))
    start_s = of_step.floor(piece.start_s, zone)
    if start_s == of_step.floor(piece.end_s - 1, zone):  # a part of one bucket
        return Cut("0", lambda _: start_s)
    return Cut("bucket", cache(lambda bucket: of_step.floor(piece.resolution.start(bucket, zone), zone)))


_NUMBERED_BY_START = (Resolution.SECOND, Resolution.MINUTE, Resolution.HOUR)


def _itself(start_s: int) -> int:
    return start_s


def _same(start_s: int, _: int) -> int:
    return start_s
