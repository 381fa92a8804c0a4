"""What the service tells systemd, over real datagram sockets."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from whitestat.core.system.service_manager import ServiceManager


def listening(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(address)
    listener.settimeout(5)
    return listener


def test_readiness_and_the_end_are_told_and_children_do_not_inherit_the_address(tmp_path: Path) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "HOME": "/"}
    with closing(listening(environment["NOTIFY_SOCKET"])) as listener:
        manager = ServiceManager.of(environment)
        manager.ready("Counts eth0\nREADY=0")
        assert listener.recv(4096) == b"READY=1\nSTATUS=Counts eth0 READY=0"
        manager.stopping()
        assert listener.recv(4096).startswith(b"STOPPING=1\n")
        manager.close()
    assert environment == {"HOME": "/"}
    assert manager.watchdog_s is None


def test_an_abstract_address_begins_with_an_at_sign() -> None:
    name = f"whitestat-test-{os.getpid()}"
    with closing(listening(f"\0{name}")) as listener:
        manager = ServiceManager.of({"NOTIFY_SOCKET": f"@{name}"})
        manager.ready("")
        assert listener.recv(4096) == b"READY=1\nSTATUS="
        manager.close()


@pytest.mark.parametrize("address", ["", "vsock:2:9999", "relative", "/nowhere/notify"])
def test_without_a_manager_nothing_is_sent(address: str) -> None:
    manager = ServiceManager.of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    manager.ready("Counts eth0")
    manager.stopping()
    assert manager.watchdog_s is None


@pytest.mark.parametrize(
    ("period", "pid", "watchdog_s"),
    [("3000000", "", 3.0), ("3000000", "own", 3.0), ("3000000", "1", None), ("0", "", None), ("-5", "", None)],
)
def test_the_watchdog_is_of_this_process_alone(tmp_path: Path, period: str, pid: str, watchdog_s: float | None) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": period}
    environment["WATCHDOG_PID"] = str(os.getpid()) if pid == "own" else pid
    with closing(listening(environment["NOTIFY_SOCKET"])):
        manager = ServiceManager.of(environment)
        assert manager.watchdog_s == watchdog_s
        manager.close()


def test_the_watchdog_is_fed_while_the_engine_goes_on_and_not_when_it_hangs(tmp_path: Path) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000"}

    async def hang_after(turns: int, manager: ServiceManager) -> None:
        left = iter([True] * turns + [False])

        async def alive() -> bool:
            if (answer := next(left, None)) is None:
                await asyncio.Event().wait()
            return bool(answer)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(manager.feed(alive), 0.5)

    with closing(listening(environment["NOTIFY_SOCKET"])) as listener:
        manager = ServiceManager.of(environment)
        asyncio.run(hang_after(3, manager))
        listener.setblocking(False)
        assert [listener.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        with pytest.raises(BlockingIOError):
            listener.recv(4096)
        manager.close()
