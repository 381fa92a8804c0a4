"""The logs that dalla-stats wrote: a CSV for each device, each user and all, a folder for each month, for ever.

`Time` is UTC seconds, `Total Bytes` all that was ever counted, `Delta` since the row before, `On-Peak` and `Off-Peak`
of the month; up and down together, traffic with the outside alone. In a month's log the deltas add up to its peaks.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import tzinfo
from pathlib import Path
from typing import NamedTuple, Protocol

from whitestat.core.calendar import day_bounds, wall_time
from whitestat.core.errors import LedgerError
from whitestat.core.model import Scope
from whitestat.core.sums import add_to
from whitestat.core.system.own_files import make_folder
from whitestat.ledger.read.queries import DeviceRow, Queries, UsageQuery
from whitestat.plans.plan import Plan
from whitestat.plans.tariff import Tariffs, Window

log = logging.getLogger("whitestat")

OFF_PEAK = "off-peak"
AT_NIGHT = Window(OFF_PEAK, frozenset(range(7)), 0, 6 * 60)
"""What dalla-stats took for it."""
HEADER = "Time, Total Bytes, Delta, On-Peak, Off-Peak"
SUMMARY = "summary.csv"
UNKNOWN = "Unknown"
"""The user of unattributed usage."""
_TAIL = 256
_MONTH = re.compile("[0-9]{4}-[0-9]{2}")
_NO_MAC = "00:00:00:00:00:00"

LogSubject = tuple[int | None, str | None]
"""A device and its owner; None for neither."""


class Figures(NamedTuple):
    """Octets: all that there ever was, and of the month."""

    total: int = 0
    month: int = 0
    off_peak: int = 0

    def plus(self, other: Figures) -> Figures:
        return Figures(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def on_peak(self) -> int:
        return self.month - self.off_peak


class Times(Protocol):
    """The engine's clock."""

    @property
    def clock_is_held(self) -> bool: ...

    def now_ms(self) -> int: ...


def clock_of(plans: Iterable[Plan], zone: tzinfo) -> Tariffs:
    """That of the first plan with a tariff `off-peak`; without one it is the night, as with dalla-stats."""
    for plan in plans:
        if OFF_PEAK in plan.names:
            return plan.clock(zone)
    return Tariffs([AT_NIGHT], zone, "on-peak")


