"""The OpenAPI 3.1 document, made from the table of routes."""

from __future__ import annotations

import re

from whitestat.query.parameters import LIMIT, Parameter
from whitestat.web import request_bodies
from whitestat.web.auth.principal import SESSION
from whitestat.web.auth.roles import Permission
from whitestat.web.handlers.accounts import CHANGES, AccountRoute
from whitestat.web.handlers.edits import WRITES, EditRoute
from whitestat.web.request_bodies import Schema
from whitestat.web.routes import ROUTES, Route
from whitestat.web.schemas import SCHEMAS
from whitestat.web.schemas.shape import TEXT, ref


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
        "components": {"schemas": SCHEMAS, "securitySchemes": _SCHEMES},
        "security": [{name: []} for name in _SCHEMES],
    }


def _paths() -> Schema:
    paths: dict[str, dict[str, object]] = {
        route.path: {"get": _operation(route)} for route in ROUTES if route.media_type
    }
    for write in (*WRITES, *CHANGES):
        paths.setdefault(write.path, {})[write.method.lower()] = _write(write)
    return dict(paths)


def _write(write: EditRoute | AccountRoute) -> Schema:
    answers: Schema = {
        "200": {"description": "It is done.", "content": {"application/json": {"schema": ref(write.schema)}}},
        "400": _refusal("A field is unknown, missing or cannot be used."),
        "401": _refusal(_NOBODY),
        "403": _refusal("The asker may not, or the request is not from our own page."),
        "413": _refusal(f"The body is longer than {request_bodies.MOST_OCTETS} octets."),
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
    schema = ref(route.schema) if route.schema else TEXT
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
    if route.who is not Permission.ANYBODY:
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
        **({"security": [{}]} if route.who is Permission.ANYBODY else {}),
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
    return {"description": description, "content": {"application/json": {"schema": ref("Error")}}}


def _unwell(route: Route) -> Schema:
    return ref("Health" if route.schema == "Health" else "Error")


def _headers(route: Route) -> Schema:
    return _HEADERS if LIMIT in route.parameters else {"ETag": _HEADERS["ETag"]}


def _header(description: str) -> Schema:
    return {"description": description, "schema": TEXT}


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
