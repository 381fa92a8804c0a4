"""Sums by key, to which parts are added as they come; pure."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Protocol, Self, TypeVar


class Additive(Protocol):
    def plus(self, other: Self) -> Self:
        """Return the sum of both."""


K = TypeVar("K")
A = TypeVar("A", bound=Additive)


def add_to(sums: MutableMapping[K, A], key: K, part: A) -> None:
    """Add to the sum of a key; the first part is the sum."""
    present = sums.get(key)
    sums[key] = present.plus(part) if present is not None else part
