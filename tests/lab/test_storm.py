"""Wrong passwords and idle connections by the thousand: metering, flushes, memory and the owner's log-in hold."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.lab.home import INTERNET4, PHONE, TV, Home, Links
from tests.lab.machine import SLOWER, Machine
from tests.lab.referee import Referee
from tests.lab.service import PORT, Service, running, settings
from tests.lab.traffic import echo

pytestmark = pytest.mark.lab

ATTEMPTS = int(os.environ.get("WHITESTAT_STORM", "400"))
IDLE = 1_000 if "WHITESTAT_STORM" in os.environ else 300
THREADS = 8
SOURCES = 20
GROWTH_LIMIT_KB, PEAK_LIMIT_KB = 6_000, 45_000
"""What a storm may leave behind, and what the service may have at any moment of it: its limit."""

HALF_SENT = (
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 900\r\n\r\nname=owner"
)
PASSWORD = "correct horse battery"


def post(machine: Machine, source: str, path: str, cookie: str = "", **fields: str) -> tuple[int, str]:
    """A form from an address; status and cookies. This thread is in the machine."""
    line = HTTPConnection("127.0.0.1", PORT, timeout=60, source_address=(source, 0))
    try:
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
        line.request("POST", path, urlencode(fields), kind)
        reply = line.getresponse()
        reply.read()
        return reply.status, reply.getheader("set-cookie") or ""
    finally:
        line.close()


def own(service: Service, machine: Machine) -> None:
    """The owner's password, by the link that was printed."""
    (key,) = re.findall(r"/first\?key=(\S+)", service.log)
    line = HTTPConnection("127.0.0.1", PORT, timeout=10)
    line.request("GET", f"/first?key={key}")
    assert line.getresponse().status == 200
    line.close()
    assert post(machine, "127.0.0.1", "/first", key=key, password=PASSWORD, again=PASSWORD)[0] == 303


def memory_kb(service: Service, name: str) -> int:
    return int(Path(f"/proc/{service.pid}/status").read_text().partition(f"{name}:")[2].split()[0])


def storm(machine: Machine, first: int, found: dict[int, int], lock: threading.Lock) -> None:
    with machine.inside():
        for number in range(first, ATTEMPTS, THREADS):
            try:
                source = f"127.0.0.{2 + number % SOURCES}"
                status = post(machine, source, "/login", name="owner", password=f"wrong {number}")[0]
            except (OSError, HTTPException):
                status = 0  # closed: one of too many connections
            with lock:
                found[status] = found.get(status, 0) + 1


def test_a_storm_of_wrong_passwords_and_idle_connections_stops_nothing(tmp_path: Path) -> None:
    with Home(Links.CUT) as home, running(home.gateway, tmp_path, settings(tmp_path)) as service, ExitStack() as held:
        machine, referee, found, lock = home.gateway, Referee(home), dict[int, int](), threading.Lock()
        with machine.inside():
            own(service, machine)
        service.settle()
        quiet, before, flushes = (
            memory_kb(service, "VmRSS"),
            referee.read(),
            service.get("/api/v1/health").json["flushes"],
        )
        threads = [threading.Thread(target=storm, args=(machine, n, found, lock)) for n in range(THREADS)]
        for each in threads:
            each.start()
        with machine.inside():
            for _ in range(IDLE):
                line = held.enter_context(socket.socket())
                line.setblocking(False)
                line.connect_ex(("127.0.0.1", PORT))
        echo(home[TV], INTERNET4, count=100)
        echo(home[PHONE], INTERNET4, count=100)
        with machine.inside():
            tries = [post(machine, "127.0.1.1", "/login", name="owner", password=PASSWORD)[0]]
            while tries[-1] != 303 and len(tries) < 5:
                tries.append(post(machine, "127.0.1.1", "/login", name="owner", password=PASSWORD)[0])
        during = service.get("/api/v1/health").json["flushes"]
        for each in threads:
            each.join()
        service.settle()
        carried = {each.name: after.minus(before[each]).wan for each, after in referee.read().items()}
        assert tries[-1] == 303, tries
        assert during > flushes
        assert service.usage("wan") == {name: octets for name, octets in carried.items() if octets.packets_in}
        resident, peak = memory_kb(service, "VmRSS"), memory_kb(service, "VmHWM")
        print(f"storm: {found}; the owner was answered {tries}")
        print(f"storm: kB resident {quiet} before, {resident} after, {peak} at most")
        assert set(found) <= {0, 403, 429}
        assert found.get(403, 0) < ATTEMPTS, "each of them was tried"
        assert resident - quiet < GROWTH_LIMIT_KB
        assert peak < PEAK_LIMIT_KB


def flood(machine: Machine, stop: threading.Event, count: int, sent: bytes) -> None:
    """Connections of one address that send this and no more, opened anew each second."""
    with machine.inside():
        while not stop.is_set():
            with ExitStack() as held:
                for _ in range(count):
                    line = held.enter_context(socket.socket())
                    with suppress(OSError):
                        line.bind(("127.0.0.2", 0))
                        line.settimeout(5 if sent else 0)
                        line.connect_ex(("127.0.0.1", PORT))
                        line.sendall(sent)
                stop.wait(1)


def test_half_sent_log_ins_and_idle_connections_of_one_address_delay_no_other(tmp_path: Path) -> None:
    with Home(Links.CUT) as home, running(home.gateway, tmp_path, settings(tmp_path)) as service:
        machine, referee, stop = home.gateway, Referee(home), threading.Event()
        with machine.inside():
            own(service, machine)
        service.settle()
        before, took = referee.read(), list[float]()
        threads = [
            threading.Thread(target=flood, args=(machine, stop, count, sent))
            for count, sent in ((500, HALF_SENT), (2_000, b""))
        ]
        for thread in threads:
            thread.start()
        try:
            echo(home[TV], INTERNET4, count=100)
            with machine.inside():
                for _ in range(8):
                    began = time.monotonic()
                    status = post(machine, "127.0.1.1", "/login", name="owner", password=PASSWORD)[0]
                    took.append(time.monotonic() - began)
                    assert status == 303
                    time.sleep(max(0.0, 1 - took[-1]))
            echo(home[PHONE], INTERNET4, count=100)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        service.settle()
        carried = {each.name: after.minus(before[each]).wan for each, after in referee.read().items()}
        print(f"log-ins under a flood: {[round(each, 2) for each in took]} s")
        assert service.usage("wan") == {name: octets for name, octets in carried.items() if octets.packets_in}
        # Two seconds are measured by `make storm` and `make attack`, on a machine that does nothing else.
        assert max(took) < (2 if "WHITESTAT_STORM" in os.environ else 10) * SLOWER
