"""What `vnstat --json` prints: totals of interfaces by day, month and year; versions 1 (in KiB) and 2 (in octets)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import reduce
from typing import Any

from whitestat.errors import ImportFault
from whitestat.importers.history import NOBODY, History, HostDay
from whitestat.model import Counts

_UNIT = {"1": 1024, "2": 1}
_KEYS = {"1": ("days", "months", "years"), "2": ("day", "month", "year")}
_YEARS = range(1990, 2200)
_MOST_OCTETS = 1 << 62


def read(content: bytes, name: str, interface: str | None = None, *, faces_lan: bool = False) -> History:
    """One interface's totals; ImportFault says where the text broke, or which interfaces there are.

    vnStat forgets days, and keeps months and years longer: what a month has more than its days is spread
    evenly over the days that are not there. What an interface receives is download, unless it `faces_lan`.
    """
    try:
        version, found = _interface(_parsed(content), interface)
        days = _days(version, found)
    except ValueError as fault:
        raise ImportFault(f"{name}: {fault}; nothing is imported") from None
    rows = tuple(
        HostDay(_number(day), NOBODY, counts.turned() if faces_lan else counts)
        for day, counts in sorted(days.items())
        if any(counts)
    )
    return History(f"vnstat {found['name']} import", len(rows), lambda: iter(rows))


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as fault:
        raise ValueError(f"not JSON: {fault}") from None
    if not isinstance(document, dict) or document.get("jsonversion") not in _UNIT:
        raise ValueError("not what vnstat --json prints, in version 1 or 2")
    return document


def _interface(document: dict[str, Any], wanted: str | None) -> tuple[str, dict[str, Any]]:
    version = document["jsonversion"]
    key = "id" if version == "1" else "name"
    listed = document.get("interfaces")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ValueError("interfaces: must be a list of objects")
    by_name = {str(each.get(key)): each for each in listed}
    if not by_name:
        raise ValueError("interfaces: there are none")
    if wanted is None and len(by_name) > 1:
        raise ValueError(f"interfaces: there are {', '.join(by_name)}; choose one with --interface")
    name = wanted if wanted is not None else next(iter(by_name))
    if name not in by_name:
        raise ValueError(f"interfaces: there is no {name!r}, but {', '.join(by_name)}")
    return version, {**by_name[name], "name": name}


def _days(version: str, interface: dict[str, Any]) -> dict[date, Counts]:
    traffic = interface.get("traffic")
    if not isinstance(traffic, dict):
        raise ValueError("traffic: must be an object")
    day_key, month_key, year_key = _KEYS[version]
    first, last = _date(interface, "created"), _date(interface, "updated")
    days = dict(_totals(traffic, day_key, version, 3))
    for key, fields in ((month_key, 2), (year_key, 1)):
        told = set(days)
        for start, counts in _totals(traffic, key, version, fields):
            within = [day for day in _walk(start, fields) if first <= day <= last or day in told]
            _spread(days, counts, within, told)
    return days


def _totals(traffic: dict[str, Any], key: str, version: str, fields: int) -> Iterator[tuple[date, Counts]]:
    rows = traffic.get(key, [])
    if not isinstance(rows, list):
        raise ValueError(f"{key}: must be a list, got {str(rows)[:60]!r}")
    for number, row in enumerate(rows, 1):
        try:
            amounts = [int(row[each]) * _UNIT[version] for each in ("rx", "tx")]
            when = [int(row["date"][each]) for each in ("year", "month", "day")[:fields]]
            if min(amounts) < 0 or max(amounts) > _MOST_OCTETS or when[0] not in _YEARS:
                raise ValueError("out of range")
            yield date(*[*when, 1, 1][:3]), Counts(*amounts)
        except (KeyError, TypeError, ValueError) as fault:
            raise ValueError(f"{key}, number {number}: {str(row)[:80]}: {fault}") from None


def _date(interface: dict[str, Any], key: str) -> date:
    try:
        found = interface[key].get("date", interface[key])
        return date(*(int(found[each]) for each in ("year", "month", "day")))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(f"{key}: not a date: {str(interface.get(key))[:80]}") from None


def _walk(start: date, fields: int) -> list[date]:
    """The days of the month (two fields) or the year (one) that begins with `start`."""
    end = date(start.year + start.month // 12, start.month % 12 + 1, 1) if fields == 2 else date(start.year + 1, 1, 1)
    return [start + timedelta(days=each) for each in range((end - start).days)]


def _spread(days: dict[date, Counts], total: Counts, within: Sequence[date], told: set[date]) -> None:
    """Adds what the total has more than the days in it to those that nothing was told of, or else to the last."""
    there = reduce(Counts.plus, (days[day] for day in within if day in days), Counts())
    rest = Counts(*(max(0, whole - part) for whole, part in zip(total, there, strict=True)))
    places = [day for day in within if day not in told] or list(within[-1:])
    for at, day in enumerate(places):
        share = Counts(*((at + 1) * each // len(places) - at * each // len(places) for each in rest))
        days[day] = days[day].plus(share) if day in days else share


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day
