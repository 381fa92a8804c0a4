"""Every resolution holds the same octets, once, whatever comes in whichever order."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.flushes import (
    KEYS,
    MEMORY,
    NOON_S,
    PHONE,
    STOCKHOLM,
    WITH_SECONDS,
    ZONES,
    Row,
    flush_of,
    flushes_by_second,
    key,
    modelled,
    stored,
    whole,
)
from tests.support.full_disk import full_disk
from whitestat.core.calendar import day_bounds, parse_instant
from whitestat.core.errors import LedgerError
from whitestat.core.model import Audit, CounterReading, Counts, Episode, FlowKey, Point, Receipt, Scope, UsageKey
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.resolutions import Resolution
from whitestat.ledger.usage_query import TimeStep, UsageQuery
from whitestat.ledger.write.writer import ADDRESSES_KEPT, DeviceRecord, Flush, Writer

HOUR_S, DAY_S = 3_600, 86_400
MAC = bytes.fromhex("025000000011")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "whitestat.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    with closing(Writer(path, STOCKHOLM)) as each:
        yield each


def tables(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """The whole database, to compare."""
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}


def usage(path: Path, resolution: Resolution, zone: ZoneInfo = STOCKHOLM) -> dict[tuple[int, UsageKey], Row]:
    with closing(sqlite3.connect(path)) as connection:
        keys = {
            number: UsageKey(episode, point, list(Scope)[scope])
            for number, episode, point, scope in connection.execute(KEYS["usage"])
        }
        rows = stored(connection, "usage", resolution, zone)
    return {(bucket, keys[number]): row for (bucket, number), row in rows.items()}


def coverage(path: Path, resolution: Resolution, zone: ZoneInfo) -> dict[tuple[int, str], Row]:
    with closing(sqlite3.connect(path)) as connection:
        names = dict(connection.execute(KEYS["coverage"]))
        rows = stored(connection, "coverage", resolution, zone)
    return {(bucket, names[number]): row for (bucket, number), row in rows.items()}


@pytest.mark.slow
@examples(60)
@given(st.lists(flushes_by_second, max_size=6), st.sampled_from(ZONES))
def test_every_table_holds_the_sums_of_a_plain_model(sequence: list[Flush], zone: ZoneInfo) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "whitestat.db"
        with closing(Writer(path, zone, WITH_SECONDS)) as writer:
            for flush in sequence:
                assert writer.commit(flush)
        for resolution in Resolution:

            def bucket(at_s: int, resolution: Resolution = resolution) -> int:
                return resolution.bucket(at_s, zone)

            assert usage(path, resolution, zone) == modelled(sequence, lambda flush: flush.usage, bucket)
            assert coverage(path, resolution, zone) == modelled(sequence, lambda flush: flush.coverage, bucket)


def test_a_booked_receipt_changes_nothing(writer: Writer, path: Path) -> None:
    first, second = (replace(whole(epoch), devices=[DeviceRecord(epoch)]) for epoch in (7, 8))
    assert writer.commit(first)
    assert writer.commit(second)
    before = tables(path)
    assert not writer.commit(second)
    assert not writer.commit(first)
    assert tables(path) == before
    assert writer.flushes == 2


def test_a_meter_has_epochs_of_its_own(writer: Writer) -> None:
    for meter in ("kernel lan", "kernel guest"):
        assert writer.commit(flush_of({(NOON_S, key()): 5}, Receipt(meter, 3)))
    assert writer.day_usage(20261121) == {key(): Counts(octets_in=10, packets_in=2)}
    assert writer.state().receipts == {"kernel lan": 3, "kernel guest": 3}


def test_a_flush_that_is_half_booked_is_refused_whole(writer: Writer, path: Path) -> None:
    writer.commit(whole(1))
    before = tables(path)
    with pytest.raises(LedgerError, match="epoch 1 of kernel is booked, others of its flush are not"):
        writer.commit(flush_of({(NOON_S, key()): 5}, Receipt("kernel", 1), Receipt("other", 1)))
    assert tables(path) == before


READINGS = (
    CounterReading(FlowKey("router", mac=MAC), Counts(2**64 - 1, 2**63, 1, 0, 2**63 - 1), 1_000, "boot 1", 32),
    CounterReading(FlowKey("router", address=bytes(16)), Counts(1), 1_001, "boot 1"),
    CounterReading(FlowKey("lan", MAC, bytes(16), MAC[::-1], b"\xff" * 16, 0, 0, 4095), Counts(2), 1_002, "boot 2"),
    CounterReading(FlowKey("lan"), Counts(3), 1_003, "boot 2"),
)
AUDIT = Audit("boot 1 eth0", "map 7", Counts(2**70, 1, 2, 3, 4), packets_lost=2, link_header=0)


def test_the_next_writer_goes_on_where_the_last_one_stopped(path: Path) -> None:
    episode = Episode(PHONE, 3, MAC, None, 1_000, None)
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(
            Flush(
                readings=READINGS,
                audits={"lan": AUDIT},
                receipts=[Receipt("kernel", 41)],
                devices=[DeviceRecord(3, "phone", "config", "Anna")],
                episodes=[episode],
                points=[Point("lan", "kernel", "br0"), Point("wan", "interface", "eth0", counts=False)],
            )
        )
        writer.commit(Flush(readings=[READINGS[0]._replace(at_ms=2_000)], episodes=[replace(episode, end_ms=9)]))
    with closing(Writer(path, STOCKHOLM)) as writer:
        state = writer.state()
    assert set(state.readings) == {READINGS[0]._replace(at_ms=2_000), *READINGS[1:]}
    assert state.audits == {"lan": AUDIT}
    assert state.receipts == {"kernel": 41}
    assert state.devices == (DeviceRecord(3, "phone", "config", "Anna"),)
    assert state.episodes == (replace(episode, end_ms=9),)
    points = {point.name: point for point in state.points}
    assert points["wan"] == Point("wan", "interface", "eth0", counts=False)
    assert points["router"].counts


def test_only_the_latest_addresses_of_an_episode_are_kept(writer: Writer, path: Path) -> None:
    seen = {(PHONE, number.to_bytes(16, "big")): 1_000 + number for number in range(ADDRESSES_KEPT + 5)}
    writer.commit(Flush(addresses=seen))
    writer.commit(Flush(addresses={(PHONE, (5).to_bytes(16, "big")): 9_000, (PHONE, (6).to_bytes(16, "big")): 1}))
    writer.fold()
    rows = tables(path)["episode_address"]
    assert len(rows) == ADDRESSES_KEPT
    assert rows[0][1:] == ((5).to_bytes(16, "big"), 1_005, 9_000)
    assert rows[1][1:] == ((6).to_bytes(16, "big"), 1_006, 1_006)


def test_a_name_with_half_a_character_does_not_hold_up_the_flush(writer: Writer) -> None:
    writer.commit(replace(whole(1), devices=[DeviceRecord(1, "tele\udcfffon", "dhcp")]))
    assert writer.state().devices[0].name == "tele?fon"


def test_a_clock_gone_wild_expires_nothing(writer: Writer, path: Path) -> None:
    writer.commit(whole(1))
    writer.fold()
    before = usage(path, Resolution.MINUTE)
    writer.expire(NOON_S + 100 * 365 * DAY_S)
    assert usage(path, Resolution.MINUTE) == before


def test_minutes_expire_after_a_week_hours_after_400_days_and_days_never(writer: Writer, path: Path) -> None:
    starts = [NOON_S - days * DAY_S for days in (0, 7, 8, 399, 402)]
    writer.commit(
        replace(
            flush_of({(start_s, key()): 1 for start_s in starts}),
            readings=[
                CounterReading(FlowKey(name), Counts(), at * 1_000, "")
                for name, at in zip("abcde", starts, strict=True)
            ],
        )
    )
    writer.fold()
    writer.expire(NOON_S)
    assert sorted(start for start, _ in usage(path, Resolution.MINUTE)) == sorted(starts[:2])
    assert sorted(start for start, _ in usage(path, Resolution.HOUR)) == sorted(starts[:4])
    assert len(usage(path, Resolution.DAY)) == 5
    assert len(writer.state().readings) == 4
    day_start_s = parse_instant("2025-10-17", STOCKHOLM)
    kept = [row for row in tables(path)["kept"] if row[0] in list(Resolution)]
    assert kept == [("hour", day_start_s), ("minute", day_bounds(20261114, STOCKHOLM)[0])]


@pytest.mark.slow
def test_a_full_disk_books_nothing_and_the_same_flush_goes_in_later(writer: Writer, path: Path) -> None:
    writer.commit(whole(1))
    before = tables(path)
    large = replace(
        flush_of({(NOON_S, key(episode)): 1 for episode in range(3_000)}, Receipt("kernel", 2)),
        points=[Point("new", "interface")],
    )
    with full_disk(200_000), pytest.raises(LedgerError, match="commit failed"):
        writer.commit(large)
    assert tables(path) == before
    assert writer.commit(large)
    writer.fold()
    assert len(usage(path, Resolution.DAY)) == 3_000


@pytest.mark.slow
def test_a_locked_database_books_nothing_and_the_same_flush_goes_in_later(writer: Writer, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match=r"whitestat\.db: commit failed: database is locked"):
            writer.commit(whole(1))
    assert writer.commit(whole(1))
    assert writer.flushes == 1


def test_a_count_that_fits_no_database_is_refused_and_the_next_flush_goes_in(writer: Writer) -> None:
    with pytest.raises(LedgerError, match="commit failed"):
        writer.commit(flush_of({(NOON_S, key()): 1, (NOON_S, key(9)): 2**63}))
    assert writer.commit(flush_of({(NOON_S, key()): 1}))
    assert writer.day_usage(20261121) == {key(): Counts(octets_in=1, packets_in=1)}


def octets_given_to_the_kernel() -> int:
    """What this process has written so far, by the kernel's own count (proc(5), `wchar`)."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["wchar"])


