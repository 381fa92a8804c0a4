"""A message waits for each address by itself, is tried less and less often, and never in quiet hours."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.alerting.outbox import GIVEN_UP_S, WAITS_S, after, due, joined, mark, results
from whitestat.core.calendar import parse_instant
from whitestat.core.quiet_hours import Quiet
from whitestat.ledger.tables.alarms import MessageRow

ZONE = ZoneInfo("Europe/Stockholm")
BOTH = frozenset({mark("ntfy://a"), mark("mailto://b")})


def message(**changed: object) -> MessageRow:
    return MessageRow(1, 0, "Allowance", "80 % used", False, BOTH, 0, 0)._replace(**changed)  # type: ignore[arg-type]


def test_only_who_did_not_take_it_is_asked_again() -> None:
    failed = results(dict.fromkeys(BOTH, ""), [{"mark": mark("ntfy://a"), "ok": True}])
    left = after(message(), failed, 1000)
    assert left
    assert left.waiting == {mark("mailto://b")}
    assert left.next_ms == 1000 + WAITS_S[0] * 1000


def test_taken_by_all_it_is_done() -> None:
    assert after(message(), frozenset(), 1000) is None


@given(st.integers(1, 400))
def test_waits_never_get_shorter_and_it_is_given_up_after_days(tries: int) -> None:
    held, now_ms, waits = message(), 0, []
    for _ in range(tries):
        left = after(held, BOTH, now_ms)
        if left is None:
            assert now_ms > GIVEN_UP_S * 1000
            break
        waits.append(left.next_ms - now_ms)
        held, now_ms = left, left.next_ms
    assert waits == sorted(waits)


def test_in_quiet_hours_only_what_is_urgent_is_due() -> None:
    rows = [message(id=1), message(id=2, urgent=True), message(id=3, next_ms=99, urgent=True)]
    assert [each.id for each in due(rows, 50, quiet=True)] == [2]
    assert [each.id for each in due(rows, 99, quiet=False)] == [1, 2, 3]


def test_after_a_quiet_night_several_go_as_one() -> None:
    assert joined([message()]) == ("Allowance", "80 % used")
    title, body = joined([message(), message(title="New device", body="tablet is new here.")])
    assert title == "2 messages from WhiteStat"
    assert body == "Allowance\n80 % used\n\nNew device\ntablet is new here."


@pytest.mark.parametrize(
    ("quiet", "clock", "holds"),
    [
        (Quiet(22 * 60, 7 * 60), "23:59", True),
        (Quiet(22 * 60, 7 * 60), "06:59", True),
        (Quiet(22 * 60, 7 * 60), "07:00", False),
        (Quiet(13 * 60, 14 * 60), "13:30", True),
        (Quiet(13 * 60, 14 * 60), "14:00", False),
    ],
)
def test_quiet_hours_go_over_midnight(quiet: Quiet, clock: str, holds: bool) -> None:
    assert quiet.holds(parse_instant(f"2026-11-24T{clock}:00", ZONE), ZONE) is holds
