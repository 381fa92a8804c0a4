"""Files of darkstat: exports (`--export`, formats 1 to 4) and day logs (`--daylog`).

An export holds each host's running totals without their days: they are a baseline, and no usage. Its
graph holds the local network's traffic of the last 31 days, a day log that of every day, both for all hosts together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta, tzinfo
from io import BytesIO
from typing import NamedTuple

from whitestat.attribution.devices.names import ShownName, clean
from whitestat.core.calendar import wall_time
from whitestat.core.errors import ImportFault
from whitestat.core.model import Address, Counts, Mac
from whitestat.core.units import address_bytes, octets_text
from whitestat.importers.history import NOBODY, BadRows, HostDay, HostSummary, ImportedHistory, ImportedHost, device_mac
from whitestat.importers.lines import lines
from whitestat.importers.source import ImportSource

POINT = "darkstat import"

MAGIC = b"\xda1AY"
_HOSTS, _GRAPHS = b"\xdaHS\x01", b"\xdaGR\x01"
_BARS = (60, 60, 24, 31)
"""Seconds, minutes, hours and days; the bar of a day is its day of the month less one."""

_NEWEST = 4
LINE_MAX = 1000
_LATEST_S = 7_258_118_400
"""The year 2200: the ends of the calendar have no neighbours."""
_LINE = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2}) [0-9:]{8} [+-][0-9]{4}\|[0-9]+\|(?P<counts>[0-9]+(?:\|[0-9]+){3})"
)


class ExportHost(NamedTuple):
    """One host of an export; `seen_s` is None in the oldest format."""

    address: Address
    mac: Mac
    name: str
    seen_s: int | None
    counts: Counts


class Export(NamedTuple):
    """A whole export. `last_s` is when its graph was last moved, 0 where darkstat read a capture file."""

    hosts: tuple[ExportHost, ...]
    last_s: int
    pos: int
    days: tuple[Counts, ...]


def read_source(source: ImportSource) -> ImportedHistory:
    """Return `read` of the source's file."""
    return read(source.content(), str(source.path), source.zone, source.is_local)


def read(content: bytes, name: str, zone: tzinfo, is_local: Callable[[Address], bool]) -> ImportedHistory:
    """Read an export or a day log, recognised by the first octets. Raises ImportFault with the place of a fault."""
    try:
        if content.startswith(MAGIC):
            return _from_export(export(content), zone, is_local)
        bad = BadRows()
        days = sorted(day_log(content, bad).items())
        return _totals(days, bad.left_out(), {})
    except ValueError as fault:
        raise ImportFault(f"{name}: {fault}; nothing is imported") from None


def export(content: bytes) -> Export:
    """The export's content; ValueError with the octet where it stops making sense."""
    cursor = _Cursor(content)
    cursor.expect(MAGIC, "darkstat's mark")
    cursor.expect(_HOSTS, "the mark of the hosts")
    hosts = tuple(_host(cursor) for _ in range(cursor.number(4)))
    cursor.expect(_GRAPHS, "the mark of the graphs")
    last_s = cursor.number(8)
    graphs = [_graph(cursor, bars) for bars in _BARS]
    cursor.end()
    pos, days = graphs[-1]
    return Export(hosts, last_s, pos, days)


def day_log(content: bytes, bad: BadRows) -> dict[int, Counts]:
    """Totals by local day (YYYYMMDD): a restart begins a new line, the lines of a day are added up.

    `bad` gets lines that are none. ValueError where there is no line of a day log at all.
    """
    days: dict[int, Counts] = {}
    begun = False
    for line in lines(BytesIO(content), LINE_MAX):
        if line.text and line.text.startswith("#"):
            begun = True
        elif match := _LINE.fullmatch(line.text or ""):
            try:
                day = _number(date.fromisoformat(match["day"]))
            except ValueError as fault:
                bad.add(f"line {line.number}", str(fault))
                continue
            counts = Counts(*map(int, match["counts"].split("|")))
            days[day] = days[day].plus(counts) if day in days else counts
        else:
            bad.add(f"line {line.number}", f"not a line of a day log: {(line.text or '')[:80]!r}")
    if not begun and not days:
        raise ValueError("neither an export nor a day log of darkstat")
    if bad.count and not days:
        raise ValueError(bad.first)
    return days


