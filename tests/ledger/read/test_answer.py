"""Sums of steps put together, one by one and in columns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whitestat.core.model import Counts
from whitestat.ledger.read.answer import REST, GroupSums, add_columns, add_to

amounts = st.integers(0, 2**40)
columns = st.lists(st.tuples(st.integers(0, 9).map(lambda step: step * 60), amounts, amounts), min_size=1, max_size=12)


@given(st.lists(columns, max_size=4))
def test_columns_add_up_as_their_rows_do_whatever_steps_they_share(several: list[list[tuple[int, int, int]]]) -> None:
    by_row: GroupSums = {}
    by_column: GroupSums = {}
    for rows in several:
        starts, into, out = zip(*rows, strict=True)
        zeros = bytes(len(rows))
        add_to(by_row, REST, ((step_s, Counts(a, b)) for step_s, a, b in rows))
        add_columns(by_column, REST, starts, [into, out, zeros, zeros, zeros])
    assert by_column == by_row
    assert all(type(counts) is Counts for steps in by_column.values() for counts in steps.values())
