"""The OpenAPI 3.1 document, made from the table of routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from inspect import iscoroutinefunction

from whitestat.query.parameters import LIMIT, Parameter
from whitestat.web import request_bodies
from whitestat.web.auth.principal import SESSION
from whitestat.web.auth.roles import Permission
from whitestat.web.request_bodies import Field, Schema
from whitestat.web.route import Route
from whitestat.web.schemas.shape import TEXT, ref
from whitestat.web.schemas.table import SCHEMAS


def document(routes: Sequence[Route], version: str) -> Schema:
    """Return the document, to be encoded as JSON."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "WhiteStat",
            "version": version,
            "description": "Internet usage by device, person and time. Octets are IP octets with the IP header; "
            "in is download and out is upload of the device. Spans include their start and exclude their end.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": _paths(routes),
        "components": {"schemas": SCHEMAS, "securitySchemes": _SCHEMES},
        "security": [{name: []} for name in _SCHEMES],
    }


def _paths(routes: Sequence[Route]) -> Schema:
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        if route.media_type:
            operation = _operation(route, route.media_type)
            paths.setdefault(route.path, {})[route.method.lower()] = operation
    return dict(paths)


def _in_path(path: str) -> list[str]:
    return re.findall("{([a-z]+)}", path)


def _identifier(path: str) -> str:
    return re.sub("[^a-z0-9]+", "_", path).strip("_")


def _number(name: str) -> Schema:
    schema: Schema = {"type": "integer", "minimum": 1}
    described = f"Number of the {name}."
    if name == "address":
        schema, described = {"type": "string", "maxLength": 100}, "An IPv4 or IPv6 address."
    return {"name": name, "in": "path", "required": True, "description": described, "schema": schema}


def _operation(route: Route, media_type: str) -> Schema:
    is_read = route.method == "GET"
    names, success = _in_path(route.path), route.summary if is_read else "Done."
    schema = ref(route.schema) if route.schema else TEXT
    responses: Schema = {
        "200": {
            "description": success,
            "content": {media_type: {"schema": schema}},
            **({"headers": _headers(route)} if route.tagged else {}),
        },
        **(_refusals_of_reads(route, names) if is_read else _refusals_of_writes()),
    }
    if names and names != ["address"]:
        responses["404"] = _refusal(f"There is no such {names[0]}.")
    return {
        "summary": route.summary,
        "operationId": ("" if is_read else f"{route.method.lower()}_") + _identifier(route.path),
        "parameters": [*map(_number, names), *map(_parameter, route.parameters)],
        "responses": responses,
        **({"requestBody": _body(route.body)} if route.body else {}),
        **({"security": [{}]} if route.roles is Permission.ANYBODY else {}),
    }


def _refusals_of_reads(route: Route, names: list[str]) -> Schema:
    refusals: Schema = {}
    if route.tagged:
        refusals["304"] = {"description": "The client has the current response, by the entity tag of If-None-Match."}
    if route.parameters or names == ["address"]:
        refusals["400"] = _refusal("A parameter is unknown or has a wrong value.")
    if route.roles is not Permission.ANYBODY:
        refusals["401"] = _refusal(_NOT_LOGGED_IN)
        refusals["403"] = _refusal(f"Only for {route.roles}.")
    if route.may_be_unavailable:
        unavailable = ref("Health" if route.schema == "Health" else "Error")
        content = {"application/json": {"schema": unavailable}}
        refusals["503"] = {"description": "Not available now.", "content": content}
    elif not iscoroutinefunction(route.handler):
        refusals["503"] = _refusal(
            "The ledger cannot be read now, or the answer would take too long; the reason says what to ask instead."
        )
    return refusals


def _refusals_of_writes() -> Schema:
    return {
        "400": _refusal("A field is unknown, missing or has a wrong value."),
        "401": _refusal(_NOT_LOGGED_IN),
        "403": _refusal("The role does not allow it, or the request comes from another site."),
        "413": _refusal(f"The body is longer than {request_bodies.MOST_OCTETS} octets."),
        "415": _refusal("The body is not sent as application/json."),
        "503": _refusal("The ledger cannot be written now."),
    }


def _body(fields: Sequence[Field]) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": {field.name: field.schema() for field in fields},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }
    return {
        "required": any(field.required for field in fields),
        "content": {"application/json": {"schema": schema}},
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


def _headers(route: Route) -> Schema:
    return _HEADERS if LIMIT in route.parameters else {"ETag": _HEADERS["ETag"]}


def _header(description: str) -> Schema:
    return {"description": description, "schema": TEXT}


_NOT_LOGGED_IN = "Not logged in, the token is unknown, or the network is not open."
_SCHEMES: Schema = {
    "token": {"type": "http", "scheme": "bearer"},
    "tokenAsPassword": {"type": "http", "scheme": "basic", "description": "any user name, the token as the password"},
    "session": {"type": "apiKey", "in": "cookie", "name": SESSION, "description": f"`__Secure-{SESSION}` over TLS"},
}
_HEADERS: Schema = {
    "ETag": _header("Weak; changes with the response."),
    "Link": _header("Address of the next page, if there is one (RFC 8288)."),
    "WhiteStat-Coverage": _header(
        "Part of the span that each point was watched: observed_ms, elapsed_ms, octets_attributed, octets_unattributed."
    ),
    "WhiteStat-Resolution": _header("Length of each row."),
    "WhiteStat-Notice": _header("How the response differs from the query."),
}
