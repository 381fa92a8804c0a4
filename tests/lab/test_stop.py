"""A stop ends within 3 s, whatever the service waits for: a name server, a router, a page that reads no more."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.lab.machine import SLOWER, Machine
from tests.lab.service import PORT, Service, environment
from tests.support.peers.darkstat import Peer

pytestmark = [pytest.mark.lab, pytest.mark.needs()]

STOP_S = 3.0 * SLOWER
"""The contract's limit, on a machine of its own."""
A = ("192.168.50.11", "02:50:00:00:00:11")


@pytest.fixture
def machine() -> Iterator[Machine]:
    with closing(Machine("stop")) as machine:
        yield machine


def settings(folder: Path, more: str) -> str:
    return f"""timezone = "UTC"
[web]
listen = "127.0.0.1:{PORT}"
open = ["127.0.0.1/32"]
[store]
path = "{folder / "whitestat.db"}"
flush = "1s"
[lan]
networks = ["192.168.50.0/24"]
{more}"""


def point(name: str, collector: str, port: int, every: str = "1s") -> str:
    url = f"http://127.0.0.1:{port}"
    return f'[[point]]\nname = "{name}"\ncollector = "{collector}"\nurl = "{url}"\ninterval = "{every}"\n'


def listen(machine: Machine, kind: int, port: int) -> socket.socket:
    with machine.inside():
        made = socket.socket(socket.AF_INET, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        return made


@contextmanager
def darkstat(machine: Machine, port: int) -> Iterator[Peer]:
    """Shows one device that has no name but what the DNS may have."""
    peer = Peer([(*A, 1000, 1000)])
    with listen(machine, socket.SOCK_STREAM, port) as server:
        server.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    path = connection.recv(4096).split(b" ")[1].decode()
                    peer.rows = [(*A, peer.rows[0][2] + 1000, peer.rows[0][3] + 1000)]
                    connection.sendall(peer(path))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield peer
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def dead_dns(machine: Machine, folder: Path) -> socket.socket:
    """A name server that takes every question and answers none; it counts by what is in its queue."""
    file = folder / "resolv.conf"
    file.write_text("nameserver 127.0.0.1\n")
    machine.run("mount", "--bind", str(file), "/etc/resolv.conf")
    return listen(machine, socket.SOCK_DGRAM, 53)


def timed_stop(service: Service) -> float:
    began_s = time.monotonic()
    assert service.stop() == 0, service.log
    print(f"stopped in {time.monotonic() - began_s:.2f} s")
    return time.monotonic() - began_s


def test_it_ends_while_names_are_asked_of_a_name_server_that_is_dead(machine: Machine, tmp_path: Path) -> None:
    with dead_dns(machine, tmp_path) as dns, darkstat(machine, 6677):
        service = Service(machine, tmp_path, settings(tmp_path, point("darkstat", "darkstat", 6677))).start()
        try:
            dns.settimeout(30 * SLOWER)
            dns.recv(4096)  # the service waits for its device's name
            principal = threading.Thread(target=ask, args=(service, "/api/v1/names/203.0.113.9"), daemon=True)
            principal.start()  # and a person for another
            dns.recv(4096)
            took_s = timed_stop(service)
        finally:
            service.end()
    assert took_s < STOP_S, service.log
    assert not (tmp_path / "whitestat.db-wal").exists()
    with closing(sqlite3.connect(tmp_path / "whitestat.db")) as ledger:
        assert ledger.execute("SELECT count(*) FROM episode").fetchone() == (1,)


def ask(service: Service, path: str) -> None:
    try:
        service.get(path)
    except OSError:
        return


@pytest.mark.parametrize("place", ["connect", "answer"])
def test_it_ends_while_routers_do_not_answer(place: str, machine: Machine, tmp_path: Path) -> None:
    """Three of them: one wait after the other would be too long."""
    with ExitStack() as open_:
        kinds = (("hilink", 81), ("huawei-b593", 82), ("darkstat", 83))
        for _, port in kinds:
            server = open_.enter_context(listen(machine, socket.SOCK_STREAM, port))
            server.listen(0)
            if place == "connect":  # its queue is full: the next one's SYN is dropped
                for _ in range(3):
                    with machine.inside():
                        filler = open_.enter_context(socket.socket())
                    filler.setblocking(False)
                    filler.connect_ex(("127.0.0.1", port))
        more = "".join(point(kind, kind, port, "30s") for kind, port in kinds)
        service = Service(machine, tmp_path, settings(tmp_path, more)).start_unready()
        try:
            time.sleep(2)
            took_s = timed_stop(service)
        finally:
            service.end()
    assert took_s < STOP_S, service.log


def test_it_ends_while_pages_are_open_that_read_no_more(machine: Machine, tmp_path: Path) -> None:
    with darkstat(machine, 6677), ExitStack() as open_:
        service = Service(machine, tmp_path, settings(tmp_path, point("darkstat", "darkstat", 6677))).start()
        try:
            for path in ("/api/v1/live", "/api/v1/usage?step=second", "/openapi.json", "/static/page.js") * 5:
                connection = open_.enter_context(machine.connect("127.0.0.1", PORT))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\n\r\n".encode() * 50)
            half = open_.enter_context(machine.connect("127.0.0.1", PORT))
            half.sendall(b"GET / HTTP/1.1\r\n")
            time.sleep(1)
            took_s = timed_stop(service)
        finally:
            service.end()
    assert took_s < STOP_S, service.log


_IMPORTING = """
import os, sys, time
from pathlib import Path
from whitestat.app import local_time, takeover
from whitestat.app.commands import importing
from whitestat.config import loader
importing.import_once = lambda *_: time.sleep(60)
config = loader.load(Path(sys.argv[1]), os.environ, root=True)
takeover.import_old(config, local_time.zone_of(config))
"""


def test_an_import_ends_with_the_start_that_began_it(tmp_path: Path) -> None:
    """Its child has the ledger: one that went on would keep the next start from it."""
    (tmp_path / "WhiteStat.db").write_bytes(b"")
    (tmp_path / "whitestat.toml").write_text(settings(tmp_path, point("darkstat", "darkstat", 6677)))
    words = [sys.executable, "-c", _IMPORTING, str(tmp_path / "whitestat.toml")]
    start = subprocess.Popen(words, env=environment())
    until_s = time.monotonic() + 30 * SLOWER
    children = Path(f"/proc/{start.pid}/task/{start.pid}/children")
    while not (ledger_of(tmp_path) and (found := children.read_text().split())) and time.monotonic() < until_s:
        time.sleep(0.01)
    start.kill()
    start.wait()
    while any(is_running(each) for each in found) and time.monotonic() < until_s:
        time.sleep(0.01)
    assert found
    assert not any(is_running(each) for each in found)


def ledger_of(folder: Path) -> bool:
    return (folder / "whitestat.db").exists()


def is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_hangup_ends_nothing(machine: Machine, tmp_path: Path) -> None:
    """A terminal that is closed, or a `kill -HUP` for a certificate that was never configured."""
    with darkstat(machine, 6677):
        service = Service(machine, tmp_path, settings(tmp_path, point("darkstat", "darkstat", 6677)))
        process = service.launch()
        try:
            for _ in range(40):  # from its first moments on
                time.sleep(0.05)
                if "whitestat" in service.log or "page" in service.log:
                    process.send_signal(signal.SIGHUP)
            service.answers()
            process.send_signal(signal.SIGHUP)
            time.sleep(0.3)
            assert service.get("/api/v1/health").status == 200
            assert timed_stop(service) < STOP_S
        finally:
            service.end()
