"""The table of all routes: requests are checked by it, and the OpenAPI document is made from it."""

from __future__ import annotations

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
)
from whitestat.web import static_files
from whitestat.web.auth.roles import Permission
from whitestat.web.handlers import access_page, accounts, edits, https_page, live, login, names, people, service, usage
from whitestat.web.handlers.accounts import as_json
from whitestat.web.legacy_v5 import handlers as v5
from whitestat.web.request_bodies import Field
from whitestat.web.responses import json_answer
from whitestat.web.route import RequestContext, Route

ANYBODY, EVERYONE, PEOPLE = Permission.ANYBODY, Permission.EVERYONE, Permission.PEOPLE
READERS, EDITORS, OWNERS = Permission.READERS, Permission.EDITORS, Permission.OWNERS

_USAGE = (*QUESTION, LIMIT, CURSOR)
_PLAN_USAGE = (PLAN_START, END, PLAN_STEP, PLAN_BY)
_DAYS = (FIRST_DAY, LAST_DAY)
_HTML, _CSV, _TEXT, _EVENTS = "text/html", "text/csv", "text/plain", "text/event-stream"
_LIVE = "Today's usage and the rates of each second as server-sent events: first all devices, then those that changed."


async def _openapi(context: RequestContext) -> Response:
    """Return the OpenAPI document. What makes it takes 0.3 MB and is loaded with the first request for it."""
    from whitestat.web.openapi import document

    return json_answer(document(ROUTES, context.sources.version))


