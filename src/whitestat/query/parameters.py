"""Parameters of queries, each declared once with name, description and allowed values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from whitestat.core.calendar import SPAN_WORDS
from whitestat.core.errors import QueryError
from whitestat.core.model import Scope
from whitestat.core.suggestions import did_you_mean
from whitestat.ledger.usage_query import BY_WORDS, TimeStep

_WHOLE = re.compile("[0-9]{1,9}")

MOST_LETTERS = 1000
"""Longest accepted value."""


class Parameter(NamedTuple):
    """One parameter of the query string.

    With `words`, only these are taken; with `several`, a comma-separated list of them; with `most`, a whole
    number from 1 to that.
    """

    name: str
    sentence: str
    default: str | None = None
    words: tuple[str, ...] = ()
    several: bool = False
    example: str | None = None
    most: int | None = None

    def check(self, text: str) -> None:
        """Raise QueryError if the text is not allowed."""
        if len(text) > MOST_LETTERS:
            raise QueryError(self.name, f"longer than {MOST_LETTERS} letters")
        if self.most is not None and not (_WHOLE.fullmatch(text) and 1 <= int(text) <= self.most):
            raise QueryError(self.name, f"must be a whole number from 1 to {self.most}, got {text!r}")
        for word in listed(text) if self.several else [text]:
            if self.words and word not in self.words:
                expected = f"expected {'some' if self.several else 'one'} of {', '.join(self.words)}"
                raise QueryError(self.name, f"unknown word {word!r}{did_you_mean(word, self.words)}, {expected}")


_WHEN = f"an ISO 8601 date or date-time, local where it has no offset, or one of {', '.join(SPAN_WORDS)}"

_DAY = "an ISO 8601 date, or a date-time, of which the date counts"

START = Parameter("start", f"First instant: {_WHEN}.", "today", example="2026-11-21")
END = Parameter(
    "end",
    f"First instant after the span: {_WHEN}. A word means the end of its span. Default: the end of the "
    "span that start names, or of today where start is a date or date-time.",
    example="month",
)
STEP = Parameter("step", "Length of time of each row.", "total", words=tuple(map(str, TimeStep)))
BY = Parameter(
    "by",
    "What to split usage by; empty for one row per step. Peers cannot be combined with services or protocols.",
    "device",
    words=BY_WORDS,
    several=True,
)
DEVICE = Parameter(
    "device", "Only these devices, each by id, name or MAC.", several=True, example="phone,02:50:00:00:00:11"
)
SCOPE = Parameter(
    "scope", "Only traffic with the outside (wan) or between local devices (lan).", words=tuple(map(str, Scope))
)
POINT = Parameter("point", "Only usage counted at these points.", several=True, example="lan")
PERSON = Parameter("person", "Only usage of devices while these people owned them.", several=True, example="Anna")
LABEL = Parameter("label", "Only devices that have one of these labels now.", several=True, example="kids")
SERVICE = Parameter("service", "Only usage of these services, each by name or port.", several=True, example="https,53")
PROTOCOL = Parameter("protocol", "Only usage of these protocols, each by name or number.", several=True, example="udp")
PEER = Parameter("peer", "Only usage with these remote addresses.", several=True, example="192.0.2.1,2001:db8::1")
TOP = Parameter(
    "top",
    "Only this many rows with the highest usage in the span; all others are one row per step, with rest true.",
    example="10",
    most=1_000,
)
QUESTION = (START, END, STEP, BY, DEVICE, LABEL, PERSON, POINT, SCOPE, SERVICE, PROTOCOL, PEER, TOP)
"""Parameters of a usage query, for the API and the command line."""

PLAN_START = START._replace(sentence=f"{START.sentence} Default: the current period of the plan.", default=None)
PLAN_STEP = Parameter("step", "Length of time of each row.", "day", words=("day", "period", "total"))
PLAN_BY = Parameter(
    "by",
    "What to split usage by; empty for one row per step.",
    "tariff",
    words=("tariff", "device", "person"),
    several=True,
)

LIMIT = Parameter("limit", "At most this many rows; the response then has the address of the next page.", most=10_000)
CURSOR = Parameter("cursor", "Start of a page, taken from the address of the next page; needs limit.")

LAST = Parameter(
    "last",
    "The instant of the last event received, as in Last-Event-ID: earlier seconds are not sent again.",
    example="2026-11-21T12:00:00+01:00",
)

FIRST_DAY = Parameter("start", f"First day: {_DAY}; today by default.", example="2026-11-21")
LAST_DAY = Parameter("end", f"Last day, included: {_DAY}; today by default.", example="2026-11-22 00:00:00")


def check_all(
    parameters: Sequence[Parameter], given: Iterable[tuple[str, str]], *, others: bool = False
) -> dict[str, str]:
    """Return the given names and texts. Raises QueryError if one is unknown, invalid or given twice.

    With `others`, unknown names are ignored.
    """
    known = {parameter.name: parameter for parameter in parameters}
    texts: dict[str, str] = {}
    for name, text in given:
        if name not in known and others:
            continue
        if name not in known:
            expected = f"expected some of {', '.join(known)}" if known else "there are none"
            raise QueryError(name[:100], f"unknown parameter{did_you_mean(name, known)}, {expected}")
        if name in texts:
            raise QueryError(name, "given more than once")
        known[name].check(text)
        texts[name] = text
    return texts


def listed(text: str) -> list[str]:
    """Return the words of a comma-separated list in order, without repetitions."""
    return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
