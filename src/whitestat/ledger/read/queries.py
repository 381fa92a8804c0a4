"""Answers from the ledger: read-only, in snapshots, while the writer goes on."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import tzinfo
from functools import partial
from itertools import islice
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING, NamedTuple

from whitestat.core.calendar import CALENDAR_MONTHS, HOUR_S, MINUTE_S, Cycle, instant_text, minute_start, steps
from whitestat.core.errors import DamagedLedger, LedgerError, Missing, QueryError
from whitestat.core.model import Counts, Coverage, Episode
from whitestat.core.units import address_text, mac_text
from whitestat.ledger.files.blocks import file_of
from whitestat.ledger.files.database import is_damage
from whitestat.ledger.files.place import Place
from whitestat.ledger.files.wal import log_of
from whitestat.ledger.read import export, owners
from whitestat.ledger.read.answer import Cursor, Group, GroupSums, UsageResult, rows_of, tag_of, top_of
from whitestat.ledger.read.breakdown import BreakdownPlan
from whitestat.ledger.read.gaps import LEAST_MS, Gap, Gaps, by_step, gaps
from whitestat.ledger.read.limits import current
from whitestat.ledger.read.notices import zone_notices
from whitestat.ledger.read.readers import LedgerReader, ReaderPool
from whitestat.ledger.resolutions import LATEST_S, Resolution
from whitestat.ledger.tables import alarms, people, plans
from whitestat.ledger.tables.plans import PlanRow
from whitestat.ledger.tables.unflushed import Memory, names_of, with_sightings
from whitestat.ledger.usage_query import BY_WORDS, DeviceName, DeviceRow, TimeStep, UsageQuery, UsageRow, check_span

if TYPE_CHECKING:
    from whitestat.plans.status import Owner, PlanStatus, PlanUsage, UsageCell

    PlanCells = Mapping[tuple[UsageCell, Owner], Counts]

__all__ = [
    "BY_WORDS",
    "ROWS_MAX",
    "Cursor",
    "DeviceName",
    "DeviceRow",
    "Gaps",
    "PlanRow",
    "Queries",
    "TimeStep",
    "UsageQuery",
    "UsageResult",
    "UsageRow",
]

ROWS_MAX = 100_000
"""More rows than this are refused where all are wanted at once: they must fit a small machine's memory."""

LET_PASS_S = 0.02

MOST_READERS = 3
"""How many answers are read at the same time; each reader takes up to 1 MB."""

PROGRESS_STEPS = 5_000
"""How many steps of SQLite's virtual machine pass until it asks whether to go on: about a millisecond."""

STEPS_MAX = 2_000
"""Of so many steps it is told what was not watched: 33 hours by the minute, 83 days by the hour."""

UNFLUSHED_S = 900
"""So far back the last flush is looked for: flushes are less than this apart."""

ROWS_A_WINDOW = 4_096
"""How many rows of a long answer are read at a time: about 2 MB."""


class AddressTimes(NamedTuple):
    """An address of a device, from when to when it was seen, UTC milliseconds; the start is None until it is folded."""

    address: str
    first_ms: int | None
    last_ms: int


class _Coarser(NamedTuple):
    """What a step is made of, and the step to answer with where that has aged out."""

    of: Resolution
    step: TimeStep


_INSTEAD = {
    TimeStep.SECOND: _Coarser(Resolution.SECOND, TimeStep.MINUTE),
    TimeStep.MINUTE: _Coarser(Resolution.MINUTE, TimeStep.HOUR),
    TimeStep.HOUR: _Coarser(Resolution.HOUR, TimeStep.DAY),
    TimeStep.DAY: _Coarser(Resolution.DAY, TimeStep.MONTH),
    TimeStep.WEEK: _Coarser(Resolution.DAY, TimeStep.MONTH),
    TimeStep.CYCLE: _Coarser(Resolution.DAY, TimeStep.MONTH),
}

_LENGTHS_S = {TimeStep.SECOND: 1, TimeStep.MINUTE: MINUTE_S, TimeStep.HOUR: HOUR_S}
"""The longest there are: a zone may cut an hour, and never makes one longer."""


