"""HTTPS in a home: a phone that trusts the authority reaches it by address, and usage stays exact meanwhile."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.home import GATEWAY4, INTERNET4, PHONE, Home, Links
from tests.lab.machine import SLOWER
from tests.lab.referee import Referee
from tests.lab.service import PORT, running, settings
from tests.lab.traffic import flood

pytestmark = [pytest.mark.lab, pytest.mark.needs("openssl", "curl")]


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


def test_a_phone_gets_pages_by_tls_while_its_usage_stays_exact(home: Home, tmp_path: Path) -> None:
    """The certificate is made after root is given up, and is one for an address that comes later, too."""
    config = settings(tmp_path).replace(f'"127.0.0.1:{PORT}"', f'"0.0.0.0:{PORT}"')
    with running(home.gateway, tmp_path, config) as service:
        assert re.search(rf"HTTPS is at port {PORT + 1}\.", service.log), service.log
        phone, referee, authority = home[PHONE], Referee(home), str(tmp_path / "whitestat.pem")
        phone.run("curl", "-sS", "-m", "10", "-o", authority, f"http://{GATEWAY4}:{PORT}/https/whitestat.pem")
        before = referee.read()
        for _ in range(10):
            flood(phone, INTERNET4, packets=2_000)
            url = f"https://{GATEWAY4}:{PORT + 1}/static/page.js"
            phone.run("curl", "-sS", "-m", "10", "--fail", "--cacert", authority, "-o", "/dev/null", url)
        service.settle()
        assert service.usage("wan")["phone"] == referee.read()[PHONE].minus(before[PHONE]).wan
        home.gateway.run("ip", "address", "add", "10.99.0.1/32", "dev", "br0")
        home.gateway.run("ip", "link", "set", "lo", "up")
        deadline_s = time.monotonic() + 90 * SLOWER
        words = ("curl", "-sS", "-m", "5", "--fail", "--cacert", authority, "-o", "/dev/null")
        call = home.gateway.command(*words, f"https://10.99.0.1:{PORT + 1}/login")
        while not succeeds(call):
            assert time.monotonic() < deadline_s, service.log
            time.sleep(2)
        assert "HTTPS has a new certificate, of the same authority" in service.log


def succeeds(call: list[str]) -> bool:
    return subprocess.run(call, capture_output=True, check=False, timeout=60).returncode == 0
