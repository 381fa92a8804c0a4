"""The page in a real browser, inside the gateway, while real traffic crosses it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest

from tests.lab.home import INTERNET4, INTERNET6, LAPTOP, PHONE, TV, Home
from tests.lab.service import PORT, Service, running
from tests.lab.traffic import finish, flood, iperf_servers, start_transfer
from tests.support.browser import CHROMIUM, Browser, Page

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(CHROMIUM is None, reason="the page is tested in Chromium, which is not installed"),
]

NAMES = "[...document.querySelectorAll('tbody .label')].map((each) => each.textContent)"
ROW = "[...document.querySelectorAll('tbody tr')].find((row) => row.textContent.includes('{}'))"


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home() as home:
        yield home


@pytest.fixture(scope="module")
def service(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(home.gateway, tmp_path_factory.mktemp("service")) as service:
        flood(home[PHONE], INTERNET4, packets=30_000, payload=1200)
        flood(home[LAPTOP], INTERNET6, packets=20_000, payload=1200)
        flood(home[TV], INTERNET4, packets=10_000, payload=1200)
        service.settle()
        yield service


@pytest.fixture
def page(home: Home, service: Service) -> Iterator[Page]:
    with Browser(prefix=home.gateway.command()) as browser:
        page = browser.open(f"http://127.0.0.1:{PORT}/")
        page.wait_for(f"{NAMES}.length >= 3")
        yield page
        assert page.problems == []


def test_devices_are_shown_the_largest_first(page: Page) -> None:
    assert page.evaluate(NAMES)[:3] == ["phone", "laptop", "tv"]
    assert "MB" in page.evaluate(f"{ROW.format('phone')}.querySelector('.out').textContent")


def test_numbers_move_when_traffic_flows(home: Home, page: Page) -> None:
    row = ROW.format("tv")
    before = page.evaluate(f"{row}.querySelector('.in').textContent")
    today = page.evaluate("document.querySelector('.today .total').textContent")
    with iperf_servers(home.internet, (5201,)):
        transfer = start_transfer(home[TV], INTERNET6, 5201, "udp", seconds=4)
        page.wait_for(f"{row}.querySelector('.rate').textContent.includes('Mbit/s')")
        page.wait_for(f"{row}.querySelector('.in').textContent !== {before!r}")
        page.wait_for(f"document.querySelector('.today .total').textContent !== {today!r}")
        page.wait_for("/[1-9]/.test(document.querySelector('.now .figure').textContent)")
        finish([transfer])
    page.wait_for(f"{row}.querySelector('.rate').textContent.includes('idle')")


def test_figures_on_the_page_are_those_of_the_meter(page: Page, service: Service) -> None:
    carried = service.usage("wan")["phone"].octets_out / 1_000_000
    shown = page.evaluate(f"{ROW.format('phone')}.querySelector('.out').textContent")
    assert float(shown.split()[0]) == pytest.approx(carried, rel=0.01)


def test_any_column_sorts_and_the_search_finds(page: Page) -> None:
    page.click("th.name button")
    page.wait_for("document.querySelector('th.name').ariaSort === 'ascending'")
    names = page.evaluate(NAMES)
    assert [each for each in names if each in {"laptop", "phone", "tv"}] == ["laptop", "phone", "tv"]
    page.click("input[type=search]")
    page.type("lapt")
    page.wait_for(f"{NAMES}.length === 1")
    assert page.evaluate(NAMES) == ["laptop"]


def test_a_name_edited_on_the_page_is_everywhere_and_back_after_undo(page: Page, service: Service) -> None:
    page.evaluate(f"{ROW.format('tv')}.querySelector('.editable').focus()")
    page.press("F2")
    page.wait_for("document.activeElement.matches('input.line')")
    page.type("Living room")
    page.press("Enter")
    page.wait_for(f"{NAMES}.includes('Living room')")
    assert "Living room" in service.usage("wan")
    assert "Living room" in service.command("devices").stdout
    assert service.command("undo").returncode == 0
    page.wait_for(f"{NAMES}.includes('tv')")
    assert "tv" in service.usage("wan")


def test_devices_merged_by_a_command_are_one_on_the_page_within_seconds(page: Page, service: Service) -> None:
    octets = sum(each.octets_in + each.octets_out for each in service.usage("wan").values())
    done = service.command("merge", "tv", "phone")
    assert done.returncode == 0, done.stderr
    page.wait_for(f"!{NAMES}.includes('tv')")
    assert sum(each.octets_in + each.octets_out for each in service.usage("wan").values()) == octets
    assert service.command("undo").returncode == 0
    page.wait_for(f"{NAMES}.includes('tv')")


def test_a_phone_needs_no_sideways_scrolling(page: Page) -> None:
    page.viewport(360, 740)
    page.wait_for("document.documentElement.clientWidth === 360")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    boxes = page.evaluate(
        "[...document.querySelectorAll('th button')].map((each) => each.getBoundingClientRect().toJSON())"
    )
    assert not [
        (one, other)
        for one, other in combinations(boxes, 2)
        if one["left"] < other["right"]
        and other["left"] < one["right"]
        and one["top"] < other["bottom"]
        and other["top"] < one["bottom"]
    ], "headings lie over one another"


VIEWS = {
    "#/history?span=day": ".sheet tbody tr",
    "#/live": ".graphs .area",
    "#/devices": ".sheet tbody tr",
    "#/device/1?span=day": ".facts",
    "#/services?span=day": ".sheet tbody tr",
    "#/health": ".facts",
}


def test_every_view_shows_what_is_metered_and_nothing_complains(page: Page) -> None:
    for place, there in VIEWS.items():
        page.evaluate(f"location.hash = {place!r}")
        page.wait_for(f"document.querySelector('main {there}')")
        page.wait_for("!document.querySelector('.waiting, [aria-busy=true]')")
        assert page.evaluate("document.querySelector('main .notice.lost')?.textContent ?? null") is None, place
    rows = "[...document.querySelectorAll('.sheet tbody tr')].map((each) => each.textContent)"
    page.wait_for(f"{rows}.some((each) => each.startsWith('Packets lost') && each.endsWith('0yes'))")
    memory = next(each for each in page.evaluate(rows) if each.startswith("Memory"))
    assert "MB" in memory.removeprefix("Memory, the whole serviceat most 45 MB")


def test_a_connection_that_was_lost_leaves_no_gap(home: Home, page: Page) -> None:
    page.evaluate("location.hash = '#/live'")
    page.wait_for("document.querySelector('[aria-labelledby=card-seconds] .numbers')")
    page.evaluate("document.querySelector('[aria-labelledby=card-seconds] .numbers').open = true")
    rows = "[...document.querySelectorAll('[aria-labelledby=card-seconds] .numbers tbody tr')]"
    # The seconds since the transfer began: before, the graph may show what other tests sent.
    at = "Date.parse(document.querySelector('header time.count').dateTime)"
    since = f"Math.max(1, ({at} - {page.evaluate(at)}) / 1000)"
    busy = f"{rows}.slice(-{since}).map((row) => row.lastElementChild.textContent !== '0\u00a0bit/s')"
    with iperf_servers(home.internet, (5202,)):
        transfer = start_transfer(home[PHONE], INTERNET4, 5202, "udp", seconds=9)
        page.wait_for(f"{busy}.filter(Boolean).length >= 2")
        page.offline(True)
        page.evaluate("dispatchEvent(new Event('online'))")  # which has it try anew, in vain
        page.wait_for("document.querySelector('.phase.lost')")
        page.offline(False)
        page.wait_for("document.querySelector('.phase.live')")
        page.problems.clear()  # the browser tells of the connection as well
        finish([transfer])
    page.wait_for(f"{busy}.filter(Boolean).length >= 7")
    seconds = page.evaluate(busy)
    first, last = seconds.index(True), len(seconds) - 1 - seconds[::-1].index(True)
    assert all(seconds[first : last + 1]), "".join("#" if each else "." for each in seconds)


def test_nothing_is_fetched_from_elsewhere(page: Page) -> None:
    home = (f"http://127.0.0.1:{PORT}/", "about:", "data:")
    assert [each for each in page.requests if not each.startswith(home)] == []
