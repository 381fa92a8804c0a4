"""The way out of a damaged ledger: it is set aside as it is, a new one goes on, and what can be read comes back."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import tzinfo
from pathlib import Path
from typing import NamedTuple

from whitestat.core.calendar import HOUR_S, day_bounds, day_of
from whitestat.core.errors import DamagedLedger, LedgerError
from whitestat.core.units import octets_text
from whitestat.ledger.files.blocks import file_of
from whitestat.ledger.files.condition import aside
from whitestat.ledger.files.database import fault_in, is_damage, lock, open_for_reading, open_for_writing
from whitestat.ledger.files.place import as_owner_of, open_plain
from whitestat.ledger.files.wal import log_of
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.recovery.aside import copy_owner, find_chain, set_aside, sync_folder, temporary
from whitestat.ledger.recovery.lost_rows import complete
from whitestat.ledger.recovery.merging import merge
from whitestat.ledger.recovery.salvage import Salvage, salvage
from whitestat.ledger.resolutions import Resolution
from whitestat.ledger.tables.buckets import newest
from whitestat.ledger.usage_query import TimeStep, UsageQuery
from whitestat.ledger.write import troubles
from whitestat.ledger.write.writer import Writer

DONE = ".recovered"
"""Behind the name of what was set aside, once it was recovered: it is of no more use."""


class Recovered(NamedTuple):
    """What came back of one file: octets and days of usage, what its coverage says is missing, and bad pages."""

    source: Path
    octets: int
    days: int
    missing: int
    missing_days: int
    salvaged: Salvage

    def text(self) -> str:
        lost = "nothing is missing"
        if self.salvaged.bad or self.missing:
            tables = f" (in {', '.join(self.salvaged.tables)})" if self.salvaged.tables else ""
            pages = "1 page" if self.salvaged.bad == 1 else f"{self.salvaged.bad} pages"
            lost = f"{pages} could not be read{tables}"
            if self.missing:
                lost += f"; at least {octets_text(self.missing)} of {self.missing_days} days are missing"
        return f"{self.source}: saved {octets_text(self.octets)} ({self.octets} octets) of {self.days} days; {lost}"


def recover(
    path: Path, zone: tzinfo, *, source: Path | None = None, to: Path | None = None, now_ms: int
) -> Iterator[Recovered]:
    """Bring back what can be read of damaged ledgers; LedgerError, and nothing is changed.

    Without a source, of all that were set aside, and of the ledger itself where it is damaged. What is recovered is
    added to the ledger at `path`, or written to a new file `to`. What was added is renamed, never removed. Root does it
    with the rights of the folder's owner.
    """
    if to is None:
        with suppress(FileNotFoundError), as_owner_of(path):
            _set_aside_if_damaged(path, now_ms)
    sources = [source] if source else aside(path)
    if not sources:
        raise LedgerError(f"{path}: is sound, and nothing was set aside; there is nothing to recover")
    if to and to.exists():
        raise LedgerError(f"{to}: exists; name another file")
    if to and len(sources) > 1:
        raise LedgerError(f"several ledgers were set aside; say which with --from: {', '.join(map(str, sources))}")
    for ledger in sources:
        if not ledger.is_file():
            raise LedgerError(f"{ledger}: there is no such file")
        with as_owner_of(to or path):
            recovered = _recover(path, zone, ledger, to)
        yield recovered


def _set_aside_if_damaged(path: Path, now_ms: int) -> None:
    if not path.exists():
        return
    try:
        with closing(open_for_writing(path)):
            pass
        _check_all(path)
    except DamagedLedger as damage:
        set_aside(path, str(damage), now_ms)


def _check_all(path: Path) -> None:
    try:
        with closing(open_for_reading(path)) as connection:
            fault = fault_in(connection)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise LedgerError(f"{path}: cannot be read: {error}") from error
        fault = str(error)
    if fault:
        raise DamagedLedger(f"{path}: the database is damaged: {fault}")


def _recover(path: Path, zone: tzinfo, source: Path, to: Path | None) -> Recovered:
    place = to or path
    descriptor = lock(path) if to is None else -1
    try:
        with temporary(place.with_name(f"{place.name}.recovering")) as part:
            salvaged = _rebuilt(source, part, zone)
            result = _told(source, part, zone, salvaged)
            if to or not path.exists():
                part.chmod(0o600)
                copy_owner(source, part)
                part.rename(place)
            else:
                if descriptor >= 0:
                    os.close(descriptor)
                    descriptor = -1
                _add(path, part, source, zone, result)
            if to is None:
                source.rename(source.with_name(source.name + DONE))
                for file in (log_of(source), file_of(source)):
                    with suppress(FileNotFoundError):
                        file.rename(file.with_name(file.name + DONE))
            sync_folder(place.parent)
            return result
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"{source}: cannot be recovered: {error}") from error
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _rebuilt(source: Path, part: Path, zone: tzinfo) -> Salvage:
    """All that can be read, with the flushes beside it, as a ledger of today's version that is folded."""
    salvaged = salvage(source, part, lambda table: True)
    with suppress(FileNotFoundError):
        _copy(file_of(source), file_of(part))
    with closing(sqlite3.connect(part)) as connection, connection:
        find_chain(connection, part)
        complete(connection, part, zone)
    with closing(Writer(part, zone)) as writer:
        writer.state()
        writer.fold_details()
    return salvaged


def _copy(source: Path, to: Path) -> None:
    created = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(open_plain(source, os.O_RDONLY), "rb") as old, os.fdopen(open_plain(to, created), "wb") as new:
        shutil.copyfileobj(old, new)


def _add(path: Path, part: Path, source: Path, zone: tzinfo, result: Recovered) -> None:
    with closing(Writer(path, zone)) as writer, closing(open_for_writing(part)) as other:
        writer.fold_details()
        with writer.transaction("recovering") as connection:
            merge(connection, other, zone)
            troubles.acknowledge(connection, source.name, result.text())


def _told(source: Path, part: Path, zone: tzinfo, salvaged: Salvage) -> Recovered:
    """What the recovered ledger holds; what its coverage counted and no row has is missing, at least."""
    with closing(open_for_reading(part)) as connection:
        ends = [newest(connection, resolution) or 0 for resolution in (Resolution.MINUTE, Resolution.HOUR)]
    if not any(ends):
        return Recovered(source, 0, 0, 0, 0, salvaged)
    with closing(Queries(part, zone)) as queries:
        start_s, end_s = queries.since_s() or max(ends), max(ends) + 2 * HOUR_S
        used: dict[int, int] = {}
        for row in queries.answer(UsageQuery(start_s, end_s, TimeStep.DAY, by=())).rows():
            used[row.start_s] = used.get(row.start_s, 0) + row.counts.octets
        missing = {
            day_s: covered - used.get(day_s, 0)
            for day_s, covered in _covered(queries, start_s, end_s, zone).items()
            if covered > used.get(day_s, 0)
        }
    return Recovered(source, sum(used.values()), len(used), sum(missing.values()), len(missing), salvaged)


def _covered(queries: Queries, start_s: int, end_s: int, zone: tzinfo) -> dict[int, int]:
    """Octets that were counted at points, by the start of each day from the first to the last."""
    octets_by_day: dict[int, int] = {}
    at_s = start_s
    while at_s < end_s:
        at_s, day_end_s = day_bounds(day_of(at_s, zone), zone)
        day = queries.coverage(at_s, day_end_s).values()
        octets_by_day[at_s] = sum(coverage.octets_attributed + coverage.octets_unattributed for coverage in day)
        at_s = day_end_s
    return octets_by_day
