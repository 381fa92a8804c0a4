"""Suggestions for a mistyped word."""

from __future__ import annotations

from collections.abc import Iterable

MOST_LETTERS = 100


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the most similar of the known words; None if none has the similarity `cutoff` (0 to 1)."""
    from difflib import get_close_matches  # 0.2 MB of memory for faults alone

    return next(iter(get_close_matches(word[:MOST_LETTERS], list(known), 1, cutoff)), None)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'hour'?)`; an empty text where nothing is similar."""
    near = nearest(word, known)
    return f" (did you mean {near!r}?)" if near else ""
