"""Schemas of devices, people, proposals and edits."""

from __future__ import annotations

from whitestat.web.request_bodies import Schema
from whitestat.web.schemas.shape import COUNT, INSTANT, NAMED, TEXT, a_list, an_object, or_null

_DEVICE: Schema = {
    **NAMED,
    "name_source": or_null("string"),
    "addresses": a_list(TEXT),
    "person": or_null("string"),
    "labels": a_list(TEXT),
    "first_seen": or_null("string", format="date-time"),
    "last_seen": or_null("string", format="date-time"),
}
_DAY = or_null("string", format="date", description="null for no limit")
_CALLED: Schema = {"id": {"type": "integer"}, "name": or_null("string")}
_ROW = {"type": ["array", "null"], "items": {"type": ["integer", "string", "null"]}}

SCHEMAS: Schema = {
    "Devices": an_object(
        {"devices": a_list(an_object(_DEVICE))},
    ),
    "Device": an_object(
        {
            **_DEVICE,
            "owners": a_list(
                an_object({"person": {"type": "integer"}, "name": or_null("string"), "from": _DAY, "until": _DAY})
            ),
            "episodes": a_list(
                an_object(
                    {
                        "id": {"type": "integer"},
                        "mac": or_null("string"),
                        "address": or_null("string"),
                        "start": INSTANT,
                        "end": or_null("string", format="date-time", description="null if current"),
                    }
                )
            ),
            "address_times": {
                **a_list(an_object({"address": TEXT, "first": or_null("string", format="date-time"), "last": INSTANT})),
                "description": "the latest 200 IP addresses, the latest first",
            },
        }
    ),
    "Name": an_object({"address": TEXT, "name": or_null("string", description="null if the DNS has none")}),
    "People": an_object(
        {
            "people": a_list(
                an_object({**_CALLED, "devices": a_list(an_object({**_CALLED, "from": _DAY, "until": _DAY}))}),
            )
        }
    ),
    "Proposals": an_object(
        {
            "proposals": a_list(
                an_object(
                    {
                        "id": {"type": "integer"},
                        "at": INSTANT,
                        "device": an_object(_CALLED),
                        "into": an_object(_CALLED),
                        "percent": {"type": "integer", "minimum": 0, "maximum": 100},
                        "reasons": a_list(TEXT),
                        "state": {"enum": ["open", "confirmed", "refused", "automatic", "over"]},
                    }
                )
            )
        }
    ),
    "Edits": an_object(
        {
            "edits": a_list(
                an_object(
                    {
                        "id": {"type": "integer"},
                        "at": INSTANT,
                        "by": {"type": "string", "description": "account, address, or whitestat itself"},
                        "action": TEXT,
                        "undoes": or_null("integer", description="the edit that it undid"),
                        "undone_by": or_null("integer", description="the edit that undid it"),
                        "changes": a_list(
                            an_object(
                                {
                                    "what": TEXT,
                                    "key": a_list({"type": ["integer", "string"]}),
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
    "Edited": an_object(
        {
            "edit": {**COUNT, "description": "number of the edit, to undo it; 0 without a change"},
            "device": or_null("integer", description="the resulting device"),
            "person": or_null("integer", description="the resulting person"),
            "since": {**INSTANT, "description": "start of the recalculated usage of a plan"},
        },
        optional=("since",),
    ),
    "Export": {"type": "object", "description": "rows by table, as stored"},
}
