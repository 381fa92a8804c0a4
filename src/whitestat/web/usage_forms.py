"""A usage answer as JSON, CSV and a plain HTML table; in pieces, so that a large one needs little memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from hashlib import blake2b
from itertools import islice

from jinja2 import Environment, PackageLoader

from whitestat.ledger.queries import Question, Row, Step
from whitestat.model import Coverage
from whitestat.periods import instant_text

ROWS_A_PIECE = 500

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet run a cell; a name of a device may begin with it."""

_page = Environment(autoescape=True, loader=PackageLoader("whitestat.web"), trim_blocks=True).get_template("usage.html")


@dataclass(frozen=True, slots=True)
class UsageAnswer:
    """What was asked, and what the ledger said.

    `elapsed_ms` is how much of the span is over, `coverage` how much of that each point saw, `following` the address
    of the next page, and `tag` differs where the answer does.
    """

    question: Question
    rows: Iterable[Row]
    zone: tzinfo
    resolution: Step | None = None
    notice: str | None = None
    elapsed_ms: int = 0
    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    following: str | None = None
    tag: str = ""

    def as_json(self) -> Iterator[str]:
        """`{"start", "end", "step", ..., "rows": [...]}`."""
        head = {
            "start": self._text(self.question.start_s),
            "end": self._text(self.question.end_s),
            "step": str(self.question.step),
            "resolution": str(self.resolution or self.question.step),
            "notice": self.notice,
            "by": list(self.question.by),
            "elapsed_ms": self.elapsed_ms,
            "coverage": covered_points(self.coverage),
            "next": self.following,
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
            notice=self.notice,
            coverage=self._coverage_texts(),
            following=self.following,
        )
        stream.enable_buffering(ROWS_A_PIECE)
        return stream

    @property
    def headers(self) -> dict[str, str]:
        """Entity tag, and for forms that are rows alone what JSON says beside them (RFC 9651, RFC 8288)."""
        tag = blake2b(f"{self.tag} {self.elapsed_ms}".encode(), digest_size=12).hexdigest()
        headers = {
            "etag": f'W/"{tag}"',
            "whitestat-resolution": str(self.resolution or self.question.step),
            "whitestat-coverage": ", ".join(map(self._covered_item, self.coverage.items())),
        }
        if self.notice:
            headers["whitestat-notice"] = f'"{self.notice}"'
        if self.following:
            headers["link"] = f'<{self.following}>; rel="next"'
        return {name: text for name, text in headers.items() if text}

    def _covered_item(self, point: tuple[str, Coverage]) -> str:
        name, covered = point
        figures = {
            "observed_ms": covered.observed_ms,
            "elapsed_ms": self.elapsed_ms,
            "octets_attributed": covered.octets_attributed,
            "octets_unattributed": covered.octets_unattributed,
        }
        return f'"{name}"' + "".join(f";{figure}={number}" for figure, number in figures.items())

    def _coverage_texts(self) -> list[str]:
        """`lan: watched 99.9 % of the time, 100.0 % of the octets attributed`."""
        return [
            f"{name}: watched {_percent(covered.observed_ms, self.elapsed_ms)} of the time, "
            f"{_percent(covered.octets_attributed, covered.octets_attributed + covered.octets_unattributed)} "
            "of the octets attributed"
            for name, covered in self.coverage.items()
        ]

    @property
    def columns(self) -> tuple[str, ...]:
        by = self.question.by
        return (
            "start",
            *(("device_id", "device", "mac") if "device" in by else ()),
            "scope",
            *(("point",) if "point" in by else ()),
            *(("rest",) if self.question.top else ()),
            *("octets", "octets_in", "octets_out", "packets_in", "packets_out"),
        )

    def cells(self, row: Row) -> list[str | int | None]:
        """One cell for each of `columns`; the name of what is unattributed is `unattributed`."""
        fields = self._row(row)
        device = row.device
        if "device" in self.question.by:
            fields |= {
                "device_id": device and device.id,
                "device": (device.name or device.mac) if device else "rest" if row.rest else "unattributed",
                "mac": device and device.mac,
            }
        if self.question.top:
            fields["rest"] = "true" if row.rest else None
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
        if self.question.top:
            fields["rest"] = row.rest
        return fields | {
            "octets": counts.octets,
            "octets_in": counts.octets_in if whole else None,
            "octets_out": counts.octets_out if whole else None,
            "packets_in": counts.packets_in,
            "packets_out": counts.packets_out,
        }

    def _text(self, at_s: int) -> str:
        return instant_text(at_s, self.zone)


def covered_points(coverage: Mapping[str, Coverage]) -> list[dict[str, object]]:
    """One object for each point; its `coverage` is null where nothing flowed."""
    return [{"point": name, **covered._asdict(), "coverage": covered.ratio} for name, covered in coverage.items()]


def _percent(part: int, whole: int) -> str:
    """One decimal, rounded down, so that 100.0 % is all of it."""
    if not whole:
        return "none"
    tenths = min(1000, part * 1000 // whole)
    return f"{tenths // 10}.{tenths % 10} %"


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
