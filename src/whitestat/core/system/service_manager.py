"""Notices to the service manager that started the process (sd_notify(3), systemd.service(5))."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping

FEEDS = 3
"""The watchdog is fed so often within its time, so that one late time does not end the service."""


class ServiceManager:
    """A connected datagram socket; without one, as outside of systemd, nothing is sent.

    `watchdog_s` is how long the manager waits for a sign of life, in seconds, None where it does not.
    """

    def __init__(self, channel: socket.socket | None = None, watchdog_s: float | None = None) -> None:
        self._channel = channel
        self.watchdog_s = watchdog_s if channel else None

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> ServiceManager:
        """Connect as the environment says, and remove that from it: children are not the service."""
        address = environment.pop("NOTIFY_SOCKET", "")
        period_us, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        if address[:1] not in ("/", "@"):
            return cls()
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        channel.setblocking(False)
        try:
            channel.connect(f"\0{address[1:]}" if address[0] == "@" else address)
        except OSError:
            channel.close()
            return cls()
        is_ours = period_us.isdecimal() and int(period_us) > 0 and pid in ("", str(os.getpid()))
        return cls(channel, int(period_us) / 1_000_000 if is_ours else None)

    def ready(self, status: str) -> None:
        """The service answers; `status` is a line for `systemctl status`."""
        self._send("READY=1", f"STATUS={' '.join(status.split())}")

    def stopping(self) -> None:
        """The service ends."""
        self._send("STOPPING=1", "STATUS=Writing what is counted")

    async def feed(self, alive: Callable[[], Awaitable[bool]]) -> None:
        """Feed the watchdog each time that `alive` returns true, until cancelled; what hangs feeds nothing."""
        while self.watchdog_s:
            if await alive():
                self._send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / FEEDS)

    def close(self) -> None:
        if self._channel:
            self._channel.close()
            self._channel = None

    def _send(self, *lines: str) -> None:
        if self._channel:
            with contextlib.suppress(OSError):  # a manager that does not listen stops nothing
                self._channel.send("\n".join(lines).encode())
