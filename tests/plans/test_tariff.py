"""Tariffs on the local clock: every minute in one of them, on the days clocks move too."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from whitestat.plans.tariff import Tariffs, Window

STOCKHOLM = ZoneInfo("Europe/Stockholm")
EVERY = frozenset(range(7))
NIGHT = Window("off-peak", EVERY, 22 * 60, 6 * 60)
WEEKEND = Window("free", frozenset((5, 6)), 0, 1440)


def at(text: str, zone: ZoneInfo = STOCKHOLM, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp())


def test_a_night_belongs_to_the_day_it_began_on() -> None:
    friday_night = Tariffs([Window("off-peak", frozenset((4,)), 22 * 60, 6 * 60)], STOCKHOLM, "peak")
    assert friday_night.at(at("2026-11-27T22:00")) == "off-peak"
    assert friday_night.at(at("2026-11-28T05:59")) == "off-peak"
    assert friday_night.at(at("2026-11-28T06:00")) == "peak"
    assert friday_night.at(at("2026-11-27T05:00")) == "peak"


def test_the_first_window_that_holds_gives_the_tariff() -> None:
    tariffs = Tariffs([WEEKEND, NIGHT], STOCKHOLM, "peak")
    assert tariffs.names == ("free", "off-peak", "peak")
    assert tariffs.at(at("2026-11-28T23:00")) == "free"
    assert tariffs.at(at("2026-11-30T23:00")) == "off-peak"


def test_a_day_is_cut_at_the_edges_of_its_windows() -> None:
    spans = list(Tariffs([NIGHT], STOCKHOLM, "peak").spans(at("2026-11-24T00:00"), at("2026-11-25T00:00")))
    assert [(tariff, end - start) for tariff, start, end in spans] == [
        ("off-peak", 6 * 3600),
        ("peak", 16 * 3600),
        ("off-peak", 2 * 3600),
    ]


def test_a_window_over_the_hour_that_clocks_repeat_is_an_hour_longer() -> None:
    small_hours = Tariffs([Window("off-peak", EVERY, 60, 240)], STOCKHOLM, "peak")
    spans = list(small_hours.spans(at("2026-10-25T00:00"), at("2026-10-26T00:00")))
    assert [end - start for tariff, start, end in spans if tariff == "off-peak"] == [4 * 3600]
    spans = list(small_hours.spans(at("2026-03-29T00:00"), at("2026-03-30T00:00")))
    assert [end - start for tariff, start, end in spans if tariff == "off-peak"] == [2 * 3600]


windows = st.lists(
    st.builds(
        Window,
        st.sampled_from(["peak", "off-peak", "free"]),
        st.frozensets(st.integers(0, 6)),
        st.integers(0, 1439),
        st.integers(0, 1440),
    ),
    max_size=4,
)
zones = st.sampled_from(
    [ZoneInfo(name) for name in ("Europe/Stockholm", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")]
)


@given(windows, zones, st.integers(1_770_000_000, 1_800_000_000), st.integers(1, 4 * 86_400), st.data())
def test_the_spans_are_whole_and_of_one_tariff_each(
    several: list[Window], zone: ZoneInfo, start_s: int, length_s: int, data: st.DataObject
) -> None:
    tariffs = Tariffs(several, zone, "standard")
    spans = list(tariffs.spans(start_s, start_s + length_s))
    assert (spans[0][1], spans[-1][2]) == (start_s, start_s + length_s)
    for before, after in pairwise(spans):
        assert before[2] == after[1] and before[0] != after[0]
    instant = data.draw(st.integers(start_s, start_s + length_s - 1))
    [tariff] = [tariff for tariff, low, high in spans if low <= instant < high]
    assert tariffs.at(instant) == tariff
