"""What Traffic kept of a Huawei B593: its CSV, or what `mongoexport` writes of its collection, as JSON or CSV.

A row every few seconds with running volumes of the line. Its times are those of the wall clock, read as if it went by
UTC; its volumes are kB of 1,024 octets with the firmware it was made for.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from whitestat.core.errors import ImportFault
from whitestat.core.model import Counts
from whitestat.core.sums import add_to
from whitestat.core.units import octets_text
from whitestat.importers.history import NOBODY, BadRows, HostDay, ImportedHistory
from whitestat.importers.lines import BYTE_ORDER_MARK, Line, lines
from whitestat.importers.source import ImportSource

POINT = "traffic import"
UNITS = {"kB": 1024, "bytes": 1}
LINE_MAX = 10_000
ARRAY_MAX = 64 * 1024 * 1024
LINE_BPS = 300_000_000
"""More than such a router can carry, bits per second."""
_COLUMNS = {
    "up": ("uplink", "UplinkVolume"),
    "down": ("downlink", "DownlinkVolume"),
    "time": ("time", "Time"),
}
_FIRST_MS, _LAST_MS = 1_262_304_000_000, 7_258_118_400_000
_MOST = 1 << 53
_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1)


class Sample(NamedTuple):
    """Volumes in the router's unit; `wall_ms` is the wall clock as milliseconds since 1970."""

    wall_ms: int
    down: int
    up: int