def test_octets_written_are_those_given_to_the_kernel(writer: Writer) -> None:
    """Over several checkpoints: the log starts over each time, inside the file of the round before."""
    before = octets_given_to_the_kernel()
    for number in range(600):
        minute_s = NOON_S + 60 * number
        writer.commit(flush_of({(minute_s, key(episode)): number for episode in range(20)}))
    writer.close()
    assert writer.octets_written == pytest.approx(octets_given_to_the_kernel() - before, rel=0.01)


def test_each_resolution_is_kept_as_long_as_it_is_told(path: Path) -> None:
    kept_s = {"minute": HOUR_S, "hour": 3 * DAY_S, "day": 63 * DAY_S}
    ages_s = [0, 90 * 60, 5 * DAY_S, 200 * DAY_S]
    with closing(Writer(path, STOCKHOLM, kept_s)) as writer, closing(Queries(path, STOCKHOLM)) as queries:
        writer.commit(flush_of({(NOON_S - age_s, key()): 1 for age_s in ages_s}))
        writer.fold()
        writer.expire(NOON_S)
        assert [len(usage(path, each)) for each in Resolution] == [0, 1, 2, 2, 2]
        answer = queries.answer(UsageQuery(NOON_S - 300 * DAY_S, NOON_S + 60, TimeStep.DAY))
        assert answer.step is TimeStep.MONTH
        assert sum(row.counts.octets for row in answer.rows()) == len(ages_s)


