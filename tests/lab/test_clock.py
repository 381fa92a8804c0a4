"""The running service under a clock that starts in 1970, is set, jumps to tomorrow and comes back."""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.lab.home import INTERNET4, PHONE, Home, Links
from tests.lab.machine import SLOWER
from tests.lab.referee import Referee
from tests.lab.service import Service, running, settings
from tests.lab.traffic import flood

pytestmark = pytest.mark.lab

DAY_MS = 86_400_000
OF_1970 = -20_000 * DAY_MS


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What gives one process a wall clock of its own.

    Not libfaketime: it makes an instant of the past of what `clock_nanosleep` waits for, even where it leaves the
    monotonic clock alone, and a wait for a child of the service then fails with EINVAL.
    """
    source, program = Path(__file__).with_name("clock.c"), tmp_path_factory.mktemp("shim") / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", program, source], check=True)
    return program


class Clock:
    """The wall clock of one service; its monotonic clock stays the machine's."""

    def __init__(self, folder: Path, shim: Path) -> None:
        self._file = folder / "clock"
        self._shim = shim
        self.set(0)

    def set(self, ahead_ms: int, *, synchronised: bool = False) -> None:
        """So far ahead of the true time; and whether the kernel says that a time service keeps it right."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=qq", ahead_ms, synchronised))

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("env", f"LD_PRELOAD={self._shim}", f"WALL_CLOCK={self._file}")


def health(service: Service, state: str) -> list[str]:
    """The notices, once the clock is in the state; fails after some seconds."""
    until = time.monotonic() + 15 * SLOWER
    while True:
        try:
            report = service.get("/api/v1/health").json
        except OSError:
            report = {"clock": "no answer", "notices": []}
        if report["clock"] == state or time.monotonic() > until:
            assert report["clock"] == state, service.log
            notices: list[str] = report["notices"]
            return notices
        time.sleep(0.1)


def sent(service: Service, since: datetime) -> dict[datetime, int]:
    """What the phone sent, by minute."""
    rows = service.rows(by="device", scope="wan", step="minute")
    minutes = {datetime.fromisoformat(row["start"]): row["octets_out"] for row in rows if row["device"]}
    return {start: octets for start, octets in minutes.items() if start >= since}


def test_usage_is_held_in_1970_booked_where_it_belongs_and_never_moved(home: Home, shim: Path, tmp_path: Path) -> None:
    clock, referee = Clock(tmp_path, shim), Referee(home)
    with running(home.gateway, tmp_path) as before:
        before.settle()
    service = Service(home.gateway, tmp_path, settings(tmp_path))
    service.prefix = clock.prefix
    clock.set(OF_1970)
    try:
        service.launch()
        (notice,) = health(service, "held")
        assert notice.startswith("the clock says 197")
        assert "usage is held until it is set" in notice
        start, carried = datetime.now().astimezone().replace(second=0, microsecond=0), referee.read()[PHONE]
        flood(home[PHONE], INTERNET4, packets=1000)
        time.sleep(3)  # several flushes, were the clock set
        assert sent(service, start - timedelta(days=1)) == {}
        clock.set(0)
        health(service, "set")
        service.settle()
        octets = referee.read()[PHONE].minus(carried).wan.octets_out
        held = sent(service, start - timedelta(minutes=1))  # to the minute, and never later than it was
        assert sum(held.values()) == octets > 1000 * 28
        assert max(held) <= datetime.now().astimezone()

        clock.set(DAY_MS)
        time.sleep(1.5)
        flood(home[PHONE], INTERNET4, packets=500)
        service.settle()
        tomorrow = {at: each for at, each in sent(service, start).items() if at > start + timedelta(hours=12)}
        assert tomorrow
        assert "the clock went forward by 24 hours" in health(service, "set")[0]
        clock.set(0)
        time.sleep(1.5)
        flood(home[PHONE], INTERNET4, packets=250)
        service.settle()
        everything = sent(service, start - timedelta(minutes=1))
        assert {at: each for at, each in everything.items() if at in tomorrow} == tomorrow
        assert sum(everything.values()) == referee.read()[PHONE].minus(carried).wan.octets_out
        assert "ahead before: usage is booked up to" in health(service, "set")[0]
        assert service.stop() == 0, service.log
    finally:
        service.end()


def test_what_comes_under_a_right_clock_after_one_a_year_ahead_has_the_right_date(
    home: Home, shim: Path, tmp_path: Path
) -> None:
    """A flush a year ahead, a kill, the right clock and restarts: what is held is booked once that is known."""
    clock, referee = Clock(tmp_path, shim), Referee(home)
    service = Service(home.gateway, tmp_path, settings(tmp_path))
    service.prefix = clock.prefix
    clock.set(365 * DAY_MS)
    start, carried = datetime.now().astimezone().replace(second=0, microsecond=0), referee.read()[PHONE]
    try:
        service.start()
        flood(home[PHONE], INTERNET4, packets=100)
        service.settle()
        service.kill()
        clock.set(0)
        for end in (service.kill, service.stop):
            service.launch()
            health(service, "held")
            assert service.get("/api/v1/health").status == 200  # a supervisor lets it be
            flood(home[PHONE], INTERNET4, packets=1000)
            service.settle()
            assert sent(service, start - timedelta(days=1)) == {}
            end()
        clock.set(0, synchronised=True)
        service.launch()
        (notice,) = health(service, "set")
        assert "but was ahead before" in notice
        service.settle()
        octets = referee.read()[PHONE].minus(carried).wan.octets_out
        days = service.rows(by="device", scope="wan", step="day", end=(start + timedelta(days=400)).date().isoformat())
        assert sum(row["octets_out"] for row in days if row["device"]) == octets
        now = sent(service, start - timedelta(minutes=1))
        now = sent(service, start - timedelta(minutes=1))
        assert sum(now.values()) * 21 == octets * 20  # 2,000 packets of 2,100
        assert start - timedelta(minutes=1) <= min(now) <= max(now) <= datetime.now().astimezone()
        assert service.stop() == 0, service.log
    finally:
        service.end()
