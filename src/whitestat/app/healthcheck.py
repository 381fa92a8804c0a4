"""Whether the service on this machine is well, for a container's engine: run often, so it loads next to nothing.

SERVER_PORT=777 python3 -m whitestat.app.healthcheck      exit status 0: it is, 1: it is not or does not answer
"""

from __future__ import annotations

import os
import re
import socket

WAIT_S = 4
_MOST = 4_096
_REDIRECT = re.compile(rb"^HTTP/1.1 308 .*\r\nlocation: https://127\.0\.0\.1(?::([0-9]+))?/", re.DOTALL)
"""Where plain HTTP leads to TLS at another port."""
_REQUEST = b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def main() -> int:
    port = int(os.environ["SERVER_PORT"])
    # By TLS only where it speaks nothing else: to load OpenSSL takes longer than all the rest.
    answer = _ask(port, tls=False) or _ask(port, tls=True)
    if match := _REDIRECT.search(answer):
        answer = _ask(int(match[1] or 443), tls=True)
    return 0 if answer.partition(b" ")[2].startswith(b"200") else 1


def _ask(port: int, *, tls: bool) -> bytes:
    """The beginning of the answer; empty where there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), WAIT_S) as line:
            return _answer(_in_tls(line) if tls else line)
    except OSError:
        return b""


def _in_tls(line: socket.socket) -> socket.socket:
    """Wrap a connection to this machine in TLS; the names of the certificate do not matter."""
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(line)


def _answer(line: socket.socket) -> bytes:
    line.sendall(_REQUEST)
    received = b""
    while len(received) < _MOST and (part := line.recv(_MOST)):
        received += part
    return received


if __name__ == "__main__":
    raise SystemExit(main())
