"""Sentences about differences between a query and its answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from whitestat.core.calendar import instant_text
from whitestat.core.zone_history import ZoneHistory
from whitestat.ledger.usage_query import TimeStep, UsageQuery

_OF_DAYS = (TimeStep.DAY, TimeStep.WEEK, TimeStep.MONTH)
"""Steps that are made of whole days; others are exact for as long as hours are kept."""


def zone_notices(booked: tzinfo, zone: tzinfo, question: UsageQuery) -> Iterator[str]:
    """Yield one for each time zone of which days in the answer keep their dates, with when that ended."""
    if question.step in _OF_DAYS and isinstance(booked, ZoneHistory):
        for span in booked.unlike(zone, *question.span):
            until = instant_text(span.end_s, zone)
            yield f"days before {until} keep their dates of the time zone {span.zone}, in which they were counted"
