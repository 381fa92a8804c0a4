"""Limits of those over a plan, each device in one of them."""

from __future__ import annotations

import pytest

from whitestat.core.model import Episode
from whitestat.throttle.limits import MOST
from whitestat.throttle.subjects import Rule, Subject, limits

PHONE, LAPTOP = bytes.fromhex("025000000011"), bytes.fromhex("025000000012")
EPISODES = [Episode(1, 1, PHONE, None, 0), Episode(2, 2, LAPTOP, None, 0)]
SLOW = Subject("slow", "Anna", frozenset({1}), Rule(1_000_000))
FAST = Subject("fast", None, frozenset({1, 2}), Rule(8_000_000))


@pytest.mark.parametrize(
    ("subjects", "macs"),
    [
        ([SLOW, FAST], [("Anna (slow)", 1_000_000, (PHONE,)), ("fast", 8_000_000, (LAPTOP,))]),
        ([FAST, SLOW], [("fast", 8_000_000, (PHONE, LAPTOP)), ("Anna (slow)", 1_000_000, ())]),
    ],
)
def test_a_device_under_several_plans_is_slowed_by_the_first_of_them(
    subjects: list[Subject], macs: list[tuple[str, int, tuple[bytes, ...]]]
) -> None:
    assert [(each.name, each.rate_bps, each.macs) for each in limits(subjects, EPISODES, {})] == macs


def test_no_more_limits_are_set_than_there_is_room_for() -> None:
    subjects = [Subject(f"plan {number}", None, frozenset({number}), Rule(1_000_000)) for number in range(MOST + 2)]
    assert [limit.name for limit in limits(subjects, (), {})] == [f"plan {number}" for number in range(MOST)]