class CsvLogs:
    """Writes into `folder`, whose months older than `keep` lose all but their summary. `clock` tells off-peak times."""

    def __init__(self, folder: Path, queries: Queries, zone: tzinfo, clock: Tariffs, keep: int) -> None:
        self.folder = folder
        self._queries = queries
        self._zone = zone
        self._clock = clock
        self._keep = keep

    def write(self, now_s: int) -> None:
        """One more row for everything that had traffic since its last one. OSError, LedgerError: nothing is lost,
        the next row has it."""
        local = wall_time(now_s, self._zone)
        start_s = day_bounds(local.year * 10_000 + local.month * 100 + 1, self._zone)[0]
        if now_s <= start_s:
            return
        month = self.folder / f"{local.year:04}-{local.month:02}"
        by_subject = self._figures(start_s, now_s)
        devices, users = _by_device(by_subject), _by_user(by_subject)
        names = {device.id: device for device in self._queries.devices()}
        for device, figures in devices.items():
            if device in names:
                _append(_device_log(month / "devices", names[device]), now_s, figures)
        for user, figures in users.items():
            _append(month / "users" / f"{user}.csv", now_s, figures)
        everything = _sum(by_subject)
        _append(month / "total.csv", now_s, everything)
        _write_summary(month / SUMMARY, everything, users)
        self._forget(local.year * 12 + local.month - 1)

    async def run(self, engine: Times, every_s: int, notices: list[str]) -> None:
        """A row at once, and then at each full interval of the wall clock, once that is right; for ever."""
        while True:
            if not engine.clock_is_held:
                try:
                    await asyncio.to_thread(self.write, engine.now_ms() // 1000)
                except (OSError, LedgerError) as error:
                    message = f"csv: {error}; the next row has what this one would have had"
                    if message not in notices:
                        notices.append(message)
                        log.error("%s", message)
            await asyncio.sleep(every_s - engine.now_ms() / 1000 % every_s)

    def close(self) -> None:
        """A row that is being made is given up; the next start makes it."""
        self._queries.close()

    def _figures(self, start_s: int, now_s: int) -> dict[LogSubject, Figures]:
        """Of everything that ever had traffic with the outside."""
        figures = {who: Figures(octets) for who, octets in self._octets(0, now_s)}
        for who, octets in self._octets(start_s, now_s):
            add_to(figures, who, Figures(month=octets))
        for tariff, low_s, high_s in self._clock.spans(start_s, now_s):
            if tariff == OFF_PEAK:
                for who, octets in self._octets(low_s, high_s):
                    add_to(figures, who, Figures(off_peak=octets))
        return figures

    def _octets(self, start_s: int, end_s: int) -> Iterator[tuple[LogSubject, int]]:
        for row in self._queries.usage(UsageQuery(start_s, end_s, by=("device", "person"), scope=Scope.WAN)):
            yield (row.device.id if row.device else None, row.person), row.counts.octets

    def _forget(self, now: int) -> None:
        """What is older than so many months; what is not ours stays, and so do the summaries."""
        for folder in self.folder.iterdir():
            if not _MONTH.fullmatch(folder.name) or folder.is_symlink():
                continue
            year, month = map(int, folder.name.split("-"))
            if now - (year * 12 + month - 1) >= self._keep:
                for log in (*folder.glob("devices/*.csv"), *folder.glob("users/*.csv"), folder / "total.csv"):
                    log.unlink(missing_ok=True)
                for empty in (folder / "devices", folder / "users"):
                    with suppress(OSError):
                        empty.rmdir()


def _by_device(by_subject: Mapping[LogSubject, Figures]) -> dict[int, Figures]:
    sums: dict[int, Figures] = {}
    for (device, _), figures in by_subject.items():
        if device is not None:
            add_to(sums, device, figures)
    return sums


def _by_user(by_subject: Mapping[LogSubject, Figures]) -> dict[str, Figures]:
    """By a name that can be a file's; people whose names are alike there are one user."""
    sums: dict[str, Figures] = {}
    for (_, person), figures in by_subject.items():
        name = _plain(person) if person else UNKNOWN
        add_to(sums, name, figures)
    return sums


def _sum(by_subject: Mapping[LogSubject, Figures]) -> Figures:
    everything = Figures()
    for figures in by_subject.values():
        everything = everything.plus(figures)
    return everything


def _plain(name: str) -> str:
    """Without what a path, a line of CSV or a spreadsheet's formula is made of."""
    return re.sub(r"[^\w .-]", "_", name).strip(" .-")[:64] or UNKNOWN


def _device_log(folder: Path, device: DeviceRow) -> Path:
    """`02-50-00-00-00-11_192.168.1.10.csv`: the address is the one that it had at its first row of the month."""
    mac = (device.mac or _NO_MAC).replace(":", "-")
    if device.mac:
        for there in sorted(folder.glob(f"{mac}_*.csv")):
            return there
    address = next((address_text for address_text in device.addresses if ":" not in address_text), None)
    return folder / f"{mac}_{address or f'device-{device.id}'}.csv"


def _append(log: Path, now_s: int, figures: Figures) -> None:
    """A row, where the month's figure changed since the last one; a row that was cut off by a power cut is removed."""
    if not figures.month and not log.exists():
        return
    make_folder(log.parent)
    descriptor = os.open(log, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, size - _TAIL))
        tail = opened.read()
        whole = tail[: tail.rfind(b"\n") + 1]
        before = _month_of(whole)
        if before == figures.month:
            return
        opened.seek(size - len(tail) + len(whole))
        opened.truncate()
        head = "" if opened.tell() else f"{HEADER}\n"
        delta = figures.month - (before or 0)
        row = f"{now_s}, {figures.total}, {delta}, {figures.on_peak}, {figures.off_peak}\n"
        opened.write(f"{head}{row}".encode())


def _month_of(tail: bytes) -> int | None:
    """On-peak and off-peak together of the last row; None where there is none."""
    lines = tail.decode("ascii", "replace").splitlines()
    cells = lines[-1].split(",") if lines else []
    try:
        return int(cells[3]) + int(cells[4])
    except (IndexError, ValueError):
        return None


def _write_summary(path: Path, everything: Figures, users: Mapping[str, Figures]) -> None:
    ordered = sorted(users.items(), key=lambda item: (-item[1].month, item[0]))
    rows = [("TOTAL", everything), *ordered]
    lines = [f"{name}, {figures.month}, {figures.on_peak}, {figures.off_peak}" for name, figures in rows]
    make_folder(path.parent)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as opened:
        opened.write("\n".join(["Name, Total, On-Peak, Off-Peak", *lines]) + "\n")
    fresh.replace(path)