class _Sums:
    """Octets by day, from sample to sample."""

    def __init__(self, unit: int) -> None:
        self.days: dict[int, Counts] = {}
        self.seen_ms: dict[int, int] = {}
        self.back = 0
        self.fell = 0
        self.impossible = 0
        self._unit = unit
        self._last: Sample | None = None

    def take(self, now: Sample) -> None:
        before, self._last = self._last, now
        if before is None:
            return
        if now.wall_ms < before.wall_ms:
            self.back += 1  # the clock was set, or summer time ended
        down, up = now.down - before.down, now.up - before.up
        if min(down, up) < 0:
            self.fell += 1
            down, up = now.down, now.up
        counts = Counts(down * self._unit, up * self._unit)
        span_ms = max(0, now.wall_ms - before.wall_ms) + 3_600_000  # clocks are set by an hour twice a year
        if counts.octets * 8 > 2 * LINE_BPS * span_ms // 1000:
            self.impossible += 1
            return
        self._spread(counts, min(before.wall_ms, now.wall_ms), now.wall_ms)

    def _spread(self, counts: Counts, start_ms: int, end_ms: int) -> None:
        """Over the days of the span, each by its part; what is left over to the last."""
        first, last = start_ms // _DAY_MS, end_ms // _DAY_MS
        given = Counts()
        for day in range(first, last + 1):
            until_ms = min(end_ms, (day + 1) * _DAY_MS)
            part = (until_ms - start_ms, max(1, end_ms - start_ms))
            upto = counts if day == last else Counts(*(amount * part[0] // part[1] for amount in counts))
            share = Counts(*(a - b for a, b in zip(upto, given, strict=True)))
            given = upto
            add_to(self.days, day, share)
            self.seen_ms[day] = until_ms - (until_ms == (day + 1) * _DAY_MS)


def read_source(source: ImportSource) -> ImportedHistory:
    """Return `read` of the source's file, in the unit that was given."""
    return read(source.path, source.zone, source.options.get("unit", "kB"), source.now_s)


def read(path: Path, zone: tzinfo, unit: str = "kB", now_s: int = _LAST_MS // 1000) -> ImportedHistory:
    """The file, row by row; rows after `now_s` are left out. ImportFault names the line, or what it is not."""
    sums = _Sums(UNITS[unit])
    bad = BadRows()
    rows = 0
    now_ms = now_s * 1000 + _DAY_MS  # the wall's clock is at most as far from UTC
    try:
        with path.open("rb") as opened:
            for place, row in _documents(path, opened, bad):
                try:
                    sample = _sample(row, now_ms)
                except ValueError as fault:
                    bad.add(place, f"{str(row)[:80]}: {fault}")
                else:
                    rows += 1
                    sums.take(sample)
    except OSError as error:
        raise ImportFault(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    if not rows:
        raise ImportFault(f"{path}: {bad.first or 'there is no row in it'}; nothing is imported")
    days = [
        HostDay(_number(day), NOBODY, counts, _instant(sums.seen_ms[day], zone))
        for day, counts in sorted(sums.days.items())
        if counts.octets
    ]
    return ImportedHistory(POINT, len(days), lambda: iter(days), left_out=(*bad.left_out(), *_left_out(sums)))


def _documents(path: Path, opened: BinaryIO, bad: BadRows) -> Iterator[tuple[str, Any]]:
    """Every row as what stands under its columns' names, with its place."""
    head = opened.read(200).removeprefix(BYTE_ORDER_MARK).strip(b"\0 \t\r\n")
    opened.seek(0)
    if head.startswith(b"["):
        if path.stat().st_size > ARRAY_MAX:
            raise ImportFault(f"{path}: an array of more than {ARRAY_MAX >> 20} MiB; export it without --jsonArray")
        try:
            documents = json.loads(opened.read().decode("utf-8-sig", "replace"))
        except (ValueError, RecursionError) as fault:
            raise ImportFault(f"{path}, line 1: not JSON: {fault}; nothing is imported") from None
        yield from ((f"row {number}", document) for number, document in enumerate(documents, 1))
        return
    names: list[str] = []
    for line in lines(opened, LINE_MAX):
        place = f"line {line.number}"
        if line.text is None:
            bad.add(place, f"longer than {LINE_MAX} characters")
        elif head.startswith(b"{"):
            try:
                yield place, json.loads(line.text)
            except (ValueError, RecursionError) as fault:
                bad.add(place, f"not JSON: {fault}")
        elif names:
            try:
                yield place, dict(zip(names, _cells(line.text), strict=False))
            except csv.Error as fault:
                bad.add(place, f"not CSV: {fault}")
        else:
            names = _names(path, line)


def _names(path: Path, line: Line) -> list[str]:
    try:
        names = [name.strip() for name in _cells(line.text or "")]
    except csv.Error as fault:
        raise ImportFault(f"{path}, line {line.number}: not CSV: {fault}; nothing is imported") from None
    if not all(any(name in names for name in either) for either in _COLUMNS.values()):
        raise ImportFault(
            f"{path}, line {line.number}: no columns uplink, downlink and time, nor UplinkVolume, DownlinkVolume, Time"
        )
    return names


def _cells(text: str) -> list[str]:
    """Those of one line; csv.Error for a carriage return inside, as files have whose writer lost power."""
    return next(csv.reader([text]), [])


def _sample(row: Any, now_ms: int) -> Sample:
    """ValueError for what is none, or of a time that cannot be."""
    try:
        values = {name: next(row[key] for key in keys if key in row) for name, keys in _COLUMNS.items()}
        wall_ms = _figure(values["time"])
        sample = Sample(wall_ms, _figure(values["down"]), _figure(values["up"]))
    except StopIteration:
        raise ValueError("a column is missing") from None
    except (TypeError, OverflowError) as fault:
        raise ValueError(str(fault)) from None
    if not _FIRST_MS <= wall_ms <= min(now_ms, _LAST_MS):
        raise ValueError("its time is out of range")
    return sample


def _figure(value: Any) -> int:
    """A number, or what mongoexport makes of one: `{"$numberLong": "5"}`."""
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("not a number")
    number = float(value)
    if not math.isfinite(number) or not 0 <= number < _MOST:
        raise ValueError("not a number that can be")
    return int(value) if isinstance(value, int) else int(number)


def _number(day: int) -> int:
    moment = _EPOCH + timedelta(days=day)
    return moment.year * 10_000 + moment.month * 100 + moment.day


def _instant(wall_ms: int, zone: tzinfo) -> int:
    wall = datetime(1970, 1, 1) + timedelta(milliseconds=wall_ms)  # noqa: DTZ001 - it is the wall's
    return int(wall.replace(tzinfo=zone).timestamp())


def _left_out(sums: _Sums) -> Iterator[str]:
    if sums.fell:
        yield f"{sums.fell} times the counters fell: what passed between the row before and their clearing is not known"
    if sums.impossible:
        most = octets_text(LINE_BPS // 8)
        yield f"{sums.impossible} rows that grew by more than such a line carries ({most} a second): is --unit right?"
    if sums.back:
        yield f"{sums.back} times the clock went back; what passed then is booked where it says"
