"""The command `import`, and what the service does on its first start beside a WhiteStat 5."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import tzinfo
from pathlib import Path
from typing import NamedTuple

from whitestat.attribution.locality import Locality
from whitestat.core.errors import ImportFault, LedgerError, QueryError
from whitestat.core.model import Address
from whitestat.importers import dalla_stats, darkstat, traffic, vnstat, whitestat, whitestat_folder
from whitestat.importers.history import ImportedHistory
from whitestat.importers.plan import ImportPlan, plan
from whitestat.importers.progress import Progress
from whitestat.importers.report import report
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.write.writer import Writer

MOST_OCTETS = 256 * 1024 * 1024
"""Larger files are no export, no day log and no JSON of these programs."""

log = logging.getLogger("whitestat")


class ImportTarget(NamedTuple):
    """The ledger's file, the zone its days are of, what is local, and the time now."""

    store: Path
    zone: tzinfo
    locality: Locality
    now_s: int

    def is_local(self, address: Address) -> bool:
        return self.locality.kind(address) in {"local", "own"}


_OPTIONS = {"--interface": "vnstat", "--lan": "vnstat", "--month-rotate": "vnstat", "--unit": "traffic"}
"""Whose files an option is about."""


def refuse_others(program: str, given: Mapping[str, object]) -> None:
    """QueryError for an option, by its name, that is about the files of another program."""
    for option, of in _OPTIONS.items():
        if given.get(option) and of != program:
            raise QueryError(option, f"is about {of}'s files, and has no effect on {program}'s")


def read(
    program: str,
    path: Path,
    home: ImportTarget,
    *,
    interface: str | None = None,
    faces_lan: bool = False,
    unit: str | None = None,
    month_rotate: int | None = None,
) -> ImportedHistory:
    """What the program left at the path; ImportFault says what is wrong with it."""
    if program == "whitestat":
        return whitestat_folder.read(path, home.zone, home.is_local)
    if program == "dalla-stats":
        return dalla_stats.read(path, home.zone, home.is_local, home.now_s)
    if program == "traffic":
        return traffic.read(path, home.zone, unit or "kB", home.now_s)
    if program == "darkstat":
        return darkstat.read(_content(path), str(path), home.zone, home.is_local)
    return vnstat.read(_content(path), str(path), interface, faces_lan=faces_lan, month_rotate=month_rotate)


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

    A fault is logged and tried again at the next start: it keeps nobody from metering.
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


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ImportFault(f"{path}: cannot be read: is a directory; name the file in it")
        if path.stat().st_size > MOST_OCTETS:
            raise ImportFault(f"{path}: larger than {MOST_OCTETS >> 20} MiB, which no such file is")
        return path.read_bytes()
    except OSError as error:
        raise ImportFault(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
