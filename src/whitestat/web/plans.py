"""What the API tells of plans: used, left, by tariff and person, and how it will go on."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from whitestat.plan_forms import told
from whitestat.plans.standing import Standing
from whitestat.web.answers import json_answer
from whitestat.web.sources import Sources


def plans(sources: Sources, found: Mapping[int, Standing]) -> Response:
    names = {row.id: row.name or row.mac for row in sources.queries.devices()}
    return json_answer({"plans": [told(id, each, sources.zone, names) for id, each in found.items()]})
