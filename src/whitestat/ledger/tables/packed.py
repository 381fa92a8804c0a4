"""Buckets that lie together as one value: columns of whole numbers, each as narrow as its largest needs; pure.

Two octets say how many buckets there are, then an octet for each column how wide its numbers are (0: all are zero;
1, 2, 4 or 8 octets), then follow the columns, little-endian. The first is where in the chunk each bucket begins, in
ascending order; the others are its amounts. A minute of a device takes 11 octets so, and a row of its own 52.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import count
from struct import Struct
from typing import NamedTuple

Columns = Sequence[Sequence[int]]
"""Offsets of buckets, then a column for each amount."""

_HEAD = 2
_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}


def packed(rows: Sequence[Sequence[int]]) -> bytes:
    """Rows of offset and amounts, in ascending order; OverflowError for a number below zero or of over 64 bits."""
    columns = list(zip(*rows, strict=True))
    if min(map(min, columns)) < 0 or max(map(max, columns)) >= 1 << 64:
        raise OverflowError("a number is below zero or has over 64 bits")
    widths = bytes(_width(max(column)) for column in columns)
    numbers = [number for column, width in zip(columns, widths, strict=True) if width for number in column]
    return len(rows).to_bytes(_HEAD, "little") + widths + _form(len(rows), widths).pack(*numbers)


def unpacked(content: bytes, amounts: int) -> list[Sequence[int]]:
    """Columns of offsets and so many amounts; ValueError for what `packed` never made."""
    head = content[: _HEAD + 1 + amounts]
    layout = _layout(head)
    if len(head) != _HEAD + 1 + amounts or len(content) != len(head) + layout.form.size:
        raise ValueError(f"{len(content)} octets cannot be {layout.rows} buckets")
    numbers = layout.form.unpack_from(content, len(head))
    return [bytes(layout.rows) if at is None else numbers[at] for at in layout.columns]


def added(content: bytes, rows: Iterable[Sequence[int]], amounts: int) -> bytes:
    """What is packed already, with rows of offset and amounts added to their buckets."""
    sums = {row[0]: list(row) for row in zip(*unpacked(content, amounts), strict=True)}
    for row in rows:
        present = sums.get(row[0])
        if present is None:
            sums[row[0]] = list(row)
        else:
            present[1:] = [a + b for a, b in zip(present[1:], row[1:], strict=True)]
    return packed([sums[offset] for offset in sorted(sums)])


def between(columns: Columns, low: int, high: int) -> Columns:
    """Only the buckets that begin from the one offset up to and without the other."""
    first, end = bisect_left(columns[0], low), bisect_left(columns[0], high)
    return columns if end - first == len(columns[0]) else [column[first:end] for column in columns]


def together(several: Sequence[Columns]) -> Columns:
    """Columns added up by their offsets, which are not in order then.

    Those of the same offsets, which is the rule, are added up at once, and others to the longest.
    """
    if len(several) == 1:
        return several[0]
    alike: dict[Sequence[int], list[Columns]] = {}
    for offsets, *amounts in several:
        alike.setdefault(tuple(offsets), []).append(amounts)
    longest = max(alike, key=len)
    sums = [list(column) for column in _added_up(alike.pop(longest))]
    places = dict(zip(longest, count(), strict=False))
    for offsets, same in alike.items():
        at = [places.setdefault(offset, len(places)) for offset in offsets]
        new = [0] * (len(places) - len(sums[0]))
        for total, column in zip(sums, _added_up(same), strict=True):
            total.extend(new)
            for place, number in zip(at, column, strict=True):
                total[place] += number
    return [tuple(places), *sums]


def _added_up(several: Sequence[Columns]) -> Columns:
    """Amounts that stand at the same places."""
    if len(several) == 1:
        return several[0]
    return [list(map(sum, zip(*columns, strict=True))) for columns in zip(*several, strict=True)]


class _Layout(NamedTuple):
    """How many buckets there are, how the octets are read, and where each column is among the numbers."""

    rows: int
    form: Struct
    columns: tuple[slice | None, ...]


@lru_cache(maxsize=512)
def _layout(head: bytes) -> _Layout:
    """ValueError for a head of no packed value. Most values of a table have one of a few."""
    rows, widths = int.from_bytes(head[:_HEAD], "little"), head[_HEAD:]
    if not rows or any(width not in (0, *_CODES) for width in widths):
        raise ValueError(f"{rows} buckets of {list(widths)} octets cannot be")
    columns: list[slice | None] = []
    for width in widths:
        at = rows * sum(column is not None for column in columns)
        columns.append(slice(at, at + rows) if width else None)
    return _Layout(rows, _form(rows, widths), tuple(columns))


def _form(rows: int, widths: Iterable[int]) -> Struct:
    return Struct("<" + "".join(f"{rows}{_CODES[width]}" for width in widths if width))


def _width(most: int) -> int:
    """Of numbers up to the largest."""
    return next((width for width in (0, *_CODES) if most < 1 << 8 * width), 8)
