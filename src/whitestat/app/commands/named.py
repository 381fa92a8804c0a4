"""The device, person, account, token or plan that a word of the command line names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from whitestat.core.errors import QueryError
from whitestat.core.model import Json
from whitestat.core.suggestions import did_you_mean


def _no_keys(row: Json) -> Collection[str]:
    return ()


def named(
    kind: str, word: str, rows: Sequence[Json], listing: str, keys: Callable[[Json], Collection[str]] = _no_keys
) -> Json:
    """Return the row of this number, with this word among its `keys`, or of this name in any case.

    Raises QueryError where there is none or several; `listing` is the command that lists them.
    """
    names = {str(row["id"]): row["name"] or "" for row in rows}
    matches = (
        [row for row in rows if str(row["id"]) == word]
        or [row for row in rows if word in keys(row)]
        or [row for row in rows if names[str(row["id"])].casefold() == word.casefold()]
    )
    if len(matches) == 1:
        return matches[0]
    if matches:
        numbers = ", ".join(str(row["id"]) for row in matches)
        raise QueryError(kind, f"{len(matches)} are called {word!r}; name one by its number: {numbers}")
    near = did_you_mean(word, filter(None, names.values()))
    raise QueryError(kind, f"there is no {kind} {word!r}{near}; whitestat {listing} lists them")