class _Cursor:
    """Forward reader; a ValueError names the octet with an unexpected value."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, octets: int) -> bytes:
        taken = self._content[self._at : self._at + octets]
        if len(taken) < octets:
            raise ValueError(f"ends at octet {len(self._content)}, in the middle of something")
        self._at += octets
        return taken

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets), "big")

    def expect(self, mark: bytes, what: str) -> None:
        at = self._at
        if (octets := self.take(len(mark))) != mark:
            raise ValueError(f"octet {at}: expected {what}, found {octets.hex(' ')}")

    def skip_table(self, mark: bytes, what: str, count_octets: int, row_octets: int) -> None:
        self.expect(mark, what)
        self.take(self.number(count_octets) * row_octets)

    def end(self) -> None:
        if self._at != len(self._content):
            raise ValueError(f"octet {self._at}: expected the end, found {len(self._content) - self._at} octets more")


def _host(cursor: _Cursor) -> ExportHost:
    cursor.expect(b"HST", "the mark of a host")
    version = cursor.number(1)
    if not 1 <= version <= _NEWEST:
        raise ValueError(f"a host of format {version}, where 1 to {_NEWEST} are known")
    family = cursor.number(1) if version >= 3 else 4
    if family not in (4, 6):
        raise ValueError(f"a host of address family {family}, where 4 and 6 are known")
    raw = cursor.take(16 if family == 6 else 4)
    address = raw if family == 6 else address_bytes(".".join(map(str, raw)))
    seen_s = cursor.number(8) if version >= 2 else None
    mac = cursor.take(6)
    name = cursor.take(cursor.number(1)).decode("utf-8", "replace")
    counts = Counts(cursor.number(8), cursor.number(8))
    cursor.skip_table(b"P", "the protocols", 1, 17)
    cursor.skip_table(b"T", "the TCP ports", 2, 26)
    cursor.skip_table(b"U", "the UDP ports", 2, 18)
    if version >= 4:
        cursor.skip_table(b"t", "the remote TCP ports", 2, 26)
        cursor.skip_table(b"u", "the remote UDP ports", 2, 18)
    return ExportHost(address, mac, name, seen_s, counts)


def _graph(cursor: _Cursor, bars: int) -> tuple[int, tuple[Counts, ...]]:
    bar_count, pos = cursor.number(1), cursor.number(1)
    if bar_count != bars or pos >= bars:
        raise ValueError(f"a graph of {bar_count} bars at {pos}, where {bars} were expected")
    return pos, tuple(Counts(cursor.number(8), cursor.number(8)) for _ in range(bars))


def _from_export(export: Export, zone: tzinfo, is_local: Callable[[Address], bool]) -> ImportedHistory:
    left_out = []
    if export.hosts:
        octets = octets_text(sum(host.counts.octets for host in export.hosts))
        left_out.append(
            f"the running totals of {len(export.hosts)} hosts ({octets}): the days of these figures are unknown"
        )
    days = list(_dated(export, zone))
    if not days and any(map(any, export.days)):
        left_out.append("the graph of days: it does not say of which month they are")
    return _totals(days, tuple(left_out), _sights(export, is_local))


def _dated(export: Export, zone: tzinfo) -> Iterator[tuple[int, Counts]]:
    """The bars as dates, up to that of the last. Nothing where it does not fit the clock.

    darkstat empties the bars it passes, so after a short month those of the days that it lacks are empty.
    """
    last = wall_time(min(export.last_s, _LATEST_S), zone).date()
    if not export.last_s or last.day != export.pos + 1:
        return
    before = last.replace(day=1) - timedelta(days=1)
    for back in range(_BARS[-1] - 1, -1, -1):
        day = last - timedelta(days=back)
        of = last if day.day <= last.day else before
        if (day.year, day.month) == (of.year, of.month) and any(export.days[day.day - 1]):
            yield _number(day), export.days[day.day - 1]


def _sights(export: Export, is_local: Callable[[Address], bool]) -> dict[ImportedHost, HostSummary]:
    """Return the local hosts that sent: darkstat has the last sight of no others."""
    sights = {}
    for host in export.hosts:
        name = clean(host.name)
        if host.seen_s and host.counts.octets_out and device_mac(host.mac) and is_local(host.address):
            known = ShownName(name.split(".", 1)[0], "dns") if name and not name.startswith(("(", ".")) else None
            sights[ImportedHost(device_mac(host.mac), host.address)] = HostSummary(known, host.seen_s, host.seen_s)
    return sights


def _totals(
    days: Iterable[tuple[int, Counts]], left_out: tuple[str, ...], hosts: Mapping[ImportedHost, HostSummary]
) -> ImportedHistory:
    rows = tuple(HostDay(day, NOBODY, counts) for day, counts in days)
    return ImportedHistory(POINT, len(rows), lambda: iter(rows), hosts, left_out)


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day
