"""What a person used is what devices used while they were theirs, and all persons add up to the total."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.flushes import CLOCKS_BACK_S, NOON_S, STOCKHOLM, flush_of, flushes, key, summed
from whitestat.attribution.devices.edits import (
    AddPerson,
    AssignOwner,
    Edit,
    Merge,
    Reassign,
    RemovePerson,
    Snapshot,
    changes,
)
from whitestat.core.calendar import day_bounds, day_of
from whitestat.core.errors import EditError
from whitestat.core.model import Episode
from whitestat.ledger.read.queries import Queries, TimeStep, UsageQuery
from whitestat.ledger.tables import people
from whitestat.ledger.write.writer import DeviceRecord, Flush, Writer

DAY_S = 86_400
DEVICES = Flush(
    devices=[DeviceRecord(number, person="Cy" if number == 4 else None) for number in range(1, 5)],
    episodes=[Episode(number, number, None, None, 0) for number in range(1, 5)],
)
days = st.one_of(st.just(0), st.integers(-3, 3).map(lambda n: day_of(CLOCKS_BACK_S + n * DAY_S, STOCKHOLM)))
devices = st.integers(1, 4)
edits = st.one_of(
    st.builds(AssignOwner, devices, st.sampled_from([None, 1, 2]), days),
    st.builds(AssignOwner, devices, st.sampled_from([1, 2]), days),
    st.builds(Merge, devices, devices),
    st.builds(Reassign, devices, devices),
    st.just(RemovePerson(2)),
)


def edit(writer: Writer, several: list[Edit]) -> Snapshot:
    """Make those that can be made; returns what there is then."""
    with writer.transaction("the edits") as connection:
        for each in several:
            try:
                made = changes(each, Snapshot(people.rows(connection)))
            except EditError:
                continue
            people.apply(connection, people.EditRow(0, 0, "owner", "edit", tuple(made), None))
        return Snapshot(people.rows(connection))


def owner(picture: Snapshot, episode: int, minute_s: int) -> str | None:
    """Who owned an episode's device at a minute, by the plainest way."""
    row = picture.row("episode", (episode,))
    if row is None:
        return None
    device, day = int(row[0] or 0), day_of(minute_s, STOCKHOLM)
    held = picture.of_device("owner", device)
    for each in held:
        person, until = picture.row("owner", each) or (0, 0)
        if int(each[1]) <= day and (until is None or day < int(until)):
            return str((picture.row("person", (int(person or 0),)) or ("",))[0])
    return "Cy" if device == 4 and not held else None


@pytest.mark.slow
@examples(60)
@given(
    st.lists(flushes, max_size=4),
    st.lists(edits, max_size=6),
    st.sampled_from(TimeStep),
    st.tuples(st.integers(-3 * DAY_S, 0), st.integers(1, 3 * DAY_S)),
    st.booleans(),
)
def test_what_persons_used_adds_up_to_the_total_whatever_the_edits(
    sequence: list[Flush], several: list[Edit], step: TimeStep, span: tuple[int, int], folded: bool
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "whitestat.db"
        with closing(Writer(path, STOCKHOLM)) as writer, closing(Queries(path, STOCKHOLM)) as queries:
            for flush in (DEVICES, *sequence):
                writer.commit(flush)
            if folded:
                writer.fold()
            picture = edit(writer, [AddPerson("Anna"), AddPerson("Bo"), *several])
            start_s, end_s = ((CLOCKS_BACK_S + each) // 60 * 60 for each in span)
            asked = UsageQuery(start_s, end_s + 60, step, ("person",))
            rows = queries.usage(asked)
            total = summed(((), row.counts) for row in queries.usage(replace(asked, step=TimeStep.TOTAL, by=())))
            booked = [
                (owner(picture, usage.episode, minute_s), counts)
                for flush in sequence
                for (minute_s, usage), counts in flush.usage.items()
                if asked.start_s <= minute_s < asked.end_s
            ]
            assert summed((row.person, row.counts) for row in rows) == summed(booked)
            assert summed(((), row.counts) for row in rows) == total
            for person in queries.persons():
                theirs = queries.usage(replace(asked, by=(), step=TimeStep.TOTAL, persons=(person,)))
                assert summed((person, row.counts) for row in theirs) == summed(
                    each for each in booked if each[0] == person
                )


def test_a_device_that_changes_hands_counts_for_each_person_from_midnight_on(tmp_path: Path) -> None:
    path = tmp_path / "whitestat.db"
    today = day_of(NOON_S, STOCKHOLM)
    midnight_s = day_bounds(today, STOCKHOLM)[0]
    with closing(Writer(path, STOCKHOLM)) as writer, closing(Queries(path, STOCKHOLM)) as queries:
        writer.commit(DEVICES)
        writer.commit(flush_of({(midnight_s - 60, key()): 5, (midnight_s, key()): 7}))
        asked = UsageQuery(midnight_s - DAY_S, midnight_s + DAY_S, TimeStep.TOTAL, ("person",))
        before = queries.answer(asked)
        assert [(row.person, row.counts.octets) for row in before.rows()] == [(None, 12)]
        edit(writer, [AddPerson("Anna"), AddPerson("Bo"), AssignOwner(1, 1), AssignOwner(1, 2, today)])
        after = queries.answer(asked)
        assert [(row.person, row.counts.octets) for row in after.rows()] == [("Bo", 7), ("Anna", 5)]
        assert after.tag != before.tag
        assert {each.id: each.person for each in queries.devices()}[1] == "Bo"
        assert queries.persons() == ["Anna", "Bo", "Cy"]


def test_a_merged_device_is_shown_no_more(tmp_path: Path) -> None:
    path = tmp_path / "whitestat.db"
    with closing(Writer(path, STOCKHOLM)) as writer, closing(Queries(path, STOCKHOLM)) as queries:
        writer.commit(DEVICES)
        edit(writer, [Merge(2, 1)])
        assert [each.id for each in queries.devices()] == [1, 3, 4]


def test_where_days_have_aged_out_an_owner_counts_from_the_month_and_the_answer_says_so(tmp_path: Path) -> None:
    path = tmp_path / "whitestat.db"
    old_s = NOON_S - 200 * DAY_S
    kept_s: dict[str, int | None] = {"minute": 3 * DAY_S, "hour": 3 * DAY_S, "day": 63 * DAY_S}
    with closing(Writer(path, STOCKHOLM, kept_s)) as writer:
        writer.commit(DEVICES)
        writer.commit(flush_of({(old_s, key()): 5, (old_s + DAY_S, key()): 7, (NOON_S, key()): 1}))
        writer.fold()
        writer.expire(NOON_S)
        edit(writer, [AddPerson("Anna"), AssignOwner(1, 1, day_of(old_s + DAY_S, STOCKHOLM))])
        with closing(Queries(path, STOCKHOLM)) as queries:
            found = queries.answer(UsageQuery(old_s - 60 * DAY_S, NOON_S + DAY_S, TimeStep.TOTAL, ("person",)))
            assert [(row.person, row.counts.octets) for row in found.rows()] == [("Anna", 13)]
            assert found.notice is not None
            assert "count from the start of that month" in found.notice
