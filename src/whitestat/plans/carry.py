"""What is left of one period and goes to the next; pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING

from whitestat.plans.plan import Plan, Terms
from whitestat.plans.spans import bounds

if TYPE_CHECKING:
    from whitestat.plans.standing import Books, Pricing, TopUp


def carried_into(books: Books, pricing: Pricing, start_s: int, zone: tzinfo) -> dict[str, int]:
    """Octets by allowance that periods before the one of this start left to it, each under the terms of its end.

    A period that was not watched from its start leaves nothing: what was used in it is not known.
    """
    if books.terms[-1].plan.carry_most == 0:
        return {}
    carried: dict[str, int] = {}
    cells = sorted(books.daily.items())
    starts = [cell.day_s for cell, _ in cells]
    for low_s, high_s, terms in _periods(books, start_s, zone):
        used = type(pricing)(terms.plan, pricing.by_id).of(
            cells[bisect_left(starts, low_s) : bisect_left(starts, high_s)]
        )
        topups = [each for each in books.topups if low_s <= each.at_s < high_s]
        carried = _left(terms.plan, used, topups, carried)
    return carried


def _periods(books: Books, start_s: int, zone: tzinfo) -> list[tuple[int, int, Terms]]:
    """Those before that were watched from their start, the first one first."""
    found: list[tuple[int, int, Terms]] = []
    while True:
        terms = terms_at(books.terms, start_s - 1)
        low_s = bounds(terms.plan.period, start_s - 1, zone)[0]
        if low_s < books.since_s:
            return found[::-1]
        found.append((low_s, start_s, terms))
        start_s = low_s


def terms_at(terms: Sequence[Terms], at_s: int) -> Terms:
    """What held then; before all of them, the first."""
    return next((each for each in reversed(terms) if each.from_s <= at_s), terms[0])


def _left(plan: Plan, used: Mapping[str, int], topups: Iterable[TopUp], carried: Mapping[str, int]) -> dict[str, int]:
    found = {}
    for name, allowance in plan.pots.items():
        if allowance is not None:
            topped_up = sum(each.octets for each in topups if plan.pot_of(each.pot) == name)
            left = max(0, allowance + carried.get(name, 0) + topped_up - used[name])
            found[name] = left if plan.carry_most is None else min(left, plan.carry_most)
    return found
