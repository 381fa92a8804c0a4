"""What the web part is given to answer from; the engine is behind it and never imported."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from whitestat.asking import Now
from whitestat.attribution.edits import Change, Edit
from whitestat.ledger.queries import Queries
from whitestat.periods import CALENDAR_MONTHS, Cycle

Network = IPv4Network | IPv6Network


class Made(Protocol):
    """An edit that was made: its number, 0 where nothing had to change, and what it changed."""

    @property
    def edit(self) -> int: ...

    @property
    def made(self) -> Sequence[Change]: ...


class Edits(Protocol):
    """Who makes edits; each is done when the ledger has it. EditError, Missing or LedgerError where it cannot be."""

    def edit(self, edit: Edit, by: str) -> Awaitable[Made]: ...

    def undo(self, number: int, by: str) -> Awaitable[Made]: ...

    def forget(self, device: int) -> Awaitable[None]: ...


@dataclass(frozen=True)
class Sources:
    """Where answers come from.

    `health` is the engine's own account of itself and must have a `status` ("ok" or why not) and
    `points`. `live` yields, for each listener, one item a second: first every device of today, then
    those that changed. `lan` holds the local networks, `editors` those whose requests may edit.
    """

    queries: Queries
    zone: tzinfo
    version: str
    now_ms: Callable[[], int]
    health: Callable[[], dict[str, object]]
    live: Callable[[], AsyncIterator[dict[str, object]]]
    lan: Sequence[Network] = ()
    cycle: Cycle = CALENDAR_MONTHS
    edits: Edits | None = None
    editors: Sequence[Network] = ()

    @property
    def now(self) -> Now:
        return Now(self.now_ms() // 1000, self.zone, self.cycle)
