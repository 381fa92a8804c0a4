"""The running service under a clock that starts in 1970, is set, jumps to tomorrow and comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.lab.home import INTERNET4, PHONE, Home, Links
from tests.lab.referee import Referee
from tests.lab.service import Service, running, settings
from tests.lab.traffic import flood

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(FAKETIME is None, reason="libfaketime gives the service a clock of its own (Debian: faketime)"),
]

OF_1970 = "-20000d"


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


class Clock:
    """The wall clock of one service, by libfaketime; its monotonic clock stays the machine's."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"

    def set(self, offset: str) -> None:
        """`+1d`: so far from the true time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.rename(self._file)

    @property
    def prefix(self) -> tuple[str, ...]:
        told = {
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": self._file,
            "FAKETIME_NO_CACHE": 1,
            "FAKETIME_DONT_FAKE_MONOTONIC": 1,
        }
        return ("env", *(f"{name}={value}" for name, value in told.items()))


def health(service: Service, state: str) -> list[str]:
    """The notices, once the clock is in the state; fails after some seconds."""
    until = time.monotonic() + 15
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


def test_usage_is_held_in_1970_booked_where_it_belongs_and_never_moved(home: Home, tmp_path: Path) -> None:
    clock, referee = Clock(tmp_path), Referee(home)
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
        clock.set("+0")
        health(service, "set")
        service.settle()
        octets = referee.read()[PHONE].minus(carried).wan.octets_out
        held = sent(service, start - timedelta(minutes=1))  # to the minute, and never later than it was
        assert sum(held.values()) == octets > 1000 * 28
        assert max(held) <= datetime.now().astimezone()

        clock.set("+1d")
        time.sleep(1.5)
        flood(home[PHONE], INTERNET4, packets=500)
        service.settle()
        tomorrow = {at: each for at, each in sent(service, start).items() if at > start + timedelta(hours=12)}
        assert tomorrow
        assert "the clock went forward by 24 hours" in health(service, "set")[0]
        clock.set("+0")
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
