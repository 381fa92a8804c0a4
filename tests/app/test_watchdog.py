"""A service that a manager watches: what it tells of its start, its life and its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SLOWER = float(os.environ.get("WHITESTAT_SLOWER", "1"))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "whitestat.toml"
    file.write_text(
        f'[web]\nlisten = "127.0.0.1:0"\n[store]\npath = "{tmp_path}/data/whitestat.db"\n'
        '[[point]]\nname = "lo"\ncollector = "interface"\ninterface = "lo"\n'
    )
    file.chmod(0o600)
    return file


def messages_until(listener: socket.socket, last: bytes, limit_s: float) -> list[bytes]:
    """What comes up to and with a message that begins so."""
    received: list[bytes] = []
    end_s = time.monotonic() + limit_s * SLOWER
    while not received or not received[-1].startswith(last):
        listener.settimeout(max(0.01, end_s - time.monotonic()))
        received.append(listener.recv(4096))
    return received


def test_the_start_the_life_and_the_end_are_told_and_a_service_that_stands_still_is_not_alive(
    config: Path, tmp_path: Path
) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(str(tmp_path / "notify"))
        (tmp_path / "notify").chmod(0o777)
        tmp_path.chmod(0o755)
        environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"}
        call = [sys.executable, "-m", "whitestat", "run", "--config", str(config)]
        with subprocess.Popen(call, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            ready = messages_until(listener, b"READY=1", 30)[-1].decode()
            assert "STATUS=Counts lo (" in ready
            assert "key=" not in ready
            assert len(messages_until(listener, b"WATCHDOG=1", 10)) <= 2
            messages_until(listener, b"WATCHDOG=1", 10)
            process.send_signal(signal.SIGSTOP)
            with pytest.raises(TimeoutError):
                while True:
                    messages_until(listener, b"WATCHDOG=1", 3)
            process.send_signal(signal.SIGCONT)
            messages_until(listener, b"WATCHDOG=1", 10)
            process.send_signal(signal.SIGTERM)
            messages_until(listener, b"STOPPING=1", 10)
            assert process.wait(30) == 0
