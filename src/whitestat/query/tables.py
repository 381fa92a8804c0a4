"""Tables of usage for the terminal: text, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from whitestat.core.model import Counts, Coverage
from whitestat.core.units import octets_text
from whitestat.ledger.read.queries import BY_WORDS, UsageRow
from whitestat.ledger.usage_query import TimeStep
from whitestat.query.encode import coverage_texts, is_imported, plain_cell, was_watched

FIELDS = ("device", "mac", "scope", "octets", "octets_in", "octets_out", "packets_in", "packets_out")
DEVICE_FIELDS = ("id", "name", "name_source", "mac", "addresses", "person", "labels", "first_seen", "last_seen")


SPANS_SHOWN = 10
NO_USAGE = "No usage in this span.\n"
NOT_WATCHED = "Not watched in this span: what was used is not known.\n"
NO_USAGE_YET = "No usage yet. Is whitestat running, and does traffic flow?\n"
NOT_WATCHED_YET = "Not watched today. Is whitestat running? `whitestat check` says what each point sees.\n"


class ReportRow(NamedTuple):
    """One line of a report; `device` is None for unattributed usage."""

    device: str | None
    mac: str | None
    scope: str | None
    counts: Counts


def from_row(row: UsageRow) -> ReportRow:
    device = row.device
    return ReportRow(
        (device.name or device.mac) if device else None,
        device.mac if device else None,
        str(row.scope) if row.scope else None,
        row.counts,
    )


def usage(lines: Sequence[ReportRow], form: str, nothing: str = NO_USAGE_YET, **more: object) -> str:
    """The report as `text`, `csv` or `json`, the largest first; `more` is what JSON says beside the rows.

    `nothing` is the text where there are no lines.
    """
    ordered = sorted(lines, key=lambda line: -line.counts.octets)
    if form == "json":
        return _json(ordered, more)
    return _csv(ordered) if form == "csv" else _text(ordered) or nothing


def history(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield an answer of `/api/v1/usage` as a table with a column for each word of `by`, and its coverage below it."""
    rows = answer["rows"]
    coverage = {row["point"]: Coverage(*(row[name] for name in Coverage._fields)) for row in answer["coverage"]}
    if rows:
        yield _table(*_history_columns(answer), [_history_cells(answer, row) for row in rows])
    else:
        yield NO_USAGE if was_watched(coverage) else NOT_WATCHED
    unwatched = _unwatched_text(answer) if rows else ""
    for sentence in (*coverage_texts(coverage, answer["elapsed_ms"]), unwatched, answer["notice"]):
        if sentence:
            yield f"{sentence}\n"


def _unwatched_text(answer: Mapping[str, Any]) -> str:
    """Return from when to when no point watched a step at all, and no import has usage; empty where there is none."""
    points = sum(not is_imported(row["point"]) for row in answer["coverage"])
    used = {row["start"] for row in answer["rows"]}
    missed: Counter[tuple[str, str]] = Counter()
    for gap in answer["not_watched"] or ():
        start, end = datetime.fromisoformat(gap["start"]), datetime.fromisoformat(gap["end"])
        if gap["missed_ms"] == (end - start) // timedelta(milliseconds=1) and gap["start"] not in used:
            missed[gap["start"], gap["end"]] += 1
    spans: list[tuple[str, str]] = []
    for start_text, end_text in sorted(span for span, count in missed.items() if count == points):
        if spans and spans[-1][1] == start_text:
            spans[-1] = spans[-1][0], end_text
        else:
            spans.append((start_text, end_text))
    texts = [f"{_minute(start_text)} to {_minute(end_text)}" for start_text, end_text in spans[:SPANS_SHOWN]]
    more = f" and {len(spans) - SPANS_SHOWN} more times" if len(spans) > SPANS_SHOWN else ""
    return f"Not watched: {', '.join(texts)}{more}" if texts else ""


def devices(rows: Sequence[Mapping[str, object]], form: str) -> str:
    """Devices, told as the API tells them, as `text`, `csv` or `json`."""
    if form == "json":
        return json.dumps({"devices": rows}, ensure_ascii=False, indent=1) + "\n"
    flat = [
        {
            **row,
            "addresses": " ".join(map(str, _list(row["addresses"]))),
            "labels": ", ".join(map(str, _list(row["labels"]))),
        }
        for row in rows
    ]
    if form == "csv":
        return csv_of(DEVICE_FIELDS, flat)
    if not rows:
        return "No devices yet. Is whitestat running, and does traffic flow?\n"
    columns = ("Id", "Device", "MAC", "Address", "Person", "Labels", "Last seen")
    cells = [
        (
            str(row["id"]),
            printable(str(row["name"] or "")),
            str(row["mac"] or ""),
            str(row["addresses"]).partition(" ")[0],
            printable(str(row["person"] or "")),
            printable(str(row["labels"])),
            _minute(str(row["last_seen"] or "")),
        )
        for row in flat
    ]
    return _table(columns, "><<<<<<", cells)


