"""Edits of devices and people: each can be taken back, and none loses an octet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.edits import edits
from whitestat.attribution.devices.edits import (
    ALWAYS,
    CONFIRMED,
    EPISODE,
    LABEL,
    NAME,
    OPEN,
    OVER,
    OWNER,
    PERSON,
    PROPOSAL,
    AddPerson,
    AnswerProposal,
    AssignOwner,
    AssignToPerson,
    CompositeEdit,
    Edit,
    Merge,
    Reassign,
    RemovePerson,
    Rename,
    RenamePerson,
    SetLabels,
    Snapshot,
    Split,
    changes,
    undone,
)
from whitestat.core.errors import EditError

HOME = Snapshot(
    {
        EPISODE: {(1,): (1,), (2,): (2,), (3,): (3,), (4,): (3,)},
        NAME: {(1,): ("Anna's phone",)},
        OWNER: {(1, ALWAYS): (1, None), (3, 20260101): (2, 20260601), (3, 20260601): (1, None)},
        LABEL: {(3, "kids"): ()},
        PERSON: {(1,): ("Anna",), (2,): ("Bo",)},
        PROPOSAL: {(1,): (OPEN, 2, 1)},
    }
)


def after(edit: Edit, now: Snapshot = HOME) -> Snapshot:
    return now.with_changes(changes(edit, now))


def test_a_merged_device_brings_its_episodes_and_what_the_other_lacks() -> None:
    merged = after(Merge(1, 2))
    assert merged.row(EPISODE, (1,)) == (2,)
    assert merged.row(NAME, (2,)) == ("Anna's phone",)
    assert merged.row(OWNER, (2, ALWAYS)) == (1, None)
    assert after(Merge(3, 2)).row(LABEL, (2, "kids")) == ()


def test_the_names_and_owners_of_the_device_that_stays_hold() -> None:
    merged = after(Merge(3, 1))
    assert merged.row(NAME, (1,)) == ("Anna's phone",)
    assert merged.of_device(OWNER, 1) == [(1, ALWAYS)]


def test_a_split_turns_a_merge_back() -> None:
    assert after(Split(2, (1,)), after(Merge(1, 2))).row(EPISODE, (1,)) == (1,)


def test_an_address_can_be_anothers_instead_of_a_new_devices() -> None:
    assert after(Split(3, (4,), 1)).row(EPISODE, (4,)) == (1,)


def test_a_device_is_handed_down_from_a_day_on() -> None:
    given_to_bo = after(AssignOwner(1, 2, 20260901))
    assert given_to_bo.row(OWNER, (1, ALWAYS)) == (1, 20260901)
    assert given_to_bo.row(OWNER, (1, 20260901)) == (2, None)


def test_an_owner_from_the_first_day_replaces_all_others() -> None:
    assert after(AssignOwner(3, 2)).of_device(OWNER, 3) == [(3, ALWAYS)]


def test_what_a_removed_person_owned_is_nobodys() -> None:
    assert after(RemovePerson(1)).of_device(OWNER, 1) == []


def test_a_confirmed_proposal_merges_and_is_asked_no_more() -> None:
    confirmed = after(AnswerProposal(1, True))
    assert confirmed.row(EPISODE, (2,)) == (1,)
    assert confirmed.row(PROPOSAL, (1,)) == (CONFIRMED, 2, 1)
    with pytest.raises(EditError, match="confirmed already"):
        changes(AnswerProposal(1, False), confirmed)


def test_proposals_about_a_merged_device_are_about_the_one_that_stays_or_over() -> None:
    several = Snapshot({**HOME.tables, PROPOSAL: {(1,): (OPEN, 2, 1), (2,): (OPEN, 3, 2), (3,): (OPEN, 3, 1)}})
    merged = after(AnswerProposal(1, True), several)
    assert merged.tables[PROPOSAL] == {(1,): (CONFIRMED, 2, 1), (2,): (OPEN, 3, 1), (3,): (OPEN, 3, 1)}
    assert after(AnswerProposal(2, True), merged).tables[PROPOSAL] == {
        (1,): (CONFIRMED, 2, 1),
        (2,): (CONFIRMED, 3, 1),
        (3,): (OVER, 3, 1),
    }
    assert after(Merge(1, 3), several).row(PROPOSAL, (3,)) == (OVER, 3, 1)


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (Rename(9, "x"), "device"),
        (Rename(1, "\x00\u202e"), "name"),
        (Merge(1, 1), "into"),
        (Merge(1, 9), "into"),
        (Split(3, (3, 4)), "episodes"),
        (Split(3, (1,)), "episodes"),
        (Split(3, (4,), 9), "into"),
        (Reassign(9, 1), "episode"),
        (AssignOwner(1, 9), "person"),
        (AddPerson("ANNA"), "name"),
        (RenamePerson(2, "anna"), "name"),
        (SetLabels(1, tuple(map(str, range(17)))), "labels"),
        (AnswerProposal(9, True), "proposal"),
    ],
)
def test_an_edit_that_cannot_be_made_names_the_field(edit: Edit, field: str) -> None:
    with pytest.raises(EditError) as refused:
        changes(edit, HOME)
    assert refused.value.field == field


def test_an_edit_of_what_is_so_already_changes_nothing() -> None:
    assert changes(Rename(1, "Anna's phone"), HOME) == []
    assert changes(SetLabels(3, ("kids",)), HOME) == []


def test_what_was_changed_later_is_not_undone() -> None:
    first = changes(Rename(1, "one"), HOME)
    later = after(Rename(1, "two"), HOME.with_changes(first))
    with pytest.raises(EditError, match="changed since"):
        later.with_changes(undone(first))


@given(st.lists(edits, max_size=12))
def test_any_edits_are_undone_in_turn_and_never_lose_an_episode(several: list[Edit]) -> None:
    pictures, made = [HOME], []
    for edit in several:
        try:
            found = changes(edit, pictures[-1])
        except EditError:
            continue
        made.append(found)
        pictures.append(pictures[-1].with_changes(found))
        assert set(pictures[-1].tables[EPISODE]) == set(HOME.tables[EPISODE])
    now = pictures[-1]
    for found, before in zip(reversed(made), reversed(pictures[:-1]), strict=True):
        now = now.with_changes(undone(found))
        assert now == before


@given(st.lists(edits, max_size=12), st.integers(20251231, 20261231))
def test_a_device_has_one_owner_at_most_on_any_day(several: list[Edit], day: int) -> None:
    now = HOME
    for edit in several:
        try:
            now = after(edit, now)
        except EditError:
            continue
    for device in now.devices():
        rows = [(int(key[1]), now.row(OWNER, key)) for key in now.of_device(OWNER, device)]
        holding = [row for since, row in rows if row and since <= day and (row[1] is None or day < int(row[1]))]
        assert len(holding) <= 1


def test_a_device_given_to_somebody_new_adds_the_person_and_to_one_that_is_known_adds_none() -> None:
    given = after(AssignToPerson(2, "Cleo"))
    assert given.row(PERSON, (3,)) == ("Cleo",)
    assert given.row(OWNER, (2, ALWAYS)) == (3, None)
    assert after(AssignToPerson(2, "ANNA")).row(OWNER, (2, ALWAYS)) == (1, None)


def test_edits_together_are_made_in_their_order_or_not_at_all() -> None:
    made = after(CompositeEdit((AddPerson("Cleo"), AssignOwner(2, 3), Rename(2, "Cleo's"))))
    assert (made.row(OWNER, (2, ALWAYS)), made.row(NAME, (2,))) == ((3, None), ("Cleo's",))
    with pytest.raises(EditError, match="there is no device 99"):
        changes(CompositeEdit((Rename(1, "x"), Rename(99, "y"))), HOME)
