"""What an address on the Internet is called: asked of the DNS when a person asks, and never otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from starlette.responses import Response

from whitestat.core.errors import QueryError
from whitestat.web.responses import json_answer, refused

MOST_WAITING = 16
WAIT_S = 8.0
"""Resolvers try for longer where nobody answers."""


class Names:
    """Asks a few at a time in threads of its own, which begin with the first question."""

    def __init__(self, resolve: Callable[[str], str | None]) -> None:
        self._resolve = resolve
        self._threads = ThreadPoolExecutor(2, "names")
        self._waiting = 0

    async def answer(self, address: str) -> Response:
        """`{"address", "name"}`; the name is null where the DNS knows none or does not answer in time."""
        try:
            text = str(ip_address(address))
        except ValueError:
            raise QueryError("address", f"must be an IP address, got {address[:100]!r}") from None
        if self._waiting >= MOST_WAITING:
            return refused(None, "too many names are asked for at a time; try again in a few seconds", 503)
        self._waiting += 1
        asked = asyncio.get_running_loop().run_in_executor(self._threads, self._resolve, text)
        asked.add_done_callback(self._done)
        try:
            name = await asyncio.wait_for(asyncio.shield(asked), WAIT_S)
        except (TimeoutError, OSError):
            name = None
        return json_answer({"address": text, "name": name})

    def _done(self, asked: asyncio.Future[str | None]) -> None:
        self._waiting -= 1
        if not asked.cancelled():
            asked.exception()  # it was told to who waited; nobody may wait any more
