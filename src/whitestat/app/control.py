"""The control socket beside the ledger: the service's own answers, for its user and root alone."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path


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
        with short_address(path_of(ledger)) as address:
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


@contextlib.contextmanager
def short_address(path: Path) -> Iterator[str]:
    """The address of a socket, however long its path: more than 107 octets fit none (unix(7))."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
