"""DNS names of addresses on the Internet, looked up only when a user asks for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from starlette.responses import Response

from whitestat.core.errors import QueryError
from whitestat.web.responses import json_answer, refused
from whitestat.web.route import RequestContext

MOST_WAITING = 16
WAIT_S = 8.0
"""Resolvers try longer than this when no server responds."""


class Names:
    """Looks up names in two threads, which start with the first look-up."""

    def __init__(self, resolve: Callable[[str], str | None]) -> None:
        self._resolve = resolve
        self._threads = ThreadPoolExecutor(2, "names")
        self._waiting = 0

    async def lookup(self, address: str) -> Response:
        """Return `{"address", "name"}`; the name is null if the DNS has none or does not respond in time."""
        try:
            text = str(ip_address(address))
        except ValueError:
            raise QueryError("address", f"must be an IP address, got {address[:100]!r}") from None
        if self._waiting >= MOST_WAITING:
            return refused(None, "too many name look-ups at a time; try again in a few seconds", 503)
        self._waiting += 1
        lookup = asyncio.get_running_loop().run_in_executor(self._threads, self._resolve, text)
        lookup.add_done_callback(self._done)
        try:
            name = await asyncio.wait_for(asyncio.shield(lookup), WAIT_S)
        except (TimeoutError, OSError):
            name = None
        return json_answer({"address": text, "name": name})

    def _done(self, lookup: asyncio.Future[str | None]) -> None:
        self._waiting -= 1
        if not lookup.cancelled():
            lookup.exception()  # the waiting request has it; if that is gone, it must not count as unhandled


async def name(context: RequestContext) -> Response:
    """Return the DNS name of the address in the path."""
    names: Names = context.request.app.state.names
    return await names.lookup(context.texts["address"])
