"""Schemas of health, storage, events and errors."""

from __future__ import annotations

from whitestat.web.request_bodies import Schema
from whitestat.web.schemas.shape import COUNT, INSTANT, TEXT, a_list, an_object, or_null

SCHEMAS: Schema = {
    "Error": an_object({"error": an_object({"parameter": or_null("string"), "reason": TEXT})}),
    "Health": an_object(
        {
            "status": {"type": "string", "description": "ok, or the reason"},
            "healthy": {"type": "boolean", "description": "true if a restart would not help; the status is 200 then"},
            "points": a_list(
                an_object({"point": TEXT, "state": TEXT, "notice": or_null("string")}, optional=("notice",))
            ),
        },
        optional=("healthy", "points"),
    )
    | {"description": "without permission to see everything, only the status"},
    "Store": an_object(
        {
            "octets": {**COUNT, "description": "database and write-ahead log"},
            "free_octets": {**COUNT, "description": "free space on its disk"},
            "since": or_null("string", format="date-time", description="start of the first usage; null if none"),
            "octets_per_day": or_null("integer", minimum=0, description="on average; null on the first day"),
        }
    ),
    "Events": an_object(
        {
            "events": a_list(
                an_object(
                    {
                        "id": {"type": "integer"},
                        "at": INSTANT,
                        "kind": TEXT,
                        "title": {**TEXT, "description": "kind, as messages and the page name it"},
                        "device": or_null("integer"),
                        "content": {"type": "object"},
                    }
                )
            )
        }
    ),
}
