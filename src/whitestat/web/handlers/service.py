"""Handlers about the service: health, coverage, gaps, store, active limits, the current account."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from whitestat.core.calendar import instant_text
from whitestat.query.encode import covered_points
from whitestat.query.parse import asked_span
from whitestat.web.auth.principal import principal_fields
from whitestat.web.auth.roles import Role
from whitestat.web.responses import json_answer
from whitestat.web.route import RequestContext
from whitestat.web.sources import Sources
from whitestat.web.usage_reader import HouseholdReader

DAY_S = 86_400
MOST_GAPS = 100
"""More gaps of a point are only summed up."""


def coverage(context: RequestContext) -> Response:
    """Return what each point has seen of a span; `coverage` is null if nothing was counted."""
    sources = context.sources
    start_s, end_s = asked_span(context.texts, sources.now)
    points = sources.queries.coverage(start_s, end_s)
    span = {"start": instant_text(start_s, sources.zone), "end": instant_text(end_s, sources.zone)}
    return json_answer({**span, "points": covered_points(points)}, tagged=True)


def gaps(context: RequestContext) -> Response:
    """Return the gaps of each point, the latest first.

    The latest minutes are written with a delay: they count as a gap only if the point is not `ok` now.
    """
    sources, now = context.sources, context.sources.now
    start_s, end_s = asked_span(context.texts, now)
    gaps_by_point = _household(sources).gaps(start_s, end_s, now.at_s)
    ok_points, rows = _ok_points(sources), []
    for point, all_gaps in gaps_by_point.points.items():
        is_open = bool(all_gaps) and all_gaps[-1].end_s == gaps_by_point.end_s and end_s >= now.at_s
        point_gaps = all_gaps[:-1] if is_open and point in ok_points else all_gaps
        shown = [
            {
                "start": instant_text(gap.start_s, sources.zone),
                "end": None if is_open and gap is all_gaps[-1] else instant_text(gap.end_s, sources.zone),
                "missed_ms": gap.missed_ms,
            }
            for gap in point_gaps[: -MOST_GAPS - 1 : -1]
        ]
        missed_ms = sum(gap.missed_ms for gap in point_gaps)
        rows.append({"point": point, "missed_ms": missed_ms, "more": len(point_gaps) - len(shown), "gaps": shown})
    span = {
        "start": instant_text(gaps_by_point.start_s, sources.zone),
        "end": instant_text(gaps_by_point.end_s, sources.zone),
    }
    return json_answer({**span, "points": rows})


def store(context: RequestContext) -> Response:
    """Return the size of the ledger and its mean growth; the growth is null on the first day."""
    sources, ledger = context.sources, _household(context.sources)
    since_s, octets = ledger.since_s(), ledger.octets_on_disk()
    days = 0 if since_s is None else (sources.now.at_s - since_s) // DAY_S
    return json_answer(
        {
            "octets": octets,
            "free_octets": ledger.octets_free(),
            "since": None if since_s is None else instant_text(since_s, sources.zone),
            "octets_per_day": octets // days if days else None,
        }
    )


async def health(context: RequestContext) -> Response:
    """Return the report of the engine; 503 unless its status is `ok` or only the clock is wrong."""
    sources, principal = context.sources, context.principal
    # A token for metrics reads the details of /metrics alone.
    report = sources.brief_health() if principal and principal.role is Role.METRICS else sources.health()
    return json_answer(report, 200 if report.get("status") == "ok" or report.get("healthy") else 503)


async def limits(context: RequestContext) -> Response:
    """Return the active limits."""
    throttle = context.sources.slowing
    return json_answer(throttle.slowed() if throttle else {"slowed": [], "fault": None})


async def me(context: RequestContext) -> Response:
    """Return account and role of the request, and time zone and billing of the household."""
    sources, principal = context.sources, context.principal
    household = {"timezone": str(sources.zone), "billing": {"day": sources.cycle.day, "hour": sources.cycle.hour}}
    return json_answer(principal_fields(principal, sources.zone) | household if principal else {})


def _household(sources: Sources) -> HouseholdReader:
    """Return the queries about the household as a whole. Raises HTTPException 403 if a person has none."""
    if sources.queries.household is None:
        raise HTTPException(403, "is about the whole household")
    return sources.queries.household


def _ok_points(sources: Sources) -> set[object]:
    points = sources.health().get("points")
    if not isinstance(points, list):
        return set()
    return {point.get("point") for point in points if point.get("state") == "ok"}
