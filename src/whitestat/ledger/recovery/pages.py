"""The pages of a damaged database, read without SQLite: what a bad page does not hold is found all the same.

SQLite file format: the database header (1.3), b-tree pages (1.6), records (2.1), overflow pages, the free-list and the
write-ahead log (4). Everything is bounded and hostile; what is not right in itself is not there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct, unpack_from
from struct import error as StructError  # noqa: N812 - its own name is a variable's
from typing import NamedTuple

from whitestat.ledger.files.wal import log_of

MAGIC = b"SQLite format 3\0"
HEADER = 100
_SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768)
"""Of pages; 65,536 is never made here."""

INDEX_NODE, TABLE_NODE, INDEX_LEAF, TABLE_LEAF = 2, 5, 10, 13
_KINDS = (INDEX_NODE, TABLE_NODE, INDEX_LEAF, TABLE_LEAF)
_SAMPLE = 400
_LARGEST = 1 << 27
"""Octets of a row that are believed."""

_FRAME = Struct(">II8sII")  # page, size after a commit, salts, checksums
_WAL_HEADER = Struct(">IIII8sII")

Value = int | float | str | bytes | None


class Cell(NamedTuple):
    """What a page has of a row or a child: the child's page (0 on a leaf), the rowid, and the record's octets."""

    child: int
    rowid: int
    record: bytes | None


class Damaged(ValueError):
    """The page, or what hangs on it, is not what it should be."""


class Pages:
    """The file opened for reading, with what its log has of newer pages. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._octets = os.fstat(self._file).st_size
        self._newer: dict[int, bytes] = {}
        head = self._read(0, HEADER)
        self.has_header = head.startswith(MAGIC) and len(head) == HEADER
        self.version = 0
        self.size = 0
        if self.has_header:
            self.size = unpack_from(">H", head, 16)[0]
        if self.size not in _SIZES:
            self.has_header = False
            self.size = self._likely_size()
        with contextlib.suppress(OSError):
            self._newer = _logged(log_of(path), self.size)
        first = self.page(1)
        self.has_header = first is not None and first.startswith(MAGIC)
        if first and self.has_header:
            self.version = unpack_from(">I", first, 60)[0]
        self.count = max([self._octets // self.size, *self._newer])

    def close(self) -> None:
        os.close(self._file)

    def page(self, number: int) -> bytes | None:
        """The octets of a page, counted from 1; None where the file has none or the disk does not give it."""
        if number in self._newer:
            return self._newer[number]
        data = self._read((number - 1) * self.size, self.size)
        return data if number > 0 and len(data) == self.size else None

    def free(self) -> set[int]:
        """Pages that hold nothing any more, as far as the list of them can be read."""
        first, numbers = self.page(1), set[int]()
        trunk = unpack_from(">I", first, 32)[0] if first and self.has_header else 0
        while trunk and trunk not in numbers and (page := self.page(trunk)):
            numbers.add(trunk)
            trunk, length = unpack_from(">II", page)
            if length > self.size // 4 - 2:
                return numbers
            numbers.update(unpack_from(f">{length}I", page, 8))
        return numbers

    def kind(self, number: int) -> int | None:
        """The kind of b-tree page that it says it is; None for another."""
        page = self.page(number)
        kind = page[HEADER if number == 1 else 0] if page else 0
        return kind if kind in _KINDS else None

    def cells(self, number: int) -> tuple[int, list[Cell], list[int]]:
        """Kind, cells in order and overflow pages of a b-tree page; the last child has no record. Damaged."""
        page = self.page(number)
        if page is None:
            raise Damaged(number)
        try:
            return self._cells(page, HEADER if number == 1 else 0)
        except (IndexError, ValueError, OverflowError, StructError) as error:
            raise Damaged(number) from error

    def _cells(self, page: bytes, at: int) -> tuple[int, list[Cell], list[int]]:
        kind, _, count, _, fragments = unpack_from(">BHHHB", page, at)
        is_node = kind in (INDEX_NODE, TABLE_NODE)
        start = at + (12 if is_node else 8)
        if kind not in _KINDS or fragments > 60 or start + 2 * count > len(page):
            raise ValueError(kind)
        cells: list[Cell] = []
        overflow: list[int] = []
        for place in unpack_from(f">{count}H", page, start):
            if place < start + 2 * count:
                raise ValueError(place)
            cells.append(self._cell(page, kind, place, overflow))
        if is_node:
            cells.append(Cell(unpack_from(">I", page, at + 8)[0], 0, None))
        return kind, cells, overflow

    def _cell(self, page: bytes, kind: int, at: int, overflow: list[int]) -> Cell:
        child = rowid = 0
        if kind in (INDEX_NODE, TABLE_NODE):
            child, at = unpack_from(">I", page, at)[0], at + 4
        if kind == TABLE_NODE:
            return Cell(child, varint(page, at)[0], None)
        length, at = varint(page, at)
        if kind == TABLE_LEAF:
            rowid, at = varint(page, at)
        return Cell(child, rowid, self._payload(page, kind, length, at, overflow))

    def _payload(self, page: bytes, kind: int, length: int, at: int, overflow: list[int]) -> bytes:
        """Cell payload overflow pages (1.6): how much is on the page itself, and where the rest is."""
        usable = self.size
        if not 0 < length < _LARGEST:
            raise ValueError(length)
        most = usable - 35 if kind == TABLE_LEAF else (usable - 12) * 64 // 255 - 23
        least = (usable - 12) * 32 // 255 - 23
        here = length
        if length > most:
            here = least + (length - least) % (usable - 4)
            here = here if here <= most else least
        if at + here + (4 if here < length else 0) > len(page):
            raise ValueError(at)
        parts = [page[at : at + here]]
        following = unpack_from(">I", page, at + here)[0] if here < length else 0
        left = length - here
        while left > 0:
            data = self.page(following)
            if data is None or following in overflow:
                raise ValueError(following)
            overflow.append(following)
            parts.append(data[4 : 4 + min(left, usable - 4)])
            left -= usable - 4
            following = unpack_from(">I", data)[0]
        return b"".join(parts)

    def _read(self, at: int, octets: int) -> bytes:
        try:
            return os.pread(self._file, octets, at) if at >= 0 else b""
        except OSError:  # a sector that the disk cannot read
            return b""

    def _likely_size(self) -> int:
        """The smallest with which most pages are of a b-tree: of those twice as large every second one is, too."""
        shares = {size: self._share(size) for size in _SIZES}
        return next(size for size in _SIZES if shares[size] >= 0.75 * max(shares.values()))

    def _share(self, size: int) -> float:
        """Which part of the first pages are of a b-tree when pages are of that size."""
        self.size = size
        numbers = range(2, min(_SAMPLE, self._octets // size + 1))
        hits = 0
        for number in numbers:
            with contextlib.suppress(Damaged):
                hits += bool(self.cells(number)[1])
        return hits / max(1, len(numbers))


def record(data: bytes) -> list[Value]:
    """The values of a record (2.1). Damaged where it is none, to the last octet."""
    try:
        return _record(data)
    except (IndexError, ValueError, OverflowError) as error:
        raise Damaged(str(error)) from error


def _record(data: bytes) -> list[Value]:
    end, at = varint(data, 0)
    place, values = end, list[Value]()
    while at < end:
        kind, at = varint(data, at)
        length = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind] if kind < 10 else (kind - 12) // 2
        piece = data[place : place + length]
        if len(piece) < length or kind in (10, 11):
            raise ValueError(kind)
        place += length
        if kind == 7:
            raise ValueError(kind)  # no table here has numbers with a fraction
        if kind < 10:
            values.append(None if kind == 0 else kind - 8 if kind > 7 else int.from_bytes(piece, "big", signed=True))
        else:
            values.append(piece.decode() if kind % 2 else piece)
    if at != end or place != len(data):
        raise ValueError(place)
    return values


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to nine octets, as signed, and where the next begins (1.6)."""
    value = 0
    for count in range(8):
        octet = data[at + count]
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            return value, at + count + 1
    value = value << 8 | data[at + 8]
    return (value - (1 << 64) if value >= 1 << 63 else value), at + 9


def _logged(log: Path, size: int) -> dict[int, bytes]:
    """Pages of the transactions that the write-ahead log has whole (4.1 to 4.3)."""
    data = log.read_bytes()
    if len(data) < _WAL_HEADER.size:
        return {}
    magic, _, page_size, _, salts, *sums = _WAL_HEADER.unpack_from(data)
    order = "<" if magic == 0x377F0682 else ">"
    if magic & ~1 != 0x377F0682 or page_size != size or _summed(data[:24], order, 0, 0) != tuple(sums):
        return {}
    one, two = sums
    pages: dict[int, bytes] = {}
    begun: dict[int, bytes] = {}
    for at in range(_WAL_HEADER.size, len(data) - _FRAME.size - size + 1, _FRAME.size + size):
        number, commits, salted, *sums = _FRAME.unpack_from(data, at)
        page = data[at + _FRAME.size : at + _FRAME.size + size]
        one, two = _summed(data[at : at + 8] + page, order, one, two)
        if salted != salts or [one, two] != sums:
            break
        begun[number] = page
        if commits:
            pages |= begun
            begun.clear()
    return pages


def _summed(data: bytes, order: str, one: int, two: int) -> tuple[int, int]:
    """The log's checksum of whole pairs of words (4.2)."""
    words = iter(unpack_from(f"{order}{len(data) // 4}I", data))
    for first, second in zip(words, words, strict=True):
        one = one + first + two & 0xFFFFFFFF
        two = two + second + one & 0xFFFFFFFF
    return one, two


def trees(pages: Pages, root: int, seen: set[int], bad: list[int]) -> Iterator[Cell]:
    """The cells with records of a tree, in no order; pages come into `found`, those that cannot be read into `bad`."""
    waiting = [root]
    while waiting:
        number = waiting.pop()
        if number in seen:
            continue
        seen.add(number)
        try:
            kind, cells, overflow = pages.cells(number)
        except Damaged:
            bad.append(number)
            continue
        seen.update(overflow)
        if kind in (INDEX_NODE, TABLE_NODE):
            waiting.extend(cell.child for cell in cells)
        yield from (cell for cell in cells if cell.record is not None)
