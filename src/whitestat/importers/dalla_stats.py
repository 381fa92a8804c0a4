"""What dalla-stats logged of a TP-Link router: one CSV for each device, `Time, Total Bytes, Delta, On-Peak, Off-Peak`.

`Time` is UTC seconds, `Delta` octets up and down together since the row before. What it wrote wrongly is known: the
first row of a log bills all that the router's counter held by then, and addresses below 128 stand there shifted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import tzinfo
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from whitestat.errors import ImportFault
from whitestat.importers.history import History, Host, HostDay, Sight, device_mac
from whitestat.model import Address, Counts
from whitestat.periods import day_of
from whitestat.units import address_bytes, mac_bytes, octets_text

POINT = "dalla-stats import"
FILES_MAX = 20_000
LINE_MAX = 200
FIRST_S, LAST_S = 1_262_304_000, 7_258_118_400
"""2010, before which there was no dalla-stats, to 2200."""
_HEADER = ["time", "total bytes", "delta", "on-peak", "off-peak"]
_NAME = re.compile(r"((?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2})_([0-9.]{7,15})\.csv")
_UNKNOWN = -9_999_999_999
"""What it wrote where it did not know."""


class Row(NamedTuple):
    at_s: int
    total: int
    delta: int


class _Log:
    """What is gathered of all files: octets by day and host, and what is left out."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self.days: dict[tuple[int, Host], tuple[int, int]] = {}
        self.hosts: dict[Host, Sight] = {}
        self._last: dict[Host, Row] = {}
        self.first_octets = 0
        self.repeated = 0
        self.cut: list[str] = []

    def take(self, host: Host, row: Row, *, begins: bool) -> None:
        """A row of the host's; `begins` is true for the first of a file."""
        before = self._last.get(host)
        if before and row.at_s <= before.at_s:
            self.repeated += 1
            return
        self._last[host] = row
        sight = self.hosts.get(host)
        self.hosts[host] = Sight(None, sight.first_s if sight else row.at_s, row.at_s)
        octets = row.delta
        if begins:  # of a new log, which knew nothing of an older one
            octets = max(0, row.total - before.total) if before else 0
            self.first_octets += max(0, row.delta) - octets
        if octets > 0:
            key = day_of(row.at_s, self._zone), host
            self.days[key] = self.days.get(key, (0, 0))[0] + octets, row.at_s


def read(path: Path, zone: tzinfo, is_local: Callable[[Address], bool]) -> History:
    """A folder with `devices` in it, or one with such folders (a month each); ImportFault names file and line."""
    log = _Log(zone)
    for file in _files(path):
        named = _NAME.fullmatch(file.name)
        if named is None:
            raise ImportFault(f"{file}: not a log of a device, which is called MAC_IP.csv; nothing is imported")
        mac = device_mac(mac_bytes(named[1]))
        host = Host(mac, _address(file, named[2], is_local))
        for number, row in enumerate(_rows(file, log)):
            log.take(host, row, begins=number == 0)
    days = [HostDay(day, host, Counts(octets_unsplit=octets), at_s) for (day, host), (octets, at_s) in log.days.items()]
    days.sort(key=lambda each: each.day)
    return History(POINT, len(days), lambda: iter(days), log.hosts, tuple(_left_out(log)))


def _files(path: Path) -> list[Path]:
    """The logs of devices, oldest folder first; those of users and of all are sums of them."""
    if not path.is_dir():
        raise ImportFault(f"{path}: there is no such folder")
    folders = [path / "devices", *sorted(each / "devices" for each in path.iterdir() if each.is_dir())]
    files = [file for folder in folders if folder.is_dir() for file in sorted(folder.glob("*.csv"))]
    if not files:
        raise ImportFault(f"{path}: there is no folder 'devices' with logs in it, nor in the folders of it")
    if len(files) > FILES_MAX:
        raise ImportFault(f"{path}: more than {FILES_MAX} logs")
    return files


def _rows(file: Path, log: _Log) -> Iterator[Row]:
    try:
        with file.open("rb") as opened:
            number = 0
            while line := opened.readline(LINE_MAX + 1):
                number += 1
                if not line.endswith(b"\n"):
                    if len(line) > LINE_MAX:
                        raise _fault(file, number, line)
                    log.cut.append(file.name)
                elif number == 1:
                    if [each.strip().lower() for each in _text(line).split(",")] != _HEADER:
                        raise _fault(file, number, line)
                elif line.strip():
                    yield _row(file, number, line)
    except OSError as error:
        raise ImportFault(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}") from None


def _row(file: Path, number: int, line: bytes) -> Row:
    cells = [each.strip() for each in _text(line).split(",")]
    if len(cells) != 5 or not all(re.fullmatch("-?[0-9]{1,18}", each) for each in cells):
        raise _fault(file, number, line)
    at_s, total, delta = map(int, cells[:3])
    if not FIRST_S <= at_s < LAST_S or total < 0 or delta < _UNKNOWN:
        raise _fault(file, number, line)
    return Row(at_s, total, delta)


def _fault(file: Path, number: int, line: bytes) -> ImportFault:
    return ImportFault(f"{file}, line {number}: not a row of such a log: {_text(line)[:60]!r}; nothing is imported")


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").strip()


def _address(file: Path, text: str, is_local: Callable[[Address], bool]) -> Address:
    """As it was: dalla-stats cut the number into octets from its left end, so 10.0.0.5 stands there as 160.0.0.5."""
    try:
        found = address_bytes(text)
    except ValueError:
        raise ImportFault(f"{file}: {text!r} is no IP address; nothing is imported") from None
    if is_local(found):
        return found
    head, last = int(IPv4Address(text)) >> 8, int(IPv4Address(text)) & 0xFF
    for lost in range(1, 8):
        if last < 1 << (8 - lost):
            right = address_bytes(str(IPv4Address(head << (8 - lost) | last)))
            if is_local(right):
                return right
    return found


def _left_out(log: _Log) -> Iterator[str]:
    if log.first_octets:
        yield (
            f"{octets_text(log.first_octets)} that devices had on the router's counters when a log began: "
            "they are of the time before"
        )
    if log.repeated:
        yield f"{log.repeated} rows that are not later than the one before of their device"
    for name in log.cut[:10]:
        yield f"the last line of {name}, which is cut off"
