"""The published contract itself: it passes a collector that keeps it, and each check fails one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support import faulty_collectors as faulty
from tests.support.http_server import page, serving
from whitestat.collectors.settings import PointSettings
from whitestat.core.collector_specs import CollectorSpec
from whitestat.core.model import Point
from whitestat.testing import CollectorUnderTest, ContractBroken, checks_of, contract
from whitestat.testing.contract import Check


@contextmanager
def meter() -> Iterator[PointSettings]:
    with serving(lambda path: page("1000")) as url:
        yield PointSettings(Point("lan", "page"), url=url, interval_s=1)


def collector(name: str) -> CollectorUnderTest:
    return CollectorUnderTest(CollectorSpec("page", f"{faulty.__name__}:{name}", {"url"}, measures="line"), meter)


FAULTY: list[tuple[Check, str, str]] = [
    (contract.touches_nothing_until_opened, "ListensAtOnce", "threads and open files were"),
    (contract.counts_for_its_own_points_over_the_time_asked_for, "CountsForOthers", "it counts for the points {"),
    (contract.names_itself_as_its_specification_does, "HasAnotherName", "its points say {'another'}"),
    (contract.hands_out_the_same_until_it_is_acknowledged, "HandsOutMore", "it hands out more before that is"),
    (contract.may_be_looked_at_and_closed_twice, "ShowsLessThanNothing", "it shows less than nothing"),
    (contract.waits_for_no_meter_that_is_away_and_says_so, "FailsToRead", "a meter that is away is no fault of"),
    (contract.books_nothing_that_the_last_process_booked, "BooksAgain", "it books 1000 octets that the last process"),
]


@pytest.mark.parametrize("check", checks_of(collector("PageCounter").spec))
def test_a_collector_that_keeps_the_contract_passes(check: Check) -> None:
    check(collector("PageCounter"))


def test_every_check_has_a_collector_that_fails_it() -> None:
    assert [check for check, *_ in FAULTY] == list(checks_of(collector("PageCounter").spec))


@pytest.mark.parametrize(("check", "name", "reason"), FAULTY, ids=[name for _, name, _ in FAULTY])
def test_a_collector_that_breaks_one_promise_fails_the_check_of_it_and_no_other(
    check: Check, name: str, reason: str
) -> None:
    with pytest.raises(ContractBroken) as broken:
        check(collector(name))
    assert reason in str(broken.value)
    for other in checks_of(collector(name).spec):
        if other is not check:
            other(collector(name))
