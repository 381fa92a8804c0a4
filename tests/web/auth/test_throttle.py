"""Log-ins in turn: wrong passwords slow their own source, and who comes through a storm is let in."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import pytest

from whitestat.web.auth.throttle import (
    FORGOTTEN_S,
    FREE,
    LONGEST_S,
    MOST_SOURCES,
    MOST_WAITING,
    Failures,
    LoginQueue,
    TooManyAttempts,
    source_of,
)


def wait_s(failures: Failures, source: str, now_s: float) -> float:
    try:
        failures.check(source, now_s)
    except TooManyAttempts as soon:
        return soon.after_s
    return 0


def test_each_failure_after_the_free_ones_doubles_the_wait_up_to_a_minute() -> None:
    failures, waits = Failures(), []
    for _ in range(FREE + 9):
        failures.failed("a", 100)
        waits.append(wait_s(failures, "a", 100))
    assert waits == [0] * (FREE - 1) + [1, 2, 4, 8, 16, 32] + [LONGEST_S] * 4
    assert wait_s(failures, "a", 100 + LONGEST_S) == 0
    assert wait_s(failures, "b", 100) == 0


def test_failures_end_with_a_right_password_and_are_forgotten_in_time() -> None:
    failures = Failures()
    for _ in range(FREE):
        failures.failed("a", 0)
    assert failures.count("a", 1) == FREE
    assert failures.count("a", FORGOTTEN_S) == 0
    failures.succeeded("a")
    assert wait_s(failures, "a", 0) == 0


def test_the_table_of_sources_is_bounded() -> None:
    failures = Failures()
    for number in range(MOST_SOURCES * 3):
        failures.failed(str(number), 0)
    assert sum(failures.count(str(number), 0) for number in range(MOST_SOURCES * 3)) == MOST_SOURCES


def test_a_house_of_ipv6_is_one_source() -> None:
    first, second = ip_address("2001:db8:50::1"), ip_address("2001:db8:50::ffff:2")
    assert source_of(first) == source_of(second) != source_of(ip_address("2001:db8:51::1"))
    assert source_of(ip_address("192.0.2.1")) != source_of(ip_address("192.0.2.2"))


def test_one_is_checked_at_a_time_and_who_failed_least_goes_first() -> None:
    began, order = threading.Event(), []

    async def storm() -> list[object]:
        with ThreadPoolExecutor(4) as executor:
            turnstile = LoginQueue(executor)

            def check(name: str) -> bool:
                began.wait(5)
                order.append(name)
                return name == "owner"

            first = asyncio.create_task(turnstile.check(9, lambda: check("first")))
            await asyncio.sleep(0)
            asked = [asyncio.create_task(turnstile.check(9, lambda: check("storm"))) for _ in range(1_000)]
            owner = asyncio.create_task(turnstile.check(0, lambda: check("owner")))
            await asyncio.sleep(0.05)
            began.set()
            return await asyncio.gather(first, owner, *asked, return_exceptions=True)

    answers = asyncio.run(storm())
    assert answers[:2] == [False, True]
    assert order[:2] == ["first", "owner"]
    assert sum(isinstance(each, TooManyAttempts) for each in answers) == 1_000 - MOST_WAITING + 1
    assert len(order) == 1 + MOST_WAITING


def test_a_check_that_fails_is_its_asker_s_alone() -> None:
    def broken() -> bool:
        raise MemoryError

    async def ask() -> bool:
        with ThreadPoolExecutor(1) as executor:
            turnstile = LoginQueue(executor)
            with pytest.raises(MemoryError):
                await turnstile.check(0, broken)
            return await turnstile.check(0, lambda: True)

    assert asyncio.run(ask())
