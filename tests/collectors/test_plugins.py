"""Collectors of other packages: small real packages with metadata of their own, installed into a folder on sys.path."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from whitestat.collectors.settings import PointSettings
from whitestat.config.loader import load
from whitestat.core.errors import ConfigError
from whitestat.core.model import Point
from whitestat.core.system.collector_plugins import spec_of
from whitestat.testing import CollectorUnderTest, ContractBroken, checks_of
from whitestat.testing.contract import counts_for_its_own_points_over_the_time_asked_for

GOOD = """
from whitestat.collectors.interface import InterfaceCollector
from whitestat.core.collector_specs import CollectorSpec
SPEC = CollectorSpec("toy", "toy_collector:build", {"interface"}, measures="line")
def build(settings):
    return InterfaceCollector(settings.point)
"""
Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    def installed(source: str) -> None:
        (tmp_path / "toy_collector.py").write_text(source)
        info = tmp_path / "toy_collector-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-collector\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[whitestat.collectors]\ntoy = toy_collector:SPEC\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()
        spec_of.cache_clear()

    yield installed
    sys.modules.pop("toy_collector", None)
    spec_of.cache_clear()


def loaded(tmp_path: Path, more: str = 'interface = "lo"\n') -> str:
    file = tmp_path / "whitestat.toml"
    file.write_text(f'[[point]]\nname = "lan"\ncollector = "toy"\n{more}')
    return load(file, {}, root=True).points[0].collector


def test_a_collector_of_another_package_is_configured_and_keeps_the_contract(tmp_path: Path, install: Install) -> None:
    with pytest.raises(ConfigError, match=r"point\[1\]\.collector: must be one of .*, got 'toy'"):
        loaded(tmp_path)
    install(GOOD)
    assert loaded(tmp_path) == "toy"
    with pytest.raises(ConfigError, match=r"point\[1\]\.interface: is missing: collector 'toy' needs it"):
        loaded(tmp_path, "")
    meter = CollectorUnderTest(spec_of("toy"), lambda: nullcontext(PointSettings(Point("lan", "toy", "lo"))))
    for check in checks_of(meter.spec):
        check(meter)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "cannot be loaded: ZeroDivisionError"),
        ("", "cannot be loaded: AttributeError"),
        ("SPEC = 5", "toy_collector:SPEC is not a CollectorSpec"),
        (GOOD.replace('{"interface"}', '{"serial"}'), "it needs 'serial': must be of interface, listen, password, url"),
        (GOOD.replace('"toy", ', '"tin", '), "its specification is called 'tin'"),
        (GOOD.replace('"line"', '"water"'), "it measures 'water'"),
    ],
)
def test_a_broken_package_is_a_fault_that_names_it(tmp_path: Path, install: Install, source: str, fault: str) -> None:
    install(source)
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path)
    assert "point[1].collector: collector 'toy' of package toy-collector" in str(caught.value)
    assert fault in str(caught.value)


def test_the_contract_refuses_a_collector_that_counts_for_another_point(install: Install) -> None:
    install(
        GOOD
        + """
class Stray(InterfaceCollector):
    def statuses(self):
        return {"other": status for status in super().statuses().values()}
def build(settings):
    return Stray(settings.point)
"""
    )
    meter = CollectorUnderTest(spec_of("toy"), lambda: nullcontext(PointSettings(Point("lan", "toy", "lo"))))
    with pytest.raises(ContractBroken, match=r"it has the state of {'other'}, and has the points {'lan'}"):
        counts_for_its_own_points_over_the_time_asked_for(meter)
