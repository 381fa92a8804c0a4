"""Which interfaces there are and whether they are up: cheap enough to be asked once a second."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterable
from struct import Struct

_SIOCGIFFLAGS, _IFF_UP = 0x8913, 1
_REQUEST = Struct("=16sH22x")  # ifreq of netdevice(7): name, flags


def indexes() -> dict[str, int]:
    """Every interface of this network namespace by name."""
    return {name: index for index, name in socket.if_nameindex()}


def is_up(interface: str) -> bool | None:
    """None where it is not there. Needs no privilege."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking, _SIOCGIFFLAGS, _REQUEST.pack(interface.encode(), 0))
        except OSError:
            return None
    return bool(_REQUEST.unpack(answer)[1] & _IFF_UP)


class NewInterfaces:
    """Tells an interface that was made since the last look from one that only took another's name.

    Indexes grow with every interface that is made (RFC 2863, section 3.1.5, asks for no less). What one that was
    renamed carried before belongs to its old name.
    """

    def __init__(self) -> None:
        self._highest = 0  # before the first look everything is new

    def had_another_name(self, index: int) -> bool:
        """Whether the interface, which has this name only now, was there at the last look."""
        return index <= self._highest

    def look(self, known: Iterable[int]) -> None:
        self._highest = max(self._highest, *known, 0)
