"""What answers need to know of HTTPS."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Https:
    """HTTPS as it is served now.

    `port` beside plain HTTP, 0 for none. `only`: plain HTTP redirects to it. `authority`: the certificate (PEM) of the
    installation's authority, empty without one. `hsts`: browsers are told to use TLS alone (RFC 6797).
    """

    port: int = 0
    only: bool = False
    authority: str = ""
    hsts: bool = False
