"""Devices are slowed only where their packets pass: on a machine that forwards, or on a bridge."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from whitestat.app import throttle_place
from whitestat.app.throttle_place import NO_INTERFACE, NOT_FORWARDING
from whitestat.collectors import links
from whitestat.config.points import PointConfig
from whitestat.config.sections import Config

POINT = PointConfig(name="lan", collector="kernel", interface="lan0")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's files of a machine with forwarding off, of which `lan0` is no bridge."""
    monkeypatch.setattr(links, "FORWARDING", (tmp_path / "ipv4", tmp_path / "ipv6"))
    monkeypatch.setattr(links, "FORWARDING_OF", (f"{tmp_path}/{{}}.ipv4", f"{tmp_path}/{{}}.ipv6"))
    monkeypatch.setattr(links, "BRIDGED", (f"{tmp_path}/{{}}.bridge", f"{tmp_path}/{{}}.brport"))
    for name in ("ipv4", "ipv6", "lan0.ipv4", "lan0.ipv6"):
        (tmp_path / name).write_text("0\n")
    return tmp_path


def notices(*points: PointConfig) -> list[str]:
    plans = [SimpleNamespace(name="line", when_over=4_000_000), SimpleNamespace(name="other", when_over=None)]
    return throttle_place.notices(cast(Config, cast(Any, SimpleNamespace(plans=plans))), points)


@pytest.mark.parametrize("collector", ["kernel", "packet"])
def test_no_interface_slows_where_the_machine_does_not_forward(machine: Path, collector: str) -> None:
    point = PointConfig(name="lan", collector=collector, interface="lan0")
    assert throttle_place.interfaces([point]) == []
    assert throttle_place.place([point]).fault == NOT_FORWARDING.format("lan0")
    assert notices(point) == [f"plan 'line': when_over: {NOT_FORWARDING.format('lan0')}"]


@pytest.mark.parametrize("switch", ["ipv4", "ipv6", "lan0.ipv4", "lan0.ipv6"])
def test_an_interface_slows_as_soon_as_either_family_is_forwarded(machine: Path, switch: str) -> None:
    assert throttle_place.interfaces([POINT]) == []
    (machine / switch).write_text("1\n")
    assert throttle_place.interfaces([POINT]) == ["lan0"]
    assert notices(POINT) == []


@pytest.mark.parametrize("kind", ["bridge", "brport"])
def test_a_bridge_slows_without_forwarding(machine: Path, kind: str) -> None:
    (machine / f"lan0.{kind}").mkdir()
    other = PointConfig(name="other", collector="kernel", interface="lan1")
    assert throttle_place.place([POINT, other]) == (("lan0",), "")
    assert notices(POINT, other) == []


def test_a_router_alone_keeps_its_own_reason(machine: Path) -> None:
    assert notices() == [f"plan 'line': when_over: {NO_INTERFACE}"]
