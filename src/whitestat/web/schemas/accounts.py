"""Schemas of the current account, of accounts and of tokens."""

from __future__ import annotations

from whitestat.web.auth.accounts import SCOPES
from whitestat.web.auth.roles import Role
from whitestat.web.handlers.accounts import ROLES
from whitestat.web.request_bodies import Schema
from whitestat.web.schemas.shape import COUNT, INSTANT, TEXT, a_list, an_object, or_null

SCHEMAS: Schema = {
    "Me": an_object(
        {
            "name": or_null("string", description="null for an open network without a log-in"),
            "role": {"enum": [str(role) for role in Role]},
            "person": or_null("string", description="the person that all data is limited to"),
            "can_edit": {"type": "boolean"},
            "expires": or_null("string", format="date-time", description="latest end of the session"),
            "timezone": {"type": "string", "description": "of days, hours and all instants"},
            "billing": {
                **an_object({"day": COUNT, "hour": COUNT}),
                "description": "start of billing periods, local time",
            },
        }
    ),
    "Accounts": an_object(
        {
            "accounts": a_list(
                an_object(
                    {
                        "id": {"type": "integer"},
                        "name": TEXT,
                        "role": {"enum": list(ROLES)},
                        "person": or_null("string"),
                        "created": INSTANT,
                        "has_password": {"type": "boolean"},
                        "sessions": COUNT,
                    }
                )
            )
        }
    ),
    "AccountMade": an_object(
        {"account": {"type": "integer"}, "link": or_null("string", description="one-time link that sets the password")}
    ),
    "Sessions": an_object(
        {
            "sessions": a_list(
                an_object(
                    {
                        "id": TEXT,
                        "account": or_null("string"),
                        "address": or_null("string", description="of the log-in"),
                        "browser": or_null("string", description="by what it says of itself"),
                        "created": INSTANT,
                        "last_used": INSTANT,
                        "is_this": {"type": "boolean", "description": "the session of this request"},
                    }
                )
            )
        }
    ),
    "SessionEnded": an_object({"session": TEXT}),
    "Confirmed": an_object({"until": INSTANT}),
    "Tokens": an_object(
        {
            "tokens": a_list(
                an_object(
                    {
                        "id": {"type": "integer"},
                        "name": TEXT,
                        "scope": {"enum": list(SCOPES)},
                        "person": or_null("string"),
                        "created": INSTANT,
                        "expires": or_null("string", format="date-time"),
                        "last_used": or_null("string", format="date-time", description="within an hour"),
                        "is_expired": {"type": "boolean"},
                    }
                )
            )
        }
    ),
    "TokenMade": an_object(
        {"token": {"type": "integer"}, "text": or_null("string", description="shown only when created")}
    ),
}
