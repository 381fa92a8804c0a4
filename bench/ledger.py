"""The ledger's promises, measured: what it wears, how large it gets, how fast it answers and folds. No traffic, no root
but for the card's own device."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple, ParamSpec, TypeVar

from bench.asking import Asked, ask_all
from bench.card import NoCardError, card
from bench.dashboards import DASHBOARDS, Dashboards, watch
from bench.filling import NOW_S, ZONE, fill, household, kept, opening
from bench.household import HOUR_S, Household
from bench.table import Row
from bench.wearing import Day, Wear, apart, wear
from whitestat.core.model import Counts, PeerKey, Scope, ServiceKey
from whitestat.ledger.write.writer import Flush, Writer

P = ParamSpec("P")
T = TypeVar("T")

MB = 1_000_000
GROWTH = (1, 3, 10)
MONTH_DAYS = 32
FLOOR_MB = 11.8
LARGE = 254
DETAIL_EVERY_S = 330


class Timed(NamedTuple):
    """Milliseconds of each."""

    flush: list[float]
    fold: list[float]
    fold_detail: list[float]


def rows(kept_in: Path | None = None) -> Iterator[Row]:
    """A row for each promise. Ledgers are filled two at a time, unless they are in the folder already; everything
    else is measured alone."""
    with TemporaryDirectory(prefix="whitestat-bench-") as name:
        folder = kept_in or Path(name)
        began = time.monotonic()
        with _processes() as pool:
            filling = {years: pool.submit(_filled, folder, 50, years, 7) for years in GROWTH}
            three = pool.submit(_filled, folder, 100, 3, MONTH_DAYS)
            large, hundred = {years: each.result() for years, each in filling.items()}, three.result()
        yield Row("ledgers of 17 years filled", "", f"in {time.monotonic() - began:.0f} s", "", None)
        yield from _wear(folder, large[1])
        yield from _sizes(large, hundred)
        yield from _questions(large, hundred)
        yield from _times(_alone(_timed, Path(name)))
        yield from _dashboards(watch(Path(shutil.copyfile(hundred, Path(name) / "asked.db")), 100, 3))


@contextmanager
def _processes() -> Iterator[ProcessPoolExecutor]:
    """Each piece of work in a process of its own, so that what it costs is its own."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        yield pool


def _alone(work: Callable[P, T], *words: P.args, **named: P.kwargs) -> T:
    with _processes() as pool:
        return pool.submit(work, *words, **named).result()


def _filled(folder: Path, devices: int, years: int, minute_days: int) -> Path:
    path = folder / f"{devices}-{years}.db"
    if not path.exists():
        fill(path, devices, years, minute_days)
    return path


def _wear(folder: Path, ledger: Path) -> Iterator[Row]:
    for flush_s, restless in ((30, False), (30, True), (10, False), (300, False)):
        limit = 25.0 if flush_s == 30 and not restless else None
        who = "that speak in every flush" if restless else "of a home"
        promise = f"flash writes in a day, 50 devices {who}, {flush_s} s bound"
        shown = f"<= 25 MB (floor {FLOOR_MB})" if limit else ""
        try:
            found: Wear = _alone(_worn, folder, ledger, flush_s, restless)
        except NoCardError as error:
            yield Row(promise, shown, f"not measured: {error}", "", None)
            continue
        said = (
            f"{found.device / MB:.1f} MB at the device ({found.process / MB:.1f} charged to the process, "
            f"{found.log / MB:.1f} by SQLite; {found.services:.0f} services and {found.peers:.0f} peers a hand-in)"
        )
        yield Row(promise, shown, said, "", found.device / MB <= limit if limit else None)

    try:
        octets = _alone(_worn_apart, folder, ledger)
    except NoCardError as error:
        said = f"not measured: {error}"
    else:
        said = f"{octets:,} octets at the device, {octets * 2_880 / MB:.0f} MB in a day of such flushes alone"
    yield Row("one flush with seconds before and after it (ext4 then writes its own)", "", said, "", None)


def _worn_apart(folder: Path, ledger: Path) -> int:
    with TemporaryDirectory(dir=folder) as place, card(Path(place)) as each:
        return apart(ledger, household(50, 1), each)


def _worn(folder: Path, ledger: Path, flush_s: int, restless: bool) -> Wear:
    with TemporaryDirectory(dir=folder) as place, card(Path(place)) as each:
        return wear(ledger, household(50, 1), each, flush_s, restless)


