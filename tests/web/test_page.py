"""The page in a real browser: it shows, sorts, searches and moves, and bears what a network may call itself."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import Browser, Page
from tests.support.household import LAN_POINT, NOON_S, ZONE, House, device, household, item, served
from whitestat.core.calendar import instant_text

SIZES = [(360, 740), (768, 1024), (1440, 900)]
COLUMNS = ["name", "in", "out", "total", "share", "rate", "seen"]
LABELS = "[...document.querySelectorAll('tbody .label')].map((each) => each.textContent)"
NOBODY = "Unattributed"


def seen(ago_s: int) -> dict[str, object]:
    return {"last_seen": instant_text(NOON_S - ago_s, ZONE)}


FAMILY = (
    device(1, "phone", 4_000_000, 100_000, 1_000, 0, **seen(5)),
    device(2, "Laptop", 1_000_000, 900_000, 0, 9_000_000, **seen(30)),
    device(3, "tv", 7_000_000_000, 50_000, 0, 0, **seen(4_000)),
    device(10, "phone 10", 3, 2, 5, 5, **seen(300)),
    device(9, "phone 9", 0, 1_000, 1, 0, **seen(90_000)),
    device(None, None, 5_000_000, 5_000_000, 0, 0),
)
ORDERS = {
    "name": ["Laptop", "phone", "phone 9", "phone 10", "tv"],
    "in": ["tv", "phone", "Laptop", "phone 10", "phone 9"],
    "out": ["Laptop", "phone", "tv", "phone 9", "phone 10"],
    "total": ["tv", "phone", "Laptop", "phone 9", "phone 10"],
    "share": ["tv", "phone", "Laptop", "phone 9", "phone 10"],
    "rate": ["Laptop", "phone", "phone 10", "phone 9", "tv"],
    "seen": ["phone", "Laptop", "phone 10", "tv", "phone 9"],
}


@contextlib.contextmanager
def opened(browser: Browser, house: House) -> Iterator[Page]:
    page = browser.open(house.url)
    try:
        page.wait_for("document.querySelector('main section')")
        yield page
    finally:
        page.close()


@pytest.fixture
def page(browser: Browser, house: House) -> Iterator[Page]:
    """The page of a family of five devices, in a window of a desk."""
    house.say(NOON_S, *FAMILY)
    with opened(browser, house) as each:
        each.viewport(1440, 900)
        each.wait_for("document.querySelectorAll('tbody tr').length === 6")
        yield each


def text(page: Page, selector: str) -> str:
    found = page.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")
    return str(found).replace("\u00a0", " ").strip()


def wait_for_text(page: Page, selector: str, words: str) -> None:
    page.wait_for(
        f"document.querySelector({json.dumps(selector)})?.textContent.replaceAll('\\u00a0', ' ')"
        f".includes({json.dumps(words)})"
    )


def overflow(page: Page) -> list[str]:
    """What sticks out of the window to the right."""
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('#page *')].filter((each) => each.getBoundingClientRect().right >"
        " innerWidth + 1 && getComputedStyle(each).position !== 'absolute').map((each) => each.outerHTML.slice(0, 80))"
    )
    return found


def test_it_loads_without_a_complaint_and_from_nowhere_else(page: Page, house: House) -> None:
    wait_for_text(page, ".phase", "live")
    assert page.problems == []
    assert page.requests
    assert {url for url in page.requests if not url.startswith((house.url, "about:"))} == set()


def test_it_shows_each_device_with_its_figures(page: Page) -> None:
    # What is below the window is not laid out, and has no text that could be seen.
    page.evaluate("document.querySelector('tbody tr').scrollIntoView()")
    page.wait_for("document.querySelector('tbody tr > *').innerText")
    cells = page.evaluate(
        "[...document.querySelectorAll('tbody tr:first-child > *')]"
        ".map((each) => each.innerText.replaceAll('\\u00a0', ' '))"
    )
    assert cells == [
        "tv\n02:50:00:00:00:03\nset owner\nnew person\u2026",
        "7.0 GB",
        "50.0 kB",
        "7.0 GB",
        "100 %",
        "idle",
        "10:53",
    ]
    assert text(page, ".today .total") == "7.0 GB"
    assert text(page, ".coverage .total") == "99.91 %"
    assert text(page, ".date") == "Saturday 21 November"
    assert text(page, ".count") == "5"


def test_what_is_unattributed_is_a_row_of_its_own_with_a_reason(page: Page) -> None:
    assert text(page, "tbody tr:last-child .label") == NOBODY
    assert "not matched to any device" in text(page, "tbody tr:last-child .below")


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_sorts_both_ways_with_the_mouse(page: Page, column: str) -> None:
    page.click(f"thead th.{'in' if column == 'name' else 'name'} button")
    page.click(f"thead th.{column} button")
    first, orders = ("ascending" if column == "name" else "descending"), ORDERS[column]
    page.wait_for(f"document.querySelector('thead th.{column}').ariaSort === '{first}'")
    assert page.evaluate(LABELS) == [*orders, NOBODY]
    page.click(f"thead th.{column} button")
    page.wait_for(f"!['{first}', 'none'].includes(document.querySelector('thead th.{column}').ariaSort)")
    assert page.evaluate(LABELS) == [*reversed(orders), NOBODY]
    assert page.evaluate("[...document.querySelectorAll('th[aria-sort$=ending]')].length") == 1


def test_it_is_used_with_the_keyboard_alone(page: Page) -> None:
    page.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.type("PHONE")
    page.wait_for("document.querySelectorAll('tbody tr').length === 3")
    page.press("Tab")
    page.press("Enter")
    page.wait_for("document.querySelector('thead th.name').ariaSort === 'ascending'")
    assert page.evaluate(LABELS) == ["phone", "phone 9", "phone 10"]
    page.press("Tab")
    page.press(" ")
    page.wait_for("document.querySelector('thead th.in').ariaSort === 'descending'")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_search_finds_names_and_macs_and_says_when_nothing_is_found(page: Page) -> None:
    page.click("input[type=search]")
    page.type("00:0a")
    page.wait_for("document.querySelectorAll('tbody tr').length === 1")
    assert page.evaluate(LABELS) == ["phone 10"]
    assert text(page, ".count") == "1 of 5"
    page.type(" nothing")
    wait_for_text(page, ".devices .lone", "No device matches \u201c00:0a nothing\u201d")
    page.click(".devices .lone button")
    page.wait_for("document.querySelectorAll('tbody tr').length === 6")


def test_figures_move_with_the_stream(page: Page, house: House) -> None:
    house.say(
        NOON_S + 1,
        device(3, "tv", 8_500_000_000, 50_000, 12_300_000, 456_000, **seen(-1)),
        rate_in_bps=12_300_000,
        rate_out_bps=456_000,
        octets=8_600_000_000,
    )
    wait_for_text(page, ".now .in", "12.3 Mbit/s")
    assert text(page, ".now .out") == "456.0 kbit/supload"
    assert text(page, ".today .total") == "8.6 GB"
    assert text(page, "tbody tr:first-child .total") == "8.5 GB"
    assert text(page, "tbody tr:first-child .rate") == "12.3 Mbit/s 456.0 kbit/s"
    assert text(page, "tbody tr:first-child .seen") == "now"
    assert page.evaluate(LABELS)[1:] == ["phone", "Laptop", "phone 9", "phone 10", NOBODY]


def test_rates_that_are_unknown_or_have_no_direction_are_shown_as_such(page: Page, house: House) -> None:
    """A router that failed, and one that counts up and down as one number."""
    known = device(3, "tv", 9_000_000_000, 50_000, rate_bps=12_300_000)
    unknown = device(1, "phone", 7, 7) | dict.fromkeys(("rate_bps", "rate_in_bps", "rate_out_bps"))
    house.say(NOON_S + 1, known, unknown, rate_bps=12_300_000, rate_in_bps=0, rate_out_bps=0)
    wait_for_text(page, ".now .unsplit", "12.3 Mbit/s")
    assert text(page, "tbody tr:first-child .rate") == "12.3 Mbit/s"
    rates = page.evaluate("[...document.querySelectorAll('tbody td.rate')].map((cell) => cell.textContent)")
    assert rates.count("\u2013") == 1


def test_the_last_minute_is_drawn(page: Page, house: House) -> None:
    for second in range(1, 80):
        house.say(NOON_S + second, rate_in_bps=second * 1000, rate_out_bps=0)
    wait_for_text(page, ".axis", "peak 79.0 kbit/s")
    points = page.evaluate("document.querySelector('.spark .line.in').getAttribute('d').match(/,/g).length")
    assert points == 61
    assert page.evaluate("document.querySelector('.spark .line.in').getAttribute('d')").startswith("M0.0,")


def test_at_midnight_the_day_begins_again(page: Page, house: House) -> None:
    tomorrow = item(NOON_S + 86_400, device(1, "phone", 5, 5))
    house.items[:] = [*house.items, tomorrow]
    page.wait_for("document.querySelector('.date').textContent.startsWith('Sunday')")
    assert page.problems == []


def test_an_empty_day_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    with household(tmp_path) as house, opened(browser, house) as page:
        wait_for_text(page, ".empty", "lan on br0")
        assert "whitestat check" in text(page, ".empty")
        house.say(NOON_S, device(1, "phone", 5, 5))
        page.wait_for("document.querySelectorAll('tbody tr').length === 1")


def test_a_lost_connection_is_told_and_mended(browser: Browser, house: House) -> None:
    other = House(house.queries, house.writer, items=[item(NOON_S, *FAMILY)])
    with served(other) as server, opened(browser, other) as page:
        page.wait_for("document.querySelector('.phase.live')")
        port = int(other.url.rstrip("/").rpartition(":")[2])
        server.stop()
        page.wait_for("document.querySelector('.phase.lost')")
        assert "Figures as of 12:00:00" in text(page, ".notice.lost")
        assert text(page, ".now .in") == "\u2013download"
        assert text(page, "tbody tr:nth-child(2) .rate") == "\u2013"
        with served(other, port):
            page.wait_for("document.querySelector('.phase.live')")
            assert page.evaluate("document.querySelector('.notice.lost')") is None


def test_what_is_wrong_with_a_point_is_told(browser: Browser, house: House) -> None:
    failed = LAN_POINT | {"state": "failed", "notice": "br0: <b>gone</b>"}
    house.health = {"status": "degraded", "notices": ["only totals are counted"], "points": [failed]}
    with opened(browser, house) as page:
        page.wait_for("document.querySelectorAll('.notice').length === 2")
        found = page.evaluate("[...document.querySelectorAll('.notice')].map((each) => each.textContent)")
        assert found == ["Only totals are counted", "Point lan has failed: br0: <b>gone</b>"]


HOSTILE = [
    "<img src=x onerror=\"document.title='owned'\">",
    "</script><script>document.title='owned'</script>",
    "W" * 300,
    "\u202egnp.exe\u202d",
    "\u0645\u0631\u062d\u0628\u0627 " * 50,
    "Z" + "\u0337\u0302\u0325" * 40,
    "\n\t ",
    "${alert(1)}{{7*7}}",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("size", SIZES)
def test_hostile_names_are_only_names(browser: Browser, house: House, size: tuple[int, int]) -> None:
    house.say(NOON_S, *(device(1 + at, name, 9_000 - at, 1) for at, name in enumerate(HOSTILE)))
    with opened(browser, house) as page:
        page.viewport(*size)
        page.wait_for(f"document.querySelectorAll('tbody tr').length === {len(HOSTILE)}")
        shown = page.evaluate(LABELS)
        assert shown[:6] == [name.strip() for name in HOSTILE[:6]]
        assert shown[6] == "02:50:00:00:00:07"
        assert page.evaluate("document.title") == "WhiteStat"
        assert page.evaluate("document.querySelectorAll('tbody img, tbody script').length") == 0
        assert overflow(page) == []
        tall = page.evaluate("Math.max(...[...document.querySelectorAll('tbody tr')].map((each) => each.offsetHeight))")
        assert tall < 180
        assert page.problems == []


@pytest.mark.parametrize("size", SIZES)
def test_nothing_sticks_out_and_no_figure_covers_another(page: Page, house: House, size: tuple[int, int]) -> None:
    house.say(NOON_S + 1, device(1, "phone", 999_900_000, 999_900_000, 999_900_000, 999_900_000))
    page.viewport(*size)
    wait_for_text(page, "tbody", "999.9 Mbit/s")
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert overflow(page) == []
    page.evaluate(ALL_LAID_OUT)
    assert page.evaluate(OVERLAPS) == []


# Rows below the window are laid out into a guessed height, unseen, until they come near it: here as if they had.
ALL_LAID_OUT = "document.querySelectorAll('tbody tr').forEach((each) => each.style.contentVisibility = 'visible')"

OVERLAPS = """(() => {
  const box = (cell) => { const range = document.createRange(); range.selectNodeContents(cell);
    return [cell.className, range.getBoundingClientRect()]; };
  const found = [];
  for (const row of document.querySelectorAll('tr')) {
    const boxes = [...row.children].map(box).filter(([, each]) => each.width);
    for (const [one, a] of boxes) for (const [other, b] of boxes)
      if (one < other && a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4)
        found.push(`${one} ${other}`);
  }
  return found;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_colour_schemes(page: Page, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text."""
    page.colour_scheme(scheme)
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(243, 245, 248)" if scheme == "light" else "rgb(12, 15, 20)"
    )


CONTRAST = """(() => {
  const linear = (each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((each) => linear(each / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (each) => {
    const colour = getComputedStyle(each).backgroundColor;
    return colour.startsWith("rgba") ? ground(each.parentElement) : colour;
  };
  const contrast = (each) => {
    const [a, b] = [light(getComputedStyle(each).color), light(ground(each))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const holdsText = (each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  return [...document.querySelectorAll("#page *")].filter(holdsText)
    .map((each) => [each.className, contrast(each)]).filter(([, ratio]) => ratio < 4.5);
})()"""
"""The class and the contrast of every text that has too little."""
