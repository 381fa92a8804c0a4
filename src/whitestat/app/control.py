"""The control socket beside the ledger: the service's own answers, for its user and root alone."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from whitestat.core.errors import QueryError, WhiteStatError
from whitestat.core.system.service_user import as_owner

TIMEOUT_S = 60.0
"""Forgetting a device of a large ledger takes a while."""


def path_of(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}.sock")


def control_socket(ledger: Path) -> socket.socket | None:
    """Return a listening socket for its owner only; None on a file system without sockets.

    The caller holds the ledger's lock, so an existing socket was left behind.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        path_of(ledger).unlink(missing_ok=True)
        with _short(path_of(ledger)) as address:
            listener.bind(address)
        listener.listen(16)
    except OSError:
        listener.close()
        return None
    finally:
        os.umask(before)
    return listener


def close_control(ledger: Path, listener: socket.socket | None) -> None:
    if listener is not None:
        listener.close()
        with contextlib.suppress(OSError):  # the folder may be one that its user cannot change
            path_of(ledger).unlink(missing_ok=True)


class ControlConnection(http.client.HTTPConnection):
    """HTTP over the control socket of a ledger."""

    def __init__(self, ledger: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path_of(ledger)

    def connect(self) -> None:
        """Connect. Raises WhiteStatError for another user's socket, OSError without an answer."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            with _short(self._path) as address, as_owner(self._path.parent):
                self.sock.connect(address)
        except PermissionError:
            self.sock.close()
            raise WhiteStatError(f"{self._path}: belongs to the user of the service; run this as root") from None
        except OSError:
            self.sock.close()
            raise


@contextlib.contextmanager
def answer_to(ledger: Path, path: str) -> Iterator[http.client.HTTPResponse | None]:
    """Yield the running service's answer to a GET; None if no service runs, or it is another user's, or it fails.

    Raises QueryError if the service refuses a parameter, WhiteStatError if it ends while the answer is read.
    """
    with contextlib.closing(ControlConnection(ledger)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException, WhiteStatError):
            yield None
            return
        if answer.status == HTTPStatus.BAD_REQUEST:
            error = json.load(answer)["error"]
            raise QueryError(error["parameter"], error["reason"])
        try:
            yield answer if answer.status == HTTPStatus.OK else None
        except (ConnectionError, TimeoutError, http.client.HTTPException) as fault:
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


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """The address of a socket, however long its path: more than 107 octets fit none (unix(7))."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
