"""Fields of JSON bodies: what they may hold, their JSON Schema, and the reading of a body by them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request

from whitestat.core.errors import Missing, QueryError

MOST_OCTETS = 65_536
MOST_ITEMS = 1_000
MOST_LETTERS = 1_000
MOST_NUMBER = 2**53
"""The largest integer that JavaScript represents exactly."""

Ids = Mapping[str, int]
"""Numbers in the path, by their names."""
Body = Mapping[str, Any]
"""Checked fields of a JSON body, by their names."""
Schema = dict[str, object]
"""JSON Schema (2020-12)."""


class Field(NamedTuple):
    """A field of a JSON object. A value must be of one of `kinds` (names in KINDS), and one of `words` if there are."""

    name: str
    sentence: str
    kinds: tuple[str, ...]
    required: bool = False
    words: tuple[str, ...] = ()

    def check(self, value: object) -> object:
        """Return the value, a day as YYYYMMDD. Raises QueryError if it is of none of the kinds."""
        if self.words and value not in self.words:
            raise QueryError(self.name, f"must be one of {', '.join(self.words)}")
        for kind in self.kinds:
            if KINDS[kind].fits(value):
                return int(str(value).replace("-", "")) if kind == "day" else value
        raise QueryError(self.name, f"must be {' or '.join(KINDS[kind].words for kind in self.kinds)}")

    def schema(self) -> Schema:
        kinds = [KINDS[kind].schema for kind in self.kinds]
        schema: Schema = dict(kinds[0]) if len(kinds) == 1 else {"anyOf": kinds}
        return schema | {"description": self.sentence} | ({"enum": list(self.words)} if self.words else {})


class FieldKind(NamedTuple):
    words: str
    schema: Schema

    def fits(self, value: object) -> bool:
        return _FITS[self.words](value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_LETTERS


def _is_number(value: object) -> bool:
    return type(value) is int and 0 < value <= MOST_NUMBER


def _is_whole(value: object) -> bool:
    return type(value) is int and abs(value) <= MOST_NUMBER


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and len(value) == 10 and date.fromisoformat(value).year >= 1970
    except ValueError:
        return False


def _are(value: object, fits: Callable[[object], bool]) -> bool:
    return isinstance(value, list) and len(value) <= MOST_ITEMS and all(map(fits, value))


_TEXT: Schema = {"type": "string", "maxLength": MOST_LETTERS}
_NUMBER: Schema = {"type": "integer", "minimum": 1, "maximum": MOST_NUMBER}
KINDS = {
    "text": FieldKind(f"text of at most {MOST_LETTERS} letters", _TEXT),
    "number": FieldKind("a whole number", _NUMBER),
    "whole": FieldKind(
        "a whole number, which may be below zero", {"type": "integer", "minimum": -MOST_NUMBER, "maximum": MOST_NUMBER}
    ),
    "day": FieldKind("a day like 2026-11-24", {"type": "string", "format": "date"}),
    "null": FieldKind("null", {"type": "null"}),
    "flag": FieldKind("true or false", {"type": "boolean"}),
    "texts": FieldKind("a list of texts", {"type": "array", "items": _TEXT, "maxItems": MOST_ITEMS}),
    "objects": FieldKind("a list of objects", {"type": "array", "items": {"type": "object"}, "maxItems": MOST_ITEMS}),
    "object": FieldKind("an object", {"type": "object"}),
    "numbers": FieldKind("a list of whole numbers", {"type": "array", "items": _NUMBER, "maxItems": MOST_ITEMS}),
}
_FITS: dict[str, Callable[[object], bool]] = {
    KINDS["text"].words: _is_text,
    KINDS["number"].words: _is_number,
    KINDS["whole"].words: _is_whole,
    KINDS["day"].words: _is_day,
    KINDS["null"].words: lambda value: value is None,
    KINDS["flag"].words: lambda value: isinstance(value, bool),
    KINDS["texts"].words: lambda value: _are(value, _is_text),
    KINDS["objects"].words: lambda value: _are(value, lambda item: isinstance(item, dict)),
    KINDS["object"].words: lambda value: isinstance(value, dict),
    KINDS["numbers"].words: lambda value: _are(value, _is_number),
}


def path_number(name: str, text: str) -> int:
    """Return a number of the path. Raises Missing for a text that can be none."""
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Missing(name, f"there is no {name} {text[:100]!r}")
    return int(text)


async def body_of(request: Request) -> bytes:
    """Return the body. Raises HTTPException 413 for one longer than MOST_OCTETS."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_OCTETS:
            raise HTTPException(413, f"more than {MOST_OCTETS} octets")
    return body


def read(fields: Sequence[Field], body: bytes) -> dict[str, Any]:
    """Return the fields of a body; an empty body has none. Raises QueryError with the name of a wrong field."""
    return checked(fields, _object(body) if body.strip() else {})


def checked(fields: Sequence[Field], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an object, checked. Raises QueryError with the name of a wrong field."""
    known = {field.name: field for field in fields}
    for name in given:
        if name not in known:
            expected = f"expected {', '.join(known)}" if known else "expected none"
            raise QueryError(name[:100], f"unknown field, {expected}")
    for field in fields:
        if field.required and field.name not in given:
            raise QueryError(field.name, "is missing")
    return {name: known[name].check(value) for name, value in given.items()}


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body.decode(), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        raise QueryError("body", "is not JSON") from None
    if not isinstance(value, dict):
        raise QueryError("body", "must be a JSON object")
    return value


def _without_repeats(pairs: list[tuple[str, object]]) -> Mapping[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise QueryError("body", "has a field more than once")
    return fields
