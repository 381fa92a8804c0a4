"""WhiteStat in version 5's place, measured: old years taken over and asked for, its memory, the CPU of a poll."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from struct import pack
from tempfile import TemporaryDirectory

from bench import process
from bench.darkstat import PORT, Darkstat
from bench.table import Row
from tests.lab.machine import LabError, Machine, end
from tests.lab.service import environment
from tests.support.old_databases import OldDatabase

MIB = 1 << 20
DEVICES, HOSTS, YEARS = 100, 1000, 3
TODAY = datetime.now(UTC).date()
FIRST = TODAY - timedelta(365 * YEARS)
LAST = TODAY - timedelta(1)
OURS = 7777
GATEWAY_MAC = "02:50:00:00:00:01"
POLLS = 20


def rows() -> Iterator[Row]:
    """A row for each promise of this role."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="whitestat-bench-")))
        folder.chmod(0o755)
        yield _import(folder, _old(folder / "old.db"))
        machine = stack.enter_context(closing(_machine(stack)))
        (folder / "darkstat").mkdir()
        peer = Darkstat(machine, folder / "darkstat", "eth0", ["--hosts-max", "4000", "--hosts-keep", "3000"])
        stack.callback(peer.close)
        seen = _crowd(machine, peer)
        service = _service(machine, folder)
        stack.callback(end, service)
        _until(lambda: b'"ok"' in _get(machine, "/api/v1/health")[1])
        yield _poll(service.pid, seen)
        for path in ("/json", "/json/history", "/table"):
            _get(machine, path)
        used = process.resident(service.pid)
        yield from _history(machine)
        yield from _memory(used, process.resident(service.pid))


def _old(path: Path) -> OldDatabase:
    """Three years of a hundred devices as version 5 kept them."""
    chance, old = random.Random(5), OldDatabase(path)
    days = [f"{FIRST + timedelta(day)}" for day in range((TODAY - FIRST).days)]
    old.add_all(
        "usagehistory",
        (
            {
                "IP": f"192.168.51.{number + 1}",
                "MAC": _mac(number),
                "DATE": f"{day} 00:00:00",
                "LastSeen": f"{day} 23:12:01",
                "KBIn": round(chance.lognormvariate(10, 2), 2),
                "KBOut": round(chance.lognormvariate(8, 2), 2),
            }
            for day in days
            for number in range(DEVICES)
        ),
    )
    return old


def _mac(number: int) -> str:
    return f"02:50:00:01:00:{number:02x}"


def _import(folder: Path, old: OldDatabase) -> Row:
    (folder / "data").mkdir()
    words = [sys.executable, "-m", "whitestat", "import", "whitestat", str(old.path)]
    began = time.monotonic()
    subprocess.run(words, env=_environment(folder), check=True, stdout=subprocess.DEVNULL)
    took_s = time.monotonic() - began
    promise = f"{YEARS} years of WhiteStat 5, {DEVICES} devices, imported"
    return Row(promise, "<= 20 s", f"{took_s:.1f} s", "", took_s <= 20)


def _environment(folder: Path) -> dict[str, str]:
    """What version 5 was started with, and the one arena for malloc that the container image sets."""
    started = {"DATA_STORE": str(folder / "data"), "DARKSTAT_URL": f"http://127.0.0.1:{PORT}", "TZ": "Asia/Kolkata"}
    return environment() | started | {"SERVER_PORT": str(OURS), "MALLOC_ARENA_MAX": "1"}


def _machine(stack: ExitStack) -> Machine:
    """One with a link that frames can be sent into from its far end."""
    machine = Machine("home")
    stack.callback(machine.close)
    machine.sysctl(net__ipv6__conf__all__disable_ipv6=1)
    machine.ip(f"link add eth0 address {GATEWAY_MAC} type veth peer name far0")
    machine.ip("link set far0 up")
    machine.ip("link set eth0 up")
    return machine


