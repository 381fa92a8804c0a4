"""Answers from the ledger: read-only, in snapshots, while the writer goes on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import tzinfo
from functools import cache, partial
from itertools import islice, pairwise
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from whitestat.errors import LedgerError, QueryError
from whitestat.ledger import buckets, export, people
from whitestat.ledger.answer import REST, Answer, Cursor, Group, rows_of, tag_of, top_of
from whitestat.ledger.question import BY_WORDS, DeviceName, DeviceRow, Question, Row, Step, check_span
from whitestat.ledger.resolutions import COARSEST_FIRST, Kept, Piece, Resolution, pieces
from whitestat.ledger.rows import SCOPES
from whitestat.ledger.schema import open_for_reading
from whitestat.ledger.tail import Tail
from whitestat.ledger.wal import log_of
from whitestat.model import Counts, Coverage, Episode
from whitestat.periods import CALENDAR_MONTHS, HOUR_S, MINUTE_S, Cycle, instant_text, minute_start, steps
from whitestat.units import address_text, mac_text

__all__ = ["BY_WORDS", "ROWS_MAX", "Answer", "Cursor", "DeviceName", "DeviceRow", "Queries", "Question", "Row", "Step"]

ROWS_MAX = 100_000
"""More rows than this are refused where all are wanted at once: they must fit a small machine's memory."""

ROWS_A_WINDOW = 4_096
"""How many rows of a long answer are read at a time: about 2 MB."""

SWEEPS_MAX, SCANS_MAX = 4, 32
"""Up to this many groups are summed one by one, if few of them need a sweep; more are summed by series."""


SEEKS_MAX = 12
"""Up to this many series are sought one by one within each chunk of a table; of more, all chunks are read."""


class _Coarser(NamedTuple):
    """What a step is made of, and the step to answer with where that has aged out."""

    of: Resolution
    step: Step


_INSTEAD = {
    Step.MINUTE: _Coarser(Resolution.MINUTE, Step.HOUR),
    Step.HOUR: _Coarser(Resolution.HOUR, Step.DAY),
    Step.DAY: _Coarser(Resolution.DAY, Step.MONTH),
    Step.WEEK: _Coarser(Resolution.DAY, Step.MONTH),
    Step.CYCLE: _Coarser(Resolution.DAY, Step.MONTH),
}

_LENGTHS_S = {Step.MINUTE: MINUTE_S, Step.HOUR: HOUR_S}
"""The longest there are: a zone may cut an hour, and never makes one longer."""

_LEVELS = {
    Step.DAY: COARSEST_FIRST[1:],
    Step.WEEK: COARSEST_FIRST[1:],
    Step.MINUTE: (Resolution.MINUTE,),
    Step.HOUR: (Resolution.HOUR, Resolution.MINUTE),
}
"""Which buckets an answer is made of; those of every other step are `COARSEST_FIRST`."""


class _Cut(NamedTuple):
    """How the buckets of a piece become steps: an expression, and the start of the step it gives."""

    expression: str
    start_s: Callable[[int], int]


_SUMS = ", ".join(f"sum({column})" for column in Counts._fields)
_IN_OUT = "sum(octets_in + octets_unsplit), sum(octets_out)"
_COVERAGE_SUMS = ", ".join(f"sum({column})" for column in Coverage._fields)
_SERIES = """SELECT s.id, e.device, d.person, s.scope, p.name FROM series s JOIN point p ON p.id = s.point
    LEFT JOIN episode e ON e.id = s.episode LEFT JOIN device d ON d.id = e.device WHERE p.counts"""
_COUNTING = "SELECT name FROM point WHERE counts ORDER BY name"
_DEVICES = """SELECT d.id, d.name, d.name_source, d.person, min(e.start_ms), max(e.last_seen_ms)
    FROM device d LEFT JOIN episode_seen e ON e.device = d.id GROUP BY d.id"""
