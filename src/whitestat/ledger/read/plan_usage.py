"""What is known of each plan's usage, gathered for its standing: closed days, and the journal's tail classed as it
will be booked."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from functools import lru_cache
from itertools import chain

from whitestat.core.model import Counts, Scope
from whitestat.core.units import address_text, mac_text
from whitestat.ledger.read import owners
from whitestat.ledger.tables.plans import HABIT_S, PlanRow, classes
from whitestat.ledger.tables.rows import SCOPES
from whitestat.plans.plan import Plan
from whitestat.plans.spans import bounds, day_of
from whitestat.plans.status import Owner, PlanUsage, TopUp, UsageCell

_SERIES = """SELECT s.id, e.device, p.name, p.counts FROM series s JOIN point p ON p.id = s.point
    LEFT JOIN episode e ON e.id = s.episode WHERE s.scope = ?"""
_TOPUPS = "SELECT id, at_s, pot, octets FROM topup WHERE plan = ? ORDER BY id"
_WATCHED = "SELECT DISTINCT day FROM plan_usage WHERE terms IN (SELECT value FROM json_each(?))"
_AMOUNTS = "sum(octets_in), sum(octets_out), sum(octets_unsplit)"
_TAIL = "SELECT bucket, series, octets_in, octets_out, octets_unsplit FROM tail_usage WHERE bucket >= ?"

PlanUsageRow = tuple[UsageCell, int, Counts]
"""Where it is booked, the number of the series (0: of all together), and how much."""


def books_of(connection: sqlite3.Connection, zone: tzinfo, row: PlanRow, now_s: int) -> PlanUsage:
    """In a transaction in which the journal's tail was followed."""
    return _Reader(connection, zone, row, now_s).books()


def usage_of(
    connection: sqlite3.Connection, zone: tzinfo, row: PlanRow, start_s: int, end_s: int
) -> dict[tuple[UsageCell, Owner], Counts]:
    """Return usage on the plan's days that begin in a span, by cell and owner."""
    usage = _Reader(connection, zone, row, start_s).usage(start_s)
    return {key: counts for key, counts in usage.items() if start_s <= key[0].day_s < end_s}


