"""The contract of every collector in the table: one that is added is held to it, and needs a test peer here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest

from tests.support import http_server as server
from tests.support.peers import archer, b593, hilink, hosting
from whitestat.collectors.login import Login
from whitestat.collectors.settings import PointSettings
from whitestat.core.collector_specs import BY_NAME, NAMES, SPECS
from whitestat.core.model import Point
from whitestat.testing import CollectorUnderTest, checks_of
from whitestat.testing.contract import Check

DARKSTAT = """<b>Measuring for</b> <span id="rf">1 day</span><b>, since</b> 2026-11-20 05:04:29 UTC+0000<b>.</b><br>"""
METRICS = 'host_bytes_total{interface="lo",ip="192.168.1.10",mac="02:50:00:00:00:0a",dir="in"} 5\n'


@contextmanager
def darkstat() -> Iterator[PointSettings]:
    with server.serving(lambda path: server.page(METRICS if path == "/metrics" else DARKSTAT)) as url:
        yield PointSettings(Point("lan", "darkstat"), url=url)


@contextmanager
def archer_c20() -> Iterator[PointSettings]:
    with hosting(archer.Archer([archer.Row("192.168.1.10", "02:50:00:00:00:0a", 5, 1)])) as url:
        yield PointSettings(Point("lan", "archer-c20"), url=url, login=Login(archer.USERNAME, archer.PASSWORD))


@contextmanager
def huawei_b593() -> Iterator[PointSettings]:
    with hosting(b593.B593Peer()) as url:
        yield PointSettings(Point("lan", "huawei-b593"), url=url, login=Login(b593.USERNAME, b593.PASSWORD))


@contextmanager
def hi_link() -> Iterator[PointSettings]:
    pytest.importorskip("huawei_lte_api", reason="needs the extra [hilink]")
    with hosting(hilink.HiLinkPeer()) as url:
        yield PointSettings(Point("lan", "hilink"), url=url)


def on_loopback(collector: str) -> AbstractContextManager[PointSettings]:
    return nullcontext(PointSettings(Point("lan", collector, "lo")))


PEERS: dict[str, Callable[[], AbstractContextManager[PointSettings]]] = {
    "kernel": lambda: on_loopback("kernel"),
    "packet": lambda: on_loopback("packet"),
    "interface": lambda: on_loopback("interface"),
    "darkstat": darkstat,
    "archer-c20": archer_c20,
    "huawei-b593": huawei_b593,
    "hilink": hi_link,
}
"""A working meter of each kind."""
NEED_ROOT = ("kernel", "packet")


def test_every_collector_of_the_table_has_a_peer() -> None:
    assert set(PEERS) == set(NAMES)


@pytest.mark.parametrize(
    ("name", "check"),
    [
        pytest.param(
            spec.name,
            check,
            id=f"{spec.name}-{check.__name__}",
            marks=[pytest.mark.needs("ip")] if spec.name in NEED_ROOT else [],
        )
        for spec in SPECS
        for check in checks_of(spec)
    ],
)
def test_a_collector_of_the_table_keeps_the_contract(name: str, check: Check) -> None:
    check(CollectorUnderTest(BY_NAME[name], PEERS[name]))
