"""What goes into the ledger at once, and what comes back from it when the service starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from whitestat.core.model import (
    Address,
    Audit,
    CounterReading,
    Counts,
    Coverage,
    Episode,
    PeerKey,
    Point,
    Receipt,
    ServiceKey,
    UsageKey,
)


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A device's row. `name_source` says where the name is from: user, config, dhcp, dns, vendor or mac."""

    id: int
    name: str | None = None
    name_source: str | None = None
    person: str | None = None


@dataclass(frozen=True, slots=True)
class Flush:
    """One transaction's worth: usage split into minutes, or seconds, and all that must change together with it.

    Times in the keys of `usage` and `coverage` are starts of minutes or seconds, UTC seconds; `coverage` and `audits`
    are by the point's name. Points, devices and episodes are those that are new or have changed; a point
    that was never named is one that counts. `seen` and `addresses` give when an episode, or an address of it,
    was last seen, UTC milliseconds. `services` and `peers` are by the start of a local hour, UTC seconds.
    """

    usage: Mapping[tuple[int, UsageKey], Counts] = field(default_factory=dict)
    coverage: Mapping[tuple[int, str], Coverage] = field(default_factory=dict)
    readings: Sequence[CounterReading] = ()
    audits: Mapping[str, Audit] = field(default_factory=dict)
    receipts: Sequence[Receipt] = ()
    devices: Sequence[DeviceRecord] = ()
    episodes: Sequence[Episode] = ()
    seen: Mapping[int, int] = field(default_factory=dict)
    addresses: Mapping[tuple[int, Address], int] = field(default_factory=dict)
    points: Sequence[Point] = ()
    services: Mapping[tuple[int, ServiceKey], Counts] = field(default_factory=dict)
    peers: Mapping[tuple[int, PeerKey], Counts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LedgerState:
    """What the service goes on from: `audits` by the point's name, `receipts` as meter and its last epoch."""

    readings: tuple[CounterReading, ...]
    audits: dict[str, Audit]
    receipts: dict[str, int]
    devices: tuple[DeviceRecord, ...]
    episodes: tuple[Episode, ...]
    points: tuple[Point, ...]
