"""Flushes to commit, made up by hand or by Hypothesis, and the plain model they are compared with."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import tzinfo
from operator import add
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from whitestat.core.calendar import day_of, parse_instant
from whitestat.core.model import Counts, Coverage, Receipt, Scope, UsageKey
from whitestat.ledger.resolutions import KEPT_S, Resolution
from whitestat.ledger.tables.flush import Flush
from whitestat.ledger.tables.packed import unpacked
from whitestat.ledger.write.writer import Writer

STOCKHOLM = ZoneInfo("Europe/Stockholm")
ZONES = [ZoneInfo(name) for name in ("Europe/Stockholm", "Asia/Kathmandu", "Australia/Lord_Howe")]

WITH_SECONDS = {**KEPT_S, Resolution.SECOND: None}
"""How long rows are kept, seconds for ever."""

FILES = ("whitestat.db", "whitestat.db-wal", "whitestat.db.flushes")
"""All that a ledger is on a disk."""

MEMORY = next((each for each in ("/dev/shm",) if os.access(each, os.W_OK)), None)
"""Where ledgers of generated examples lie: what they lose is made up, and a sync of each would cost minutes."""

NOON_S = parse_instant("2026-11-21T12:00", STOCKHOLM)
CLOCKS_BACK_S = parse_instant("2026-10-25T01:00Z", STOCKHOLM)
PHONE, LAPTOP = 1, 2

K = TypeVar("K")
Row = tuple[int, ...]


def key(episode: int = PHONE, scope: Scope = Scope.WAN, point: str = "lan") -> UsageKey:
    return UsageKey(episode, point, scope)


def flush_of(octets: Mapping[tuple[int, UsageKey], int], *receipts: Receipt) -> Flush:
    """A flush of downloads alone."""
    return Flush(
        usage={place: Counts(octets_in=each, packets_in=1) for place, each in octets.items()},
        receipts=receipts,
    )


def whole(epoch: int) -> Flush:
    """Every part of it says which one it is: a ledger that holds a part of it only is found out."""
    return Flush(
        usage={(NOON_S + 60 * epoch, key(episode)): Counts(octets_in=1) for episode in range(40)},
        coverage={(NOON_S, "lan"): Coverage(observed_ms=1)},
        receipts=[Receipt("kernel", epoch)],
    )


counts = st.builds(Counts, *[st.integers(0, 2**40)] * 5)
coverages = st.builds(Coverage, *[st.integers(0, 2**40)] * 6)
keys = st.builds(UsageKey, st.integers(0, 5), st.sampled_from(["lan", "guest"]), st.sampled_from(Scope))
minutes = st.one_of(
    st.integers(-2 * 1440, 2 * 1440).map(lambda minute: CLOCKS_BACK_S + 60 * minute),
    st.integers(-3, 3).map(lambda minute: NOON_S + 60 * minute),
)


def flushes_at(starts: st.SearchStrategy[int]) -> st.SearchStrategy[Flush]:
    return st.builds(
        Flush,
        usage=st.dictionaries(st.tuples(starts, keys), counts, max_size=8),
        coverage=st.dictionaries(st.tuples(starts, st.sampled_from(["lan", "guest"])), coverages, max_size=4),
    )


flushes = flushes_at(minutes)
flushes_by_second = flushes_at(st.builds(add, minutes, st.integers(0, 59)))


def summed(rows: Iterable[tuple[K, Iterable[int]]]) -> dict[K, Row]:
    """Sums by key, column by column, in the plainest way there is."""
    columns: dict[K, Counter[int]] = {}
    for each, numbers in rows:
        columns.setdefault(each, Counter()).update(dict(enumerate(numbers)))
    return {each: tuple(counter[n] for n in sorted(counter)) for each, counter in columns.items()}


def modelled(
    all_flushes: Iterable[Flush],
    part: Callable[[Flush], Mapping[tuple[int, Any], Row]],
    bucket: Callable[[int], int],
) -> dict[tuple[int, Any], Row]:
    """What the table of a resolution must hold after these flushes."""
    return summed(
        ((bucket(minute_s), each), row) for flush in all_flushes for (minute_s, each), row in part(flush).items()
    )


KEYS = {
    "usage": "SELECT s.id, s.episode, p.name, s.scope FROM series s JOIN point p ON p.id = s.point",
    "coverage": "SELECT id, name FROM point",
}


def booked(connection: sqlite3.Connection, kind: str, resolution: Resolution) -> list[tuple[tuple[int, int], Row]]:
    """Bucket, number and amounts of what a table holds, whatever its questions would answer."""
    found = []
    for id, content in connection.execute(f"SELECT id, content FROM {kind}_{resolution} ORDER BY id"):
        offsets, *amounts = unpacked(content, 5 if kind == "usage" else 6)
        numbers = resolution.buckets(id >> 32, offsets)
        found += [
            ((bucket, id & 0xFFFFFFFF), row) for bucket, row in zip(numbers, zip(*amounts, strict=True), strict=True)
        ]
    return found


def stored(
    connection: sqlite3.Connection, kind: str, resolution: Resolution, zone: tzinfo
) -> dict[tuple[int, int], Row]:
    """What the tables hold by bucket and number: closed buckets, and the finer ones of those that are open."""
    closed = dict(connection.execute("SELECT resolution, until FROM closed"))
    rows = booked(connection, kind, resolution)
    if resolution is Resolution.DAY:
        hours = stored(connection, kind, Resolution.HOUR, zone).items()
        open_s = closed.get("day", 0)
        rows += [((day_of(hour_s, zone), key), row) for (hour_s, key), row in hours if hour_s >= open_s]
    if resolution is Resolution.MONTH:
        days = stored(connection, kind, Resolution.DAY, zone).items()
        rows += [((day // 100, key), row) for (day, key), row in days if day >= closed.get("month", 0)]
    return summed(rows)


def flushes_in(path: Path) -> int:
    """How many flushes the ledger holds, which must be the first ones, whole, in every table."""
    with closing(Writer(path, STOCKHOLM)) as writer:
        booked = writer.state().receipts.get("kernel", 0)
    with closing(sqlite3.connect(path)) as connection:
        kept = {resolution for (resolution,) in connection.execute("SELECT resolution FROM kept")}
        for resolution in Resolution:
            if resolution is Resolution.SECOND and resolution not in kept:
                continue
            observed = stored(connection, "coverage", resolution, STOCKHOLM).values()
            assert sum(row[0] for row in observed) == booked
            assert sum(row[0] for row in stored(connection, "usage", resolution, STOCKHOLM).values()) == 40 * booked
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return booked
