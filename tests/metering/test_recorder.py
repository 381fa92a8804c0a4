"""Booking: one harvest, one transaction; what fails is booked later, once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Writing
from tests.support.recorder import (
    DAY_S,
    END_S,
    GATEWAY,
    HOST,
    OWN,
    PHONE,
    UP,
    ZONE,
    Meter,
    book,
    octets_of,
    recorder_on,
)
from whitestat.attribution.locality import Locality
from whitestat.core.errors import LedgerError
from whitestat.core.model import (
    CounterReading,
    Counts,
    Delta,
    FlowKey,
    ReadResult,
    Scope,
)
from whitestat.core.units import address_bytes
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.write.writer import Flush


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "whitestat.db"


def test_usage_is_booked_under_the_configured_name(path: Path, writing: Writing) -> None:
    meter, recorder = Meter(), recorder_on(writing())
    meter.carry(1000)
    book(recorder, meter, DAY_S * 1000, DAY_S * 1000 + 30_000, 30_000)
    assert octets_of(path) == {"phone": 1000}
    with closing(Queries(path, ZONE)) as queries:
        [device] = queries.devices()
    assert (device.name, device.person) == ("phone", "Anna")


def test_what_could_not_be_written_stays_in_the_meter_and_is_booked_once(
    path: Path, writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writing()
    meter, recorder = Meter(), recorder_on(writer)
    meter.carry(1000)

    def full(flush: Flush) -> bool:
        raise LedgerError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(writer, "commit", full)
        with pytest.raises(LedgerError):
            book(recorder, meter, DAY_S * 1000, DAY_S * 1000 + 30_000, 30_000)
    meter.carry(500)
    book(recorder, meter, DAY_S * 1000, DAY_S * 1000 + 60_000, 30_000)
    book(recorder, meter, DAY_S * 1000 + 60_000, DAY_S * 1000 + 90_000, 30_000)
    assert octets_of(path) == {"phone": 1500}


def test_a_death_between_the_commit_and_the_clearing_of_the_map_books_nothing_twice(
    path: Path, writing: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, meter = writing(), Meter()
    meter.carry(1000)
    with monkeypatch.context() as killed:
        killed.setattr(meter, "acknowledge", lambda receipt: None)
        book(recorder_on(writer), meter, DAY_S * 1000, DAY_S * 1000 + 30_000, 30_000)
    writer.close()
    again = recorder_on(writing())
    book(again, meter, DAY_S * 1000 + 30_000, DAY_S * 1000 + 60_000, 30_000)  # the same epoch is handed out again
    meter.carry(7)
    book(again, meter, DAY_S * 1000 + 60_000, DAY_S * 1000 + 90_000, 30_000)
    assert octets_of(path) == {"phone": 1007}


def test_octets_the_interface_carried_while_nobody_watched_are_unattributed(path: Path, writing: Writing) -> None:
    meter, writer = Meter(), writing()
    meter.carry(1000)
    book(recorder_on(writer), meter, DAY_S * 1000, DAY_S * 1000 + 30_000, 30_000)
    writer.close()
    meter.interface += 5000  # while the process was dead
    again = recorder_on(writing())
    book(again, meter, DAY_S * 1000 + 30_000, DAY_S * 1000 + 60_000, 30_000)
    book(again, meter, DAY_S * 1000 + 60_000, DAY_S * 1000 + 90_000, 30_000)
    assert octets_of(path) == {"phone": 1000, None: 5000}
    with closing(Queries(path, ZONE)) as queries:
        covered = queries.coverage(0, END_S)["lan"]
    assert (covered.octets_attributed, covered.octets_unattributed) == (1000, 5000)
    assert covered.frame_octets_interface - covered.frame_octets_metered == 5000


def test_running_counters_start_with_a_baseline_and_go_on_after_a_restart(path: Path, writing: Writing) -> None:
    def reading(octets: int, at_ms: int) -> CounterReading:
        return CounterReading(FlowKey("lan"), Counts(octets, 0, 1, 0), at_ms, "boot")

    writer, start_ms = writing(), DAY_S * 1000
    for count, restart in ((10_000, False), (10_700, True), (11_000, False)):
        meter = Meter(readings=[reading(count, start_ms)])
        meter.epoch = start_ms
        if restart:
            writer.close()
            writer = writing()
        book(recorder_on(writer), meter, start_ms, start_ms + 1000, 30_000)
        start_ms += 1000
    assert octets_of(path) == {None: 1000}


def test_services_and_peers_are_written_when_due_soon_at_first_with_the_octets_of_the_usage(writing: Writing) -> None:
    """After 60 s, then 120; the next would be after 240, and from the fourth on after `detail_s`."""
    writer, meter = writing(), Meter()
    recorder = recorder_on(writer)
    handed_in: list[Flush] = []
    commit = writer.commit

    def committed(flush: Flush) -> bool:
        handed_in.append(flush)
        return commit(flush)

    writer.commit = committed  # type: ignore[method-assign]
    for tick in range(12):
        meter.carry(100)
        book(recorder, meter, DAY_S * 1000 + tick * 30_000, DAY_S * 1000 + (tick + 1) * 30_000, 30_000)
    with_detail = [flush for flush in handed_in if flush.services]
    assert [sum(each.octets for each in flush.services.values()) for flush in with_detail] == [300, 500]
    [(_, service)] = with_detail[0].services
    assert (service.usage.scope, service.protocol, service.service) == (Scope.WAN, UP.protocol, UP.service or 0)
    assert {peer.peer for _, peer in with_detail[0].peers} == {UP.peer}
    meter.carry(100)
    result = meter.read(DAY_S * 1000 + 360_000, DAY_S * 1000 + 390_000)
    recorder.gather(meter, result, 30_000)
    recorder.flush(last=True)
    assert sum(counts.octets for counts in handed_in[-1].services.values()) == 500


def test_who_meters_itself_alone_is_told_after_some_minutes_and_no_more_when_others_appear(writing: Writing) -> None:
    home = Locality(own_macs=frozenset({GATEWAY}), own_addresses=frozenset({OWN}), counting=("lan",))
    recorder = recorder_on(writing(), home)

    def pass_by(key: FlowKey, minute: int) -> None:
        start_ms = (DAY_S + 60 * minute) * 1000
        delta = Delta(key, Counts(0, 100, 0, 1), start_ms, start_ms + 60_000)
        recorder.gather(Meter(), ReadResult(start_ms, start_ms + 60_000, deltas=[delta]), 60_000)

    own = FlowKey("lan", GATEWAY, OWN, bytes([2, 0, 0, 0, 0, 9]), HOST, 6, 443)
    for minute in range(5):
        pass_by(own, minute)
        assert recorder.notices == ()
    pass_by(own, 6)
    assert [notice for notice in recorder.notices if "no Internet traffic but its own" in notice]
    pass_by(UP, 7)
    assert recorder.notices == ()


def test_details_beside_the_deltas_say_what_usage_was_on_and_are_no_usage(writing: Writing) -> None:
    writer = writing()
    recorder, meter = recorder_on(writer), Meter()
    row = FlowKey("lan", PHONE, address_bytes("192.168.50.11"))
    start_ms = DAY_S * 1000
    result = ReadResult(
        start_ms,
        start_ms + 30_000,
        deltas=[Delta(row, Counts(1000, 100), start_ms, start_ms + 30_000)],
        details=[Delta(row._replace(protocol=6, service=443), Counts(700, 70), start_ms, start_ms + 30_000)],
    )
    handed_in: list[Flush] = []
    writer.commit = handed_in.append  # type: ignore[method-assign, assignment]
    recorder.gather(meter, result, 30_000)
    recorder.flush(last=True)
    [flush] = handed_in
    assert [(key.scope, counts) for (_, key), counts in flush.usage.items()] == [(Scope.WAN, Counts(1000, 100))]
    [((_, service), counts)] = flush.services.items()
    assert (service.usage.episode, service.protocol, service.service, counts) == (1, 6, 443, Counts(700, 70))
    assert not flush.peers
    assert sum(each.octets_attributed for each in flush.coverage.values()) == 1100
