"""What the API answers; each function takes the sources and the checked texts of the query string."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from whitestat.core.calendar import day_of, instant_text
from whitestat.core.errors import QueryError
from whitestat.ledger.read.queries import Cursor, Queries, UsageQuery, UsageResult, UsageRow
from whitestat.query.encode import UsageAnswer, covered_points, device_fields
from whitestat.query.parse import asked_span, usage_question
from whitestat.web.handlers.usage_page import as_html, headers
from whitestat.web.responses import Texts, in_pieces, json_answer
from whitestat.web.sources import Sources

DAY_S = 86_400
MOST_GAPS = 100
"""So many of a point are told one by one."""


def usage(sources: Sources, texts: Texts) -> Response:
    answer = _usage(sources, texts, "/api/v1/usage")
    return in_pieces(answer.as_json(), "application/json", headers(answer))


def usage_csv(sources: Sources, texts: Texts) -> Response:
    answer = _usage(sources, texts, "/api/v1/usage.csv")
    name = f"whitestat-{day_of(answer.question.start_s, sources.zone)}.csv"
    saved = {"content-disposition": f'attachment; filename="{name}"'}
    return in_pieces(answer.as_csv(), "text/csv; charset=utf-8", headers(answer) | saved)


def usage_html(sources: Sources, texts: Texts) -> Response:
    answer = _usage(sources, texts, "/api/v1/usage.html")
    return in_pieces(as_html(answer, sources.base), "text/html; charset=utf-8", headers(answer))


def devices(sources: Sources, texts: Texts) -> Response:
    """Those that were seen: one that is merged into another has nothing of its own."""
    rows = [row for row in sources.queries.devices() if row.first_seen_ms is not None]
    return json_answer({"devices": [device_fields(row, sources.zone) for row in rows]}, tagged=True)


def coverage(sources: Sources, texts: Texts) -> Response:
    """The span asked for, and for each point what was seen of it; `coverage` is null where nothing flowed."""
    start_s, end_s = asked_span(texts, sources.now)
    points = sources.queries.coverage(start_s, end_s)
    return json_answer(
        {
            "start": instant_text(start_s, sources.zone),
            "end": instant_text(end_s, sources.zone),
            "points": covered_points(points),
        },
        tagged=True,
    )


def gaps(sources: Sources, texts: Texts) -> Response:
    """When each point was not watched, the latest first.

    The last minutes are written a little later: they are a gap that goes on only where the point is not well now.
    """
    queries, now = sources.queries, sources.now
    if not isinstance(queries, Queries):  # the route lets no person ask
        raise HTTPException(403, "what was not watched is the house's")
    start_s, end_s = asked_span(texts, now)
    found = queries.gaps(start_s, end_s, now.at_s)
    well, rows = _well(sources), []
    for name, each in found.points.items():
        goes_on = bool(each) and each[-1].end_s == found.end_s and end_s >= now.at_s
        kept = each[:-1] if goes_on and name in well else each
        shown = [
            {
                "start": instant_text(gap.start_s, sources.zone),
                "end": None if goes_on and gap is each[-1] else instant_text(gap.end_s, sources.zone),
                "missed_ms": gap.missed_ms,
            }
            for gap in kept[: -MOST_GAPS - 1 : -1]
        ]
        missed_ms = sum(gap.missed_ms for gap in kept)
        rows.append({"point": name, "missed_ms": missed_ms, "more": len(kept) - len(shown), "gaps": shown})
    span = {"start": instant_text(found.start_s, sources.zone), "end": instant_text(found.end_s, sources.zone)}
    return json_answer({**span, "points": rows})


def _well(sources: Sources) -> set[object]:
    points = sources.health().get("points")
    return {each.get("point") for each in points if each.get("state") == "ok"} if isinstance(points, list) else set()


def store(sources: Sources, texts: Texts) -> Response:
    """How large the ledger is and how fast it has grown so far; null in its first day."""
    queries = sources.queries
    if not isinstance(queries, Queries):  # the route lets no person ask
        raise HTTPException(403, "the store is the house's")
    since_s, octets = queries.since_s(), queries.octets_on_disk()
    days = 0 if since_s is None else (sources.now.at_s - since_s) // DAY_S
    return json_answer(
        {
            "octets": octets,
            "free_octets": queries.octets_free(),
            "since": None if since_s is None else instant_text(since_s, sources.zone),
            "octets_per_day": octets // days if days else None,
        }
    )


def health(sources: Sources, texts: Texts) -> Response:
    """What the engine says of itself; 503 unless that is `ok`, or the clock alone is wrong: no restart mends that."""
    report = sources.health()
    return json_answer(report, 200 if report.get("status") == "ok" or report.get("healthy") else 503)


def _usage(sources: Sources, texts: Texts, path: str) -> UsageAnswer:
    if "cursor" in texts and "limit" not in texts:
        raise QueryError("cursor", "needs limit")
    now = sources.now
    question = usage_question(texts, now, sources.queries)
    answer = sources.queries.answer(question)
    span_s = min(question.end_s, now.at_s) - question.start_s
    page = _page(answer, texts)
    following = page and page[1]
    return UsageAnswer(
        question,
        page[0] if page else answer.rows(),
        sources.zone,
        resolution=answer.step,
        notice=answer.notice,
        elapsed_ms=max(0, span_s - span_s % 60) * 1000,
        coverage=answer.coverage,
        following=_address(path, texts, question, following, sources) if following else None,
        tag=f"{sources.version} {answer.tag} {texts.get('limit')} {texts.get('cursor')}",
    )


def _page(answer: UsageResult, texts: Texts) -> tuple[list[UsageRow], Cursor | None] | None:
    if "limit" not in texts:
        return None
    return answer.page(int(texts["limit"]), Cursor.read(texts["cursor"]) if "cursor" in texts else None)


def _address(path: str, texts: Texts, question: UsageQuery, cursor: Cursor, sources: Sources) -> str:
    """That of the next page; of the same span, when the day that was asked for by a word is over too."""
    span = {"start": instant_text(question.start_s, sources.zone), "end": instant_text(question.end_s, sources.zone)}
    return f"{sources.base}{path}?{urlencode({**texts, **span, 'cursor': str(cursor)})}"
