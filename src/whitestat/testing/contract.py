"""Contract of a collector as checks that any test framework can run.

A package with a collector of its own runs them with pytest like this; `meter` is a context manager that yields the
`PointSettings` of a working meter:

    @pytest.mark.parametrize("check", checks_of(SPEC))
    def test_contract(check):
        check(CollectorUnderTest(SPEC, meter))
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from whitestat.collectors import Collector
from whitestat.collectors.registry import build
from whitestat.collectors.settings import PointSettings
from whitestat.core.collector_specs import CollectorSpec
from whitestat.core.errors import CollectorError
from whitestat.core.model import CounterReading, Delta, PointState, ReadResult, Receipt

PATIENCE_S = 30.0
_FILES = Path("/proc/self/fd")


class ContractBroken(AssertionError):
    """A collector that does not do what the engine relies on; the message says what."""


class CollectorUnderTest(NamedTuple):
    """A collector and a meter for it, which works for as long as the context is entered.

    The meter's counters stand still unless the interface carries packets.
    """

    spec: CollectorSpec
    meter: Callable[[], AbstractContextManager[PointSettings]]

    @contextmanager
    def opened(self) -> Iterator[Collector]:
        """Yield a collector of the meter, open."""
        with self.meter() as settings, _opened(self.spec, settings) as collector:
            yield collector


Check = Callable[[CollectorUnderTest], None]


def touches_nothing_until_opened(tested: CollectorUnderTest) -> None:
    with tested.meter() as settings:
        before = threading.active_count(), _open_files()
        with closing(build(tested.spec, settings)):  # kept until after: what is collected closes its files
            after = threading.active_count(), _open_files()
    _expect(before == after, f"threads and open files were {before} before it was built, and {after} after")


def counts_for_its_own_points_over_the_time_asked_for(tested: CollectorUnderTest) -> None:
    with tested.opened() as collector:
        result = first_result(collector)
        names = {point.name for point in collector.points}
        rows: list[CounterReading | Delta] = [*result.readings, *result.deltas, *result.marks, *result.details]
        points = {row.key.point for row in rows} | set(result.audits)
        _expect(points <= names, f"it counts for the points {points}, and has the points {names}")
        _expect(result.start_ms <= 0 and result.end_ms == 1000, "the result does not cover the requested span")
        _expect(all(min(row.counts) >= 0 for row in rows), "it counts less than nothing")
        statuses = collector.statuses()
        _expect(set(statuses) == names, f"it has the state of {set(statuses)}, and has the points {names}")
        states = {status.state for status in statuses.values()}
        _expect(states == {PointState.OK}, f"its meter works, and its state is {states}")


def names_itself_as_its_specification_does(tested: CollectorUnderTest) -> None:
    with tested.opened() as collector:
        kinds = {point.collector for point in collector.points}
        _expect(kinds == {tested.spec.name}, f"its points say {kinds}, its specification {tested.spec.name!r}")
        first_result(collector)
        facts = collector.facts()
        _expect(facts.settled, "after a read it still does not report if its meter can be read")
        _expect(facts.is_polled == tested.spec.is_polled, "its facts and its needs differ on whether it is polled")
        _expect(bool(facts.url) == tested.spec.is_polled, "exactly the collectors that need a URL report it")


def hands_out_the_same_until_it_is_acknowledged(tested: CollectorUnderTest) -> None:
    with tested.opened() as collector:
        result = first_result(collector)
        if result.receipt is None:
            return  # running counters: they are compared, not drained
        _expect(collector.read(0, 2000).receipt == result.receipt, "it hands out more before that is acknowledged")
        collector.acknowledge(Receipt("another meter", 1 << 40))
        _expect(collector.read(0, 2000).receipt == result.receipt, "it takes the receipt of another meter for its own")
        collector.acknowledge(result.receipt)
        again = collector.read(1000, 3000).receipt
        _expect(again is None or again.epoch > result.receipt.epoch, "it hands out again what was acknowledged")


def may_be_looked_at_and_closed_twice(tested: CollectorUnderTest) -> None:
    with tested.opened() as collector:
        first_result(collector)
        _expect(all(min(delta.counts) >= 0 for delta in collector.peek()), "it shows less than nothing")
        collector.maintain()
        _expect(collector.memory() >= 0, "it takes less memory than none")
        began_s = time.monotonic()
        collector.close()
        collector.close()
        _expect(time.monotonic() - began_s < 5, "closing it takes more than 5 s")


def waits_for_no_meter_that_is_away_and_says_so(tested: CollectorUnderTest) -> None:
    with tested.meter() as settings:
        pass  # its address, where nothing answers any more
    with _opened(tested.spec, settings) as collector:
        began_s = time.monotonic()
        try:
            deltas = list(collector.read(0, 1000).deltas)
        except CollectorError as error:
            raise ContractBroken(f"a meter that is away is no fault of the read: {error}") from error
        _expect(not deltas, "it counts at a meter that is away")
        _expect(time.monotonic() - began_s < 1, "a read waits for a meter that is away")
        name = settings.point.name
        _wait_until(lambda: collector.statuses()[name].state is PointState.FAILED, "its state says that it failed")
        _expect(settings.url in collector.statuses()[name].notice, "its notice does not say which address failed")


def books_nothing_that_the_last_process_booked(tested: CollectorUnderTest) -> None:
    with tested.meter() as settings:
        with _opened(tested.spec, settings) as collector:
            marks = tuple(first_result(collector).marks)
        with _opened(tested.spec, replace(settings, readings=marks)) as collector:
            octets = sum(delta.counts.octets for delta in first_result(collector).deltas)
            _expect(octets == 0, f"it books {octets} octets that the last process had marks of")


_OF_ALL: tuple[Check, ...] = (
    touches_nothing_until_opened,
    counts_for_its_own_points_over_the_time_asked_for,
    names_itself_as_its_specification_does,
    hands_out_the_same_until_it_is_acknowledged,
    may_be_looked_at_and_closed_twice,
)
_OF_POLLED: tuple[Check, ...] = (
    waits_for_no_meter_that_is_away_and_says_so,
    books_nothing_that_the_last_process_booked,
)


def checks_of(spec: CollectorSpec) -> Sequence[Check]:
    """Return the checks that a collector must pass; each raises ContractBroken where it does not."""
    return (*_OF_ALL, *(_OF_POLLED if spec.is_polled else ()))


def first_result(collector: Collector) -> ReadResult:
    """Return the first result that has anything, read again and again as the engine would."""
    results: list[ReadResult] = []

    def has_come() -> bool:
        result = collector.read(0, 1000)
        result = replace(result, deltas=list(result.deltas), readings=list(result.readings))
        if result.receipt or result.readings or result.audits:
            results.append(result)
        return bool(results)

    _wait_until(has_come, "a read has a receipt, readings or audits")
    return results[0]


@contextmanager
def _opened(spec: CollectorSpec, settings: PointSettings) -> Iterator[Collector]:
    with closing(build(spec, settings)) as collector:
        collector.open({})
        yield collector


def _open_files() -> int:
    return sum(1 for _ in _FILES.iterdir())


def _wait_until(true: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not true():
        _expect(time.monotonic() < until_s, f"in {PATIENCE_S:.0f} s it did not come to pass that {what}")
        time.sleep(0.01)


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise ContractBroken(what)
