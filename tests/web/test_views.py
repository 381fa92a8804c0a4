"""The views behind the overview, in a real browser: they show, lead on, bear bad days, and can be used by everybody."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.axe import violations
from tests.support.browser import Browser, BrowserError, Page
from tests.support.household import (
    EVIL,
    LAN_POINT,
    LAPTOP,
    MIDNIGHT_S,
    NAMES,
    NOON_S,
    PHONE,
    ZONE,
    House,
    booked,
    device,
    household,
    served,
)
from whitestat.attribution.devices.edits import AssignToPerson, Rename
from whitestat.core.calendar import instant_text
from whitestat.core.model import Counts, Coverage, Episode, PeerKey, Scope, ServiceKey, UsageKey
from whitestat.core.units import address_bytes, octets_text
from whitestat.ledger.tables import people
from whitestat.ledger.write.writer import DeviceRecord, Flush
from whitestat.plans.plan import Period, Plan, Tariff
from whitestat.plans.tariff import Window
from whitestat.web.auth.roles import Role

VIEWS = {
    "overview": ("#/", ".shares li"),
    "history": ("#/history?span=month&at=2026-11-21", ".sheet tbody tr"),
    "a day by person": ("#/history?span=day&at=2026-11-21&by=person", ".sheet tbody tr"),
    "live": ("#/live", ".graphs .area"),
    "a device": ("#/device/1?span=month", ".legend li"),
    "devices": ("#/devices", ".sheet tbody tr"),
    "a person": ("#/person/Anna?span=month", ".legend li"),
    "services": ("#/services?span=month", ".sheet tbody tr"),
    "health": ("#/health", ".facts dd"),
    "nowhere": ("#/nowhere", ".empty"),
}
"""Where each is, and what is there once it has its figures."""
WIDTHS = (360, 768, 1440)
BODY = "getComputedStyle(document.body)"
HOSTILE = "\u202e<img src=x onerror=document.title='owned'>" + "W" * 200


def month() -> Flush:
    """Three weeks of hours of three devices, with what they were on and with whom."""
    usage: dict[tuple[int, UsageKey], Counts] = {}
    services: dict[tuple[int, ServiceKey], Counts] = {}
    peers: dict[tuple[int, PeerKey], Counts] = {}
    for hour in range(1, 21 * 24):
        at_s = MIDNIGHT_S + 11 * 3600 - hour * 3600
        for id in (PHONE, LAPTOP, EVIL):
            key = UsageKey(id, "lan", Scope.WAN)
            counts = Counts(1_000_000 * id * (1 + hour % 24), 90_000 * id, 900 * id, 90 * id)
            usage[at_s, key] = counts
            if hour < 60:
                services[at_s, ServiceKey(key, 6, 443)] = counts
                peers[at_s, PeerKey(key, address_bytes("192.0.2.7"))] = counts
    return Flush(usage=usage, services=services, peers=peers)


def furnished(house: House) -> House:
    """Names, owners and events; what is live goes on."""
    assert house.identity
    for each in (AssignToPerson(PHONE, "Anna"), AssignToPerson(LAPTOP, "Bo"), Rename(EVIL, HOSTILE)):
        house.identity.edit(each, "test", NOON_S * 1000)
    morning = Tariff("morning", (Window("morning", frozenset(range(7)), 0, 690),), 50)
    house.writer.follow_plans([Plan("line", 4_000_000_000, Period(day=20), tariffs=(morning,), equal=True)], NOON_S)
    with house.writer.transaction("test") as connection:
        people.add_event(connection, NOON_S * 1000, "new-device", EVIL, {"name": HOSTILE})
    house.say(NOON_S, *(device(id, name, 1_000_000 * id, 10, 5_000, 10) for id, name in NAMES.items()))
    return house


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """For tests that only look."""
    with household(tmp_path_factory.mktemp("family"), booked(), month()) as house:
        yield furnished(house)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[House]:
    """For tests that change something."""
    with household(tmp_path, booked(), month()) as house:
        yield furnished(house)


@contextlib.contextmanager
def looking(browser: Browser, house: House, place: str, there: str, width: int = 1440) -> Iterator[Page]:
    with contextlib.closing(browser.open(house.url + place)) as page:
        page.viewport(width, 900)
        page.wait_for(f"document.querySelector('main {there}')")
        yield page


def settle(page: Page) -> None:
    """Until nothing is waited for any more."""
    page.wait_for("!document.querySelector('.waiting, [aria-busy=true]') && document.querySelector('.phase.live')")


def text(page: Page, selector: str) -> str:
    found: str = page.evaluate(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''")
    return found.replace("\u00a0", " ").strip()


def reload(page: Page) -> None:
    page.evaluate("window.before = true")
    page.ask("Page.reload")
    with contextlib.suppress(BrowserError):  # a question that falls into it has no answer
        page.wait_for("!window.before")
    page.wait_for("!window.before && document.readyState === 'complete'")


def choose(page: Page, labels: str, name: str, value: str) -> None:
    """In the list whose label begins with the name."""
    page.evaluate(
        f"(() => {{ const found = [...document.querySelectorAll({labels!r})].find((each) =>"
        f" each.textContent.startsWith({name!r})).querySelector('select'); found.value = {value!r};"
        " found.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )


def press(page: Page, name: str) -> None:
    """The button of the view whose text begins so, once it can be pressed."""
    button = f"[...document.querySelectorAll('main button')].find((each) => each.textContent.startsWith({name!r}))"
    page.wait_for(f"({button}) && !({button}).disabled")
    page.evaluate(f"{button}.click()")


@pytest.mark.parametrize("view", VIEWS)
def test_everybody_can_use_it_light_and_dark_at_every_width(browser: Browser, family: House, view: str) -> None:
    with looking(browser, family, *VIEWS[view]) as page:
        settle(page)
        for scheme in ("light", "dark"):
            page.colour_scheme(scheme)
            assert violations(page) == [], scheme
        for width in WIDTHS:
            page.viewport(width, 900)
            page.wait_for(f"document.documentElement.clientWidth === {width}")
            assert page.evaluate("document.documentElement.scrollWidth") == width
        assert violations(page) == [], "wide"
        page.viewport(360, 800)
        assert violations(page) == [], "on a phone"
        assert page.problems == []
        assert page.evaluate("document.querySelectorAll('main img').length") == 0
        assert {each for each in page.requests if not each.startswith((family.url, "about:", "data:"))} == set()


class Slowing:
    """Bo has nothing left."""

    def __init__(self) -> None:
        self.lifted = False

    def slowed(self) -> dict[str, object]:
        until = instant_text(NOON_S + 20 * 86_400, ZONE)
        bo = {"name": "Bo (line)", "plan": "line", "person": "Bo", "devices": [LAPTOP], "rate_bps": 2_000_000}
        state = {"lifted": self.lifted, "in_force": not self.lifted, "reason": None, "interfaces": ["br0"]}
        return {"slowed": [bo | {"until": until} | state], "fault": None}

    async def lift(self, name: str, *, lifted: bool) -> None:
        assert name == "Bo (line)"
        self.lifted = lifted


def test_who_is_slowed_is_told_and_the_limit_lifted(browser: Browser, tmp_path: Path) -> None:
    slowing = Slowing()
    with household(tmp_path, booked(), month(), slowing=slowing) as house:
        furnished(house)
        with looking(browser, house, "#/", ".slowed") as page:
            assert "Bo (line) is slowed to 2.0 Mbit/s until 11 Dec" in text(page, ".slowed")
            assert violations(page) == []
            page.click(".slowed button")
            page.wait_for("document.querySelector('.slowed').textContent.includes('is lifted')")
            assert slowing.lifted
            assert page.problems == []


def test_a_person_sees_own_devices_and_no_way_to_edit(browser: Browser, own: House) -> None:
    account = own.accounts.add("anna", Role.PERSON, "Anna", 0)
    session = own.accounts.begin(account.id, own.now_s * 1000)

    def prepare(page: Page) -> None:
        page.ask("Network.setCookie", name="whitestat", value=session, url=own.url)

    with contextlib.closing(browser.open(own.url, prepare)) as page:
        try:
            page.viewport(1440, 900)
            places = {"#/": ".panels .shares", "#/history?span=month": ".sheet tbody tr", "#/devices": ".sheet"}
            for place, there in places.items():
                page.evaluate(f"location.hash = {place!r}")
                page.wait_for(f"document.querySelector('main {there}')")
                settle(page)
                shown = text(page, "main")
                assert NAMES[PHONE] in shown
                assert NAMES[LAPTOP] not in shown
                assert "WWWW" not in shown
                assert page.evaluate("document.querySelector('main .editable, main select.owner, main form')") is None
                assert violations(page) == []
            assert "anna" in text(page, ".me")
            assert page.evaluate("document.querySelector('.ways a[href=\"#/health\"]')") is None
            assert page.problems == []
        finally:
            page.ask("Network.deleteCookies", name="whitestat", url=own.url)


def test_a_plan_says_what_is_left_the_pace_and_who_used_it(browser: Browser, family: House) -> None:
    (plan,) = family.get("/api/v1/plans").json["plans"]
    (pot,) = plan["allowances"]
    with looking(browser, family, "#/", ".pot") as page:
        shown = text(page, ".plan").replace("\u2068", "").replace("\u2069", "")
        assert octets_text(abs(pot["left"])) in shown.replace("  ", " ")
        assert f"Used{octets_text(pot['used'])}" in shown
        used, may = pot["today"]["used"], max(0, pot["today"]["may"])
        over = f"Today{octets_text(used - may)} over today\u2019s share of {octets_text(may)}"
        assert (over if used > may else f"Today{octets_text(used)} of today\u2019s share") in shown
        assert all(each["person"] is None or each["person"] in shown for each in plan["persons"])
        assert page.evaluate("document.querySelector('.plan .limit') !== null")
        assert page.problems == []


def test_a_place_survives_a_reload_and_the_back_button_leads_back(browser: Browser, family: House) -> None:
    with looking(browser, family, "", ".shares li") as page:
        page.click(".ways a[href='#/history']")
        page.wait_for("document.querySelector('main .sheet tbody tr')")
        assert page.evaluate("document.title") == "History \u00b7 WhiteStat"
        assert page.evaluate("document.activeElement.id") == "main"
        page.click(".choice input[value=day]")
        page.wait_for("location.hash.includes('span=day')")
        page.wait_for("document.querySelector('h2.page')?.textContent.includes('21 November 2026')")
        page.click("[aria-label='Previous period']")
        page.wait_for("document.querySelector('h2.page')?.textContent.includes('20 November 2026')")
        reload(page)
        page.wait_for("document.querySelector('h2.page')?.textContent.includes('20 November 2026')")
        page.evaluate("history.back()")
        page.wait_for("document.querySelector('h2.page')?.textContent.includes('21 November 2026')")
        page.evaluate("history.back()")
        page.wait_for("document.querySelector('.choice input[value=month]')?.checked")
        page.evaluate("history.back()")
        page.wait_for("document.querySelector('main .strip')")
        assert page.problems == []


def test_the_page_works_below_a_path(browser: Browser, tmp_path: Path) -> None:
    with household(tmp_path, booked(), month(), base="/whitestat") as house:
        furnished(house)
        with looking(browser, house, "whitestat/#/history?span=month", ".sheet tbody tr") as page:
            settle(page)
            ours = (f"{house.url}whitestat/", "about:", "data:")
            assert [each for each in page.requests if not each.startswith(ours)] == []
            assert page.problems == []


def test_a_bar_leads_into_its_time_down_to_the_hour(browser: Browser, family: House) -> None:
    with looking(browser, family, "#/history?span=year&at=2026-11-21", ".chart .area") as page:
        steps = {"November 2026": "November", "20 November 2026": "20 November", "20 Nov 2026 05:00": "05:00"}
        for expected, wanted in steps.items():
            settle(page)
            page.evaluate("document.querySelector('main .chart .area').focus()")
            names = page.evaluate(
                "document.querySelector('main .numbers').open = true;"
                "new Promise((done) => setTimeout(() => done([...document.querySelectorAll('main .numbers tbody th')]"
                ".map((each) => each.textContent)), 50))"
            )
            place = next(at for at, name in enumerate(names) if wanted in name)
            for _ in range(place + 1):
                page.press("ArrowRight")
            page.press("Enter")
            page.wait_for(f"document.querySelector('h2.page')?.textContent.includes({expected!r})")
        assert page.problems == []


def test_figures_are_those_of_the_api_and_told_apart_as_asked(browser: Browser, family: House) -> None:
    with looking(browser, family, "#/history?span=month&at=2026-11-21&by=person", ".sheet tbody tr") as page:
        settle(page)
        rows: list[list[str]] = page.evaluate(
            "[...document.querySelectorAll('.sheet tbody tr')].map((row) => [...row.children].slice(0, 2)"
            ".map((cell) => cell.textContent.replaceAll('\\u00a0', ' ')))"
        )
        usage = family.get("/api/v1/usage?start=2026-11-01&end=2026-12-01&by=person&scope=wan").json["rows"]
        sums = {row["person"] or "No owner": octets_text(row["octets"]) for row in usage}
        assert dict(rows) == sums
        page.click(".legend button")
        page.wait_for("location.hash.includes('person=')")
        page.wait_for("document.querySelector('.choice input[value=device]').checked")


MAKER, MADE = "A Maker of Networked Household Things Co., Ltd", "b8:27:eb:00:00:07"


WHOLE = """((rows, made) => {
    const row = [...document.querySelectorAll(`main ${rows}`)].find((each) => each.textContent.includes(made));
    const hides = (each) => getComputedStyle(each).overflowX !== 'visible';
    const cut = (each) => hides(each) && each.scrollWidth > each.clientWidth + 1;
    const clips = (each) => each !== row && (cut(each) || clips(each.parentElement));
    const ends = (each) => !each.children.length && each.textContent.includes(made);
    const last = [...row.querySelectorAll('*')].filter(ends);
    return last.length > 0 && !last.some(clips);
})(%s, %s)"""
"""Whether nothing around the MAC in the row cuts it off."""


def with_a_maker(house: House) -> None:
    """A device that nobody named, with an address, and an owner of another."""
    house.writer.commit(
        Flush(
            usage={(NOON_S, UsageKey(7, "lan", Scope.WAN)): Counts(90_000_000, 1_000_000, 9, 1)},
            devices=[DeviceRecord(7, f"{MAKER} {MADE}"[:64], "vendor")],
            episodes=[Episode(7, 7, bytes.fromhex(MADE.replace(":", "")), None, NOON_S * 1000)],
            seen={7: NOON_S * 1000},
            addresses={(7, address_bytes("192.168.50.77")): NOON_S * 1000},
        )
    )
    house.say(NOON_S, device(7, f"{MAKER} {MADE}"[:64], 91_000_000, 10, 5_000, 10) | {"mac": MADE})


@pytest.mark.parametrize("width", [390, 1240])
@pytest.mark.parametrize(
    ("place", "row"),
    [
        ("#/", ".devices tbody tr"),
        ("#/devices", ".sheet tbody tr"),
        ("#/history?span=day&at=2026-11-21", ".sheet tbody tr"),
        ("#/history?span=month&at=2026-11-21", ".sheet tbody tr"),
    ],
)
def test_a_makers_name_never_cuts_the_mac(browser: Browser, own: House, place: str, row: str, width: int) -> None:
    with_a_maker(own)
    with looking(browser, own, place, row, width) as page:
        settle(page)
        page.wait_for(
            f"[...document.querySelectorAll('main {row}')].some((each) => each.textContent.includes({MADE!r}))"
        )
        whole = page.evaluate(WHOLE % (json.dumps(row), json.dumps(MADE)))
        assert whole and page.problems == []


@pytest.mark.parametrize("word", ["192.168.50.77", MADE, "maker household", "91.0 MB"])
def test_the_search_looks_in_every_column_and_in_addresses(browser: Browser, own: House, word: str) -> None:
    with_a_maker(own)
    with looking(browser, own, "#/", ".devices tbody tr") as page:
        settle(page)
        page.wait_for("document.querySelectorAll('.devices tbody tr').length > 3")
        page.click(".devices input[type=search]")
        page.type(word)
        page.wait_for("document.querySelectorAll('.devices tbody tr').length === 1")
        assert MAKER in text(page, ".devices tbody tr")


def test_the_search_finds_an_owner(browser: Browser, own: House) -> None:
    with looking(browser, own, "#/", ".devices tbody tr") as page:
        settle(page)
        page.click(".devices input[type=search]")
        page.type("anna phone")
        page.wait_for("document.querySelectorAll('.devices tbody tr').length === 1")


def test_a_span_that_was_not_watched_is_called_that(browser: Browser, own: House) -> None:
    with looking(browser, own, "#/history?span=day&at=2020-01-01", ".empty h2") as page:
        settle(page)
        assert text(page, "main .empty h2") == "Not watched"
        assert "lan: not watched." in text(page, "main .empty p")


def test_days_that_were_not_watched_are_hatched_and_called_that(browser: Browser, own: House) -> None:
    with looking(browser, own, "#/history?span=year&at=2026-11-21&scope=all", ".chart .area") as page:
        settle(page)
        hatched = page.evaluate("document.querySelectorAll('main .chart .missed').length")
        cells = page.evaluate(
            "[...document.querySelectorAll('.sheet tbody tr:first-child td')].map((c) => c.textContent)"
        )
        assert hatched == cells.count("?not watched") > 0
        assert "Hatched, or ? in the table: not watched." in text(page, "main")
        assert page.problems == []


def test_the_table_of_days_sorts_searches_and_adds_up(browser: Browser, family: House) -> None:
    labels = "[...document.querySelectorAll('.sheet tbody th')].map((each) => each.textContent)"
    with looking(browser, family, "#/history?span=week&at=2026-11-21&scope=all", ".sheet tbody tr") as page:
        settle(page)
        largest = page.evaluate(labels)
        page.click(".sheet thead th:nth-child(2) button")
        page.wait_for("document.querySelector('.sheet thead th:nth-child(2)').ariaSort === 'ascending'")
        known = [each for each in largest if each != "Unattributed"]
        assert page.evaluate(labels) == [*reversed(known), "Unattributed"]
        page.click(".sheet thead th button")
        page.wait_for("document.querySelector('.sheet thead th').ariaSort === 'ascending'")
        total = text(page, ".sheet tfoot td")
        assert total.endswith("GB")
        assert text(page, ".sheet tfoot th") == "Total"


def test_hours_are_a_field_each_when_asked_for(browser: Browser, family: House) -> None:
    with looking(browser, family, "#/history?span=week&at=2026-11-20", ".sheet tbody tr") as page:
        page.click("#card-heat ~ button")
        page.wait_for("document.querySelectorAll('.heat tbody tr').length >= 6")
        assert page.evaluate("document.querySelectorAll('.heat tbody tr:first-child td').length") == 24
        settle(page)
        assert violations(page) == []
        page.click(".heat tbody tr:nth-child(2) button")
        page.wait_for("document.querySelector('h2.page')?.textContent.includes('17 November 2026')")


def test_units_and_colours_are_chosen_and_kept(browser: Browser, own: House) -> None:
    with looking(browser, own, "#/history?span=month&at=2026-11-21", ".sheet tbody tr") as page:
        assert "GB" in text(page, ".total")
        choose(page, ".choices label", "Data", "GiB")
        page.wait_for("document.querySelector('.total').textContent.includes('GiB')")
        choose(page, ".choices label", "Colours", "dark")
        page.wait_for("getComputedStyle(document.body).backgroundColor === 'rgb(12, 15, 20)'")
        assert violations(page) == []
        reload(page)
        page.wait_for("document.querySelector('.total')?.textContent.includes('GiB')")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(12, 15, 20)"
        choose(page, ".choices label", "Data", "GB")
        choose(page, ".choices label", "Colours", "auto")
        choose(page, ".choices label", "Speed", "octet/s")
        page.evaluate("location.hash = '#/'")
        page.wait_for("document.querySelector('tbody .rate')?.textContent.includes('B/s')")
        choose(page, ".choices label", "Speed", "bit/s")


def test_the_keyboard_alone_goes_everywhere(browser: Browser, family: House) -> None:
    with looking(browser, family, "#/", ".strip") as page:
        page.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.evaluate("document.querySelector('.brand').focus()")
        for _ in range(2):
            page.press("Tab")
        page.press("Enter")
        page.wait_for("location.hash === '#/history'")
        page.wait_for("document.querySelector('.choice input[name=span]:checked')")
        page.evaluate("document.querySelector('.choice input[name=span]:checked').focus()")
        page.press("ArrowLeft")
        page.wait_for("location.hash.includes('span=week')")
        assert page.evaluate("getComputedStyle(document.activeElement.nextElementSibling).outlineStyle") == "solid"


def test_what_takes_long_says_so_and_what_fails_says_why_and_is_tried_again(
    browser: Browser, own: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, seen = own.queries.answer, threading.Event()

    def slowly(question: Any) -> Any:
        seen.wait(20)
        return answer(question)

    with looking(browser, own, "#/health", ".facts") as page:
        monkeypatch.setattr(own.queries, "answer", slowly)
        page.evaluate("location.hash = '#/history?span=day'")
        page.wait_for("document.querySelector('main .waiting .spin')")
        seen.set()
        page.wait_for("document.querySelector('main .sheet tbody tr')")
        monkeypatch.setattr(own.queries, "answer", answer)
        assert page.problems == []
        page.evaluate("location.hash = '#/history?span=own&start=2026-11-21&end=1960-01-01'")
        page.wait_for("document.querySelector('main .sheet tbody tr, main .empty')")
        page.evaluate("location.hash = '#/history?person=Nobody+Known'")
        page.wait_for("document.querySelector('main .notice.lost')?.textContent.includes('No person')")
        assert violations(page) == []
        page.problems.clear()  # the browser tells of the refusal as well
        page.evaluate("location.hash = '#/history?span=day&at=2020-01-01'")
        page.wait_for("document.querySelector('main .empty')?.textContent.includes('Not watched')")
        assert "lan: not watched" in text(page, "main .empty")
        assert page.problems == []


LIGHT, DARK = ["rgb(243, 245, 248)", "rgb(19, 24, 32)"], ["rgb(12, 15, 20)", "rgb(234, 238, 244)"]
"""The ground and the ink of each."""


@pytest.mark.parametrize("system", ["light", "dark"])
def test_colours_are_as_the_system_has_them_or_as_somebody_chose(browser: Browser, family: House, system: str) -> None:
    with looking(browser, family, *VIEWS["health"]) as page:
        page.colour_scheme(system)
        for choice in ("auto", "light", "dark", "auto"):
            choose(page, ".choices label", "Colours", choice)
            drawn = {"light": LIGHT, "dark": DARK}[system if choice == "auto" else choice]
            assert page.evaluate(f"[{BODY}.backgroundColor, {BODY}.color]") == drawn
            scheme = page.evaluate("getComputedStyle(document.documentElement).colorScheme")
            assert scheme == ("dark" if drawn is DARK else "light"), "fields and scroll bars too"


CONTROLS = """Array.from(document.querySelectorAll('button, input, select, summary, nav, .toasts'))
    .filter((each) => each.checkVisibility({checkVisibilityCSS: true})
        && !each.closest('thead, .heat, .legend, .owner, .first'))
    .map((each) => each.outerHTML.slice(0, 200))"""
"""What one could press on a sheet of paper. Heads of columns and names are text there."""


@pytest.mark.parametrize("view", [each for each in VIEWS if each != "nowhere"])
def test_on_paper_are_figures_and_tables_and_no_controls(browser: Browser, family: House, view: str) -> None:
    place, there = VIEWS[view]
    with looking(browser, family, place, there) as page:
        settle(page)
        page.colour_scheme("dark")
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        on_screen = page.evaluate("document.querySelectorAll('main td, main .figure').length")
        page.viewport(718, 1000)
        page.paper(yes=True)
        assert page.evaluate(CONTROLS) == []
        assert page.evaluate(f"[{BODY}.backgroundColor, {BODY}.color]") == ["rgb(255, 255, 255)", LIGHT[1]]
        seen = "Array.from(document.querySelectorAll('main td, main .figure')).filter((each) => each.checkVisibility())"
        assert page.evaluate(f"{seen}.length") == on_screen, "what a screen shows, a sheet does"
        assert page.problems == []


def test_a_month_of_days_fits_on_its_sheet(browser: Browser, family: House) -> None:
    """All columns are on the paper: Chromium itself is asked, by the PDF it prints."""
    with looking(browser, family, *VIEWS["history"]) as page:
        settle(page)
        page.viewport(1062, 700)  # of A4 lying with margins of 8 mm
        page.paper(yes=True)
        # The widest figures there are, on each of its days.
        page.evaluate("document.querySelectorAll('.broad .zero').forEach((each) => { each.textContent = '906.5 MB'; })")
        assert page.evaluate("document.querySelector('.broad .grid').scrollWidth") <= 1062
        assert page.evaluate("document.querySelectorAll('.broad thead th').length") == 34
        page.paper(yes=False)
        assert page.printed().startswith(b"%PDF-")
        page.evaluate("location.hash = '#/history?span=own&start=2026-09-01&end=2026-11-22'")
        page.wait_for("document.querySelector('.vast .grid')")
        page.paper(yes=True)
        shown = "Array.from(document.querySelectorAll('.vast thead th')).filter((each) => each.checkVisibility())"
        assert page.evaluate(f"{shown}.map((each) => each.innerText.trim())") == [
            "Device",
            "Total",
            "Download",
            "Upload",
        ]


def test_each_gap_of_a_point_is_told(browser: Browser, own: House) -> None:
    hour_s = NOON_S - 3_600
    own.writer.commit(
        Flush(coverage={(hour_s + each, "lan"): Coverage(60_000) for each in (*range(0, 600, 60), 3_540)})
    )
    with looking(browser, own, "#/health", ".sheet #table-gaps") as page:
        row = "document.querySelector('[aria-labelledby=table-gaps] tbody tr').innerText.split(/\\s*\\t\\s*/)"
        assert page.evaluate(row) == ["21 Nov 2026, 11:10:00", "21 Nov 2026, 11:59:00", "49\u00a0min", "lan"]
        assert "49 min" in text(page, ".sheet [aria-labelledby=points] tbody tr")
        own.health["points"], own.now_s = [LAN_POINT | {"state": "failed"}], NOON_S + 600
        page.evaluate("location.reload()")
        page.wait_for("document.querySelector('[aria-labelledby=table-gaps] .state-bad')")
        assert violations(page) == []
        assert page.problems == []


def test_a_server_that_is_gone_is_told_and_asked_again(browser: Browser, own: House) -> None:
    other = House(own.queries, own.writer, items=own.items, identity=own.identity)
    with served(other) as server, looking(browser, other, "#/health", ".facts") as page:
        port = int(other.url.rstrip("/").rpartition(":")[2])
        server.stop()
        page.wait_for("document.querySelector('.phase.lost')")
        page.evaluate("location.hash = '#/history?span=day'")
        page.wait_for("document.querySelector('main .notice.lost button')")
        with served(other, port):
            page.wait_for("document.querySelector('.phase.live')")
            page.click("main .notice.lost button")
            page.wait_for("document.querySelector('main .sheet tbody tr')")


def test_seconds_that_were_missed_are_in_the_graph(browser: Browser, own: House) -> None:
    def second(at_s: int, bps: int) -> dict[str, object]:
        rates = {"rate_in_bps": bps, "rate_out_bps": 0, "rate_in_pps": 7, "rate_out_pps": 0}
        return {
            "at": instant_text(at_s, ZONE),
            **rates,
            "devices": [{"id": PHONE, **rates}],
            "points": [{"point": "lan", **rates}],
        }

    with looking(browser, own, "#/live", ".graphs .area") as page:
        page.wait_for("document.querySelector('.phase.live')")
        missed = [second(NOON_S + each, 4_000_000) for each in range(1, 10)]
        busy = device(PHONE, "phone", 9_000_000, 10, 4_000_000, 0, rate_in_pps=7)
        own.say(NOON_S + 10, busy, missed=missed, points=missed[0]["points"])
        page.wait_for("document.querySelector('main .rates').textContent.includes('4.0')")
        bars = "document.querySelector('[aria-labelledby=card-seconds] path.c0').getAttribute('d').match(/M/g).length"
        assert page.evaluate(bars) == 10
        for place in ("#/live?device=1", "#/live?point=lan&count=packets"):
            page.evaluate(f"location.hash = {place!r}")
            page.wait_for(f"{bars} === 10")
        # A machine that was late by five seconds tells of all of them.
        own.say(NOON_S + 16, busy, since=instant_text(NOON_S + 10, ZONE), points=missed[0]["points"])
        page.wait_for(f"{bars} === 16")
        assert "lan" in text(page, "main select")


def test_a_device_is_renamed_split_from_nothing_merged_and_taken_back(browser: Browser, own: House) -> None:
    with looking(browser, own, f"#/device/{LAPTOP}", ".facts") as page:
        page.evaluate("document.querySelector('h2.page .editable').focus()")
        page.press("F2")
        page.wait_for("document.activeElement.matches('input.line')")
        page.type("Work laptop")
        page.press("Enter")
        page.wait_for("document.querySelector('h2.page')?.textContent.includes('Work laptop')")
        choose(page, "main label.pick", "Same device", str(PHONE))
        press(page, "Merge")
        page.wait_for(f"location.hash === '#/device/{PHONE}'")
        assert own.get(f"/api/v1/devices/{LAPTOP}").status == 404
        page.wait_for("document.querySelector('.toast')?.textContent.includes('merged')")
        page.click(".toast button")
        page.wait_for("document.querySelector('.toast')?.textContent.includes('Undone')")
        assert own.get(f"/api/v1/devices/{LAPTOP}").json["name"] == "Work laptop"
        page.evaluate("location.hash = '#/devices'")
        page.wait_for("document.querySelector('[aria-labelledby=card-edits] li button')")
        assert "Work laptop" in text(page, "[aria-labelledby=card-edits]")
        assert page.problems == []


def test_in_and_out_are_unknown_where_a_meter_did_not_tell_them_apart(browser: Browser, own: House) -> None:
    key = UsageKey(EVIL, "lan", Scope.WAN)
    own.writer.commit(Flush(usage={(NOON_S, key): Counts(octets_unsplit=5_000)}))
    with looking(browser, own, "#/services?span=month", "[aria-labelledby=table-points] tbody tr") as page:
        cells = (
            "[...document.querySelectorAll('[aria-labelledby=table-%s] %s td')].map((each) => each.innerText.trim())"
        )
        assert page.evaluate(cells % ("points", "tbody"))[1:3] == ["\u2013", "\u2013"]
        page.evaluate("location.hash = '#/history?span=month&at=2026-11-21'")
        page.wait_for("document.querySelector('[aria-labelledby=table-matrix] tfoot td')")
        assert page.evaluate(cells % ("matrix", "tfoot"))[1:3] == ["\u2013", "\u2013"]
        assert page.problems == []


def test_addresses_of_another_device_are_given_to_it_and_taken_back(browser: Browser, own: House) -> None:
    own.send("POST", f"/api/v1/devices/{LAPTOP}/merge", {"into": PHONE})
    with looking(browser, own, f"#/device/{PHONE}", "input[type=checkbox]") as page:
        page.evaluate("[...document.querySelectorAll('main input[type=checkbox]')].at(-1).focus()")
        page.press(" ")
        choose(page, "main label.pick", "Move to", str(EVIL))
        assert violations(page) == []
        press(page, "Split")
        page.wait_for("document.querySelector('.toast')?.textContent.includes('Addresses moved to')")
        page.wait_for("!document.querySelector('main input[type=checkbox]')")
        assert len(own.get(f"/api/v1/devices/{EVIL}").json["episodes"]) == 2
        page.click(".toast button")
        page.wait_for("document.querySelector('.toast')?.textContent.includes('Undone')")
        page.wait_for("document.querySelectorAll('main input[type=checkbox]').length === 2")
        assert len(own.get(f"/api/v1/devices/{EVIL}").json["episodes"]) == 1
        assert page.problems == []


def test_a_plan_is_topped_up_by_keyboard_and_that_is_undone(browser: Browser, own: House) -> None:
    with looking(browser, own, "#/", ".change input") as page:
        page.evaluate("document.querySelector('main .change input').focus()")
        page.type("1.5")
        page.press("Enter")
        page.wait_for("document.querySelector('.toast')?.textContent.includes('1.5\u00a0GB more')")
        page.wait_for("document.querySelector('main .plan')?.textContent.includes('1.5\u00a0GB topped up')")
        assert violations(page) == []
        (plan,) = own.get("/api/v1/plans").json["plans"]
        assert [each["octets"] for each in plan["topups"]] == [1_500_000_000]
        page.click(".toast button")
        page.wait_for("!document.querySelector('main .plan').textContent.includes('topped up')")
        page.evaluate("document.querySelector('main .change input').focus()")
        page.type("-1")
        page.press("Enter")
        page.wait_for("document.querySelector('.toast')?.textContent.includes('1.0\u00a0GB less')")
        page.viewport(360, 800)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.problems == []


def test_past_usage_of_a_plan_is_recalculated_after_a_confirmation(browser: Browser, own: House) -> None:
    own.writer.follow_plans([Plan("line", 4_000_000_000, Period(day=20), equal=True)], NOON_S + 60)
    with looking(browser, own, "#/", ".change button") as page:
        press(page, "Recalculate\u2026")
        press(page, "Recalculate all past usage")
        page.wait_for("document.querySelector('.toast')?.textContent.includes('past usage recalculated since')")
        assert page.evaluate("document.querySelectorAll('.toast button').length") == 1, "there is no way back"
        (plan,) = own.get("/api/v1/plans").json["plans"]
        assert plan["used"] == plan["octets"], "all is of the one tariff"
        assert page.problems == []


def test_a_device_is_labelled_and_its_group_has_a_history(browser: Browser, own: House) -> None:
    with looking(browser, own, f"#/device/{PHONE}", ".facts button") as page:
        press(page, "add")
        page.wait_for("document.querySelector('main .facts input')")
        page.evaluate("document.querySelector('main .facts input').focus()")
        page.type("kids, upstairs")
        page.press("Enter")
        page.wait_for("document.querySelectorAll('main .facts a.tool').length === 2")
        assert own.get(f"/api/v1/devices/{PHONE}").json["labels"] == ["kids", "upstairs"]
        page.click("main .facts a.tool")
        page.wait_for("location.hash === '#/history?label=kids'")
        page.wait_for("document.querySelectorAll('main .sheet tbody tr').length === 1")
        assert page.problems == []


def test_a_device_is_handed_over_from_a_day_on(browser: Browser, own: House) -> None:
    with looking(browser, own, f"#/device/{PHONE}", ".facts") as page:
        choose(page, "main label.pick", "New owner", "2")
        page.evaluate(
            "(() => { const day = document.querySelector('main input[type=date]'); day.value = '2026-11-20';"
            " day.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )
        press(page, "Change owner")
        page.wait_for("document.querySelector('.facts').textContent.includes('from 2026-11-20')")
        owners = own.get(f"/api/v1/devices/{PHONE}").json["owners"]
        assert [(each["name"], each["from"]) for each in owners] == [("Anna", None), ("Bo", "2026-11-20")]
        assert page.problems == []


def test_people_are_added_renamed_and_removed(browser: Browser, own: House) -> None:
    def names() -> list[str]:
        return [each["name"] for each in own.get("/api/v1/people").json["people"]]

    with looking(browser, own, "#/devices", "form input") as page:
        page.evaluate("document.querySelector('main form input').focus()")
        page.type("Cleo")
        page.press("Enter")
        page.wait_for("document.querySelector('.shares')?.textContent.includes('Cleo')")
        page.evaluate("location.hash = '#/person/Cleo'")
        page.wait_for("document.querySelector('h2.page .editable')?.textContent === 'Cleo'")
        page.wait_for("document.activeElement.id === 'main'")
        page.evaluate("document.querySelector('h2.page .editable').focus()")
        page.press("F2")
        page.wait_for("document.activeElement.matches('input.line')")
        page.type("Cleopatra")
        page.press("Enter")
        page.wait_for("location.hash.startsWith('#/person/Cleopatra')")
        assert "Cleopatra" in names()
        press(page, "Remove")
        page.wait_for("document.querySelector('main .danger')")
        page.click("main .danger")
        page.wait_for("location.hash === '#/devices'")
        assert "Cleopatra" not in names()
        assert page.problems == []


@pytest.mark.parametrize("status", [403, 503])
@pytest.mark.parametrize(("name", "wrong"), [("people", "No people yet"), ("devices", "No devices yet")])
def test_a_list_that_cannot_be_loaded_is_not_an_empty_one(
    browser: Browser, own: House, name: str, wrong: str, status: int
) -> None:
    own.failures[f"/api/v1/{name}"] = status
    with looking(browser, own, "#/devices", ".notice.lost button") as page:
        settle(page)
        shown = text(page, "main .notice.lost")
        assert shown == "People and devices could not be loaded. Out of order Try again"
        assert wrong not in text(page, "main")
        assert violations(page) == []
        own.failures.clear()
        page.click("main .notice.lost button")
        page.wait_for("!document.querySelector('main .notice.lost')")
        page.wait_for("document.querySelector('main .shares')?.textContent.includes('Anna')")
        page.wait_for("document.querySelectorAll('main [aria-labelledby=table-devices] tbody tr').length === 3")


def test_a_list_that_fails_later_keeps_what_it_had(browser: Browser, own: House) -> None:
    with looking(browser, own, "#/devices", ".shares li") as page:
        own.failures["/api/v1/people"] = 503
        page.evaluate("document.querySelector('main form input').focus()")
        page.type("Cleo")
        page.press("Enter")
        page.wait_for("document.querySelector('main .notice.lost')")
        assert "Anna" in text(page, "main .shares")


def test_a_session_that_ended_leads_to_the_log_in(browser: Browser, own: House) -> None:
    with looking(browser, own, "#/devices", ".shares li") as page:
        own.failures["/api/v1/people"] = 401
        page.evaluate("document.querySelector('main form input').focus()")
        page.type("Cleo")
        page.press("Enter")
        page.wait_for("location.pathname === '/login'")


def test_a_house_without_people_and_devices_says_so(browser: Browser, tmp_path: Path) -> None:
    with household(tmp_path) as house, looking(browser, house, "#/devices", ".lone") as page:
        page.wait_for("document.querySelector('main').textContent.includes('No people yet')")
        page.wait_for("document.querySelector('main').textContent.includes('No devices yet')")
        assert page.problems == []