def _plans(context: RequestContext) -> Response:
    """Return all plans. The code for plans is loaded only where there are some."""
    statuses = context.sources.queries.plan_statuses(context.sources.now_ms() // 1000)
    if not statuses:
        return json_answer({"plans": []})
    from whitestat.web.handlers import plans

    return plans.plans(context.sources, statuses)


def _plan_usage(context: RequestContext) -> Response:
    from whitestat.web.handlers import plans

    return plans.usage(context)


def _metrics(context: RequestContext) -> Response:
    """Return the metrics. The Prometheus client takes 0.6 MB and is loaded with the first scrape."""
    lazy_imports.without_servers()
    from whitestat.web.handlers import metrics

    return metrics.metrics(context.sources)


def _settings(context: RequestContext) -> Response:
    """Return the settings. Their code is loaded with the first request for it."""
    from whitestat.web.handlers import settings

    return settings.show(context)


async def _change_settings(context: RequestContext) -> Response:
    from whitestat.web.handlers import settings

    return await settings.change(context)


async def _try_point(context: RequestContext) -> Response:
    from whitestat.web.handlers import settings

    return await settings.try_point(context)


_SET = Field(
    "set",
    "Values by name: `billing.day`, a whole row `plan.line` as an object, or a key in a row `plan.line.allowance`; "
    "null takes it away.",
    ("object",),
)
_SETTINGS_BODY = (_SET._replace(required=True),)
_TRY_BODY = (Field("point", "Name of the point to try.", ("text",), required=True), _SET)
SETTINGS = (
    Route("GET", "/api/v1/config", "Every setting, its default and source.", OWNERS, _settings, "Settings"),
    Route(
        "PATCH",
        "/api/v1/config",
        "Change settings; the service starts again with them.",
        OWNERS,
        _change_settings,
        "SettingsChanged",
        body=_SETTINGS_BODY,
        confirmed=True,
    ),
    Route(
        "POST",
        "/api/v1/config/try",
        "Try a router or another program that a point reads, with settings that are not saved.",
        OWNERS,
        _try_point,
        "Trial",
        body=_TRY_BODY,
        may_be_unavailable=True,
        confirmed=True,
    ),
)

READS = (
    Route("GET", "/api/v1/usage", "Usage over time.", PEOPLE, usage.usage, "Usage", _USAGE, tagged=True),
    Route(
        "GET", "/api/v1/usage.csv", "Usage as CSV.", PEOPLE, usage.usage_csv, None, _USAGE, media_type=_CSV, tagged=True
    ),
    Route(
        "GET",
        "/api/v1/usage.html",
        "Usage as a plain HTML table.",
        PEOPLE,
        usage.usage_html,
        None,
        _USAGE,
        media_type=_HTML,
        tagged=True,
    ),
    Route("GET", "/api/v1/devices", "All known devices.", PEOPLE, usage.devices, "Devices", tagged=True),
    Route("GET", "/api/v1/devices/{device}", "A device, its addresses and owners.", PEOPLE, people.device, "Device"),
    Route("GET", "/api/v1/devices/{device}/export", "All data about a device.", PEOPLE, people.export, "Export"),
    Route("GET", "/api/v1/people/{person}/export", "All data about a person.", PEOPLE, people.export_person, "Export"),
    Route("GET", "/api/v1/people", "All people and their devices.", PEOPLE, people.people, "People"),
    Route("GET", "/api/v1/proposals", "Pairs of devices that are probably one.", PEOPLE, people.proposals, "Proposals"),
    Route("GET", "/api/v1/edits", "The latest changes to devices and people.", PEOPLE, people.edits, "Edits"),
    Route("GET", "/api/v1/events", "The latest events, such as new devices.", PEOPLE, people.events, "Events"),
    Route("GET", "/api/v1/plans", "Plans with the data used and left.", PEOPLE, _plans, "Plans"),
    Route(
        "GET",
        "/api/v1/plans/{plan}/usage",
        "Usage of a plan by day and tariff.",
        PEOPLE,
        _plan_usage,
        "PlanUsage",
        _PLAN_USAGE,
    ),
    Route(
        "GET", "/api/v1/throttle", "Active limits of plans that slow or cut off.", READERS, service.limits, "Throttle"
    ),
    Route(
        "GET",
        "/api/v1/coverage",
        "Share of the time that each point was watched.",
        PEOPLE,
        service.coverage,
        "Coverage",
        (START, END),
        tagged=True,
    ),
    Route("GET", "/api/v1/gaps", "Times when a point was not watched.", READERS, service.gaps, "Gaps", (START, END)),
    Route(
        "GET",
        "/api/v1/health",
        "State of the service and of each point.",
        ANYBODY,
        service.health,
        "Health",
        may_be_unavailable=True,
    ),
    Route("GET", "/api/v1/store", "Size of the database and how fast it grows.", READERS, service.store, "Store"),
    Route(
        "GET",
        "/api/v1/names/{address}",
        "The DNS name of an address, looked up for this request.",
        READERS,
        names.name,
        "Name",
        may_be_unavailable=True,
    ),
    Route(
        "GET", "/api/v1/live", _LIVE, PEOPLE, live.live, "Live", (LAST,), media_type=_EVENTS, may_be_unavailable=True
    ),
    Route("GET", "/api/v1/me", "The current account and its role.", EVERYONE, service.me, "Me"),
    Route("GET", "/metrics", "Totals and health for Prometheus.", EVERYONE, _metrics, media_type=_TEXT),
)

EDITS = (
    Route(
        "PATCH",
        "/api/v1/devices",
        "Change names and owners of several devices in one edit.",
        EDITORS,
        edits.change_devices,
        "Edited",
        body=edits.DEVICES,
    ),
    Route(
        "PATCH",
        "/api/v1/devices/{device}",
        "Change name, owner or labels of a device.",
        EDITORS,
        edits.change_device,
        "Edited",
        body=edits.DEVICE,
    ),
    Route(
        "POST",
        "/api/v1/devices/{device}/merge",
        "Merge a device into another, with all its past usage.",
        EDITORS,
        edits.merge,
        "Edited",
        body=edits.MERGE,
    ),
    Route(
        "POST",
        "/api/v1/devices/{device}/split",
        "Move some addresses of a device to a new or another device.",
        EDITORS,
        edits.split,
        "Edited",
        body=edits.SPLIT,
    ),
    Route(
        "POST",
        "/api/v1/devices/{device}/forget",
        "Delete names, addresses and peers of a device for good; its usage stays as unattributed.",
        EDITORS,
        edits.forget,
        "Edited",
        body=(),
    ),
    Route("POST", "/api/v1/people", "Add a person.", EDITORS, edits.add_person, "Edited", body=edits.PERSON_NAME),
    Route(
        "PATCH",
        "/api/v1/people/{person}",
        "Rename a person.",
        EDITORS,
        edits.rename_person,
        "Edited",
        body=edits.PERSON_NAME,
    ),
    Route(
        "DELETE",
        "/api/v1/people/{person}",
        "Remove a person; the person's devices have no owner then.",
        EDITORS,
        edits.remove_person,
        "Edited",
        body=(),
    ),
    Route(
        "POST",
        "/api/v1/proposals/{proposal}",
        "Confirm or refuse that two devices are one.",
        EDITORS,
        edits.answer_proposal,
        "Edited",
        body=edits.PROPOSAL,
    ),
    Route(
        "POST",
        "/api/v1/plans/{plan}/topups",
        "Add data to the current period of a plan, or take some away; can be undone.",
        EDITORS,
        edits.add_top_up,
        "Edited",
        body=edits.TOP_UP,
    ),
    Route(
        "POST",
        "/api/v1/plans/{plan}/reprice",
        "Recalculate past usage by the current terms of the plan; cannot be undone.",
        EDITORS,
        edits.reclassify,
        "Edited",
        body=edits.RECLASSIFY,
    ),
    Route(
        "POST",
        "/api/v1/throttle",
        "Lift a limit until the period ends, or put it back in force.",
        EDITORS,
        edits.lift_limit,
        "Edited",
        body=edits.LIMIT,
    ),
    Route("POST", "/api/v1/edits/{edit}/undo", "Undo an edit.", EDITORS, edits.undo, "Edited", body=()),
)

ACCOUNTS = (
    Route("GET", "/api/v1/accounts", "All accounts.", OWNERS, accounts.accounts, "Accounts"),
    Route(
        "POST",
        "/api/v1/accounts",
        "Add an account.",
        OWNERS,
        as_json(accounts.add),
        "AccountMade",
        body=accounts.ACCOUNT,
        confirmed=True,
    ),
    Route(
        "DELETE",
        "/api/v1/accounts/{account}",
        "Remove an account and end its sessions.",
        OWNERS,
        as_json(accounts.remove),
        "AccountMade",
        body=(),
        confirmed=True,
    ),
    Route(
        "POST",
        "/api/v1/accounts/{account}/link",
        "Create a one-time link to set the account's password, valid for a week at most.",
        OWNERS,
        as_json(accounts.link),
        "AccountMade",
        body=accounts.LINK,
        confirmed=True,
    ),
    Route(
        "POST",
        "/api/v1/accounts/{account}/password",
        "Set a password; only over the control socket.",
        OWNERS,
        as_json(accounts.set_password),
        "AccountMade",
        body=accounts.PASSWORD,
        confirmed=True,
    ),
    Route("GET", "/api/v1/tokens", "All access tokens, without their texts.", OWNERS, accounts.tokens, "Tokens"),
    Route(
        "POST",
        "/api/v1/tokens",
        "Create an access token; the response is the only place that shows its text.",
        OWNERS,
        as_json(accounts.add_token),
        "TokenMade",
        body=accounts.TOKEN,
        confirmed=True,
    ),
    Route(
        "DELETE",
        "/api/v1/tokens/{token}",
        "Revoke an access token.",
        OWNERS,
        as_json(accounts.revoke),
        "TokenMade",
        body=(),
        confirmed=True,
    ),
    Route(
        "GET",
        "/api/v1/sessions",
        "Sessions of the account with address, browser and last use; for an owner those of all accounts.",
        PEOPLE,
        accounts.sessions,
        "Sessions",
    ),
    Route(
        "DELETE",
        "/api/v1/sessions/{session}",
        "End a session of the account; an owner ends any.",
        PEOPLE,
        as_json(accounts.end_session),
        "SessionEnded",
        body=(),
    ),
    Route(
        "POST",
        "/api/v1/me/confirm",
        "Give the password of the session again; it allows changes of accounts and tokens for 5 minutes.",
        PEOPLE,
        login.confirm,
        "Confirmed",
        body=login.CONFIRM,
    ),
)

PAGES = (
    Route("GET", "/", "The page.", PEOPLE, static_files.page, media_type=None),
    Route("GET", "/static/{path:path}", "Files of the page.", ANYBODY, static_files.file, media_type=None),
    Route("GET", "/openapi.json", "The OpenAPI document.", EVERYONE, _openapi, media_type=None),
    Route("GET", "/login", "Log-in form.", ANYBODY, login.show_login, None, (login.NEXT,), media_type=None),
    Route("POST", "/login", "Log in.", ANYBODY, login.log_in, media_type=None),
    Route("POST", "/logout", "Log out.", ANYBODY, login.log_out, media_type=None),
    Route(
        "GET",
        "/first",
        "One-time link to set a password.",
        ANYBODY,
        login.show_first,
        None,
        (login.KEY,),
        media_type=None,
    ),
    Route("POST", "/first", "Set the password of a one-time link.", ANYBODY, login.set_first, media_type=None),
    Route("GET", "/https", "How a device trusts this installation's HTTPS.", ANYBODY, https_page.show, media_type=None),
    Route("GET", "/https/whitestat.crt", "Its authority, DER.", ANYBODY, https_page.certificate_der, media_type=None),
    Route("GET", "/https/whitestat.pem", "Its authority, PEM.", ANYBODY, https_page.certificate_pem, media_type=None),
    Route("GET", "/password", "Form to change the password.", PEOPLE, login.show_password, media_type=None),
    Route("POST", "/password", "Change the password.", PEOPLE, login.change_password, media_type=None),
    Route("GET", "/access", "Accounts and tokens.", OWNERS, access_page.show, media_type=None),
    Route("POST", "/access", "Change accounts and tokens.", OWNERS, access_page.change, media_type=None),
)

_V5 = (
    Route("GET", "/json", "Today by device, in the format of WhiteStat v5.", PEOPLE, v5.json_today, "Frame"),
    Route("GET", "/table", "The same as a plain HTML table.", PEOPLE, v5.table_today, media_type=_HTML),
    Route(
        "GET",
        "/json/history",
        "Days by device, in the format of WhiteStat v5.",
        PEOPLE,
        v5.json_history,
        "Frame",
        _DAYS,
    ),
    Route(
        "GET",
        "/table/history",
        "The same as a plain HTML table.",
        PEOPLE,
        v5.table_history,
        None,
        _DAYS,
        media_type=_HTML,
    ),
    Route(
        "GET",
        "/history",
        "Redirect to the page's history of these days.",
        PEOPLE,
        v5.page_history,
        None,
        _DAYS,
        media_type=None,
    ),
    Route("GET", "/json/lansegments", "Prefixes of the local addresses.", PEOPLE, v5.lan_segments, "Segments"),
)


def _as_v5(route: Route) -> Route:
    """Return the route as v5 had it: a slash at the end of the path is allowed, and unknown parameters are ignored."""
    return route._replace(also=(f"{route.path}/",), any_parameters=True, legacy=True)


ROUTES = (*READS, *SETTINGS, *EDITS, *ACCOUNTS, *map(_as_v5, _V5), *PAGES)
