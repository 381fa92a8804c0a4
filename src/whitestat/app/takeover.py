"""Takeover of the database of WhiteStat 1 to 11 on the first start beside it."""

from __future__ import annotations

import contextlib
import os
from datetime import tzinfo
from pathlib import Path

from whitestat.app.local_network import configured_locality
from whitestat.config.sections import Config
from whitestat.core.errors import ConfigError, LedgerError
from whitestat.core.system import privileges
from whitestat.core.system.clock import SystemClock
from whitestat.core.system.service_user import ServiceUser
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.write.writer import Writer

OLD_POINT = "whitestat import"
OLD_STORE = "WhiteStat.db"
"""Name of the database of WhiteStat 1 to 11, in the folder `DATA_STORE`."""


def import_old(config: Config, zone: tzinfo, user: ServiceUser | None = None) -> None:
    """On the first start beside a WhiteStat.db of version 1 to 11, its history becomes ours.

    A child does it, before there are any threads: years of history take 100 MB, which this process would keep. It
    becomes `user`, the owner of the files.
    """
    store = config.store.path
    old = config.store.old or store.with_name(OLD_STORE)
    if old.is_file() and store.exists() and old.samefile(store):
        _refuse_old_as_ledger(store, old)
        return
    if not old.is_file() or old.name == store.name or _has_old(store, zone):
        return
    from multiprocessing import get_context

    child = get_context("fork").Process(target=_take_over, args=(config, zone, old, user))
    child.start()
    child.join()


def _refuse_old_as_ledger(store: Path, old: Path) -> None:
    """Where a file system takes WhiteStat.db for whitestat.db, the one that is there is left as it is.

    A ledger has a number of its own in its head (SQLite's file format, section 1.3), a database of WhiteStat 1 to 11
    none.
    """
    with store.open("rb") as opened:
        head = opened.read(72)
    if head[:15] == b"SQLite format 3" and not any(head[68:72]):
        raise ConfigError(
            f"store.path: {store} is the database of an older WhiteStat, because this file system ignores upper and "
            f"lower case: name another file in [store] path, and {old.name} beside it is taken over"
        )


def _take_over(config: Config, zone: tzinfo, old: Path, user: ServiceUser | None) -> None:
    from whitestat.app.commands import importing

    privileges.end_with_parent()
    if user:
        os.seteuid(0)  # to give root up for good, where the parent acts as its user for now
        privileges.drop((user.uid, user.gid))
    store = config.store.path
    home = importing.ImportTarget(store, zone, configured_locality(config), SystemClock().now_ms() // 1000)
    with contextlib.suppress(LedgerError), contextlib.closing(Writer(store, zone)) as writer:  # told at the start
        importing.import_once(writer, old, home)


def _has_old(store: Path, zone: tzinfo) -> bool:
    """Whether the ledger took old history over already."""
    if not store.exists():
        return False
    try:
        with contextlib.closing(Queries(store, zone)) as queries:
            return OLD_POINT in queries.points()
    except LedgerError:
        return False
