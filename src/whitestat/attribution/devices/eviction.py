"""Room in the table of devices: forged addresses give way, so that a new phone is a device.

Any host on the network can send frames with any source address. What was never answered, sent little within a day and
is of no meaning to a user is removed once the table is nearly full; its usage is unattributed from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby, islice
from typing import NamedTuple

from whitestat.core.model import Counts
from whitestat.ledger.tables import removal
from whitestat.ledger.write.writer import Writer

log = logging.getLogger("whitestat")

OCTETS_FEW = 10_000
"""One name service announcement a minute for an hour is about that much."""
AT_ONCE = 512
"""Devices removed after one flush, at most."""
IN_AN_HOUR = 4096
"""Each leaves some 150 octets of usage in the ledger: a flood that goes on costs 15 MB a day."""
DAYS_AT_ONCE = 32
"""Days of first sight looked at after one flush: each takes a read of two or three days of hours."""
TOLD_MS = 86_400_000
KEPT_S = 7 * 86_400
"""What began within this time and has no usage sent no IP packet; of older ones usage may have expired."""

_HOUR_MS = 3_600_000
_DAY_S = 86_400


class Life(NamedTuple):
    """An episode that is a device of its own, and when it was first and last seen, UTC milliseconds."""

    episode: int
    first_ms: int
    last_ms: int


class Eviction:
    """Finds the devices that give way, oldest first, and counts them."""

    def __init__(self) -> None:
        self._answered: set[int] = set()
        self._removed: list[tuple[int, int]] = []

    def unanswered(self, writer: Writer, lives: Iterable[Life], now_ms: int) -> list[int]:
        """Return the episodes that give way now; LedgerError where the ledger cannot be read."""
        allowed = min(AT_ONCE, IN_AN_HOUR - sum(number for at_ms, number in self._removed if now_ms - at_ms < _HOUR_MS))
        if allowed <= 0:
            return []
        short = [life for life in lives if life.last_ms - life.first_ms < _DAY_S * 1000]
        candidates = sorted((life for life in short if life.episode not in self._answered), key=_age)
        if not candidates:
            return []
        writer.fold()  # the rows of what is journaled are read, and go
        days = groupby(candidates, key=lambda life: life.first_ms // 1000 // _DAY_S)
        episodes: list[int] = []
        for day, group in islice(days, DAYS_AT_ONCE):
            episodes += self._unanswered_of(writer, day, [life.episode for life in group], now_ms // 1000)
            if len(episodes) >= allowed:
                break
        return episodes[:allowed]

    def _unanswered_of(self, writer: Writer, day: int, episodes: Collection[int], now_s: int) -> Iterator[int]:
        with writer.transaction("reading of forged devices") as connection:
            usage = removal.usage_of(connection, episodes, day * _DAY_S, (day + 2) * _DAY_S)
        nothing = Counts() if now_s - day * _DAY_S < KEPT_S else None  # hours of usage may have expired since
        for episode in episodes:
            counts = usage.get(episode, nothing)
            if counts is not None and is_unanswered(counts):
                yield episode
            else:
                self._answered.add(episode)

    def remove(self, writer: Writer, episodes: Collection[int], now_ms: int) -> None:
        """Remove them from the ledger, where their usage stays; LedgerError, and all are kept."""
        with writer.transaction("removal of forged devices") as connection:
            removal.remove(connection, episodes)
        kept = [entry for entry in self._removed if now_ms - entry[0] < TOLD_MS]
        self._removed = [*kept, (now_ms, len(episodes))]
        log.warning("%d devices that sent little and were never answered were removed to make room", len(episodes))

    def notice(self, now_ms: int) -> str | None:
        """Return the sentence for the page about the last day; None where nothing was removed."""
        removed = sum(number for at_ms, number in self._removed if now_ms - at_ms < TOLD_MS)
        if not removed:
            return None
        return (
            f"{removed} devices that sent little and were never answered were removed within a day to make room for "
            "others, and their usage is unattributed: something in the network sends with forged addresses"
        )


def is_unanswered(counts: Counts) -> bool:
    """Whether a device used little, in one direction alone; a meter that does not tell directions proves nothing."""
    if counts.octets_unsplit or counts.octets > OCTETS_FEW:
        return False
    return not (counts.packets_in or counts.octets_in) or not (counts.packets_out or counts.octets_out)


def _age(life: Life) -> tuple[int, int]:
    """By the day of first sight, then by episode: the oldest first."""
    return life.first_ms // 1000 // _DAY_S, life.episode
