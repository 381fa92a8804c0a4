"""WhiteStat v5's frame: nine columns, KB of 1024 octets with two decimals, as JSON and as a plain table.

Names, order and text are those v5 had from pandas, to the letter, so that workbooks made for it go on working.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from whitestat.forms import ROWS_A_PIECE, plain_cell
from whitestat.units import kb_texts

if TYPE_CHECKING:
    from jinja2 import Template

COLUMNS = ("IP", "MAC", "Hostname", "LastSeen", "KBIn", "KBOut", "DATE", "LSTDAY_KBIn", "LSTDAY_KBOut")


@cache
def template() -> Template:
    """The table; what makes it takes 2 MB, and is loaded when the first one is asked for."""
    from jinja2 import Environment, PackageLoader

    return Environment(autoescape=True, loader=PackageLoader("whitestat.web")).get_template("frame.html")


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
    heads: dict[tuple[str, ...], str] = {}
    for at in range(0, len(rows), ROWS_A_PIECE):
        yield ("," if at else "") + ",".join(_json_lines(rows[at : at + ROWS_A_PIECE], heads))
    yield "]}"


def as_table(rows: Sequence[FrameRow]) -> Iterator[str]:
    """The table alone, as pandas writes a frame: one decimal in a column where that is enough for all of it."""
    whole = [kb_texts(column) for column in _octets(rows)]
    columns = [column if any(map(_needs_two, column)) else [text[:-1] for text in column] for column in whole]
    figures = zip(*columns, strict=True) if rows else ()
    stream = template().stream(columns=COLUMNS, rows=map(_cells, rows, figures))
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


def _json_lines(rows: Sequence[FrameRow], heads: dict[tuple[str, ...], str]) -> Iterator[str]:
    """One JSON list for each row; `heads` keeps the names of a device as they are written."""
    figures = zip(*(_numbers(column) for column in _octets(rows)), strict=True)
    for row, (into, out, total_in, total_out) in zip(rows, figures, strict=True):
        names = row[:3]
        head = heads.get(names)
        if head is None:
            head = heads[names] = _dumps(names)[:-1]
        yield f'{head},"{row[3]}",{into},{out},"{row[6]}",{total_in},{total_out}]'


def _numbers(octets: Sequence[int]) -> list[str]:
    """As JSON writes floats of at most two decimals: `0.0`, `14.9`, `14.93`."""
    return [text[:-1] if text[-1] == "0" else text for text in kb_texts(octets)]


def _needs_two(text: str) -> bool:
    return not text.endswith("0")


def _dumps(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