_COUNTING = "SELECT name FROM point WHERE counts ORDER BY name"
_DEVICES = """SELECT d.id, d.name, d.name_source, min(e.start_ms), max(e.last_seen_ms)
    FROM device d JOIN episode_seen e ON e.device = d.id GROUP BY d.id"""
_EPISODES = "SELECT id, device, mac, address, start_ms, end_ms FROM episode ORDER BY id"
_NAMES = "SELECT id, name FROM device"
_MACS = "SELECT device, mac FROM episode_seen WHERE mac IS NOT NULL ORDER BY last_seen_ms, id"
_ADDRESS_TIMES = """SELECT a.address, min(f.first_ms), max(a.last_ms) FROM address_seen a
    JOIN episode e ON e.id = a.episode
    LEFT JOIN main.episode_address f ON f.episode = a.episode AND f.address = a.address
    WHERE e.device = ? GROUP BY a.address ORDER BY max(a.last_ms) DESC, a.address LIMIT 200"""
_ADDRESSES = """SELECT device, address FROM (
        SELECT e.device, a.address, a.last_ms FROM address_seen a JOIN episode e ON e.id = a.episode
        UNION ALL SELECT device, address, last_seen_ms FROM episode_seen WHERE mac IS NULL AND address IS NOT NULL
    ) GROUP BY device, address ORDER BY max(last_ms) DESC, address"""
"""The addresses seen with each device; that of an episode without a MAC is what it is told apart by."""
_LABELS = "SELECT device, text FROM label ORDER BY device, text"


class _Window(NamedTuple):
    """Whole steps of an answer: where they end, and their sums."""

    end_s: int
    sums: GroupSums


