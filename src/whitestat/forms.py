"""Usage and devices as JSON and CSV, for the API and the command line; in pieces, so that much needs little memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import lru_cache
from itertools import islice
from typing import TypeVar

from whitestat.ledger.queries import DeviceRow, Question, Row, Step
from whitestat.model import Coverage
from whitestat.periods import instant_text
from whitestat.services import protocol_text, service_text
from whitestat.units import address_text

ROWS_A_PIECE = 500
OTHER = "other"
_ABOUT = ("service", "protocol", "peer")

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet run a cell; a name of a device may begin with it."""


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
            "start": self.text(self.question.start_s),
            "end": self.text(self.question.end_s),
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
        while piece := [self._row(row) for row in islice(rows, ROWS_A_PIECE)]:
            yield comma + _dumps(piece)[1:-1]
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

    def coverage_texts(self) -> list[str]:
        """`lan: watched 99.9 % of the time, 100.0 % of the octets attributed`."""
        return [
            f"{name}: watched {_percent(covered.observed_ms, self.elapsed_ms)} of the time, {_attributed(covered)}"
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
            *(("person",) if "person" in by else ()),
            *(word for word in _ABOUT if word in by),
            *(("rest",) if self.question.top else ()),
            *("octets", "octets_in", "octets_out", "packets_in", "packets_out"),
        )

    def cells(self, row: Row) -> list[str | int | None]:
        """One cell for each of `columns`; the name of what is unattributed is `unattributed`."""
        by, device, counts = self.question.by, row.device, row.counts
        cells: list[str | int | None] = [self.text(row.start_s)]
        if "device" in by:
            nobody = "rest" if row.rest else "unattributed"
            cells += (device.id, device.name or device.mac, device.mac) if device else (None, nobody, None)
        cells.append(row.scope or self.question.scope)
        if "point" in by:
            cells.append(row.point)
        if "person" in by:
            cells.append(row.person)
        cells += [about_text(row, word) for word in _ABOUT if word in by]
        if self.question.top:
            cells.append("true" if row.rest else None)
        into, out = (None, None) if counts.octets_unsplit else (counts.octets_in, counts.octets_out)
        return [*cells, counts.octets, into, out, counts.packets_in, counts.packets_out]

    def _row(self, row: Row) -> dict[str, object]:
        by, counts = self.question.by, row.counts
        fields: dict[str, object] = {"start": self.text(row.start_s)}
        if "device" in by:
            fields["device"] = row.device._asdict() if row.device else None
        fields["scope"] = row.scope or self.question.scope
        if "point" in by:
            fields["point"] = row.point
        if "person" in by:
            fields["person"] = row.person
        fields |= {word: about_text(row, word) for word in _ABOUT if word in by}
        if self.question.top:
            fields["rest"] = row.rest
        whole = not counts.octets_unsplit
        fields["octets"] = counts.octets
        fields["octets_in"] = counts.octets_in if whole else None
        fields["octets_out"] = counts.octets_out if whole else None
        fields["packets_in"] = counts.packets_in
        fields["packets_out"] = counts.packets_out
        return fields

    def text(self, at_s: int) -> str:
        return _text_of(at_s, self.zone)


def covered_points(coverage: Mapping[str, Coverage]) -> list[dict[str, object]]:
    """One object for each point; its `coverage` is null where nothing flowed."""
    return [{"point": name, **covered._asdict(), "coverage": covered.ratio} for name, covered in coverage.items()]


def about_text(row: Row, word: str) -> str | None:
    """What a row says by `service`, `protocol` or `peer`: a name, a number or an address, `other` for the smaller
    ones of a device together, None where nobody knows."""
    if word == "peer":
        return None if row.peer is None else address_text(row.peer) if row.peer else OTHER
    number, text = (row.service, service_text) if word == "service" else (row.protocol, protocol_text)
    return None if number is None else text(number) if number >= 0 else OTHER


@lru_cache(maxsize=256)
def _text_of(at_s: int, zone: tzinfo) -> str:
    """The rows of a step follow each other, and their instant is half of what a row costs."""
    return instant_text(at_s, zone)


def device_fields(row: DeviceRow, zone: tzinfo) -> dict[str, object]:
    """A device as the API tells it."""
    return {
        "id": row.id,
        "name": row.name,
        "name_source": row.name_source,
        "mac": row.mac,
        "addresses": list(row.addresses),
        "person": row.person,
        "labels": list(row.labels),
        "first_seen": _instant(row.first_seen_ms, zone),
        "last_seen": _instant(row.last_seen_ms, zone),
    }


def _instant(at_ms: int | None, zone: tzinfo) -> str | None:
    return None if at_ms is None else instant_text(at_ms // 1000, zone)


def _attributed(covered: Coverage) -> str:
    octets = covered.octets_attributed + covered.octets_unattributed
    return f"{_percent(covered.octets_attributed, octets)} of the octets attributed" if octets else "nothing flowed"


def _percent(part: int, whole: int) -> str:
    """One decimal, rounded down, so that 100.0 % is all of it."""
    tenths = min(1000, part * 1000 // max(1, whole))
    return f"{tenths // 10}.{tenths % 10} %"


def _dumps(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


Cell = TypeVar("Cell")


def plain_cell(cell: Cell) -> Cell | str:
    """What a spreadsheet would run is made text by a quotation mark in front of it."""
    return "'" + cell if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _taken(lines: io.StringIO) -> str:
    text = lines.getvalue()
    lines.seek(0)
    lines.truncate()
    return text
