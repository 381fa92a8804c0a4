"""Who asks, who may log in, and what programs ask with."""

from __future__ import annotations

from whitestat.web.auth.accounts import SCOPES
from whitestat.web.auth.roles import Role
from whitestat.web.handlers.accounts import ROLES
from whitestat.web.request_bodies import Schema
from whitestat.web.schemas.shape import COUNT, INSTANT, TEXT, a_list, an_object, or_null

SCHEMAS: Schema = {
    "Me": an_object(
        {
            "name": or_null("string", description="null where nobody logged in, and the network is open"),
            "role": {"enum": [str(each) for each in Role]},
            "person": or_null("string", description="whose usage alone is shown"),
            "can_edit": {"type": "boolean"},
            "expires": or_null("string", format="date-time", description="when the session ends at the latest"),
            "timezone": {"type": "string", "description": "that of days, hours and every instant"},
            "billing": {
                **an_object({"day": COUNT, "hour": COUNT}),
                "description": "when billing periods begin, local time",
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
        {"account": {"type": "integer"}, "link": or_null("string", description="sets its password, once")}
    ),
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
                    }
                )
            )
        }
    ),
    "TokenMade": an_object(
        {"token": {"type": "integer"}, "text": or_null("string", description="told when it is made, and never again")}
    ),
}
