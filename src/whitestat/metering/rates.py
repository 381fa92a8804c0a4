"""Rates of the last seconds, kept in little memory for pages that come, or come back; pure."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from whitestat.core.model import Counts

KEPT_MS = 90_000
"""A minute of a graph, and half of one in which a lost connection is found again."""

_WIDTH = 6


class Rates(NamedTuple):
    """Bits and packets per second; `unsplit_bps` is traffic that a meter counts without direction."""

    in_bps: int
    out_bps: int
    in_pps: int
    out_pps: int
    unsplit_bps: int = 0


QUIET = Rates(0, 0, 0, 0)
_FIELDS = ("rate_in_bps", "rate_out_bps", "rate_in_pps", "rate_out_pps")


def fields(of: Rates | None) -> dict[str, object]:
    """Rates as the live stream has them, all null where they are unknown; `rate_bps` is of both directions."""
    if of is None:
        return dict.fromkeys(("rate_bps", *_FIELDS))
    return {"rate_bps": of.in_bps + of.out_bps + of.unsplit_bps, **dict(zip(_FIELDS, of[:4], strict=True))}


def rates(before: Counts | None, now: Counts, span_ms: int) -> Rates:
    """Those of a span; after midnight, when the day begins at nothing, all of it is new."""
    base = before if before and before.octets <= now.octets else Counts()
    octets_in, octets_out, packets_in, packets_out, unsplit = (
        max(0, here - there) for here, there in zip(now, base, strict=True)
    )
    return Rates(
        octets_in * 8000 // span_ms,
        octets_out * 8000 // span_ms,
        packets_in * 1000 // span_ms,
        packets_out * 1000 // span_ms,
        unsplit * 8000 // span_ms,
    )


def together(of: Iterable[Rates | None]) -> Rates | None:
    """Return the sum of the known rates; None if there are rates and all are unknown."""
    parts = tuple(of)
    known = [part for part in parts if part is not None]
    if not known:
        return None if parts else QUIET
    return Rates(*(sum(column) for column in zip(*known, strict=True)))


class RateSample(NamedTuple):
    """One that is over, or several that a busy machine was too late for: rates by device, those of the silent left out,
    and by point, from `since_ms` to `at_ms`; `unknown` are the devices that have no rates."""

    since_ms: int
    at_ms: int
    rows: array[int]
    unknown: array[int]
    points: dict[str, Rates | None]

    def devices(self) -> dict[int, Rates | None]:
        steps = range(0, len(self.rows), _WIDTH)
        known = {self.rows[at]: Rates(*self.rows[at + 1 : at + _WIDTH]) for at in steps}
        return {**known, **dict.fromkeys(self.unknown)}


class RateHistory:
    """The last of them; 254 devices that are never silent take 1.2 MB."""

    def __init__(self) -> None:
        self._kept: deque[RateSample] = deque()

    def add(
        self, since_ms: int, at_ms: int, devices: Mapping[int, Rates | None], points: Mapping[str, Rates | None]
    ) -> None:
        """Add a sample; remove old ones, and those in the future after a clock was set back."""
        while self._kept and not at_ms - KEPT_MS <= self._kept[0].at_ms < at_ms:
            self._kept.popleft()
        rows, unknown = array("Q"), array("Q")
        for device, device_rates in devices.items():
            if device_rates is None:
                unknown.append(device)
            elif device_rates != QUIET:
                rows.extend((device, *device_rates))
        self._kept.append(RateSample(since_ms, at_ms, rows, unknown, dict(points)))

    def between(self, after_ms: int, before_ms: int) -> Iterator[RateSample]:
        """Return the samples after an instant and before another."""
        return (second for second in self._kept if after_ms < second.at_ms < before_ms)

    def last(self, at_ms: int) -> RateSample | None:
        """That of the instant, None where it was not added."""
        return self._kept[-1] if self._kept and self._kept[-1].at_ms == at_ms else None
