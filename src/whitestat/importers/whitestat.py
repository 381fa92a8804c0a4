"""The databases of WhiteStat 1 to 11, opened so that nothing is ever written to them or beside them."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, tzinfo
from itertools import groupby
from pathlib import Path
from typing import Any

from whitestat.attribution.devices.names import ShownName, clean, stronger
from whitestat.attribution.maps import Maps
from whitestat.core.calendar import day_bounds
from whitestat.core.errors import ImportFault
from whitestat.core.model import Address, Counts, Mac
from whitestat.core.units import address_bytes, address_text, kb_octets, mac_bytes, mac_text, octets_text
from whitestat.importers.history import BadRows, HostDay, HostSummary, ImportedHistory, ImportedHost, device_mac
from whitestat.importers.whitestat_schema import StoredRow, names, statement

POINT = "whitestat import"
NO_MAPS = Maps()

_FIRST_YEAR = 1990
_TIME = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
_DATE = re.compile(rf"([0-9]{{4}})([-/.])([0-9]{{1,2}})\2([0-9]{{1,2}})(?:[ T]{_TIME})?")


def read(
    path: Path,
    zone: tzinfo,
    is_local: Callable[[Address], bool],
    maps: Maps = NO_MAPS,
    notices: tuple[str, ...] = (),
) -> ImportedHistory:
    """The whole database, read through once; ImportFault says where it broke.

    Rows of addresses that are not local show traffic of local ones from its other end: they are left out. The
    database's own word on that goes before `is_local`. `maps` are those of the map files beside it, and `notices`
    what is wrong with them.
    """
    old = _Database(path, zone, is_local, maps)
    hosts: dict[ImportedHost, HostSummary] = {}
    outside: dict[Address | None, int] = {}
    routers: set[Mac] = set()
    rows = 0
    bad = BadRows()
    for day, name, local in old.days(bad):
        if local:
            rows += 1
            hosts[day.host] = _sight(hosts.get(day.host), day, name, zone)
        else:
            outside[day.host.address] = outside.get(day.host.address, 0) + day.counts.octets
            routers.update([day.host.mac] if day.host.mac else ())
    if bad.count and not (rows or outside):
        raise ImportFault(f"{path}: {bad.first}; nothing is imported")
    left_out = (*notices, *bad.left_out(), *_left_out(outside))
    return ImportedHistory(POINT, rows, old.local_days, hosts, left_out, frozenset(routers))


class _Database:
    def __init__(self, path: Path, zone: tzinfo, is_local: Callable[[Address], bool], maps: Maps) -> None:
        self._path = path
        self._zone = zone
        self._is_local = is_local
        self._maps = maps

    def local_days(self) -> Iterator[HostDay]:
        return (day for day, _, local in self.days(BadRows()) if local)

    def days(self, bad: BadRows) -> Iterator[tuple[HostDay, ShownName | None, bool]]:
        """Each host once a day, oldest first, with its name then and whether it is local; `bad` gets what cannot be."""
        with _opened(self._path) as connection:
            try:
                sql, (by_mac, by_address) = statement(connection), names(connection)
            except ValueError as fault:
                raise ImportFault(f"{self._path}: {fault}") from None
            for _, same in groupby(map(StoredRow._make, self._rows(connection, sql)), key=_host_and_day):
                if rows := list(self._sound(same, bad)):
                    day, row = self._last(rows)
                    yield day, self._name(day, row, by_mac, by_address), self._local(row, day.host.address)

    def _rows(self, connection: sqlite3.Connection, sql: str) -> Iterator[Any]:
        return (row[: len(StoredRow._fields)] for row in connection.execute(sql))

    def _sound(self, rows: Iterable[StoredRow], bad: BadRows) -> Iterator[tuple[HostDay, StoredRow]]:
        for row in rows:
            try:
                yield self._day(row), row
            except ValueError as fault:
                bad.add(f"{row.table}, row {row.number}", str(fault))

    def _last(self, rows: list[tuple[HostDay, StoredRow]]) -> tuple[HostDay, StoredRow]:
        """Usage of a day only grows: of what stands twice in the table that counts the largest is the last."""
        table = rows[0][1].table
        return max((row for row in rows if row[1].table == table), key=lambda row: row[0].counts.octets)

    def _day(self, row: StoredRow) -> HostDay:
        address = address_bytes(str(row.ip).strip())
        host = ImportedHost(self._maps.mac(_mac(row.mac), address), address)
        return HostDay(_number(row.date), host, Counts(_octets(row.into), _octets(row.out)), self._seen(row.seen))

    def _name(
        self, day: HostDay, row: StoredRow, by_mac: dict[Any, Any], by_address: dict[Any, Any]
    ) -> ShownName | None:
        """What the map file calls it goes before what the database does, as version 5 had it."""
        mapped = self._maps.names.get(day.host.mac) if day.host.mac else None
        return ShownName(mapped, "user") if mapped else _name(row, by_mac, by_address)

    def _seen(self, text: Any) -> int | None:
        """v5's local text; None for anything else, as it is worth no fault."""
        try:
            return int(datetime.strptime(str(text), "%Y-%m-%d %H:%M:%S").replace(tzinfo=self._zone).timestamp())
        except ValueError:
            return None

    def _local(self, row: StoredRow, address: Address | None) -> bool:
        if row.local in (0, 1):
            return bool(row.local)
        return address is not None and self._is_local(address)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Read-only and immutable: SQLite then takes no lock, and makes no file beside it."""
    for suffix in ("-journal", "-wal"):
        beside = path.with_name(path.name + suffix)
        if beside.exists() and beside.stat().st_size:
            raise ImportFault(
                f"{path}: {beside.name} shows a write that was not finished; start and stop WhiteStat 5 once"
            )
    if not path.is_file():
        raise ImportFault(f"{path}: there is no such file")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.text_factory = lambda text: text.decode("utf-8", "replace")
            for key, function in (("plain_day", _plain_day), ("plain_host", _plain_host)):
                connection.create_function(key, 1, function, deterministic=True)
            fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if fault != "ok":
                raise ImportFault(f"{path}: the database is damaged: {' '.join(fault.split())}; nothing is imported")
            yield connection
    except sqlite3.Error as error:
        raise ImportFault(f"{path}: the database cannot be read: {error}; nothing is imported") from None


def _host_and_day(row: StoredRow) -> tuple[int, str, str]:
    return _plain_day(row.date), _plain_host(row.ip), _plain_host(row.mac)


def _number(text: Any) -> int:
    match = _DATE.fullmatch(str(text).strip())
    if not match:
        raise ValueError(f"DATE: not a date like 2021-01-30 00:00:00: {str(text)[:40]!r}")
    day = date(*map(int, match.group(1, 3, 4)))
    if day.year < _FIRST_YEAR:
        raise ValueError(f"DATE: of a clock that was not set: {str(text)[:40]!r}")
    return int(day.strftime("%Y%m%d"))


def _plain_day(text: Any) -> int:
    """YYYYMMDD however the date is written, 0 for what is none: rows of one day stand together."""
    try:
        return _number(text)
    except ValueError:
        return 0


def _plain_host(text: Any) -> str:
    """An address or a MAC as we write it, however it is written there; else the text."""
    plain = str(text).strip()
    try:
        return mac_text(mac_bytes(plain))
    except ValueError:
        pass
    try:
        return address_text(address_bytes(plain))
    except ValueError:
        return plain


def _octets(amount: Any) -> int:
    """SQLite keeps what is no number (NaN) as NULL."""
    if amount is None:
        return 0
    if not isinstance(amount, int | float) or not math.isfinite(amount):
        raise ValueError(f"not an amount of KB: {amount!r}")
    return kb_octets(amount)


def _mac(text: Any) -> Mac | None:
    """None for what is no device's, and for what a map file put there that is no MAC at all."""
    try:
        return device_mac(mac_bytes(str(text).strip()))
    except ValueError:
        return None


