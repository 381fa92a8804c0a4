"""Collectors: each reads one kind of meter and yields readings or deltas, nothing else.

A collector has three outcomes: a harvest, an empty harvest (nothing here), or a `CollectorError`, which
the engine logs, counts and shows. It never sees the ledger and knows nothing of devices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from whitestat.core.model import Delta, Point, PointStatus, Poll, ReadResult, Receipt


class Collector(Protocol):
    """Reads one meter for one or several points. Inert until `open`; all calls come from one thread at a time."""

    @property
    def points(self) -> tuple[Point, ...]: ...

    def open(self, booked: Mapping[str, int]) -> None:
        """Acquire what is needed. `booked` is the last epoch in the ledger by meter, see `Receipt`.

        Raises NotPermitted or CollectorError with a sentence for the user.
        """

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        """What was counted from `since_ms` to `now_ms`, UTC milliseconds."""

    def acknowledge(self, receipt: Receipt) -> None:
        """The counts behind `receipt` are booked: the meter may forget them."""

    def halt(self) -> None:
        """Count nothing more: what was counted until now is in the next read, which is the last."""

    def peek(self) -> Iterable[Delta]:
        """Counts not yet read, left in place, for the live view; empty where the meter cannot tell."""

    def statuses(self) -> Mapping[str, PointStatus]:
        """The state of each point by name."""

    def maintain(self) -> None:
        """Look after what may come and go, about once a second; cheap when nothing did."""

    def memory(self) -> int:
        """Octets of kernel memory held beside the process's own."""

    def close(self) -> None:
        """Release everything; may be called twice."""


@runtime_checkable
class Polled(Protocol):
    """A collector that asks its meter now and then: a rate is known between two polls, not by the second."""

    def last_poll(self) -> Poll | None:
        """The traffic between the last two polls; None where it is unknown: before the second, and after a failure.

        Any thread may ask.
        """
