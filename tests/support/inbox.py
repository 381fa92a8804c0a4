"""Web hook that keeps what it receives."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import Any

import pytest

needs_apprise = pytest.mark.skipif(
    find_spec("apprise") is None, reason="needs Apprise: pip install 'whitestat[notify]'"
)


class Inbox:
    """A web hook that notes what it is sent; it refuses while `broken`."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.broken = False
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if not inbox.broken:
                    inbox.taken.append(json.loads(body))
                self.send_response(500 if inbox.broken else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://user:secret@127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
