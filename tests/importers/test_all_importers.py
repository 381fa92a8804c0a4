"""What holds for every importer: the dry run's sums are what is booked, and a second import books nothing.

Zones are those in which a date was skipped, hours come twice, days begin at one o'clock, or an offset has seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.darkstat_export import bars
from tests.support.old_databases import OldDatabase
from whitestat.app.commands import importing
from whitestat.app.main import run_command
from whitestat.attribution.locality import PRIVATE, Locality
from whitestat.core.calendar import day_bounds, day_of, parse_instant
from whitestat.core.model import Counts
from whitestat.importers.plan import plan
from whitestat.ledger.read.queries import Queries, TimeStep, UsageQuery

A, B = "02:00:5e:00:00:0a", "02:00:5e:00:00:0b"
DALLA_HEAD = "Time, Total Bytes, Delta, On-Peak, Off-Peak\n"

AROUND = {
    "Europe/Stockholm": date(2021, 10, 31),  # 02:00 comes twice
    "America/Sao_Paulo": date(2018, 11, 4),  # the day begins at one o'clock
    "America/St_Johns": date(2010, 11, 7),  # clocks go back from 00:01 to 23:01
    "Australia/Lord_Howe": date(2021, 4, 4),  # by half an hour
    "Pacific/Apia": date(2011, 12, 30),  # there was none
    "Pacific/Kwajalein": date(1993, 8, 21),
    "Pacific/Kiritimati": date(1994, 12, 31),
    "Africa/Monrovia": date(1972, 1, 7),  # 44 min 30 s behind until then
}
"""A zone and a day in it."""


def span(day: date) -> list[date]:
    return [day + timedelta(days=at) for at in range(-3, 4)]


def vnstat(folder: Path, zone: ZoneInfo, day: date) -> Path:
    def when(of: date) -> dict[str, int]:
        return {"year": of.year, "month": of.month, "day": of.day}

    rows = [{"date": when(each), "rx": 100 + at, "tx": 7} for at, each in enumerate(span(day))]
    rows += [{"date": {"year": 1970, "month": 1, "day": 1}, "rx": 5, "tx": 5}]
    rows += [{"date": {"year": 2027, "month": 1, "day": 1}, "rx": 1 << 62, "tx": 5}]
    months = sorted({each.replace(day=1) for each in span(day)})
    whole = [{"date": {"year": of.year, "month": of.month}, "rx": 50_000, "tx": 9_000} for of in months]
    interface = {"name": "eth0", "created": {"date": when(months[0])}, "updated": {"date": when(span(day)[-1])}}
    traffic = {"day": rows, "month": whole, "year": []}
    document = {"jsonversion": "2", "interfaces": [{**interface, "traffic": traffic}]}
    file = folder / "vnstat.json"
    file.write_text(json.dumps(document))
    return file


def whitestat(folder: Path, zone: ZoneInfo, day: date) -> Path:
    old = OldDatabase(folder / "WhiteStat.db", "v5")
    for at, each in enumerate(span(day)):
        for number, mac in enumerate((A, B, "00:00:00:00:00:00")):
            old.add("usagehistory", f"192.168.1.{10 + number}", mac, f"{each}", 10.25 * at, 1.01)
    old.add("dailyusage", "192.168.1.10", A.upper(), f"{day}", 99.0, 1.0, LastSeen=f"{day} 23:59:59")
    old.add("dailyusage", "192.168.1.10", A, "1970-01-01", 99.0, 1.0)
    old.add("dailyusage", "192.168.1.10", A, "2027-01-01", 99.0, 1.0)
    old.add("dailyusage", "192.168.1.10", A, "no day", 99.0, 1.0)
    return old.path


def instants(zone: ZoneInfo, day: date) -> list[int]:
    """Every 50 minutes of the days."""
    first, last = (day_bounds(int(f"{each:%Y%m%d}"), zone)[0] for each in (span(day)[0], span(day)[-1]))
    return list(range(first, last, 3000))


def dalla_stats(folder: Path, zone: ZoneInfo, day: date) -> Path:
    logs = folder / "logs" / "devices"
    logs.mkdir(parents=True)
    for number, mac in enumerate((A, B)):
        rows = [f"{at}, {1000 + n * 9}, 1, {n * 9}, 0\n" for n, at in enumerate(instants(zone, day))]
        rows += ["\0" * 900 + "\n", "4102444800, 5000, 1, 5000, 0\n", "5, 5, 5, 5, 0\n"]
        (logs / f"{mac.replace(':', '-')}_192.168.1.{10 + number}.csv").write_text(DALLA_HEAD + "".join(rows))
    return folder / "logs"


def traffic(folder: Path, zone: ZoneInfo, day: date) -> Path:
    def wall_ms(at_s: int) -> int:
        wall = datetime.fromtimestamp(at_s, zone).replace(tzinfo=UTC)
        return int(wall.timestamp()) * 1000

    rows = [f"{n * 2}.0,{n * 5}.0,{wall_ms(at)}\n" for n, at in enumerate(instants(zone, day))]
    file = folder / "B593.csv"
    file.write_text("uplink,downlink,time\n" + "".join(rows) + "\0" * 30 + "\n1,1,5\n1,1,4102444800000\n")
    return file


def darkstat_log(folder: Path, zone: ZoneInfo, day: date) -> Path:
    lines = [f"{each} 23:59:59 +0000|1|{50 + at}|6|5|4\n" for at, each in enumerate(span(day))]
    file = folder / "day.log"
    file.write_text("# logging started\n" + "".join(lines) + "1970-01-01 00:00:00 +0000|1|9|9|9|9\n\0\0\n")
    return file


def darkstat_export(folder: Path, zone: ZoneInfo, day: date) -> Path:
    last_s = day_bounds(int(f"{span(day)[-1]:%Y%m%d}"), zone)[0] + 40_000
    pos = datetime.fromtimestamp(last_s, zone).day - 1
    days = {each.day - 1: 10 + at for at, each in enumerate(span(day))}
    graphs = bars(60, 0, {}) + bars(60, 0, {}) + bars(24, 0, {}) + bars(31, pos, days)
    content = b"\xda1AY\xdaHS\x01" + bytes(4) + b"\xdaGR\x01" + last_s.to_bytes(8, "big") + graphs
    file = folder / "darkstat.db"
    file.write_bytes(content)
    return file


Maker = Callable[[Path, ZoneInfo, date], Path]
SOURCES: dict[str, tuple[str, Maker]] = {
    "whitestat": ("whitestat", whitestat),
    "vnstat": ("vnstat", vnstat),
    "dalla-stats": ("dalla-stats", dalla_stats),
    "traffic": ("traffic", traffic),
    "darkstat log": ("darkstat", darkstat_log),
    "darkstat export": ("darkstat", darkstat_export),
}


class Ledger:
    def __init__(self, folder: Path, zone: ZoneInfo) -> None:
        self.zone, self.store, self.config = zone, folder / "ledger" / "whitestat.db", folder / "whitestat.toml"
        self.store.parent.mkdir()
        self.config.write_text(f'timezone = "{zone.key}"\n[store]\npath = "{self.store}"\n')

    def run(self, program: str, file: Path, *words: str) -> None:
        assert run_command(["import", program, str(file), *words, "--config", str(self.config)]) == 0

    def days(self) -> dict[tuple[int, int], Counts]:
        """What there is by day and device (0: unattributed)."""
        start_s, end_s = parse_instant("1971-01-01", self.zone), parse_instant("2030-01-01", self.zone)
        with closing(Queries(self.store, self.zone)) as queries:
            rows = queries.usage(UsageQuery(start_s, end_s, TimeStep.DAY))
        days: dict[tuple[int, int], Counts] = {}
        for row in rows:
            key = day_of(row.start_s, self.zone), row.device.id if row.device else 0
            days[key] = days.get(key, Counts()).plus(row.counts)
        return days


def planned(program: str, file: Path, ledger: Ledger) -> dict[int, Counts]:
    home = importing.ImportTarget(
        ledger.store, ledger.zone, Locality(PRIVATE), parse_instant("2026-12-01T20:00", ledger.zone)
    )
    return plan(importing.read(program, file, home), None, zone=ledger.zone, now_s=home.now_s).by_device()


def table(text: str) -> list[str]:
    """The lines of a report with figures in them, whether it booked them or would."""
    changed = text.replace("Would be booked", "Booked").replace("Devices that would be new", "New devices")
    return changed.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("zone", AROUND)
@pytest.mark.parametrize("source", SOURCES)
def test_the_dry_run_says_what_is_booked_and_a_second_import_books_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, zone: str
) -> None:
    program, make = SOURCES[source]
    day, ledger = AROUND[zone], Ledger(tmp_path, ZoneInfo(zone))
    if day.year < 1990 or (program in ("dalla-stats", "traffic") and day.year < 2011):
        day = date(2021, 10, 31)  # nothing is taken of before the program was; the zone stays
    file = make(tmp_path, ledger.zone, day)
    ledger.run(program, file, "--dry-run")
    shown = capsys.readouterr().out
    sums = planned(program, file, ledger)
    ledger.run(program, file)
    booked = capsys.readouterr().out
    assert table(shown) == table(booked) and "Booked: " in booked
    days = ledger.days()
    devices = {device: Counts() for _, device in days}
    for (_, device), counts in days.items():
        devices[device] = devices[device].plus(counts)
    assert devices == sums and all(counts.octets for counts in sums.values())
    for _ in range(2):
        ledger.run(program, file)
        assert "Nothing to book" in capsys.readouterr().out
        assert ledger.days() == days
