"""What a poll of each router costs, and what reading one adds to memory. The routers are ours, in another process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median

from bench.table import Row
from tests.support.peers import Answer, hosting
from tests.support.peers.archer import PASSWORD, USERNAME, Archer
from tests.support.peers.archer import Row as Device
from tests.support.peers.b593 import B593Peer
from tests.support.peers.hilink import HiLinkPeer
from whitestat.app.collectors import settings_of
from whitestat.collectors.router.follow import TotalsFollower
from whitestat.collectors.router.protocol import Router
from whitestat.config.points import PointConfig
from whitestat.core.system.collector_plugins import spec_of

POLLS = 50
DEVICES = 50
LIMIT_MS = 10.0


def rows() -> Iterator[Row]:
    """A row for each kind: CPU of one poll with what is made of it, the median of fifty."""
    kinds: list[tuple[str, str, Callable[[], Answer]]] = [
        ("archer-c20", f"{DEVICES} devices, logging out", _archer),
        ("huawei-b593", "page without login", _open_b593),
        ("huawei-b593", "logging in with RSA and out", _b593),
        ("huawei-b593", "logging in with SHA-256 and out", _newer_b593),
        ("hilink", "no login needed", _hilink),
        ("hilink", "session kept", _closed_hilink),
    ]
    for kind, how, peer in kinds:
        polls = _in_a_process(_polls, kind, peer)
        figure = f"{median(polls):.1f} ms (longest {max(polls):.1f} ms) of {len(polls)}"
        yield Row(f"CPU of a poll, {kind} ({how})", f"<= {LIMIT_MS:.0f} ms", figure, "", median(polls) <= LIMIT_MS)
    for kind in ("archer-c20", "huawei-b593", "hilink"):
        yield Row(f"memory that {kind} adds where it is used", "", f"{_memory(kind):.1f} MB", "", None)


def _polls(kind: str, url: str) -> list[float]:
    """CPU milliseconds of each poll; the first few, which load what is loaded late, are left out."""
    router, follower = _router(kind, url), TotalsFollower("router", 1_000_000_000)
    found = []
    for number in range(POLLS + 3):
        began = time.process_time()
        follower.take(router.look(closely=False), number * 60_000, 60_000)
        found.append((time.process_time() - began) * 1000)
    router.close()
    return found[3:]


def _memory(kind: str) -> float:
    """MB resident that the modules of a kind add to those of the service, in a fresh interpreter."""
    program = f"""
import whitestat.app.main, whitestat.app.service, whitestat.web
from whitestat.config.points import PointConfig
from whitestat.core.system.memory import resident_octets
before = resident_octets()
from tests.support.built import collector_of
collector_of(PointConfig("router", {kind!r}, url="http://192.0.2.1", password="x"))
print(resident_octets() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout) / 1e6


def _router(kind: str, url: str) -> Router:
    config = PointConfig("router", kind, url=url, username=USERNAME, password=PASSWORD, unit="bytes")
    module = import_module(spec_of(kind).build.partition(":")[0])
    router: Router = module.router_of(settings_of(config, lambda _: True))
    return router


def _in_a_process(measure: Callable[[str, str], list[float]], kind: str, peer: Callable[[], Answer]) -> list[float]:
    """What is measured in a fresh process, whose CPU and memory are its own."""
    with _serving(peer) as url, get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (kind, url))


@contextmanager
def _serving(peer: Callable[[], Answer]) -> Iterator[str]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(peer, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        process.join(10)


def _serve(peer: Callable[[], Answer], pipe: Connection) -> None:
    with hosting(peer()) as url:
        pipe.send(url)
        pipe.recv()


def _archer() -> Answer:
    return Archer([Device(f"192.168.1.{10 + n}", f"02:50:00:00:00:{n:02x}", n * 1000, n) for n in range(DEVICES)])


def _open_b593() -> Answer:
    return B593Peer(open_page=True)


def _b593() -> Answer:
    return B593Peer()


def _newer_b593() -> Answer:
    return B593Peer(firmware="token")


def _hilink() -> Answer:
    return HiLinkPeer()


def _closed_hilink() -> Answer:
    return HiLinkPeer(needs_login=True)


if __name__ == "__main__":
    for each in rows():
        print(each.line, flush=True)
    sys.exit(0)
