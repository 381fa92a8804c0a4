"""Usage and devices as JSON and CSV, for the API and the command line; in pieces, so that much needs little memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import islice
from typing import TypeVar

from whitestat.core.calendar import instant_text, step_text
from whitestat.core.model import Coverage
from whitestat.core.ports import protocol_text, service_text
from whitestat.core.units import address_text
from whitestat.ledger.read.gaps import Gap
from whitestat.ledger.read.queries import DeviceRow, TimeStep, UsageQuery, UsageRow

ROWS_A_PIECE = 500
KINDS_HELD = 1_000
"""Of so many kinds of rows what they are about is remembered: a few hundred kB."""

OTHER = "other"
_ABOUT = ("service", "protocol", "peer")

TableCell = str | int | None
T = TypeVar("T")

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet run a cell; a name of a device may begin with it."""


@dataclass(frozen=True, slots=True)
class UsageAnswer:
    """What was asked, and what the ledger said.

    `elapsed_ms` is how much of the span is over, `coverage` how much of that each point saw, `following` the address
    of the next page, and `tag` differs where the answer does. `not_watched` is what steps lack by point, None where
    that is not told.
    """

    question: UsageQuery
    rows: Iterable[UsageRow]
    zone: tzinfo
    resolution: TimeStep | None = None
    notice: str | None = None
    elapsed_ms: int = 0
    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    following: str | None = None
    tag: str = ""
    not_watched: Mapping[str, Iterable[Gap]] | None = None

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
            "not_watched": self._not_watched(),
            "next": self.following,
        }
        yield _dumps(head)[:-1] + ',"rows":['
        rows, about, comma = iter(self.rows), _once_a_kind(self._about_json), ""
        while piece := ",".join([self._row_json(row, about(row)) for row in islice(rows, ROWS_A_PIECE)]):
            yield comma + piece
            comma = ","
        yield "]}"

    def _not_watched(self) -> list[dict[str, object]] | None:
        """What the steps lack at each point that is watched; imports are not."""
        if self.not_watched is None:
            return None
        return [
            {
                "point": point,
                "start": self.text(gap.start_s),
                "end": self.text(gap.end_s),
                "missed_ms": gap.missed_ms,
            }
            for point, gaps in self.not_watched.items()
            if not is_imported(point)
            for gap in gaps
        ]

    def as_csv(self) -> Iterator[str]:
        """A line of names and one for each row (RFC 4180); what is not known is an empty cell."""
        yield _line(self.columns)
        rows, about = iter(self.rows), _once_a_kind(self._about_csv)
        while piece := "".join([self._row_csv(row, about(row)) for row in islice(rows, ROWS_A_PIECE)]):
            yield piece

    def coverage_texts(self) -> list[str]:
        return coverage_texts(self.coverage, self.elapsed_ms)

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

    def cells(self, row: UsageRow) -> list[TableCell]:
        """One cell for each of `columns`; the name of what is unattributed is `unattributed`."""
        counts = row.counts
        into, out = (None, None) if counts.octets_unsplit else (counts.octets_in, counts.octets_out)
        figures = counts.octets, into, out, counts.packets_in, counts.packets_out
        return [step_text(row.start_s, self.zone), *self._about_cells(row), *figures]

    def text(self, at_s: int) -> str:
        return instant_text(at_s, self.zone)

    def _about_cells(self, row: UsageRow) -> list[TableCell]:
        by, device = self.question.by, row.device
        cells: list[TableCell] = []
        if "device" in by:
            placeholder = "rest" if row.rest else "unattributed"
            cells += (device.id, device.name or device.mac, device.mac) if device else (None, placeholder, None)
        cells.append(row.scope or self.question.scope)
        if "point" in by:
            cells.append(row.point)
        if "person" in by:
            cells.append(row.person)
        cells += [about_text(row, word) for word in _ABOUT if word in by]
        if self.question.top:
            cells.append("true" if row.rest else None)
        return cells

    def _row_csv(self, row: UsageRow, about: str) -> str:
        octets_in, octets_out, packets_in, packets_out, unsplit = row.counts
        octets = octets_in + octets_out + unsplit
        into, out = ("", "") if unsplit else (octets_in, octets_out)
        return f"{step_text(row.start_s, self.zone)}{about},{octets},{into},{out},{packets_in},{packets_out}\r\n"

    def _about_csv(self, row: UsageRow) -> str:
        """The cells between a row's start and its figures, each behind its comma."""
        return _line(["", *self._about_cells(row)]).removesuffix("\r\n")

    def _row_json(self, row: UsageRow, about: str) -> str:
        octets_in, octets_out, packets_in, packets_out, unsplit = row.counts
        octets = octets_in + octets_out + unsplit
        into, out = ("null", "null") if unsplit else (octets_in, octets_out)
        return (
            f'{{"start":"{step_text(row.start_s, self.zone)}",{about},"octets":{octets},"octets_in":{into},'
            f'"octets_out":{out},"packets_in":{packets_in},"packets_out":{packets_out}}}'
        )

    def _about_json(self, row: UsageRow) -> str:
        """The fields between a row's start and its counts."""
        by = self.question.by
        fields: dict[str, object] = {}
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
        return _dumps(fields)[1:-1]


