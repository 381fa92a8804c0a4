"""Requests to the running service over its control socket, for commands."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

from whitestat.app.control import path_of, short_address
from whitestat.core.errors import QueryError, WhiteStatError
from whitestat.core.system.service_user import as_owner

TIMEOUT_S = 60.0
"""Forgetting a device of a large ledger takes a while."""


class ControlConnection(HTTPConnection):
    """HTTP over the control socket of a ledger."""

    def __init__(self, ledger: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path_of(ledger)

    def connect(self) -> None:
        """Connect. Raises WhiteStatError for another user's socket, OSError without an answer."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            with short_address(self._path) as address, as_owner(self._path.parent):
                self.sock.connect(address)
        except PermissionError:
            self.sock.close()
            raise WhiteStatError(f"{self._path}: belongs to the user of the service; run this as root") from None
        except OSError:
            self.sock.close()
            raise


@contextlib.contextmanager
def answer_to(ledger: Path, path: str) -> Iterator[HTTPResponse | None]:
    """Yield the running service's answer to a GET; None if no service runs, or it is another user's, or it fails.

    Raises QueryError if the service refuses a parameter, WhiteStatError if it ends while the answer is read.
    """
    with contextlib.closing(ControlConnection(ledger)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
        except (OSError, HTTPException, WhiteStatError):
            yield None
            return
        if answer.status == HTTPStatus.BAD_REQUEST:
            error = json.load(answer)["error"]
            raise QueryError(error["parameter"], error["reason"])
        try:
            yield answer if answer.status == HTTPStatus.OK else None
        except (ConnectionError, TimeoutError, HTTPException) as fault:
            if isinstance(fault, BrokenPipeError):  # the reader of our output has ended
                raise
            raise WhiteStatError("the service ended before its answer was complete; run the command again") from None


def json_answer_to(ledger: Path, path: str) -> Any | None:
    """Return what the running service answers to a GET; None as for `answer_to`."""
    with answer_to(ledger, path) as answer:
        return None if answer is None else json.load(answer)


def is_running(ledger: Path) -> bool:
    """Whether a service answers for the ledger."""
    line = ControlConnection(ledger)
    try:
        line.connect()
    except OSError:
        return False
    except WhiteStatError:  # another user's
        return True
    line.close()
    return True
