"""On a machine that hides or refuses something, the service and each command do without it, or say what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from whitestat.app.control_client import ControlConnection
from whitestat.app.main import NO_THREAD

STRANGER = 54_321
"""A user without an entry in the system's list, and so without a home."""
AS_STRANGER = (
    *("setpriv", "--reuid", str(STRANGER), "--regid", str(STRANGER), "--clear-groups"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),  # the interpreter may be root's
)
START_LIMIT_S = 30

pytestmark = pytest.mark.needs("unshare", "setpriv", "prlimit")


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that any user may go into, with a configuration and a folder for the ledger."""
    with TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "data").mkdir(mode=0o700)
        os.chown(path / "data", STRANGER, STRANGER)
        yield path


def configured(folder: Path, collector: str = "interface") -> Path:
    file = folder / "whitestat.toml"
    file.write_text(
        f'[web]\nlisten = "127.0.0.1:0"\n[store]\npath = "{folder}/data/whitestat.db"\n'
        f'[[point]]\nname = "lo"\ncollector = "{collector}"\ninterface = "lo"\n'
    )
    return file


def hiding(*mounts: str) -> list[str]:
    """The words before a command that hide files and folders from it: `tmpfs /sys` or `--bind FILE FILE`."""
    script = " && ".join(f"mount {each}" for each in mounts)
    return ["unshare", "--mount", "sh", "-ec", f'{script} && exec "$@"', "sh"]


def environ(**more: str) -> dict[str, str]:
    """That of this process without what says where home and the time zone are."""
    return {name: value for name, value in os.environ.items() if name not in ("HOME", "TZ", "XDG_DATA_HOME")} | more


def command(before: Sequence[str], *words: str) -> subprocess.CompletedProcess[str]:
    call = [*before, sys.executable, "-m", "whitestat", *words]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=False, env=environ())
    assert "Traceback" not in done.stderr
    return done


def health_of_a_service(before: Sequence[str], config: Path) -> dict[str, Any]:
    """Its health once it meters; it is then told to stop, and has to end well and without a warning."""
    call = [*before, sys.executable, "-W", "default", "-m", "whitestat", "run", "--config", str(config)]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ()) as process:
        try:
            health = _answer(config.parent / "data/whitestat.db", process)
        finally:
            process.send_signal(signal.SIGTERM)
            log, _ = process.communicate(timeout=60)
    assert "Traceback" not in log
    assert "Warning" not in log
    assert process.returncode == 0
    return health


def _answer(ledger: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    end_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end_s and process.poll() is None:
        try:
            with closing(ControlConnection(ledger)) as line:
                line.request("GET", "/api/v1/health")
                health: dict[str, Any] = json.loads(line.getresponse().read())
        except OSError:
            time.sleep(0.1)
            continue
        if all(each["state"] != "starting" for each in health["points"]):
            return health
    raise AssertionError("no answer")


HIDDEN = {"/proc/sys": "-t tmpfs none /proc/sys", "/sys": "-t tmpfs none /sys"}


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("collector", ["interface", "kernel"])
def test_hidden_folders_of_the_kernel_are_done_without(folder: Path, hidden: str, collector: str) -> None:
    config = configured(folder, collector)
    os.chown(folder / "data", 0, 0)
    health = health_of_a_service(hiding(HIDDEN[hidden]), config)
    [point] = health["points"]
    assert point["state"] in ("ok", "degraded")
    if (hidden, collector) == ("/sys", "kernel"):
        assert any("counting packets in this process instead" in notice for notice in health["notices"])


@pytest.mark.parametrize("hidden", HIDDEN)
def test_check_does_without_hidden_folders_too(folder: Path, hidden: str) -> None:
    done = command(hiding(HIDDEN[hidden]), "check", "--config", str(configured(folder, "kernel")))
    assert "point lo (kernel on lo)" in done.stdout


def test_a_time_zone_that_is_not_known_is_said_on_the_page_and_by_check(folder: Path) -> None:
    config = configured(folder)
    os.chown(folder / "data", 0, 0)
    etc = folder / "etc"
    etc.mkdir()
    for name in ("passwd", "group", "nsswitch.conf"):
        shutil.copy(Path("/etc") / name, etc)
    hidden = hiding(f"--bind {etc} /etc")
    health = health_of_a_service(hidden, config)
    assert any("does not say in which time zone it is" in notice for notice in health["notices"])
    done = command(hidden, "check", "--config", str(config))
    assert "time zone: UTC\n" in done.stdout
    assert "note: this machine does not say in which time zone it is" in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize("words", [["run"], ["check"], ["today"], ["history"], ["devices"], ["plans"], ["edits"]])
def test_a_user_without_a_home_is_told_what_to_set(words: list[str]) -> None:
    done = command(AS_STRANGER, *words)
    assert done.returncode == 2
    assert done.stderr.startswith("whitestat: store.path: this user has no home folder: set HOME, or path")


def test_a_user_without_a_home_who_names_a_store_needs_none(folder: Path) -> None:
    config = configured(folder)
    assert health_of_a_service(AS_STRANGER, config)["points"][0]["state"] in ("ok", "degraded")
    assert command(AS_STRANGER, "today", "--config", str(config)).returncode == 0


@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("word", ["run", "check"])
def test_too_few_threads_are_said_in_a_sentence(folder: Path, most: int, word: str) -> None:
    config = configured(folder)
    done = command([*AS_STRANGER, "prlimit", f"--nproc={most}"], word, "--config", str(config))
    if word == "run" or most == 1:
        assert (done.returncode, done.stderr) == (1, f"whitestat: {NO_THREAD}\n")
