"""Tables for the terminal: text, CSV and JSON of who used how much."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from whitestat.ledger.queries import Row
from whitestat.model import Counts
from whitestat.units import octets_text

FIELDS = ("device", "mac", "scope", "octets", "octets_in", "octets_out", "packets_in", "packets_out")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class Line(NamedTuple):
    """One line of a report; `device` is None for what nobody could be found for."""

    device: str | None
    mac: str | None
    scope: str | None
    counts: Counts


def from_row(row: Row) -> Line:
    device = row.device
    return Line(
        (device.name or device.mac) if device else None,
        device.mac if device else None,
        str(row.scope) if row.scope else None,
        row.counts,
    )


def usage(lines: Sequence[Line], form: str) -> str:
    """The report as `text`, `csv` or `json`, the largest first."""
    ordered = sorted(lines, key=lambda line: -line.counts.octets)
    return {"text": _text, "csv": _csv, "json": _json}[form](ordered)


def _fields(line: Line) -> dict[str, object]:
    known = not line.counts.octets_unsplit
    counts = line.counts
    return {
        "device": line.device,
        "mac": line.mac,
        "scope": line.scope,
        "octets": counts.octets,
        "octets_in": counts.octets_in if known else None,
        "octets_out": counts.octets_out if known else None,
        "packets_in": counts.packets_in if known else None,
        "packets_out": counts.packets_out if known else None,
    }


def _json(lines: Sequence[Line]) -> str:
    return json.dumps({"rows": [_fields(line) for line in lines]}, ensure_ascii=False, indent=1) + "\n"


def _csv(lines: Sequence[Line]) -> str:
    """RFC 4180, with names that a spreadsheet would take for a formula made plain text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(FIELDS)
    for line in lines:
        writer.writerow([_plain(value) for value in _fields(line).values()])
    return out.getvalue()


def _plain(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def _text(lines: Sequence[Line]) -> str:
    if not lines:
        return "No usage yet. Is whitestat running, and does traffic flow?\n"
    rows = [("Device", "In", "Out", "Total", "Scope")]
    for line in lines:
        split = not line.counts.octets_unsplit
        rows.append(
            (
                _printable(line.device or "unattributed"),
                octets_text(line.counts.octets_in) if split else "",
                octets_text(line.counts.octets_out) if split else "",
                octets_text(line.counts.octets),
                line.scope or "",
            )
        )
    widths = [max(len(row[at]) for row in rows) for at in range(5)]
    return "".join(
        f"{name:<{widths[0]}}  {into:>{widths[1]}}  {out:>{widths[2]}}  {total:>{widths[3]}}  {scope}".rstrip() + "\n"
        for name, into, out, total, scope in rows
    )


def _printable(text: str) -> str:
    """No control sequence of a hostile name reaches the terminal."""
    return "".join(each if unicodedata.category(each)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for each in text)
