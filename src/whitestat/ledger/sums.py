"""Sums of usage and coverage over any span: which tables hold it, which of their buckets, and what is added up."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import tzinfo
from functools import partial

from whitestat.ledger import buckets, owners
from whitestat.ledger.answer import REST, Group
from whitestat.ledger.cuts import SEEKS_MAX, Cut, Part, chunked, cuts
from whitestat.ledger.question import USAGE_WORDS, Question, Step
from whitestat.ledger.resolutions import COARSEST_FIRST, Kept, Piece, Resolution, pieces
from whitestat.ledger.rows import SCOPES
from whitestat.model import Counts, Coverage
from whitestat.periods import Cycle, steps

SWEEPS_MAX, SCANS_MAX = 4, 32
"""Up to this many groups are summed one by one, if few of them need a sweep; more are summed by series."""

_LEVELS = {
    Step.DAY: COARSEST_FIRST[1:],
    Step.WEEK: COARSEST_FIRST[1:],
    Step.MINUTE: (Resolution.MINUTE,),
    Step.HOUR: (Resolution.HOUR, Resolution.MINUTE),
}
"""Which buckets an answer is made of; those of every other step are `COARSEST_FIRST`."""


_SUMS = ", ".join(f"sum({column})" for column in Counts._fields)
_IN_OUT = "octets_in + octets_unsplit, octets_out"
_IN_OUT_SUMS = "sum(octets_in + octets_unsplit), sum(octets_out)"
_COVERAGE_SUMS = ", ".join(f"sum({column})" for column in Coverage._fields)
_SERIES = """SELECT s.id, e.device, s.scope, p.name FROM series s JOIN point p ON p.id = s.point
    LEFT JOIN episode e ON e.id = s.episode WHERE p.counts"""


class Sums:
    """Reads through a connection in whose transaction the journal's tail was followed."""

    def __init__(self, connection: sqlite3.Connection, zone: tzinfo, cycle: Cycle) -> None:
        self._connection = connection
        self._zone = zone
        self._cycle = cycle

    def owners(self, question: Question) -> owners.Owners:
        """Those of the devices asked for, where the question is about persons."""
        if "person" not in question.by and not question.persons:
            return {}
        found = owners.owners(self._connection)
        return {each: held for each, held in found.items() if not question.devices or each in question.devices}

    def groups(
        self, question: Question, top: frozenset[Group] | None, person_of: Mapping[int, str]
    ) -> dict[Group | None, list[int]]:
        """The series asked for, by what their usage is told apart by; those of points that count."""
        groups: dict[Group | None, list[int]] = {}
        by_device, by_scope, by_point, by_person = (word in question.by for word in USAGE_WORDS)
        for series, device, scope_number, point in self._series(question.devices):
            scope, person = SCOPES[scope_number], person_of.get(device)
            if (
                question.scope not in (None, scope)
                or (question.points and point not in question.points)
                or (question.persons and person not in question.persons)
            ):
                continue
            group = Group(
                device if by_device else None,
                scope if by_scope else None,
                point if by_point else None,
                person if by_person else None,
            )
            groups.setdefault(group if top is None or group in top else REST, []).append(series)
        return groups

    def _series(self, devices: tuple[int, ...]) -> sqlite3.Cursor:
        """Number, device, scope and point of the series of some devices, or of all."""
        if not devices:
            return self._connection.execute(_SERIES)
        only = f"{_SERIES} AND e.device IN (SELECT value FROM json_each(?))"  # noqa: S608 - words of this module
        return self._connection.execute(only, (json.dumps(devices),))

    def usage(self, question: Question, top: frozenset[Group] | None = None) -> dict[tuple[int, Group | None], Counts]:
        """By the start of the step and the group; the rows of a span add up to its total, whatever the step.

        The span is cut where a device changes hands, and each part is summed with the owners it has.
        """
        sums: dict[tuple[int, Group | None], Counts] = {}
        owned = self.owners(question)
        for start_s, end_s in owners.cut(owned, self._zone, *question.span):
            groups = self.groups(question, top, owners.at(owned, self._zone, start_s))
            part = self.within(replace(question, start_s=start_s, end_s=end_s), groups)
            for (step_s, group), counts in part.items():
                key = question.start_s if question.step is Step.TOTAL else step_s, group
                sums[key] = sums[key].plus(counts) if key in sums else counts
        return sums

    def within(
        self, question: Question, groups: Mapping[Group | None, list[int]]
    ) -> dict[tuple[int, Group | None], Counts]:
        """The sums of series that are grouped already."""
        sums: dict[tuple[int, Group | None], Counts] = {}
        for (table, piece), cut in self._cuts(question, few=_are_few(groups)):
            for bucket, group, counts in self._scan(table, piece, cut.expression, groups):
                key = cut.start_s(bucket), group
                sums[key] = sums[key].plus(counts) if key in sums else counts
        return sums

    def days(self, question: Question) -> dict[tuple[int, int], tuple[int, int]]:
        """Octets in and out by start of the step and device; what a meter cannot tell apart counts as in."""
        sums: dict[tuple[int, int], tuple[int, int]] = {}
        device_of = {row[0]: row[1] for row in self._connection.execute(_SERIES) if row[1] is not None}
        for (table, piece), cut in self._cuts(question, few=False):
            by_bucket = cut.expression == "bucket" and table.startswith("usage")
            found, chunks = chunked(table, piece, len(device_of))
            sql = f"""SELECT {cut.expression}, series, {_IN_OUT if by_bucket else _IN_OUT_SUMS} FROM {table}
                WHERE {found} bucket >= ? AND bucket < ?{"" if by_bucket else " GROUP BY 1, 2"}"""  # noqa: S608
            for bucket, series, into, out in self._connection.execute(sql, (*chunks, piece.low, piece.high)):
                if series not in device_of:
                    continue
                key = cut.start_s(bucket), device_of[series]
                before = sums.get(key)
                sums[key] = (before[0] + into, before[1] + out) if before else (into, out)
        return sums

    def coverage(self, start_s: int, end_s: int) -> dict[str, Coverage]:
        """By the name of the point, all of them."""
        names = self._connection.execute("SELECT name FROM point ORDER BY name").fetchall()
        sums = {name: Coverage() for (name,) in names}
        for piece in self._pieces(start_s, end_s, COARSEST_FIRST):
            self._add_coverage(sums, f"coverage_{piece.resolution}", piece)
        self._add_coverage(sums, "tail_coverage", self._tail_piece(start_s, end_s))
        return sums

    def since_s(self) -> int | None:
        """Where the first usage begins: the first bucket of the finest resolution that goes back to it."""
        (first_s,) = self._connection.execute("SELECT min(bucket) FROM tail_usage").fetchone()
        for resolution in reversed(COARSEST_FIRST):
            (bucket,) = self._connection.execute(
                f"""SELECT min(bucket) FROM usage_{resolution}
                    WHERE chunk = (SELECT min(chunk) FROM usage_{resolution})"""  # noqa: S608 - words of this module
            ).fetchone()
            start_s = None if bucket is None else resolution.start(bucket, self._zone)
            if start_s is not None and (first_s is None or start_s < resolution.floor(first_s, self._zone)):
                first_s = start_s
        return None if first_s is None else int(first_s)

    def kept(self) -> Kept:
        return buckets.kept(self._connection, self._zone)

    def steps(self, question: Question, from_s: int) -> Iterator[int]:
        return steps(from_s, question.end_s, question.step, self._zone, self._cycle)

    def _add_coverage(self, sums: dict[str, Coverage], table: str, piece: Piece) -> None:
        found, chunks = chunked(table, piece, SEEKS_MAX + 1)
        sql = f"""SELECT p.name, {_COVERAGE_SUMS} FROM {table} c JOIN point p ON p.id = c.point
            WHERE {found} bucket >= ? AND bucket < ? GROUP BY p.id"""  # noqa: S608 - words of this module
        for name, *covered in self._connection.execute(sql, (*chunks, piece.low, piece.high)):
            sums[name] = sums[name].plus(Coverage(*covered))

    def _scan(
        self, table: str, piece: Piece, expression: str, groups: Mapping[Group | None, list[int]]
    ) -> Iterator[tuple[int, Group | None, Counts]]:
        """Sums of a piece's buckets by the expression and by group, or by a part of a group."""
        if _are_few(groups):
            for group, series in groups.items():
                for row in self._select(table, piece, expression, "", series):
                    yield row[0], group, Counts._make(row[1:])
            return
        group_of = {each: group for group, series in groups.items() for each in series}
        for row in self._select(table, piece, expression, "series,", list(group_of)):
            yield row[0], group_of[row[1]], Counts._make(row[2:])

    def _select(self, table: str, piece: Piece, expression: str, also: str, series: list[int]) -> sqlite3.Cursor:
        by = "1, 2" if also else "1"
        found, chunks = chunked(table, piece, len(series))
        sql = f"""SELECT {expression}, {also} {_SUMS} FROM {table}
            WHERE {found} bucket >= ? AND bucket < ? AND series IN (SELECT value FROM json_each(?))
            GROUP BY {by}"""  # noqa: S608 - all are words of this module
        return self._connection.execute(sql, (*chunks, piece.low, piece.high, json.dumps(series)))

    def _cuts(self, question: Question, *, few: bool) -> Iterator[tuple[Part, Cut]]:
        """Cycles are summed one by one, as a cycle may begin within a day; weeks too where adding up their days
        would be more work than reading a month for each.
        """
        each = question.step is Step.CYCLE or (question.step is Step.WEEK and not few)
        levels = COARSEST_FIRST if each else _LEVELS.get(question.step, COARSEST_FIRST)
        return cuts(question, self._zone, self._cycle, partial(self._parts, levels), each=each)

    def _parts(self, levels: tuple[Resolution, ...], start_s: int, end_s: int) -> list[Part]:
        """Closed buckets as coarse as they come, then finer ones, then the journal's tail."""
        whole = self._pieces(start_s, end_s, levels)
        return [
            *(Part(f"usage_{each.resolution}", each) for each in whole),
            Part("tail_usage", self._tail_piece(start_s, end_s)),
        ]

    def _pieces(self, start_s: int, end_s: int, levels: tuple[Resolution, ...]) -> list[Piece]:
        kept, zone = self.kept(), self._zone
        return pieces(kept.aligned(start_s, zone), kept.aligned(end_s, zone), zone, levels, kept.until)

    def _tail_piece(self, start_s: int, end_s: int) -> Piece:
        """The minutes of the journal's tail."""
        low, high = (self.kept().aligned(at_s, self._zone) for at_s in (start_s, end_s))
        return Piece(Resolution.MINUTE, low, high, low, max(high, low + 1))


def _are_few(groups: Mapping[Group | None, list[int]]) -> bool:
    """Whether they are summed one by one."""
    sweeps = sum(len(series) > SEEKS_MAX for series in groups.values())
    return len(groups) <= SCANS_MAX and sweeps <= SWEEPS_MAX
