"""What dalla-stats logged of a TP-Link router: one CSV for each device, `Time, Total Bytes, Delta, On-Peak, Off-Peak`.

`Time` is UTC seconds; `On-Peak` and `Off-Peak` are octets up and down together since a month's log began, so what
the two grew by is the usage between two rows. `Delta` is that too in logs up to version 0.1, and of the last poll alone
in 0.2, which polls each second and logs each minute. What it wrote wrongly is known: the first row of a log bills all
that the router's counter held by then, and addresses below 128 stand there shifted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import tzinfo
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from whitestat.core.calendar import day_of
from whitestat.core.errors import ImportFault
from whitestat.core.model import Address, Counts
from whitestat.core.units import address_bytes, mac_bytes, octets_text
from whitestat.importers.history import BadRows, HostDay, HostSummary, ImportedHistory, ImportedHost, device_mac
from whitestat.importers.lines import lines
from whitestat.importers.source import ImportSource

POINT = "dalla-stats import"
FILES_MAX = 20_000
LINE_MAX = 200
FIRST_S, LAST_S = 1_262_304_000, 7_258_118_400
"""2010, before which there was no dalla-stats, to 2200."""
_HEADER = ["time", "total bytes", "delta", "on-peak", "off-peak"]
_NAME = re.compile(r"((?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2})_([0-9.]{7,15})\.csv")
_UNKNOWN = -9_999_999_999
"""Placeholder of an unknown value."""


class LogRow(NamedTuple):
    at_s: int
    total: int
    delta: int
    peaks: int
    """On-peak and off-peak together."""


class _Log:
    """What is gathered of all files: octets by day and host, and what is left out."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self.days: dict[tuple[int, ImportedHost], tuple[int, int]] = {}
        self.hosts: dict[ImportedHost, HostSummary] = {}
        self._last: dict[ImportedHost, LogRow] = {}
        self.bad = BadRows()
        self.rows = 0
        self.first_octets = 0
        self.repeated = 0
        self.differing = 0
        self.cut: list[str] = []

    def take(self, host: ImportedHost, row: LogRow, *, begins: bool) -> None:
        """A row of the host's; `begins` is true for the first of a file."""
        before = self._last.get(host)
        if before and row.at_s <= before.at_s:
            self.repeated += 1
            return
        self._last[host] = row
        sight = self.hosts.get(host)
        self.hosts[host] = HostSummary(None, sight.first_s if sight else row.at_s, row.at_s)
        octets = self._octets(before, row, begins=begins)
        if octets > 0:
            key = day_of(row.at_s, self._zone), host
            self.days[key] = self.days.get(key, (0, 0))[0] + octets, row.at_s

    def _octets(self, before: LogRow | None, row: LogRow, *, begins: bool) -> int:
        """What passed since the row before.

        A log that begins, or begins again within a file since its cache was lost, knew nothing of what was before:
        its peaks then hold the router's whole counter, or nothing.
        """
        if before is None:
            self.first_octets += row.peaks
            return 0
        if begins or row.peaks < before.peaks or row.peaks == row.total >= before.total:
            octets = max(0, row.total - before.total)
            self.first_octets += max(0, row.peaks - octets) if begins else 0
            return octets
        self.differing += row.delta > row.peaks - before.peaks
        return row.peaks - before.peaks


def read_source(source: ImportSource) -> ImportedHistory:
    """Return `read` of the source's folder."""
    return read(source.path, source.zone, source.is_local, source.now_s)


