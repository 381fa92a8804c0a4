"""The kernel's own interface counters: the referee, and what is left without privileges."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from whitestat.collectors.links import (
    boot_id,
    counters,
    default_interface,
    frames,
    kernel_width,
    links,
)
from whitestat.collectors.presence import Newcomers
from whitestat.counters import delta
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
        self._width = 64
        self._newcomers = Newcomers()
        self._index: int | None = None
        self._begun = Counts()
        self._last: CounterReading | None = None
        self._status = PointStatus(PointState.STARTING)

    @property
    def points(self) -> tuple[Point, ...]:
        return (self._point,)

    def open(self, booked: Mapping[str, int]) -> None:
        self._boot = boot_id()
        self._width = kernel_width()
        self._outward = default_interface() in (None, self._point.interface)

    def read(self, since_ms: int, now_ms: int) -> Harvest:
        """The counters now, as running readings; empty while the interface is away."""
        known = links()
        link = known.get(str(self._point.interface))
        seen = counters().get(str(self._point.interface))
        if link is None or seen is None:
            self._index = None
            self._newcomers.look(each.index for each in known.values())
            self._status = PointStatus(PointState.WAITING, f"interface {self._point.interface} is not there")
            return Harvest(since_ms, now_ms)
        self._status = PointStatus(PointState.OK, self._notice)
        epoch = f"{self._boot}:{link.index}"
        frame_counts = frames(link, seen)
        if not self._outward:
            frame_counts = frame_counts.turned()
        if link.index != self._index:
            self._index = link.index
            self._begun = frame_counts if self._newcomers.had_another_name(link.index) else Counts()
        self._newcomers.look(each.index for each in known.values())
        carried, begun = (_ip_octets(each, link.header, self._width) for each in (frame_counts, self._begun))
        reading = CounterReading(FlowKey(self._point.name), carried, now_ms, epoch, self._width, begun)
        self._last = reading
        audit = Audit(epoch, epoch, frame_counts, frame_counts, link_header=link.header, frames_foreign=self._begun)
        return Harvest(since_ms, now_ms, readings=(reading,), audits={self._point.name: audit})

    def settle(self, receipt: Receipt) -> None:
        """Nothing is kept here: the counters run on."""

    def halt(self) -> None:
        """Nothing to do: the counters are not ours."""

    def peek(self) -> Iterable[Delta]:
        """What the interface carried since the last reading, which alone is booked."""
        last, name = self._last, str(self._point.interface)
        link, seen = links().get(name), counters().get(name)
        if last is None or link is None or seen is None or last.epoch != f"{self._boot}:{link.index}":
            return ()
        frame_counts = frames(link, seen)
        carried = _ip_octets(frame_counts if self._outward else frame_counts.turned(), link.header, self._width)
        found = delta(last, last._replace(counts=carried, at_ms=time.time_ns() // 1_000_000))
        return (found,) if found and found.counts.octets else ()

    def statuses(self) -> Mapping[str, PointStatus]:
        return {self._point.name: self._status}

    def tend(self) -> None:
        """Nothing to do: each read looks for the interface anew."""

    def memory(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is held."""


def _ip_octets(frame_counts: Counts, header: int, width: int) -> Counts:
    """A counter of 32 bits begins again when it is full, and octets may then be less than their headers."""
    octets_in = frame_counts.octets_in - header * frame_counts.packets_in
    octets_out = frame_counts.octets_out - header * frame_counts.packets_out
    if width == 32:
        return frame_counts._replace(octets_in=octets_in % (1 << 32), octets_out=octets_out % (1 << 32))
    return frame_counts._replace(octets_in=max(0, octets_in), octets_out=max(0, octets_out))
