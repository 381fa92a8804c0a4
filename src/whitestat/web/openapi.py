"""The OpenAPI 3.1 document, made from the table of routes."""

from __future__ import annotations

import re

from whitestat.access.accounts import SCOPES
from whitestat.access.roles import Role, Who
from whitestat.parameters import LIMIT, Parameter
from whitestat.web import bodies
from whitestat.web.accounts import CHANGES, ROLES, Change
from whitestat.web.asker import SESSION
from whitestat.web.edits import WRITES, Write
from whitestat.web.frame import COLUMNS
from whitestat.web.routes import ROUTES, Route
from whitestat.web.schemas import COUNT as _COUNT
from whitestat.web.schemas import GAPS, PLAN_USAGE, PLANS, THROTTLE, Schema
from whitestat.web.schemas import INSTANT as _INSTANT
from whitestat.web.schemas import TEXT as _TEXT
from whitestat.web.schemas import a_list as _list
from whitestat.web.schemas import an_object as _object
from whitestat.web.schemas import or_null as _or_null


def document(version: str) -> Schema:
    """The whole document as a value that `json.dumps` takes."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "WhiteStat",
            "version": version,
            "description": "Who used how much of the Internet, and when. Octets are IP octets with the IP "
            "header; in and out are seen from the device, in is download. Spans include their start and "
            "exclude their end.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": _paths(),
        "components": {"schemas": _SCHEMAS, "securitySchemes": _SCHEMES},
        "security": [{name: []} for name in _SCHEMES],
    }


def _paths() -> Schema:
    paths: dict[str, dict[str, object]] = {route.path: {"get": _operation(route)} for route in ROUTES}
    for write in (*WRITES, *CHANGES):
        paths.setdefault(write.path, {})[write.method.lower()] = _write(write)
    return dict(paths)


def _write(write: Write | Change) -> Schema:
    answers: Schema = {
        "200": {"description": "It is done.", "content": {"application/json": {"schema": _ref(write.schema)}}},
        "400": _refusal("A field is unknown, missing or cannot be used."),
        "401": _refusal(_NOBODY),
        "403": _refusal("The asker may not, or the request is not from our own page."),
        "413": _refusal(f"The body is longer than {bodies.MOST_OCTETS} octets."),
        "415": _refusal("The body is not sent as application/json."),
        "503": _refusal("The ledger cannot be written now."),
    }
    names = _in_path(write.path)
    if names:
        answers["404"] = _refusal(f"There is no such {names[0]}.")
    operation: Schema = {
        "summary": write.summary,
        "operationId": f"{write.method.lower()}_{_identifier(write.path)}",
        "parameters": [_number(name) for name in names],
        "responses": answers,
    }
    if write.fields:
        schema: Schema = {
            "type": "object",
            "properties": {each.name: each.schema() for each in write.fields},
            "required": [each.name for each in write.fields if each.required],
            "additionalProperties": False,
        }
        needed = any(each.required for each in write.fields)
        operation["requestBody"] = {"required": needed, "content": {"application/json": {"schema": schema}}}
    return operation


def _in_path(path: str) -> list[str]:
    return re.findall("{([a-z]+)}", path)


def _identifier(path: str) -> str:
    return re.sub("[^a-z0-9]+", "_", path).strip("_")


def _number(name: str) -> Schema:
    schema: Schema = {"type": "integer", "minimum": 1}
    described = f"The {name}'s number."
    if name == "address":
        schema, described = {"type": "string", "maxLength": 100}, "An IPv4 or IPv6 address."
    return {"name": name, "in": "path", "required": True, "description": described, "schema": schema}


def _operation(route: Route) -> Schema:
    schema = {"$ref": f"#/components/schemas/{route.schema}"} if route.schema else {"type": "string"}
    answers: Schema = {
        "200": {
            "description": route.summary,
            "content": {route.media_type: {"schema": schema}},
            **({"headers": _headers(route)} if route.tagged else {}),
        }
    }
    if route.tagged:
        answers["304"] = {"description": "What has the entity tag of If-None-Match is the answer still."}
    names = _in_path(route.path)
    if route.who is not Who.ANYBODY:
        answers["401"] = _refusal(_NOBODY)
        answers["403"] = _refusal(f"This is for {route.who}.")
    if names and names != ["address"]:
        answers["404"] = _refusal(f"There is no such {names[0]}.")
    if route.parameters or names == ["address"]:
        answers["400"] = _refusal("A parameter is unknown or cannot be used.")
    if route.asks_ledger:
        answers["503"] = _refusal("The ledger cannot be read now.")
    elif route.may_be_unwell:
        answers["503"] = {"description": "Not now.", "content": {"application/json": {"schema": _unwell(route)}}}
    return {
        "summary": route.summary,
        "operationId": _identifier(route.path),
        "parameters": [*map(_number, names), *map(_parameter, route.parameters)],
        "responses": answers,
        **({"security": [{}]} if route.who is Who.ANYBODY else {}),
    }


def _parameter(parameter: Parameter) -> Schema:
    schema: Schema = {"type": "string", **({"enum": list(parameter.words)} if parameter.words else {})}
    if parameter.most is not None:
        schema = {"type": "integer", "minimum": 1, "maximum": parameter.most}
    if parameter.several:
        schema = {"type": "array", "items": schema}
    if parameter.default is not None:
        schema["default"] = [parameter.default] if parameter.several else parameter.default
    spread: Schema = {"style": "form", "explode": False} if parameter.several else {}
    shown: Schema = {} if parameter.example is None else {"example": _example(parameter)}
    return {"name": parameter.name, "in": "query", "description": parameter.sentence, "schema": schema} | (
        spread | shown
    )


def _example(parameter: Parameter) -> object:
    text = parameter.example or ""
    if parameter.most is not None:
        return int(text)
    return text.split(",") if parameter.several else text


def _refusal(description: str) -> Schema:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _unwell(route: Route) -> Schema:
    name = "Health" if route.schema == "Health" else "Error"
    return {"$ref": f"#/components/schemas/{name}"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _headers(route: Route) -> Schema:
    return _HEADERS if LIMIT in route.parameters else {"ETag": _HEADERS["ETag"]}


def _header(description: str) -> Schema:
    return {"description": description, "schema": _TEXT}


_NOBODY = "Nobody is logged in, the token is not known, or the network is not open."
_SCHEMES: Schema = {
    "token": {"type": "http", "scheme": "bearer"},
    "tokenAsPassword": {"type": "http", "scheme": "basic", "description": "any name, the token as the password"},
    "session": {"type": "apiKey", "in": "cookie", "name": SESSION},
}
_HEADERS: Schema = {
    "ETag": _header("Weak; the same for as long as the answer is."),
    "Link": _header("The address of the next page, where there is one (RFC 8288)."),
    "WhiteStat-Coverage": _header(
        "For each point how much of the span it saw: observed_ms, elapsed_ms, octets_attributed, octets_unattributed."
    ),
    "WhiteStat-Resolution": _header("How long each row is."),
    "WhiteStat-Notice": _header("Says where the answer is not quite what was asked."),
}
_RATIO = _or_null("number", minimum=0, maximum=1, description="null where nothing flowed")
_NAMED: Schema = {"id": {"type": "integer"}, "name": _or_null("string"), "mac": _or_null("string")}
_UNSPLIT = _or_null("integer", minimum=0, description="null where a meter cannot tell in and out apart")

_DEVICE: Schema = {
    **_NAMED,
    "name_source": _or_null("string"),
    "addresses": _list(_TEXT),
    "person": _or_null("string"),
    "labels": _list(_TEXT),
    "first_seen": _or_null("string", format="date-time"),
    "last_seen": _or_null("string", format="date-time"),
}
_ID = _or_null("integer", description="null for what is unattributed")
_SINCE: Schema = {
    **_INSTANT,
    "description": "since when the rates were taken: a second, or several that a busy machine was too late for; absent "
    "where there are no rates yet",
}
_PACKETS = ("rate_in_pps", "rate_out_pps")
_RATES: Schema = dict.fromkeys(("rate_in_bps", "rate_out_bps", *_PACKETS), _COUNT)
_AT_POINTS = _list(_object({"point": _TEXT, **_RATES}))
_DAY = _or_null("string", format="date", description="null where there is no such day")
_CALLED: Schema = {"id": {"type": "integer"}, "name": _or_null("string")}
_ROW = {"type": ["array", "null"], "items": {"type": ["integer", "string", "null"]}}

_SCHEMAS: Schema = {
    "Error": _object({"error": _object({"parameter": _or_null("string"), "reason": _TEXT})}),
    "Usage": _object(
        {
            "start": _INSTANT,
            "end": _INSTANT,
            "step": _TEXT,
            "resolution": {
                "type": "string",
                "description": "how long each row is: the step, or a longer one where the step is no longer kept",
            },
            "notice": _or_null("string", description="says where the answer is not quite what was asked"),
            "by": _list(_TEXT),
            "elapsed_ms": {**_COUNT, "description": "how much of the span is over"},
            "coverage": {**_list(_ref("PointCoverage")), "description": "how much of that each point saw"},
            "rows": _list(_ref("Row")),
            "next": _or_null("string", description="the address of the next page, where there is one"),
        }
    ),
    "Row": _object(
        {
            "start": _INSTANT,
            "device": {
                "description": "null for what is unattributed; there only where by has device",
                "anyOf": [_object(_NAMED), {"type": "null"}],
            },
            "scope": {"enum": ["wan", "lan", None], "description": "null where both are added up"},
            "point": _or_null("string", description="there only where by has point"),
            "person": _or_null("string", description="who owned it then; there only where by has person"),
            "service": _or_null("string", description="a name or a port; other, or null for unknown; with by alone"),
            "protocol": _or_null("string", description="a name or a number; other, or null for unknown; with by alone"),
            "peer": _or_null("string", description="an address; other, or null for unknown; with by alone"),
            "rest": {"type": "boolean", "description": "there only with top: all that is not among it"},
            "octets": _COUNT,
            "octets_in": _UNSPLIT,
            "octets_out": _UNSPLIT,
            "packets_in": _COUNT,
            "packets_out": _COUNT,
        },
        optional=("device", "point", "person", "service", "protocol", "peer", "rest"),
    ),
    "Devices": _object(
        {"devices": _list(_object(_DEVICE))},
    ),
    "Device": _object(
        {
            **_DEVICE,
            "owners": _list(
                _object({"person": {"type": "integer"}, "name": _or_null("string"), "from": _DAY, "until": _DAY})
            ),
            "episodes": _list(
                _object(
                    {
                        "id": {"type": "integer"},
                        "mac": _or_null("string"),
                        "address": _or_null("string"),
                        "start": _INSTANT,
                        "end": _or_null("string", format="date-time", description="null while it goes on"),
                    }
                )
            ),
            "address_times": {
                **_list(_object({"address": _TEXT, "first": _or_null("string", format="date-time"), "last": _INSTANT})),
                "description": "the latest 200 IP addresses, the latest first",
            },
        }
    ),
    "Export": {"type": "object", "description": "tables and their rows, as they are kept"},
    "People": _object(
        {
            "people": _list(
                _object({**_CALLED, "devices": _list(_object({**_CALLED, "from": _DAY, "until": _DAY}))}),
            )
        }
    ),
    "Proposals": _object(
        {
            "proposals": _list(
                _object(
                    {
                        "id": {"type": "integer"},
                        "at": _INSTANT,
                        "device": _object(_CALLED),
                        "into": _object(_CALLED),
                        "percent": {"type": "integer", "minimum": 0, "maximum": 100},
                        "reasons": _list(_TEXT),
                        "state": {"enum": ["open", "confirmed", "refused", "automatic", "over"]},
                    }
                )
            )
        }
    ),
    "Edits": _object(
        {
            "edits": _list(
                _object(
                    {
                        "id": {"type": "integer"},
                        "at": _INSTANT,
                        "by": {"type": "string", "description": "owner, an address, or whitestat itself"},
                        "action": _TEXT,
                        "undoes": _or_null("integer", description="the edit it took back"),
                        "undone_by": _or_null("integer", description="the edit that took it back"),
                        "changes": _list(
                            _object(
                                {
                                    "what": _TEXT,
                                    "key": _list({"type": ["integer", "string"]}),
                                    "before": _ROW,
                                    "after": _ROW,
                                }
                            )
                        ),
                    }
                )
            )
        }
    ),
    "Plans": PLANS,
    "PlanUsage": PLAN_USAGE,
    "Throttle": THROTTLE,
    "Events": _object(
        {
            "events": _list(
                _object(
                    {
                        "id": {"type": "integer"},
                        "at": _INSTANT,
                        "kind": _TEXT,
                        "device": _or_null("integer"),
                        "content": {"type": "object"},
                    }
                )
            )
        }
    ),
    "Me": _object(
        {
            "name": _or_null("string", description="null where nobody logged in, and the network is open"),
            "role": {"enum": [str(each) for each in Role]},
            "person": _or_null("string", description="whose usage alone is shown"),
            "can_edit": {"type": "boolean"},
            "expires": _or_null("string", format="date-time", description="when the session ends at the latest"),
            "timezone": {"type": "string", "description": "that of days, hours and every instant"},
            "billing": {
                **_object({"day": _COUNT, "hour": _COUNT}),
                "description": "when billing periods begin, local time",
            },
        }
    ),
    "Accounts": _object(
        {
            "accounts": _list(
                _object(
                    {
                        "id": {"type": "integer"},
                        "name": _TEXT,
                        "role": {"enum": list(ROLES)},
                        "person": _or_null("string"),
                        "created": _INSTANT,
                        "has_password": {"type": "boolean"},
                        "sessions": _COUNT,
                    }
                )
            )
        }
    ),
    "AccountMade": _object(
        {"account": {"type": "integer"}, "link": _or_null("string", description="sets its password, once")}
    ),
    "Tokens": _object(
        {
            "tokens": _list(
                _object(
                    {
                        "id": {"type": "integer"},
                        "name": _TEXT,
                        "scope": {"enum": list(SCOPES)},
                        "person": _or_null("string"),
                        "created": _INSTANT,
                    }
                )
            )
        }
    ),
    "TokenMade": _object(
        {"token": {"type": "integer"}, "text": _or_null("string", description="told when it is made, and never again")}
    ),
    "Edited": _object(
        {
            "edit": {**_COUNT, "description": "its number, to undo it by; 0 where nothing had to change"},
            "device": _or_null("integer", description="the device that came of it"),
            "person": _or_null("integer", description="the person that came of it"),
            "since": {**_INSTANT, "description": "from when on a plan's usage was classed anew"},
        },
        optional=("since",),
    ),
    "PointCoverage": _object(
        {
            "point": _TEXT,
            "observed_ms": _COUNT,
            "frame_octets_interface": _COUNT,
            "frame_octets_metered": _COUNT,
            "octets_attributed": _COUNT,
            "octets_unattributed": _COUNT,
            "packets_lost": _COUNT,
            "coverage": _RATIO,
        }
    ),
    "Coverage": _object(
        {
            "start": _INSTANT,
            "end": _INSTANT,
            "points": _list(_ref("PointCoverage")),
        }
    ),
    "Gaps": GAPS,
    "Store": _object(
        {
            "octets": {**_COUNT, "description": "the database with its write-ahead log"},
            "free_octets": {**_COUNT, "description": "what is left on its disk"},
            "since": _or_null("string", format="date-time", description="the first usage; null while there is none"),
            "octets_per_day": _or_null("integer", minimum=0, description="on average; null in the first day"),
        }
    ),
    "Name": _object({"address": _TEXT, "name": _or_null("string", description="null where the DNS knows none")}),
    "Frame": _object(
        {
            "columns": {"const": list(COLUMNS)},
            "data": {"type": "array", "items": {"type": "array", "items": {"type": ["string", "number"]}}},
        }
    ),
    "Segments": _list(_TEXT),
    "Health": _object(
        {
            "status": {"type": "string", "description": "ok, or why not"},
            "points": _list(
                _object({"point": _TEXT, "state": _TEXT, "notice": _or_null("string")}, optional=("notice",))
            ),
        },
        optional=("points",),
    )
    | {"description": "who may not see everything is told the status alone"},
    "Live": _object(
        {
            "at": _INSTANT,
            "since": _SINCE,
            **_RATES,
            "octets": _COUNT,
            "octets_in": _UNSPLIT,
            "octets_out": _UNSPLIT,
            "coverage": _RATIO,
            "gone": {**_list({"type": "integer"}), "description": "devices that are merged into others since"},
            "devices": _list(
                _object(
                    {
                        **_NAMED,
                        "id": _ID,
                        "octets": _COUNT,
                        "octets_in": _UNSPLIT,
                        "octets_out": _UNSPLIT,
                        **_RATES,
                        "last_seen": _or_null("string", format="date-time"),
                    },
                    optional=_PACKETS,
                )
            ),
            "points": _AT_POINTS,
            "missed": {
                **_list(
                    _object(
                        {
                            "at": _INSTANT,
                            "since": _SINCE,
                            **_RATES,
                            "devices": _list(_object({"id": _ID, **_RATES})),
                            "points": _AT_POINTS,
                        },
                        optional=("since",),
                    )
                ),
                "description": "seconds since the event before, or of the last minute and more, with all that was not "
                "silent",
            },
        },
        optional=("since", "octets", "gone", "points", "missed", *_PACKETS),
    ),
}
