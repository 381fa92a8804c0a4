"""An answer of any length: what is known of it at once, and its rows as they are taken."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import NamedTuple

from whitestat.core.errors import QueryError
from whitestat.core.model import Address, Counts, Coverage, Scope
from whitestat.ledger.tables.packed import Columns
from whitestat.ledger.usage_query import DeviceName, TimeStep, UsageQuery, UsageRow

_CURSOR = re.compile(r"([0-9]{1,10})\.([0-9]{1,9})")


class Group(NamedTuple):
    """Key of a row; None for parts that the query does not split by, or that are unknown."""

    device: int | None
    scope: Scope | None
    point: str | None
    person: str | None
    protocol: int | None = None
    service: int | None = None
    peer: Address | None = None

    @property
    def order(self) -> tuple[object, ...]:
        about = -1 if self.protocol is None else self.protocol, -1 if self.service is None else self.service
        return self.device or 0, self.scope or "", self.point or "", self.person or "", *about, self.peer or b""


REST = None
"""Stands for all groups that are not among the top."""


GroupSums = dict[Group | None, dict[int, Counts]]
"""Sums by group, REST too, then by the start of the step, UTC seconds."""


def add_to(sums: GroupSums, group: Group | None, steps: Iterable[tuple[int, Counts]]) -> None:
    """Add sums of steps to those of a group."""
    steps_of_group = sums.setdefault(group, {})
    for step_s, counts in steps:
        steps_of_group[step_s] = steps_of_group[step_s].plus(counts) if step_s in steps_of_group else counts


def add_columns(sums: GroupSums, group: Group | None, starts: Sequence[int], amounts: Columns) -> None:
    """The same for sums in columns. They are taken in all at once where each is the first of its step."""
    steps_of_group = sums.setdefault(group, {})
    if steps_of_group.keys().isdisjoint(starts) and len(set(starts)) == len(starts):
        steps_of_group.update(zip(starts, Counts.in_columns(amounts), strict=True))
        return
    for step_s, row in zip(starts, zip(*amounts, strict=True), strict=True):
        steps_of_group[step_s] = steps_of_group[step_s].plus(row) if step_s in steps_of_group else Counts._make(row)


class Cursor(NamedTuple):
    """Where a page begins: the start of a step, UTC seconds, and how many of its rows lie on pages before.

    What is booked later moves rows within the steps it is booked to, never those of other steps.
    """

    start_s: int
    row: int = 0

    def __str__(self) -> str:
        return f"{self.start_s}.{self.row}"

    @classmethod
    def read(cls, text: str) -> Cursor:
        """The cursor of a text; QueryError where it is none."""
        match = _CURSOR.fullmatch(text)
        if not match:
            raise QueryError("cursor", "is not one that an answer gave as the cursor of its next page")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class UsageResult:
    """What can be said of an answer before its first row.

    `step` is how long each row is, longer than asked where what was asked is no longer kept: `notice` then
    says so. `coverage` is that of the span, by point. `tag` is the same for as long as the rows are.
    """

    question: UsageQuery
    step: TimeStep
    notice: str | None
    coverage: Mapping[str, Coverage]
    tag: str
    windows: Callable[[int], Iterator[Iterable[UsageRow]]]
    """The rows from a step's start on, UTC seconds, whole steps at a time; each is read when it is asked for."""

    def rows(self, cursor: Cursor | None = None) -> Iterator[UsageRow]:
        """Rows by start, then octets, most first, the rest last; QueryError for a cursor of another question."""
        start_s, skipped = cursor or Cursor(self.question.start_s)
        if self.step is TimeStep.TOTAL and start_s != self.question.start_s:
            raise QueryError("cursor", "is not one of this question")
        rows = chain.from_iterable(self.windows(start_s))
        deque(islice(rows, skipped), maxlen=0)
        return rows

    def page(self, limit: int, cursor: Cursor | None = None) -> tuple[list[UsageRow], Cursor | None]:
        """So many rows from the cursor on, and the cursor of what follows, if anything does."""
        rows = list(islice(self.rows(cursor), limit + 1))
        if len(rows) <= limit:
            return rows, None
        following = rows.pop()
        before = sum(row.start_s == following.start_s for row in rows)
        if cursor and cursor.start_s == following.start_s:
            before += cursor.row
        return rows, Cursor(following.start_s, before)


def top_of(totals: Mapping[Group, Counts], top: int | None) -> frozenset[Group] | None:
    """The groups of the most octets, of equal ones those that come first by their order; None for all."""
    if top is None or len(totals) <= top:
        return None
    ranked = sorted(totals, key=lambda group: (-totals[group].octets, group.order))
    return frozenset(ranked[:top])


def rows_of(sums: GroupSums, names: Mapping[int, DeviceName]) -> Iterable[UsageRow]:
    """The rows of steps: by start, then octets, most first, the rest last; those of equal octets by group."""
    groups = sorted((group for group in sums if group), key=lambda group: group.order)
    by_group = (_rows(group, sums[group], names) for group in groups)
    if len(sums) == 1 and groups:
        return next(by_group)  # made as they are taken: few are in memory then
    rows = list(chain.from_iterable(by_group))
    rows.sort(key=lambda row: row.counts.octets, reverse=True)
    if REST in sums:
        rows += [UsageRow(step_s, None, None, None, counts, rest=True) for step_s, counts in sums[REST].items()]
    rows.sort(key=itemgetter(0))
    return rows


_ROW = partial(tuple.__new__, UsageRow)
"""As `UsageRow._make`, which is a call in Python for each."""


def _rows(group: Group, steps: Mapping[int, Counts], names: Mapping[int, DeviceName]) -> Iterator[UsageRow]:
    """Of one group, by start; hundreds of thousands may be asked for: nothing is done for each that can be for all."""
    device = group.device
    name = None if device is None else names.get(device) or DeviceName(device, None, None)
    before, after = (name, group.scope, group.point), (False, group.person, group.protocol, group.service, group.peer)
    starts = sorted(steps)
    counts = map(steps.__getitem__, starts)
    return map(_ROW, zip(starts, *map(repeat, before), counts, *map(repeat, after), strict=False))


def tag_of(*parts: object) -> str:
    """A short text that differs wherever the parts do. They must be values, written alike by each process.

    What is booked is never taken back, so the totals of a span differ wherever a row within it does.
    """
    return blake2b(repr(parts).encode("utf-8", "replace"), digest_size=12).hexdigest()
