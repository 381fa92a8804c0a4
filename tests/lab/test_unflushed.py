"""The running service, long before its next flush: what the kernel's meter holds is in every answer already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.home import INTERNET4, PHONE, Home, Links
from tests.lab.referee import Referee
from tests.lab.service import Service, running, settings
from tests.lab.traffic import flood

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


def scraped(service: Service) -> int:
    """What the phone sent to the outside, by /metrics."""
    wanted = ('name="phone"', 'scope="wan"', 'direction="out"')
    lines = service.get("/metrics").body.decode().splitlines()
    return sum(int(float(each.rpartition(" ")[2])) for each in lines if all(label in each for label in wanted))


def sent(rows: list[dict[str, Any]]) -> int:
    return sum(row["octets_out"] for row in rows if row["device"])


def asked(service: Service, **more: str) -> list[dict[str, Any]]:
    query = "&".join(f"{key}={value}" for key, value in ({"start": "today", "scope": "wan"} | more).items())
    rows: list[dict[str, Any]] = service.get(f"/api/v1/usage?{query}").json["rows"]
    return rows


def test_what_passed_just_now_is_answered_by_every_way_of_asking_and_never_falls(home: Home, tmp_path: Path) -> None:
    referee = Referee(home)
    with running(home.gateway, tmp_path, settings(tmp_path, flush="5m")) as service:
        carried, before = referee.read()[PHONE], 0
        for _ in range(3):
            flood(home[PHONE], INTERNET4, packets=1000)
            octets = referee.read()[PHONE].minus(carried).wan.octets_out
            while scraped(service) < octets:  # a look into the meters may be a second old
                assert service.get("/api/v1/health").json["flushes"] <= 2
            for step in ("total", "minute", "hour", "day", "month"):
                assert sent(asked(service, by="device", step=step)) == octets, step
            for by in ("service", "peer"):
                assert sent(asked(service, by=f"device,{by}")) == octets, by
            assert scraped(service) == octets > before
            before = octets
        done = service.command("today", "--json")
        assert done.returncode == 0, done.stderr
        today = [row for row in json.loads(done.stdout)["rows"] if (row["device"], row["scope"]) == ("phone", "wan")]
        assert sent(today) == before
