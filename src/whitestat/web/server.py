"""The HTTP server: bound before anything starts, silent, and gone at once when told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from uvicorn.config import Config
from uvicorn.server import Server as UvicornServer

from whitestat.core.errors import WhiteStatError
from whitestat.web.connections import BACKLOG, Certificate, Connection, allow_descriptors
from whitestat.web.handlers.live import LiveStreams

if TYPE_CHECKING:
    from ssl import SSLContext

    from whitestat.web.handshakes import Handshake

_GRACE_S = 1
"""A stop has three seconds in all; what counts then is what is booked."""
_LAST_S = 0.05
"""What was accepted just before the end has its connection by then, and is closed with the others."""
_WAITING = 1_024
"""Connections that the kernel keeps until they are accepted: with a full queue it drops the first packet of others,
which come again after 1 s, 3 s and 7 s (RFC 6298)."""
_TURN_S = 0.0005
"""How long a computing thread keeps the interpreter while others wait (5 ms by default): an answer gives it away
with each row that SQLite hands over, and would wait for it as often."""


class Server(UvicornServer):
    """Serves one app on sockets that are open already; signals are the caller's affair."""

    def __init__(
        self,
        config: Config,
        listening: socket.socket,
        streams: LiveStreams,
        control: socket.socket | None = None,
        secure: socket.socket | None = None,
    ) -> None:
        super().__init__(config)
        self._secure = secure
        self._listening = listening
        self._control = control
        self._streams = streams
        self._certificate: Certificate | None = None
        self._handshakes: dict[Handshake, None] = {}
        self._stopped = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        return self.page_url(tls=False)

    def page_url(self, *, tls: bool) -> str:
        """Return where a browser on this machine finds it, by HTTPS beside HTTP if that is wanted and there."""
        beside = self._secure if tls else None
        host, port = (beside or self._listening).getsockname()[:2]
        loopback = ip_address(host).is_unspecified and ("::1" if ":" in host else "127.0.0.1")
        return f"{'https' if self.config.ssl or beside else 'http'}://{_authority(loopback or host, port)}/"

    @property
    def secure_port(self) -> int:
        """Port of HTTPS beside HTTP, 0 if there is none."""
        return int(self._secure.getsockname()[1]) if self._secure else 0

    async def serve_tls(self, certificate: Certificate) -> None:
        """Serve HTTPS at its socket, as soon as HTTP is served; connections to it are refused until then."""
        self._certificate = certificate
        if self.started and not self.should_exit:
            await self._begin_tls()

    async def _begin_tls(self) -> None:
        if self._secure and self._certificate:
            await self._begin(self._secure, self._certificate.context)

    async def _begin(self, listening: socket.socket, context: SSLContext | None) -> None:
        make = self._handshake_with(context) if context else self._connection
        server = await asyncio.get_running_loop().create_server(make, sock=listening, backlog=BACKLOG)
        self.servers.append(server)
        listening.listen(_WAITING)  # asyncio set it to BACKLOG

    async def run_until_stopped(self) -> None:
        """Serve until `stop`; then answers under way get a second, live streams none."""
        await self.serve([self._listening])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """The control socket has no TLS: only its owner can reach it."""
        self.servers = []
        for listening in sockets or ():
            await self._begin(listening, self.config.ssl)
        await self._begin_tls()
        if self._control:
            # `create_unix_server` would look up the socket's name since Python 3.13, and remove it at the end: it was
            # bound by a path that is no longer one, and the control socket's file is removed by who made it.
            loop = asyncio.get_running_loop()
            self.servers.append(await loop.create_server(self._connection, sock=self._control, backlog=BACKLOG))
        self.started = True

    def _handshake_with(self, context: SSLContext) -> Callable[[], asyncio.Protocol]:
        from whitestat.web.handshakes import Handshake

        return lambda: Handshake(self._connection, context, self._handshakes)

    def _connection(self) -> asyncio.Protocol:
        connection: asyncio.Protocol = Connection(self.config, self.server_state, self.lifespan.state)
        return connection

    async def main_loop(self) -> None:
        """As uvicorn's, which looks ten times a second whether to stop: a third of what an idle process takes."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), 1)

    def stop(self) -> None:
        """From any thread."""
        self.should_exit = True
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopped.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.stop()
        for server in self.servers:
            for listening in server.sockets:
                asyncio.get_running_loop().remove_reader(listening)
        for handshake in list(self._handshakes):
            handshake.end()
        await asyncio.sleep(_LAST_S)
        for server in self.servers:  # a closed one makes no transport of what it accepted last, and leaves it open
            server.close()
        await super().shutdown(sockets)
        if self._secure:
            self._secure.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers as they are."""
        yield


def serve(
    app: Starlette,
    host: str,
    port: int,
    control: socket.socket | None = None,
    certificate: Certificate | None = None,
    *,
    secure: socket.socket | None = None,
) -> Server:
    """A server that already holds its address; port 0 is any free one. WhiteStatError where it cannot.

    What comes over `control`, a listening Unix socket, is its owner's. With a certificate all else comes by TLS.
    `secure` is a bound socket for HTTPS beside HTTP, which `Server.serve_tls` begins.
    """
    allow_descriptors()
    sys.setswitchinterval(_TURN_S)
    config = Config(
        app,
        loop="asyncio",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # a line for each damaged request would let anybody fill the log
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    config.load()
    config.ssl = certificate.context if certificate else None
    return Server(config, _listen(host, port), app.state.streams, control, secure)


def bind_secure(host: str, port: int) -> socket.socket:
    """Return a socket that has the address and refuses connections until it listens. Raises WhiteStatError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        listener.bind((host, port))
    except OSError as fault:
        listener.close()
        reason = (fault.strerror or str(fault)).lower()
        raise WhiteStatError(f"web.https_listen: cannot listen on {_authority(host, port)}: {reason}") from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as below
    return listener


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=128, dualstack_ipv6=host == "::")
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise WhiteStatError(f"web.listen: cannot listen on {_authority(host, port)}: {reason}") from None
    # What is accepted here inherits it. asyncio sets it on sockets of its own making alone; without, the body of a
    # small answer waits 40 ms for the acknowledgement of its head (RFC 896 with RFC 1122, section 4.2.3.2).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