def coverage_texts(coverage: Mapping[str, Coverage], elapsed_ms: int) -> list[str]:
    """Return `lan: watched 99.9 % of the time, 100.0 % of the octets attributed` for each point.

    Imports were not watched here.
    """
    return [
        f"{name}: watched {_percent(covered.observed_ms, elapsed_ms)} of the time, {_attributed(covered)}"
        if covered.observed_ms
        else f"{name}: {'taken over by day from another program' if is_imported(name) else 'not watched'}"
        for name, covered in coverage.items()
    ]


def covered_points(coverage: Mapping[str, Coverage]) -> list[dict[str, object]]:
    """One object for each point; its `coverage` is null where nothing flowed."""
    return [{"point": name, **covered._asdict(), "coverage": covered.ratio} for name, covered in coverage.items()]


def about_text(row: UsageRow, word: str) -> str | None:
    """Return the value of a row for `service`, `protocol` or `peer`: a name, a number or an address.

    `other` stands for the smaller ones of a device together, None if unknown.
    """
    if word == "peer":
        return None if row.peer is None else address_text(row.peer) if row.peer else OTHER
    number, text = (row.service, service_text) if word == "service" else (row.protocol, protocol_text)
    return None if number is None else text(number) if number >= 0 else OTHER


def _once_a_kind(tell: Callable[[UsageRow], T]) -> Callable[[UsageRow], T]:
    """What a row is about, worked out once for all rows that differ in their start and counts alone."""
    kept: dict[object, T] = {}

    def of(row: UsageRow) -> T:
        kind = row[1:4] + row[5:]
        value = kept.get(kind)
        if value is None:
            if len(kept) == KINDS_HELD:
                kept.clear()
            value = kept[kind] = tell(row)
        return value

    return of


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


def is_imported(point: str) -> bool:
    """Whether old data was imported as this point: points of the configuration have no blank in their name."""
    return point.endswith(" import")


def was_watched(coverage: Mapping[str, Coverage]) -> bool:
    """Whether any point was watched in a span."""
    return any(covered.observed_ms for covered in coverage.values())


def _attributed(covered: Coverage) -> str:
    octets = covered.octets_attributed + covered.octets_unattributed
    return f"{_percent(covered.octets_attributed, octets)} of the octets attributed" if octets else "nothing flowed"


def _percent(part: int, whole: int) -> str:
    """One decimal, rounded down, so that 100.0 % is all of it."""
    tenths = min(1000, part * 1000 // max(1, whole))
    return f"{tenths // 10}.{tenths % 10} %"


AnyCell = TypeVar("AnyCell")


def plain_cell(cell: AnyCell) -> AnyCell | str:
    """What a spreadsheet would run is made text by a quotation mark in front of it."""
    return "'" + cell if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _line(cells: Iterable[TableCell]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(map(plain_cell, cells))
    return line.getvalue()
