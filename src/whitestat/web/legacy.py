"""The URLs of WhiteStat v5, answered from the ledger.

Not kept are its faults: an empty answer is the frame with no rows, and a date that is none is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from operator import attrgetter, itemgetter

from starlette.responses import Response

from whitestat.errors import QueryError
from whitestat.ledger.queries import ROWS_MAX, DeviceRow, Question, Row
from whitestat.ledger.question import check_span
from whitestat.periods import day_bounds, day_of, parse_instant, wall_time
from whitestat.web.answers import fresh, in_pieces
from whitestat.web.api import Texts
from whitestat.web.frame import FrameRow, as_json, as_table
from whitestat.web.sources import Network, Sources

NO_ADDRESS, NO_MAC, NO_NAME = "(none)", "00:00:00:00:00:00", "(none)"
"""For what is not known: the MAC and the name that darkstat showed, and so v5."""

_FIRST_DAY = 19700102
"""Running totals count from here."""

_LONGEST_PREFIX = 24
"""v5's prefixes had three numbers at most."""


def json_today(sources: Sources, texts: Texts) -> Response:
    return in_pieces(as_json(_today(sources)), "application/json")


def table_today(sources: Sources, texts: Texts) -> Response:
    return in_pieces(as_table(_today(sources)), "text/html; charset=utf-8")


def json_history(sources: Sources, texts: Texts) -> Response:
    return in_pieces(as_json(_history(sources, texts)), "application/json")


def table_history(sources: Sources, texts: Texts) -> Response:
    return in_pieces(as_table(_history(sources, texts)), "text/html; charset=utf-8")


def lan_segments(sources: Sources, texts: Texts) -> Response:
    """What the addresses of the LAN begin with; the blank after the comma is v5's."""
    return fresh(json.dumps(segments(sources.lan)), "application/json")


def segments(networks: Iterable[Network]) -> list[str]:
    """The beginnings of a dotted address by which it lies in one of the networks, `192.168.1`.

    Of a network that does not end at a dot all the smaller ones that do; of one under 256 addresses the 256 it is
    among. IPv6 has no such beginnings.
    """
    found: dict[str, None] = {}
    for network in networks:
        if network.version == 4:
            length = min(network.prefixlen, _LONGEST_PREFIX)
            numbers = max(1, -(-length // 8))
            parts = network.supernet(new_prefix=length).subnets(new_prefix=numbers * 8)
            found |= dict.fromkeys(str(part).rsplit(".", 4 - numbers)[0] for part in parts)
    return list(found)


def _today(sources: Sources) -> list[FrameRow]:
    today = day_of(sources.now.at_s, sources.zone)
    return sorted(_frame(sources, today, today), key=lambda row: (-row.octets_in, -row.total_in))


def _history(sources: Sources, texts: Texts) -> list[FrameRow]:
    """Both days are included, as v5 had it."""
    today = day_of(sources.now.at_s, sources.zone)
    first, last = (_day(name, texts, today, sources.zone) for name in ("start", "end"))
    if first > last:
        raise QueryError("end", f"must not be before start, {_date(first)}, got {_date(last)}")
    return _frame(sources, first, last)


def _day(name: str, texts: Texts, today: int, zone: tzinfo) -> int:
    if name not in texts:
        return today
    try:
        return day_of(parse_instant(texts[name], zone), zone)
    except ValueError as fault:
        raise QueryError(name, str(fault)) from None


def _frame(sources: Sources, first: int, last: int) -> list[FrameRow]:
    """The rows of these local days (YYYYMMDD): the latest day first, on it the largest download.

    What is unattributed has no address to be listed by: it stays out.
    """
    start_s, end_s = day_bounds(first, sources.zone)[0], day_bounds(last, sources.zone)[1]
    check_span(start_s, end_s)
    usage = sources.queries.days(start_s, end_s)
    if len(usage) > ROWS_MAX:
        raise QueryError("start", f"the answer has more than {ROWS_MAX} rows; ask for a shorter span")
    rows = _rows(usage, _before(sources, start_s) if usage else {}, sources.queries.devices(), sources.zone)
    rows.sort(key=itemgetter(0, 1))
    rows.sort(key=_octets_in, reverse=True)
    rows.sort(key=_date_of, reverse=True)
    return rows


_octets_in, _date_of = attrgetter("octets_in"), attrgetter("day")


def _before(sources: Sources, start_s: int) -> dict[int, tuple[int, int]]:
    """What each device used before the span."""
    rows = sources.queries.usage(Question(day_bounds(_FIRST_DAY, sources.zone)[0], start_s))
    return {row.device.id: _in_out(row) for row in rows if row.device}


def _rows(
    usage: Mapping[tuple[int, int], tuple[int, int]],
    before: dict[int, tuple[int, int]],
    devices: Iterable[DeviceRow],
    zone: tzinfo,
) -> list[FrameRow]:
    known = {each.id: (*_who(each), each.last_seen_ms) for each in devices}
    rows: list[FrameRow] = []
    date, over, day_s, end_s = "", "", -1, -1
    for key in sorted(usage):
        (start_s, device), (into, out) = key, usage[key]
        if start_s != day_s:
            day_s, end_s = start_s, day_bounds(day_of(start_s, zone), zone)[1]
            date, over = f"{_date(day_of(start_s, zone))} 00:00:00", _time(end_s - 1, zone)
        ip, mac, name, last_ms = known[device]
        # On a day that is over its last second: when it was last seen on each day is not kept.
        seen = over if last_ms is None or last_ms >= end_s * 1000 else _time(max(last_ms // 1000, start_s), zone)
        earlier_in, earlier_out = before.get(device, (0, 0))
        total_in, total_out = before[device] = earlier_in + into, earlier_out + out
        rows.append(FrameRow(ip, mac, name, seen, into, out, date, total_in, total_out))
    return rows


def _in_out(row: Row) -> tuple[int, int]:
    """What a meter cannot tell apart counts as download: the frame has no third column, and must add up."""
    return row.counts.octets_in + row.counts.octets_unsplit, row.counts.octets_out


def _who(device: DeviceRow) -> tuple[str, str, str]:
    """Its latest IPv4 address, as v5 listed no others, else the latest of all; its MAC and its name."""
    four = (each for each in device.addresses if ":" not in each)
    address = next(four, device.addresses[0] if device.addresses else NO_ADDRESS)
    return address, device.mac or NO_MAC, device.name or NO_NAME


def _time(at_s: int, zone: tzinfo) -> str:
    return f"{wall_time(at_s, zone):%Y-%m-%d %H:%M:%S}"


def _date(day: int) -> str:
    return f"{day // 10_000:04}-{day // 100 % 100:02}-{day % 100:02}"
