"""The service itself: how it is, what it keeps, what it told of, and why it refuses."""

from __future__ import annotations

from whitestat.web.request_bodies import Schema
from whitestat.web.schemas.shape import COUNT, INSTANT, TEXT, a_list, an_object, or_null

SCHEMAS: Schema = {
    "Error": an_object({"error": an_object({"parameter": or_null("string"), "reason": TEXT})}),
    "Health": an_object(
        {
            "status": {"type": "string", "description": "ok, or why not"},
            "healthy": {"type": "boolean", "description": "Whether a restart would mend nothing: then it is 200."},
            "points": a_list(
                an_object({"point": TEXT, "state": TEXT, "notice": or_null("string")}, optional=("notice",))
            ),
        },
        optional=("healthy", "points"),
    )
    | {"description": "who may not see everything is told the status alone"},
    "Store": an_object(
        {
            "octets": {**COUNT, "description": "the database with its write-ahead log"},
            "free_octets": {**COUNT, "description": "what is left on its disk"},
            "since": or_null("string", format="date-time", description="the first usage; null while there is none"),
            "octets_per_day": or_null("integer", minimum=0, description="on average; null in the first day"),
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
                        "device": or_null("integer"),
                        "content": {"type": "object"},
                    }
                )
            )
        }
    ),
}
