"""The command that prints where the page is: as links that other machines reach, and as a QR code for a phone."""

from __future__ import annotations

import io
import socket
import sys
from ipaddress import ip_address

from whitestat.config.sections import Config

LASTS_MIN = 15
_ELSEWHERE = {4: ("192.0.2.1", socket.AF_INET), 6: ("2001:db8::1", socket.AF_INET6)}
"""Addresses of documentation (RFC 5737, RFC 3849): asked for the way there, no packet is sent."""


def links(config: Config, path: str) -> list[str]:
    """Return the page's addresses, the one that other machines reach first, then the one by this machine's name."""
    web = config.web
    only = web.https_mode == "only"
    listen, port = (web.https_listen or web.listen, web.https_port) if only else (web.listen, web.port)
    has_tls = only or (web.certificate is not None and web.https_mode == "off")
    return [f"{'https' if has_tls else 'http'}://{host}:{port}{path}" for host in _hosts(listen.rpartition(":")[0])]


def text(config: Config, path: str, sentence: str) -> str:
    """The sentence, the links, and in a terminal the QR code of the first one."""
    every = links(config, path)
    lines = [sentence, *every]
    if _is_loopback(config.web.host):
        everywhere = f"0.0.0.0:{config.web.port}"
        lines.append(f'Only this machine reaches it; for a phone set listen = "{everywhere}" in [web] and restart.')
    code = qr_code(every[0]) if sys.stdout.isatty() else ""
    return "\n".join([*lines, code]).rstrip("\n") + "\n"


def qr_code(link: str) -> str:
    """Return the QR code (ISO/IEC 18004) in half-block characters; empty where the terminal has none of them."""
    import segno

    drawn = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(out=drawn, border=2, compact=True)
    try:
        drawn.getvalue().encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ""
    return drawn.getvalue()


def _hosts(host: str) -> list[str]:
    """Return the names and addresses for a host that is listened at."""
    plain = host.strip("[]")
    if plain not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened at
        return [host]
    reached = _address_outward(4) or _address_outward(6)
    return [*([reached] if reached else []), socket.gethostname()]


def _address_outward(version: int) -> str | None:
    """Return this machine's address on the way to others; None without a way."""
    elsewhere, family = _ELSEWHERE[version]
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((elsewhere, 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return f"[{address}]" if version == 6 else address


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