def listing(
    name: str,
    fields: Sequence[str],
    rows: Sequence[Mapping[str, object]],
    flat: Sequence[Mapping[str, object]],
    form: str,
) -> str:
    """What the API answered as it was (`json`), or as rows of one cell for each field (`text`, `csv`)."""
    if form == "json":
        return json.dumps({name: rows}, ensure_ascii=False, indent=1) + "\n"
    if form == "csv":
        return csv_of(fields, flat)
    if not flat:
        return f"There are no {name}.\n"
    cells = [[printable("" if row[field] is None else str(row[field])) for field in fields] for row in flat]
    return _table([field.replace("_", " ").capitalize() for field in fields], "<" * len(fields), cells)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _history_columns(answer: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """Return the titles, and `<` (left) or `>` (right) for the side each column is aligned to."""
    names = [word.capitalize() for word in BY_WORDS if word in answer["by"]]
    if _has_rest(answer):
        names.append("Rest")
    return ("From", *names, "In", "Out", "Total"), "<" * (1 + len(names)) + ">>>"


def _history_cells(answer: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[str, ...]:
    names = [_history_cell(row, word) for word in BY_WORDS if word in answer["by"]]
    if _has_rest(answer):
        names.append("rest" if row["rest"] else "")
    known = row["octets_in"] is not None
    return (
        _minute(row["start"], seconds=answer["resolution"] == TimeStep.SECOND),
        *names,
        octets_text(row["octets_in"]) if known else "",
        octets_text(row["octets_out"]) if known else "",
        octets_text(row["octets"]),
    )


def _has_rest(answer: Mapping[str, Any]) -> bool:
    """Return whether the rest needs a column of its own: it was asked for, and no device's name can say it."""
    return "rest" in answer["rows"][0] and "device" not in answer["by"]


_UNKNOWN = {"person": "no owner", "scope": "", "point": "", "device": "unattributed"}


def _history_cell(row: Mapping[str, Any], word: str) -> str:
    if row.get("rest") and word not in ("scope", "point"):
        return "rest" if word == "device" else ""
    value = row[word]
    if value is None:
        return _UNKNOWN.get(word, "unknown")
    return printable(str(value["name"] or value["mac"] or value["id"]) if word == "device" else value)


def _minute(instant: str, *, seconds: bool = False) -> str:
    """`2026-11-21` where a day begins, else `2026-11-21 11:00+01:00`, or with seconds."""
    day, _, time = instant.partition("T")
    if seconds:
        return f"{day} {time}"
    return day if time.startswith("00:00:00") else f"{day} {time[:5]}{time[8:]}".rstrip()


def _table(titles: Sequence[str], sides: str, rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    return "".join(
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)).rstrip() + "\n"
        for row in (titles, *rows)
    )


def _fields(line: ReportRow) -> dict[str, object]:
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


def _json(lines: Sequence[ReportRow], more: Mapping[str, object]) -> str:
    return json.dumps({"rows": [_fields(line) for line in lines], **more}, ensure_ascii=False, indent=1) + "\n"


def _csv(lines: Sequence[ReportRow]) -> str:
    return csv_of(FIELDS, [_fields(line) for line in lines])


def csv_of(fields: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """RFC 4180, with names that a spreadsheet would take for a formula made plain text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(fields)
    for row in rows:
        writer.writerow([plain_cell(row[field]) for field in fields])
    return out.getvalue()


def _text(lines: Sequence[ReportRow]) -> str:
    """Empty for no lines."""
    if not lines:
        return ""
    rows = []
    for line in lines:
        split = not line.counts.octets_unsplit
        rows.append(
            (
                printable(line.device or "unattributed"),
                octets_text(line.counts.octets_in) if split else "",
                octets_text(line.counts.octets_out) if split else "",
                octets_text(line.counts.octets),
                line.scope or "",
            )
        )
    return _table(("Device", "In", "Out", "Total", "Scope"), "<>>><", rows)


def printable(text: str) -> str:
    """No control sequence of a hostile name reaches the terminal."""
    return "".join(
        character if unicodedata.category(character)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for character in text
    )
