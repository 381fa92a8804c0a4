"""What the API answers; each function takes the sources and the checked texts of the query string."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from whitestat.asking import asked_span, usage_question
from whitestat.ledger.queries import DeviceRow
from whitestat.periods import day_of, instant_text
from whitestat.web.answers import in_pieces, json_answer
from whitestat.web.sources import Sources
from whitestat.web.usage_forms import UsageAnswer

Texts = Mapping[str, str]


def usage(sources: Sources, texts: Texts) -> Response:
    return in_pieces(_usage(sources, texts).as_json(), "application/json")


def usage_csv(sources: Sources, texts: Texts) -> Response:
    answer = _usage(sources, texts)
    name = f"whitestat-{day_of(answer.question.start_s, sources.zone)}.csv"
    return in_pieces(answer.as_csv(), "text/csv; charset=utf-8", name)


def usage_html(sources: Sources, texts: Texts) -> Response:
    return in_pieces(_usage(sources, texts).as_html(), "text/html; charset=utf-8")


def devices(sources: Sources, texts: Texts) -> Response:
    return json_answer({"devices": [_device(row, sources) for row in sources.queries.devices()]})


def coverage(sources: Sources, texts: Texts) -> Response:
    """The span asked for, and for each point what was seen of it; `coverage` is null where nothing flowed."""
    start_s, end_s = asked_span(texts, sources.now)
    points = sources.queries.coverage(start_s, end_s)
    return json_answer(
        {
            "start": instant_text(start_s, sources.zone),
            "end": instant_text(end_s, sources.zone),
            "points": [
                {"point": name, **covered._asdict(), "coverage": covered.ratio} for name, covered in points.items()
            ],
        }
    )


def health(sources: Sources, texts: Texts) -> Response:
    """What the engine says of itself; 503 unless that is `ok`."""
    report = sources.health()
    return json_answer(report, 200 if report.get("status") == "ok" else 503)


def _usage(sources: Sources, texts: Texts) -> UsageAnswer:
    question = usage_question(texts, sources.now, sources.queries.devices)
    return UsageAnswer(question, sources.queries.usage(question), sources.zone)


def _device(row: DeviceRow, sources: Sources) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "name_source": row.name_source,
        "mac": row.mac,
        "addresses": list(row.addresses),
        "person": row.person,
        "first_seen": _instant(row.first_seen_ms, sources),
        "last_seen": _instant(row.last_seen_ms, sources),
    }


def _instant(at_ms: int | None, sources: Sources) -> str | None:
    return None if at_ms is None else instant_text(at_ms // 1000, sources.zone)
