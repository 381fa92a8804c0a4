"""Connections: bounded in number, shared fairly between addresses, and closed if a request takes too long to come."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections import defaultdict
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from whitestat.core.errors import WhiteStatError
from whitestat.web.auth.throttle import source_of

MOST = 128
"""A page open on every screen of a house, each with the six connections of a browser."""

WHOLE_S = 10.0
"""How long a request may take from the connection, or its first octet, to its last: a slow one gets no answer."""

BACKLOG = 32
"""How many connections are accepted at once: far fewer than MOST, so that a request is read before newer connections
take its place."""

DESCRIPTORS = 4_096


class Connection(H11Protocol):
    """One of at most MOST connections.

    One more closes a connection of the address that has most of them: an address with few never loses one to an
    address with many. IPv6 addresses of one /64 are one address.
    """

    _late: asyncio.TimerHandle | None = None
    _source: str | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._born_s = self.loop.time()
        self._wait()
        if len(self.connections) > MOST:
            self._make_room()

    def handle_events(self) -> None:
        """Handle what came. A request with two lengths is the last of its connection (RFC 9112, section 6.3)."""
        super().handle_events()
        if self.cycle and not self.cycle.response_complete:
            names = {name for name, _ in self.headers}
            if {b"content-length", b"transfer-encoding"} <= names:
                self.cycle.keep_alive = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._wait()
        else:
            self._forget_wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_wait()
        super().connection_lost(exc)

    def end(self) -> None:
        """Close at once, without what was still to be sent."""
        self.connections.discard(self)
        self.transport.abort()

    @property
    def is_idle(self) -> bool:
        """Return whether there is no request, or one that has not come to its end and has no answer yet."""
        cycle = self.cycle
        return cycle is None or cycle.response_complete or (cycle.more_body and not cycle.response_started)

    @property
    def source(self) -> str:
        """The address that the connection counts for; empty for the control socket."""
        if self._source is None:
            self._source = source_of_host(self.client[0]) if self.client else ""
        return self._source

    def _make_room(self) -> None:
        """Close one connection of the address with most: an idle one, else one that reads nothing, else the newest."""
        by_source: defaultdict[str, list[Connection]] = defaultdict(list)
        for connection in self.connections:
            if isinstance(connection, Connection):
                by_source[connection.source].append(connection)
        # Of several with as many, that of the new connection.
        own = max(by_source.values(), key=lambda connections: (len(connections), self in connections))
        idle = [connection for connection in own if connection.is_idle]
        idle = idle or [connection for connection in own if connection.flow.write_paused]
        oldest = min(idle, key=lambda connection: connection._born_s, default=None)
        (oldest or max(own, key=lambda connection: connection._born_s)).end()

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(WHOLE_S, self.end)

    def _forget_wait(self) -> None:
        if self._late:
            self._late.cancel()
            self._late = None


def source_of_host(host: str) -> str:
    """Return what a connection from a host counts for: an IPv4 address, or a /64 of IPv6."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return source_of(getattr(address, "ipv4_mapped", None) or address)


def allow_descriptors() -> None:
    """Many systems allow 1,024 unless asked: a flood of connections must leave some for the meter and the ledger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


class Certificate:
    """A certificate and its key, read at the start, while root may, and again when it is asked for."""

    def __init__(self, certificate: Path, key: Path | None) -> None:
        """WhiteStatError for files that are none, do not fit, or need a password."""
        import ssl  # and OpenSSL with it, 4 MB

        self._files = certificate, key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.read()

    def read(self) -> None:
        """What is in the files now holds for connections from now on; else what was read before goes on."""
        import ssl

        certificate, key = self._files
        for file in filter(None, self._files):
            try:
                file.read_bytes()
            except OSError as fault:
                reason = (fault.strerror or str(fault)).lower()
                raise WhiteStatError(f"web.certificate: {file}: cannot be read: {reason}") from None
        # A fresh context first: one that failed halfway would have a certificate without its key.
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
            try:
                context.load_cert_chain(certificate, key, password="")  # asks nobody at the terminal
            except (ssl.SSLError, OSError, ValueError) as fault:
                message = f"{certificate} and its key cannot be used: {fault}"
                raise WhiteStatError(f"web.certificate: {message}") from None
