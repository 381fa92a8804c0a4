"""What plans are agreed, and usage by tariff under their terms: booked when the journal is folded.

Usage is classed once, by the minute, under the terms that hold then. Rows are by terms, so what changes a plan
later re-prices nothing; `reprice` does that when it is asked for.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import tzinfo
from functools import cache
from operator import add
from typing import NamedTuple

from whitestat.core.calendar import minute_start, split_integers
from whitestat.core.errors import LedgerError, Missing
from whitestat.core.model import Scope
from whitestat.ledger.resolutions import Resolution, Rows
from whitestat.ledger.tables import buckets
from whitestat.ledger.tables.packed import Columns
from whitestat.ledger.tables.rows import SCOPES
from whitestat.plans.plan import Plan, Terms
from whitestat.plans.spans import bounds, day_bounds

HABIT_S = 84 * 86_400
"""How far back a new plan looks, for its forecast; to the start of the period before at least."""

NEVER_S = 1 << 40

Octets = tuple[int, int, int]
"""In, out, and what the meter cannot tell apart."""

_PLANS = "SELECT id, name, since_s, pots FROM plan ORDER BY id"
_TERMS = "SELECT id, plan, from_s, until_s, content FROM terms ORDER BY id"
_RUNNING = """SELECT t.id, t.plan, t.from_s, t.until_s, t.content, p.since_s
    FROM terms t JOIN plan p ON p.id = t.plan WHERE t.until_s IS NULL ORDER BY t.id"""
_SERIES = "SELECT s.id, p.name FROM series s JOIN point p ON p.id = s.point WHERE s.scope = ?"
_ADD = """INSERT INTO plan_usage VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    octets_in = octets_in + excluded.octets_in, octets_out = octets_out + excluded.octets_out,
    octets_unsplit = octets_unsplit + excluded.octets_unsplit"""
_OF_TERMS = "terms IN (SELECT value FROM json_each(?))"


class PlanRow(NamedTuple):
    """A plan that holds now: usage is classed since an instant (UTC seconds); of its terms the last ones hold."""

    id: int
    name: str
    since_s: int
    terms: tuple[Terms, ...]


def plans(connection: sqlite3.Connection) -> list[PlanRow]:
    """Those that hold now, in the order they were first agreed."""
    terms: dict[int, list[Terms]] = {}
    for row in connection.execute(_TERMS):
        terms.setdefault(row[1], []).append(_terms(row))
    return [
        PlanRow(id, name, since_s, tuple(terms[id]))
        for id, name, since_s, pots in connection.execute(_PLANS)
        if pots and id in terms
    ]


def classes(terms: Terms, zone: tzinfo) -> Callable[[int], tuple[int, int]]:
    """For a minute, UTC seconds: the start of the plan's day and the tariff's number."""
    clock, plan = terms.plan.clock(zone), terms.plan
    number = {name: n for n, name in enumerate(plan.names)}

    def found(minute_s: int) -> tuple[int, int]:
        return day_bounds(minute_s, zone, plan.period.hour)[0], number[clock.at(minute_s)]

    return cache(found)


def book(connection: sqlite3.Connection, zone: tzinfo, usage: Rows) -> None:
    """Class minutes, or seconds, by the number of the series and their start, under the terms that hold."""
    for terms, since_s in list(_running(connection)):
        counted = _series(connection, terms.plan)
        class_of = classes(terms, zone)
        _add(
            connection,
            terms.id,
            (
                (*class_of(minute_start(at_s)), series, (into, out, unsplit))
                for series, steps in usage.items()
                if series in counted
                for at_s, (into, out, _, _, unsplit) in steps.items()
                if at_s >= since_s
            ),
        )


def follow(connection: sqlite3.Connection, zone: tzinfo, agreed: Sequence[Plan], now_s: int) -> list[str]:
    """What the configuration says of plans holds from now on; returns the names of those that changed.

    The journal must be folded. A new plan takes in what the ledger has of its running period, of the one before,
    and of some weeks.
    """
    changed = []
    known = {name: (id, since_s) for id, name, since_s, _ in connection.execute(_PLANS)}
    running = {terms.plan_id: terms for terms, _ in _running(connection)}
    agreed_by_name = {plan.name: plan for plan in agreed}
    for name, (id, _) in known.items():
        if name not in agreed_by_name and id in running:
            connection.execute("UPDATE terms SET until_s = ? WHERE id = ?", (now_s, running[id].id))
            connection.execute("UPDATE plan SET pots = '' WHERE id = ?", (id,))
            changed.append(name)
    for name, plan in agreed_by_name.items():
        id = known[name][0] if name in known else None
        if id is not None and id in running and running[id].plan == plan:
            continue
        changed.append(name)
        if id is None:
            id = _begin(connection, zone, plan, now_s)
        _agree(connection, id, plan, now_s, running.get(id))
        if name not in known:
            reprice(connection, zone, id, None)
    return changed


def reprice(connection: sqlite3.Connection, zone: tzinfo, plan_id: int, from_s: int | None) -> int:
    """Class usage from the plan's day of an instant on anew, under the terms that hold; None: all that was classed.

    Returns the instant from which on it was done (UTC seconds): as far as hours are kept. The journal must be folded.
    """
    row = next((plan_row for plan_row in plans(connection) if plan_row.id == plan_id), None)
    if row is None:
        raise Missing("plan", f"there is no plan {plan_id}")
    terms = row.terms[-1]
    start_s = _whole_days(connection, zone, row, row.since_s if from_s is None else from_s)
    ids = json.dumps([terms_row.id for terms_row in row.terms])
    connection.execute(f"DELETE FROM plan_usage WHERE {_OF_TERMS} AND day >= ?", (ids, start_s))  # noqa: S608
    counted = _series(connection, terms.plan)
    _add(connection, terms.id, (row for row in _history(connection, zone, terms, start_s) if row[2] in counted))
    if from_s is not None:
        since_s = max(start_s, _first_s(connection, zone))
        connection.execute("UPDATE plan SET since_s = min(since_s, ?) WHERE id = ?", (since_s, plan_id))
    return start_s


def _whole_days(connection: sqlite3.Connection, zone: tzinfo, row: PlanRow, from_s: int) -> int:
    """The instant, moved to where no day that is booked reaches over it: back, or on where hours have aged out."""
    hour_of = {terms_row.id: terms_row.plan.period.hour for terms_row in row.terms}
    booked = connection.execute(
        f"SELECT DISTINCT terms, day FROM plan_usage WHERE {_OF_TERMS}",  # noqa: S608
        (json.dumps(list(hour_of)),),
    )
    spans = {day_bounds(day_s, zone, hour_of[id]) for id, day_s in booked}
    kept_s = buckets.kept(connection, zone).since_s(Resolution.HOUR)
    start_s = day_bounds(from_s, zone, row.terms[-1].plan.period.hour)[0]
    while start_s >= kept_s and (over := [low for low, high in spans if low < start_s < high]):
        start_s = min(over)
    start_s = max(start_s, kept_s)
    while over := [high for low, high in spans if low < start_s < high]:
        start_s = max(over)
    return start_s


def expire(connection: sqlite3.Connection, before_s: int) -> None:
    """Drop days that are past their time."""
    connection.execute("DELETE FROM plan_usage WHERE day < ?", (before_s,))


def _running(connection: sqlite3.Connection) -> Iterator[tuple[Terms, int]]:
    """Terms that hold, and since when usage is classed. Damaged ones keep nothing from being booked: they are left
    out, and agreed anew at the next start."""
    for *row, since_s in connection.execute(_RUNNING).fetchall():
        with suppress(LedgerError):
            yield _terms(row), since_s


def _terms(row: Sequence[object]) -> Terms:
    id, plan, from_s, until_s, content = row
    try:
        stored = Plan.of(str(content))
    except ValueError as error:
        raise LedgerError(f"the terms of plan {plan} cannot be read: {error}") from error
    return Terms(int(str(id)), int(str(plan)), int(str(from_s)), None if until_s is None else int(str(until_s)), stored)


def _series(connection: sqlite3.Connection, plan: Plan) -> set[int]:
    """Usage with the outside, at the plan's point where it has one."""
    rows = connection.execute(_SERIES, (SCOPES.index(Scope.WAN),))
    return {id for id, point in rows if plan.point in (None, point)}


