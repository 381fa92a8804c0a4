"""What is not written yet: bounded, moved, and complete."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.core import calendar
from whitestat.core.model import Counts, Coverage, Scope, UsageKey
from whitestat.metering import batch as module
from whitestat.metering.batch import PendingBatch
from whitestat.metering.timekeeper import Correction

ZONE = ZoneInfo("Asia/Kathmandu")  # 5 h 45 min ahead of UTC
START_MS = 1_795_300_000_000

keys = st.builds(UsageKey, st.integers(0, 3), st.just("lan"), st.sampled_from(Scope))
spans = st.tuples(st.integers(0, 3 * 86_400_000), st.integers(0, 7_200_000))
added = st.lists(st.tuples(keys, st.integers(0, 2**40), spans), max_size=12)


def filled(entries: list[tuple[UsageKey, int, tuple[int, int]]]) -> PendingBatch:
    draft = PendingBatch()
    for key, octets, (begun_ms, length_ms) in entries:
        span = START_MS + begun_ms, START_MS + begun_ms + length_ms
        draft.add_usage(key, Counts(octets, octets // 2, 1, 1), *span)
        draft.add_coverage("lan", Coverage(length_ms, octets), *span)
    return draft


def by_key(draft: PendingBatch) -> dict[UsageKey, Counts]:
    sums: dict[UsageKey, Counts] = {}
    for (_, key), counts in draft.usage.items():
        sums[key] = sums.get(key, Counts()).plus(counts)
    return sums


def by_day(draft: PendingBatch) -> dict[tuple[int, UsageKey], int]:
    sums: dict[tuple[int, UsageKey], int] = {}
    for (minute, key), counts in draft.usage.items():
        place = calendar.day_of(minute, ZONE), key
        sums[place] = sums.get(place, 0) + counts.octets
    return sums


def covered(draft: PendingBatch) -> Coverage:
    total = Coverage()
    for each in draft.coverage.values():
        total = total.plus(each)
    return total


@given(added)
def test_bounding_coarsens_minutes_and_every_local_day_keeps_its_octets(
    entries: list[tuple[UsageKey, int, tuple[int, int]]],
) -> None:
    draft = filled(entries)
    octets, days, coverage = by_key(draft), by_day(draft), covered(draft)
    with pytest.MonkeyPatch.context() as small:
        small.setattr(module, "MOST_ENTRIES", 20)
        draft.bound(ZONE)
    assert (by_key(draft), by_day(draft), covered(draft)) == (octets, days, coverage)
    assert len(draft.usage) <= max(20, len(octets) * 5)


@given(added, st.integers(0, 3 * 86_400_000), st.integers(-10_000, 10_000_000))
def test_moving_takes_what_lies_after_the_instant_and_loses_nothing(
    entries: list[tuple[UsageKey, int, tuple[int, int]]], since: int, minutes: int
) -> None:
    draft = filled(entries)
    octets, coverage, before = by_key(draft), covered(draft), dict(draft.usage)
    correction = Correction(START_MS + since, minutes * 60_000)
    draft.move(correction)
    assert (by_key(draft), covered(draft)) == (octets, coverage)
    since_s = calendar.minute_start(correction.since_ms // 1000)
    stays = {place for place in before if place[0] < since_s}
    goes = {(minute + minutes * 60, key) for minute, key in before if minute >= since_s}
    assert set(draft.usage) == stays | goes


def test_a_small_draft_keeps_its_minutes() -> None:
    draft = PendingBatch()
    draft.add_usage(UsageKey(1, "lan", Scope.WAN), Counts(600), START_MS, START_MS + 600_000)
    before = dict(draft.usage)
    draft.bound(ZONE)
    assert draft.usage == before
    assert draft.octets == 600


def test_seconds_are_shared_out_by_second() -> None:
    draft = PendingBatch(finest_s=1)
    key = UsageKey(1, "lan", Scope.WAN)
    draft.add_usage(key, Counts(300), START_MS + 500, START_MS + 2_000)
    start_s = START_MS // 1000
    assert draft.usage == {(start_s, key): Counts(100), (start_s + 1, key): Counts(200)}