def _name(row: StoredRow, by_mac: dict[Any, Any], by_address: dict[Any, Any]) -> ShownName | None:
    if given := _cleaned(by_mac.get(row.mac)):
        return ShownName(given, "user")
    name = _cleaned(row.name) or _cleaned(by_address.get(row.ip))
    return ShownName(name.split(".", 1)[0], "dns") if name else None


def _cleaned(text: Any) -> str:
    """Without darkstat's own words, `(none)` and its like, and without MACs, which v5's map files gave for names."""
    name = clean(text) if isinstance(text, str) else ""
    return "" if name.startswith(("(", ".")) or _mac(name) else name


def _sight(known: HostSummary | None, day: HostDay, name: ShownName | None, zone: tzinfo) -> HostSummary:
    start_s, end_s = day_bounds(day.day, zone)
    seen_s = end_s - 1 if day.seen_s is None else min(max(day.seen_s, start_s), end_s - 1)
    if known is None:
        return HostSummary(name, start_s, seen_s)
    latest = name if name and stronger(name, known.name) else known.name
    return HostSummary(latest, min(start_s, known.first_s), max(seen_s, known.last_s))


def _left_out(outside: dict[Address | None, int]) -> tuple[str, ...]:
    if not outside:
        return ()
    octets = octets_text(sum(outside.values()))
    return (f"{len(outside)} addresses that are not local, the other end of the same traffic ({octets})",)
