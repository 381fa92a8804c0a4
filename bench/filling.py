"""Ledgers with years in them, made in minutes: by the real writer, from longer spans where buckets come out the same.

Each flush has what one bucket of the finest resolution that is kept of its time holds: a day where days are kept,
an hour where hours are, an hour of minutes where minutes are. It is folded alone, so rows go into the tables in the
order, and in portions of the size, that they do in years. Services are by the hour where those are kept, else by
the day; peers are by the day where those are kept, else by the month. Both are folded every six hours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from bench.household import DAY_S, HOUR_S, POINT, Household, Traffic
from whitestat.config.sections import Retention
from whitestat.core.model import Counts, Coverage, PeerKey, Point, ServiceKey, UsageKey
from whitestat.ledger.write.writer import DeviceRecord, Flush, Writer

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 6, 24, 15, 0, tzinfo=ZONE)
"""A Wednesday afternoon."""
NOW_S = int(NOW.timestamp())

DETAIL_FOLD_S = 6 * HOUR_S


def household(devices: int, years: int) -> Household:
    """The home of a ledger that ends now; it goes on for another week."""
    first = NOW.date() - timedelta(365 * years)
    return Household(devices, first, (NOW.date() - first).days + 7, ZONE)


def kept(minute_days: int = 7) -> dict[str, int | None]:
    """How long each resolution is kept where nothing is configured, but for minutes."""
    return {**asdict(Retention()), "minute": minute_days * DAY_S}


def fill(path: Path, devices: int, years: int, minute_days: int = 7) -> Household:
    """A ledger of so many years up to now, folded, closed."""
    home = household(devices, years)
    Filling(home, Writer(path, ZONE, kept(minute_days)), minute_days).run()
    return home


def opening(home: Household) -> Flush:
    """What is known of points and devices before anything is counted."""
    start_s = home.start_s(0)
    return Flush(
        points=(Point(POINT, "kernel", "br0"),),
        devices=[DeviceRecord(each.id, f"{each.kind.name} {each.id}", "dhcp") for each in home.residents],
        episodes=[each.episode(start_s) for each in home.residents],
    )


class Filling:
    """One ledger on its way from its first day to now."""

    def __init__(self, home: Household, writer: Writer, minute_days: int) -> None:
        self._home = home
        self._writer = writer
        self._hours_from_s = NOW_S - 435 * DAY_S  # what is kept ends with a month
        self._detail_hours_from_s = NOW_S - 66 * DAY_S
        self._minutes_from_s = NOW_S - (minute_days + 1) * DAY_S

    def run(self) -> None:
        self._writer.commit(opening(self._home))
        day = 0
        while (start_s := self._home.start_s(day)) < NOW_S:
            if start_s < self._hours_from_s:
                self._day(day, start_s)
            else:
                self._hours(day, start_s)
            if day % 7 == 0 or start_s > self._hours_from_s:
                self._writer.expire(start_s)
            day += 1
        self._writer.fold()
        self._writer.expire(NOW_S)
        self._writer.close()

    def _day(self, day: int, start_s: int) -> None:
        usage: dict[UsageKey, Counts] = {}
        for hour in range(24):
            for key, counts in self._home.hour(day, hour).items():
                usage[key] = usage[key].plus(counts) if key in usage else counts
        self._put(start_s + DAY_S // 2, DAY_S, usage)

    def _hours(self, day: int, start_s: int) -> None:
        by_hour = start_s >= self._detail_hours_from_s
        for hour in range(24):
            at_s = start_s + hour * HOUR_S
            if at_s >= NOW_S:
                break
            if at_s < self._minutes_from_s:
                self._put(at_s, HOUR_S, self._home.hour(day, hour))
            else:
                self._writer.commit(_flush(self._home.minutes(day, hour, at_s), HOUR_S, at_s))
            if by_hour:
                self._hand_in(at_s, self._detail(day, hour, peers=0))
            if at_s % DETAIL_FOLD_S == 0:
                self._writer.fold_details()
        first = datetime.fromtimestamp(start_s, ZONE).day == 1
        self._hand_in(start_s + DAY_S // 2, self._detail(day, None, peers=70 if by_hour or first else 0))

    def _put(self, at_s: int, length_s: int, usage: Mapping[UsageKey, Counts]) -> None:
        self._writer.commit(_flush({(at_s, key): counts for key, counts in usage.items()}, length_s, at_s))

    def _detail(self, day: int, hour: int | None, peers: int) -> Traffic:
        """Services and so many peers of an hour of the clock, or of the day."""
        found = Traffic({}, {}, {})
        for resident, hours in self._home.days(day):
            counts = _sum(hours) if hour is None else hours[hour]
            if counts.octets:
                services = 0 if hour is None and day >= self._home.day_of(self._detail_hours_from_s) else 10
                detail = self._home.detail(resident, counts, f"{day} {hour}", services, peers)
                found.services.update(detail.services)
                found.peers.update(detail.peers)
        return found

    def _hand_in(self, hour_s: int, detail: Traffic) -> None:
        services, peers = by_hour(hour_s, detail)
        self._writer.commit(Flush(services=services, peers=peers))


def by_hour(
    hour_s: int, detail: Traffic
) -> tuple[dict[tuple[int, ServiceKey], Counts], dict[tuple[int, PeerKey], Counts]]:
    """Services and peers as a flush has them."""
    services = {(hour_s, key): counts for key, counts in detail.services.items()}
    return services, {(hour_s, key): counts for key, counts in detail.peers.items()}


def _flush(usage: Mapping[tuple[int, UsageKey], Counts], length_s: int, at_s: int) -> Flush:
    """With a coverage of each of its minutes that sees everything."""
    minutes = sorted({minute_s for minute_s, _ in usage}) or [at_s]
    each = length_s * 1000 // len(minutes)
    return Flush(usage, {(minute_s, POINT): Coverage(each, 1_000_000, 1_000_000, 990_000) for minute_s in minutes})


def _sum(hours: list[Counts]) -> Counts:
    return Counts(*(sum(column) for column in zip(*hours, strict=True)))
