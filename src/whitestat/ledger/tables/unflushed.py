"""What the service has counted and not written yet, as questions are answered from it beside the ledger.

Each octet is in exactly one of both: what is unflushed says behind which flush, and behind which hand-in of services
and peers, it was gathered, and is left out where a snapshot has later ones, as these hold it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Protocol

from whitestat.core.model import Counts, Coverage, PeerKey, ServiceKey, UsageKey
from whitestat.ledger.tables import details
from whitestat.ledger.tables.rows import SCOPES
from whitestat.ledger.usage_query import DeviceName, DeviceRow

FIRST_NUMBER = 1 << 31
"""Series that the ledger does not know yet are numbered from here on: none of its own ever is."""

MOST_SERIES = 20_000
"""Numbers of series that are remembered."""


@dataclass(frozen=True, slots=True)
class Unflushed:
    """Never changed once it is handed out; keys as those of a flush.

    `sequence` and `handed_in` number the last flush and the last hand-in of services and peers before it; `number`
    differs from that of all others. `devices` are those of episodes that the ledger may not know, with their names.
    `sighted` are the devices that were seen since the flush, with what the sightings alone say of them.
    """

    number: int
    sequence: int
    handed_in: int
    usage: Mapping[tuple[int, UsageKey], Counts] = field(default_factory=dict)
    coverage: Mapping[tuple[int, str], Coverage] = field(default_factory=dict)
    services: Mapping[tuple[int, ServiceKey], Counts] = field(default_factory=dict)
    peers: Mapping[tuple[int, PeerKey], Counts] = field(default_factory=dict)
    devices: Mapping[int, DeviceName] = field(default_factory=dict)
    sighted: Mapping[int, DeviceRow] = field(default_factory=dict)


class Memory(Protocol):
    """The process that counts. Any thread may ask."""

    def unflushed(self, *, afresh: bool = False) -> Unflushed | None:
        """The latest there is, at most a second old, or made now where it is wanted `afresh`; None for none."""
        ...


NAMES = ("memory_usage", "memory_coverage", *(f"memory_{kind}" for kind in details.KINDS))
_NUMBER = """SELECT s.id FROM series s JOIN point p ON p.id = s.point
    WHERE s.episode = ? AND s.scope = ? AND p.name = ?"""
_HANDED_IN = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'detail'"


def handed_in(connection: sqlite3.Connection) -> int:
    """The number of the last hand-in of services and peers, folded or not."""
    return int(connection.execute(_HANDED_IN).fetchone()[0])


class Overlay:
    """Fills the TEMP tables `memory_...` of a reading connection; views have them beside the journal's tail."""

    def __init__(self, connection: sqlite3.Connection, zone: tzinfo) -> None:
        self._connection = connection
        self._zone = zone
        self._numbers: dict[UsageKey, int] = {}
        self._shown: tuple[int, bool, bool] | None = None
        self.series: list[tuple[int, int | None, int, str]] = []
        """Series that the ledger does not know: number, device, number of the scope, and point."""
        self.devices: Mapping[int, DeviceName] = {}
        self.sighted: Mapping[int, DeviceRow] = {}
        details.make_memory(connection)

    @property
    def mark(self) -> tuple[object, ...]:
        """The same for as long as the services and peers that are shown are."""
        return self._shown[:1] + self._shown[2:] if self._shown else ()

    def show(self, unflushed: Unflushed | None, sequence: int) -> bool:
        """Show what the snapshot does not have, whose last flush this is. Call it in its transaction.

        False where the snapshot has a later flush, so that usage there may be since is not shown.
        """
        is_next = unflushed is not None and unflushed.sequence == sequence
        has_details = unflushed is not None and unflushed.handed_in == handed_in(self._connection)
        shown = (unflushed.number, is_next, has_details) if unflushed else None
        if shown != self._shown:
            self._shown = None  # until all is in
            self._clear()
            if unflushed and (is_next or has_details):
                self._take(unflushed, is_next=is_next, has_details=has_details)
            self._shown = shown
        return unflushed is None or is_next

    def _clear(self) -> None:
        for name in NAMES:
            self._connection.execute(f"DELETE FROM {name}")  # noqa: S608 - a name from above
        self.series, self.devices, self.sighted = [], {}, {}

    def _take(self, unflushed: Unflushed, *, is_next: bool, has_details: bool) -> None:
        fresh: dict[UsageKey, int] = {}
        self.devices = {name.id: name for name in unflushed.devices.values()}

        def number(key: UsageKey) -> int:
            series_number = self._number(key) or fresh.get(key)
            if series_number is None:
                series_number = fresh[key] = FIRST_NUMBER + len(fresh)
                device = unflushed.devices.get(key.episode)
                self.series.append((series_number, device and device.id, SCOPES.index(key.scope), key.point))
            return series_number

        if is_next:
            self.sighted = unflushed.sighted
            self._put("memory_usage", ((at_s, number(key), *counts) for (at_s, key), counts in unflushed.usage.items()))
            self._put("memory_coverage", self._covered(unflushed.coverage))
        if has_details:
            hour, day = details.SERVICE.fine.bucket, details.PEER.fine.bucket
            self._put(
                "memory_service",
                (
                    (hour(hour_s, self._zone), number(key.usage), key.protocol, key.service, *counts)
                    for (hour_s, key), counts in unflushed.services.items()
                ),
            )
            days = {hour_s: day(hour_s, self._zone) for hour_s in {hour_s for hour_s, _ in unflushed.peers}}
            self._put(
                "memory_peer",
                (
                    (days[hour_s], number(key.usage), details.stored(key.peer), *counts)
                    for (hour_s, key), counts in unflushed.peers.items()
                ),
            )

    def _covered(self, coverage: Mapping[tuple[int, str], Coverage]) -> Iterator[tuple[int, ...]]:
        points = dict(self._connection.execute("SELECT name, id FROM point"))
        for (at_s, name), coverage_row in coverage.items():
            if name in points:
                yield (at_s, points[name], *coverage_row)

    def _put(self, table: str, rows: Iterable[tuple[object, ...]]) -> None:
        values = list(rows)
        if values:
            places = ", ".join("?" * len(values[0]))
            self._connection.executemany(f"INSERT INTO {table} VALUES ({places})", values)  # noqa: S608

    def _number(self, key: UsageKey) -> int | None:
        """That of a series the ledger knows, None for one it does not."""
        if key not in self._numbers:
            row = self._connection.execute(_NUMBER, (key.episode, SCOPES.index(key.scope), key.point)).fetchone()
            if row is None:
                return None
            if len(self._numbers) >= MOST_SERIES:
                self._numbers.clear()
            self._numbers[key] = row[0]
        return self._numbers[key]


