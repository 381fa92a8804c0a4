"""Rates of the last seconds, kept in little memory for pages that come, or come back; pure."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from whitestat.model import Counts

KEPT_MS = 90_000
"""A minute of a graph, and half of one in which a lost connection is found again."""

_WIDTH = 5


class Rates(NamedTuple):
    """Bits and packets per second."""

    in_bps: int
    out_bps: int
    in_pps: int
    out_pps: int

    def fields(self) -> dict[str, object]:
        """As the live stream tells them."""
        return {
            "rate_in_bps": self.in_bps,
            "rate_out_bps": self.out_bps,
            "rate_in_pps": self.in_pps,
            "rate_out_pps": self.out_pps,
        }


QUIET = Rates(0, 0, 0, 0)


def rates(before: Counts | None, now: Counts, span_ms: int) -> Rates:
    """Those of a span; after midnight, when the day begins at nothing, all of it is new."""
    base = before if before and before.octets <= now.octets else Counts()
    octets_in, octets_out, packets_in, packets_out = (
        max(0, here - there) for here, there in zip(now[:4], base[:4], strict=True)
    )
    return Rates(
        octets_in * 8000 // span_ms,
        octets_out * 8000 // span_ms,
        packets_in * 1000 // span_ms,
        packets_out * 1000 // span_ms,
    )


def together(of: Iterable[Rates]) -> Rates:
    """Their sum."""
    found = tuple(of)
    return Rates(*(sum(column) for column in zip(*found, strict=True))) if found else QUIET


class Second(NamedTuple):
    """One that is over, or several that a busy machine was too late for: rates by device, those of the silent left out,
    and by point, from `since_ms` to `at_ms`."""

    since_ms: int
    at_ms: int
    rows: array[int]
    points: dict[str, Rates]

    def devices(self) -> dict[int, Rates]:
        steps = range(0, len(self.rows), _WIDTH)
        return {self.rows[at]: Rates(*self.rows[at + 1 : at + _WIDTH]) for at in steps}


class Seconds:
    """The last of them; 254 devices that are never silent take a megabyte."""

    def __init__(self) -> None:
        self._kept: deque[Second] = deque()

    def add(self, since_ms: int, at_ms: int, devices: Mapping[int, Rates], points: Mapping[str, Rates]) -> None:
        """One more; those that are over for long, or lie ahead after a clock was set back, go."""
        while self._kept and not at_ms - KEPT_MS <= self._kept[0].at_ms < at_ms:
            self._kept.popleft()
        rows = array("Q")
        for device, each in devices.items():
            if each != QUIET:
                rows.extend((device, *each))
        self._kept.append(Second(since_ms, at_ms, rows, dict(points)))

    def between(self, after_ms: int, before_ms: int) -> Iterator[Second]:
        """Those after an instant and before another."""
        return (each for each in self._kept if after_ms < each.at_ms < before_ms)

    def last(self, at_ms: int) -> Second | None:
        """That of the instant, None where it was not added."""
        return self._kept[-1] if self._kept and self._kept[-1].at_ms == at_ms else None
