"""What is told of limits is what was done: a limit that was not put in force slows nobody."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from whitestat.alerting.state import Condition
from whitestat.app import throttle_controller as keepers
from whitestat.app.throttle_controller import NO_ADDRESS, ThrottleController
from whitestat.app.throttle_place import NO_INTERFACE, NOT_FORWARDING, ThrottlePlace
from whitestat.core.errors import Missing
from whitestat.core.model import Episode
from whitestat.throttle.client import ThrottleFault
from whitestat.throttle.limits import Limit
from whitestat.throttle.subjects import Rule, Subject

MAC = bytes.fromhex("025000000011")
ANNA = Subject("line", "Anna", frozenset({1}), Rule(4_000_000))
BEN = Subject("line", "Ben", frozenset({2}), Rule(4_000_000))


class Helper:
    """Takes limits, or says why it cannot."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.held: list[str] = []

    def put(self, interfaces: Sequence[str], limits: Sequence[Limit]) -> None:
        if self.fault:
            raise ThrottleFault(self.fault)
        self.held = [each.name for each in limits]


def looked(
    monkeypatch: Any,
    client: Helper | None,
    interfaces: Sequence[str],
    *subjects: Subject,
    places: Sequence[ThrottlePlace] = (),
) -> tuple[ThrottleController, list[Condition]]:
    """One look while these have nothing left; device 1 has a MAC, device 2 was never seen by one."""
    queries = SimpleNamespace(episodes=lambda: [Episode(1, 1, MAC, None, 0)], devices=list)
    plan_status = SimpleNamespace(plan=SimpleNamespace(name="line"), start_s=0, end_s=100)
    monkeypatch.setattr(keepers, "over", lambda *_: list(subjects))
    place = ThrottlePlace(tuple(interfaces), "" if interfaces else NO_INTERFACE)
    following = iter(places)
    keeper = ThrottleController(
        cast(Any, queries), client, lambda: next(following, place), {"line": Rule(4_000_000)}, "no rights"
    )
    return keeper, list(keeper.look(cast(Any, [plan_status]), lambda _: False, lambda _: "now"))


def told(conditions: list[Condition]) -> list[str]:
    return [each.kind for each in conditions if each.holds]


def test_a_router_alone_slows_nobody_and_says_so(monkeypatch: Any) -> None:
    helper = Helper()
    keeper, conditions = looked(monkeypatch, helper, (), ANNA)
    assert helper.held == []
    assert [each.fault for each in keeper.report.subjects] == [NO_INTERFACE]
    assert keeper.report.fault == NO_INTERFACE
    assert told(conditions) == ["throttle-failed"]


def test_a_limit_that_does_not_exist_is_told_with_the_nearest_name(monkeypatch: Any) -> None:
    keeper, _ = looked(monkeypatch, Helper(), ("br0",), ANNA)
    assert keeper.report.key("Anna (line)") == keeper.report.subjects[0].key
    fault = r"no active limit named 'Ana \(line\)' \(did you mean 'Anna \(line\)'\?\); whitestat throttle lists them"
    with pytest.raises(Missing, match=fault):
        keeper.report.key("Ana (line)")
    with pytest.raises(Missing, match="no active limit named 'Ben'; whitestat"):
        keeper.report.key("Ben")


def test_who_has_no_address_here_is_not_slowed_and_others_are(monkeypatch: Any) -> None:
    helper = Helper()
    keeper, conditions = looked(monkeypatch, helper, ("br0",), ANNA, BEN)
    assert helper.held == ["Anna (line)"]
    assert [each.fault for each in keeper.report.subjects] == ["", f"Ben (line): {NO_ADDRESS}"]
    assert told(conditions) == ["throttle-failed", "slowed"]
    assert [each.key for each in conditions if each.kind == "slowed"] == ["slowed/line/Anna/now"]


def test_what_the_helper_refuses_is_not_in_force(monkeypatch: Any) -> None:
    for client, fault in ((Helper("tc: no"), "tc: no"), (None, "no rights")):
        keeper, conditions = looked(monkeypatch, client, ("br0",), ANNA)
        assert [each.fault for each in keeper.report.subjects] == [fault]
        assert told(conditions) == ["throttle-failed"]


def test_limits_are_withdrawn_where_the_machine_forwards_no_longer(monkeypatch: Any) -> None:
    places = [ThrottlePlace(("br0",)), ThrottlePlace((), NOT_FORWARDING.format("br0"))]
    helper = Helper()
    keeper, _ = looked(monkeypatch, helper, (), ANNA, places=places)
    assert helper.held == ["Anna (line)"]
    assert [each.fault for each in keeper.report.subjects] == [""]
    plan_status = SimpleNamespace(plan=SimpleNamespace(name="line"), start_s=0, end_s=100)
    conditions = list(keeper.look(cast(Any, [plan_status]), lambda _: False, lambda _: "now"))
    assert helper.held == []
    assert [each.fault for each in keeper.report.subjects] == [NOT_FORWARDING.format("br0")]
    assert told(conditions) == ["throttle-failed"]
