"""State of the reads of one collector, in a thread, so that a meter without an answer delays no other."""

from __future__ import annotations

from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass

from whitestat.collectors import Collector
from whitestat.core.errors import CollectorError
from whitestat.core.model import PointState, PointStatus, ReadResult, Receipt


@dataclass(slots=True)
class PollSpan:
    """Span of a read, instants in UTC milliseconds; `ticks_ms` is its start by the monotonic clock."""

    since_ms: int
    now_ms: int
    observed_ms: int
    ticks_ms: int


class PollState:
    """Where one collector stands: when it was last read, whether a read is under way, why the last one failed.

    One thread at a time deals with a collector: while a read is under way (`busy`) it is left alone.
    """

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.read_ms: int | None = None
        """By the monotonic clock; None before the first harvest."""
        self.begun_ms: int | None = None
        self.failure: str | None = None
        self.receipt: Receipt | None = None
        self._reading: tuple[Future[ReadResult], PollSpan] | None = None

    @property
    def name(self) -> str:
        return ", ".join(point.name for point in self.collector.points)

    @property
    def busy(self) -> bool:
        return self._reading is not None

    def points(self) -> list[dict[str, object]]:
        """The collector's points with their state, as the health report has them."""
        statuses = self.collector.statuses()
        rows: list[dict[str, object]] = []
        for point in self.collector.points:
            status = statuses.get(point.name, PointStatus(PointState.STARTING))
            if self.failure:
                status = PointStatus(PointState.FAILED, self.failure)
            rows.append(
                {
                    "point": point.name,
                    "collector": point.collector,
                    "interface": point.interface,
                    "counts": point.counts,
                    "state": str(status.state),
                    "notice": status.notice,
                }
            )
        return rows

    def begin(self, span: PollSpan, threads: Executor) -> None:
        """Begin a read, unless the last one still runs."""
        if self._reading is None:
            self._reading = threads.submit(self.collector.read, span.since_ms, span.now_ms), span

    def end(self, limit_s: float) -> tuple[ReadResult, PollSpan]:
        """What the read yielded and for which span.

        Raises what the read raised, and CollectorError when it has not ended after `limit_s`.
        """
        if self._reading is None:
            raise CollectorError("was not read")
        reading, span = self._reading
        wait((reading,), limit_s)
        if not reading.done():
            raise CollectorError("does not answer; what it holds is booked when it does")
        self._reading = None
        return reading.result(), span
