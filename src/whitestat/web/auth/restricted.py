"""What a person sees: own devices, while they were the person's. The one place where answers are cut to that.

Whoever adds to `Queries` what a route needs adds it here too: what is not here, no person can be answered from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from whitestat.attribution.devices.edits import EPISODE, LABEL, NAME, OWNER, PERSON, TABLES
from whitestat.core.model import Coverage, Episode, Json
from whitestat.ledger.read import queries as ledger
from whitestat.ledger.read.queries import AddressTimes, DeviceRow, UsageQuery, UsageResult
from whitestat.ledger.tables.people import EditRow, EventRow, ProposalRow, RowKey, RowValues
from whitestat.web.usage_reader import HouseholdReader

if TYPE_CHECKING:
    from whitestat.ledger.read.queries import PlanCells, PlanRow
    from whitestat.plans.status import PlanStatus

Spans = tuple[tuple[int, int | None], ...]
"""From when up to and without when a device was the person's, UTC seconds; None is still."""


_INSTANTS = ("at", "since")
_RATES = ("rate_bps", "rate_in_bps", "rate_out_bps", "rate_in_pps", "rate_out_pps")


class RestrictedQueries:
    """Answers as those of `Queries`, of what was the person's at the time. Nothing of the house as a whole is told."""

    household: HouseholdReader | None = None

    def __init__(self, queries: HouseholdReader, person: str) -> None:
        self._queries = queries
        self._person = person

    def usage(self, question: UsageQuery) -> list[ledger.UsageRow]:
        return self._queries.usage(self._own(question))

    def answer(self, question: UsageQuery) -> UsageResult:
        """Without coverage, which is of the usage of all."""
        answer = self._queries.answer(self._own(question))
        return replace(answer, coverage={}, tag=f"own {answer.tag}")

    def days(self, start_s: int, end_s: int) -> dict[tuple[int, int], tuple[int, int]]:
        owned = self._held()
        octets_of = self._queries.days(start_s, end_s)
        return {key: octets for key, octets in octets_of.items() if _was_held(owned.get(key[1], ()), key[0])}

    def coverage(self, start_s: int, end_s: int) -> dict[str, Coverage]:
        """None: how much of all was attributed tells how much all was."""
        return {}

    def plan_statuses(self, now_s: int) -> dict[int, PlanStatus]:
        """The person's own plans, and the person's share of others."""
        whole = self._queries.plan_statuses(now_s)
        if not whole:
            return {}
        from whitestat.plans.status import own_part  # who has no plan never needs it

        parts = {id: own_part(status, self._person) for id, status in whole.items()}
        return {id: status for id, status in parts.items() if status is not None}

    def plan_usage(self, plan: int, start_s: int, end_s: int) -> tuple[PlanRow, PlanCells]:
        """Of days on which a device was the person's."""
        row, usage = self._queries.plan_usage(plan, start_s, end_s)
        return row, {key: counts for key, counts in usage.items() if key[1].person == self._person}

    def points(self) -> list[str]:
        return self._queries.points()

    def persons(self) -> list[str]:
        return [self._person]

    def devices(self) -> list[DeviceRow]:
        """Those that are the person's or were, with the times and addresses of that."""
        owned = self._held()
        return [_of_time(row, owned[row.id]) for row in self._queries.devices() if row.id in owned]

    def address_times(self, device: int) -> list[AddressTimes]:
        """Those of a device that was never another's."""
        return self._queries.address_times(device) if self._held().get(device) == ((0, None),) else []

    def devices_now(self) -> set[int]:
        """Numbers of those that are the person's now."""
        return {device for device, spans in self._held().items() if _is_held(spans)}

    def episodes(self) -> list[Episode]:
        owned = self._held()
        return [part for episode in self._queries.episodes() for part in _cut(episode, owned.get(episode.device, ()))]

    def picture(self) -> dict[str, dict[RowKey, RowValues]]:
        owned, whole = self._held(), self._queries.picture()
        me = {key[0] for key, row in whole[PERSON].items() if row and row[0] == self._person}
        now = {device for device, spans in owned.items() if _is_held(spans)}
        own: dict[str, dict[RowKey, RowValues]] = {table: {} for table in TABLES}
        own[EPISODE] = {key: row for key, row in whole[EPISODE].items() if row and row[0] in owned}
        own[NAME] = {key: row for key, row in whole[NAME].items() if key[0] in owned}
        own[LABEL] = {key: row for key, row in whole[LABEL].items() if key[0] in now}
        own[OWNER] = {key: row for key, row in whole[OWNER].items() if row and row[0] in me}
        own[PERSON] = {key: row for key, row in whole[PERSON].items() if key[0] in me}
        return own

    def export(self, device: int) -> dict[str, list[dict[str, object]]]:
        """All that is kept about a device that was never another's; of others, usage alone is the person's."""
        spans = self._held().get(device, ())
        if spans != ((0, None),):
            return {}
        tables = self._queries.export(device)
        return {table: rows for table, rows in tables.items() if table not in ("proposal", "event")}

    def proposals(self) -> list[ProposalRow]:
        now = self.devices_now()
        return [proposal for proposal in self._queries.proposals() if {proposal.device, proposal.into} <= now]

    def edits(self, most: int = 200) -> list[EditRow]:
        """Those of own devices alone, since they are the person's."""
        owned, whole = self._held(), self._queries.picture()
        me = {key[0] for key, row in whole[PERSON].items() if row and row[0] == self._person}

        def is_own(edit: EditRow) -> bool:
            return all(_is_own_change(change, edit.at_ms // 1000, owned, me) for change in edit.changes)

        return [edit for edit in self._queries.edits(most) if is_own(edit)]

    def events(self, most: int = 200) -> list[EventRow]:
        """Those of own devices at the time that tell of no other's."""
        owned = self._held()

        def is_own(event: EventRow) -> bool:
            devices = {event.device, event.content.get("of", event.device)}
            return all(isinstance(id, int) and _was_held(owned.get(id, ()), event.at_ms // 1000) for id in devices)

        return [event for event in self._queries.events(most) if is_own(event)]

    def _own(self, question: UsageQuery) -> UsageQuery:
        return replace(question, persons=(self._person,))

    def _held(self) -> Mapping[int, Spans]:
        return self._queries.held(self._person)


async def own_live(
    items: AsyncIterator[Json], own: Callable[[], Awaitable[set[int]]]
) -> AsyncIterator[dict[str, object]]:
    """The live items of what is the person's now; totals are those of these devices, and there is no coverage."""
    rows: dict[int, Json] = {}
    sent: set[int] = set()
    try:
        async for item in items:
            changed = {row["id"]: row for row in item["devices"] if row["id"] is not None}
            gone = set(item["gone"]) if "gone" in item else set()
            rows = {device: row for device, row in (rows | changed).items() if device not in gone}
            shown = await own() & rows.keys()
            yield _own_item(item, {id: rows[id] for id in shown}, changed.keys() | (shown - sent), sent - shown)
            sent = shown
    finally:
        if hasattr(items, "aclose"):
            await items.aclose()


def _own_item(item: Json, own: Mapping[int, Json], changed: set[int], gone: set[int]) -> dict[str, object]:
    missed = [_own_second(second, own) for second in item.get("missed", ())]
    return {
        **{name: item[name] for name in _INSTANTS if name in item},
        **_totals(own.values(), (*_RATES, "octets", "octets_in", "octets_out")),
        "coverage": None,
        "devices": [own[number] for number in sorted(own) if number in changed],
        "gone": sorted(gone),
        **({"missed": missed} if missed else {}),
    }


def _own_second(second: Json, own: Mapping[int, Json]) -> dict[str, object]:
    """A second that was missed, of own devices alone; what a point counted is of all people."""
    rows = [row for row in second["devices"] if row["id"] in own]
    instants = {name: second[name] for name in _INSTANTS if name in second}
    return {**instants, **_totals(rows, _RATES), "devices": rows, "points": []}


def _totals(rows: Iterable[Json], names: Sequence[str]) -> dict[str, int | None]:
    """Sums of what is known; None where there are rows, and none of them knows."""
    given = list(rows)
    known = {name: [row[name] for row in given if row.get(name) is not None] for name in names}
    return {name: sum(values) if values or not given else None for name, values in known.items()}


def _is_own_change(
    change: tuple[str, RowKey, RowValues, RowValues], at_s: int, owned: Mapping[int, Spans], me: set[int | str]
) -> bool:
    table, key, before, after = change
    rows = [row for row in (before, after) if row]
    if table == PERSON:
        return key[0] in me
    if table == EPISODE:
        return all(_was_held(owned.get(int(row[0] or 0), ()), at_s) for row in rows)
    if table == OWNER and any(row[0] not in me for row in rows):
        return False
    return table in (OWNER, NAME, LABEL) and _was_held(owned.get(int(key[0]), ()), at_s)


def _is_held(spans: Spans) -> bool:
    return any(end_s is None for _, end_s in spans)


def _was_held(spans: Spans, at_s: int) -> bool:
    return any(start_s <= at_s and (end_s is None or at_s < end_s) for start_s, end_s in spans)


def _of_time(row: DeviceRow, spans: Spans) -> DeviceRow:
    """A device as the person knew it: what it did before and after is another's."""
    first_ms, last_ms, end_s = max(row.first_seen_ms or 0, spans[0][0] * 1000), row.last_seen_ms or 0, spans[-1][1]
    if end_s is not None:
        row, last_ms = row._replace(addresses=(), person=None, labels=()), min(last_ms, end_s * 1000)
    if row.first_seen_ms is None or last_ms < first_ms:
        return row._replace(first_seen_ms=None, last_seen_ms=None)
    return row._replace(first_seen_ms=first_ms, last_seen_ms=last_ms)


def _cut(episode: Episode, spans: Spans) -> Iterator[Episode]:
    """The parts of an episode in which the device was the person's."""
    for start_s, end_s in spans:
        start_ms = max(episode.start_ms, start_s * 1000)
        ends = [moment for moment in (episode.end_ms, None if end_s is None else end_s * 1000) if moment is not None]
        if not ends or start_ms < min(ends):
            yield replace(episode, start_ms=start_ms, end_ms=min(ends, default=None))
