"""Answers about services, protocols and peers: known ones, and usage for which they are unknown."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from itertools import pairwise
from operator import add, sub
from typing import Any, NamedTuple

from whitestat.core.calendar import Cycle, instant_text, minute_start
from whitestat.core.errors import QueryError
from whitestat.core.model import OTHER_PEER, OTHER_SERVICE, Counts
from whitestat.ledger.read import owners
from whitestat.ledger.read.answer import REST, Group, GroupSums, add_to
from whitestat.ledger.read.notices import zone_notices
from whitestat.ledger.read.selection import COLUMNS, Selection, told, told_apart
from whitestat.ledger.read.sums import SumReader
from whitestat.ledger.resolutions import Resolution
from whitestat.ledger.tables import details
from whitestat.ledger.tables.cuts import Cut, TablePart, cuts, is_foreign, whole_edge
from whitestat.ledger.tables.details import KINDS, PEER, DetailRetention
from whitestat.ledger.tables.unflushed import Overlay
from whitestat.ledger.usage_query import TimeStep, UsageQuery

KINDS_MAX = 10_000
"""More rows of one step are refused: they must fit a small machine's memory."""

_SUMS = ", ".join(f"sum({column})" for column in Counts._fields)
_OCTETS = "sum(octets_in + octets_out + octets_unsplit) AS octets"
_OTHERS = {"protocol": OTHER_SERVICE[0], "service": OTHER_SERVICE[1], "peer": OTHER_PEER}
_LENGTHS = (TimeStep.SECOND, TimeStep.MINUTE, TimeStep.HOUR, TimeStep.DAY, TimeStep.WEEK, TimeStep.MONTH)
_KINDS_TABLE = "CREATE TEMP TABLE IF NOT EXISTS kinds (number, protocol, service, peer, octets)"


class OwnerSpan(NamedTuple):
    """A part of a question's span in which no device changes hands, and the series of each group in it."""

    start_s: int
    end_s: int
    groups: Mapping[Group, list[int]]


@dataclass(frozen=True, slots=True)
class BreakdownPlan:
    """How a question is answered: `question` with the step and the edges that can be told, its `top` kinds of rows,
    how many kinds there are in a step at most, and what the answer hangs on."""

    question: UsageQuery
    asked_s: int
    notice: str | None
    top: frozenset[Group] | None
    kinds: int
    mark: tuple[object, ...]