def test_what_is_kept_for_ever_does_not_expire(path: Path) -> None:
    with closing(Writer(path, STOCKHOLM, dict.fromkeys(Resolution, None))) as writer:
        writer.commit(flush_of({(NOON_S - age * 100 * DAY_S, key()): 1 for age in range(20)}))
        writer.fold()
        writer.expire(NOON_S)
        assert len(usage(path, Resolution.MINUTE)) == 20


def test_seconds_are_kept_while_somebody_asks_for_them(path: Path) -> None:
    """From then on, as long as told; another writer without a word on them leaves them; `off` ends them."""
    later_s = NOON_S + 60
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(flush_of({(NOON_S + 7, key()): 1}))
    with (
        closing(Writer(path, STOCKHOLM, {Resolution.SECOND: 120})) as writer,
        closing(Queries(path, STOCKHOLM)) as asked,
    ):
        writer.commit(flush_of({(later_s + second, key()): 1 for second in (0, 7, 300)}))
        writer.fold()
        assert len(usage(path, Resolution.SECOND)) == 3
        answer = asked.answer(UsageQuery(later_s + 7, later_s + 301, TimeStep.SECOND))
        assert [(row.start_s - later_s, row.counts.octets_in) for row in answer.rows()] == [(7, 1), (300, 1)]
        early = asked.answer(UsageQuery(NOON_S, later_s, TimeStep.SECOND))
        assert (early.step, early.notice) == (
            TimeStep.MINUTE,
            "each second is kept since 2026-11-21T12:01:00+01:00, so each row is a minute",
        )
        writer.expire(later_s + 900)
        late = asked.answer(UsageQuery(later_s, later_s + 301, TimeStep.SECOND))
        assert (late.step, sum(row.counts.octets for row in late.rows())) == (TimeStep.MINUTE, 3)
    with closing(Writer(path, STOCKHOLM)) as writer:
        writer.commit(flush_of({(later_s + 661, key()): 1}))
        writer.fold()
        assert (later_s + 661, key()) in usage(path, Resolution.SECOND)
    with closing(Writer(path, STOCKHOLM, {Resolution.SECOND: 0})) as off, closing(Queries(path, STOCKHOLM)) as asked:
        assert not usage(path, Resolution.SECOND)
        off.expire(later_s + 2 * DAY_S)
        off.commit(flush_of({(later_s + 2 * DAY_S, key()): 1}))
        off.fold()
        assert not usage(path, Resolution.SECOND), "what expires must not make them kept"
        answer = asked.answer(UsageQuery(later_s, later_s + 900, TimeStep.SECOND))
        assert (answer.step, answer.notice) == (
            TimeStep.MINUTE,
            "no second is kept ([store.retention] second), so each row is a minute",
        )
        assert sum(row.counts.octets for row in answer.rows()) == 4
