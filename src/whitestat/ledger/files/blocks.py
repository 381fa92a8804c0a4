"""Flushes in a file beside the database: blocks of 4 kB, written in place one after the other, each synced.

SQLite's write-ahead log puts frames of 2,072 octets where the last one ended, so most flushes dirty two pages of the
disk and the log's pages go to the database too. A block is one page, and is written once.

The file is a ring that is laid out as it is written for the first time, so that a flush changes no list of blocks of
the file system and, later, needs no room on the disk. A block names its chain (a
number that the database gets anew with each fold) and its sequence: what a fold has booked, what is of another
database and what a power cut has torn are told from the next flush by that, and by the checksum.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from whitestat.ledger.files.place import open_plain, place_of

BLOCK = 4096
BLOCKS = 512
"""2 MiB. What is not folded is at most 400 entries and one that is `MOST_PARTS` long."""

MOST_PARTS = 100
"""A longer entry goes into the database."""

_HEAD = Struct("<8sQQHHHxxI")  # magic, chain, sequence, part, parts behind it, octets, checksum of all of it
_MARK = Struct("<8sQQ")
_MAGIC = b"WSFLUSH1"
ROOM = BLOCK - _HEAD.size
_ZEROS = bytes(8 * BLOCK)
"""How much is laid out at once."""


class _Block(NamedTuple):
    chain: int
    sequence: int
    part: int
    following: int
    content: bytes


def file_of(database: Path) -> Path:
    real = database.resolve()
    return real.with_name(f"{real.name}.flushes")


def has_blocks(database: Path) -> bool:
    """Whether flushes were written beside the database."""
    try:
        with os.fdopen(open_plain(file_of(database), os.O_RDONLY), "rb") as file:
            return _MAGIC in file.read(BLOCKS * BLOCK)
    except OSError:
        return False


def fits(content: bytes) -> bool:
    return len(content) <= MOST_PARTS * ROOM


class Blocks:
    """The file opened for reading, or, with `writing`, made and laid out where it is missing. Raises OSError."""

    def __init__(self, database: Path, *, writing: bool = False) -> None:
        self.octets = 0
        path = file_of(database)
        if not writing:
            self._file = open_plain(path, os.O_RDONLY)
            self._read_one_by_one()
            return
        is_new = not path.exists()
        self._file = open_plain(path, os.O_RDWR | os.O_CREAT)
        if is_new:
            _sync_folder(path.parent)
        self._read_one_by_one()

    def _read_one_by_one(self) -> None:
        """Blocks that were read ahead together would be written together."""
        os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_RANDOM)

    def close(self) -> None:
        os.close(self._file)

    def is_at(self, database: Path) -> bool:
        """Whether this is still the file beside the database."""
        status = os.fstat(self._file)
        return place_of(file_of(database)) == (status.st_dev, status.st_ino)

    def erase(self) -> None:
        """Zeros everywhere, on the disk when this returns."""
        self._lay_out(0, self._size())

    def _size(self) -> int:
        return os.fstat(self._file).st_size

    def _lay_out(self, start: int, end: int) -> None:
        for at in range(start, end, len(_ZEROS)):
            _write(self._file, _ZEROS[: end - at], at)
        os.fsync(self._file)
        self.octets += end - start
        # Pages that were written together stay together in the cache, and would be written together again.
        os.posix_fadvise(self._file, start, end - start, os.POSIX_FADV_DONTNEED)

    def append(self, chain: int, sequence: int, content: bytes) -> int:
        """Write an entry behind the one of this sequence; returns its own, that of its last part."""
        parts = [content[at : at + ROOM] for at in range(0, len(content), ROOM)]
        end, size = BLOCK + max(_place(sequence + 1 + part) for part in range(len(parts))), self._size()
        if size < end:
            self._lay_out(size, -(-end // len(_ZEROS)) * len(_ZEROS))
        for part, piece in enumerate(parts):
            sequence += 1
            head = (_MAGIC, chain, sequence, part, len(parts) - part - 1, len(piece))
            checksum = zlib.crc32(_HEAD.pack(*head, 0) + piece)
            _write(self._file, (_HEAD.pack(*head, checksum) + piece).ljust(BLOCK, b"\0"), _place(sequence))
        os.fdatasync(self._file)
        self.octets += BLOCK * len(parts)
        return sequence

    def entry(self, chain: int, sequence: int) -> tuple[int, bytes] | None:
        """The sequence and content of the entry behind this one, None where there is none (yet)."""
        parts: list[bytes] = []
        while True:
            sequence += 1
            block = self._read(sequence)
            if block is None or (block.chain, block.sequence, block.part) != (chain, sequence, len(parts)):
                return None
            parts.append(block.content)
            if block.following == 0:
                return sequence, b"".join(parts)

    def is_overtaken(self, chain: int, sequence: int) -> bool:
        """Whether there is no entry behind this one because a later one is in its place."""
        while True:
            sequence += 1
            block = self._read(sequence)
            if block is None or block.sequence > sequence:
                return block is not None
            if (block.chain, block.sequence) != (chain, sequence):
                return False

    def later(self, chain: int, sequence: int, *, thorough: bool) -> int | None:
        """The sequence at which the next entry begins, where there is none right behind this one; None for no more.

        What is between is in the database, or was damaged. Unless `thorough`, nothing is looked for where the place is
        empty or has an older block, which is what the end of the journal looks like: a question asks each time.
        """
        if not thorough and not self._is_damaged(sequence + 1):
            return None
        size = self._size()
        for number in range(sequence + 2, sequence + BLOCKS):
            if _place(number) < size and self._is_marked(chain, number):
                block = self._read(number)
                if block and (block.chain, block.sequence, block.part) == (chain, number, 0):
                    return number
        return None

    def newest_chain(self) -> tuple[int, int] | None:
        """The chain that was written last, and its first sequence; None without a block."""
        blocks = [block for place in range(BLOCKS) if (block := self._read(place))]
        if not blocks:
            return None
        chain = max(blocks, key=lambda block: block.sequence).chain
        return chain, min(block.sequence for block in blocks if block.chain == chain)

    def _is_damaged(self, sequence: int) -> bool:
        """Whether there is something in the place that is no block; zeros too, where the disk should have written."""
        return self._read(sequence) is None and len(os.pread(self._file, 1, _place(sequence))) > 0

    def _is_marked(self, chain: int, sequence: int) -> bool:
        """Whether the head says that it is this block: most are not, and need not be read."""
        head = os.pread(self._file, _MARK.size, _place(sequence))
        return len(head) == _MARK.size and _MARK.unpack(head) == (_MAGIC, chain, sequence)

    def _read(self, sequence: int) -> _Block | None:
        data = os.pread(self._file, BLOCK, _place(sequence))
        if len(data) < BLOCK:
            return None
        magic, chain, number, part, following, length, checksum = _HEAD.unpack_from(data)
        content = data[_HEAD.size : _HEAD.size + length]
        if (
            magic != _MAGIC
            or zlib.crc32(_HEAD.pack(magic, chain, number, part, following, length, 0) + content) != checksum
        ):
            return None
        return _Block(chain, number, part, following, content)


def _place(sequence: int) -> int:
    return BLOCK * (sequence % BLOCKS)


def _write(file: int, data: bytes, at: int) -> None:
    while data:
        done = os.pwrite(file, data, at)
        data, at = data[done:], at + done


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
