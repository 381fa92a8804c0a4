"""WhiteStat v5's frame: nine columns, KB of 1024 octets with two decimals, as JSON and as a plain table.

Names, order and text are those v5 had from pandas, to the letter, so that workbooks made for it go on working.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from jinja2 import Environment, PackageLoader

from whitestat.forms import ROWS_A_PIECE, plain_cell
from whitestat.units import kb_text

COLUMNS = ("IP", "MAC", "Hostname", "LastSeen", "KBIn", "KBOut", "DATE", "LSTDAY_KBIn", "LSTDAY_KBOut")

_page = Environment(autoescape=True, loader=PackageLoader("whitestat.web")).get_template("frame.html")


class FrameRow(NamedTuple):
    """One device on one local day: octets of the day, and totals of all that was counted up to its end.

    `seen` and `day` are local times, `2026-11-22 05:03:59`; the day's is its midnight.
    """

    ip: str
    mac: str
    name: str
    seen: str
    octets_in: int
    octets_out: int
    day: str
    total_in: int
    total_out: int


def as_json(rows: Sequence[FrameRow]) -> Iterator[str]:
    """`{"columns": [...], "data": [[...], ...]}`, as pandas writes a frame (`orient="split"`)."""
    yield f'{{"columns":{_dumps(COLUMNS)},"data":['
    lines, comma = map(_json_line, rows), ""
    while piece := ",".join(islice(lines, ROWS_A_PIECE)):
        yield comma + piece
        comma = ","
    yield "]}"


def as_table(rows: Sequence[FrameRow]) -> Iterator[str]:
    """The table alone, as pandas writes a frame: one decimal in a column where that is enough for all of it."""
    whole = [[kb_text(octets) for octets in column] for column in _octets(rows)]
    columns = [column if any(map(_needs_two, column)) else [text[:-1] for text in column] for column in whole]
    figures = zip(*columns, strict=True) if rows else ()
    stream = _page.stream(columns=COLUMNS, rows=map(_cells, rows, figures))
    stream.enable_buffering(ROWS_A_PIECE)
    return stream


def _octets(rows: Sequence[FrameRow]) -> tuple[list[int], ...]:
    return (
        [row.octets_in for row in rows],
        [row.octets_out for row in rows],
        [row.total_in for row in rows],
        [row.total_out for row in rows],
    )


def _cells(row: FrameRow, figures: tuple[str, ...]) -> list[object]:
    into, out, total_in, total_out = figures
    return [*map(plain_cell, row[:4]), into, out, row.day, total_in, total_out]


def _json_line(row: FrameRow) -> str:
    into, out, total_in, total_out = map(_number, (row.octets_in, row.octets_out, row.total_in, row.total_out))
    return f'{_dumps(row[:4])[:-1]},{into},{out},"{row.day}",{total_in},{total_out}]'


def _number(octets: int) -> str:
    """As JSON writes a float of at most two decimals: `0.0`, `14.9`, `14.93`."""
    text = kb_text(octets)
    return text if _needs_two(text) else text[:-1]


def _needs_two(text: str) -> bool:
    return not text.endswith("0")


def _dumps(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
