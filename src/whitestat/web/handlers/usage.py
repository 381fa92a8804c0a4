"""Handlers of usage as JSON, CSV and HTML, and of the list of devices."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

from starlette.responses import Response

from whitestat.core.calendar import day_of, instant_text
from whitestat.core.errors import QueryError
from whitestat.ledger.read.queries import Cursor, UsageQuery, UsageResult, UsageRow
from whitestat.query.encode import UsageAnswer, device_fields
from whitestat.query.parse import usage_question
from whitestat.web.handlers.usage_page import as_html, headers
from whitestat.web.responses import Texts, in_pieces, json_answer
from whitestat.web.route import RequestContext
from whitestat.web.sources import Sources


def usage(context: RequestContext) -> Response:
    """Return usage as JSON."""
    sources = context.sources
    answer = _usage(sources, context.texts, "/api/v1/usage")
    if household := sources.queries.household:  # a person sees no coverage
        query = replace(answer.question, step=answer.resolution or answer.question.step)
        missed = household.not_watched(query, sources.now.at_s)
        length_ms = sum(gap.missed_ms for point_gaps in (missed or {}).values() for gap in point_gaps)
        answer = replace(answer, not_watched=missed, tag=f"{answer.tag} {length_ms}")
    return in_pieces(answer.as_json(), "application/json", headers(answer))


def usage_csv(context: RequestContext) -> Response:
    """Return usage as CSV, to be saved as a file."""
    answer = _usage(context.sources, context.texts, "/api/v1/usage.csv")
    name = f"whitestat-{day_of(answer.question.start_s, context.sources.zone)}.csv"
    saved = {"content-disposition": f'attachment; filename="{name}"'}
    return in_pieces(answer.as_csv(), "text/csv; charset=utf-8", headers(answer) | saved)


def usage_html(context: RequestContext) -> Response:
    """Return usage as a plain HTML table."""
    answer = _usage(context.sources, context.texts, "/api/v1/usage.html")
    return in_pieces(as_html(answer, context.sources.base), "text/html; charset=utf-8", headers(answer))


def devices(context: RequestContext) -> Response:
    """Return all devices that were seen, without those merged into others."""
    sources = context.sources
    rows = [row for row in sources.queries.devices() if row.first_seen_ms is not None]
    return json_answer({"devices": [device_fields(row, sources.zone) for row in rows]}, tagged=True)


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
    """Return the address of the next page: with start and end as instants, so that 'today' stays the same day."""
    span = {"start": instant_text(question.start_s, sources.zone), "end": instant_text(question.end_s, sources.zone)}
    return f"{sources.base}{path}?{urlencode({**texts, **span, 'cursor': str(cursor)})}"