class BreakdownReader:
    """Reads through a connection in whose transaction the journal's tail was followed."""

    def __init__(
        self, connection: sqlite3.Connection, zone: tzinfo, cycle: Cycle, sums: SumReader, overlay: Overlay
    ) -> None:
        self._booked = sums.booked
        self._overlay = overlay
        self._connection = connection
        self._zone = zone
        self._cycle = cycle
        self._sums = sums
        self._tail = details.DetailTail(connection, sums.booked)

    def plan(self, query: UsageQuery) -> BreakdownPlan:
        """What is known before the first row. QueryError where there would be too many."""
        self._tail.follow()
        kept = details.kept(self._connection, self._booked, KINDS[query.about or ""])
        question, notices = self._settled(query, kept)
        top, kinds = self._kinds(question, kept)
        handed_in = self._connection.execute("SELECT min(id), max(id) FROM detail").fetchone()
        return BreakdownPlan(
            question,
            query.start_s,
            ", ".join(notices) or None,
            top,
            kinds,
            (kept, handed_in, self._overlay.mark, question),
        )

    def sums(self, plan: BreakdownPlan, start_s: int, end_s: int) -> GroupSums:
        """Of whole steps of the plan, by the start of the step and the group.

        What is not known of a group is one row more; with a top, it and all others are one rest a step.
        """
        self._tail.follow()
        kept = details.kept(self._connection, self._booked, KINDS[plan.question.about or ""])
        start_s, end_s = (self._whole(plan.question, kept, at_s) for at_s in (start_s, end_s))
        if start_s >= end_s:
            return {}
        question = replace(plan.question, start_s=start_s, end_s=end_s)
        totals: GroupSums = {}
        for span in self._spans(question, kept):
            part = replace(question, start_s=span.start_s, end_s=span.end_s)
            known = self._known(part, span, kept, plan.top)
            for group, steps in self._with_unknown(part, span, known, plan.top).items():
                total = question.step is TimeStep.TOTAL
                add_to(totals, group, ((plan.asked_s if total else step_s, counts) for step_s, counts in steps.items()))
        return totals

    def _whole(self, question: UsageQuery, kept: DetailRetention, at_s: int) -> int:
        """Return the instant, or the edge nearest to it of a bucket that another time zone than that of steps has."""
        if at_s in question.span or self._booked is self._zone:
            return at_s
        parts = details.parts(kept, question.span, self._booked, _levels(kept, question))[:-1]
        return whole_edge([part.piece for part in parts], self._booked, self._zone, at_s)

    def _settled(self, query: UsageQuery, kept: DetailRetention) -> tuple[UsageQuery, list[str]]:
        kind, name = kept.kind, f"{kept.kind.name}s"
        step, notices = query.step, []
        if _is_shorter(step, kind.fine):
            step = TimeStep(kind.fine.value)
            notices.append(f"{name} are kept by the {step}")
        cycles = step is TimeStep.CYCLE and kind is PEER
        if query.start_s < kept.fine_s and (cycles or _is_shorter(step, kind.coarse)):
            step = TimeStep(kind.coarse.value)
            notices.append(f"{name} of each {kind.fine} are kept since {self._text(kept.fine_s)}")
        if step is not query.step:
            notices.append(f"so each row is {'an' if step is TimeStep.HOUR else 'a'} {step}")
        if query.start_s < kept.coarse_s:
            notices.append(f"{name} are kept since {self._text(kept.coarse_s)}")
        start_s, end_s = kept.floor(query.start_s, self._booked), kept.ceiling(query.end_s, self._booked)
        if start_s < minute_start(query.start_s):
            notices.append(f"start moved back to {self._text(start_s)}, as no finer {name} are kept there")
        if end_s > query.end_s:
            notices.append(f"end moved to {self._text(end_s)}, as no finer {name} are kept there")
        settled = replace(query, start_s=start_s, end_s=end_s, step=step)
        return settled, [*notices, *zone_notices(self._booked, self._zone, settled)]

    def _text(self, at_s: int) -> str:
        return instant_text(at_s, self._zone)

    def _spans(self, question: UsageQuery, kept: DetailRetention) -> Iterator[OwnerSpan]:
        """Yield spans of constant owners. A device has none in a bucket of a change: owners see no others' peers."""
        owned = self._sums.owners(question)
        changes = [at_s for at_s, _ in owners.cut(owned, self._zone, *question.span)[1:]]
        edges = {edge(at_s, self._booked) for at_s in changes for edge in (kept.floor, kept.ceiling)}
        inside = sorted(edge_s for edge_s in edges if question.start_s < edge_s < question.end_s)
        for low_s, high_s in pairwise([question.start_s, *inside, question.end_s]):
            holders = [
                owners.at(owned, self._zone, at_s) for at_s in (low_s, *(c for c in changes if low_s < c < high_s))
            ]
            steady = {d: owner for d, owner in holders[0].items() if all(holder.get(d) == owner for holder in holders)}
            groups = self._sums.groups(question, None, steady)
            yield OwnerSpan(low_s, high_s, {group: series for group, series in groups.items() if group})

    def _kinds(self, question: UsageQuery, kept: DetailRetention) -> tuple[frozenset[Group] | None, int]:
        """The groups of the most octets where the question wants a top, and how many kinds of rows a step may have."""
        self._connection.execute(_KINDS_TABLE)
        try:
            groups = self._gather_kinds(replace(question, step=TimeStep.TOTAL), kept)
            if question.top is None:
                return None, self._counted_kinds(question) + len(groups)
            return self._top(question, groups), question.top + 1
        finally:
            self._connection.execute("DELETE FROM kinds")

    def _gather_kinds(self, question: UsageQuery, kept: DetailRetention) -> list[Group]:
        """Fill the table with the octets of each kind; groups are numbered by their place in the list."""
        numbers: dict[Group, int] = {}
        by, names = told_apart(question), ", ".join(COLUMNS)
        columns = "".join(f"{COLUMNS[name] if name in by else 'NULL'} AS {name}, " for name in COLUMNS) + _OCTETS
        for span in self._spans(question, kept):
            for group in sorted(span.groups, key=lambda group: group.order):
                numbers.setdefault(group, len(numbers))
            selection = Selection(question, span.groups, numbers)
            for part, _ in self._cuts(replace(question, start_s=span.start_s, end_s=span.end_s), kept):
                sql, bound = selection.sql(part, "0", columns)
                insert = f"INSERT INTO kinds SELECT number, {names}, octets FROM ({sql})"  # noqa: S608 - as there
                self._connection.execute(insert, bound)
        return list(numbers)

    def _counted_kinds(self, question: UsageQuery) -> int:
        names = ", ".join(["number", *told_apart(question)])
        sql = f"SELECT count(*) FROM (SELECT DISTINCT {names} FROM kinds)"  # noqa: S608 - words of this module
        number = int(self._connection.execute(sql).fetchone()[0])
        if number > KINDS_MAX:
            wish = "ask for top, for fewer devices or for a shorter span"
            raise QueryError("top", f"the answer tells {number} things apart, more than {KINDS_MAX}; {wish}")
        return number

    def _top(self, question: UsageQuery, groups: list[Group]) -> frozenset[Group]:
        """Return the largest groups; usage for which services or peers are unknown is none of them."""
        by = told_apart(question)
        names = ", ".join(["number", *by])
        known = " AND ".join(f"{name} <> ?" for name in by) or "1"
        sql = f"""SELECT {names} FROM kinds WHERE {known} GROUP BY {names}
            ORDER BY sum(octets) DESC, {names} LIMIT ?"""  # noqa: S608 - words of this module
        rows = self._connection.execute(sql, (*(_OTHERS[name] for name in by), question.top))
        return frozenset(told(groups[number], by, about) for number, *about in rows)

    def _known(
        self, question: UsageQuery, span: OwnerSpan, kept: DetailRetention, top: frozenset[Group] | None
    ) -> GroupSums:
        """What is told apart: of the groups that are wanted, or, where others have to be added up, of all."""
        by, base, sums = told_apart(question), list(span.groups), GroupSums()
        only = top if not question.is_narrowed else None
        selection = Selection(question, span.groups, {group: number for number, group in enumerate(base)}, only)
        columns = "".join(f"{COLUMNS[name]} AS {name}, " for name in by) + _SUMS
        groups: dict[tuple[Any, ...], Group | None] = {}
        for part, cut in self._cuts(question, kept):
            for bucket, number, *rest in self._connection.execute(*selection.sql(part, cut.expression, columns)):
                about = number, *rest[: len(by)]
                if about not in groups:
                    group = told(base[number], by, about[1:])
                    groups[about] = group if top is None or group in top else REST
                if groups[about] is not REST or only is None:
                    add_to(sums, groups[about], [(cut.start_s(bucket), Counts(*rest[len(by) :]))])
        return sums

    def _with_unknown(
        self, question: UsageQuery, span: OwnerSpan, known: GroupSums, top: frozenset[Group] | None
    ) -> GroupSums:
        if question.is_narrowed:
            return known
        usage: GroupSums = {}
        groups: dict[Group | None, list[int]] = dict(span.groups.items())
        for group, steps in self._sums.within(question, groups).items():
            add_to(usage, group if top is None else REST, steps.items())
        subtract = _subtract
        if is_foreign(self._booked, self._zone, *question.span):
            subtract = _subtract_over_steps
        for group, steps in known.items():
            whole = usage.get(_plain(group) if top is None and group else REST, {})
            subtract(whole, steps)
        for group, steps in usage.items():
            usage[group] = {step_s: counts for step_s, counts in steps.items() if counts.octets}
        return {**usage, **known}

    def _cuts(self, question: UsageQuery, kept: DetailRetention) -> Iterator[tuple[TablePart, Cut]]:
        step, levels = question.step, _levels(kept, question)

        def parts_between(start_s: int, end_s: int) -> list[TablePart]:
            low_s, high_s = (kept.floor(at_s, self._booked) for at_s in (start_s, end_s))
            return details.parts(kept, (low_s, high_s), self._booked, levels)

        return cuts(
            question, self._zone, self._cycle, parts_between, one_by_one=step is TimeStep.CYCLE, booked=self._booked
        )


