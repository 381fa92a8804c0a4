"""A door from our own network into a machine's loopback, for what stays outside (a browser)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.lab.machine import Machine


@contextmanager
def door(machine: Machine, port: int) -> Iterator[str]:
    """Relays a free port of 127.0.0.1 here to 127.0.0.1:`port` there; yields the URL of this side."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_welcome, args=(listener, machine, port), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _welcome(listener: socket.socket, machine: Machine, port: int) -> None:
    with suppress(OSError):
        while True:
            guest, _ = listener.accept()
            try:
                host = machine.connect("127.0.0.1", port)
            except OSError:
                guest.close()
                continue
            host.settimeout(None)
            for source, target in ((guest, host), (host, guest)):
                threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """One direction until its end; the last of the two closes both."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
    if source.fileno() >= 0:
        with suppress(OSError):
            source.shutdown(socket.SHUT_RD)
