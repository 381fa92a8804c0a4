"""Usage of today: the booked and the rest, from one midnight to the next."""

from __future__ import annotations

from tests.conftest import Writing
from tests.support.recorder import DAY_S, Meter, book, recorder_on


def test_the_live_view_holds_the_booked_and_the_pending_and_a_flush_does_not_show(writing: Writing) -> None:
    meter, recorder = Meter(), recorder_on(writing())
    now_ms = DAY_S * 1000 + 60_000
    meter.carry(1000)
    before = recorder.live([meter], {"lan"}, now_ms)
    book(recorder, meter, now_ms - 30_000, now_ms, 30_000)
    after = recorder.live([meter], {"lan"}, now_ms)
    assert [row.counts.octets_out for row in before.values()] == [1000]
    assert [row.counts.octets_out for row in after.values()] == [1000]
    assert [row.name for row in after.values()] == ["phone"]
    assert recorder.live([meter], set(), now_ms) == {}


def test_a_restart_goes_on_with_today_and_the_devices_it_knew(writing: Writing) -> None:
    meter, writer = Meter(), writing()
    meter.carry(1000)
    now_ms = DAY_S * 1000 + 60_000
    book(recorder_on(writer), meter, now_ms - 30_000, now_ms, 30_000)
    writer.close()
    rows = recorder_on(writing()).live([], {"lan"}, now_ms)
    assert [(row.name, row.counts.octets) for row in rows.values()] == [("phone", 1000)]


def test_the_day_begins_at_nothing(writing: Writing) -> None:
    meter, recorder = Meter(), recorder_on(writing())
    meter.carry(1000)
    evening_ms = (DAY_S - 3600 - 60) * 1000  # 23:59 in winter time
    book(recorder, meter, evening_ms, evening_ms + 30_000, 30_000)
    assert recorder.live([], {"lan"}, evening_ms + 30_000)
    assert recorder.live([], {"lan"}, evening_ms + 120_000) == {}