def _add(connection: sqlite3.Connection, terms: int, rows: Iterable[tuple[int, int, int, Octets]]) -> None:
    """Rows of day, tariff, series and octets."""
    sums: dict[tuple[int, int, int], list[int]] = {}
    for day_s, tariff, series, octets in rows:
        sums_of_key = sums.setdefault((day_s, tariff, series), [0, 0, 0])
        for at, amount in enumerate(octets):
            sums_of_key[at] += amount
    connection.executemany(_ADD, [(terms, *key, *octets) for key, octets in sorted(sums.items()) if any(octets)])


def _begin(connection: sqlite3.Connection, zone: tzinfo, plan: Plan, now_s: int) -> int:
    period_s = bounds(plan.period, now_s, zone)[0]
    back_s = min(bounds(plan.period, period_s - 1, zone)[0], now_s - HABIT_S)
    # From a whole day on: usage is kept by the minute, and the minute in which a plan begins is in it.
    today_s = day_bounds(now_s, zone, plan.period.hour)[0]
    since_s = min(today_s, max(back_s, _first_s(connection, zone)))
    cursor = connection.execute("INSERT INTO plan (name, since_s, pots) VALUES (?, ?, '')", (plan.name, since_s))
    return int(cursor.lastrowid or 0)


def _first_s(connection: sqlite3.Connection, zone: tzinfo) -> int:
    """Since when there is usage by the hour; the far future where there is none."""
    first = buckets.oldest(connection, Resolution.HOUR)
    return NEVER_S if first is None else max(first, buckets.kept(connection, zone).since_s(Resolution.HOUR))


