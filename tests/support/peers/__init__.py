"""Servers of ours that behave as routers do, faults included; the facts each stands on are in its module."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Request(NamedTuple):
    """What was asked: headers are by name in lower case, as they were written."""

    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def cookies(self) -> dict[str, str]:
        pairs = (each.strip().partition("=") for each in self.headers.get("cookie", "").split(";"))
        return {name: value for name, _, value in pairs if name}


Answer = Callable[[Request], bytes]


def reply(body: str | bytes, status: str = "200 OK", head: str = "", kind: str = "text/plain") -> bytes:
    octets = body.encode() if isinstance(body, str) else body
    lines = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{head}Content-Length: {len(octets)}\r\n"
    return f"{lines}Connection: close\r\n\r\n".encode() + octets


@contextmanager
def hosting(answer: Answer) -> Iterator[str]:
    """The server's address; each connection gets one answer, and no answer where it is empty."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, answer), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def _serve(server: socket.socket, answer: Answer) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(5)
            try:
                request = _request(connection)
                if request:
                    connection.sendall(answer(request))
            except OSError:
                continue


def _request(connection: socket.socket) -> Request | None:
    content = b""
    while b"\r\n\r\n" not in content:
        more = connection.recv(65_536)
        if not more:
            return None
        content += more
    head, _, body = content.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    while len(body) < int(headers.get("content-length", "0")):
        more = connection.recv(65_536)
        if not more:
            return None
        body += more
    method, path, _ = first.split(" ")
    return Request(method, path, headers, body.decode())