def _sizes(fifty: dict[int, Path], hundred: Path) -> Iterator[Row]:
    limits = {1: 60, 10: 400}
    for years, path in fifty.items():
        size = path.stat().st_size / MB
        limit = limits.get(years)
        said = f"<= {limit} MB" if limit else ""
        promise = f"disk, 50 devices, {years} year{'s' * (years > 1)}"
        yield Row(promise, said, f"{size:.1f} MB", "", size <= limit if limit else None)
    size = hundred.stat().st_size / MB
    yield Row("disk, 100 devices, 3 years, a month of minutes", "", f"{size:.1f} MB", "", None)


def _questions(fifty: dict[int, Path], hundred: Path) -> Iterator[Row]:
    grown = {years: _alone(_asked, path, 50, years) for years, path in fifty.items()}
    for at, each in enumerate(_alone(_asked, hundred, 100, 3)):
        beside = ", ".join(f"{grown[years][at].warm_ms:.0f}" for years in GROWTH)
        said = (
            f"{each.warm_ms:.0f} ms, cold {each.cold_ms:.0f} ms ({each.rows:,} rows; 50 devices, "
            f"{', '.join(map(str, GROWTH))} years: {beside} ms)"
        )
        yield Row(f"three years of 100 devices: {each.name}", f"<= {each.limit_ms:.0f} ms", said, "", each.met)


def _asked(path: Path, devices: int, years: int) -> list[Asked]:
    home = household(devices, years)
    now = home.day_of(NOW_S)
    stayed = (each for each in home.residents if each.first <= now - 31 and each.last > now)
    return ask_all(path, next(each.id for each in stayed if each.kind.name == "phone"))


def _timed(folder: Path) -> Timed:
    """An hour's fold after each hour, and before every other one that of the services and peers handed in so far."""
    home = household(LARGE, 1)
    writer = Writer(folder / "large.db", ZONE, kept())
    writer.commit(opening(home))
    found = Timed([], [], [])
    day = Day(home, writer, 30, restless=True)
    start_s = NOW_S - NOW_S % HOUR_S
    for hour in range(6):
        for at_s in range(start_s + hour * HOUR_S, start_s + (hour + 1) * HOUR_S, 30):
            made = replace(day.made(at_s), services={}, peers={})
            if at_s % DETAIL_EVERY_S:
                writer.commit(made)
            else:
                crowded = _crowded(home, made, at_s)
                found.flush.append(_took_ms(partial(writer.commit, crowded)))
        if hour % 2:
            found.fold_detail.append(_took_ms(writer.fold_details))
        found.fold.append(_took_ms(writer.fold))
    writer.close()
    return found


def _crowded(home: Household, flush: Flush, at_s: int) -> Flush:
    """The flush with 2,000 services and as many peers, of all devices."""
    services: dict[tuple[int, ServiceKey], Counts] = {}
    peers: dict[tuple[int, PeerKey], Counts] = {}
    there = home.there(home.day_of(at_s))
    for number in range(2_000):
        resident = there[number % len(there)]
        key, counts = resident.usage(Scope.WAN), Counts(1_000 + number, 100 + number, 10, 10)
        services[at_s - at_s % HOUR_S, ServiceKey(key, 6, 1_000 + number)] = counts
        peers[at_s - at_s % HOUR_S, PeerKey(key, number.to_bytes(16, "big"))] = counts
    return replace(flush, services=services, peers=peers)


def _took_ms(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return (time.monotonic() - began) * 1000


def _times(found: Timed) -> Iterator[Row]:
    flush, fold, detail = (median(each) for each in found)
    said = f"{flush:.1f} ms (longest of {len(found.flush)}: {max(found.flush):.0f})"
    yield Row(f"flush of {LARGE} devices and 2,000 services", "<= 20 ms", said, "", flush <= 20)
    said = f"{fold:.0f} ms (longest of {len(found.fold)}: {max(found.fold):.0f})"
    yield Row(f"fold of an hour, {LARGE} devices that never rest", "<= 200 ms", said, "", fold <= 200)
    said = f"{detail:.0f} ms (longest of {len(found.fold_detail)}: {max(found.fold_detail):.0f})"
    yield Row("fold of services and peers, 22 such hand-ins", "<= 200 ms", said, "", detail <= 200)


def _dashboards(found: Dashboards) -> Iterator[Row]:
    said = f"{found.delay_ms:.0f} ms ({found.delayed} answers during {len(found.folds_ms)} folds)"
    yield Row("longest delay of an answer by a fold", "<= 50 ms", said, "", found.delay_ms <= 50)
    said = (
        f"{found.errors} of {found.answers:,} answers ({found.median_ms:.0f} ms, longest {found.longest_ms:.0f}), "
        f"{found.octets_lost} octets of {found.flushes} flushes lost"
    )
    met = not found.errors and not found.octets_lost
    yield Row(f"{DASHBOARDS} dashboards, a flush every second: errors, lost", "0", said, "", met)
