"""`whitestat history`, `top` and `devices`: what the API answers, in a terminal, a script or a spreadsheet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from whitestat.app.control import ControlConnection
from whitestat.app.service import cycle_of, zone_of
from whitestat.config.sections import Config
from whitestat.core.errors import LedgerError, WhiteStatError
from whitestat.core.model import Counts
from whitestat.core.system.clock import SystemClock
from whitestat.ledger.read.queries import Queries, UsageQuery
from whitestat.query import tables
from whitestat.query.encode import UsageAnswer, device_fields
from whitestat.query.parameters import QUESTION, check_all
from whitestat.query.parse import Now, usage_question


def now_of(config: Config) -> Now:
    return Now(SystemClock().now_ms() // 1000, zone_of(config), cycle_of(config))


def queries_of(config: Config) -> Queries:
    """The ledger of a service that runs or ran; LedgerError where none ever did."""
    if not config.store.path.exists():
        raise LedgerError(f"{config.store.path}: no usage is kept here yet; start whitestat run first")
    return Queries(config.store.path, zone_of(config), cycle_of(config))


def usage(config: Config, texts: Mapping[str, str], form: str) -> Iterator[str]:
    """The answer as `text`, `csv` or `json`, in pieces; QueryError where it cannot be asked so."""
    checked = check_all(QUESTION, texts.items())
    now = now_of(config)
    with closing(queries_of(config)) as queries:
        found = queries.answer(usage_question(checked, now, queries))
        rows = queries.usage(found.question) if form == "text" else found.rows()
        span_s = min(found.question.end_s, now.at_s) - found.question.start_s
        answer = UsageAnswer(
            found.question,
            rows,
            now.zone,
            resolution=found.step,
            notice=found.notice,
            elapsed_ms=max(0, span_s - span_s % 60) * 1000,
            coverage=found.coverage,
        )
        yield from {"text": tables.history, "csv": UsageAnswer.as_csv, "json": tables.lines_of_json}[form](answer)


def today(config: Config, queries: Queries, now: Now) -> list[tables.ReportRow]:
    """Usage of today by device and scope: from the service, which knows what is not written yet, where one runs."""
    with closing(ControlConnection(config.store.path)) as line:
        try:
            line.request("GET", "/api/v1/usage?start=today&by=device,scope")
            answer = line.getresponse()
            if answer.status == HTTPStatus.OK:
                return [_told(row) for row in json.load(answer)["rows"]]
        except (OSError, HTTPException, WhiteStatError):
            pass  # none runs, or it is another user's
    return [tables.from_row(row) for row in queries.usage(UsageQuery(*now.span("today"), by=("device", "scope")))]


def _told(row: Mapping[str, Any]) -> tables.ReportRow:
    device = row["device"]
    if row["octets_in"] is None:
        counts = Counts(0, 0, row["packets_in"], row["packets_out"], row["octets"])
    else:
        counts = Counts(row["octets_in"], row["octets_out"], row["packets_in"], row["packets_out"])
    name, mac = (device["name"] or device["mac"], device["mac"]) if device else (None, None)
    return tables.ReportRow(name, mac, row["scope"], counts)


def devices(config: Config, form: str) -> Iterator[str]:
    """Every device known as `text`, `csv` or `json`."""
    zone = zone_of(config)
    with closing(queries_of(config)) as queries:
        yield tables.devices(
            [device_fields(row, zone) for row in queries.devices() if row.first_seen_ms is not None], form
        )