_EPISODES = "SELECT id, device, mac, address, start_ms, end_ms FROM episode ORDER BY id"
_NAMES = "SELECT id, name FROM device"
_MACS = "SELECT device, mac FROM episode_seen WHERE mac IS NOT NULL ORDER BY last_seen_ms, id"
_ADDRESSES = """SELECT e.device, a.address FROM address_seen a JOIN episode e ON e.id = a.episode
    GROUP BY e.device, a.address ORDER BY max(a.last_ms) DESC, a.address"""


class Queries:
    """Holds one reading connection; any thread may ask, one is answered at a time. LedgerError on failure."""

    def __init__(self, path: Path, zone: tzinfo, cycle: Cycle = CALENDAR_MONTHS) -> None:
        self._path = path
        self._zone = zone
        self._cycle = cycle
        self._lock = Lock()
        self._connection = open_for_reading(path)
        self._tail = Tail(self._connection)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def usage(self, question: Question) -> list[Row]:
        """Rows as those of `answer`, all at once; QueryError where they are too many."""
        rows = list(islice(self.answer(question).rows(), ROWS_MAX + 1))
        if len(rows) > ROWS_MAX:
            raise QueryError("step", f"the answer has more than {ROWS_MAX} rows; ask for a longer step")
        return rows

    def answer(self, question: Question) -> Answer:
        """What can be said at once; its rows are read as they are taken, a window of some thousand at a time.

        Whatever the step, the rows of a span add up to its total. Each window is of whole flushes. Edges that fall
        into a bucket which is the finest still kept move back to its start.
        """
        with self._snapshot():
            step, notice = self._settled(question)
            totals = self._sums(replace(question, step=Step.TOTAL), self._groups(question))
            names = self._names() if "device" in question.by else {}
            coverage = self._coverage(question.start_s, question.end_s, question.points)
        found = sorted((group.order, group, counts) for (_, group), counts in totals.items() if group)
        top = top_of({group: counts for _, group, counts in found}, question.top)
        shown = [names.get(group.device) for _, group, _ in found if group.device is not None]
        tag = tag_of(question, notice, str(self._zone), self._cycle, found, shown, coverage)
        if step is Step.TOTAL and top is None:
            rows = rows_of(totals, names)
            return Answer(question, step, notice, coverage, tag, lambda _: iter([rows]))
        windows = partial(self._windows, replace(question, step=step), top, names)
        return Answer(question, step, notice, coverage, tag, windows)

    def days(self, start_s: int, end_s: int) -> dict[tuple[int, int], tuple[int, int]]:
        """Octets in and out by start of the local day and device, of spans too long for a `Row` each.

        What a meter cannot tell apart counts as in. A third of what `usage` costs.
        """
        question = Question(start_s, end_s, Step.DAY)
        sums: dict[tuple[int, int], tuple[int, int]] = {}
        with self._snapshot():
            device_of = {row[0]: row[1] for row in self._connection.execute(_SERIES) if row[1] is not None}
            for table, piece, cut in self._cuts(question, few=False):
                cursor = self._select(table, piece, cut.expression, "series,", list(device_of), sums=_IN_OUT)
                for bucket, series, into, out in cursor:
                    key = cut.start_s(bucket), device_of[series]
                    before = sums.get(key)
                    sums[key] = (before[0] + into, before[1] + out) if before else (into, out)
        return sums

    def points(self) -> list[str]:
        """The names of all points that count, in their order."""
        with self._snapshot():
            return [name for (name,) in self._connection.execute(_COUNTING)]

    def devices(self) -> list[DeviceRow]:
        """Every device, by id."""
        with self._snapshot():
            rows = self._connection.execute(_DEVICES).fetchall()
            macs = dict(self._connection.execute(_MACS))  # of several, the latest stays
            addresses: dict[int, list[str]] = {}
            for device, address in self._connection.execute(_ADDRESSES):
                addresses.setdefault(device, []).append(address_text(address))
        return [
            DeviceRow(id, name, source, _mac(macs.get(id)), tuple(addresses.get(id, ())), person, first_ms, last_ms)
            for id, name, source, person, first_ms, last_ms in rows
        ]

    def episodes(self) -> list[Episode]:
        """Every episode, by id."""
        with self._snapshot():
            return [Episode(*row) for row in self._connection.execute(_EPISODES)]

    def picture(self) -> dict[str, dict[people.Key, people.Row]]:
        """All that edits are about, by table and key."""
        with self._snapshot():
            return people.rows(self._connection)

    def export(self, device: int) -> dict[str, list[export.Cells]]:
        """All that is kept about a device but its usage, by table."""
        with self._snapshot():
            return export.of_device(self._connection, device)

    def proposals(self) -> list[people.ProposalRow]:
        """The latest first."""
        with self._snapshot():
            return people.proposals(self._connection)

    def edits(self, most: int = 200) -> list[people.EditRow]:
        """The latest first."""
        with self._snapshot():
            return people.edits(self._connection, most)

    def events(self, most: int = 200) -> list[people.EventRow]:
        """The latest first."""
        with self._snapshot():
            return people.events(self._connection, most=most)

    def coverage(self, start_s: int, end_s: int) -> dict[str, Coverage]:
        """How much of each point was seen, by its name; a point that was not watched has all zeros."""
        check_span(start_s, end_s)
        with self._snapshot():
            return self._sums_of_coverage(start_s, end_s)

    def _add_coverage(self, sums: dict[str, Coverage], table: str, piece: Piece) -> None:
        chunked, chunks = _chunks(table, piece, SEEKS_MAX + 1)
        sql = f"""SELECT p.name, {_COVERAGE_SUMS} FROM {table} c JOIN point p ON p.id = c.point
            WHERE {chunked} bucket >= ? AND bucket < ? GROUP BY p.id"""  # noqa: S608 - words of this module
        for name, *covered in self._connection.execute(sql, (*chunks, piece.low, piece.high)):
            sums[name] = sums[name].plus(Coverage(*covered))

    def octets_on_disk(self) -> int:
        """The database with its write-ahead log."""
        files = (self._path, log_of(self._path))
        return sum(file.stat().st_size for file in files if file.exists())

    def _coverage(self, start_s: int, end_s: int, points: tuple[str, ...]) -> dict[str, Coverage]:
        """That of the points named, or of all, which count."""
        counting = [name for (name,) in self._connection.execute(_COUNTING) if not points or name in points]
        sums = self._sums_of_coverage(start_s, end_s)
        return {name: sums[name] for name in counting}

    def _sums_of_coverage(self, start_s: int, end_s: int) -> dict[str, Coverage]:
        names = self._connection.execute("SELECT name FROM point ORDER BY name").fetchall()
        sums = {name: Coverage() for (name,) in names}
        for piece in self._pieces(start_s, end_s, COARSEST_FIRST):
            self._add_coverage(sums, f"coverage_{piece.resolution}", piece)
        self._add_coverage(sums, "tail_coverage", self._tail_piece(start_s, end_s))
        return sums

    def _windows(
        self, question: Question, top: frozenset[Group] | None, names: Mapping[int, DeviceName], from_s: int
    ) -> Iterator[list[Row]]:
        """Rows from the step on that starts then, in lists of whole steps, so that few are in memory at a time."""
        low_s = self._checked_start(question, from_s)
        while low_s < question.end_s:
            with self._snapshot():
                groups = self._groups(question, top)
                high_s = self._window_end(question, low_s, len(groups))
                sums = self._sums(replace(question, start_s=low_s, end_s=high_s), groups)
            yield rows_of(sums, names)
            low_s = high_s

    def _checked_start(self, question: Question, from_s: int) -> int:
        """Where in the span the step that starts then begins; QueryError where none does."""
        if from_s == question.start_s:
            return from_s
        low_s = max(from_s, question.start_s)
        if low_s < question.end_s and next(self._steps(question, low_s)) == from_s:
            return low_s
        raise QueryError("cursor", "is not one of this question")

    def _window_end(self, question: Question, low_s: int, groups: int) -> int:
        if question.step is Step.TOTAL:
            return question.end_s
        size = max(1, ROWS_A_WINDOW // max(1, groups))
        if question.step in _LENGTHS_S:  # no need to walk thousands of steps to find where one starts
            far_s = low_s + size * _LENGTHS_S[question.step]
            return min(question.end_s, Resolution(question.step.value).floor(far_s, self._zone))
        return next(islice(self._steps(question, low_s), size, None), question.end_s)

    def _steps(self, question: Question, from_s: int) -> Iterator[int]:
        return steps(from_s, question.end_s, question.step, self._zone, self._cycle)

    def _sums(
        self, question: Question, groups: Mapping[Group | None, list[int]]
    ) -> dict[tuple[int, Group | None], Counts]:
        sums: dict[tuple[int, Group | None], Counts] = {}
        for table, piece, cut in self._cuts(question, few=_are_few(groups)):
            for bucket, group, counts in self._scan(table, piece, cut.expression, groups):
                key = cut.start_s(bucket), group
                sums[key] = sums[key].plus(counts) if key in sums else counts
        return sums

    def _groups(self, question: Question, top: frozenset[Group] | None = None) -> dict[Group | None, list[int]]:
        """The series asked for, by what their usage is told apart by; those of points that count."""
        groups: dict[Group | None, list[int]] = {}
        for series, device, person, scope_number, point in self._connection.execute(_SERIES):
            scope = SCOPES[scope_number]
            if (
                question.scope not in (None, scope)
                or (question.devices and device not in question.devices)
                or (question.points and point not in question.points)
                or (question.persons and person not in question.persons)
            ):
                continue
            by = dict(zip(BY_WORDS, (device, scope, point), strict=True))
            group = Group(*(value if word in question.by else None for word, value in by.items()))
            groups.setdefault(group if top is None or group in top else REST, []).append(series)
        return groups

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

    def _select(
        self, table: str, piece: Piece, expression: str, also: str, series: list[int], *, sums: str = _SUMS
    ) -> sqlite3.Cursor:
        by = "1, 2" if also else "1"
        chunked, chunks = _chunks(table, piece, len(series))
        sql = f"""SELECT {expression}, {also} {sums} FROM {table}
            WHERE {chunked} bucket >= ? AND bucket < ? AND series IN (SELECT value FROM json_each(?))
            GROUP BY {by}"""  # noqa: S608 - all are words of this module
        return self._connection.execute(sql, (*chunks, piece.low, piece.high, json.dumps(series)))

    def _cuts(self, question: Question, *, few: bool) -> Iterator[tuple[str, Piece, _Cut]]:
        """The tables to sum and which of their buckets, with how; each octet is in one of them.

        Cycles are summed one by one, as a cycle may begin within a day; weeks too where adding up their days
        would be more work than reading a month for each.
        """
        if question.step is not Step.CYCLE and (few or question.step is not Step.WEEK):
            levels = _LEVELS.get(question.step, COARSEST_FIRST)
            for table, piece in self._parts(question.start_s, question.end_s, levels):
                yield table, piece, self._cut(question, piece)
            return
        starts = list(steps(question.start_s, question.end_s, question.step, self._zone, self._cycle))
        edges = [question.start_s, *starts[1:], question.end_s]
        for start_s, (low_s, high_s) in zip(starts, pairwise(edges), strict=True):
            cut = _Cut("0", partial(_same, start_s))
            yield from ((table, piece, cut) for table, piece in self._parts(low_s, high_s, COARSEST_FIRST))

    def _cut(self, question: Question, piece: Piece) -> _Cut:
        step, zone = question.step, self._zone
        if step is Step.TOTAL:
            return _Cut("0", lambda _: question.start_s)
        if step is Step.WEEK:
            start_of = piece.resolution.start
            return _Cut("bucket", cache(lambda bucket: next(self._steps(question, start_of(bucket, zone)))))
        of_step = Resolution(step.value)
        if step is Step.MONTH and piece.resolution is Resolution.DAY:
            return _Cut("bucket / 100", cache(lambda month: of_step.start(month, zone)))
        if of_step is piece.resolution:
            return _Cut("bucket", cache(lambda bucket: of_step.start(bucket, zone)))
        start_s = of_step.floor(piece.start_s, zone)
        if start_s == of_step.floor(piece.end_s - 1, zone):  # a part of one bucket
            return _Cut("0", lambda _: start_s)
        return _Cut("bucket", cache(lambda bucket: of_step.floor(piece.resolution.start(bucket, zone), zone)))

    def _parts(self, start_s: int, end_s: int, levels: tuple[Resolution, ...]) -> list[tuple[str, Piece]]:
        """Closed buckets as coarse as they come, then finer ones, then the journal's tail."""
        whole = self._pieces(start_s, end_s, levels)
        return [
            *((f"usage_{each.resolution}", each) for each in whole),
            ("tail_usage", self._tail_piece(start_s, end_s)),
        ]

    def _settled(self, question: Question) -> tuple[Step, str | None]:
        """How long the rows can be at least, and what must be said where that is not what was asked."""
        kept, step = self._kept(), question.step
        notices = []
        while step in _INSTEAD and question.start_s < kept.since_s(_INSTEAD[step].of):
            since = instant_text(kept.since_s(_INSTEAD[step].of), self._zone)
            notices.append(f"each {_INSTEAD[step].of} is kept since {since}")
            step = _INSTEAD[step].step
        if notices:
            notices.append(f"so each row is a {step}".replace("a hour", "an hour"))
        for name, at_s in (("start", question.start_s), ("end", question.end_s)):
            aligned_s = kept.aligned(at_s, self._zone)
            if aligned_s < minute_start(at_s):
                text = instant_text(aligned_s, self._zone)
                notices.append(f"{name} moved back to {text}, as nothing finer is kept there")
        return step, ", ".join(notices) or None

    def _pieces(self, start_s: int, end_s: int, levels: tuple[Resolution, ...]) -> list[Piece]:
        kept, zone = self._kept(), self._zone
        return pieces(kept.aligned(start_s, zone), kept.aligned(end_s, zone), zone, levels, kept.until)

    def _tail_piece(self, start_s: int, end_s: int) -> Piece:
        """The minutes of the journal's tail."""
        low, high = (self._kept().aligned(at_s, self._zone) for at_s in (start_s, end_s))
        return Piece(Resolution.MINUTE, low, high, low, max(high, low + 1))

    def _kept(self) -> Kept:
        return buckets.kept(self._connection, self._zone)

    def _names(self) -> dict[int, DeviceName]:
        macs = dict(self._connection.execute(_MACS))
        return {
            device: DeviceName(device, name, _mac(macs.get(device)))
            for device, name in self._connection.execute(_NAMES)
        }

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """All statements of an answer see the same flushes. What the tail took in stays for the next answer."""
        with self._lock:
            try:
                self._connection.execute("BEGIN")
                try:
                    self._tail.follow()
                    yield
                finally:
                    self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise LedgerError(f"{self._path}: cannot be read: {error}") from error


def _are_few(groups: Mapping[Group | None, list[int]]) -> bool:
    """Whether they are summed one by one."""
    sweeps = sum(len(series) > SEEKS_MAX for series in groups.values())
    return len(groups) <= SCANS_MAX and sweeps <= SWEEPS_MAX


def _chunks(table: str, piece: Piece, series: int) -> tuple[str, tuple[object, ...]]:
    """The part of a condition that finds the rows of some series: by seeks for a few, else in one sweep."""
    if table.startswith("tail"):
        return "", ()
    low, high = piece.resolution.chunk(piece.low), piece.resolution.chunk(piece.high)
    if series <= SEEKS_MAX:
        return "chunk IN (SELECT value FROM json_each(?)) AND", (json.dumps(list(range(low, high + 1))),)
    return "chunk BETWEEN ? AND ? AND", (low, high)


def _same(start_s: int, _: int) -> int:
    return start_s


def _device(names: dict[int, DeviceName], device: int | None) -> DeviceName | None:
    return None if device is None else names.get(device) or DeviceName(device, None, None)


def _mac(mac: bytes | None) -> str | None:
    return None if mac is None else mac_text(mac)
