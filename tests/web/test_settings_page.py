"""The settings on the page, in a real browser: shown, changed, saved, undone, and usable by everybody."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.accounts import owned
from tests.support.axe import violations
from tests.support.browser import Browser, Page
from tests.support.household import House, booked, household
from tests.support.peers import hosting
from tests.support.peers.archer import PASSWORD as ROUTER_PASSWORD
from tests.support.peers.archer import Archer
from tests.support.visitor import PASSWORD, Visitor
from whitestat.config import page_file

SECTIONS = ("points", "networks", "plans", "people", "warnings", "messages", "period", "kept", "access", "backups")
WIDTHS = (390, 1440)

pytestmark = pytest.mark.slow


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    (tmp_path / "whitestat.toml").write_text(f'store.path = "{tmp_path / "whitestat.db"}"\nbilling.hour = 4\n')
    with household(tmp_path, booked(), folder=tmp_path, editors=(), readers=()) as house:
        yield house


@pytest.fixture
def owner(house: House) -> Visitor:
    return owned(house)


@contextlib.contextmanager
def looking(browser: Browser, house: House, visitor: Visitor, section: str, width: int = 1440) -> Iterator[Page]:
    def log_in(page: Page) -> None:
        page.ask("Network.setCookie", name="whitestat", value=visitor.cookies["whitestat"], url=house.url)

    with contextlib.closing(browser.open(f"{house.url}#/settings{section and f'/{section}'}", log_in)) as page:
        page.viewport(width, 900)
        page.wait_for("document.querySelector('main .settings')")
        yield page
        assert page.problems == []


def type_into(page: Page, selector: str, text: str) -> None:
    page.evaluate(
        f"(() => {{ const field = document.querySelector({json.dumps(selector)}); field.value = {json.dumps(text)};"
        " field.dispatchEvent(new Event('input', {bubbles: true}));"
        " field.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )


def press(page: Page, name: str) -> None:
    button = f"[...document.querySelectorAll('main button')].find((each) => each.textContent.trim() === {name!r})"
    page.wait_for(button)
    page.evaluate(f"{button}.click()")


def says(page: Page, words: str) -> None:
    page.wait_for(f"document.querySelector('main').textContent.includes({json.dumps(words)})")


def save(page: Page, *, with_password: bool = True) -> None:
    press(page, "Save")
    if with_password:
        page.wait_for("document.querySelector('.savebar input[type=password]')")
        type_into(page, ".savebar input[type=password]", PASSWORD)
        press(page, "Confirm")


def test_every_section_can_be_used_by_everybody_at_every_width(browser: Browser, house: House, owner: Visitor) -> None:
    owner.confirm()
    router = {"name": "router", "collector": "archer-c20", "url": "http://192.0.2.1", "password": "tulip"}
    plan = {"name": "line", "allowance": "400GB", "tariff": [{"name": "night", "when": ["22:00-06:00"]}]}
    owner.send("PATCH", "/api/v1/config", {"set": {"point.router": router, "plan.line": plan}})
    for width in WIDTHS:
        for section in ("", *SECTIONS):
            with looking(browser, house, owner, section, width) as page:
                page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
                assert violations(page) == [], (section, width)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (section, width)


def test_a_setting_is_changed_saved_with_the_password_and_undone(
    browser: Browser, house: House, owner: Visitor, tmp_path: Path
) -> None:
    page_of = page_file.path_of(tmp_path / "whitestat.db")
    with looking(browser, house, owner, "period") as page:
        says(page, "Fixed by")
        assert page.evaluate("document.querySelector('#set-period-billing-hour').readOnly")
        type_into(page, "#set-period-billing-day", "15")
        says(page, "1 change.")
        save(page)
        says(page, "Saved, and in use.")
        assert "day = 15" in page_of.read_text()
        says(page, "Last change: billing.day, by owner")
        type_into(page, "#set-period-billing-day", "77")
        save(page, with_password=False)
        says(page, "billing.day: must be a whole number from 1 to 31, got 77".capitalize())
        press(page, "Discard")
        press(page, "Undo")
        page.wait_for("document.querySelector('#set-period-billing-day').value === ''")
        assert "day" not in page_of.read_text().partition("[billing]")[2]
        page.problems[:] = [each for each in page.problems if "40" not in str(each)]  # answers 403 and 400 are meant


def test_a_plan_with_a_tariff_is_added_and_removed(
    browser: Browser, house: House, owner: Visitor, tmp_path: Path
) -> None:
    page_of = page_file.path_of(tmp_path / "whitestat.db")
    owner.confirm()
    with looking(browser, house, owner, "plans", 390) as page:
        type_into(page, "main form.controls input", "line")
        press(page, "Add")
        page.wait_for("document.querySelector('#set-plan-line-allowance')")
        type_into(page, "#set-plan-line-allowance", "400GB")
        press(page, "Add a tariff")
        page.wait_for("document.querySelector('#set-plan-line-tariff-0-name')")
        type_into(page, "#set-plan-line-tariff-0-name", "night")
        type_into(page, "#set-plan-line-tariff-0-when", "22:00-06:00, sat")
        save(page, with_password=False)
        says(page, "Saved, and in use.")
        text = page_of.read_text()
        assert 'allowance = "400GB"' in text and 'when = ["22:00-06:00", "sat"]' in text
        page.wait_for("document.querySelector('details.row')")
        press(page, "Remove line")
        says(page, "goes when you save")
        save(page, with_password=False)
        gone = "!document.querySelector('main').textContent.includes('goes when you save')"
        page.wait_for(f"{gone} && !document.querySelector('details.row')")
        assert "[[plan]]" not in page_of.read_text()


def test_a_fault_of_the_file_is_on_the_page(browser: Browser, house: House, owner: Visitor, tmp_path: Path) -> None:
    page_file.write(page_file.path_of(tmp_path / "whitestat.db"), "billing.day = 77\n")
    with looking(browser, house, owner, "period") as page:
        says(page, "Not all settings are in use.")
        says(page, "got 77")


def test_a_router_is_tried_on_the_page(browser: Browser, house: House, owner: Visitor) -> None:
    with hosting(Archer([])) as url, looking(browser, house, owner, "points", 390) as page:
        type_into(page, "main form.controls input", "router")
        press(page, "Add")
        page.wait_for("document.querySelector('#set-point-router-collector')")
        type_into(page, "#set-point-router-collector", "archer-c20")
        type_into(page, "#set-point-router-url", url)
        type_into(page, "#set-point-router-password", ROUTER_PASSWORD)
        press(page, "Try router")
        page.wait_for("document.querySelector('input[name=password]')")
        type_into(page, "input[name=password]", PASSWORD)
        press(page, "Confirm")
        says(page, "Point router (archer-c20 at")
        assert violations(page) == []
        page.problems[:] = [each for each in page.problems if "40" not in str(each)]  # the answer 403 is meant
