"""TLS handshakes: bounded in number and shared fairly between addresses, as connections are.

asyncio tells a protocol of a TLS connection once its handshake is over, and counts none until then: thousands
that are begun and left would take every descriptor. So the connection is accepted plainly, and becomes one of TLS.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from whitestat.web.connections import source_of_host

if TYPE_CHECKING:
    from ssl import SSLContext

MOST = 64
"""Handshakes under way at a time; one takes two round trips, a tenth of a second."""

LIMIT_S = 5.0
"""How long a handshake may take."""


class Handshake(asyncio.Protocol):
    """A connection until its handshake is over; then `make` has made what it is handed to."""

    def __init__(
        self, make: Callable[[], asyncio.Protocol], context: SSLContext, under_way: dict[Handshake, None]
    ) -> None:
        """`under_way` has all handshakes of the server, the oldest first."""
        self._make, self._context, self._under_way = make, context, under_way
        self._source = ""
        self._transport: Any = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.pause_reading()
        self._source = source_of_host(transport.get_extra_info("peername")[0])
        self._under_way[self] = None
        if len(self._under_way) > MOST:
            self._make_room()
        self._task = asyncio.get_running_loop().create_task(self._shake())

    def connection_lost(self, exc: Exception | None) -> None:
        self._under_way.pop(self, None)

    def end(self) -> None:
        """Close at once."""
        self._under_way.pop(self, None)
        self._transport.abort()

    async def _shake(self) -> None:
        early = _Early()
        try:
            secure = await asyncio.get_running_loop().start_tls(
                self._transport, early, self._context, server_side=True, ssl_handshake_timeout=LIMIT_S
            )
        except (OSError, TimeoutError):  # those of TLS are OSErrors
            self.end()
            return
        finally:
            self._under_way.pop(self, None)
        if secure is None or early.is_lost:
            self._transport.abort()
            return
        connection = self._make()
        connection.connection_made(secure)
        secure.set_protocol(connection)
        if early.data:
            connection.data_received(bytes(early.data))

    def _make_room(self) -> None:
        """End the oldest handshake of the address with most; of several with as many, that of this one."""
        counts = Counter(handshake._source for handshake in self._under_way)
        most = max(counts, key=lambda source: (counts[source], source == self._source))
        next(handshake for handshake in self._under_way if handshake._source == most).end()


class _Early(asyncio.Protocol):
    """What came with the last message of the handshake, before anything can answer it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.is_lost = False

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
