"""Interfaces that come, go, and take each other's names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whitestat.collectors.presence import NewInterfaces, indexes, is_up


def test_loopback_is_there_and_no_name_that_nobody_has() -> None:
    assert indexes()["lo"] == 1
    assert is_up("lo") in (True, False)
    assert is_up("no-such-link") is None


def test_before_the_first_look_everything_is_new() -> None:
    assert not NewInterfaces().had_another_name(7)


@given(st.lists(st.integers(1, 100), min_size=1), st.integers(1, 200))
def test_what_was_there_at_a_look_had_another_name(known: list[int], index: int) -> None:
    newcomers = NewInterfaces()
    newcomers.look(known)
    newcomers.look([])
    assert newcomers.had_another_name(index) == (index <= max(known))
