"""Usage that the service has counted and not written: what `Queries` adds to the ledger."""

from __future__ import annotations

from whitestat.core.model import Counts, Coverage, UsageKey
from whitestat.ledger.tables.unflushed import Unflushed
from whitestat.ledger.write.writer import Writer


class CountedUsage:
    """Memory of a service whose last flush is the writer's, with this usage since."""

    def __init__(self, writer: Writer, usage: dict[tuple[int, UsageKey], Counts]) -> None:
        self._writer, self._usage = writer, usage

    def unflushed(self, *, afresh: bool = False) -> Unflushed:
        coverage = {
            (at_s, key.point): Coverage(1_000, 0, 0, counts.octets) for (at_s, key), counts in self._usage.items()
        }
        return Unflushed(1, self._writer.sequence, 0, self._usage, coverage)
