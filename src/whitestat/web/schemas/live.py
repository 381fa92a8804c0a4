"""Schemas of the live stream."""

from __future__ import annotations

from whitestat.web.request_bodies import Schema
from whitestat.web.schemas.shape import COUNT, INSTANT, NAMED, RATIO, TEXT, UNSPLIT, a_list, an_object, or_null

_ID = or_null("integer", description="null for unattributed usage")
_SINCE: Schema = {
    **INSTANT,
    "description": "start of the interval of the rates: a second, or several on a busy machine; absent "
    "if there are no rates yet",
}
_PACKETS = ("rate_in_pps", "rate_out_pps")
_RATE = or_null(
    "integer",
    minimum=0,
    description="of the second, for polled meters the mean between the last two polls; null if the last poll failed "
    "or was the first",
)
_BOTH = or_null("integer", minimum=0, description="both directions, with octets of unknown direction")
_RATES: Schema = {"rate_bps": _BOTH, **dict.fromkeys(("rate_in_bps", "rate_out_bps", *_PACKETS), _RATE)}
_AT_POINTS = a_list(an_object({"point": TEXT, **_RATES}))

SCHEMAS: Schema = {
    "Live": an_object(
        {
            "at": INSTANT,
            "since": _SINCE,
            **_RATES,
            "octets": COUNT,
            "octets_in": UNSPLIT,
            "octets_out": UNSPLIT,
            "coverage": RATIO,
            "gone": {**a_list({"type": "integer"}), "description": "devices that were merged into others"},
            "devices": a_list(
                an_object(
                    {
                        **NAMED,
                        "id": _ID,
                        "octets": COUNT,
                        "octets_in": UNSPLIT,
                        "octets_out": UNSPLIT,
                        **_RATES,
                        "last_seen": or_null("string", format="date-time"),
                    },
                    optional=_PACKETS,
                )
            ),
            "points": _AT_POINTS,
            "missed": {
                **a_list(
                    an_object(
                        {
                            "at": INSTANT,
                            "since": _SINCE,
                            **_RATES,
                            "devices": a_list(an_object({"id": _ID, **_RATES})),
                            "points": _AT_POINTS,
                        },
                        optional=("since",),
                    )
                ),
                "description": "missed seconds since the last event, or of the last minute, with all devices that had "
                "traffic",
            },
        },
        optional=("since", "octets", "gone", "points", "missed", *_PACKETS),
    ),
}
