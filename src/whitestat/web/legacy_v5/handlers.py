"""Handlers of the URLs of WhiteStat v5.

Unlike v5, an empty result is a frame without rows, and a wrong date is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from operator import itemgetter
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from whitestat.core.calendar import day_bounds, day_of, parse_instant, wall_time
from whitestat.core.errors import QueryError
from whitestat.core.model import Network
from whitestat.ledger.read.queries import DeviceRow, UsageQuery, UsageRow
from whitestat.ledger.usage_query import check_span
from whitestat.web.legacy_v5.frame import FrameRow, as_json, as_table
from whitestat.web.responses import Texts, fresh, in_pieces
from whitestat.web.route import RequestContext
from whitestat.web.sources import Sources

NO_ADDRESS, NO_MAC, NO_NAME = "(none)", "00:00:00:00:00:00", "(none)"
"""For what is not known: the MAC and the name that darkstat showed, and so v5."""

_FIRST_DAY = 19700102
"""Running totals count from here."""

_DAY_S = 86_400
_DAYS_AT_FIRST = 8
_ROWS_AT_ONCE = 1000
"""How long a span is asked for at once follows from how many rows the one before had."""

_LONGEST_PREFIX = 24
"""v5's prefixes had three numbers at most."""


def json_today(context: RequestContext) -> Response:
    """Return today by device as v5's JSON."""
    return in_pieces(as_json(_today(context.sources)), "application/json")


def table_today(context: RequestContext) -> Response:
    """Return today by device as a table."""
    return in_pieces(as_table(_today(context.sources)), "text/html; charset=utf-8")


def json_history(context: RequestContext) -> Response:
    """Return days by device as v5's JSON."""
    return in_pieces(as_json(_history(context.sources, context.texts)), "application/json")


def table_history(context: RequestContext) -> Response:
    """Return days by device as a table."""
    return in_pieces(as_table(_history(context.sources, context.texts)), "text/html; charset=utf-8")


async def page_history(context: RequestContext) -> Response:
    """Return a redirect to the page's history of these days."""
    sources, texts, query = context.sources, context.texts, ""
    if "start" in texts or "end" in texts:
        first, last = _first_and_last(sources, texts)
        after = day_of(day_bounds(last, sources.zone)[1], sources.zone)
        query = "?" + urlencode({"span": "own", "start": _date(first), "end": _date(after)})
    return RedirectResponse(f"{sources.base}/#/history{query}", 303, {"cache-control": "no-store"})


async def lan_segments(context: RequestContext) -> Response:
    """Return prefixes of the local addresses, with a blank after each comma as v5 had it."""
    return fresh(json.dumps(segments(context.sources.lan)), "application/json")


