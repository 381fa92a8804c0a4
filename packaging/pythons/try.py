"""Starts the service with this Python, meters loopback in the kernel, asks every GET route and stops it.

Run by `run` as root in a network namespace of its own. Any warning of Python's (of a resource that is not closed, of
what is deprecated) is a failure, and so are an error on any route and an exit status.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from whitestat.app.control_client import ControlConnection

PORT = 7777
START_LIMIT_S, METER_LIMIT_S, STOP_LIMIT_S = 60, 60, 30
CONFIG = """[web]
listen = "127.0.0.1:7777"
open = ["127.0.0.1/32"]
[store]
path = "{folder}/whitestat.db"
flush = "1s"
[[point]]
name = "lo"
collector = "kernel"
interface = "lo"
"""
STREAM = "/api/v1/live"
MORE = ("/", "/metrics", "/openapi.json", "/json", "/table", "/history")
"""Addresses that the description of the interface does not list, or not all of."""


def get(path: str, ledger: Path | None = None) -> tuple[int, bytes]:
    """Status and body, of a stream the first line: by TCP as a visitor, or by the control socket as the owner."""
    connection = ControlConnection(ledger) if ledger else http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.readline() if path == STREAM else reply.read()
    finally:
        connection.close()


def until(what: str, limit_s: float, service: subprocess.Popen[bytes], done: Any) -> None:
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s and service.poll() is None:
        try:
            if done():
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"the service did not {what}")


def is_metered() -> bool:
    """Whether the kernel counted what these requests carry over loopback."""
    status, body = get("/api/v1/health")
    [point] = json.loads(body)["points"]
    _, usage = get("/api/v1/usage?by=point")
    rows = json.loads(usage)["rows"]
    return status == 200 and point["collector"] == "kernel" and sum(row["octets"] for row in rows) > 0


def routes() -> list[str]:
    """Every address that can be read, with 1 for whatever is named in it."""
    paths = json.loads(get("/openapi.json")[1])["paths"]
    named = [path for path, methods in paths.items() if "get" in methods]
    return list(dict.fromkeys([*named, *MORE]))


def filled(path: str) -> str:
    return "/".join("1" if part.startswith("{") else part for part in path.split("/"))


def ask(path: str, ledger: Path) -> str:
    """What is wrong with its answer, empty for nothing: where something is named it may be unknown."""
    status, _ = get(filled(path), ledger)
    fine = status < 500 if "{" in path else status in (200, 303, 307)
    return "" if fine else f"{path}: {status}"


def main(version: str) -> None:
    if version != f"{sys.version_info.major}.{sys.version_info.minor}":
        raise SystemExit(f"this is Python {sys.version.split()[0]}, not {version}")
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "log"
        folder = log.with_name("whitestat")
        Path(name).chmod(0o755)
        folder.mkdir(mode=0o755)
        (folder / "whitestat.toml").write_text(CONFIG.format(folder=folder), encoding="ascii")
        with log.open("wb") as output:
            command = [sys.executable, "-m", "whitestat", "run", "--config", str(folder / "whitestat.toml")]
            service = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ)
            try:
                until("start", START_LIMIT_S, service, lambda: get("/api/v1/health")[0] == 200)
                until("meter in the kernel", METER_LIMIT_S, service, is_metered)
                asked = routes()
                wrong = [fault for path in asked if (fault := ask(path, folder / "whitestat.db"))]
                service.send_signal(signal.SIGTERM)
                status = service.wait(STOP_LIMIT_S)
            except BaseException:
                service.kill()
                service.wait()
                sys.stderr.write(log.read_text(errors="replace"))
                raise
        said = log.read_text(errors="replace")
    if wrong or status or "Warning" in said or "Traceback" in said:
        raise SystemExit(f"{said}\nexit status {status}; {'; '.join(wrong) or 'every route answers'}")
    done = f"starts, meters in the kernel, {len(asked)} routes answer, stops, no warning"
    print(f"Python {sys.version.split()[0]}: {done}")


if __name__ == "__main__":
    main(sys.argv[1])
