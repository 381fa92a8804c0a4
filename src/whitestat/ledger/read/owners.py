"""Whose each device was when: the midnights at which that changes cut a span into parts of one owner each."""

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
"""By device, the first owner first; a device that is not there was nobody's."""


def owners(connection: sqlite3.Connection) -> dict[int, tuple[OwnershipSpan, ...]]:
    """A person of the configuration owns the device from always, where nobody was given it otherwise."""
    found: dict[int, tuple[OwnershipSpan, ...]] = {
        device: (OwnershipSpan(0, None, person),) for device, person in connection.execute(_CONFIGURED)
    }
    for device, *held in connection.execute(_OWNED):
        found[device] = (*found.get(device, ()), OwnershipSpan(*held))
    return found


def persons(connection: sqlite3.Connection) -> list[str]:
    """Everybody who owns or may own a device, by name."""
    named = {name for (name,) in connection.execute("SELECT name FROM person")}
    return sorted(named | {name for _, name in connection.execute(_CONFIGURED)})


def now(held: Iterable[OwnershipSpan]) -> str | None:
    """Who owns a device from now on."""
    return next((each.person for each in held if each.until_day is None), None)


def spans(held: Iterable[OwnershipSpan], person: str, zone: tzinfo) -> tuple[tuple[int, int | None], ...]:
    """When a device was a person's: from when up to and without when, UTC seconds, None for still."""
    return tuple(
        (_start(each.from_day, zone), None if each.until_day is None else _start(each.until_day, zone))
        for each in held
        if each.person == person
    )


def at(owned: Owners, zone: tzinfo, at_s: int) -> dict[int, str]:
    """Who owned each device at an instant, UTC seconds."""
    return {
        device: each.person
        for device, held in owned.items()
        for each in held
        if _start(each.from_day, zone) <= at_s and (each.until_day is None or at_s < _start(each.until_day, zone))
    }


def cut(owned: Owners, zone: tzinfo, start_s: int, end_s: int) -> list[tuple[int, int]]:
    """The span in parts within which no device changes hands, UTC seconds."""
    days = {day for held in owned.values() for each in held for day in each[:2] if day}
    inside = {at_s for at_s in (_start(day, zone) for day in days) if start_s < at_s < end_s}
    return list(pairwise([start_s, *sorted(inside), end_s]))


def _start(day: int, zone: tzinfo) -> int:
    return day_bounds(day, zone)[0] if day else 0
