"""The command `import`, and what the service does on its first start beside a WhiteStat 5."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from whitestat.attribution.locality import Locality
from whitestat.core.errors import ImportFault, LedgerError, QueryError
from whitestat.core.model import Address
from whitestat.importers import whitestat
from whitestat.importers.history import ImportedHistory
from whitestat.importers.plan import ImportPlan, plan
from whitestat.importers.progress import Progress
from whitestat.importers.readers import BY_NAME, READERS
from whitestat.importers.report import report
from whitestat.importers.source import ImportSource
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.write.writer import Writer

log = logging.getLogger("whitestat")


class ImportTarget(NamedTuple):
    """The ledger's file, the zone its days are of, what is local, and the time now."""

    store: Path
    zone: tzinfo
    locality: Locality
    now_s: int

    def is_local(self, address: Address) -> bool:
        return self.locality.kind(address) in {"local", "own"}


def read(
    program: str, path: Path, home: ImportTarget, given: Mapping[str, object] = MappingProxyType({})
) -> ImportedHistory:
    """Return what the program left at the path, read with its options among those `given`, by `ReaderOption.key`.

    Raises QueryError for an option that is about the files of another program, and ImportFault if the data is wrong.
    """
    refuse_others(program, given)
    reader = BY_NAME[program]
    options = {option.key: given[option.key] for option in reader.options if given.get(option.key) is not None}
    return reader.load()(ImportSource(path, home.zone, home.is_local, home.now_s, options))


def refuse_others(program: str, given: Mapping[str, object]) -> None:
    """Raise QueryError for a given option that is about the files of another program."""
    for reader in READERS:
        for option in reader.options:
            if given.get(option.key) and reader.name != program:
                raise QueryError(option.name, f"is an option for files of {reader.name}, not of {program}")


def show(history: ImportedHistory, home: ImportTarget) -> str:
    """What would be booked; the ledger, if there is one, is only read."""
    if not home.store.exists():
        return report(_planned(history, None, home), done=False)
    with closing(Queries(home.store, home.zone)) as queries:
        return report(_planned(history, queries, home), done=False)


def book(history: ImportedHistory, home: ImportTarget) -> str:
    """Books it, all or nothing, and says what was booked; LedgerError while a service keeps usage there."""
    with closing(Writer(home.store, home.zone)) as writer:
        return report(_book(history, writer, home), done=True)


def import_once(writer: Writer, old: Path, home: ImportTarget) -> None:
    """A WhiteStat.db beside a ledger that has never seen one: its history is booked, the file left as it is.

    A fault is logged and tried again at the next start: metering goes on.
    """
    if not old.is_file() or any(point.name == whitestat.POINT for point in writer.state().points):
        return
    try:
        history = read("whitestat", old, home)
        days = _book(history, writer, home).days
    except (ImportFault, LedgerError) as fault:
        log.error("%s", fault)
    else:
        log.info(
            "%s: %d days of %d hosts were imported; the file is not needed any more", old, len(days), len(history.hosts)
        )


def _book(history: ImportedHistory, writer: Writer, home: ImportTarget) -> ImportPlan:
    with closing(Queries(home.store, home.zone)) as queries:
        planned = _planned(history, queries, home)
    writer.commit(planned.flush)
    return planned


def _planned(history: ImportedHistory, queries: Queries | None, home: ImportTarget) -> ImportPlan:
    progress = Progress(history.rows, sys.stderr)
    try:
        return plan(history, queries, zone=home.zone, now_s=home.now_s, routers=home.locality.routers, tick=progress)
    finally:
        progress.end()