class Queries:
    """Holds reading connections; any thread may ask, and as many are answered at a time. LedgerError on failure."""

    def __init__(self, path: Path, zone: tzinfo, cycle: Cycle = CALENDAR_MONTHS, memory: Memory | None = None) -> None:
        """`memory` is the process that counts, where it is asked too for what is not written yet."""
        self._memory = memory
        self._path = path
        self._zone = zone
        self._cycle = cycle
        self.tell: Callable[[str, Place | None], None] = lambda reason, place: None
        """Called with what is damaged, and where, when a question comes across it."""
        self._readers = ReaderPool(path, lambda: LedgerReader(path, zone, cycle), MOST_READERS)

    def close(self) -> None:
        """From any thread; what is being answered fails at once, with a LedgerError."""
        self._readers.close()

    @property
    def household(self) -> Queries:
        """These queries: they are about the household as a whole."""
        return self

    def let_pass(self) -> None:
        """Returns when no question is being answered, or in 20 ms: for work that can wait, between its parts."""
        self._readers.wait_idle(LET_PASS_S)

    def usage(self, question: UsageQuery) -> list[UsageRow]:
        """Rows as those of `answer`, all at once; QueryError where they are too many."""
        rows = list(islice(self.answer(question).rows(), ROWS_MAX + 1))
        if len(rows) > ROWS_MAX:
            raise QueryError("step", f"the answer has more than {ROWS_MAX} rows; ask for a longer step")
        return rows

    def answer(self, question: UsageQuery) -> UsageResult:
        """What can be said at once; its rows are read as they are taken, a window of some thousand at a time.

        Whatever the step, the rows of a span add up to its total. Each window is of whole flushes. Edges that fall
        into a bucket which is the finest still kept move back to its start.
        """
        if question.about:
            return self._detailed_answer(question)
        with self._snapshot() as reader:
            step, notice = self._settled(reader, question)
            totals = reader.sums.usage(replace(question, step=TimeStep.TOTAL))
            names = self._names(reader, question.devices) if "device" in question.by else {}
            owned = sorted(reader.sums.owners(question).items())
            coverage = self._coverage(reader, question.start_s, question.end_s, question.points)
        ordered = sorted(
            (group.order, group, counts) for group, steps in totals.items() if group for counts in steps.values()
        )
        top = top_of({group: counts for _, group, counts in ordered}, question.top)
        shown = [names.get(group.device) for _, group, _ in ordered if group.device is not None]
        tag = tag_of(question, notice, str(self._zone), self._cycle, ordered, shown, owned, coverage)
        if step is TimeStep.TOTAL and top is None:
            return UsageResult(question, step, notice, coverage, tag, lambda _: iter([rows_of(totals, names)]))
        query = replace(question, step=step)
        kinds = (len(totals) if top is None else len(top) + 1) + len(owned)
        windows = partial(self._windows, query, partial(self._usage_from, query, top, kinds), names)
        return UsageResult(question, step, notice, coverage, tag, windows)

    def _detailed_answer(self, question: UsageQuery) -> UsageResult:
        """One about services or peers: what is known of them beside what is not."""
        with self._snapshot() as reader:
            plan = reader.detailed.plan(question)
            names = self._names(reader, question.devices) if "device" in question.by else {}
            totals = reader.sums.usage(replace(plan.question, step=TimeStep.TOTAL))
            owned = sorted(reader.sums.owners(question).items())
            coverage = self._coverage(reader, question.start_s, question.end_s, question.points)
        usage = sorted((group.order, *steps.values()) for group, steps in totals.items() if group)
        shown = sorted(names.items())
        tag = tag_of(plan.mark, plan.notice, str(self._zone), self._cycle, usage, shown, owned, coverage)

        def windows(from_s: int) -> Iterator[Iterable[UsageRow]]:
            first_s = plan.question.start_s if from_s == question.start_s else from_s
            return self._windows(plan.question, partial(self._detail_from, plan), names, first_s)

        return UsageResult(question, plan.question.step, plan.notice, coverage, tag, windows)

    def days(self, start_s: int, end_s: int) -> dict[tuple[int, int], tuple[int, int]]:
        """Octets in and out by start of the local day and device, of spans too long for a `UsageRow` each.

        What a meter cannot tell apart counts as in. A third of what `usage` costs.
        """
        with self._snapshot() as reader:
            return reader.sums.days(UsageQuery(start_s, end_s, TimeStep.DAY))

    def points(self) -> list[str]:
        """The names of all points that count, in their order."""
        with self._snapshot() as reader:
            return [name for (name,) in reader.connection.execute(_COUNTING)]

    def devices(self) -> list[DeviceRow]:
        """Every device that has episodes, by id; `person` is its present owner. One that was merged has none."""
        with self._snapshot() as reader:
            rows = reader.connection.execute(_DEVICES).fetchall()
            owned = owners.owners(reader.connection)
            macs = dict(reader.connection.execute(_MACS))  # of several, the latest stays
            addresses: dict[int, list[str]] = {}
            labels: dict[int, list[str]] = {}
            for device, text in reader.connection.execute(_LABELS):
                labels.setdefault(device, []).append(text)
            for device, address in reader.connection.execute(_ADDRESSES):
                addresses.setdefault(device, []).append(address_text(address))
            sighted = reader.overlay.sighted
        known = [
            DeviceRow(
                id,
                name,
                source,
                _mac(macs.get(id)),
                tuple(addresses.get(id, ())),
                owners.now(owned.get(id, ())),
                first_ms,
                last_ms,
                tuple(labels.get(id, ())),
            )
            for id, name, source, first_ms, last_ms in rows
        ]
        return with_sightings(known, sighted)

    def address_times(self, device: int) -> list[AddressTimes]:
        """The latest 200 addresses that a device had, the latest first."""
        with self._snapshot() as reader:
            rows = reader.connection.execute(_ADDRESS_TIMES, (device,)).fetchall()
        return [AddressTimes(address_text(address), first_ms, last_ms) for address, first_ms, last_ms in rows]

    def persons(self) -> list[str]:
        """Return the names of all people that own or may own a device."""
        with self._snapshot() as reader:
            return owners.persons(reader.connection)

    def held(self, person: str) -> dict[int, tuple[tuple[int, int | None], ...]]:
        """Devices that are the person's or were: from when up to and without when, UTC seconds; None is still."""
        with self._snapshot() as reader:
            owned = owners.owners(reader.connection)
        spans = {device: owners.spans(ownership, person, self._zone) for device, ownership in owned.items()}
        return {device: parts for device, parts in spans.items() if parts}

    def episodes(self) -> list[Episode]:
        """Every episode, by id."""
        with self._snapshot() as reader:
            return [Episode(*row) for row in reader.connection.execute(_EPISODES)]

    def picture(self) -> dict[str, dict[people.RowKey, people.RowValues]]:
        """All that edits are about, by table and key."""
        with self._snapshot() as reader:
            return people.rows(reader.connection)

    def export(self, device: int) -> dict[str, list[export.Cells]]:
        """All that is kept about a device but its usage, by table."""
        with self._snapshot() as reader:
            return export.of_device(reader.connection, device)

    def proposals(self) -> list[people.ProposalRow]:
        """The latest first."""
        with self._snapshot() as reader:
            return people.proposals(reader.connection)

    def edits(self, most: int = 200) -> list[people.EditRow]:
        """The latest first."""
        with self._snapshot() as reader:
            return people.edits(reader.connection, most)

    def events(self, most: int = 200) -> list[people.EventRow]:
        """The latest first."""
        with self._snapshot() as reader:
            return people.events(reader.connection, most=most)

    def alarms(self, prefix: str) -> dict[str, alarms.AlarmRow]:
        """Return the alarms with keys that begin so."""
        with self._snapshot() as reader:
            rows = alarms.alarms(reader.connection)
        return {key: row for key, row in rows.items() if key.startswith(prefix)}

    def plan_statuses(self, now_s: int) -> dict[int, PlanStatus]:
        """Where each plan that is agreed stands, by its number."""
        with self._snapshot() as reader:
            rows = plans.plans(reader.connection)
            if not rows:
                return {}
            books_of, _, plan_status = load_plans()
            books_by_plan = {row.id: books_of(reader.connection, reader.booked, row, now_s) for row in rows}
        return {id: plan_status(books, now_s, reader.booked) for id, books in books_by_plan.items()}

    def plan_usage(self, plan: int, start_s: int, end_s: int) -> tuple[PlanRow, PlanCells]:
        """Return the plan, and usage on its days that begin in the span, by tariff and owner. Raises Missing."""
        check_span(start_s, end_s)
        with self._snapshot() as reader:
            row = next((plan_row for plan_row in plans.plans(reader.connection) if plan_row.id == plan), None)
            if row is None:
                raise Missing("plan", f"there is no plan {plan}")
            return row, load_plans().usage_of(reader.connection, reader.booked, row, start_s, end_s)

    def coverage(self, start_s: int, end_s: int) -> dict[str, Coverage]:
        """How much of each point was seen, by its name; a point that was not watched has all zeros."""
        check_span(start_s, end_s)
        with self._snapshot() as reader:
            return reader.sums.coverage(start_s, end_s)

    def not_watched(self, question: UsageQuery, now_s: int) -> dict[str, list[Gap]] | None:
        """Return what each point asked about missed of each step until the last flush.

        None without steps, or with more than `STEPS_MAX`. Minutes that wait for the next flush are not missed.
        """
        if question.step is TimeStep.TOTAL:
            return None
        with self._snapshot() as reader:
            starts = list(islice(reader.sums.steps(question, question.start_s), STEPS_MAX + 1))
            if len(starts) > STEPS_MAX:
                return None
            until_s = min(question.end_s, self._watched_until(reader, now_s))
            watched = reader.sums.watched(question)
            points = [name for (name,) in reader.connection.execute(_COUNTING)]
        return {
            name: by_step(watched.get(name, {}), starts, question.start_s, until_s)
            for name in points
            if not question.points or name in question.points
        }

    def _watched_until(self, reader: LedgerReader, now_s: int) -> int:
        """Return up to when coverage is known: the start of this minute, or of the last one that was watched in part.

        Where no minute of the last quarter of an hour was watched, nothing waits for a flush.
        """
        now_s = minute_start(now_s)
        recent = UsageQuery(now_s - UNFLUSHED_S, now_s + MINUTE_S, TimeStep.MINUTE)
        minutes: dict[int, int] = {}
        for watched in reader.sums.watched(recent).values():
            for start_s, observed_ms in watched.items():
                minutes[start_s] = max(observed_ms, minutes.get(start_s, 0))
        if not minutes:
            return now_s
        last_s = max(minutes)
        return min(now_s, last_s + (MINUTE_S if minutes[last_s] >= MINUTE_S * 1000 - LEAST_MS else 0))

    def gaps(self, start_s: int, end_s: int, now_s: int) -> Gaps:
        """When each point was not watched, up to now at the latest."""
        check_span(start_s, end_s)
        with self._snapshot() as reader:
            return gaps(reader.connection, reader.booked, reader.sums.kept(), start_s, min(end_s, now_s))

    def since_s(self) -> int | None:
        """Where the first usage there is begins, UTC seconds; None in an empty ledger."""
        with self._snapshot() as reader:
            return reader.sums.since_s()

    def octets_free(self) -> int:
        """Return the free octets on the disk of the database for its user."""
        return disk_usage(self._path.parent).free

    def octets_on_disk(self) -> int:
        """The database with its write-ahead log and the flushes that are not folded."""
        files = (self._path, log_of(self._path), file_of(self._path))
        return sum(file.stat().st_size for file in files if file.exists())

    def _coverage(self, reader: LedgerReader, start_s: int, end_s: int, points: tuple[str, ...]) -> dict[str, Coverage]:
        """That of the points named, or of all, which count."""
        counting = [name for (name,) in reader.connection.execute(_COUNTING) if not points or name in points]
        sums = reader.sums.coverage(start_s, end_s)
        return {name: sums[name] for name in counting}

    def _windows(
        self,
        question: UsageQuery,
        read: Callable[[LedgerReader, int], _Window],
        names: Mapping[int, DeviceName],
        from_s: int,
    ) -> Iterator[Iterable[UsageRow]]:
        """Rows from the step on that starts then, whole steps at a time, so that few are in memory."""
        low_s = self._checked_start(question, from_s)
        while low_s < question.end_s:
            with _uncollected():
                with self._snapshot() as reader:
                    low_s, sums = read(reader, low_s)
                rows = rows_of(sums, names)
            yield rows

    def _usage_from(
        self, question: UsageQuery, top: frozenset[Group] | None, kinds: int, reader: LedgerReader, low_s: int
    ) -> _Window:
        high_s = self._window_end(question, low_s, kinds)
        start_s, end_s = reader.sums.window(question, low_s, high_s)
        if start_s >= end_s:
            return _Window(high_s, {})
        return _Window(high_s, reader.sums.usage(replace(question, start_s=start_s, end_s=end_s), top))

    def _detail_from(self, plan: BreakdownPlan, reader: LedgerReader, low_s: int) -> _Window:
        high_s = self._window_end(plan.question, low_s, plan.kinds)
        return _Window(high_s, reader.detailed.sums(plan, low_s, high_s))

    def _checked_start(self, question: UsageQuery, from_s: int) -> int:
        """Where in the span the step that starts then begins; QueryError where none does."""
        if from_s == question.start_s:
            return from_s
        low_s = max(from_s, question.start_s)
        if low_s < question.end_s and next(self._steps(question, low_s)) == from_s:
            return low_s
        raise QueryError("cursor", "is not one of this question")

    def _window_end(self, question: UsageQuery, low_s: int, groups: int) -> int:
        if question.step is TimeStep.TOTAL:
            return question.end_s
        size = max(1, ROWS_A_WINDOW // max(1, groups))
        if question.step in _LENGTHS_S:  # no need to walk thousands of steps to find where one starts
            far_s = low_s + size * _LENGTHS_S[question.step]
            return min(question.end_s, Resolution(question.step.value).floor(far_s, self._zone))
        return next(islice(self._steps(question, low_s), size, None), question.end_s)

    def _steps(self, question: UsageQuery, from_s: int) -> Iterator[int]:
        return steps(from_s, question.end_s, question.step, self._zone, self._cycle)

    def _settled(self, reader: LedgerReader, question: UsageQuery) -> tuple[TimeStep, str | None]:
        """How long the rows can be at least, and what must be said where that is not what was asked."""
        kept, step = reader.sums.kept(), question.step
        notices = []
        while step in _INSTEAD and question.start_s < kept.since_s(_INSTEAD[step].of):
            notices.append(self._kept_text(_INSTEAD[step].of, kept.since_s(_INSTEAD[step].of)))
            step = _INSTEAD[step].step
        if notices:
            notices.append(f"so each row is a {step}".replace("a hour", "an hour"))
        for name, at_s in (("start", question.start_s), ("end", question.end_s)):
            aligned_s = reader.sums.aligned(at_s)
            if not minute_start(at_s) <= aligned_s <= at_s:
                way, text = "back" if aligned_s < at_s else "on", instant_text(aligned_s, self._zone)
                notices.append(f"{name} moved {way} to {text}, as nothing finer is kept there")
        cuts = [end_s for _, end_s in owners.cut(reader.sums.owners(question), self._zone, *question.span)[:-1]]
        if any(reader.sums.aligned(at_s) != at_s for at_s in cuts):
            since = instant_text(kept.since_s(Resolution.DAY), self._zone)
            notices.append(f"owners that changed before {since} count from the start of that month")
        notices += zone_notices(reader.booked, self._zone, question)
        return step, ", ".join(notices) or None

    def _kept_text(self, resolution: Resolution, since_s: int) -> str:
        if since_s == LATEST_S:
            return f"no {resolution} is kept ([store.retention] {resolution})"
        return f"each {resolution} is kept since {instant_text(since_s, self._zone)}"

    def _names(self, reader: LedgerReader, devices: tuple[int, ...]) -> dict[int, DeviceName]:
        """Those of the devices asked for, or of all."""
        macs = dict(reader.connection.execute(_MACS))
        return names_of(reader.overlay.devices, devices) | {
            device: DeviceName(device, name, _mac(macs.get(device)))
            for device, name in reader.connection.execute(_NAMES)
            if not devices or device in devices
        }

    @contextmanager
    def _snapshot(self) -> Iterator[LedgerReader]:
        """All statements of an answer see the same flushes, and what is behind them, through the reader.

        What the tail took in stays for the reader's next answer. Raises AnswerTooLong or AnswerCancelled at the limit
        of this thread.
        """
        unflushed = self._memory.unflushed() if self._memory else None
        limit = current()
        with self._readers.one() as reader:
            connection = reader.connection
            try:
                if not reader.begin(unflushed):  # written meanwhile: there may be more since
                    connection.execute("COMMIT")
                    reader.begin(self._memory.unflushed(afresh=True) if self._memory else None)
                try:
                    connection.set_progress_handler(limit.is_over if limit else None, PROGRESS_STEPS)
                    yield reader
                finally:
                    connection.set_progress_handler(None, 0)
                    if connection.in_transaction:  # an interrupted change of a TEMP table rolled back all of it
                        connection.execute("COMMIT")
            except DamagedLedger as error:
                self.tell(str(error), reader.place)
                raise
            except (sqlite3.Error, OSError) as error:
                if limit and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT and limit.is_over():
                    reader.is_spent = True
                    raise limit.fault() from None
                message = f"{self._path}: cannot be read: {error}"
                if is_damage(error):
                    self.tell(message, reader.place)
                    raise DamagedLedger(message) from error
                raise LedgerError(message) from error


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's search for cycles, which rows never have: it takes a fifth of a long answer."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _PlanParts(NamedTuple):
    """How a plan's books and usage are gathered, and its standing is worked out."""

    books_of: Callable[..., PlanUsage]
    usage_of: Callable[..., PlanCells]
    plan_status: Callable[[PlanUsage, int, tzinfo], PlanStatus]


def load_plans() -> _PlanParts:
    """Load the code of plans, which is needed only with plans."""
    from whitestat.ledger.read.plan_usage import books_of, usage_of
    from whitestat.plans.status import plan_status

    return _PlanParts(books_of, usage_of, plan_status)


def _mac(mac: bytes | None) -> str | None:
    return None if mac is None else mac_text(mac)
