"""WhiteStat v5's frame: nine columns, KB of 1024 octets with two decimals, as JSON and as a plain table.

Names, order and text are those v5 had from pandas, to the letter, so that workbooks made for it go on working.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import islice
from typing import NamedTuple

from whitestat.core.units import kb_texts
from whitestat.query.encode import plain_cell

COLUMNS = ("IP", "MAC", "Hostname", "LastSeen", "KBIn", "KBOut", "DATE", "LSTDAY_KBIn", "LSTDAY_KBOut")

ROWS_A_PIECE = 1000
"""A year has so many rows that the hand-over of each piece between threads shows."""

_HEAD = f"""<table border="1" class="dataframe">
  <thead>
    <tr style="text-align: right;">
{"".join(f"      <th>{name}</th>{chr(10)}" for name in ("", *COLUMNS))}    </tr>
  </thead>
  <tbody>"""


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


def as_json(rows: Iterable[FrameRow]) -> Iterator[str]:
    """`{"columns": [...], "data": [[...], ...]}`, as pandas writes a frame (`orient="split"`)."""
    yield f'{{"columns":{_dumps(COLUMNS)},"data":['
    heads: dict[tuple[str, ...], str] = {}
    between = ""
    for piece in _pieces(rows):
        yield between + ",".join(_json_lines(piece, heads))
        between = ","
    yield "]}"


def as_table(rows: Iterable[FrameRow]) -> Iterator[str]:
    """The table alone, as pandas writes a frame: one decimal in a column where that is enough for all of it.

    That is known before the first row is written, so the rows are gone through twice, to where all columns need two.
    """
    two = [False] * 4
    for piece in _pieces(rows):
        two = [
            known or any(map(_needs_two, kb_texts(column))) for known, column in zip(two, _octets(piece), strict=True)
        ]
        if all(two):
            break
    yield _HEAD
    number = 0
    for piece in _pieces(rows):
        columns = [
            texts if wide else [text[:-1] for text in texts]
            for wide, texts in zip(two, map(kb_texts, _octets(piece)), strict=True)
        ]
        lines = zip(piece, zip(*columns, strict=True), strict=True)
        yield "".join(_table_row(at, row, figures) for at, (row, figures) in enumerate(lines, number))
        number += len(piece)
    yield "\n  </tbody>\n</table>"


def _pieces(rows: Iterable[FrameRow]) -> Iterator[list[FrameRow]]:
    rest = iter(rows)
    while piece := list(islice(rest, ROWS_A_PIECE)):
        yield piece


def _table_row(number: int, row: FrameRow, figures: tuple[str, ...]) -> str:
    into, out, total_in, total_out = figures
    texts = (*(str(plain_cell(text)) for text in row[:4]), into, out, row.day, total_in, total_out)
    cells = "\n".join(f"      <td>{escape(text)}</td>" for text in texts)
    return f"\n    <tr>\n      <th>{number}</th>\n{cells}\n    </tr>"


def _octets(rows: Sequence[FrameRow]) -> tuple[list[int], ...]:
    return (
        [row.octets_in for row in rows],
        [row.octets_out for row in rows],
        [row.total_in for row in rows],
        [row.total_out for row in rows],
    )


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
