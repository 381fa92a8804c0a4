"""Owners of each device over time: the midnights at which that changes cut a span into parts of one owner each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from itertools import pairwise
from typing import NamedTuple

from whitestat.core.calendar import day_bounds

_OWNED = """SELECT o.device, o.from_day, o.until_day, p.name FROM ownership o JOIN person p ON p.id = o.person
    ORDER BY o.device, o.from_day"""
_CONFIGURED = """SELECT id, person FROM device WHERE person IS NOT NULL
    AND id NOT IN (SELECT device FROM ownership)"""


class OwnershipSpan(NamedTuple):
    """From a local day up to and without another (YYYYMMDD); 0 is from the beginning, None still."""

    from_day: int
    until_day: int | None
    person: str


Owners = Mapping[int, tuple[OwnershipSpan, ...]]
"""By device, the first owner first; a device that is not there had no owner."""


def owners(connection: sqlite3.Connection) -> dict[int, tuple[OwnershipSpan, ...]]:
    """A person of the configuration owns the device from always, where it was given to no other."""
    spans_of: dict[int, tuple[OwnershipSpan, ...]] = {
        device: (OwnershipSpan(0, None, person),) for device, person in connection.execute(_CONFIGURED)
    }
    for device, *span in connection.execute(_OWNED):
        spans_of[device] = (*spans_of.get(device, ()), OwnershipSpan(*span))
    return spans_of


def persons(connection: sqlite3.Connection) -> list[str]:
    """All people that own or may own a device, by name."""
    named = {name for (name,) in connection.execute("SELECT name FROM person")}
    return sorted(named | {name for _, name in connection.execute(_CONFIGURED)})


def now(held_spans: Iterable[OwnershipSpan]) -> str | None:
    """Owner of a device from now on."""
    return next((span.person for span in held_spans if span.until_day is None), None)


def spans(held_spans: Iterable[OwnershipSpan], person: str, zone: tzinfo) -> tuple[tuple[int, int | None], ...]:
    """When a device was a person's: from when up to and without when, UTC seconds, None for still."""
    return tuple(
        (_start(span.from_day, zone), None if span.until_day is None else _start(span.until_day, zone))
        for span in held_spans
        if span.person == person
    )


def at(owned: Owners, zone: tzinfo, at_s: int) -> dict[int, str]:
    """Owner of each device at an instant, UTC seconds."""
    return {
        device: span.person
        for device, held_spans in owned.items()
        for span in held_spans
        if _start(span.from_day, zone) <= at_s and (span.until_day is None or at_s < _start(span.until_day, zone))
    }


def cut(owned: Owners, zone: tzinfo, start_s: int, end_s: int) -> list[tuple[int, int]]:
    """The span in parts within which no device changes hands, UTC seconds."""
    days = {day for held_spans in owned.values() for span in held_spans for day in span[:2] if day}
    inside = {at_s for at_s in (_start(day, zone) for day in days) if start_s < at_s < end_s}
    return list(pairwise([start_s, *sorted(inside), end_s]))


def _start(day: int, zone: tzinfo) -> int:
    return day_bounds(day, zone)[0] if day else 0
