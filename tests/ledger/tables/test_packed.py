"""Buckets as columns: what goes in comes out, sums add up, and what is damaged is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.ledger.tables.packed import added, between, packed, together, unpacked

AMOUNTS = 3
Buckets = Mapping[int, tuple[int, ...]]

numbers = st.one_of(st.just(0), st.integers(0, 255), st.integers(0, 2**32), st.integers(0, 2**63 - 1))
buckets = st.dictionaries(st.integers(0, 86_399), st.tuples(*[numbers] * AMOUNTS), min_size=1, max_size=60)


def rows(of: Buckets) -> list[tuple[int, ...]]:
    return [(offset, *of[offset]) for offset in sorted(of)]


def back(content: bytes) -> list[tuple[int, ...]]:
    return list(zip(*unpacked(content, AMOUNTS), strict=True))


@given(buckets)
def test_what_is_packed_comes_back(of: Buckets) -> None:
    assert back(packed(rows(of))) == rows(of)


@given(buckets, st.lists(buckets, max_size=3))
def test_what_is_added_is_summed_by_bucket(of: Buckets, more: list[Buckets]) -> None:
    sums = {offset: Counter(dict(enumerate(amounts))) for offset, amounts in of.items()}
    content = packed(rows(of))
    for each in more:
        if any(sums.get(o, Counter())[n] + v >= 2**64 for o, row in each.items() for n, v in enumerate(row)):
            with pytest.raises(OverflowError):
                added(content, rows(each), AMOUNTS)
            return
        content = added(content, rows(each), AMOUNTS)
        for offset, amounts in each.items():
            sums.setdefault(offset, Counter()).update(dict(enumerate(amounts)))
    assert back(content) == [(offset, *(sums[offset][n] for n in range(AMOUNTS))) for offset in sorted(sums)]


@given(buckets, st.integers(0, 86_400), st.integers(0, 86_400))
def test_between_takes_what_begins_in_the_span(of: Buckets, low: int, high: int) -> None:
    found = between(unpacked(packed(rows(of)), AMOUNTS), low, high)
    assert list(zip(*found, strict=True)) == [row for row in rows(of) if low <= row[0] < high]


@given(st.lists(st.integers(0, 2**40), min_size=4, max_size=4), st.integers(1, 4))
def test_columns_with_the_same_offsets_add_up(column: list[int], times: int) -> None:
    columns = [[0, 1, 2, 3], column, column]
    assert [list(each) for each in together([columns] * times)] == [[0, 1, 2, 3], *[[n * times for n in column]] * 2]


@given(st.lists(buckets, min_size=1, max_size=4), st.integers(1, 3))
def test_columns_add_up_whatever_offsets_they_share(several: list[Buckets], times: int) -> None:
    sums: dict[int, Counter[int]] = {}
    for of in several * times:
        for offset, amounts in of.items():
            sums.setdefault(offset, Counter()).update(dict(enumerate(amounts)))
    found = together([unpacked(packed(rows(of)), AMOUNTS) for of in several] * times)
    expected = [(offset, *(sums[offset][n] for n in range(AMOUNTS))) for offset in sorted(sums)]
    assert sorted(zip(*found, strict=True)) == expected


@given(buckets, st.data())
def test_what_was_never_packed_is_told(of: Buckets, data: st.DataObject) -> None:
    content = packed(rows(of))
    cut = data.draw(st.integers(0, len(content) - 1))
    for damaged in (content[:cut], content + b"\0", b""):
        with pytest.raises(ValueError):
            unpacked(damaged, AMOUNTS)


def test_numbers_that_no_column_holds_are_refused() -> None:
    for number in (-1, 2**64):
        with pytest.raises(OverflowError):
            packed([(0, number)])
