"""Hypothesis strategy of edits of devices and people."""

from __future__ import annotations

from hypothesis import strategies as st

from whitestat.attribution.devices.edits import (
    ALWAYS,
    AddPerson,
    AnswerProposal,
    AssignOwner,
    AssignToPerson,
    CompositeEdit,
    Merge,
    Reassign,
    RemovePerson,
    Rename,
    RenamePerson,
    SetLabels,
    Split,
)

numbers = st.integers(1, 5)
days = st.sampled_from([ALWAYS, 20260101, 20260301, 20260901])
texts = st.text(max_size=8)
single = st.one_of(
    st.builds(AssignToPerson, numbers, texts, days),
    st.builds(Rename, numbers, texts),
    st.builds(AssignOwner, numbers, st.none() | numbers, days),
    st.builds(SetLabels, numbers, st.lists(texts, max_size=3).map(tuple)),
    st.builds(Merge, numbers, numbers),
    st.builds(Split, numbers, st.lists(numbers, max_size=3).map(tuple), st.none() | numbers),
    st.builds(Reassign, numbers, numbers),
    st.builds(AddPerson, texts),
    st.builds(RenamePerson, numbers, texts),
    st.builds(RemovePerson, numbers),
    st.builds(AnswerProposal, numbers, st.booleans()),
)
edits = single | st.builds(CompositeEdit, st.lists(single, max_size=3).map(tuple))
