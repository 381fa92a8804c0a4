"""`whitestat today`, `history`, `top` and `devices`: what the API answers, in a terminal, a script or a spreadsheet."""

from __future__ import annotations

import json
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from http.client import HTTPResponse
from typing import Any, NamedTuple
from urllib.parse import urlencode

from whitestat.app.control_client import answer_to, json_answer_to
from whitestat.app.local_time import cycle_of, zone_of
from whitestat.config.sections import Config
from whitestat.core.errors import LedgerError
from whitestat.core.model import Counts, Json
from whitestat.core.system.clock import SystemClock
from whitestat.ledger.read.queries import Queries, UsageQuery
from whitestat.query import tables
from whitestat.query.encode import UsageAnswer, device_fields, was_watched
from whitestat.query.parameters import QUESTION, check_all
from whitestat.query.parse import Now, usage_question

PIECE = 1 << 16
"""Octets of an answer that are read at a time."""
TODAY = "/api/v1/usage?start=today&by=device,scope"


def now_of(config: Config) -> Now:
    return Now(SystemClock().now_ms() // 1000, zone_of(config), cycle_of(config))


def queries_of(config: Config) -> Queries:
    """The ledger of a service that runs or ran; LedgerError where none ever did."""
    if not config.store.path.exists():
        raise LedgerError(f"{config.store.path}: no usage is kept here yet; start whitestat run first")
    return Queries(config.store.path, zone_of(config), cycle_of(config))


def usage(config: Config, texts: Mapping[str, str], form: str) -> Iterator[str]:
    """Yield the answer as `text`, `csv` or `json`, in pieces; QueryError names a parameter that cannot be used.

    It comes from the running service, which has what is not written yet, else from the ledger.
    """
    checked = check_all(QUESTION, texts.items())
    path = "/api/v1/usage.csv" if form == "csv" else "/api/v1/usage"
    with answer_to(config.store.path, f"{path}?{urlencode(checked)}") as answer:
        pieces = _pieces(answer) if answer else _from_ledger(config, checked, form)
        if form == "text":
            yield from tables.history(json.loads("".join(pieces)))
            return
        yield from pieces
        yield "\n" if form == "json" else ""


def _pieces(answer: HTTPResponse) -> Iterator[str]:
    decoder = getincrementaldecoder("utf-8")()
    while octets := answer.read(PIECE):
        yield decoder.decode(octets)


def _from_ledger(config: Config, checked: Mapping[str, str], form: str) -> Iterator[str]:
    now = now_of(config)
    with closing(queries_of(config)) as queries:
        result = queries.answer(usage_question(checked, now, queries))
        span_s = min(result.question.end_s, now.at_s) - result.question.start_s
        answer = UsageAnswer(
            result.question,
            queries.usage(result.question) if form == "text" else result.rows(),
            now.zone,
            resolution=result.step,
            notice=result.notice,
            elapsed_ms=max(0, span_s - span_s % 60) * 1000,
            coverage=result.coverage,
            not_watched=queries.not_watched(replace(result.question, step=result.step), now.at_s),
        )
        yield from answer.as_csv() if form == "csv" else answer.as_json()


class Today(NamedTuple):
    """Usage of today by device and scope, plans as the API lists them, and whether any point was watched."""

    rows: list[tables.ReportRow]
    plans: list[Json]
    was_watched: bool


def today(config: Config) -> Today:
    """Return today's figures from the running service, which has what is not written yet, else from the ledger."""
    store = config.store.path
    usage, plans = json_answer_to(store, TODAY), json_answer_to(store, "/api/v1/plans")
    if usage is not None and plans is not None:
        watched = any(point["observed_ms"] for point in usage["coverage"])
        return Today([_report_row(row) for row in usage["rows"]], plans["plans"], watched)
    now = now_of(config)
    with closing(queries_of(config)) as queries:
        rows = queries.usage(UsageQuery(*now.span("today"), by=("device", "scope")))
        watched = was_watched(queries.coverage(*now.span("today")))
        return Today([tables.from_row(row) for row in rows], plan_documents(queries, now), watched)


def plan_documents(queries: Queries, now: Now) -> list[Json]:
    """Return the plans as `/api/v1/plans` lists them."""
    statuses = queries.plan_statuses(now.at_s)
    if not statuses:
        return []
    from whitestat.query.plan_status import (
        plan_fields,  # brings what works plans out, which most households have none of
    )

    names = {row.id: row.name or row.mac for row in queries.devices()}
    return [plan_fields(id, status, now.zone, names) for id, status in statuses.items()]


def _report_row(row: Mapping[str, Any]) -> tables.ReportRow:
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
