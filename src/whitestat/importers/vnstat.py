"""What `vnstat --json` prints: totals of interfaces by day, month and year; versions 1 (in KiB) and 2 (in octets)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from whitestat.core.errors import ImportFault
from whitestat.core.model import Counts
from whitestat.importers.history import NOBODY, BadRows, HostDay, ImportedHistory
from whitestat.importers.source import ImportSource
from whitestat.importers.vnstat_months import InterfaceTotals, number, spans_of

_UNIT = {"1": 1024, "2": 1}
_KEYS = {"1": ("days", "months", "years"), "2": ("day", "month", "year")}
_YEARS = range(1990, 2200)
_LINE_OCTETS = 100_000_000_000 // 8 * 86_400
"""What a line of 100 Gbit/s carries in a day: more is a counter that was misread, as in vnStat's days of 4 EB."""
_DAYS = (1, 31, 366)
_AGAIN = "run `vnstat --json > vnstat.json` where vnStat is, and import that file"


def read_source(source: ImportSource) -> ImportedHistory:
    """Return `read` of the source's file, of the interface and with the months that were given."""
    options = source.options
    return read(
        source.content(),
        str(source.path),
        options.get("interface"),
        faces_lan=options.get("lan", False),
        month_rotate=options.get("month_rotate"),
    )


def read(
    content: bytes, name: str, interface: str | None = None, *, faces_lan: bool = False, month_rotate: int | None = None
) -> ImportedHistory:
    """One interface's totals; ImportFault says where the text broke, or which interfaces there are.

    vnStat forgets days, and keeps months and years longer: these are the spans of the history. `month_rotate` is the
    day on which its months begin (`MonthRotate` of vnstat.conf), None for the first. What an interface receives is
    download, unless it `faces_lan`.
    """
    bad = BadRows()
    try:
        version, interface_row = _interface(_parsed(content), interface)
        totals = _totals(version, interface_row, bad)
        if faces_lan:
            totals = totals.turned()
        spans = spans_of(totals, month_rotate)
    except ValueError as fault:
        raise ImportFault(f"{name}: {fault}; nothing is imported") from None
    rows = tuple(HostDay(number(day), NOBODY, counts) for day, counts in sorted(totals.days.items()) if any(counts))
    point = f"vnstat {interface_row['name']} import"
    return ImportedHistory(point, len(rows), lambda: iter(rows), left_out=bad.left_out(), spans=spans)


def _parsed(content: bytes) -> dict[str, Any]:
    if content.startswith(b"SQLite format 3\0"):
        raise ValueError(f"this is the database of vnStat 2: {_AGAIN}")
    if b"\0" in content[:4096]:
        raise ValueError(f"this is no text, perhaps a database of vnStat 1: {_AGAIN}")
    text = content.decode("utf-8-sig", "replace")
    try:
        document = _json(text)
    except (ValueError, RecursionError) as fault:
        raise ValueError(f"not JSON: {fault}; {_AGAIN}") from None
    if not isinstance(document, dict) or document.get("jsonversion") not in tuple(_UNIT):
        raise ValueError(f"not what vnstat --json prints, in version 1 or 2; {_AGAIN}")
    return document


def _json(text: str) -> Any:
    """vnStat 1.13 put a comma in front of the hours of a young database (its issue 13)."""
    try:
        return json.loads(text)
    except ValueError:
        mended = re.sub(r'("(?:hours|days|months|tops)":\[)\s*,', r"\1", text)
        if mended == text:
            raise
        return json.loads(mended)


def _interface(document: dict[str, Any], chosen: str | None) -> tuple[str, dict[str, Any]]:
    version = document["jsonversion"]
    key = "id" if version == "1" else "name"
    listed = document.get("interfaces")
    if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
        raise ValueError("interfaces: must be a list of objects")
    by_name = {str(row.get(key)): row for row in listed}
    if not by_name:
        raise ValueError("interfaces: there are none")
    if chosen is None and len(by_name) > 1:
        raise ValueError(f"interfaces: there are {', '.join(by_name)}; choose one with --interface")
    name = chosen if chosen is not None else next(iter(by_name))
    if name not in by_name:
        raise ValueError(f"interfaces: there is no {name!r}, but {', '.join(by_name)}")
    return version, {**by_name[name], "name": name}


def _totals(version: str, interface: dict[str, Any], bad: BadRows) -> InterfaceTotals:
    traffic = interface.get("traffic")
    if not isinstance(traffic, dict):
        raise ValueError("traffic: must be an object")
    keys = _KEYS[version]
    if not any(key in traffic for key in keys):
        kept = ", ".join(sorted(str(key)[:20] for key in traffic)) or "nothing"
        raise ValueError(f"there are no days, months or years in it, only {kept}; {_AGAIN}")
    days, months, years = (
        dict(_rows(traffic, key, version, fields, bad)) for key, fields in zip(keys, (3, 2, 1), strict=True)
    )
    if bad.count and not (days or months or years):
        raise ValueError(bad.first)
    return InterfaceTotals(
        days, months, years, _whole(traffic, version), _date(interface, "created"), _date(interface, "updated")
    )


def _rows(traffic: dict[str, Any], key: str, version: str, fields: int, bad: BadRows) -> Iterator[tuple[date, Counts]]:
    """By their first day, if months begin on the first."""
    rows = traffic.get(key, [])
    if not isinstance(rows, list):
        raise ValueError(f"{key}: must be a list, got {str(rows)[:60]!r}")
    for at, row in enumerate(rows, 1):
        try:
            when = [int(row["date"][field]) for field in ("year", "month", "day")[:fields]]
            counts = _counts(row, version)
            if when[0] not in _YEARS:
                raise ValueError("its date cannot be")
            if max(counts) > _LINE_OCTETS * _DAYS[3 - fields]:
                raise ValueError("more than any line carries")
            yield date(*[*when, 1, 1][:3]), counts
        except (KeyError, TypeError, ValueError, OverflowError) as fault:
            bad.add(f"{key}, number {at}", f"{str(row)[:80]}: {fault}")


def _counts(row: dict[str, Any], version: str) -> Counts:
    amounts = [int(row[field]) * _UNIT[version] for field in ("rx", "tx")]
    if min(amounts) < 0:
        raise ValueError("less than nothing")
    return Counts(*amounts)


def _whole(traffic: dict[str, Any], version: str) -> Counts | None:
    """Return all that the interface ever counted, None if unknown."""
    try:
        return _counts(traffic["total"], version)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _date(interface: dict[str, Any], key: str) -> date | None:
    """Return the date, None if it is impossible: it bounds months only, and days have their own dates."""
    try:
        fields = interface[key].get("date", interface[key])
        day = date(*(int(fields[field]) for field in ("year", "month", "day")))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return day if day.year in _YEARS else None
