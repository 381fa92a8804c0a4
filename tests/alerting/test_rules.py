"""The edges of conditions, in figures."""

from __future__ import annotations

import pytest

from whitestat.alerting.rules import User, burst


@pytest.mark.parametrize(
    ("octets", "holds", "over"),
    [(0, False, True), (500, False, True), (501, False, False), (1_000, False, False), (1_001, True, False)],
)
def test_a_burst_holds_above_its_limit_and_is_over_at_half_of_it(octets: int, holds: bool, over: bool) -> None:
    (condition,) = burst([User(1, "tablet", octets // 3), User(2, "phone", octets - octets // 3)], 1_000)
    assert (condition.holds, condition.over) == (holds, over)
