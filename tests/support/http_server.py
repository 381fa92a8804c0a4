"""A server that answers as it is told, octet for octet: recorded replies, slow ones, rubbish."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Answer = Callable[[str], bytes]
"""The whole reply to a request line's path, head included."""


def page(body: bytes | str, head: str = "") -> bytes:
    """A reply of status 200 as darkstat sends it."""
    octets = body.encode() if isinstance(body, str) else body
    lines = f"HTTP/1.1 200 OK\r\nServer: darkstat/3.0.719\r\n{head}Content-Length: {len(octets)}\r\n\r\n"
    return lines.encode() + octets


NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def serving(answer: Answer, asked: list[bytes] | None = None) -> Iterator[str]:
    """Its address; each connection gets one answer. `asked` collects what was asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, answer, [] if asked is None else asked), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _serve(server: socket.socket, answer: Answer, asked: list[bytes]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            request = b""
            while not request.endswith(b"\r\n\r\n") and (more := connection.recv(4096)):
                request += more
            if request:
                asked.append(request)
                try:
                    connection.sendall(answer(request.split(b" ")[1].decode()))
                except OSError:
                    continue