def read(path: Path, zone: tzinfo, is_local: Callable[[Address], bool], now_s: int = LAST_S) -> ImportedHistory:
    """A folder with `devices` in it, or one with such folders (a month each); rows after `now_s` are left out.

    ImportFault names the file, and the line where no line of them all can be read.
    """
    log = _Log(zone)
    for file in _files(path):
        try:
            host = _host(file, is_local)
        except ValueError as fault:
            log.bad.add(str(file), str(fault))
            continue
        for at, row in enumerate(_rows(file, log.bad, log.cut, now_s)):
            log.rows += 1
            log.take(host, row, begins=at == 0)
    if log.bad.count and not log.rows:
        raise ImportFault(f"{log.bad.first}; nothing is imported")
    days = [HostDay(day, host, Counts(octets_unsplit=octets), at_s) for (day, host), (octets, at_s) in log.days.items()]
    days.sort(key=lambda summary: summary.day)
    return ImportedHistory(POINT, len(days), lambda: iter(days), log.hosts, tuple(_left_out(log)))


def _host(file: Path, is_local: Callable[[Address], bool]) -> ImportedHost:
    named = _NAME.fullmatch(file.name)
    if named is None:
        raise ValueError("not a log of a device, which is called MAC_IP.csv")
    return ImportedHost(device_mac(mac_bytes(named[1])), _address(named[2], is_local))


def _files(path: Path) -> list[Path]:
    """The logs of devices, oldest folder first; those of users and of all are sums of them."""
    if not path.is_dir():
        raise ImportFault(f"{path}: there is no such folder")
    folders = [path / "devices", *sorted(folder / "devices" for folder in path.iterdir() if folder.is_dir())]
    files = [file for folder in folders if folder.is_dir() for file in sorted(folder.glob("*.csv"))]
    if not files:
        raise ImportFault(f"{path}: there is no folder 'devices' with logs in it, nor in the folders of it")
    if len(files) > FILES_MAX:
        raise ImportFault(f"{path}: more than {FILES_MAX} logs")
    return files


def _rows(file: Path, bad: BadRows, cut: list[str], now_s: int) -> Iterator[LogRow]:
    try:
        with file.open("rb") as opened:
            for line in lines(opened, LINE_MAX):
                if line.number == 1 and _is_header(line.text):
                    continue
                if not line.ended:
                    cut.append(file.name)
                elif row := _row(line.text, now_s):
                    yield row
                else:
                    bad.add(f"{file}, line {line.number}", f"not a row of such a log: {(line.text or '')[:60]!r}")
    except OSError as error:
        raise ImportFault(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}") from None


def _is_header(text: str | None) -> bool:
    return [cell.strip().lower() for cell in (text or "").split(",")] == _HEADER


def _row(text: str | None, now_s: int) -> LogRow | None:
    """None for what is no row, or of a time that cannot be."""
    cells = [cell.strip() for cell in (text or "").split(",")]
    if len(cells) != 5 or not all(re.fullmatch("-?[0-9]{1,18}", cell) for cell in cells):
        return None
    at_s, total, delta, on_peak, off_peak = map(int, cells)
    if not FIRST_S <= at_s <= now_s or min(total, on_peak, off_peak) < 0 or delta < _UNKNOWN:
        return None
    return LogRow(at_s, total, delta, on_peak + off_peak)


def _address(text: str, is_local: Callable[[Address], bool]) -> Address:
    """As it was: dalla-stats cut the number into octets from its left end, so 10.0.0.5 stands there as 160.0.0.5."""
    address = address_bytes(text)
    if is_local(address):
        return address
    head, last = int(IPv4Address(text)) >> 8, int(IPv4Address(text)) & 0xFF
    for lost in range(1, 8):
        if last < 1 << (8 - lost):
            right = address_bytes(str(IPv4Address(head << (8 - lost) | last)))
            if is_local(right):
                return right
    return address


def _left_out(log: _Log) -> Iterator[str]:
    yield from log.bad.left_out()
    if log.first_octets:
        yield (
            f"{octets_text(log.first_octets)} that devices had on the router's counters when a log began: "
            "they are of the time before"
        )
    if log.repeated:
        yield f"{log.repeated} rows that are not later than the one before of their device"
    if log.differing:
        yield (
            f"the Delta of {log.differing} rows, which is more than On-Peak and Off-Peak grew by: "
            "what the two grew by is taken"
        )
    for name in log.cut[:10]:
        yield f"the last line of {name}, which is cut off"
