"""Collectors: each reads one kind of meter and yields readings or deltas, nothing else.

A read of a collector has three outcomes: a result, an empty result (nothing here), or a `CollectorError`, which
the engine logs, counts and shows. A collector never sees the ledger and knows nothing of devices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Network
from pathlib import Path
from typing import NamedTuple, Protocol

from whitestat.core.model import Delta, Point, PointStatus, Poll, ReadResult, Receipt


class CollectorFacts(NamedTuple):
    """What a collector can tell beside its readings; the defaults are those of a meter in this machine.

    `how` says in a few words how it counts, `url` is the address that the figures come from. `settled` is false until
    it is known if the meter can be read. `progress` says what the last poll saw, `doubt` why the figures may be wrong;
    both are sentences, empty for none. `notices` are what the user should know from the start. `networks` are IPv6
    networks that the meter shows to be local. `pins` is the folder of maps that outlive the process. `is_polled` is
    for a meter that is asked every interval: rates are known between two polls, not by the second. `last_poll` is the
    traffic between the last two polls, None where it is unknown: before the second, and after a failure.
    """

    how: str = "totals"
    url: str = ""
    settled: bool = True
    progress: str = ""
    doubt: str = ""
    notices: tuple[str, ...] = ()
    networks: frozenset[IPv6Network] = frozenset()
    pins: Path | None = None
    is_polled: bool = False
    last_poll: Poll | None = None


class Collector(Protocol):
    """Reads one meter for one or several points. Inert until `open`.

    All calls come from one thread at a time, but for `facts`, which any thread may call.
    """

    @property
    def points(self) -> tuple[Point, ...]: ...

    def open(self, booked: Mapping[str, int]) -> None:
        """Acquire what is needed. `booked` is the last epoch in the ledger by meter, see `Receipt`.

        Raises NotPermitted or CollectorError with a sentence for the user.
        """

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        """Return what was counted from `since_ms` to `now_ms`, UTC milliseconds."""

    def acknowledge(self, receipt: Receipt) -> None:
        """Let the meter forget the counts behind `receipt`, which are booked."""

    def halt(self) -> None:
        """Count nothing more: what was counted until now is in the next read, which is the last."""

    def peek(self) -> Iterable[Delta]:
        """Return counts not yet read, left in place, for the live view; empty where the meter cannot tell."""

    def statuses(self) -> Mapping[str, PointStatus]:
        """Return the state of each point by name."""

    def facts(self) -> CollectorFacts:
        """Return what is known beside the readings; cheap."""

    def maintain(self) -> None:
        """Follow interfaces that come and go; called about once a second, cheap when nothing changed."""

    def memory(self) -> int:
        """Return the octets of kernel memory in use beside the process's own."""

    def close(self) -> None:
        """Release everything; may be called twice."""
