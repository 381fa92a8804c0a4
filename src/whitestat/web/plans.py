"""What the API tells of plans: used, left, by tariff and person, and how it will go on."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from whitestat.plan_forms import told
from whitestat.web.answers import json_answer
from whitestat.web.sources import Sources

Texts = Mapping[str, str]


def plans(sources: Sources, texts: Texts) -> Response:
    found = sources.queries.standings(sources.now_ms() // 1000)
    names = {row.id: row.name or row.mac for row in sources.queries.devices()} if found else {}
    return json_answer({"plans": [told(id, each, sources.zone, names) for id, each in found.items()]})
