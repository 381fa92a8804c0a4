"""What of old data is to be booked: what is not there yet, of days that WhiteStat did not count itself.

What a source has been booked for is taken off what it says now, so a second run books nothing, and a run on data
that has grown books what is new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import groupby

from whitestat.core.calendar import MINUTE_S, day_bounds, day_of, minute_start
from whitestat.core.model import UNATTRIBUTED, Counts, Mac, Point, Scope, UsageKey
from whitestat.core.sums import add_to
from whitestat.core.units import address_text, mac_text, octets_text
from whitestat.importers.history import NOBODY, HostDay, ImportedHistory
from whitestat.importers.matching import Matched, match
from whitestat.importers.spread import spread
from whitestat.ledger.read.queries import DeviceName, DeviceRow, Queries, TimeStep, UsageQuery
from whitestat.ledger.write.writer import Flush

COLLECTOR = "import"
"""What the ledger calls the collector of points that were imported."""

FIRST_DAY = 19900101
"""What is dated before is of a clock that was not set: none of these programs is as old."""
MOST_OCTETS = 400_000_000_000 // 8 * 86_400
"""What 400 Gbit/s carry in a day: more is a counter that was misread."""

BookedOctets = dict[tuple[int, str], Counts]
"""Usage in the ledger on one day, by device (0: unattributed) and point."""


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """The flush that books it all, and what there is to say of it."""

    point: str
    flush: Flush
    matched: Matched
    days: tuple[int, ...]
    left_out: tuple[str, ...]
    names: Mapping[int, DeviceName]

    def by_device(self) -> dict[int, Counts]:
        """Usage to be booked to each device; 0 is unattributed."""
        sums: dict[int, Counts] = {}
        for (_, key), counts in self.flush.usage.items():
            device = self.matched.devices[key.episode]
            sums[device] = sums[device].plus(counts) if device in sums else counts
        return sums


def plan(
    history: ImportedHistory,
    queries: Queries | None,
    *,
    zone: tzinfo,
    now_s: int,
    routers: frozenset[Mac] = frozenset(),
    tick: Callable[[int], None] = lambda rows: None,
) -> ImportPlan:
    """Plan the import by a second read of the history, day by day; `queries` is None if there is no ledger yet.

    `tick` receives the number of rows done. A day's usage is placed at its last sight: the ledger adds it
    to that minute's hour and day.
    """
    episodes, devices = (queries.episodes(), queries.devices()) if queries else ([], [])
    matched = match(history.hosts, episodes, devices, history.routers | routers, now_s=now_s)
    matched.episodes.setdefault(NOBODY, UNATTRIBUTED)
    ledger = _Ledger(queries, zone, history.point)
    sound = _Sound(day_of(now_s, zone), zone)
    usage: dict[tuple[int, UsageKey], Counts] = {}
    days: list[int] = []
    ours: list[int] = []
    done = 0
    for day, rows in groupby(_days(history, sound, ledger), key=lambda row: row.day):
        day_rows = list(rows)
        if ledger.counted_itself(day_rows):
            ours.append(day)
        elif booked := _rest(day_rows, matched, ledger.booked(day), history.point):
            days.append(day)
            for episode, (counts, seen_s) in booked.items():
                at_s = _minute(day, seen_s, now_s, zone)
                usage[at_s, UsageKey(episode, history.point, Scope.WAN)] = counts
        done += len(day_rows)
        tick(done)
    flush = Flush(
        usage=usage,
        devices=matched.new_devices,
        episodes=matched.new_episodes,
        seen=matched.seen,
        addresses=matched.addresses,
        points=[Point(history.point, COLLECTOR)],
    )
    left_out = (*history.left_out, *sound.left_out(), *_ours(ours))
    return ImportPlan(history.point, flush, matched, tuple(days), left_out, _names(devices, matched))


class _Sound:
    """Leaves out rows of days that cannot be, and amounts that cannot."""

    def __init__(self, today: int, zone: tzinfo) -> None:
        self.today = today
        self._zone = zone
        self._early: list[HostDay] = []
        self._late: list[HostDay] = []
        self._huge: list[HostDay] = []

    def rows(self, rows: Iterable[HostDay]) -> Iterator[HostDay]:
        """Those that are sound, each on a day that its zone has: one that was skipped is the one it skipped to."""
        for row in rows:
            if row.day < FIRST_DAY:
                self._early.append(row)
            elif row.day > self.today:
                self._late.append(row)
            elif row.counts.octets > MOST_OCTETS:
                self._huge.append(row)
            else:
                yield row._replace(day=day_of(day_bounds(row.day, self._zone)[0], self._zone))

    def left_out(self) -> Iterator[str]:
        for rows, why in (
            (self._early, "a clock that was not set"),
            (self._late, f"after today, {_date(self.today)}: one of the two clocks is wrong"),
            (self._huge, "more than any line carries in a day: a counter that was misread"),
        ):
            if rows:
                octets = octets_text(sum(row.counts.octets for row in rows))
                yield f"{_number(len(rows), 'day')} ({_dates(sorted({row.day for row in rows}))}, {octets}): {why}"


def _days(history: ImportedHistory, sound: _Sound, ledger: _Ledger) -> Iterator[HostDay]:
    """Yield the valid rows, and the further usage of spans; oldest day first."""
    rows = sound.rows(history.days())
    if not history.spans:
        return rows
    totals: dict[int, Counts] = {}
    for row in rows:
        add_to(totals, row.day, row.counts)
    shares = spread(totals, history.spans, sound.today, ledger.totals_of, ledger.has_others)
    for day, share in shares.items():
        totals[day] = _most(totals.get(day), ledger.totals_of(day)).plus(share)
    return sound.rows(HostDay(day, NOBODY, counts) for day, counts in sorted(totals.items()))


class _Ledger:
    """Usage in the ledger, read month by month; unattributed usage of all months read is kept."""

    def __init__(self, queries: Queries | None, zone: tzinfo, point: str) -> None:
        self._queries = queries
        self._zone = zone
        self._point = point
        self._month = 0
        self._days: dict[int, BookedOctets] = {}
        self._totals: dict[int, tuple[Counts, bool]] = {}
        self._asked: set[int] = set()

    def booked(self, day: int) -> BookedOctets:
        if self._queries and day // 100 != self._month:
            self._month = day // 100
            self._days = defaultdict(dict)
            first, following = self._month * 100 + 1, (self._month + (1 if self._month % 100 < 12 else 89)) * 100 + 1
            bounds = day_bounds(first, self._zone)[0], day_bounds(following, self._zone)[0]
            for row in self._queries.usage(UsageQuery(*bounds, TimeStep.DAY, ("device", "point"))):
                device = row.device.id if row.device else UNATTRIBUTED
                self._days[day_of(row.start_s, self._zone)][device, row.point or ""] = row.counts
        return self._days.get(day, {})

    def totals_of(self, day: int) -> Counts:
        """Return the unattributed usage of this source on a day."""
        return self._total(day)[0]

    def has_others(self, day: int) -> bool:
        """Whether there is usage of another source on a day."""
        return self._total(day)[1]

    def _total(self, day: int) -> tuple[Counts, bool]:
        if day // 100 not in self._asked:
            self.booked(day)
            self._asked.add(day // 100)
            for booked_day, booked in self._days.items():
                others = any(point != self._point for _, point in booked)
                self._totals[booked_day] = booked.get((UNATTRIBUTED, self._point), Counts()), others
        return self._totals.get(day, (Counts(), False))

    def counted_itself(self, rows: list[HostDay]) -> bool:
        """Whether the day's usage is there from elsewhere.

        Totals are left out where anything is. Usage of hosts is, where one of our own meters had begun before the
        hosts were last seen: the day of the change has both, one after the other.
        """
        day = rows[0].day
        others = {point for _, point in self.booked(day)} - {self._point}
        if rows[0].host == NOBODY:
            return bool(others)
        if not self._queries or all(is_imported(point) for point in others):
            return False
        start_s, end_s = day_bounds(day, self._zone)
        sights = [row.seen_s for row in rows if row.seen_s is not None]
        until_s = min(max(start_s + 1, *sights), end_s) if sights else end_s
        usage_rows = self._queries.usage(UsageQuery(start_s, until_s, by=("point",)))
        return any(not is_imported(row.point or "") and row.counts.octets for row in usage_rows)


def is_imported(point: str) -> bool:
    """Return whether the point was imported, by its name: those of the configuration have no blank."""
    return point.endswith(" import")


def _rest(
    rows: Iterable[HostDay], matched: Matched, booked: BookedOctets, point: str
) -> dict[int, tuple[Counts, int | None]]:
    """Return unbooked usage and the last sight by episode; booked usage is known by device only."""
    totals: dict[int, tuple[Counts, int | None]] = {}
    for row in rows:
        episode = matched.episodes[row.host]
        counts, seen_s = totals.get(episode, (Counts(), None))
        totals[episode] = counts.plus(row.counts), max(seen_s or 0, row.seen_s or 0) or None
    there = {device: counts for (device, name), counts in booked.items() if name == point}
    rest: dict[int, tuple[Counts, int | None]] = {}
    for episode, (counts, seen_s) in totals.items():
        device = matched.devices[episode]
        known = there.get(device, Counts())
        taken = Counts(*map(min, counts, known))
        there[device] = _less(known, taken)
        if any(new := _less(counts, taken)):
            rest[episode] = new, seen_s
    return rest


def _names(devices: Iterable[DeviceRow], matched: Matched) -> dict[int, DeviceName]:
    names = {device.id: DeviceName(device.id, device.name, device.mac) for device in devices}
    given = {device.id: device.name for device in matched.new_devices}
    for episode in matched.new_episodes:
        address = address_text(episode.address) if episode.address else None
        mac = mac_text(episode.mac) if episode.mac else None
        names.setdefault(episode.device, DeviceName(episode.device, given.get(episode.device) or address, mac))
    return names


def _minute(day: int, seen_s: int | None, now_s: int, zone: tzinfo) -> int:
    """Where a day's usage is placed: its last sight, or else its middle; inside of it, and never ahead of the clock.

    A day need not begin with a minute of UTC (Monrovia was 44 min 30 s behind until 1972): the minute that begins it
    is the first that lies in it.
    """
    start_s, end_s = day_bounds(day, zone)
    at_s = (start_s + end_s) // 2 if seen_s is None else seen_s
    minute_s = minute_start(max(start_s, min(at_s, now_s, end_s - 1)))
    return minute_s if minute_s >= start_s else minute_s + MINUTE_S


def _ours(days: list[int]) -> tuple[str, ...]:
    if not days:
        return ()
    reason = "already in the ledger, counted by WhiteStat itself or taken over from elsewhere"
    return (f"{_number(len(days), 'day')} ({_dates(days)}): {reason}",)


def _dates(days: Sequence[int]) -> str:
    """Return `2026-11-20`, or `2026-11-20 to 2026-11-24`."""
    return " to ".join(map(_date, dict.fromkeys((days[0], days[-1]))))


def _date(day: int) -> str:
    return f"{day // 10_000:04}-{day // 100 % 100:02}-{day % 100:02}"


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _most(one: Counts | None, other: Counts) -> Counts:
    return Counts(*map(max, one, other)) if one else other


def _less(one: Counts, other: Counts) -> Counts:
    return Counts(*(a - b for a, b in zip(one, other, strict=True)))