def segments(networks: Iterable[Network]) -> list[str]:
    """Return prefixes like `192.168.1` that cover the IPv4 networks.

    A network that does not end at a dot becomes all its smaller parts that do; one of under 256 addresses becomes the
    256 around it.
    """
    prefixes: dict[str, None] = {}
    for network in networks:
        if network.version == 4:
            length = min(network.prefixlen, _LONGEST_PREFIX)
            numbers = max(1, -(-length // 8))
            parts = network.supernet(new_prefix=length).subnets(new_prefix=numbers * 8)
            prefixes |= dict.fromkeys(str(part).rsplit(".", 4 - numbers)[0] for part in parts)
    return list(prefixes)


def _today(sources: Sources) -> list[FrameRow]:
    today = day_of(sources.now.at_s, sources.zone)
    return sorted(_Days(sources, today, today), key=lambda row: (-row.octets_in, -row.total_in))


def _history(sources: Sources, texts: Texts) -> _Days:
    return _Days(sources, *_first_and_last(sources, texts))


def _first_and_last(sources: Sources, texts: Texts) -> tuple[int, int]:
    """Both days are included, as v5 had it."""
    today = day_of(sources.now.at_s, sources.zone)
    first, last = (_day(name, texts, today, sources.zone) for name in ("start", "end"))
    if first > last:
        raise QueryError("end", f"must not be before start, {_date(first)}, got {_date(last)}")
    check_span(day_bounds(first, sources.zone)[0], day_bounds(last, sources.zone)[1])
    return first, last


def _day(name: str, texts: Texts, today: int, zone: tzinfo) -> int:
    if name not in texts:
        return today
    try:
        return day_of(parse_instant(texts[name], zone), zone)
    except ValueError as fault:
        raise QueryError(name, str(fault)) from None


class _Days:
    """The rows of these local days (YYYYMMDD): the latest day first, on it the largest download.

    Each time they are gone through they are asked anew, some weeks at a time, so a year of them takes little memory.
    What is unattributed has no address to be listed by: it stays out.
    """

    def __init__(self, sources: Sources, first: int, last: int) -> None:
        self._sources = sources
        self._start_s, self._end_s = day_bounds(first, sources.zone)[0], day_bounds(last, sources.zone)[1]
        check_span(self._start_s, self._end_s)

    def __iter__(self) -> Iterator[FrameRow]:
        queries, zone = self._sources.queries, self._sources.zone
        known = _Known(queries.devices())
        start_s, end_s, days = self._end_s, self._end_s, _DAYS_AT_FIRST
        totals: dict[int, tuple[int, int]] | None = None
        while start_s > self._start_s:
            since_s = max(self._start_s, end_s - days * _DAY_S)
            start_s = day_bounds(day_of(since_s, zone), zone)[0]
            usage = queries.days(start_s, end_s)
            if totals is None:  # what is before the latest days stays as it is, whatever is booked meanwhile
                totals = self._before(start_s)
                for (_, device), counts in usage.items():
                    totals[device] = _sum(totals.get(device, (0, 0)), counts)
            yield from _rows(usage, totals, known, zone, self._sources.now.at_s)
            days = days * 2 if len(usage) < _ROWS_AT_ONCE else max(1, days * _ROWS_AT_ONCE // len(usage))
            end_s = start_s

    def _before(self, start_s: int) -> dict[int, tuple[int, int]]:
        """What each device used before."""
        first_s = day_bounds(_FIRST_DAY, self._sources.zone)[0]
        rows = self._sources.queries.usage(UsageQuery(first_s, start_s)) if first_s < start_s else []
        return {row.device.id: _in_out(row) for row in rows if row.device}


class _Known:
    """Devices in the order in which rows of a day stand that are alike in download: by address, then by MAC."""

    def __init__(self, devices: Iterable[DeviceRow]) -> None:
        rows = [(*_who(device), device.last_seen_ms, device.id) for device in devices]
        rows.sort(key=itemgetter(0, 1, 4))
        self.by_place = [row[:4] for row in rows]
        self.places = {row[4]: place for place, row in enumerate(rows)}
        self.ids = [row[4] for row in rows]


def _rows(
    usage: Mapping[tuple[int, int], tuple[int, int]],
    totals: dict[int, tuple[int, int]],
    known: _Known,
    zone: tzinfo,
    now_s: int,
) -> list[FrameRow]:
    """Those of a span; `totals` are what each device had up to its end, and become what it had before it.

    A device that was first seen, or merged, while this answer is made is in the next one.
    """
    places, by_place, ids = known.places, known.by_place, known.ids
    order = sorted(
        (-start_s, -into, places[device], out)
        for (start_s, device), (into, out) in usage.items()
        if device in places and device in totals
    )
    rows: list[FrameRow] = []
    date, over, day_s, end_s = "", "", -1, -1
    for less_start, less_in, place, out in order:
        if -less_start != day_s:
            day_s = -less_start
            end_s = day_bounds(day_of(day_s, zone), zone)[1]
            date, over = f"{_date(day_of(day_s, zone))} 00:00:00", _time(min(end_s - 1, now_s), zone)
        ip, mac, name, last_ms = by_place[place]
        # On a day that is over its last second: when it was last seen on each day is not kept.
        last_s = None if last_ms is None else last_ms // 1000
        seen = over if last_s is None or last_s >= end_s else _time(min(max(last_s, day_s), now_s), zone)
        total_in, total_out = totals[ids[place]]
        totals[ids[place]] = total_in + less_in, total_out - out
        rows.append(FrameRow(ip, mac, name, seen, -less_in, out, date, total_in, total_out))
    return rows


def _sum(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


def _in_out(row: UsageRow) -> tuple[int, int]:
    """What a meter cannot tell apart counts as download: the frame has no third column, and must add up."""
    return row.counts.octets_in + row.counts.octets_unsplit, row.counts.octets_out


def _who(device: DeviceRow) -> tuple[str, str, str]:
    """Its latest IPv4 address, as v5 listed no others, else the latest of all; its MAC and its name."""
    four = (address for address in device.addresses if ":" not in address)
    address = next(four, device.addresses[0] if device.addresses else NO_ADDRESS)
    return address, device.mac or NO_MAC, device.name or NO_NAME


def _time(at_s: int, zone: tzinfo) -> str:
    return f"{wall_time(at_s, zone):%Y-%m-%d %H:%M:%S}"


def _date(day: int) -> str:
    return f"{day // 10_000:04}-{day // 100 % 100:02}-{day % 100:02}"
