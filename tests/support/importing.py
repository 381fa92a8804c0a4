"""A folder with a configuration, an empty ledger and old data."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.support.old_databases import OldDatabase
from whitestat.app.main import run_command
from whitestat.core.calendar import instant_text, parse_instant
from whitestat.core.model import Counts, Episode, Scope, UsageKey
from whitestat.core.units import mac_bytes
from whitestat.ledger.read.queries import Queries, TimeStep, UsageQuery
from whitestat.ledger.write.writer import DeviceRecord, Flush, Writer

ZONE = ZoneInfo("Europe/Stockholm")
A, B = "02:00:5e:00:00:0a", "02:00:5e:00:00:0b"
FIXTURES = Path(__file__).parents[1] / "fixtures"


class Home:
    """A folder with a configuration, a ledger to be, and old data."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "ledger" / "whitestat.db"
        self.config = folder / "whitestat.toml"
        self.config.write_text(f'timezone = "Europe/Stockholm"\n[store]\npath = "{self.store}"\n')
        self.old = OldDatabase(folder / "WhiteStat.db")
        (folder / "ledger").mkdir()

    def run(self, *arguments: str | Path) -> int:
        return run_command(["import", *map(str, arguments), "--config", str(self.config)])

    def days(self) -> dict[tuple[str, str | None], Counts]:
        """Everything in the ledger, by day and device."""
        start_s, end_s = parse_instant("2020-01-01", ZONE), parse_instant("2027-01-01", ZONE)
        with closing(Queries(self.store, ZONE)) as queries:
            rows = queries.usage(UsageQuery(start_s, end_s, TimeStep.DAY))
        return {
            (instant_text(row.start_s, ZONE)[:10], row.device and (row.device.name or row.device.mac)): row.counts
            for row in rows
        }

    def count(self, at: str, counts: Counts, mac: str = A) -> None:
        """Usage that a meter of our own counted."""
        at_s = parse_instant(at, ZONE)
        with closing(Writer(self.store, ZONE)) as writer:
            writer.commit(
                Flush(
                    usage={(at_s, UsageKey(1, "lan", Scope.WAN)): counts},
                    devices=[DeviceRecord(1, "phone", "config")],
                    episodes=[Episode(1, 1, mac_bytes(mac), None, at_s * 1000)],
                )
            )
