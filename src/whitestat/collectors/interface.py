"""The kernel's own interface counters: the referee, and what is left without privileges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from whitestat.collectors.links import (
    boot_id,
    counters,
    default_interface,
    frames,
    links,
)
from whitestat.model import (
    Audit,
    CounterReading,
    Counts,
    Delta,
    FlowKey,
    Harvest,
    Point,
    PointState,
    PointStatus,
    Receipt,
)

UNSEEN = "totals only: devices cannot be told apart by interface counters"


class InterfaceCollector:
    """Totals of one interface from `/proc/net/dev`; needs no privilege.

    Octets are IP octets: the link header of each packet is taken off. The interface's in is the
    network's out on a gateway's LAN, so the view is turned there; not on the interface of the default route.
    """

    def __init__(self, point: Point, *, notice: str = UNSEEN) -> None:
        self._point = point
        self._notice = notice
        self._outward = True
        self._boot = ""
        self._status = PointStatus(PointState.STARTING)

    @property
    def points(self) -> tuple[Point, ...]:
        return (self._point,)

    def open(self, booked: Mapping[str, int]) -> None:
        self._boot = boot_id()
        self._outward = default_interface() in (None, self._point.interface)

    def read(self, since_ms: int, now_ms: int) -> Harvest:
        """The counters now, as running readings; empty while the interface is away."""
        link = links().get(str(self._point.interface))
        seen = counters().get(str(self._point.interface))
        if link is None or seen is None:
            self._status = PointStatus(PointState.WAITING, f"interface {self._point.interface} is not there")
            return Harvest(since_ms, now_ms)
        self._status = PointStatus(PointState.OK, self._notice)
        epoch = f"{self._boot}:{link.index}"
        frame_counts = frames(link, seen)
        if not self._outward:
            frame_counts = frame_counts.turned()
        reading = CounterReading(FlowKey(self._point.name), _ip_octets(frame_counts, link.header), now_ms, epoch)
        audit = Audit(epoch, epoch, frame_counts, frame_counts, link_header=link.header)
        return Harvest(since_ms, now_ms, readings=(reading,), audits={self._point.name: audit})

    def settle(self, receipt: Receipt) -> None:
        """Nothing is kept here: the counters run on."""

    def peek(self) -> Iterable[Delta]:
        return ()

    def statuses(self) -> Mapping[str, PointStatus]:
        return {self._point.name: self._status}

    def tend(self) -> None:
        """Nothing to do: each read looks for the interface anew."""

    def memory(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is held."""


def _ip_octets(frame_counts: Counts, header: int) -> Counts:
    return frame_counts._replace(
        octets_in=max(0, frame_counts.octets_in - header * frame_counts.packets_in),
        octets_out=max(0, frame_counts.octets_out - header * frame_counts.packets_out),
    )
