"""The control socket beside the ledger: the service's own answers, for its user and root alone."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from whitestat.core.errors import WhiteStatError

TIMEOUT_S = 60.0
"""Forgetting a device of a large ledger takes a while."""


def path_of(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}.sock")


def control_socket(ledger: Path) -> socket.socket | None:
    """Listening, for its owner alone; None on a file system that has no sockets.

    Who asks for it holds the ledger's lock, so a socket that is there already was left behind.
    """
    held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        path_of(ledger).unlink(missing_ok=True)
        with _short(path_of(ledger)) as address:
            held.bind(address)
        held.listen(16)
    except OSError:
        held.close()
        return None
    finally:
        os.umask(before)
    return held


def close_control(ledger: Path, held: socket.socket | None) -> None:
    if held is not None:
        held.close()
        with contextlib.suppress(OSError):  # the folder may be one that its user cannot change
            path_of(ledger).unlink(missing_ok=True)


class ControlConnection(http.client.HTTPConnection):
    """HTTP over the control socket of a ledger."""

    def __init__(self, ledger: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path_of(ledger)

    def connect(self) -> None:
        """WhiteStatError for one that is another user's, OSError where nobody answers."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            with _short(self._path) as address:
                self.sock.connect(address)
        except PermissionError:
            self.sock.close()
            raise WhiteStatError(f"{self._path}: belongs to the user of the service; run this as root") from None
        except OSError:
            self.sock.close()
            raise


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
