"""Schemas of usage, coverage and gaps."""

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
                "description": "length of each row: the step, or a longer one if the step is no longer stored",
            },
            "notice": or_null("string", description="how the response differs from the query"),
            "by": a_list(TEXT),
            "elapsed_ms": {**COUNT, "description": "past part of the span"},
            "coverage": {**a_list(ref("PointCoverage")), "description": "part of it that each point was watched"},
            "not_watched": {
                "description": "what was not watched of each step, until the last flush, where anything was not. null "
                "for step=total, a person's account, and more than 2,000 steps",
                "anyOf": [a_list(ref("MissedSteps")), {"type": "null"}],
            },
            "rows": a_list(ref("Row")),
            "next": or_null("string", description="address of the next page, if there is one"),
        }
    ),
    "MissedSteps": an_object(
        {
            "point": TEXT,
            "start": INSTANT,
            "end": INSTANT,
            "missed_ms": {**COUNT, "description": "of the time from start to end; all of it if nothing was watched"},
        }
    ),
    "Row": an_object(
        {
            "start": INSTANT,
            "device": {
                "description": "null for unattributed usage; only with by=device",
                "anyOf": [an_object(NAMED), {"type": "null"}],
            },
            "scope": {"enum": ["wan", "lan", None], "description": "null if both are summed"},
            "point": or_null("string", description="only with by=point"),
            "person": or_null("string", description="owner at the time; only with by=person"),
            "service": or_null("string", description="name, port or other; null if unknown; only with by=service"),
            "protocol": or_null("string", description="name, number or other; null if unknown; only with by=protocol"),
            "peer": or_null("string", description="address or other; null if unknown; only with by=peer"),
            "rest": {"type": "boolean", "description": "only with top: true for the sum of all others"},
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
            "observed_ms": {**COUNT, "description": "time watched, up to the last flush"},
            "frame_octets_interface": {**COUNT, "description": "counter of the interface, up to the last flush"},
            "frame_octets_metered": {**COUNT, "description": "frames that the meter saw, up to the last flush"},
            "octets_attributed": COUNT,
            "octets_unattributed": COUNT,
            "packets_lost": {**COUNT, "description": "packets that the meter lost, up to the last flush"},
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
                "description": "may be later than requested: at most 31 days, as far as stored",
            },
            "end": INSTANT,
            "points": a_list(
                an_object(
                    {
                        "point": TEXT,
                        "missed_ms": {**COUNT, "description": "sum of all gaps"},
                        "more": {**COUNT, "description": "number of earlier gaps that are not listed"},
                        "gaps": a_list(
                            an_object(
                                {
                                    "start": INSTANT,
                                    "end": or_null("string", format="date-time", description="null if still open"),
                                    "missed_ms": {
                                        **COUNT,
                                        "description": "time that was not watched; within a minute (or an hour if "
                                        "minutes are no longer stored) it is not known when",
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
