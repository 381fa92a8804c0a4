"""`whitestat throttle`: active limits, and lifting them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from whitestat.app.commands.client import asked
from whitestat.config.sections import Config
from whitestat.core.errors import QueryError
from whitestat.core.units import rate_text
from whitestat.query.tables import csv_of, printable

FIELDS = ("name", "plan", "person", "devices", "rate_bps", "until", "lifted", "in_force", "reason")


def run(config: Config, what: str | None, name: str | None, form: str) -> str:
    """List, or lift a limit (`lift`) and put it in force again (`restore`)."""
    with asked(config) as ask:
        if what is None:
            return listing(ask("GET", "/api/v1/throttle", None), form)
        if name is None:
            raise QueryError(
                "name", f"missing; whitestat throttle lists the names. Example: whitestat throttle {what} NAME"
            )
        ask("POST", "/api/v1/throttle", {"name": name, "lifted": what == "lift"})
    until = "until the period ends" if what == "lift" else "again"
    return f"{printable(name)} is {'not ' if what == 'lift' else ''}slowed {until}\n"


def listing(limits: Mapping[str, Any], form: str) -> str:
    if form == "json":
        return json.dumps(limits, ensure_ascii=False, indent=1) + "\n"
    if form == "csv":
        rows = [{**row, "devices": " ".join(map(str, row["devices"]))} for row in limits["slowed"]]
        return csv_of(FIELDS, rows)
    return "".join(f"{line}\n" for line in _lines(limits))


def _lines(limits: Mapping[str, Any]) -> Iterator[str]:
    if limits["fault"]:
        yield f"No limit is in force: {limits['fault']}"
    for row in limits["slowed"] if not limits["fault"] else ():
        rate = "cut off" if row["rate_bps"] is None else f"slowed to {rate_text(row['rate_bps'])}"
        state = "lifted" if row["lifted"] else rate if row["in_force"] else f"not slowed, {row['reason']}"
        yield f"{printable(row['name'])}: {state}, until {row['until'][:16].replace('T', ' ')}"
    if not limits["slowed"] and not limits["fault"]:
        yield "No active limits."
