"""A new start with changed settings: by itself, by its manager, and back where the change fails."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from whitestat.app.control_client import ControlConnection
from whitestat.app.restart import FileWatch
from whitestat.config import page_file

STRANGER = 54_322
AS_STRANGER = ("setpriv", "--reuid", str(STRANGER), "--regid", str(STRANGER), "--clear-groups", "--inh-caps=-all")
BACK_S = 5 * float(os.environ.get("WHITESTAT_SLOWER", "1"))

pytestmark = pytest.mark.needs("setpriv")


@pytest.fixture
def config() -> Iterator[Path]:
    """A configuration file of root's, and a folder of another user's for the ledger."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "data").mkdir(mode=0o700)
        file = folder / "whitestat.toml"
        file.write_text(
            f'[store]\npath = "{folder}/data/whitestat.db"\n'
            '[[point]]\nname = "lo"\ncollector = "interface"\ninterface = "lo"\n'
        )
        yield file


def page_of(config: Path) -> Path:
    return page_file.path_of(config.parent / "data/whitestat.db")


class Service:
    """A service as a process, asked over its control socket."""

    def __init__(self, config: Path, before: Sequence[str], **environ: str) -> None:
        self._ledger = config.parent / "data/whitestat.db"
        self.log = config.parent / "log"
        call = [*before, sys.executable, "-m", "whitestat", "run", "--config", str(config)]
        with self.log.open("a") as log:
            more = {name: value for name, value in os.environ.items() if name != "INVOCATION_ID"}
            self.process = subprocess.Popen(call, stdout=log, stderr=log, env=more | environ)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        with closing(ControlConnection(self._ledger)) as line:
            text = json.dumps(body) if body is not None else None
            line.request(method, path, text, {"Content-Type": "application/json"})
            return json.loads(line.getresponse().read())

    def change(self, **values: object) -> Any:
        names = {name.replace("__", "."): value for name, value in values.items()}
        return self.ask("PATCH", "/api/v1/config", {"set": names})

    def settings(self, limit_s: float = 30) -> Any:
        """Return the settings as soon as there is an answer."""
        end_s = time.monotonic() + limit_s
        while time.monotonic() < end_s and self.process.poll() is None:
            try:
                return self.ask("GET", "/api/v1/config")
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"no answer:\n{self.log.read_text()}")

    def changed(self) -> float:
        """Wait until a change is in use, and return how long that took, in seconds."""
        began_s = time.monotonic()
        while True:
            try:
                if not self.settings()["is_pending"]:
                    return time.monotonic() - began_s
            except (json.JSONDecodeError, KeyError, ValueError):
                pass
            time.sleep(0.05)


@contextmanager
def running(config: Path, before: Sequence[str] = (), **environ: str) -> Iterator[Service]:
    service = Service(config, before, **environ)
    try:
        service.settings()
        yield service
    finally:
        service.process.send_signal(signal.SIGTERM)
        service.process.wait(30)


@contextmanager
def of_a_stranger(config: Path) -> Iterator[Service]:
    os.chown(config.parent / "data", STRANGER, STRANGER)
    with running(config, AS_STRANGER) as service:
        yield service


@pytest.mark.slow
def test_a_service_without_rights_starts_itself_again(config: Path) -> None:
    with of_a_stranger(config) as service:
        done = service.change(billing__day=15)
        assert done == {"edit": 1, "changed": ["billing.day"], "restarts": True}
        assert service.changed() < BACK_S
        assert service.process.poll() is None
        assert service.ask("GET", "/api/v1/me")["billing"]["day"] == 15
        assert page_file.read(page_file.good_of(page_of(config))) == page_of(config).read_text()
    assert service.process.returncode == 0
    assert "Traceback" not in service.log.read_text()


@pytest.mark.slow
def test_a_change_that_fails_is_taken_back_and_says_why(config: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken, of_a_stranger(config) as service:
        service.change(billing__day=15)
        service.changed()
        service.change(web__listen=f"127.0.0.1:{taken.getsockname()[1]}")
        end_s = time.monotonic() + 30
        while not (fault := service.settings()["fault"]):
            assert time.monotonic() < end_s
            time.sleep(0.05)
        assert "did not start with it: web.listen: cannot listen on" in fault
        notices = json.dumps(service.ask("GET", "/api/v1/health"))
        assert "the last change of settings was taken back" in notices
        assert "listen" not in page_of(config).read_text() and "day = 15" in page_of(config).read_text()
        assert "listen" in page_of(config).with_name("whitestat.db.settings.failed.toml").read_text()
        service.change(billing__day=16)
        service.changed()
        assert service.settings()["fault"] is None


@pytest.mark.slow
def test_a_service_of_root_ends_for_its_manager(config: Path) -> None:
    config.write_text(config.read_text() + '[service]\nuser = "root"\n')
    with running(config, WHITESTAT_RESTART="exit") as service:
        assert service.change(billing__day=15)["restarts"]
        assert service.process.wait(BACK_S) == 0
    with running(config, WHITESTAT_RESTART="exit") as service:
        assert service.ask("GET", "/api/v1/me")["billing"]["day"] == 15


@pytest.mark.slow
def test_without_a_manager_a_service_of_root_runs_on(config: Path) -> None:
    config.write_text(config.read_text() + '[service]\nuser = "root"\n')
    with running(config) as service:
        assert not service.change(billing__day=15)["restarts"]
        time.sleep(1)
        assert service.settings()["is_pending"] and service.process.poll() is None


def test_a_change_by_hand_is_checked_and_applied_once_it_is_whole(tmp_path: Path) -> None:
    page, faults, starts = tmp_path / "settings.toml", [""], list[int]()
    watch = FileWatch(page, lambda: faults[0], lambda: starts.append(1))
    watch.look()
    page.write_text("a = 1\n")
    watch.look()
    assert not starts, "it may still be written to"
    watch.look()
    watch.look()
    assert starts == [1]
    faults[0] = "settings.toml: line 1: broken"
    page.write_text("a = \n")
    watch.look()
    watch.look()
    assert starts == [1] and re.search("line 1: broken; the settings before are in use", watch.notice)


def test_a_change_by_hand_is_told_where_nothing_can_start_again(tmp_path: Path) -> None:
    page = tmp_path / "settings.toml"
    watch = FileWatch(page, lambda: "", None)
    page.write_text("a = 1\n")
    for _ in range(2):
        watch.look()
    assert watch.notice == f"{page} was changed: it counts from the next start on"
