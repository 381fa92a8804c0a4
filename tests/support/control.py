"""The web part of a household behind a control socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.household import House
from whitestat.app import control
from whitestat.web.app import create_app
from whitestat.web.server import serve


@contextmanager
def controlled(house: House, ledger: Path) -> Iterator[None]:
    """Answer on the control socket of a ledger until the block ends."""
    listening = control.control_socket(ledger)
    server = serve(create_app(house.sources()), "127.0.0.1", 0, listening)
    thread = threading.Thread(target=lambda: asyncio.run(server.run_until_stopped()))
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join(10)
        control.close_control(ledger, listening)
