"""The API's routes: one table that requests are checked by and the OpenAPI document is made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from starlette.responses import Response

from whitestat.core.system import lazy_imports
from whitestat.query.parameters import (
    CURSOR,
    END,
    FIRST_DAY,
    LAST,
    LAST_DAY,
    LIMIT,
    PLAN_BY,
    PLAN_START,
    PLAN_STEP,
    QUESTION,
    START,
    Parameter,
)
from whitestat.web.auth.roles import Permission
from whitestat.web.handlers import accounts, people, usage
from whitestat.web.legacy_v5 import handlers
from whitestat.web.responses import Texts, json_answer
from whitestat.web.sources import Sources


class Route(NamedTuple):
    """One path, and `who` may ask for it. `schema` names that of its media type, which is empty where the answer leads
    to a page; `asks_ledger`: it may take a while.

    `also` holds other spellings of the path, `others` whether parameters it does not know are passed over, `tagged`
    whether answers have an entity tag, and one that the asker has already is 304. `of_v5`: `web.open_v5` is about it.
    """

    path: str
    summary: str
    answer: Callable[[Sources, Texts], Response] | None
    who: Permission
    parameters: tuple[Parameter, ...] = ()
    media_type: str = "application/json"
    schema: str | None = None
    asks_ledger: bool = True
    may_be_unwell: bool = False
    also: tuple[str, ...] = ()
    others: bool = False
    tagged: bool = False
    of_v5: bool = False


def _plans(sources: Sources, texts: Texts) -> Response:
    """What tells of plans is loaded where there are some: many have none."""
    found = sources.queries.plan_statuses(sources.now_ms() // 1000)
    if not found:
        return json_answer({"plans": []})
    from whitestat.web.handlers import plans

    return plans.plans(sources, found)


def _plan_usage(sources: Sources, texts: Texts) -> Response:
    from whitestat.web.handlers import plans

    return plans.usage(sources, texts)


def _throttle(sources: Sources, texts: Texts) -> Response:
    return json_answer(sources.slowing.slowed() if sources.slowing else {"slowed": [], "fault": None})


def _metrics(sources: Sources, texts: Texts) -> Response:
    """The client of Prometheus takes 0.6 MB, and is loaded when the first scraper asks."""
    lazy_imports.without_servers()
    from whitestat.web.handlers import metrics

    return metrics.metrics(sources, texts)


_USAGE = (*QUESTION, LIMIT, CURSOR)

LIVE = Route(
    "/api/v1/live",
    "Today's usage and the rates of each second, as server-sent events; the first holds every device of "
    "today, later ones those that changed.",
    None,
    Permission.PEOPLE,
    (LAST,),
    media_type="text/event-stream",
    schema="Live",
    asks_ledger=False,
    may_be_unwell=True,
)

ME = Route("/api/v1/me", "Who asks, and what he may.", None, Permission.EVERYONE, schema="Me", asks_ledger=False)

NAME = Route(
    "/api/v1/names/{address}",
    "What the DNS calls an address; it is asked for this answer alone.",
    None,
    Permission.READERS,
    schema="Name",
    asks_ledger=False,
    may_be_unwell=True,
)

_FRAME, _HTML = "Frame", "text/html"
_DAYS = (FIRST_DAY, LAST_DAY)

LEGACY = (
    Route("/json", "Today by device, as WhiteStat v5 had it.", handlers.json_today, Permission.PEOPLE, schema=_FRAME),
    Route("/table", "The same as a plain table.", handlers.table_today, Permission.PEOPLE, media_type=_HTML),
    Route(
        "/json/history",
        "Each day by device, as WhiteStat v5 had it.",
        handlers.json_history,
        Permission.PEOPLE,
        _DAYS,
        schema=_FRAME,
    ),
    Route(
        "/table/history",
        "The same as a plain table.",
        handlers.table_history,
        Permission.PEOPLE,
        _DAYS,
        _HTML,
    ),
    Route(
        "/history",
        "The history view of the page, of these days; WhiteStat v5's README had the table here.",
        handlers.page_history,
        Permission.PEOPLE,
        _DAYS,
        media_type="",
        asks_ledger=False,
    ),
    Route(
        "/json/lansegments",
        "What the addresses of the LAN begin with.",
        handlers.lan_segments,
        Permission.PEOPLE,
        schema="Segments",
        asks_ledger=False,
    ),
)
"""v5 took whatever parameters it was given, and its README had a slash at the end of some paths."""

ROUTES = (
    Route(
        "/api/v1/usage", "Who used how much, when.", usage.usage, Permission.PEOPLE, _USAGE, schema="Usage", tagged=True
    ),
    Route("/api/v1/usage.csv", "The same as CSV.", usage.usage_csv, Permission.PEOPLE, _USAGE, "text/csv", tagged=True),
    Route(
        "/api/v1/usage.html",
        "The same as a plain table.",
        usage.usage_html,
        Permission.PEOPLE,
        _USAGE,
        "text/html",
        tagged=True,
    ),
    Route("/api/v1/devices", "Every device known.", usage.devices, Permission.PEOPLE, schema="Devices", tagged=True),
    Route(
        "/api/v1/devices/{device}",
        "A device with its addresses and owners.",
        people.device,
        Permission.PEOPLE,
        schema="Device",
    ),
    Route(
        "/api/v1/devices/{device}/export",
        "All that is kept about a device.",
        people.export,
        Permission.PEOPLE,
        schema="Export",
    ),
    Route(
        "/api/v1/people/{person}/export",
        "All that is kept about a person.",
        people.export_person,
        Permission.PEOPLE,
        schema="Export",
    ),
    Route("/api/v1/people", "Every person, with the devices.", people.people, Permission.PEOPLE, schema="People"),
    Route(
        "/api/v1/proposals", "Devices that are probably one.", people.proposals, Permission.PEOPLE, schema="Proposals"
    ),
    Route("/api/v1/edits", "What was changed, the latest first.", people.edits, Permission.PEOPLE, schema="Edits"),
    Route("/api/v1/events", "What happened, the latest first.", people.events, Permission.PEOPLE, schema="Events"),
    Route("/api/v1/plans", "What is used and left of each plan.", _plans, Permission.PEOPLE, schema="Plans"),
    Route(
        "/api/v1/plans/{plan}/usage",
        "Usage of a plan on its days, by tariff.",
        _plan_usage,
        Permission.PEOPLE,
        (PLAN_START, END, PLAN_STEP, PLAN_BY),
        schema="PlanUsage",
    ),
    Route(
        "/api/v1/throttle",
        "Who has nothing left under plans that slow or cut off.",
        _throttle,
        Permission.READERS,
        schema="Throttle",
        asks_ledger=False,
    ),
    Route(
        "/api/v1/coverage",
        "How much of each point was seen.",
        usage.coverage,
        Permission.PEOPLE,
        (START, END),
        schema="Coverage",
        tagged=True,
    ),
    Route(
        "/api/v1/gaps", "When each point was not watched.", usage.gaps, Permission.READERS, (START, END), schema="Gaps"
    ),
    Route(
        "/api/v1/health",
        "Whether all is well, and what each point says.",
        usage.health,
        Permission.ANYBODY,
        schema="Health",
        asks_ledger=False,
        may_be_unwell=True,
    ),
    Route(
        "/api/v1/store",
        "How large the ledger is, and how fast it grows.",
        usage.store,
        Permission.READERS,
        schema="Store",
    ),
    NAME,
    LIVE,
    ME,
    Route("/api/v1/accounts", "Who may log in.", accounts.accounts, Permission.OWNERS, schema="Accounts"),
    Route("/api/v1/tokens", "What programs may ask with.", accounts.tokens, Permission.OWNERS, schema="Tokens"),
    Route("/metrics", "Totals and health for Prometheus.", _metrics, Permission.EVERYONE, media_type="text/plain"),
    *(
        each._replace(also=(*each.also, *(f"{path}/" for path in (each.path, *each.also))), others=True, of_v5=True)
        for each in LEGACY
    ),
)
