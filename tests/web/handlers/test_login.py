"""The pages before and around the log-in, in a real browser: on a desk and on a phone, light and dark, by keyboard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.axe import violations
from tests.support.browser import Browser, Page
from tests.support.household import House, booked, household
from tests.support.visitor import PASSWORD
from whitestat.web.auth.roles import Role

LONG = "Somebody with a name that is " + "very " * 12 + "long"


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[House]:
    with household(tmp_path, booked(), editors=(), readers=()) as house:
        yield house


def looked_at(page: Page, what: str) -> None:
    """Nothing runs out of the window, or is too faint to be read."""
    for width in (360, 1440):
        for scheme in ("light", "dark"):
            page.viewport(width, 900)
            page.colour_scheme(scheme)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (what, width)
            wide = (
                "Array.from(document.querySelectorAll('.scrolls')).some((each) => each.scrollWidth > each.clientWidth)"
            )
            assert not page.evaluate(wide), f"{what}: a table runs out of its place at {width}"
            assert violations(page) == [], (what, width, scheme)


def enter(page: Page, *texts: str) -> None:
    """Type into the field that has the focus and those after it, and press Enter."""
    for number, text in enumerate(texts):
        if number:
            page.press("Tab")
        page.type(text)
    page.press("Enter")


def test_from_the_first_link_to_the_log_out(browser: Browser, closed: House) -> None:
    key = closed.accounts.first_link(closed.now_s * 1000)
    with contextlib.closing(browser.open(f"{closed.url}login")) as page:
        looked_at(page, "before there is a password")
        page.go(f"{closed.url}first?key={key}")
        looked_at(page, "the first password")
        enter(page, PASSWORD, "another one")
        page.wait_for("document.querySelector('[role=alert]')")
        looked_at(page, "two that are not the same")
        enter(page, PASSWORD, PASSWORD)
        page.wait_for("document.querySelector('main .shares li')")
        page.go(f"{closed.url}password")
        looked_at(page, "another password")
        page.go(f"{closed.url}first?key={key}")
        looked_at(page, "a link that is used up")
        page.go(f"{closed.url}access")
        page.evaluate("document.querySelector('form[action$=logout]').requestSubmit()")
        page.wait_for("document.title.startsWith('Log in')")
        enter(page, "wrong password")
        page.wait_for("document.querySelector('[role=alert]')")
        looked_at(page, "a wrong password")
        assert [each for each in page.problems if "status of 4" not in each] == []


def test_who_may_look_is_seen_whole(browser: Browser, closed: House) -> None:
    now_ms = closed.now_s * 1000
    key = closed.accounts.first_link(now_ms)
    closed.accounts.add(LONG, Role.VIEWER, None, now_ms)
    closed.accounts.add("Anna", Role.PERSON, "Anna", now_ms)
    closed.accounts.add_token("a spreadsheet of the accountant, " + "x" * 60, Role.VIEWER, None, now_ms)
    with contextlib.closing(browser.open(f"{closed.url}first?key={key}")) as page:
        enter(page, PASSWORD, PASSWORD)
        page.wait_for("document.querySelector('main .shares li')")
        page.go(f"{closed.url}access")
        looked_at(page, "accounts and tokens, to be confirmed")
        enter(page, PASSWORD)
        page.wait_for("document.querySelector('button[value=revoke]')")
        looked_at(page, "accounts and tokens")
        page.viewport(360, 800)
        revoke = "document.querySelector('button[value=revoke]').getBoundingClientRect()"
        assert page.evaluate(f"{revoke}.right <= 360 && {revoke}.width > 0"), "what can be changed can be reached"
        page.evaluate("document.querySelector('button[value=link]').click()")
        page.wait_for("document.querySelector('[role=status] code')")
        looked_at(page, "a link to hand on")
        assert page.problems == []