def _agree(connection: sqlite3.Connection, id: int, plan: Plan, now_s: int, before: Terms | None) -> None:
    if before:
        connection.execute("UPDATE terms SET until_s = ? WHERE id = ?", (now_s, before.id))
    connection.execute("DELETE FROM terms WHERE plan = ? AND until_s IS NULL", (id,))  # damaged, where there are any
    connection.execute("INSERT INTO terms (plan, from_s, content) VALUES (?, ?, ?)", (id, now_s, plan.text()))
    connection.execute("UPDATE plan SET pots = ? WHERE id = ?", (",".join(plan.pots), id))


def _history(
    connection: sqlite3.Connection, zone: tzinfo, terms: Terms, start_s: int
) -> Iterator[tuple[int, int, int, Octets]]:
    """Day, tariff, series and octets of all hours since: sums of those between two edges, and each that holds an edge
    by its minutes; where those are not kept any more, its octets are split in proportion to time, none lost."""
    class_of, clock = classes(terms, zone), terms.plan.clock(zone)
    last_s, day_s, edges = buckets.newest(connection, Resolution.HOUR), start_s, set[int]()
    while last_s is not None and day_s <= last_s:
        end_s = day_bounds(day_s, zone, terms.plan.period.hour)[1]
        for _, low_s, high_s in clock.spans(day_s, end_s):
            first_s, until_s = (Resolution.HOUR.floor(at_s, zone) for at_s in (low_s, high_s))
            edges |= {hour_s for hour_s, edge_s in ((first_s, low_s), (until_s, high_s)) if start_s <= hour_s < edge_s}
            first_s = Resolution.HOUR.ceiling(low_s, zone)
            if first_s < until_s:
                for series, *octets in _hours(connection, first_s, until_s):
                    yield (*class_of(low_s), series, (octets[0], octets[1], octets[2]))
        day_s = end_s
    for hour_s in sorted(edges):
        hour_end_s = Resolution.HOUR.ceiling(hour_s + 1, zone)
        minutes = _minutes(connection, hour_s, hour_end_s)
        for series, *octets in _hours(connection, hour_s, hour_s + 1):
            kept = minutes.get(series, [])
            if [sum(column) for column in zip(*kept, strict=True)][1:] != octets:
                kept = [(at_s, *part) for at_s, part in split_integers(octets, hour_s * 1000, hour_end_s * 1000)]
            for minute_s, into, out, unsplit in kept:
                yield (*class_of(minute_s), series, (into, out, unsplit))


def _hours(connection: sqlite3.Connection, low_s: int, high_s: int) -> Iterator[tuple[int, ...]]:
    """Series and the sums of its octets, of hours that start from the one instant up to the other."""
    sums: dict[int, list[int]] = {}
    for _, series, columns in buckets.read(connection, buckets.USAGE, Resolution.HOUR, (low_s, high_s)):
        octets = sums.setdefault(series, [0, 0, 0])
        octets[:] = map(add, octets, map(sum, _octets(columns)))
    return ((series, *octets) for series, octets in sums.items())


def _minutes(connection: sqlite3.Connection, low_s: int, high_s: int) -> dict[int, list[tuple[int, ...]]]:
    """By series, the minutes of a span with their octets."""
    minutes: dict[int, list[tuple[int, ...]]] = {}
    for chunk, series, columns in buckets.read(connection, buckets.USAGE, Resolution.MINUTE, (low_s, high_s)):
        starts = Resolution.MINUTE.buckets(chunk, columns[0])
        minutes.setdefault(series, []).extend(zip(starts, *_octets(columns), strict=True))
    return minutes


def _octets(columns: Columns) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """In, out and unsplit, of a column for each field of `Counts` behind the offsets."""
    _, into, out, _, _, unsplit = columns
    return into, out, unsplit
