"""Octets of a ledger by remote service."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.support.flushes import STOCKHOLM
from whitestat.ledger.files.database import open_for_reading
from whitestat.ledger.tables import details
from whitestat.ledger.tables.details import DetailKind


def stored(path: Path, kind: DetailKind, start_s: int, end_s: int) -> dict[tuple[object, ...], int]:
    """Octets by what they are about, over a span, as a reader sees them."""
    sums: Counter[tuple[object, ...]] = Counter()
    with closing(open_for_reading(path)) as connection:
        tail = details.DetailTail(connection, STOCKHOLM)
        tail.follow()
        kept = details.kept(connection, STOCKHOLM, kind)
        span = kept.floor(start_s, STOCKHOLM), kept.ceiling(end_s, STOCKHOLM)
        for part in details.parts(kept, span, STOCKHOLM):
            columns = ", ".join(kind.columns)
            rows = connection.execute(
                f"""SELECT {columns}, octets_in + octets_out + octets_unsplit FROM {part.table}
                    WHERE bucket >= ? AND bucket < ?""",
                (part.piece.low, part.piece.high),
            )
            for *about, octets in rows:
                sums[tuple(about)] += octets
    return dict(sums)
