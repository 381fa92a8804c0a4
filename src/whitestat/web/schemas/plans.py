"""Schemas of plans, their usage and active limits."""

from __future__ import annotations

from whitestat.web.request_bodies import Schema
from whitestat.web.schemas.shape import COUNT, INSTANT, TEXT, a_list, an_object, or_null

_AMOUNT = or_null("integer", description="octets; null if unlimited")
_OF = or_null("string", description="null for all")
_DATE = or_null("string", format="date", description="null if it lasts")
_FORECAST: Schema = {
    "anyOf": [
        an_object(
            {
                "octets": {**COUNT, "description": "most likely use at the end of the period"},
                "low": {**COUNT, "description": "lower limit with a probability of 80 %"},
                "high": {**COUNT, "description": "upper limit with a probability of 80 %"},
                "runs_out": {**_DATE, "description": "day on which it will be used up; null if it lasts"},
                "earliest": _DATE,
                "latest": _DATE,
            }
        ),
        {"type": "null", "description": "null before the first full day"},
    ]
}
_ALLOWANCE = an_object(
    {
        "name": {**TEXT, "description": "the tariff it belongs to"},
        "tariffs": {**a_list(TEXT), "description": "tariffs that use it"},
        "allowance": _AMOUNT,
        "carried": {**COUNT, "description": "left over from the previous period"},
        "topped_up": {"type": "integer"},
        "available": {**_AMOUNT, "description": "allowance, carried and topped_up; null if unlimited"},
        "used": COUNT,
        "left": {**_AMOUNT, "description": "available minus used, below zero if overdrawn; null if unlimited"},
        "even": {**_AMOUNT, "description": "use by now at an even pace; null if unlimited"},
        "today": an_object(
            {
                "used": {**COUNT, "description": "since the plan's day began"},
                "may": {**_AMOUNT, "description": "total for this day; null if unlimited"},
                "left": {**_AMOUNT, "description": "may minus used, below zero if overdrawn; null if unlimited"},
            }
        ),
        "forecast": _FORECAST,
    }
)
_PART: Schema = {
    "used": COUNT,
    "available": {**_AMOUNT, "description": "the person's share; null if there is none"},
    "left": {**_AMOUNT, "description": "null if there is no share"},
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
                        "tariff": {**TEXT, "description": "the current tariff"},
                        "octets": {**COUNT, "description": "traffic of the period"},
                        "used": {**COUNT, "description": "used of all allowances together"},
                        "available": _AMOUNT,
                        "left": _AMOUNT,
                        "over": {"type": "boolean", "description": "whether an allowance is overdrawn"},
                        "own": {"type": "boolean", "description": "whether it shows only the caller's own share"},
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
                                    "person": or_null("string", description="null for devices without an owner"),
                                    "octets": COUNT,
                                    **_PART,
                                    "allowances": a_list(an_object({"name": TEXT, **_PART})),
                                }
                            )
                        ),
                        "devices": a_list(
                            an_object(
                                {
                                    "id": or_null("integer", description="null for unattributed usage"),
                                    "name": or_null("string"),
                                    "person": or_null("string", description="owner at the last use"),
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
                        "person": or_null("string", description="owner on that day, null for none"),
                        "device": an_object({"id": or_null("integer"), "name": or_null("string")}),
                        "octets": COUNT,
                        "octets_in": or_null("integer", description="null if the meter does not report the direction"),
                        "octets_out": or_null("integer", description="null if the meter does not report the direction"),
                        "used": {**COUNT, "description": "used of allowances"},
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
                        "name": {**TEXT, "description": "name for `POST /api/v1/throttle`"},
                        "plan": TEXT,
                        "person": or_null("string", description="null for everything in the plan"),
                        "devices": a_list({"type": "integer"}),
                        "rate_bps": or_null("integer", description="bits per second; null if cut off"),
                        "until": INSTANT,
                        "lifted": {
                            "type": "boolean",
                            "description": "whether the limit is lifted for this period",
                        },
                        "in_force": {"type": "boolean", "description": "whether the limit is in force"},
                        "reason": or_null("string", description="why the limit is not in force"),
                        "interfaces": {**a_list(TEXT), "description": "interfaces with the limit"},
                    }
                )
            ),
            "fault": or_null("string", description="why limits are not in force; null if they are"),
        }
    ),
}
