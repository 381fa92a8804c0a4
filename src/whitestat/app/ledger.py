"""The ledger as the service opens it: a damaged one set aside, the configured plans in it."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import tzinfo
from pathlib import Path

from whitestat.config.plans import plan_of
from whitestat.config.sections import Config
from whitestat.core.errors import DamagedLedger, LedgerError
from whitestat.core.system.clock import SystemClock
from whitestat.ledger.write.writer import LedgerState, Writer

log = logging.getLogger("whitestat")


def open_ledger(config: Config, zone: tzinfo) -> tuple[Writer, LedgerState]:
    """Open the ledger for writing and read its state; a damaged one is set aside and replaced by a new one.

    Raises LedgerError if it cannot be opened.
    """
    path, kept_s = config.store.path, asdict(config.retention)
    try:
        return _opened(path, zone, kept_s)
    except DamagedLedger as damage:
        from whitestat.ledger.recovery.aside import set_aside  # needed after a disk failure alone

        place = set_aside(path, str(damage), SystemClock().now_ms())
        log.error("%s; it is set aside as %s, and a new one goes on: whitestat recover", damage, place)
        return _opened(path, zone, kept_s)


def _opened(path: Path, zone: tzinfo, kept_s: dict[str, int | None]) -> tuple[Writer, LedgerState]:
    writer = Writer(path, zone, kept_s)
    try:
        return writer, writer.state()
    except LedgerError:
        writer.close()
        raise


def follow_plans(writer: Writer, config: Config) -> None:
    """Put the configured plans into force from now on; an error is logged, as metering must not depend on them."""
    try:
        changed = writer.follow_plans([plan_of(plan) for plan in config.plans], SystemClock().now_ms() // 1000)
    except LedgerError as fault:
        log.error("the plans of the configuration are not in force yet, the previous ones are: %s", fault)
        return
    for name in changed:
        log.info("plan %s: the terms of the configuration are in force from now on", name)
