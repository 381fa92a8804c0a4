"""A usage answer as JSON, CSV and a plain HTML table; in pieces, so that a large one needs little memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import islice

from jinja2 import Environment, PackageLoader

from whitestat.ledger.queries import Question, Row
from whitestat.periods import instant_text

ROWS_A_PIECE = 500

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet run a cell; a name of a device may begin with it."""

_page = Environment(autoescape=True, loader=PackageLoader("whitestat.web"), trim_blocks=True).get_template("usage.html")


@dataclass(frozen=True, slots=True)
class UsageAnswer:
    """What was asked, and what the ledger said."""

    question: Question
    rows: Sequence[Row]
    zone: tzinfo

    def as_json(self) -> Iterator[str]:
        """`{"start", "end", "step", "by", "rows": [...]}`."""
        head = {
            "start": self._text(self.question.start_s),
            "end": self._text(self.question.end_s),
            "step": str(self.question.step),
            "by": list(self.question.by),
        }
        yield _dumps(head)[:-1] + ',"rows":['
        rows, comma = iter(self.rows), ""
        while piece := [_dumps(self._row(row)) for row in islice(rows, ROWS_A_PIECE)]:
            yield comma + ",".join(piece)
            comma = ","
        yield "]}"

    def as_csv(self) -> Iterator[str]:
        """A line of names and one for each row (RFC 4180); what is not known is an empty cell."""
        rows, lines = iter(self.rows), io.StringIO()
        writer = csv.writer(lines)
        writer.writerow(self.columns)
        while piece := list(islice(rows, ROWS_A_PIECE)):
            writer.writerows([plain_cell(cell) for cell in self.cells(row)] for row in piece)
            yield _taken(lines)
        yield _taken(lines)

    def as_html(self) -> Iterator[str]:
        """The same table as a page without a script, for people and for Excel's web query."""
        stream = _page.stream(
            columns=self.columns,
            rows=map(self.cells, self.rows),
            first=self._text(self.question.start_s),
            end=self._text(self.question.end_s),
        )
        stream.enable_buffering(ROWS_A_PIECE)
        return stream

    @property
    def columns(self) -> tuple[str, ...]:
        by = self.question.by
        return (
            "start",
            *(("device_id", "device", "mac") if "device" in by else ()),
            "scope",
            *(("point",) if "point" in by else ()),
            *("octets", "octets_in", "octets_out", "packets_in", "packets_out"),
        )

    def cells(self, row: Row) -> list[str | int | None]:
        """One cell for each of `columns`; the name of what is unattributed is `unattributed`."""
        fields = self._row(row)
        device = row.device
        if "device" in self.question.by:
            fields |= {
                "device_id": device and device.id,
                "device": (device.name or device.mac) if device else "unattributed",
                "mac": device and device.mac,
            }
        return [fields[column] for column in self.columns]  # type: ignore[misc]

    def _row(self, row: Row) -> dict[str, object]:
        counts, by = row.counts, self.question.by
        whole = not counts.octets_unsplit
        fields: dict[str, object] = {"start": self._text(row.start_s)}
        if "device" in by:
            fields["device"] = row.device._asdict() if row.device else None
        fields["scope"] = row.scope or self.question.scope
        if "point" in by:
            fields["point"] = row.point
        return fields | {
            "octets": counts.octets,
            "octets_in": counts.octets_in if whole else None,
            "octets_out": counts.octets_out if whole else None,
            "packets_in": counts.packets_in,
            "packets_out": counts.packets_out,
        }

    def _text(self, at_s: int) -> str:
        return instant_text(at_s, self.zone)


def _dumps(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def plain_cell(cell: str | int | None) -> str | int | None:
    """What a spreadsheet would run is made text by a quotation mark in front of it."""
    return "'" + cell if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _taken(lines: io.StringIO) -> str:
    text = lines.getvalue()
    lines.seek(0)
    lines.truncate()
    return text
