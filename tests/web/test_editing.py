"""Names, owners and proposals are edited on the page, by mouse and by keyboard alone, and taken back."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import Browser, Page
from tests.support.household import EVIL, EVIL_NAME, LAPTOP, NAMES, NOON_S, PHONE, House, device
from whitestat.ledger.tables import people
from whitestat.ledger.tables.people import ProposalRow

HOSTILE = "\u202e<img src=x onerror=document.title='owned'>';DROP TABLE device;--"


@pytest.fixture
def page(browser: Browser, house: House) -> Iterator[Page]:
    house.say(NOON_S, *(device(id, name, 1_000 * id, 10) for id, name in NAMES.items()), device(None, None, 9, 9))
    with house.writer.transaction("test") as connection:
        reasons = ("Both asked for the name <b>phone</b>.", "The other is silent since 11:58.")
        people.add_proposal(connection, ProposalRow(0, NOON_S * 1000, LAPTOP, PHONE, 85, reasons, "open"))
        people.add_event(connection, NOON_S * 1000, "new-device", EVIL, {"name": EVIL_NAME})
    with contextlib.closing(browser.open(house.url)) as page:
        page.viewport(1180, 900)
        page.wait_for("document.querySelectorAll('tbody tr').length === 4 && document.querySelector('.proposal')")
        yield page
        assert page.evaluate("document.title") == "WhiteStat"
        assert page.evaluate("document.querySelectorAll('img').length") == 1


def label(device: int) -> str:
    names = json.dumps(NAMES[device])
    return f"[...document.querySelectorAll('.editable')].find((each) => each.textContent === {names})"


def name_in_ledger(house: House, device: int) -> str:
    return str(house.get(f"/api/v1/devices/{device}").json["name"])


def wait_for_toast(page: Page, words: str) -> None:
    page.wait_for(f"document.querySelector('.toast')?.textContent.includes({json.dumps(words)})")


def test_a_double_click_edits_a_name_and_the_toast_takes_it_back(page: Page, house: House) -> None:
    page.evaluate(f"{label(PHONE)}.id = 'phone'")
    page.click("#phone", times=2)
    page.wait_for("document.activeElement.matches('input.line')")
    page.type("Anna's phone")
    page.press("Enter")
    wait_for_toast(page, "Anna's phone")
    assert name_in_ledger(house, PHONE) == "Anna's phone"
    page.click(".toast button")
    wait_for_toast(page, "Undone")
    assert name_in_ledger(house, PHONE) == "phone"
    assert page.problems == []


@pytest.mark.parametrize("key", ["F2", "Enter"])
def test_the_keyboard_alone_edits_a_name(page: Page, house: House, key: str) -> None:
    page.evaluate(f"{label(PHONE)}.focus()")
    page.press(key)
    page.wait_for("document.activeElement.matches('input.line')")
    page.type("not this")
    page.press("Escape")
    page.wait_for(f"document.activeElement === {label(PHONE)}")
    assert name_in_ledger(house, PHONE) == "phone"
    page.press(key)
    page.wait_for("document.activeElement.matches('input.line')")
    page.type(HOSTILE)
    page.press("Enter")
    wait_for_toast(page, "<img src=x")
    assert name_in_ledger(house, PHONE) == HOSTILE.replace("\u202e", "")
    assert page.problems == []


def test_rows_stay_where_they_are_while_a_name_is_edited(page: Page, house: House) -> None:
    page.evaluate(f"{label(PHONE)}.focus()")
    page.press("F2")
    page.wait_for("document.activeElement.matches('input.line')")
    page.type("half")
    house.say(NOON_S + 1, device(PHONE, "phone", 9_000_000, 10))
    page.wait_for("document.querySelector('tbody').textContent.includes('9.0')")
    assert page.evaluate("document.activeElement.value") == "half"
    page.press("Escape")


def test_an_owner_is_chosen_from_the_list_or_added(page: Page, house: House) -> None:
    select = "document.querySelector('select[aria-label=\"Owner of phone\"]')"
    choose = "{0}.value = '{1}'; {0}.dispatchEvent(new Event('change', {{bubbles: true}}))"
    page.evaluate(choose.format(select, "new"))
    page.wait_for("document.activeElement.matches('input.line.small')")
    page.type("Cleo")
    page.press("Enter")
    wait_for_toast(page, "Cleo")
    (cleo,) = house.get("/api/v1/people").json["people"]
    assert [each["id"] for each in cleo["devices"]] == [PHONE]
    page.wait_for(f"{select}.selectedOptions[0].textContent === 'Cleo'")
    page.evaluate(choose.format(select, ""))
    wait_for_toast(page, "now has no owner")
    assert house.get("/api/v1/people").json["people"][0]["devices"] == []
    assert page.problems == []


def test_a_proposal_shows_its_reasons_and_is_confirmed_or_refused_once(page: Page, house: House) -> None:
    card = page.evaluate("document.querySelector('.proposal').textContent")
    assert all(words in card for words in ("Annas laptop", "phone", "85", "<b>phone</b>", "silent since"))
    page.click(".proposal .yes")
    wait_for_toast(page, "merged")
    page.wait_for("!document.querySelector('.proposal')")
    assert house.get(f"/api/v1/devices/{LAPTOP}").status == 404
    page.click(".toast button")
    page.wait_for("document.querySelector('.proposal')")
    page.click(".proposal p button:last-child")
    page.wait_for("!document.querySelector('.proposal')")
    assert house.get("/api/v1/proposals").json["proposals"][0]["state"] == "refused"
    assert page.problems == []


def test_events_are_told_and_hostile_names_are_text(page: Page) -> None:
    assert EVIL_NAME in page.evaluate("document.querySelector('.events').textContent")


def test_who_may_not_edit_is_told_so(page: Page, house: House) -> None:
    page.evaluate(
        "fetch('/api/v1/devices/1', {method: 'PATCH', body: '{}'}).then((answer) => window.status = answer.status)"
    )
    page.wait_for("window.status === '415'")
    page.evaluate(f"{label(PHONE)}.focus()")
    page.press("F2")
    page.wait_for("document.activeElement.matches('input.line')")
    page.type("\u200b")
    page.press("Enter")
    wait_for_toast(page, "Not changed")
    assert page.evaluate("document.querySelector('.toasts').getAttribute('role')") == "alert"


@pytest.mark.parametrize("width", [360, 1180])
def test_every_control_has_a_name_and_fits(page: Page, width: int) -> None:
    page.viewport(width, 900)
    page.wait_for(f"document.documentElement.clientWidth === {width}")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, select, input, [role=button]')]"
        ".filter((each) => !(each.ariaLabel || each.textContent.trim() || each.labels?.length))"
        ".map((each) => each.outerHTML)"
    )
    assert nameless == []
    folder = os.environ.get("WHITESTAT_PICTURES")
    if folder:
        page.screenshot(Path(folder) / f"editing-{width}.png", whole=True)
