"""The real service, started inside a machine of the lab as a user would start it, and asked over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

from tests.lab.home import DEVICES
from tests.lab.machine import SLOWER, LabError, Machine
from tests.lab.referee import Octets, frames

SOURCE = Path(__file__).parents[2] / "src"
PORT = 7777
START_LIMIT_S = 15 * SLOWER


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def settings(folder: Path, interface: str = "br0", *, port: int = PORT, flush: str = "1s", more: str = "") -> str:
    """A configuration like a household's: one kernel point, three devices with names."""
    devices = "".join(f'[[device]]\nmac = "{each.mac}"\nname = "{each.name}"\n' for each in DEVICES)
    return f"""timezone = "UTC"
[web]
listen = "127.0.0.1:{port}"
open = ["127.0.0.1/32"]
edit = ["127.0.0.1/32"]
[store]
path = "{folder / "whitestat.db"}"
flush = "{flush}"
[[point]]
name = "lan"
collector = "kernel"
interface = "{interface}"
{devices}{more}"""


STAYS_ROOT = '[service]\nuser = "root"\n'
"""More settings, for a start without the capabilities that becoming another user takes."""


class Service:
    """One run of `whitestat run` in `machine`; `log` is what it printed."""

    def __init__(self, machine: Machine, folder: Path, config: str | None, port: int = PORT) -> None:
        """Without a `config` it is started as a new user's: in an empty home, with no word of what to meter."""
        self.port = port
        self._machine = machine
        self._folder = folder
        self._log = folder / "whitestat.log"
        self._words: tuple[str, ...] = ()
        if config is not None:
            path = folder / "whitestat.toml"
            path.write_text(config)
            self._words = ("--config", str(path))
        self._token = ""
        self._born = datetime.now(UTC) - timedelta(minutes=1)
        self._process: subprocess.Popen[str] | None = None
        self.start_seconds = 0.0
        self.end_seconds = 0.0
        self.start_limit_s = START_LIMIT_S
        self.python = sys.executable
        self.modules = str(SOURCE)
        self.prefix: tuple[str, ...] = ()  # a program that starts the service with other rights

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def words(self) -> tuple[str, ...]:
        """What follows the command: its configuration."""
        return self._words

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> Self:
        """Start and wait for the first healthy answer; `start_seconds` is how long that took."""
        began = time.monotonic()
        self.launch()
        self.answers()
        self.start_seconds = time.monotonic() - began
        return self

    def answers(self) -> Self:
        """Wait for the first healthy answer."""
        self._wait_for(self._healthy)
        return self

    def start_unready(self) -> Self:
        """Start and wait for the first answer, whatever it says of points."""
        self.launch()
        self._wait_for(self._answers)
        return self

    def _wait_for(self, is_so: Callable[[], bool]) -> None:
        began = time.monotonic()
        while not is_so():
            if self._process and self._process.poll() is not None:
                raise LabError(f"the service ended with {self._process.returncode}:\n{self.log}")
            if time.monotonic() - began > self.start_limit_s:
                raise LabError(f"no healthy answer in {self.start_limit_s} s:\n{self.log}")
            time.sleep(0.01)

    def launch(self) -> subprocess.Popen[str]:
        """Start, and wait for nothing."""
        words = (*self.prefix, self.python, "-m", "whitestat", "run", *self._words)
        env = self._environment() | {"PYTHONPATH": self.modules}
        with self._log.open("a") as log:
            self._process = self._machine.start(
                *words, env=env, stdout=log.fileno(), stderr=subprocess.STDOUT, folder=self._folder
            )
        return self._process

    def log_in(self) -> Self:
        """Ask as a program that the owner gave a token: what a default start answers to nobody else."""
        while True:
            done = self.command("token", "add", "lab")
            if done.returncode == 0:
                self._token = done.stdout.split()[-1]
                return self
            if self._process and self._process.poll() is not None:
                raise LabError(f"no token: {done.stderr}:\n{self.log}")
            time.sleep(0.1)

    def configure(self, change: Callable[[str], str]) -> None:
        """Change the configuration of the next start."""
        path = Path(self._words[1])
        path.write_text(change(path.read_text()))

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another command with the same configuration, to its end."""
        line = self._machine.command(sys.executable, "-m", "whitestat", *words, *self._words)
        return subprocess.run(
            line,
            capture_output=True,
            text=True,
            timeout=30 * SLOWER,
            check=False,
            env=self._environment(),
            cwd=self._folder,
        )

    def _environment(self) -> dict[str, str]:
        """The folder is the home of a default start, whose store is found below it."""
        return environment() | ({} if self._words else {"HOME": str(self._folder)})

    def get(self, path: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10 * SLOWER)
        connection.sock = self._machine.connect("127.0.0.1", self.port)
        try:
            headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def rows(self, **more: str) -> list[dict[str, Any]]:
        """Rows of /api/v1/usage since before this service began."""
        words = {"start": _instant(self._born), "end": _instant(self._born + timedelta(days=2))} | more
        query = "&".join(f"{key}={value}" for key, value in words.items())
        answer = self.get(f"/api/v1/usage?{query}")
        if answer.status != 200:
            raise LabError(f"/api/v1/usage?{query}: {answer.status} {answer.body!r}")
        rows: list[dict[str, Any]] = answer.json["rows"]
        return rows

    def usage(self, scope: str) -> dict[str, Octets]:
        """Octets per device by its name (its MAC where it has none; "unattributed"), one scope."""
        return {_name(row["device"]): _octets(row) for row in self.rows(by="device", scope=scope)}

    def booked(self) -> int:
        """IP octets of the one point, attributed or not, since ever."""
        (point,) = self.get("/api/v1/coverage?start=2000-01-01&end=2100-01-01").json["points"]
        return int(point["octets_attributed"] + point["octets_unattributed"])

    def settle(self, limit_s: float = 15 * SLOWER) -> None:
        """Wait until all that has passed is booked: for the end of a flush that began after now."""
        time.sleep(0.2)  # one that began before is over
        wanted, until = self.flushes() + 1, time.monotonic() + limit_s
        while self.flushes() < wanted:
            if time.monotonic() > until:
                raise LabError(f"no flush in {limit_s} s:\n{self.log}")
            time.sleep(0.1)

    def at_rest(self, link: str = "br0") -> tuple[tuple[int, int], int]:
        """((octets, packets) that the link carried, octets booked), looked at until no packet came between."""
        for _ in range(10):
            carried = frames(self._machine, link)
            for _ in range(2):  # what nobody metered is booked when two reads have missed it
                self.settle(60)
            booked = self.booked()
            if frames(self._machine, link) == carried:
                return carried, booked
        raise LabError(f"{link} is never quiet")

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process
        self._process.terminate()
        return self._process.wait(10 * SLOWER)

    def wait(self) -> int:
        """Wait until it has ended by itself; the exit status. `end_seconds` is how long that took."""
        assert self._process
        began = time.monotonic()
        status = self._process.wait(10 * SLOWER)
        self.end_seconds = time.monotonic() - began
        return status

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait(10 * SLOWER)

    def end(self) -> None:
        """Make sure that it does not run; of no consequence where it has ended already."""
        if self._process and self._process.poll() is None:
            self.kill()

    def _healthy(self) -> bool:
        try:
            answer = self.get("/api/v1/health")
        except OSError:
            return False
        return answer.status == 200 and answer.json["status"] == "ok"

    def _answers(self) -> bool:
        try:
            return self.get("/api/v1/health").status == 200
        except OSError:
            return False

    def flushes(self) -> int:
        return int(self.get("/api/v1/health").json["flushes"])


@contextmanager
def running(
    machine: Machine, folder: Path, config: str | None = None, port: int = PORT, prefix: tuple[str, ...] = ()
) -> Iterator[Service]:
    """The service for the length of a block; ended whatever happens, asserted to end well when all did."""
    service = Service(machine, folder, config or settings(folder), port)
    service.prefix = prefix
    try:
        yield service.start()
        assert service.stop() == 0, service.log
    finally:
        service.end()


@contextmanager
def running_by_default(machine: Machine, folder: Path) -> Iterator[Service]:
    """The service as `whitestat run` starts it where nothing is configured, with a /var/lib of the machine's own."""
    machine.run("mount", "-t", "tmpfs", "tmpfs", "/var/lib")
    service = Service(machine, folder, None)
    try:
        service.launch()
        yield service.log_in().answers()
        assert service.stop() == 0, service.log
    finally:
        service.end()


def environment() -> dict[str, str]:
    """Ours without what the service would read from it."""
    kept = {key: value for key, value in os.environ.items() if key not in ("DATA_STORE", "SERVER_PORT", "TZ")}
    return kept | {"PYTHONPATH": str(SOURCE)}


def _instant(at: datetime) -> str:
    return at.replace(second=0, microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")


def _name(device: dict[str, Any] | None) -> str:
    if device is None:
        return "unattributed"
    return str(device["name"] or device["mac"])


def _octets(row: dict[str, Any]) -> Octets:
    return Octets(row["octets_in"], row["octets_out"], row["packets_in"], row["packets_out"])
