"""Handlers of plans: data used and left, by tariff and person, and the forecast."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from whitestat.core.calendar import instant_text
from whitestat.core.errors import QueryError
from whitestat.core.model import Json
from whitestat.plans.spans import bounds
from whitestat.plans.status import PlanStatus
from whitestat.query.parameters import PLAN_BY, PLAN_STEP, listed
from whitestat.query.parse import asked_span
from whitestat.query.plan_status import PlanQuery, plan_fields, usage_rows
from whitestat.web.responses import json_answer
from whitestat.web.route import RequestContext
from whitestat.web.sources import Sources

ROWS_MAX = 100_000


def usage(context: RequestContext) -> Response:
    """Return usage of a plan; without a span that of the current period."""
    sources, texts, id, now = context.sources, context.texts, context.number("plan"), context.sources.now
    given = "start" in texts or "end" in texts
    start_s, end_s = asked_span(texts, now) if given else (now.at_s, now.at_s + 1)
    row, _ = sources.queries.plan_usage(id, start_s, end_s)
    if not given:
        start_s, end_s = bounds(row.terms[-1].plan.period, now.at_s, sources.zone)
    by, step = listed(texts.get("by", PLAN_BY.default or "")), texts.get("step", PLAN_STEP.default or "")
    row, cells = sources.queries.plan_usage(id, start_s, end_s)
    names = {row.id: row.name or row.mac for row in sources.queries.devices()} if "device" in by else {}
    rows: list[Json] = []
    for usage_row, owner in usage_rows(row, cells, sources.zone, PlanQuery(by, step, start_s)):
        device = {"id": owner.device, "name": names.get(owner.device) if owner.device is not None else None}
        rows.append(usage_row | ({"device": device} if "device" in by else {}))
        if len(rows) > ROWS_MAX:
            raise QueryError("step", f"the answer has more than {ROWS_MAX} rows; ask for a longer step")
    head = {
        "plan": {"id": id, "name": row.name},
        "start": instant_text(start_s, sources.zone),
        "end": instant_text(end_s, sources.zone),
        "step": step,
        "by": by,
    }
    return json_answer(head | {"rows": rows})


def plans(sources: Sources, statuses: Mapping[int, PlanStatus]) -> Response:
    """Return all plans."""
    names = {row.id: row.name or row.mac for row in sources.queries.devices()}
    return json_answer({"plans": [plan_fields(id, status, sources.zone, names) for id, status in statuses.items()]})
