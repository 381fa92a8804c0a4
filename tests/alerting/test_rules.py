"""Each alert rule in figures, and the table of rules against the configuration."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from whitestat.alerting import device_rules, plan_rules, point_rules
from whitestat.alerting.device_rules import NewDevice, User, burst
from whitestat.alerting.moment import Moment
from whitestat.alerting.point_rules import Failure
from whitestat.alerting.rules import BY_KEY, RULES, AlertInputs, active, check_names, setting_of, title_of
from whitestat.alerting.state import Condition
from whitestat.alerting.summaries import PastDay, Used
from whitestat.config.alerts import NotifyConfig, WatchConfig
from whitestat.config.schema import declared
from whitestat.config.tables import SECTIONS
from whitestat.core.calendar import parse_instant
from whitestat.core.errors import ConfigError
from whitestat.core.model import Coverage
from whitestat.plans.status import PlanStatus

ZONE = ZoneInfo("Europe/Stockholm")
BEGIN_S = parse_instant("2026-11-01", ZONE)
NOW = Moment(BEGIN_S * 1000 + 86_400_000, ZONE)
GB = 10**9


def edges(conditions: list[Condition]) -> list[tuple[bool, bool]]:
    return [(condition.holds, condition.over) for condition in conditions]


def status(used: int, available: int | None, **more: Any) -> PlanStatus:
    """A plan of one allowance; `share` is what Anna used, of half of it."""
    allowance = SimpleNamespace(name="standard", used=used, available=available, forecast=more.get("forecast"))
    half = SimpleNamespace(name="standard", used=more.get("share", 0), available=available and available // 2)
    anna = SimpleNamespace(person="Anna", octets=more.get("share", 0), parts=(half,))
    return cast(
        PlanStatus,
        SimpleNamespace(
            plan=SimpleNamespace(name="line"),
            start_s=BEGIN_S,
            end_s=parse_instant("2026-12-01", ZONE),
            pots=(allowance,),
            persons=(anna,),
        ),
    )


@pytest.mark.parametrize(
    ("octets", "holds", "over"),
    [(0, False, True), (500, False, True), (501, False, False), (1_000, False, False), (1_001, True, False)],
)
def test_a_burst_holds_above_its_limit_and_is_over_at_half_of_it(octets: int, holds: bool, over: bool) -> None:
    users = [User(1, "tablet", octets // 3), User(2, "phone", octets - octets // 3)]
    assert edges(burst(users, 1_000, NOW)) == [(holds, over)]


@pytest.mark.parametrize(
    ("used", "holds", "over"),
    [(74 * GB, False, True), (75 * GB, False, False), (79 * GB, False, False), (80 * GB, True, False)],
)
def test_a_used_percentage_holds_from_its_edge_on_and_is_over_more_than_5_points_below(
    used: int, holds: bool, over: bool
) -> None:
    assert edges(list(plan_rules.used([status(used, 100 * GB)], (80,), NOW))) == [(holds, over)]


def test_a_used_up_allowance_is_urgent_and_an_endless_one_has_no_condition() -> None:
    conditions = list(plan_rules.used([status(120 * GB, 100 * GB)], (80, 100), NOW))
    assert [condition.urgent for condition in conditions] == [False, True]
    assert "120 % of 100.0 GB used, 20.0 GB over. The period ends on 2026-11-30." in conditions[0].text
    assert list(plan_rules.used([status(120 * GB, None)], (80, 100), NOW)) == []


def test_a_share_is_measured_by_the_person_s_own_part() -> None:
    (condition,) = plan_rules.shares([status(0, 100 * GB, share=40 * GB)], (80,), NOW)
    assert condition.holds
    assert condition.text == "Anna has used 80 % of their share of 50.0 GB of line."


@pytest.mark.parametrize(("octets", "holds"), [(103 * GB, False), (103 * GB + 1, True)])
def test_a_forecast_holds_more_than_3_percent_above_the_allowance(octets: int, holds: bool) -> None:
    forecast = SimpleNamespace(octets=octets, runs_out=None)
    assert edges(list(plan_rules.overrun([status(GB, 100 * GB, forecast=forecast)], True, NOW))) == [(holds, False)]


def test_a_forecast_of_a_used_up_allowance_is_no_news() -> None:
    forecast = SimpleNamespace(octets=300 * GB, runs_out=None)
    assert edges(list(plan_rules.overrun([status(100 * GB, 100 * GB, forecast=forecast)], True, NOW))) == [
        (False, False)
    ]


@pytest.mark.parametrize(("for_ms", "holds"), [(599_999, False), (600_000, True)])
def test_a_point_is_unreachable_after_its_patience(for_ms: int, holds: bool) -> None:
    failures = {"lan": Failure(NOW.now_ms - for_ms, "br0 is gone"), "wan": None}
    lan, wan = point_rules.unreachable(failures, 600, NOW)
    assert (lan.holds, lan.over, lan.urgent) == (holds, False, True)
    assert (wan.holds, wan.over) == (False, True)


@pytest.mark.parametrize(
    ("percent", "holds", "over"), [(89, True, False), (90, False, False), (91, False, False), (92, False, True)]
)
def test_coverage_is_low_below_its_percentage_and_over_2_points_above(percent: int, holds: bool, over: bool) -> None:
    row = Coverage(60_000, 0, 0, percent * 10**6, (100 - percent) * 10**6, 0)
    assert edges(point_rules.covered({"lan": row}, 90, NOW)) == [(holds, over)]


def test_a_few_packets_decide_no_coverage() -> None:
    assert point_rules.covered({"lan": Coverage(60_000, 0, 0, 1, 9_999_998, 0)}, 90, NOW) == []


def test_a_device_is_new_for_an_hour() -> None:
    devices = [NewDevice(1, "tv", NOW.now_ms - 3_600_000), NewDevice(2, "", NOW.now_ms - 3_599_999)]
    (condition,) = device_rules.new_devices(devices, True, NOW)
    assert (condition.key, condition.text) == ("event/2", "New device: without a name.")
    assert condition.is_event


def test_a_daily_summary_has_its_title_in_the_first_line() -> None:
    day = PastDay(BEGIN_S, [Used("Anna", GB)], [], watched=True)
    (condition,) = BY_KEY["daily-summary"].decide(day, 420, NOW)
    assert condition.has_title
    assert condition.text.splitlines() == ["2026-11-01: 1.0 GB", "Anna: 1.0 GB"]
    assert list(BY_KEY["daily-summary"].decide(None, 420, NOW)) == []


def test_every_setting_of_a_rule_is_a_key_and_every_key_of_watch_has_a_rule() -> None:
    keys = {f"{section.name}.{key.name}" for section in SECTIONS for key in declared(section.holds)}
    settings = {rule.setting for rule in RULES}
    assert settings <= keys
    assert {key for key in keys if key.startswith("watch.")} - settings == {"watch.off"}


def test_keys_and_titles_of_rules_are_unique_and_conditions_have_the_key_of_their_rule() -> None:
    assert len({rule.key for rule in RULES}) == len({rule.title for rule in RULES}) == len(RULES)
    limits = [Condition(kind, kind, True, False, "") for kind in ("slowed", "throttle-failed")]
    plan = status(GB, GB, share=GB, forecast=SimpleNamespace(octets=GB, runs_out=None))
    inputs = SimpleNamespace(
        plan_statuses=lambda: [plan],
        users=lambda: [User(1, "tv", GB)],
        failures=lambda: {"lan": None},
        coverage=lambda: {"lan": Coverage(1, 0, 0, GB, GB, 0)},
        new_devices=lambda: [NewDevice(1, "tv", NOW.now_ms)],
        past_day=lambda minute: PastDay(BEGIN_S, [], [], watched=True),
        past_periods=lambda: [SimpleNamespace()],
        limits=lambda: limits,
    )
    for rule, value in active(WatchConfig(burst=1, daily=0, period=False), NotifyConfig()):
        conditions = rule.conditions(cast(AlertInputs, inputs), value, NOW)
        assert {condition.kind for condition in conditions} == {rule.key}


def test_a_rule_is_on_unless_its_setting_is_none_false_or_empty_or_it_is_in_off() -> None:
    def on(notify: NotifyConfig | None = None, **settings: Any) -> set[str]:
        return {rule.key for rule, _ in active(WatchConfig(**settings), notify or NotifyConfig())}

    every = set(BY_KEY)
    assert on() == every - {"burst", "daily-summary"}
    assert on(burst=1, daily=0) == every, "a summary at midnight is a summary"
    assert every - on(percent=(), burst=1, daily=1) == {"plan-used", "share-used"}
    assert every - on(NotifyConfig(devices=False), burst=1, daily=1) == {"new-device"}
    assert every - on(off=tuple(BY_KEY)) == every


def test_a_setting_is_read_by_its_name_in_the_file() -> None:
    assert setting_of(BY_KEY["unreachable"], WatchConfig(unreachable_s=7), NotifyConfig()) == 7


def test_an_unknown_alert_is_a_fault_with_the_nearest_one() -> None:
    check_names(tuple(BY_KEY))
    with pytest.raises(ConfigError, match=r"watch.off: unknown alert 'brust' \(did you mean 'burst'\?\), expected"):
        check_names(["brust"])


def test_a_title_of_a_kind_without_a_rule_is_the_kind_in_words() -> None:
    assert title_of("new-device") == "New device"
    assert title_of("ledger-recovered") == "Ledger recovered"
