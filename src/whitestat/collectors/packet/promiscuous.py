"""Asks an interface for frames that are meant for others, as a mirror port hands over (packet(7))."""

from __future__ import annotations

import socket
from struct import Struct

from whitestat.core.errors import NotPermitted

_SOL_PACKET, _ADD_MEMBERSHIP, _PROMISCUOUS = 263, 1, 1
_REQUEST = Struct("=iHH8x")  # packet_mreq: index, type, no address


class Promiscuous:
    """Interfaces stay promiscuous for as long as this is open: the kernel ends it with the process, however that ends.

    Opening needs CAP_NET_RAW, `ask` needs nothing. The socket has no protocol and receives nothing.
    """

    def __init__(self) -> None:
        """Raises NotPermitted."""
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError:
            raise NotPermitted("promiscuous mode needs CAP_NET_RAW: run as root") from None

    def ask(self, index: int) -> None:
        """Once for each interface, and again for one that came back. Raises OSError where it is not there."""
        self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, _REQUEST.pack(index, _PROMISCUOUS, 0))

    def close(self) -> None:
        self._socket.close()
