"""The kernel's own interface counters: the referee, and what is left without privileges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from whitestat.collectors import CollectorFacts
from whitestat.collectors.links import NetworkInterface, boot_id, counters, default_interface, frames, links
from whitestat.collectors.presence import NewInterfaces, indexes
from whitestat.collectors.settings import PointSettings
from whitestat.core.counters import grown
from whitestat.core.model import Audit, Counts, Delta, FlowKey, Point, PointState, PointStatus, ReadResult, Receipt

UNSEEN = "totals only: interface counters do not show single devices"


class InterfaceCollector:
    """Totals of one interface from `/proc/net/dev`; needs no privilege.

    There is no meter beside the interface's counter, so a harvest is an audit alone, and all that the interface
    carried is unattributed. The ledger's audit is where the next process goes on from, whatever it meters with. The
    interface's in is the network's out on a gateway's LAN, so the view is turned there; not on the interface of the
    default route.
    """

    def __init__(self, point: Point, *, notice: str = UNSEEN) -> None:
        self._point = point
        self._interface = str(point.interface)
        self._notice = notice
        self._outward = True
        self._boot = ""
        self._newcomers = NewInterfaces()
        self._link: NetworkInterface | None = None
        self._foreign = Counts()
        self._told = self._last = Counts()  # frames of this interface: what an audit has, and what was seen since
        self._gone: Counts | None = None  # frames of interfaces that are gone, which no audit has
        self._status = PointStatus(PointState.STARTING)

    @property
    def points(self) -> tuple[Point, ...]:
        return (self._point,)

    def open(self, booked: Mapping[str, int]) -> None:
        self._boot = boot_id()
        self._outward = default_interface() in (None, self._interface)

    def read(self, since_ms: int, now_ms: int) -> ReadResult:
        """The counter now, and what interfaces that are gone carried since the last read."""
        self._look(links())
        audit, link = Audit("", "", Counts(), frames_gone=self._gone), self._link
        if link:
            audit = audit._replace(epoch=f"{self._boot}:{link.index}", frames_interface=self._last)
            audit = audit._replace(link_header=link.header, frames_foreign=self._foreign)
            self._told = self._last
        is_news = link is not None or self._gone is not None
        self._gone = None
        audits = {self._point.name: audit if self._outward else audit.turned()} if is_news else {}
        return ReadResult(since_ms, now_ms, audits=audits)

    def _look(self, known: Mapping[str, NetworkInterface]) -> None:
        """Take the counter of the interface, if it is the one it was; else note that that is gone."""
        link, seen = known.get(self._interface), counters().get(self._interface)
        if link is None or seen is None:
            link = None
            self._status = PointStatus(PointState.WAITING, f"interface {self._interface} is not there")
        else:
            self._status = PointStatus(PointState.OK, self._notice)
        if self._link and (link is None or link.index != self._link.index):
            self._gone = (self._gone or Counts()).plus(grown(self._told, self._last))
        if link and seen:
            self._last = frames(link, seen)
            if self._link is None or link.index != self._link.index:
                self._foreign = self._last if self._newcomers.had_another_name(link.index) else Counts()
                self._told = self._foreign
        self._link = link
        self._newcomers.look(link.index for link in known.values())

    def acknowledge(self, receipt: Receipt) -> None:
        """Nothing is kept here: the counters run on."""

    def halt(self) -> None:
        """Nothing to do: the counters are not ours."""

    def peek(self) -> Iterable[Delta]:
        """What the interface carried since the last read, which alone is booked."""
        link, seen = self._link, counters().get(self._interface)
        if link is None or seen is None or indexes().get(self._interface) != link.index:
            return ()
        passed = grown(self._told, frames(link, seen))
        carried = Counts(
            max(0, passed.octets_in - link.header * passed.packets_in),
            max(0, passed.octets_out - link.header * passed.packets_out),
            passed.packets_in,
            passed.packets_out,
        )
        if not carried.octets:
            return ()
        return (Delta(FlowKey(self._point.name), carried if self._outward else carried.turned(), 0, 0),)

    def statuses(self) -> Mapping[str, PointStatus]:
        return {self._point.name: self._status}

    def facts(self) -> CollectorFacts:
        return CollectorFacts("interface totals")

    def maintain(self) -> None:
        """What the interface had when it was last there is all that can be known of it once it is gone."""
        link = self._link
        if link is None or indexes().get(self._interface) != link.index:
            self._look(links())
        else:
            seen = counters().get(self._interface)
            self._last = frames(link, seen) if seen else self._last

    def memory(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is held."""


def build(settings: PointSettings) -> InterfaceCollector:
    return InterfaceCollector(settings.point)
