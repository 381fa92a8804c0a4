"""The live view: the figures of a second."""

from __future__ import annotations

from whitestat.web.request_bodies import Schema
from whitestat.web.schemas.shape import COUNT, INSTANT, NAMED, RATIO, TEXT, UNSPLIT, a_list, an_object, or_null

_ID = or_null("integer", description="null for what is unattributed")
_SINCE: Schema = {
    **INSTANT,
    "description": "since when the rates were taken: a second, or several that a busy machine was too late for; absent "
    "where there are no rates yet",
}
_PACKETS = ("rate_in_pps", "rate_out_pps")
_RATE = or_null(
    "integer",
    minimum=0,
    description="of the second, or of a polled meter the mean between its last two polls; null where a polled meter's "
    "last poll failed, or was its first",
)
_BOTH = or_null("integer", minimum=0, description="both ways, with what a meter cannot tell apart")
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
            "gone": {**a_list({"type": "integer"}), "description": "devices that are merged into others since"},
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
                "description": "seconds since the event before, or of the last minute and more, with all that was not "
                "silent",
            },
        },
        optional=("since", "octets", "gone", "points", "missed", *_PACKETS),
    ),
}