def _crowd(machine: Machine, peer: Darkstat) -> int:
    """A datagram of each device to its share of the Internet, until darkstat shows all the hosts; how many."""
    frames = [_frame(number % DEVICES, number) for number in range(HOSTS - DEVICES)]
    with machine.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind(("far0", 0))
        for number, frame in enumerate(frames):
            sock.send(frame)
            if number % 100 == 99:
                time.sleep(0.02)
    shown = 0
    for _ in range(50):
        shown = peer.page("/hosts/?full=yes&sort=in").count("<tr") - 1
        if shown >= HOSTS:
            return shown
        time.sleep(0.1)
    raise LabError(f"darkstat shows {shown} hosts of {HOSTS}")


def _frame(device: int, peer: int) -> bytes:
    """UDP of 64 octets from a device to an address of 198.18.0.0/15 (RFC 2544); darkstat asks for no checksum."""
    link = bytes.fromhex(f"{GATEWAY_MAC}{_mac(device)}".replace(":", "")) + b"\x08\x00"
    source, target = bytes((192, 168, 51, device + 1)), bytes((198, 18, peer >> 8, peer & 255))
    ip = pack("!BBHHHBBH4s4s", 0x45, 0, 64, 0, 0, 64, 17, 0, source, target)
    return link + ip + pack("!HHHH", 40_000, 443, 44, 0) + bytes(36)


def _service(machine: Machine, folder: Path) -> subprocess.Popen[str]:
    """As in its container, but for what takes it to Python in a private home; it ends with no capability."""
    bare = ("setpriv", "--bounding-set=-all,+chown,+setuid,+setgid,+sys_admin", "--inh-caps=-all")
    (folder / "data" / "WhiteStatConfig.json").write_text('{"IdleSeconds": 1, "UpdateDBSeconds": 30}')
    with (folder / "log").open("w") as log:
        words = (*bare, sys.executable, "-m", "whitestat", "run")
        return machine.start(*words, env=_environment(folder), stdout=log.fileno(), stderr=subprocess.STDOUT)


def _poll(pid: int, hosts: int) -> Row:
    """All that the process uses while it polls every second, flushes included."""
    time.sleep(3)
    before, began = process.use(pid), time.monotonic()
    time.sleep(POLLS)
    used_ms = process.use(pid).minus(before).cpu_s * 1000 / (time.monotonic() - began)
    return Row(f"a poll of a darkstat with {hosts} hosts, CPU", "<= 60 ms", f"{used_ms:.0f} ms", "", used_ms <= 60)


def _history(machine: Machine) -> Iterator[Row]:
    year = f"start={LAST - timedelta(364)}&end={LAST}"
    for path, limit_ms in (("/json/history", 150), ("/table/history", None)):
        took, size = [], 0
        for _ in range(7):
            began = time.monotonic()
            status, body = _get(machine, f"{path}?{year}")
            took.append((time.monotonic() - began) * 1000)
            size = len(body)
            if status != 200:
                raise LabError(f"{path}: {status} {body[:200]!r}")
        middle = median(took)
        said = f"{middle:.0f} ms ({min(took):.0f} to {max(took):.0f}; {size / 1_000_000:.1f} MB)"
        limit = f"<= {limit_ms} ms" if limit_ms else ""
        yield Row(f"{path}, a year of {DEVICES} devices", limit, said, "", middle <= limit_ms if limit_ms else None)


def _memory(used: int, after: int) -> Iterator[Row]:
    for when, octets in (("/json and /table answered", used), ("a year of history answered too", after)):
        megabytes = octets / MIB
        promise = f"resident memory reading darkstat, {HOSTS} hosts, {when}"
        yield Row(promise, "<= 40 MB", f"{megabytes:.1f} MB", "", megabytes <= 40)


def _get(machine: Machine, path: str) -> tuple[int, bytes]:
    with closing(HTTPConnection("127.0.0.1", OURS, timeout=30)) as connection:
        connection.sock = machine.connect("127.0.0.1", OURS, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def _until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if true():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise LabError("the service did not start")
