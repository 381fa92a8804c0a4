"""What a container's engine asks: with TLS and without, while it is well, while it is not, and when nobody answers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.certificates import certify
from tests.support.household import House, household
from whitestat.web.connections import Certificate
from whitestat.web.tls.state import Https


@contextmanager
def tls(folder: Path) -> Iterator[House]:
    with household(folder, certificate=Certificate(*certify(folder, "stats"))) as house:
        yield house


def status(house: House) -> int:
    environment = os.environ | {"SERVER_PORT": str(urlsplit(house.url).port)}
    return subprocess.run(
        [sys.executable, "-m", "whitestat.app.healthcheck"], env=environment, timeout=30, check=False
    ).returncode


@pytest.mark.parametrize("serving", [household, pytest.param(tls, marks=pytest.mark.needs("openssl"))])
def test_it_is_well_while_the_service_says_so(tmp_path: Path, serving: type) -> None:
    with serving(tmp_path) as house:
        assert status(house) == 0
        house.health["status"] = "degraded"
        assert status(house) == 1
    assert status(house) == 1, "nobody answers"


def test_it_loads_next_to_nothing() -> None:
    program = "import sys, whitestat.app.healthcheck; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert not {"ssl", "http.client", "asyncio", "json"} & set(done.stdout.split())


@pytest.mark.needs("openssl")
def test_it_follows_plain_http_that_leads_to_tls(tmp_path: Path) -> None:
    with household(tmp_path, beside=Certificate(*certify(tmp_path, "stats")), https=Https(only=True)) as house:
        assert status(house) == 0
        house.health["status"] = "degraded"
        assert status(house) == 1
