"""Sums of usage and coverage over any span: which tables hold it, which of their buckets, and what is added up."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import tzinfo
from functools import partial, reduce
from itertools import groupby
from operator import itemgetter

from whitestat.core.calendar import Cycle, steps
from whitestat.core.model import Counts, Coverage
from whitestat.ledger.read import owners
from whitestat.ledger.read.answer import REST, Group, GroupSums, add_columns, add_to
from whitestat.ledger.resolutions import COARSEST_FIRST, Piece, Resolution, RetainedSpans, pieces
from whitestat.ledger.tables import buckets
from whitestat.ledger.tables.cuts import Cut, TablePart, cuts, is_foreign, whole_edge
from whitestat.ledger.tables.packed import Columns, together
from whitestat.ledger.tables.rows import SCOPES
from whitestat.ledger.tables.unflushed import Overlay
from whitestat.ledger.usage_query import USAGE_WORDS, TimeStep, UsageQuery

_LEVELS = {
    TimeStep.DAY: COARSEST_FIRST[1:],
    TimeStep.WEEK: COARSEST_FIRST[1:],
    TimeStep.SECOND: COARSEST_FIRST[4:],
    TimeStep.MINUTE: COARSEST_FIRST[3:],
    TimeStep.HOUR: COARSEST_FIRST[2:],
}
"""Which buckets an answer is made of; those of every other step are `COARSEST_FIRST`."""


_LONG = (Resolution.HOUR, Resolution.DAY, Resolution.MONTH)
"""Resolutions with buckets that differ between time zones."""

_SUMS = ", ".join(f"sum({column})" for column in Counts._fields)
_IN_OUT_SUMS = "sum(octets_in + octets_unsplit), sum(octets_out)"
_COVERAGE_SUMS = ", ".join(f"sum({column})" for column in Coverage._fields)
_TAIL_COVERAGE = f"SELECT point, {_COVERAGE_SUMS} FROM tail_coverage WHERE bucket >= ? AND bucket < ? GROUP BY 1"  # noqa: S608
_SERIES = """SELECT s.id, e.device, s.scope, p.name FROM series s JOIN point p ON p.id = s.point
    LEFT JOIN episode e ON e.id = s.episode WHERE p.counts"""

TAIL = "tail_usage"

FEW = 2
"""So few series of a group are sooner added one after the other than put together first."""


class SumReader:
    """Reads through a connection in whose transaction the journal's tail was followed."""

    def __init__(
        self, connection: sqlite3.Connection, zone: tzinfo, booked: tzinfo, cycle: Cycle, overlay: Overlay
    ) -> None:
        """Steps are those of `zone`, buckets those of `booked` (see `zones`)."""
        self._connection = connection
        self.booked = booked
        self._overlay = overlay
        self._zone = zone
        self._cycle = cycle

    def owners(self, question: UsageQuery) -> owners.Owners:
        """Those of the devices asked for, where the question is about persons."""
        if "person" not in question.by and not question.persons:
            return {}
        owned = owners.owners(self._connection)
        return {
            device: ownership
            for device, ownership in owned.items()
            if not question.devices or device in question.devices
        }

    def groups(
        self, question: UsageQuery, top: frozenset[Group] | None, person_of: Mapping[int, str]
    ) -> dict[Group | None, list[int]]:
        """The series asked for, by what their usage is told apart by; those of points that count."""
        groups: dict[Group | None, list[int]] = {}
        by_device, by_scope, by_point, by_person = (word in question.by for word in USAGE_WORDS)
        for series, device, scope_number, point in self._series(question.devices):
            scope, person = SCOPES[scope_number], None if device is None else person_of.get(device)
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

    def _series(self, devices: tuple[int, ...]) -> Iterator[tuple[int, int | None, int, str]]:
        """Number, device, scope and point of the series of some devices, or of all, that the ledger knows or not."""
        sql, bound = _SERIES, tuple[str, ...]()
        if devices:
            sql = f"{_SERIES} AND e.device IN (SELECT value FROM json_each(?))"  # noqa: S608 - words of this module
            bound = (json.dumps(devices),)
        yield from self._connection.execute(sql, bound)
        if self._overlay.series:
            counting = {name for (name,) in self._connection.execute("SELECT name FROM point WHERE counts")}
            for row in self._overlay.series:
                if row[3] in counting and (not devices or row[1] in devices):
                    yield row

    def usage(self, question: UsageQuery, top: frozenset[Group] | None = None) -> GroupSums:
        """By the start of the step and the group; the rows of a span add up to its total, whatever the step.

        The span is cut where a device changes hands, and each part is summed with the owners it has.
        """
        sums: GroupSums = {}
        owned = self.owners(question)
        for start_s, end_s in owners.cut(owned, self._zone, *question.span):
            groups = self.groups(question, top, owners.at(owned, self._zone, start_s))
            part = self.within(replace(question, start_s=start_s, end_s=end_s), groups)
            if not sums:
                sums = part
                continue
            for group, step_sums in part.items():
                add_to(sums, group, step_sums.items())
        if question.step is TimeStep.TOTAL:
            return {group: {question.start_s: _sum(step_sums)} for group, step_sums in sums.items()}
        return sums

    def within(self, question: UsageQuery, groups: Mapping[Group | None, list[int]]) -> GroupSums:
        """The sums of series that are grouped already."""
        sums: GroupSums = {}
        group_of = {number: group for group, series in groups.items() for number in series}
        for (table, piece), cut in self._cuts(question):
            if table == TAIL:
                self._in_tail(sums, piece, cut, group_of)
            elif cut.expression == "0":
                self._together(sums, piece, cut, group_of)
            else:
                self._by_step(sums, piece, cut, group_of)
        return sums

    def days(self, question: UsageQuery) -> dict[tuple[int, int], tuple[int, int]]:
        """Octets in and out by start of the step and device; what a meter cannot tell apart counts as in."""
        sums: dict[tuple[int, int], tuple[int, int]] = {}
        device_of = {row[0]: row[1] for row in self._series(()) if row[1] is not None}
        for (table, piece), cut in self._cuts(question):
            rows = self._in_tail_days(piece, cut) if table == TAIL else self._in_days(piece, cut)
            for start_s, series, into, out in rows:
                if series in device_of:
                    key = start_s, device_of[series]
                    before = sums.get(key)
                    sums[key] = (before[0] + into, before[1] + out) if before else (into, out)
        return sums

    def coverage(self, start_s: int, end_s: int) -> dict[str, Coverage]:
        """By the name of the point, all of them."""
        names = dict(self._connection.execute("SELECT id, name FROM point ORDER BY name"))
        sums = {name: Coverage() for name in names.values()}
        for piece in self._pieces(start_s, end_s, COARSEST_FIRST):
            for _, point, columns in self._read(buckets.COVERAGE, piece):
                name = names[point]
                sums[name] = sums[name].plus(Coverage._make(map(sum, columns[1:])))
        tail = self._tail_piece(start_s, end_s)
        for point, *covered in self._connection.execute(_TAIL_COVERAGE, (tail.low, tail.high)):
            sums[names[point]] = sums[names[point]].plus(Coverage._make(covered))
        return sums

    def watched(self, question: UsageQuery) -> dict[str, dict[int, int]]:
        """For how long each point was watched, ms, by its name and the start of the step."""
        names = dict(self._connection.execute("SELECT id, name FROM point"))
        steps_by_point: dict[str, dict[int, int]] = {}

        def add(point: int, start_s: int, observed_ms: int) -> None:
            steps = steps_by_point.setdefault(names[point], {})
            steps[start_s] = steps.get(start_s, 0) + observed_ms

        for (table, piece), cut in self._cuts(question):
            if table == TAIL:
                sql = f"""SELECT {cut.expression}, point, sum(observed_ms) FROM tail_coverage
                    WHERE bucket >= ? AND bucket < ? GROUP BY 1, 2"""  # noqa: S608 - words of this module
                for bucket, point, observed_ms in self._connection.execute(sql, (piece.low, piece.high)):
                    add(point, cut.start_s(bucket), observed_ms)
                continue
            for chunk, point, columns in self._read(buckets.COVERAGE, piece):
                if cut.expression == "0":
                    add(point, cut.start_s(0), sum(columns[1]))
                    continue
                starts = cut.starts(piece.resolution.buckets(chunk, columns[0]))
                for start_s, observed_ms in zip(starts, columns[1], strict=True):
                    add(point, start_s, observed_ms)
        return steps_by_point

    def since_s(self) -> int | None:
        """Where the first usage begins: the first bucket of the finest resolution that goes back to it."""
        (first_s,) = self._connection.execute("SELECT min(bucket) FROM tail_usage").fetchone()
        for resolution in reversed(COARSEST_FIRST):
            bucket = buckets.oldest(self._connection, resolution)
            start_s = None if bucket is None else resolution.start(bucket, self.booked)
            if start_s is not None and (first_s is None or start_s < resolution.floor(first_s, self.booked)):
                first_s = start_s
        return None if first_s is None else int(first_s)

    def kept(self) -> RetainedSpans:
        return buckets.kept(self._connection, self.booked)

    def window(self, question: UsageQuery, low_s: int, high_s: int) -> tuple[int, int]:
        """Return the edges of a part of an answer that has whole buckets of the answer alone, UTC seconds."""
        start_s, end_s = question.span
        if question.step is TimeStep.CYCLE or not is_foreign(self.booked, self._zone, start_s, end_s):
            return low_s, high_s
        levels = _LEVELS.get(question.step, COARSEST_FIRST)
        spans = owners.cut(self.owners(question), self._zone, start_s, end_s)
        whole = [piece for span in spans for piece in self._pieces(*span, levels)]
        low_s, high_s = (
            at_s if at_s in (start_s, end_s) else whole_edge(whole, self.booked, self._zone, at_s)
            for at_s in (low_s, high_s)
        )
        return low_s, high_s

    def steps(self, question: UsageQuery, from_s: int) -> Iterator[int]:
        return steps(from_s, question.end_s, question.step, self._zone, self._cycle)

    def _together(self, sums: GroupSums, piece: Piece, cut: Cut, group_of: Mapping[int, Group | None]) -> None:
        """All of a piece as one step."""
        start_s = cut.start_s(0)
        for _, series, columns in self._read(buckets.USAGE, piece, group_of):
            add_to(sums, group_of[series], [(start_s, Counts._make(map(sum, columns[1:])))])

    def _by_step(self, sums: GroupSums, piece: Piece, cut: Cut, group_of: Mapping[int, Group | None]) -> None:
        """The series of a group are added up chunk by chunk."""
        for chunk, rows in groupby(self._read(buckets.USAGE, piece, group_of), itemgetter(0)):
            by_group: dict[Group | None, list[Columns]] = {}
            for _, series, columns in rows:
                by_group.setdefault(group_of[series], []).append(columns)
            for group, several in by_group.items():
                for offsets, *amounts in several if len(several) <= FEW else [together(several)]:
                    starts = cut.starts(piece.resolution.buckets(chunk, offsets))
                    add_columns(sums, group, starts, amounts)

    def _in_tail(self, sums: GroupSums, piece: Piece, cut: Cut, group_of: Mapping[int, Group | None]) -> None:
        sql = f"""SELECT {cut.expression}, series, {_SUMS} FROM {TAIL} WHERE bucket >= ? AND bucket < ?
            GROUP BY 1, 2"""  # noqa: S608 - words of this module
        for bucket, series, *counts in self._connection.execute(sql, (piece.low, piece.high)):
            if series in group_of:
                add_to(sums, group_of[series], [(cut.start_s(bucket), Counts._make(counts))])

    def _in_days(self, piece: Piece, cut: Cut) -> Iterator[tuple[int, int, int, int]]:
        """Start of the step, series, octets in and out of each bucket."""
        for chunk, series, (offsets, into, out, _, _, unsplit) in self._read(buckets.USAGE, piece):
            starts = cut.starts(piece.resolution.buckets(chunk, offsets))
            for start_s, octets_in, octets_out, octets in zip(starts, into, out, unsplit, strict=True):
                yield start_s, series, octets_in + octets, octets_out

    def _in_tail_days(self, piece: Piece, cut: Cut) -> Iterator[tuple[int, int, int, int]]:
        sql = f"""SELECT {cut.expression}, series, {_IN_OUT_SUMS} FROM {TAIL} WHERE bucket >= ? AND bucket < ?
            GROUP BY 1, 2"""  # noqa: S608 - words of this module
        for bucket, *row in self._connection.execute(sql, (piece.low, piece.high)):
            yield (cut.start_s(bucket), *row)

    def _read(
        self, kind: buckets.BucketKind, piece: Piece, keys: Collection[int] | None = None
    ) -> Iterator[buckets.BucketRange]:
        return buckets.read(self._connection, kind, piece.resolution, (piece.low, piece.high), keys)

    def _cuts(self, question: UsageQuery) -> Iterator[tuple[TablePart, Cut]]:
        """Cycles are summed one by one, as a cycle may begin within a day."""
        levels = _LEVELS.get(question.step, COARSEST_FIRST)
        one_by_one = question.step is TimeStep.CYCLE
        return cuts(
            question, self._zone, self._cycle, partial(self._parts, levels), one_by_one=one_by_one, booked=self.booked
        )

    def _parts(self, levels: tuple[Resolution, ...], start_s: int, end_s: int) -> list[TablePart]:
        """Closed buckets as coarse as they come, then finer ones, then the journal's tail."""
        whole = self._pieces(start_s, end_s, levels)
        return [
            *(TablePart(f"usage_{piece.resolution}", piece) for piece in whole),
            TablePart(TAIL, self._tail_piece(start_s, end_s)),
        ]

    def _pieces(self, start_s: int, end_s: int, levels: tuple[Resolution, ...]) -> list[Piece]:
        low_s, high_s = self.aligned(start_s), self.aligned(end_s)
        return pieces(low_s, high_s, self.booked, levels, self.kept().until)

    def aligned(self, at_s: int) -> int:
        """Return the instant moved back to the start of its finest bucket that is still there.

        A bucket of another time zone than that of the steps is not cut either: it is before or after the instant, as
        its middle is.
        """
        finest = self.kept().finest(at_s)
        start_s = finest.floor(at_s, self.booked)
        if self.booked is self._zone or finest not in _LONG or start_s == at_s:
            return start_s
        end_s = finest.ceiling(at_s, self.booked)
        return finest.nearest(at_s, self.booked) if is_foreign(self.booked, self._zone, start_s, end_s) else start_s

    def _tail_piece(self, start_s: int, end_s: int) -> Piece:
        """The instants of the journal's tail, which are starts of minutes or of seconds."""
        low, high = map(self.aligned, (start_s, end_s))
        return Piece(Resolution.SECOND, low, high, low, max(high, low + 1))


def _sum(steps: Mapping[int, Counts]) -> Counts:
    return reduce(Counts.plus, steps.values())
