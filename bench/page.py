"""The page in a real browser over years of a home: first paint, the whole overview, sorting, and what an hour on Live
leaves in memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.filling import NOW_S, ZONE, fill, kept
from bench.table import Row
from tests.support.browser import CHROMIUM, Browser, Page
from tests.support.household import House, device, item, served
from whitestat.core.calendar import day_bounds, instant_text
from whitestat.core.model import Counts, Episode, Scope, UsageKey
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.write.writer import DeviceRecord, Flush, Writer

LOADS = 7
SORTS = 20
HOUR_S = 3600
SETTLED_S = 300
"""What the page keeps of the last minute, and what the browser compiles, is there by then."""

_WATCH = """
new MutationObserver(() => {
  const rows = document.querySelectorAll(".devices tbody tr").length;
  const filled = rows && document.querySelector(".panels") && !document.querySelector(".waiting, [aria-busy=true]");
  if (filled && !window.whole) requestAnimationFrame(() => setTimeout(() => (window.whole ??= performance.now())));
}).observe(document, { childList: true, subtree: true, attributes: true });
"""
"""Notes when every card of the overview has its figures and is painted."""

_SORT = """(async () => {
  const took = [];
  for (let turn = 0; turn < %d; turn++) {
    const headings = document.querySelectorAll("%s thead button");
    const began = performance.now();
    headings[turn %% headings.length].click();
    await new Promise((done) => setTimeout(done));
    document.body.offsetHeight;
    took.push(performance.now() - began);
  }
  return took;
})()"""
"""From the click until the new order is laid out, ms; every heading in turn."""


def rows(kept_in: Path | None = None) -> Iterator[Row]:
    """A row for each promise of the page."""
    if CHROMIUM is None:
        yield Row("the page in a browser", "", "not measured: there is no chromium", "", None)
        return
    with TemporaryDirectory(prefix="whitestat-bench-") as name:
        ledger = Path(name) / "whitestat.db"
        filled = (kept_in or Path(name)) / "100-3.db"
        if not filled.exists():
            fill(filled, 100, 3, 32)
        shutil.copyfile(filled, ledger)
        with closing(Writer(ledger, ZONE, kept(32))) as writer, closing(Queries(ledger, ZONE)) as queries:
            house = House(queries, writer, zone=ZONE, now_s=NOW_S)
            house.say(NOW_S, *_devices(100))
            with served(house), Browser() as browser:
                yield from _loads(browser, house)
            many = House(queries, writer, zone=ZONE, now_s=NOW_S)
            many.say(NOW_S, *_devices(254))
            with served(many), Browser() as browser:
                yield _sorting(browser, many)
            with _month(Path(name) / "month.db") as month, served(month), Browser() as browser:
                yield _sorting_days(browser, month)
            live = House(queries, writer, zone=ZONE, now_s=NOW_S, live_every_s=0.01)
            live.say(NOW_S, *_devices(100))
            with served(live), Browser() as browser:
                yield _growth(browser, live)


def _devices(many: int) -> list[dict[str, object]]:
    return [
        device(id, f"device {id * 7919 % 997}", 1_000_003 * (id * 31 % 257), 40_009 * id, 9_000 * id, 700 * id)
        for id in range(1, many + 1)
    ]


@contextmanager
def _opened(browser: Browser, url: str) -> Iterator[Page]:
    """A window of a desk whose page notes when it is filled."""

    def prepare(page: Page) -> None:
        page.viewport(1440, 900)
        page.ask("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)

    with closing(browser.open(url, prepare)) as page:
        yield page


def _loads(browser: Browser, house: House) -> Iterator[Row]:
    """Each in a tab of its own; the first has nothing in the browser's cache."""
    paints, wholes = [], []
    for _ in range(LOADS):
        with _opened(browser, house.url) as page:
            page.wait_for("window.whole")
            paints.append(float(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")))
            wholes.append(float(page.evaluate("window.whole")))
    said = f"{median(paints):.0f} ms (first of all {paints[0]:.0f}, longest of {LOADS}: {max(paints):.0f})"
    yield Row("page: first paint, three years of 100 devices", "<= 300 ms", said, "", median(paints) <= 300)
    said = f"{median(wholes):.0f} ms (first of all {wholes[0]:.0f}, longest of {LOADS}: {max(wholes):.0f})"
    yield Row("page: all of the overview", "<= 1,000 ms", said, "", median(wholes) <= 1000)


def _sorting(browser: Browser, house: House) -> Row:
    with _opened(browser, house.url) as page:
        page.wait_for("document.querySelectorAll('.devices tbody tr').length === 254")
        page.wait_for("window.whole")
        took: list[float] = page.evaluate(_SORT % (SORTS, ".devices"))
    said = f"{median(took):.0f} ms (longest of {SORTS}: {max(took):.0f})"
    return Row("page: sorting 254 rows", "<= 50 ms", said, "", median(took) <= 50)


@contextmanager
def _month(ledger: Path) -> Iterator[House]:
    """254 devices with usage on each of 31 days."""
    start_s = day_bounds(20261001, ZONE)[0]
    with closing(Writer(ledger, ZONE)) as writer, closing(Queries(ledger, ZONE)) as queries:
        ids = range(1, 255)
        for day in range(31):
            at_s = start_s + day * 86_400 + 43_200
            usage = {
                (at_s, UsageKey(id, "lan", Scope.WAN)): Counts(1_000_003 * (id * day % 257), 40_009 * id, 9, 9)
                for id in ids
            }
            writer.commit(
                Flush(
                    usage=usage,
                    devices=[DeviceRecord(id, f"device {id * 7919 % 997}", "user") for id in ids],
                    episodes=[Episode(id, id, id.to_bytes(6, "big"), None, start_s * 1000) for id in ids],
                    seen=dict.fromkeys(ids, at_s * 1000),
                )
            )
            writer.fold()
        yield House(queries, writer, zone=ZONE, now_s=start_s + 32 * 86_400)


def _sorting_days(browser: Browser, house: House) -> Row:
    """The widest table there is, with all of its rows."""
    table = "[aria-labelledby=table-matrix]"
    with _opened(browser, f"{house.url}#/history?span=month&at=2026-10-31") as page:
        page.wait_for(f"document.querySelector('{table} .more button')")
        page.evaluate(f"document.querySelector('{table} .more button').click()")
        page.wait_for(f"document.querySelectorAll('{table} tbody tr').length === 254")
        took: list[float] = page.evaluate(_SORT % (SORTS, table))
    said = f"{median(took):.0f} ms (longest of {SORTS}: {max(took):.0f})"
    return Row("page: sorting 254 rows of 31 days", "<= 50 ms", said, "", median(took) <= 50)


def _growth(browser: Browser, house: House) -> Row:
    """An hour of seconds as fast as the page takes them; the ledger is asked each minute of them as usual."""
    with _opened(browser, f"{house.url}#/live") as page:
        page.wait_for("document.querySelector('main header time')")
        early = 0
        for second in range(1, HOUR_S + 1):
            house.items.append(_second(second))
            if second % 30 == 0:
                at = instant_text(NOW_S + second, ZONE)
                page.wait_for(f"document.querySelector('main header time').dateTime === {at!r}", timeout_s=60)
            if second == SETTLED_S:
                early = _heap(page)
        grown = _heap(page) - early
    said = f"{grown / 1e6:.2f} MB in {(HOUR_S - SETTLED_S) // 60} minutes of figures, from {early / 1e6:.1f} MB"
    return Row("page: memory of the browser, Live left open for an hour", "<= 5 MB", said, "", grown <= 5_000_000)


def _second(second: int) -> dict[str, object]:
    """One in which a fifth of the devices are busy."""
    busy = [each for each in _devices(100) if int(str(each["id"])) % 5 == second % 5]
    for each in busy:
        each["octets_in"] = int(str(each["octets_in"])) + second * 1000
    rates = {"rate_in_bps": 1000 * second, "rate_out_bps": 77_000, "rate_in_pps": second, "rate_out_pps": 7}
    return item(NOW_S + second, *busy) | rates | {"points": [{"point": "lan", **rates}]}


def _heap(page: Page) -> int:
    """Octets of JavaScript's heap that are in use once the garbage is gone."""
    page.ask("HeapProfiler.collectGarbage")
    return int(page.ask("Runtime.getHeapUsage")["usedSize"])
