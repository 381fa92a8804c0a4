"""The home that ledgers are measured with: the same from the same seed, and as uneven as a real one."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from bench.household import POINT, Household
from whitestat.core.model import Counts, Scope

MONDAY = date(2026, 6, 1)


@pytest.fixture(scope="module")
def home() -> Household:
    return Household(50, MONDAY, 800, ZoneInfo("UTC"))


def test_the_same_seed_is_the_same_home(home: Household) -> None:
    again, other = (Household(50, MONDAY, 800, ZoneInfo("UTC"), seed) for seed in (7, 8))
    at_s = home.start_s(3) + 20 * 3600
    assert home.span(at_s, 30) == again.span(at_s, 30) != other.span(at_s, 30)


def test_services_and_peers_add_up_to_the_wide_area_usage(home: Household) -> None:
    found = home.span(home.start_s(3) + 20 * 3600, 30)
    usage = {key: counts for key, counts in found.usage.items() if key.scope is Scope.WAN}
    for detail in (found.services, found.peers):
        sums = dict.fromkeys(usage, Counts())
        for key, counts in detail.items():
            sums[key.usage] = sums[key.usage].plus(counts)
        assert sums == usage
    assert {key.point for key in found.usage} == {POINT}


def test_evenings_are_busier_than_nights_and_somebody_comes_and_goes(home: Household) -> None:
    night, evening = (sum(counts.octets for counts in home.hour(2, hour).values()) for hour in (3, 20))
    assert 0 < night * 3 < evening
    first, last = ({each.id for each in home.there(day)} for day in (0, 799))
    assert len(first) == len(last) == 50
    assert 0 < len(first & last) < 50