def names_of(devices: Mapping[int, DeviceName], ids: Iterable[int]) -> dict[int, DeviceName]:
    """Names of devices that the ledger may not know yet: of those wanted, or of all where none are named."""
    only = set(ids)
    return {id: name for id, name in devices.items() if not only or id in only}


def with_sightings(rows: Iterable[DeviceRow], sighted: Mapping[int, DeviceRow]) -> list[DeviceRow]:
    """Devices by id, as the ledger has them and with what was seen of them since its last flush."""
    known = {row.id: row for row in rows}
    for id, seen in sighted.items():
        known[id] = with_sighting(known[id], seen) if id in known else seen
    return [known[id] for id in sorted(known)]


def with_sighting(row: DeviceRow, seen: DeviceRow) -> DeviceRow:
    """A device with a later sighting of it."""
    return row._replace(
        mac=seen.mac or row.mac,
        addresses=(*seen.addresses, *(address for address in row.addresses if address not in seen.addresses)),
        first_seen_ms=_edge(min, row.first_seen_ms, seen.first_seen_ms),
        last_seen_ms=_edge(max, row.last_seen_ms, seen.last_seen_ms),
    )


def _edge(choose: Callable[[int, int], int], a_ms: int | None, b_ms: int | None) -> int | None:
    return choose(a_ms, b_ms) if a_ms is not None and b_ms is not None else b_ms if a_ms is None else a_ms
