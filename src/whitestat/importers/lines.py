"""Lines of a text file that a power cut or another program may have damaged, one at a time and bounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What Windows' editors put in front of UTF-8."""


class Line(NamedTuple):
    """A line without its end and without NUL octets around it; empty where it was NUL octets alone.

    `text` is None where it is longer than may be. `ended` is false for a last line without an end: it was cut off.
    """

    number: int
    text: str | None
    ended: bool


def lines(file: BinaryIO, longest: int) -> Iterator[Line]:
    """Every line that is not blank, numbered from 1, of up to `longest` octets.

    A file system that lost power leaves a run of NUL octets, often in front of a row that is whole. What is not UTF-8
    becomes U+FFFD.
    """
    number = 0
    while piece := file.readline(longest + 1):
        number += 1
        text = piece.removeprefix(BYTE_ORDER_MARK) if number == 1 else piece
        holes = text.startswith(b"\0")
        text = text.lstrip(b"\0")
        while len(piece) > longest and not piece.endswith(b"\n"):
            piece = file.readline(longest + 1)
            text = (text + piece).lstrip(b"\0")[: longest + 1]
        text = text.strip(b"\0\r\n\t ")
        if text or holes:
            shown = None if len(text) > longest else text.decode("utf-8", "replace")
            yield Line(number, shown, piece.endswith(b"\n"))
