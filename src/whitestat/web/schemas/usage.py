"""Usage in every form, and how much of it all was seen."""

from __future__ import annotations

from whitestat.web.legacy_v5.frame import COLUMNS
from whitestat.web.request_bodies import Schema
from whitestat.web.schemas.shape import COUNT, INSTANT, NAMED, RATIO, TEXT, UNSPLIT, a_list, an_object, or_null, ref

SCHEMAS: Schema = {
    "Usage": an_object(
        {
            "start": INSTANT,
            "end": INSTANT,
            "step": TEXT,
            "resolution": {
                "type": "string",
                "description": "how long each row is: the step, or a longer one where the step is no longer kept",
            },
            "notice": or_null("string", description="says where the answer is not quite what was asked"),
            "by": a_list(TEXT),
            "elapsed_ms": {**COUNT, "description": "how much of the span is over"},
            "coverage": {**a_list(ref("PointCoverage")), "description": "how much of that each point saw"},
            "rows": a_list(ref("Row")),
            "next": or_null("string", description="the address of the next page, where there is one"),
        }
    ),
    "Row": an_object(
        {
            "start": INSTANT,
            "device": {
                "description": "null for what is unattributed; there only where by has device",
                "anyOf": [an_object(NAMED), {"type": "null"}],
            },
            "scope": {"enum": ["wan", "lan", None], "description": "null where both are added up"},
            "point": or_null("string", description="there only where by has point"),
            "person": or_null("string", description="who owned it then; there only where by has person"),
            "service": or_null("string", description="a name or a port; other, or null for unknown; with by alone"),
            "protocol": or_null("string", description="a name or a number; other, or null for unknown; with by alone"),
            "peer": or_null("string", description="an address; other, or null for unknown; with by alone"),
            "rest": {"type": "boolean", "description": "there only with top: all that is not among it"},
            "octets": COUNT,
            "octets_in": UNSPLIT,
            "octets_out": UNSPLIT,
            "packets_in": COUNT,
            "packets_out": COUNT,
        },
        optional=("device", "point", "person", "service", "protocol", "peer", "rest"),
    ),
    "Frame": an_object(
        {
            "columns": {"const": list(COLUMNS)},
            "data": {"type": "array", "items": {"type": "array", "items": {"type": ["string", "number"]}}},
        }
    ),
    "Segments": a_list(TEXT),
    "PointCoverage": an_object(
        {
            "point": TEXT,
            "observed_ms": COUNT,
            "frame_octets_interface": COUNT,
            "frame_octets_metered": COUNT,
            "octets_attributed": COUNT,
            "octets_unattributed": COUNT,
            "packets_lost": COUNT,
            "coverage": RATIO,
        }
    ),
    "Coverage": an_object(
        {
            "start": INSTANT,
            "end": INSTANT,
            "points": a_list(ref("PointCoverage")),
        }
    ),
    "Gaps": an_object(
        {
            "start": {
                **INSTANT,
                "description": "later than asked for: 31 days at most, and what is kept",
            },
            "end": INSTANT,
            "points": a_list(
                an_object(
                    {
                        "point": TEXT,
                        "missed_ms": {**COUNT, "description": "of all its gaps"},
                        "more": {**COUNT, "description": "how many there are before those that are listed"},
                        "gaps": a_list(
                            an_object(
                                {
                                    "start": INSTANT,
                                    "end": or_null("string", format="date-time", description="null where it goes on"),
                                    "missed_ms": {
                                        **COUNT,
                                        "description": "what of it was not watched: within one minute (or hour, where "
                                        "minutes are not kept any more) it is not known when",
                                    },
                                }
                            )
                        ),
                    }
                )
            ),
        }
    ),
}
