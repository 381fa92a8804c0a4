"""The service's end of the helper: started while there are privileges, sent the limits, ended with the service."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
from collections.abc import Sequence
from typing import IO, cast

from whitestat.core.errors import WhiteStatError
from whitestat.core.system import children, privileges
from whitestat.throttle.limits import Limit
from whitestat.throttle.protocol import order

ANSWER_S = 30.0
CAP_NET_ADMIN = 12


class ThrottleFault(WhiteStatError):
    """Limits could not be put in force; the message says why."""


class Client:
    """Must be made before privileges are given up. Blocks while limits are put in force: not for an event loop."""

    def __init__(self, python: str = sys.executable, user: tuple[int, int] | None = None) -> None:
        """Start the helper as `user`, its number and its group's. OSError where no process can be started."""
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            children.python("whitestat.throttle.helper", python),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=children.environment(),
            cwd="/",
            start_new_session=True,
            # Before its Python imports anything; there is one thread as long as there are privileges.
            preexec_fn=lambda: privileges.before_exec(frozenset({CAP_NET_ADMIN}), user),  # noqa: PLW1509
        )
        self._orders, self._answers = cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)

    @property
    def pid(self) -> int:
        return self._process.pid

    def put(self, interfaces: Sequence[str], limits: Sequence[Limit]) -> None:
        """Make these the limits; ThrottleFault where they are not in force afterwards."""
        try:
            self._orders.write(order(interfaces, limits))
            self._orders.flush()
        except OSError:
            raise ThrottleFault("the process that slows devices has ended; restart WhiteStat") from None
        if not select.select([self._answers], [], [], ANSWER_S)[0]:
            raise ThrottleFault(f"the process that slows devices has not answered for {ANSWER_S:.0f} s")
        line = self._answers.readline()
        if not line:
            raise ThrottleFault("the process that slows devices has ended; restart WhiteStat")
        fault = json.loads(line).get("error")
        if fault:
            raise ThrottleFault(f"no device is slowed: {fault}")

    def close(self) -> None:
        """Everything is taken back before this returns."""
        with contextlib.suppress(OSError):  # what was not taken any more is of no use
            self._orders.close()
        try:
            self._process.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
