"""Plans, what was used of them, and who is slowed."""

from __future__ import annotations

from whitestat.web.request_bodies import Schema
from whitestat.web.schemas.shape import COUNT, INSTANT, TEXT, a_list, an_object, or_null

_AMOUNT = or_null("integer", description="octets; null where there is no end")
_OF = or_null("string", description="null where it is about all")
_DATE = or_null("string", format="date", description="null where it lasts")
_FORECAST: Schema = {
    "anyOf": [
        an_object(
            {
                "octets": {**COUNT, "description": "used at the end of the period, most likely"},
                "low": {**COUNT, "description": "four times of five it is from low"},
                "high": {**COUNT, "description": "to high"},
                "runs_out": {**_DATE, "description": "the day it will be used up, null where it lasts"},
                "earliest": _DATE,
                "latest": _DATE,
            }
        ),
        {"type": "null", "description": "before the first whole day"},
    ]
}
_ALLOWANCE = an_object(
    {
        "name": {**TEXT, "description": "the tariff it belongs to"},
        "tariffs": {**a_list(TEXT), "description": "those that draw on it"},
        "allowance": _AMOUNT,
        "carried": {**COUNT, "description": "left over from the period before"},
        "topped_up": {"type": "integer"},
        "available": {**_AMOUNT, "description": "allowance, carried and topped_up; null where there is no end"},
        "used": COUNT,
        "left": {**_AMOUNT, "description": "available less used, below zero where it is overdrawn; null without end"},
        "even": {**_AMOUNT, "description": "what would be used by now at an even pace; null where there is no end"},
        "today": an_object(
            {
                "used": {**COUNT, "description": "since the plan's day began"},
                "may": {**_AMOUNT, "description": "what may be used on this day in all; null where there is no end"},
                "left": {**_AMOUNT, "description": "may less used, below zero where it was more; null without end"},
            }
        ),
        "forecast": _FORECAST,
    }
)
_PART: Schema = {
    "used": COUNT,
    "available": {**_AMOUNT, "description": "the share; null where there is none"},
    "left": {**_AMOUNT, "description": "null where there is no share"},
}

SCHEMAS: Schema = {
    "Plans": an_object(
        {
            "plans": a_list(
                an_object(
                    {
                        "id": {"type": "integer"},
                        "name": TEXT,
                        "of": an_object({"point": _OF, "person": _OF, "device": _OF, "label": _OF}),
                        "direction": {"enum": ["both", "in", "out"]},
                        "start": INSTANT,
                        "end": INSTANT,
                        "period": {**TEXT, "description": "day, week, month, or a number of days like 30d"},
                        "elapsed": {"type": "number", "minimum": 0, "maximum": 1},
                        "days_left": {**COUNT, "description": "today is one of them"},
                        "tariff": {**TEXT, "description": "the one that holds now"},
                        "octets": {**COUNT, "description": "that flowed in the period"},
                        "used": {**COUNT, "description": "what they took of all allowances together"},
                        "available": _AMOUNT,
                        "left": _AMOUNT,
                        "over": {"type": "boolean", "description": "whether an allowance is overdrawn"},
                        "own": {"type": "boolean", "description": "whether it is the asker's own part of it alone"},
                        "allowances": a_list(_ALLOWANCE),
                        "tariffs": a_list(
                            an_object(
                                {
                                    "name": TEXT,
                                    "allowance": {**TEXT, "description": "the allowance it draws on, by name"},
                                    "factor_percent": COUNT,
                                    "octets": COUNT,
                                    "used": COUNT,
                                }
                            )
                        ),
                        "persons": a_list(
                            an_object(
                                {
                                    "person": or_null("string", description="null for what is nobody's"),
                                    "octets": COUNT,
                                    **_PART,
                                    "allowances": a_list(an_object({"name": TEXT, **_PART})),
                                }
                            )
                        ),
                        "devices": a_list(
                            an_object(
                                {
                                    "id": or_null("integer", description="null for what is unattributed"),
                                    "name": or_null("string"),
                                    "person": or_null("string", description="whose it was when it was last used"),
                                    "octets": COUNT,
                                    "used": COUNT,
                                }
                            )
                        ),
                        "days": a_list(an_object({"start": INSTANT, "octets": COUNT, "used": COUNT})),
                        "topups": a_list(
                            an_object(
                                {
                                    "id": {"type": "integer"},
                                    "at": INSTANT,
                                    "allowance": TEXT,
                                    "octets": {"type": "integer"},
                                }
                            )
                        ),
                        "notices": a_list(TEXT),
                    }
                )
            )
        }
    ),
    "PlanUsage": an_object(
        {
            "plan": an_object({"id": {"type": "integer"}, "name": TEXT}),
            "start": INSTANT,
            "end": INSTANT,
            "step": {"enum": ["day", "period", "total"]},
            "by": a_list(TEXT),
            "rows": a_list(
                an_object(
                    {
                        "start": INSTANT,
                        "tariff": TEXT,
                        "person": or_null("string", description="whose it was on that day, null for nobody's"),
                        "device": an_object({"id": or_null("integer"), "name": or_null("string")}),
                        "octets": COUNT,
                        "octets_in": or_null("integer", description="null where a meter cannot tell in and out apart"),
                        "octets_out": or_null("integer", description="null where a meter cannot tell in and out apart"),
                        "used": {**COUNT, "description": "what they took of allowances"},
                    },
                    optional=("tariff", "person", "device"),
                )
            ),
        }
    ),
    "Throttle": an_object(
        {
            "slowed": a_list(
                an_object(
                    {
                        "name": {**TEXT, "description": "what `POST /api/v1/throttle` calls it by"},
                        "plan": TEXT,
                        "person": or_null("string", description="null where it is all that the plan is about"),
                        "devices": a_list({"type": "integer"}),
                        "rate_bps": or_null("integer", description="bits per second; null is cut off"),
                        "until": INSTANT,
                        "lifted": {
                            "type": "boolean",
                            "description": "whether the limit was taken back for this period",
                        },
                        "in_force": {"type": "boolean", "description": "whether the limit was put in force, and is"},
                        "reason": or_null("string", description="why a limit that is not lifted is not in force"),
                        "interfaces": {**a_list(TEXT), "description": "where it is in force"},
                    }
                )
            ),
            "fault": or_null("string", description="why limits are not in force; null where they are"),
        }
    ),
}
