"""The API's routes: one table that requests are checked by and the OpenAPI document is made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from starlette.responses import Response

from whitestat.web import api, metrics
from whitestat.web.parameters import BY, DEVICE, END, SCOPE, START, STEP, Parameter
from whitestat.web.sources import Sources


class Route(NamedTuple):
    """One path. `answers` names the schema of its media type; `asks_ledger`: it may take a while."""

    path: str
    summary: str
    answer: Callable[[Sources, api.Texts], Response] | None
    parameters: tuple[Parameter, ...] = ()
    media_type: str = "application/json"
    schema: str | None = None
    asks_ledger: bool = True
    may_be_unwell: bool = False


_USAGE = (START, END, STEP, BY, DEVICE, SCOPE)

LIVE = Route(
    "/api/v1/live",
    "Today's usage and the rates of each second, as server-sent events; the first holds every device of "
    "today, later ones those that changed.",
    None,
    media_type="text/event-stream",
    schema="Live",
    asks_ledger=False,
    may_be_unwell=True,
)

ROUTES = (
    Route("/api/v1/usage", "Who used how much, when.", api.usage, _USAGE, schema="Usage"),
    Route("/api/v1/usage.csv", "The same as CSV.", api.usage_csv, _USAGE, "text/csv"),
    Route("/api/v1/usage.html", "The same as a plain table.", api.usage_html, _USAGE, "text/html"),
    Route("/api/v1/devices", "Every device known.", api.devices, schema="Devices"),
    Route("/api/v1/coverage", "How much of each point was seen.", api.coverage, (START, END), schema="Coverage"),
    Route(
        "/api/v1/health",
        "Whether all is well, and what each point says.",
        api.health,
        schema="Health",
        asks_ledger=False,
        may_be_unwell=True,
    ),
    LIVE,
    Route("/metrics", "Totals and health for Prometheus.", metrics.metrics, media_type="text/plain"),
)
