"""The watcher over a real ledger: a month of a family on a plan, each thing told exactly once, over restarts too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.inbox import Inbox, needs_apprise
from whitestat.alerting.outbox import mark
from whitestat.alerting.state import Condition
from whitestat.alerting.watcher import AlertSources, Watcher
from whitestat.config.alerts import NotifyConfig, WatchConfig
from whitestat.core.calendar import parse_instant
from whitestat.core.model import Counts, Coverage, Episode, Scope, UsageKey
from whitestat.core.quiet_hours import Quiet
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.tables.flush import DeviceRecord, Flush
from whitestat.ledger.write.writer import Writer
from whitestat.plans.plan import Period, Plan

ZONE = ZoneInfo("Europe/Stockholm")
PHONE, TABLET = 1, 2
GB = 10**9
DAY_S, HOUR_S = 86_400, 3_600
BEGIN_S = parse_instant("2026-11-01", ZONE)


@dataclass
class Home:
    """A ledger and a clock; `at_s` is now."""

    path: Path
    writer: Writer
    queries: Queries
    at_s: int = BEGIN_S
    state: str = "ok"
    collector: str = "kernel"
    told: list[tuple[str, str]] = field(default_factory=list)

    def use(self, octets: int, device: int = PHONE, lost: int = 0) -> None:
        counts = Counts(octets, 0, 1, 0)
        self.writer.commit(
            Flush(
                usage={
                    (self.at_s, UsageKey(device, "lan", Scope.WAN)): counts,
                    (self.at_s, UsageKey(0, "lan", Scope.WAN)): Counts(lost),
                },
                coverage={(self.at_s, "lan"): Coverage(60_000, 0, 0, octets, lost, 0)},
                devices=[DeviceRecord(PHONE, "phone", "config", None), DeviceRecord(TABLET, "tablet", "config", None)],
                episodes=[
                    Episode(each, each, bytes.fromhex(f"02500000001{each}"), None, BEGIN_S * 1000)
                    for each in (PHONE, TABLET)
                ],
                seen={device: self.at_s * 1000},
            )
        )

    def sources(self) -> AlertSources:
        async def written(work: Callable[[Writer], Any]) -> Any:
            return work(self.writer)

        row = {
            "point": "lan",
            "collector": self.collector,
            "state": self.state,
            "notice": "br0 is gone",
            "counts": True,
        }
        return AlertSources(self.queries, ZONE, lambda: self.at_s * 1000, lambda: [row], written)

    def watcher(self, urls: dict[str, str] | None = None, **settings: Any) -> Watcher:
        notify = settings.pop("notify", NotifyConfig())
        return Watcher(self.sources(), WatchConfig(**settings), notify, urls or {})

    def look(self, watcher: Watcher) -> list[str]:
        """The kinds of what is told now."""
        found = asyncio.run(watcher.look())
        self.told += [(each.kind, each.text) for each in found]
        return [each.kind for each in found]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    path = tmp_path / "ledger.db"
    with closing(Writer(path, ZONE)) as writer:
        writer.follow_plans([Plan("line", 40 * GB, Period(day=1))], BEGIN_S)
        with closing(Queries(path, ZONE)) as queries:
            yield Home(path, writer, queries)


@pytest.mark.slow
def test_a_month_tells_each_thing_once_though_the_service_starts_anew_every_day(home: Home) -> None:
    for day in range(30):
        home.at_s = BEGIN_S + day * DAY_S + 12 * HOUR_S
        home.use(2 * GB)
        watcher = home.watcher(percent=(50, 80, 100), daily=7 * 60)  # a new process
        for _ in range(3):
            home.look(watcher)
            home.at_s += 60
    used = [text for kind, text in home.told if kind == "plan-used"]
    assert [text.split(" used")[0] for text in used] == [
        "line: 50 % of 40.0 GB",
        "line: 80 % of 40.0 GB",
        "line: 100 % of 40.0 GB",
    ]
    assert "The period ends on 2026-11-30." in used[0]
    assert sum(kind == "plan-forecast" for kind, _ in home.told) == 1
    daily = [text for kind, text in home.told if kind == "daily-summary"]
    assert len(daily) == 30
    assert daily[0].startswith("2026-10-31: not watched\n")
    assert daily[1].startswith("2026-11-01: 2.0 GB\nphone: 2.0 GB\nline: ")
    home.at_s = parse_instant("2026-12-01T00:05", ZONE)
    home.look(home.watcher())
    home.look(home.watcher())
    (period,) = [text for kind, text in home.told if kind == "period-summary"]
    assert period.startswith("line, 2026-11-01 to 2026-11-30: 60.0 GB of 40.0 GB\n")
    assert [each.kind for each in home.queries.events()].count("plan-used") == 3


def test_a_week_without_contact_tells_the_highest_edge_alone(home: Home) -> None:
    home.at_s = BEGIN_S + 8 * DAY_S
    home.use(39 * GB)
    watcher = home.watcher(percent=(50, 80, 90, 100), forecast=False)
    assert home.look(watcher) == ["plan-used"]
    assert "97 % of 40.0 GB used, 1.0 GB left" in home.told[0][1]
    assert home.look(watcher) == []


def test_a_burst_names_who_and_is_told_again_only_after_it_was_over(home: Home) -> None:
    watcher = home.watcher(burst=500_000_000, forecast=False, percent=(1000,))
    home.at_s = BEGIN_S + DAY_S
    home.use(600_000_000, TABLET)
    home.at_s += 120
    assert home.look(watcher) == ["burst"]
    assert home.told[-1][1] == ("600.0 MB in the last hour, more than 500.0 MB. Most by tablet: 600.0 MB.")
    assert home.look(watcher) == []
    home.at_s += 2 * HOUR_S
    assert home.look(watcher) == []
    home.use(600_000_000, TABLET)
    home.at_s += 120
    assert home.look(watcher) == ["burst"]


def test_a_point_that_cannot_be_read_is_told_after_its_patience_and_once(home: Home) -> None:
    watcher = home.watcher(unreachable_s=600)
    home.state = "failed"
    watcher._sources = home.sources()
    told = []
    for _ in range(30):
        told += home.look(watcher)
        home.at_s += 60
    assert told == ["unreachable"]
    assert home.told[0][1] == "No data from point lan for 10m: br0 is gone"


def test_low_coverage_is_told_where_devices_can_be_told_apart(home: Home) -> None:
    home.use(50_000_000, lost=60_000_000)
    home.at_s += 120
    assert home.look(home.watcher()) == ["coverage-low"]
    assert "Not matched: 60.0 MB" in home.told[0][1]


@pytest.mark.parametrize(
    ("collector", "kinds"),
    [
        ("packet", ["coverage-low"]),
        ("darkstat", ["coverage-low"]),
        ("archer-c20", ["coverage-low"]),
        ("interface", []),
        ("huawei-b593", []),
        ("hilink", []),
    ],
)
def test_a_meter_of_totals_alone_has_no_coverage_to_warn_of(home: Home, collector: str, kinds: list[str]) -> None:
    home.use(50_000_000, lost=60_000_000)
    home.at_s += 120
    home.collector = collector
    assert home.look(home.watcher()) == kinds


@pytest.mark.slow
@needs_apprise
def test_messages_reach_every_address_once_over_failures_restarts_and_quiet_hours(home: Home) -> None:
    good, bad = Inbox(), Inbox()
    urls = {mark(each.url): each.url for each in (good, bad)}
    notify = NotifyConfig(quiet=Quiet(22 * 60, 7 * 60))
    try:
        bad.broken = True
        home.at_s = parse_instant("2026-11-10T23:00", ZONE)
        home.use(33 * GB)
        watcher = home.watcher(urls, forecast=False, notify=notify)
        assert home.look(watcher) == ["plan-used"]
        asyncio.run(watcher.send())
        assert good.taken == []  # it is night
        home.at_s = parse_instant("2026-11-11T07:00", ZONE)
        watcher = home.watcher(urls, forecast=False, notify=notify)
        for _ in range(3):
            asyncio.run(watcher.send())
        assert [each["title"] for each in good.taken] == ["Data allowance"]
        bad.broken = False
        home.at_s += 61
        asyncio.run(home.watcher(urls).send())
        asyncio.run(home.watcher(urls).send())
        assert len(good.taken) == len(bad.taken) == 1
        assert "82 % of 40.0 GB used" in bad.taken[0]["message"]
    finally:
        good.close()
        bad.close()


class Limits:
    """A controller of limits that counts its looks, and has a limit to report."""

    def __init__(self) -> None:
        self.looks = 0

    def look(self, *_: object) -> Iterator[Condition]:
        self.looks += 1
        yield Condition("slowed/line//", "slowed", True, False, "line: nothing is left")


def test_an_alert_that_is_off_is_not_reported_but_limits_stay_in_force(home: Home) -> None:
    limits = Limits()
    sources = replace(home.sources(), keeper=limits)
    off = Watcher(sources, WatchConfig(off=("slowed",)), NotifyConfig(), {})
    assert home.look(off) == []
    assert limits.looks == 1
    on = Watcher(sources, WatchConfig(), NotifyConfig(), {})
    assert home.look(on) == ["slowed"]
