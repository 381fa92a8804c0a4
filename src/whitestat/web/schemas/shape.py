"""Parts of schemas that several subjects share."""

from __future__ import annotations

from whitestat.web.request_bodies import Schema

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
INSTANT: Schema = {"type": "string", "format": "date-time"}


def an_object(fields: Schema, optional: tuple[str, ...] = ()) -> Schema:
    return {"type": "object", "properties": fields, "required": [k for k in fields if k not in optional]}


def a_list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def or_null(kind: str, **more: object) -> Schema:
    return {"type": [kind, "null"], **more}


def ref(name: str) -> Schema:
    """Return a reference to the schema of that name."""
    return {"$ref": f"#/components/schemas/{name}"}


NAMED: Schema = {"id": {"type": "integer"}, "name": or_null("string"), "mac": or_null("string")}
RATIO = or_null("number", minimum=0, maximum=1, description="null without traffic")
UNSPLIT = or_null("integer", minimum=0, description="null if the meter does not report the direction")