def _subtract(whole: dict[int, Counts], known: Mapping[int, Counts]) -> None:
    """Take what is known of steps from all of them, down to nothing."""
    for step_s, counts in known.items():
        if step_s in whole:
            whole[step_s] = Counts(*(max(0, rest) for rest in map(sub, whole[step_s], counts)))


def _subtract_over_steps(whole: dict[int, Counts], known: Mapping[int, Counts]) -> None:
    """The same where buckets of two kinds may be in different steps: what a step lacks is taken from its neighbours."""
    lacking = [0] * len(Counts._fields)
    for step_s in sorted(whole.keys() | known.keys()):
        lacking = _taken(whole, step_s, map(add, known.get(step_s, Counts()), lacking))
    for step_s in sorted(whole, reverse=True):
        lacking = _taken(whole, step_s, lacking)


def _taken(whole: dict[int, Counts], step_s: int, amounts: Iterable[int]) -> list[int]:
    """Take the amounts from a step; return what it lacks."""
    rest = list(map(sub, whole.get(step_s, Counts()), amounts))
    whole[step_s] = Counts(*(max(0, part) for part in rest))
    return [max(0, -part) for part in rest]


def _levels(kept: DetailRetention, question: UsageQuery) -> tuple[Resolution, ...]:
    kind, step = kept.kind, question.step
    return (kind.fine,) if step in _LENGTHS and _is_longer(kind.coarse, step) else (kind.coarse, kind.fine)


def _plain(group: Group) -> Group:
    return group._replace(protocol=None, service=None, peer=None)


def _is_shorter(step: TimeStep, resolution: Resolution) -> bool:
    return step in _LENGTHS and _LENGTHS.index(step) < _LENGTHS.index(TimeStep(resolution.value))


def _is_longer(resolution: Resolution, step: TimeStep) -> bool:
    return _LENGTHS.index(TimeStep(resolution.value)) > _LENGTHS.index(step)
