"""Totals of a router as one poll returns them, and the ways in which a poll may fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from whitestat.core.errors import CollectorError
from whitestat.core.model import Address, Counts, HostName, Mac

RouterKey = tuple[Mac | None, Address | None]
"""A row of a router's table."""
LINE: RouterKey = (None, None)
"""What the router counts of its line as a whole."""


class RouterTotals(NamedTuple):
    """Running totals of one instant. `width` is their size in bits.

    `packets_in` of a row may hold all its packets: they are compared, which tells a wrap from a reset, and not
    booked. `counted_s` is since when the line's total counts; `session` what of it passed in the last `session_s`
    seconds, since the line was connected. None is "not told". `doubt` is why the figures may not be right.
    """

    totals: Mapping[RouterKey, Counts]
    width: int = 64
    counted_s: int | None = None
    session: Counts | None = None
    session_s: int | None = None
    names: Sequence[HostName] = ()
    notice: str = ""
    doubt: str = ""
    unreadable: int = 0


class LoginRefused(CollectorError):
    """The router does not take the name and password: asking again would lock it."""


class Router(Protocol):
    """One kind of router. All calls but `abort` come from one thread; CollectorError where there is no answer."""

    url: str
    ceiling_bps: int
    """No line of such a router carries more, in one direction."""

    def look(self, closely: bool) -> RouterTotals:
        """One poll; `closely` asks for what is no counter too: names, the router's own months."""

    def abort(self) -> None:
        """End an exchange that another thread waits for."""

    def close(self) -> None:
        """Leave the router to others."""
