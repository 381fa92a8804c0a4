"""The frozen values that travel from a meter to the ledger; imports nothing of ours.

Words are those of IPFIX (RFC 7011, RFC 7012) and RTFM (RFC 2722): a *point* is where octets are
counted, a *meter* holds running counters, a *flow key* separates one counter from the next.
Octets are integers everywhere. Values made once per flow are named tuples (a third of the cost of
a frozen dataclass); all others are frozen, slotted dataclasses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from operator import add
from typing import Any, NamedTuple

Mac = bytes
"""A link address, six octets as on the wire."""
Address = bytes
"""An IP address, sixteen octets; IPv4 is IPv4-mapped (RFC 4291, section 2.5.5.2)."""
Network = IPv4Network | IPv6Network
"""A range of IP addresses."""
Json = dict[str, Any]
"""An object of JSON."""

PROTOCOL_OTHER = 256
"""Protocol number of frames that are not IP (one past the octet IANA numbers, RFC 5237)."""


class Scope(StrEnum):
    """Between a device and the outside, or between two local devices."""

    WAN = "wan"
    LAN = "lan"


class Quality(StrEnum):
    """How a delta came about; everything but `exact` is a counter discontinuity (RFC 2863)."""

    EXACT = "exact"
    WRAPPED = "wrapped"
    RESET = "reset"
    AMBIGUOUS = "ambiguous"
    IMPLAUSIBLE = "implausible"


@dataclass(frozen=True, slots=True)
class Point:
    """Where octets are counted: one collector on one interface or router.

    `counts` is true where the usage of people is taken (LAN, guest network) and false for a referee.
    """

    name: str
    collector: str
    interface: str | None = None
    counts: bool = True


class Counts(NamedTuple):
    """Octets and packets seen from the side named in the key; additive.

    `octets_unsplit` holds octets that a meter counts without direction (TP-Link's `totalBytes`).
    """

    octets_in: int = 0
    octets_out: int = 0
    packets_in: int = 0
    packets_out: int = 0
    octets_unsplit: int = 0

    @property
    def octets(self) -> int:
        return self.octets_in + self.octets_out + self.octets_unsplit

    def plus(self, other: Iterable[int]) -> Counts:
        """With other counts, or amounts in the order of these, added."""
        octets_in, octets_out, packets_in, packets_out, unsplit = self
        more_in, more_out, more_packets_in, more_packets_out, more_unsplit = other
        return _made(
            (
                octets_in + more_in,
                octets_out + more_out,
                packets_in + more_packets_in,
                packets_out + more_packets_out,
                unsplit + more_unsplit,
            )
        )

    @staticmethod
    def in_columns(columns: Iterable[Iterable[int]]) -> Iterator[Counts]:
        """Those that stand side by side in the columns."""
        return map(_made, zip(*columns, strict=True))

    def turned(self) -> Counts:
        """The same traffic seen from the other side."""
        return Counts(self.octets_out, self.octets_in, self.packets_out, self.packets_in, self.octets_unsplit)


_made = partial(tuple.__new__, Counts)
"""As `Counts._make`, which is a call in Python for each."""


class FlowKey(NamedTuple):
    """What separates one counter from the next (IPFIX flow key).

    Counts that belong to a key are seen from `mac`/`address`: out is what that side sent. A meter
    that sees packets names the sender there and the receiver as peer and leaves it to attribution to
    find the local side; a meter with a table of devices names the device. `None` is "not seen".
    """

    point: str
    mac: Mac | None = None
    address: Address | None = None
    peer_mac: Mac | None = None
    peer: Address | None = None
    protocol: int | None = None
    service: int | None = None
    vlan: int = 0


class CounterReading(NamedTuple):
    """Running totals of one key (`octetTotalCount`, `ifHCInOctets`) at one instant.

    `epoch` names the life of the counter: it changes when the meter starts again (boot id, map id,
    `ifCounterDiscontinuityTime`). `width` is the counter's size in bits. `begun` is what the counter had when
    its epoch became this key's: an interface that took the key's name brings what it carried under another.
    """

    key: FlowKey
    counts: Counts
    at_ms: int
    epoch: str
    width: int = 64
    begun: Counts = Counts()


class Delta(NamedTuple):
    """Traffic of one key between two instants, UTC milliseconds (`octetDeltaCount`, `flowStart/End`)."""

    key: FlowKey
    counts: Counts
    start_ms: int
    end_ms: int
    quality: Quality = Quality.EXACT


class Receipt(NamedTuple):
    """Names a drained map, so that booking it twice is harmless: the meter's identity and the epoch."""

    meter: str
    epoch: int


class Audit(NamedTuple):
    """Running totals of layer 2 at one point, for coverage: the referee's and the meter's own.

    `frames_interface` is the interface's own counter (with its missing link headers put back),
    `frames_metered` what our meter saw as the wire carries it, `giants` what the interface counts too
    little because it takes a giant packet (TSO, GRO) for one. All three are running totals:
    frames_interface + giants grows as frames_metered does when nothing is missed. In and out are the
    people's: a collector on a LAN interface turns the interface's view round. Octets are of layer 2,
    `link_header` of them in front of each packet. `epoch` is the life of the interface's counter (boot and
    index); empty where the interface was not read with the meter. `meter` is the life of ours, empty where nothing
    but the interface counts: of a meter that is drained each harvest is one, so that `frames_metered`, `giants`,
    `tags` and `packets_lost` are of just the packets in the harvest's deltas. `owed` is what the interface had more
    than the meter (less, where that is negative) since
    `since_ms` and is not booked yet, `at_ms` when all this was read. `frames_at_attach` is what
    the interface had when the meter began to watch it: the baseline where there is no earlier audit.
    `tags` is a running total of octets of VLAN tags that came beside their frames: not in `frames_metered`, and
    in `frames_interface` only on some links. `tags_open` is what of them may still show there.
    `frames_foreign` is what the interface carried in this epoch before it had the point's name. `frames_gone` is what
    interfaces of the point that are gone for good carried since the audit before, with what of it was metered; None
    where none is gone.
    """

    epoch: str
    meter: str
    frames_interface: Counts
    frames_metered: Counts = Counts()
    giants: Counts = Counts()
    packets_lost: int = 0
    link_header: int = 14
    tags: Counts = Counts()
    owed: Counts = Counts()
    at_ms: int = 0
    since_ms: int = 0
    frames_at_attach: Counts | None = None
    tags_open: Counts = Counts()
    frames_foreign: Counts = Counts()
    frames_gone: Counts | None = None

    def turned(self) -> Audit:
        """As the people see it: what a LAN interface receives is what they send."""
        return self._replace(
            frames_interface=self.frames_interface.turned(),
            frames_metered=self.frames_metered.turned(),
            giants=self.giants.turned(),
            tags=self.tags.turned(),
            frames_foreign=self.frames_foreign.turned(),
            frames_at_attach=self.frames_at_attach.turned() if self.frames_at_attach is not None else None,
            frames_gone=self.frames_gone.turned() if self.frames_gone is not None else None,
        )


class HostName(NamedTuple):
    """Name that a device sent to a router's DHCP server; unchanged, so clean it before it is shown."""

    mac: Mac | None
    address: Address | None
    name: str


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What one read of a collector yields: readings of running counters, deltas of a drained meter, or both.

    `deltas` may be an iterator that reads the meter as it goes; it is consumed once. When `receipt` is
    not None the meter keeps the drained counts until `Collector.acknowledge` says they are booked.
    `audits` is by point name, read after the deltas were set aside. `marks` are running counters whose growth is
    in the deltas already: kept in the ledger for the next process to go on from, and never compared here.
    `details` say of usage that is in the deltas of this harvest, or was in those of earlier ones of the same hour,
    what it was on: they are no usage. `names` are what the DNS calls hosts, by the word of another program; they are as
    hostile as any. So are `hosts`, which told a router's DHCP server their names.
    """

    start_ms: int
    end_ms: int
    readings: Iterable[CounterReading] = ()
    deltas: Iterable[Delta] = ()
    receipt: Receipt | None = None
    audits: Mapping[str, Audit] = field(default_factory=dict)
    marks: Sequence[CounterReading] = ()
    details: Sequence[Delta] = ()
    names: Sequence[tuple[Mac | None, Address, str]] = ()
    hosts: Sequence[HostName] = ()


class Poll(NamedTuple):
    """Counts of a polled meter between its last two polls, `span_ms` apart, the later one at `at_ms`.

    `number` is different for each poll.
    """

    number: int
    at_ms: int
    span_ms: int
    deltas: Sequence[Delta]


class UsageKey(NamedTuple):
    """Device episode, scope and point of usage; `episode` 0 is unattributed usage."""

    episode: int
    point: str
    scope: Scope


UNATTRIBUTED = 0
"""The episode of traffic that no device could be found for."""


class ServiceKey(NamedTuple):
    """What a device's usage was on: the IP protocol and the lower of the two ports, -1 for all others together."""

    usage: UsageKey
    protocol: int
    service: int


class PeerKey(NamedTuple):
    """Remote peer of a device's usage, empty for all other peers together."""

    usage: UsageKey
    peer: Address


OTHER_SERVICE = (-1, -1)
OTHER_PEER = b""
"""The key for all services and peers that are not listed."""


class Coverage(NamedTuple):
    """How much of a point was seen in a span; additive. Frame octets are of layer 2, octets of IP."""

    observed_ms: int = 0
    frame_octets_interface: int = 0
    frame_octets_metered: int = 0
    octets_attributed: int = 0
    octets_unattributed: int = 0
    packets_lost: int = 0

    def plus(self, other: Coverage) -> Coverage:
        return Coverage._make(map(add, self, other))

    @property
    def ratio(self) -> float | None:
        """Attributed octets by all octets; None where nothing flowed."""
        total = self.octets_attributed + self.octets_unattributed
        return self.octets_attributed / total if total else None


@dataclass(frozen=True, slots=True)
class Episode:
    """One address of a device as a meter sees it: its MAC, or the IP address where no MAC is seen.

    `start_ms` is the first time it was seen, `end_ms` the end of the episode (None: still going on).
    """

    id: int
    device: int
    mac: Mac | None
    address: Address | None
    start_ms: int
    end_ms: int | None = None


class PointState(StrEnum):
    """What the health page says of a point."""

    STARTING = "starting"
    OK = "ok"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PointStatus:
    """A point's state with the sentence that explains it (empty when all is well)."""

    state: PointState
    notice: str = ""


class Hold(NamedTuple):
    """Start of the time that usage is held as the clock is not trusted, by the monotonic clock of one boot, ms.

    `offset_ms` is how far the instants it is noted by are ahead of that clock, `wall_offset_ms` how far the wall clock
    is, and `steady_ms` since when it is so.
    """

    boot: str
    offset_ms: int
    since_ms: int
    wall_offset_ms: int
    steady_ms: int
