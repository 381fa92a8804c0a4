"""State of the ledger from before, read when its writer starts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from whitestat.core.model import Audit, Episode, Point
from whitestat.ledger.tables.flush import DeviceRecord, LedgerState
from whitestat.ledger.tables.rows import audit_of, reading_of

_READINGS = """SELECT p.name, mac, address, peer_mac, peer, protocol, service, vlan, octets_in, octets_out,
    packets_in, packets_out, octets_unsplit, at_ms, epoch, width
    FROM reading r JOIN point p ON p.id = r.point"""
_RECEIPTS = "SELECT meter, epoch FROM receipt"
_AUDITS = "SELECT p.name, a.content FROM audit a JOIN point p ON p.id = a.point"


def state_of(connection: sqlite3.Connection) -> LedgerState:
    """Readings, devices and points as of the last entry that is folded."""
    return LedgerState(
        readings=tuple(map(reading_of, connection.execute(_READINGS))),
        audits=dict(_audits(connection)),
        receipts=receipts(connection),
        devices=tuple(DeviceRecord(*row) for row in _rows(connection, "device", DeviceRecord.__slots__)),
        episodes=tuple(Episode(*row) for row in _rows(connection, "episode", Episode.__slots__)),
        points=tuple(
            Point(name, collector, interface, bool(counts))
            for name, collector, interface, counts in _rows(connection, "point", Point.__slots__)
        ),
    )


def receipts(connection: sqlite3.Connection) -> dict[str, int]:
    """The last epoch that is booked, by meter."""
    return dict(connection.execute(_RECEIPTS))


def _audits(connection: sqlite3.Connection) -> Iterator[tuple[str, Audit]]:
    for name, content in connection.execute(_AUDITS):
        audit = audit_of(content)
        if audit is not None:
            yield name, audit


def _rows(connection: sqlite3.Connection, table: str, columns: Iterable[str]) -> sqlite3.Cursor:
    return connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id")  # noqa: S608 - words of this module