class _Reader:
    def __init__(self, connection: sqlite3.Connection, zone: tzinfo, row: PlanRow, now_s: int) -> None:
        self._connection = connection
        self._zone = zone
        self._now_s = now_s
        self._row = row
        self._plan = row.terms[-1].plan
        self._start_s, self._end_s = bounds(self._plan.period, now_s, zone)
        self._owned = owners.owners(connection)
        self._device_of = self._series()

    def books(self) -> PlanUsage:
        since_s = 0 if self._plan.carry_most != 0 else self._start_s - HABIT_S
        by = "series" if self._plan.person is not None else "0"  # together, where no owner tells them apart
        daily: dict[UsageCell, Counts] = {}
        for cell, _, counts in self._of_plan(chain(self._booked(since_s, by), self._tail())):
            daily[cell] = daily[cell].plus(counts) if cell in daily else counts
        topups = [TopUp(*row) for row in self._connection.execute(_TOPUPS, (self._row.id,))]
        terms = json.dumps([terms_row.id for terms_row in self._row.terms])
        watched = [day_s for (day_s,) in self._connection.execute(_WATCHED, (terms,))]
        # A clock that said 1970 when the plan began, and days that are past their time, do not count as watched.
        since_s = max(self._row.since_s, min(watched, default=self._now_s))
        persons = owners.persons(self._connection)
        return PlanUsage(self._row.terms, since_s, daily, self._whose(), topups, persons, watched)

    def _whose(self) -> dict[tuple[UsageCell, Owner], Counts]:
        """Return usage of the period by owner: all days as one if the owner of the device did not change."""
        first = _number(self._start_s, self._zone, self._plan.period.hour)
        moving = {
            series
            for series, device in self._device_of.items()
            if any(
                first < day for span in self._owned.get(device or 0, ()) for day in (span.from_day, span.until_day or 0)
            )
        }
        # `now_s` may be of a period that is over, so what came after it is left out.
        still = self._booked(
            self._start_s, "series", self._device_of.keys() - moving, day=str(self._start_s), until_s=self._end_s
        )
        moved = self._booked(self._start_s, "series", moving, until_s=self._end_s)
        fresh = (row for row in self._tail() if self._start_s <= row[0].day_s < self._end_s)
        sums: dict[tuple[UsageCell, Owner], Counts] = {}
        for cell, who, counts in self._of_plan(chain(still, moved, fresh)):
            key = cell, who
            sums[key] = sums[key].plus(counts) if key in sums else counts
        return sums

    def usage(self, start_s: int) -> dict[tuple[UsageCell, Owner], Counts]:
        """That of days that begin since, and all of the journal's tail."""
        sums: dict[tuple[UsageCell, Owner], Counts] = {}
        for cell, who, counts in self._of_plan(chain(self._booked(start_s, "series"), self._tail())):
            key = cell, who
            sums[key] = sums[key].plus(counts) if key in sums else counts
        return sums

    def _of_plan(self, rows: Iterable[PlanUsageRow]) -> Iterator[tuple[UsageCell, Owner, Counts]]:
        for cell, series, counts in rows:
            who = self._who(cell.day_s, series)
            if self._is_of(who):
                yield cell, who, counts

    def _series(self) -> dict[int, int | None]:
        """The devices of the series that may be about the plan."""
        plan, devices = self._plan, _devices(self._connection, self._plan, self._owned)
        rows = self._connection.execute(_SERIES, (SCOPES.index(Scope.WAN),))
        return {
            id: device
            for id, device, point, counts in rows
            if (point == plan.point if plan.point else counts) and (devices is None or device in devices)
        }

    def _tail(self) -> Iterator[PlanUsageRow]:
        """What is journaled and not folded yet, classed as it will be."""
        terms = self._row.terms[-1]
        class_of = classes(terms, self._zone)
        for minute_s, series, into, out, unsplit in self._connection.execute(_TAIL, (self._row.since_s,)):
            if series in self._device_of:
                day_s, tariff = class_of(minute_s)
                yield UsageCell(day_s, terms.id, tariff), series, _counts(into, out, unsplit)

    def _booked(
        self, since_s: int, by: str, only: Iterable[int] | None = None, *, day: str = "day", until_s: int = 1 << 53
    ) -> Iterator[PlanUsageRow]:
        """Days that begin since, of some series or all, by the series or `0`; `day` is what they are summed by."""
        series = json.dumps(list(self._device_of if only is None else only))
        sql = f"""SELECT terms, {day}, tariff, {by}, {_AMOUNTS} FROM plan_usage
            WHERE terms IN (SELECT value FROM json_each(?)) AND day >= ? AND day < ?
            AND series IN (SELECT value FROM json_each(?)) GROUP BY 1, 2, 3, 4"""  # noqa: S608 - words from above
        terms = json.dumps([terms_row.id for terms_row in self._row.terms])
        for row in self._connection.execute(sql, (terms, since_s, until_s, series)):
            yield UsageCell(row[1], row[0], row[2]), row[3], _counts(*row[4:])

    def _who(self, day_s: int, series: int) -> Owner:
        device = self._device_of.get(series)
        if device is None or not series:
            return Owner(device, None)
        return Owner(device, _owner(self._owned.get(device, ()), _number(day_s, self._zone, self._plan.period.hour)))

    def _is_of(self, who: Owner) -> bool:
        person = self._plan.person
        return person is None or (who.person or "").casefold() == person.casefold()


def _counts(into: int, out: int, unsplit: int) -> Counts:
    return Counts(into, out, octets_unsplit=unsplit)


@lru_cache(maxsize=1024)
def _number(day_s: int, zone: tzinfo, hour: int) -> int:
    day = day_of(day_s, zone, hour)
    return day.year * 10_000 + day.month * 100 + day.day


def _owner(spans: Iterable[owners.OwnershipSpan], day: int) -> str | None:
    for span in spans:
        if span.from_day <= day and (span.until_day is None or day < span.until_day):
            return span.person
    return None


def _devices(connection: sqlite3.Connection, plan: Plan, owned: owners.Owners) -> set[int] | None:
    """Return the devices that the plan applies to; None for all, unattributed usage too."""
    if plan.person is not None:
        name = plan.person.casefold()
        return {device for device, spans in owned.items() if any(span.person.casefold() == name for span in spans)}
    if plan.label is not None:
        return {
            device
            for device, text in connection.execute("SELECT device, text FROM label")
            if text.casefold() == plan.label.casefold()
        }
    return None if plan.device is None else _named(connection, plan.device)


def _named(connection: sqlite3.Connection, word: str) -> set[int]:
    """The devices of a MAC, an address or a name: the first of them that some have."""
    devices: Mapping[str, set[int]] = {"mac": set(), "address": set(), "name": set()}
    folded_word = word.casefold()
    for device, mac, address in connection.execute("SELECT device, mac, address FROM episode"):
        if mac and mac_text(mac) == folded_word.replace("-", ":"):
            devices["mac"].add(device)
        if address and address_text(address) == folded_word:
            devices["address"].add(device)
    for device, name in connection.execute("SELECT id, name FROM device WHERE name IS NOT NULL"):
        if name.casefold() == folded_word:
            devices["name"].add(device)
    return devices["mac"] or devices["address"] or devices["name"]
