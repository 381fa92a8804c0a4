"""HTTPS beside HTTP: its socket, its certificate, made and renewed while the service runs."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from whitestat.collectors.links import links
from whitestat.config.sections import Config
from whitestat.core.errors import ConfigError, WhiteStatError

if TYPE_CHECKING:
    from whitestat.web.connections import Certificate
    from whitestat.web.server import Server
    from whitestat.web.tls.names import IpAddress
    from whitestat.web.tls.state import Https

log = logging.getLogger("whitestat")

CHECK_S = 60.0
"""How often names and addresses of this machine are compared with the certificate's."""


def folder_of(store: Path) -> Path:
    """Return the folder of the authority and the certificate, beside the ledger."""
    return store.with_name("https")


def check_keys(config: Config) -> None:
    """Raise ConfigError for keys of HTTPS that do not go together."""
    web = config.web
    if web.key and web.certificate is None:
        raise ConfigError("web.key: has no effect without web.certificate")
    if web.https == "off" and web.certificate:
        raise ConfigError('web.https: is "off", but web.certificate is there: remove one of them')
    if web.https_listen and web.https_mode == "off":
        raise ConfigError('web.https_listen: has no effect while web.https is "off"')
    if web.hsts and web.certificate is None:
        raise ConfigError("web.hsts: only with web.certificate, as devices must trust the certificate first")


def bind(config: Config, notices: list[str]) -> socket.socket | None:
    """Return the bound socket of HTTPS, None for none.

    A port that is taken is an error only where HTTPS was asked for. Raises WhiteStatError.
    """
    from whitestat.web.server import bind_secure

    web = config.web
    if web.https_mode == "off":
        return None
    try:
        return bind_secure(web.https_host, web.https_port)
    except WhiteStatError as fault:
        if web.https or web.https_listen:
            raise
        notices.append(f'HTTPS is off: {fault}; web.https_listen names another port, web.https = "off" none')
        return None


class HttpsKeeper:
    """Serves HTTPS once there is a certificate, and renews it: as the user of the service, in threads and children."""

    def __init__(self, config: Config, server: Server, state: Https, notices: list[str]) -> None:
        from whitestat.web.middleware import own_names
        from whitestat.web.tls.store import CertificateStore

        self._names = [*_names_first(own_names()), *config.web.names]
        self._store = CertificateStore(folder_of(config.store.path))
        self._server, self._state, self._notices = server, state, notices
        self._notice: str | None = None
        self._certificate: Certificate | None = None

    async def start(self, brought: Certificate | None) -> None:
        """Serve with the certificate that was brought, else with one of our own."""
        if brought:
            await self._server.serve_tls(brought)
        else:
            await self._look()

    async def run(self) -> None:
        """Renew the certificate before it ends, and as names and addresses come, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_S)
            await self._look()

    async def _look(self) -> None:
        try:
            is_new = await asyncio.to_thread(self._ensure)
            await self._serve(is_new=is_new)
            uncovered = ", ".join(self._store.not_covered(self._names))
            self._say(uncovered and f"HTTPS: browsers warn at {uncovered}, named after the authority was made")
        except WhiteStatError as fault:
            self._say(f"HTTPS {'keeps its certificate' if self._certificate else 'is not served'}: {fault}")

    def _ensure(self) -> bool:
        return self._store.ensure(self._names, own_addresses(), int(time.time()))

    async def _serve(self, *, is_new: bool) -> None:
        from whitestat.web.connections import Certificate

        self._state.authority = self._store.authority
        if self._certificate is None:
            self._certificate = Certificate(self._store.server_file, None)
            await self._server.serve_tls(self._certificate)
        elif is_new:
            self._certificate.read()
            log.info("HTTPS has a new certificate, of the same authority")

    def _say(self, notice: str) -> None:
        """Keep one notice, that of now."""
        if notice == self._notice:
            return
        if self._notice:
            self._notices.remove(self._notice)
        if notice:
            self._notices.append(notice)
            log.error("%s", notice)
        self._notice = notice


def lines(config: Config, state: Https, page: str) -> list[str]:
    """Return what the start says of HTTPS: its address, and the fingerprint by which devices come to trust it."""
    if not state.port or not (state.authority or config.web.certificate):
        return []
    sentences = [f"HTTPS is at port {state.port}" + (", to which HTTP redirects" if state.only else "")]
    if state.authority:
        from whitestat.web.tls.store import fingerprint

        sentences.append(f"To trust it on a device, open {page}https; SHA-256 {fingerprint(state.authority)}")
    return sentences


def check(config: Config, say: Callable[[str], None]) -> bool:
    """Report what HTTPS would have; False where it would not be served."""
    from whitestat.web.tls import openssl
    from whitestat.web.tls.store import CertificateStore, fingerprint

    web = config.web
    if web.https_mode == "off":
        return True
    where = f"https: {web.https_mode}, port {web.https_port or 'any'}"
    if web.certificate:
        say(f"{where}, with {web.certificate}")
        return True
    try:
        say(f"{where}, certificates by {openssl.version()}")
        if authority := CertificateStore(folder_of(config.store.path)).read_authority():
            say(f"https: SHA-256 of the authority {fingerprint(authority)}")
    except WhiteStatError as fault:
        say(f"{where}: will not be served: {fault}")
        return False
    return True


def own_addresses() -> list[IpAddress]:
    """Return the addresses of this machine's interfaces."""
    interfaces = [interface.ip for link in links().values() for interface in link.interfaces]
    return [address for address in interfaces if not (address.version == 6 and address.is_link_local)]


def _names_first(names: frozenset[str]) -> list[str]:
    """Return the host name, then its names in the usual domains, then localhost."""
    return sorted(names, key=lambda name: (name == "localhost", len(name), name))
