"""The URLs of WhiteStat v5, answered from the ledger.

Not kept are its faults: an empty answer is the frame with no rows, and a date that is none is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import tzinfo

from starlette.responses import Response

from whitestat.errors import QueryError
from whitestat.ledger.queries import DeviceRow, Question, Row, Step
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
    """The rows of these local days (YYYYMMDD): the latest day first, on it the largest download."""
    zone = sources.zone
    start_s, end_s = day_bounds(first, zone)[0], day_bounds(last, zone)[1]
    usage = _asked(sources, Question(start_s, end_s, Step.DAY))
    before = _asked(sources, Question(day_bounds(_FIRST_DAY, zone)[0], start_s)) if usage else []
    rows = _rows(usage, before, {each.id: each for each in sources.queries.devices()}, zone)
    rows.sort(key=lambda row: (-row.octets_in, row.ip, row.mac))
    rows.sort(key=lambda row: row.day, reverse=True)
    return rows


def _asked(sources: Sources, question: Question) -> list[Row]:
    try:
        return sources.queries.usage(question)
    except QueryError as fault:  # too many rows; it names the step, which nobody can choose here
        raise QueryError("start", f"{fault.reason.partition(';')[0]}; ask for a shorter span") from None


def _rows(usage: Iterable[Row], before: Iterable[Row], devices: dict[int, DeviceRow], zone: tzinfo) -> list[FrameRow]:
    """What is unattributed has no address to be listed by: it stays out."""
    totals = {row.device.id: _in_out(row) for row in before if row.device}
    days: dict[int, tuple[str, int]] = {}
    rows: list[FrameRow] = []
    for row in usage:
        if row.device is None:
            continue
        if row.start_s not in days:
            day = day_of(row.start_s, zone)
            days[row.start_s] = f"{_date(day)} 00:00:00", day_bounds(day, zone)[1]
        date, end_s = days[row.start_s]
        into, out = _in_out(row)
        earlier_in, earlier_out = totals.get(row.device.id, (0, 0))
        total_in, total_out = totals[row.device.id] = earlier_in + into, earlier_out + out
        device = devices[row.device.id]
        seen = _seen(device.last_seen_ms, row.start_s, end_s, zone)
        rows.append(FrameRow(*_who(device), seen, into, out, date, total_in, total_out))
    return rows


def _in_out(row: Row) -> tuple[int, int]:
    """What a meter cannot tell apart counts as download: the frame has no third column, and must add up."""
    return row.counts.octets_in + row.counts.octets_unsplit, row.counts.octets_out


def _who(device: DeviceRow) -> tuple[str, str, str]:
    """Its latest IPv4 address, as v5 listed no others, else the latest of all; its MAC and its name."""
    four = (each for each in device.addresses if ":" not in each)
    address = next(four, device.addresses[0] if device.addresses else NO_ADDRESS)
    return address, device.mac or NO_MAC, device.name or NO_NAME


def _seen(last_seen_ms: int | None, start_s: int, end_s: int, zone: tzinfo) -> str:
    """When it was last seen; on a day that is over its last second at most, as finer is not kept."""
    at_s = end_s if last_seen_ms is None else last_seen_ms // 1000
    return f"{wall_time(min(max(at_s, start_s), end_s - 1), zone):%Y-%m-%d %H:%M:%S}"


def _date(day: int) -> str:
    return f"{day // 10_000:04}-{day // 100 % 100:02}-{day % 100:02}"
