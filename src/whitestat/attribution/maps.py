"""WhiteStat 5's map files: which MAC an address has, which MAC counts as another, what a MAC is called; pure.

A line is `key|value`, both stripped; of two lines with one key the later holds. Version 5 read no line at all of a file
with an empty line in it, or with a second `|` in one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from whitestat.attribution.devices.names import clean
from whitestat.attribution.locality import is_group_mac
from whitestat.core.model import Address, Mac
from whitestat.core.units import address_bytes, mac_bytes

LINES_MAX = 4096
"""As many devices as are told apart."""

K = TypeVar("K")
V = TypeVar("V")
_NONE: Mapping[bytes, Mac] = MappingProxyType({})
_NO_NAMES: Mapping[Mac, str] = MappingProxyType({})


class Maps(NamedTuple):
    """What the three files say: IP_MAC, MAC_MAC and MAC_HOST."""

    by_address: Mapping[Address, Mac] = _NONE
    by_mac: Mapping[Mac, Mac] = _NONE
    names: Mapping[Mac, str] = _NO_NAMES

    def mac(self, mac: Mac | None, address: Address | None) -> Mac | None:
        """Device that a packet or a row counts as: that of its address goes before the one that was seen.

        Each file is looked into once, in this order, so a chain of MACs is not followed.
        """
        if address is not None:
            mac = self.by_address.get(address, mac)
        return mac if mac is None else self.by_mac.get(mac, mac)


def ip_mac(content: bytes) -> tuple[dict[Address, Mac], list[str]]:
    """`192.168.1.54|52:54:00:f3:a3:2b`."""
    return _entries(content, _address, _mac)


def mac_mac(content: bytes) -> tuple[dict[Mac, Mac], list[str]]:
    """`b8:27:eb:8c:dc:bb|f8:c4:f3:50:53:68`: the first counts as the second."""
    return _entries(content, _mac, _mac)


def mac_host(content: bytes) -> tuple[dict[Mac, str], list[str]]:
    """`f8:c4:f3:50:53:68|Airtel Router`; a name that is itself a MAC is ignored, since version 5 made this file
    as a copy of MAC_MAC."""
    entries, faults = _entries(content, _mac, _name)
    return {mac: name for mac, name in entries.items() if name}, faults


def _entries(content: bytes, key: Callable[[str], K], value: Callable[[str], V]) -> tuple[dict[K, V], list[str]]:
    entries: dict[K, V] = {}
    faults: list[str] = []
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")  # Windows' editors put a mark in front
    if len(lines) > LINES_MAX:
        faults.append(f"line {LINES_MAX + 1}: only {LINES_MAX} lines are read")
    for number, line in enumerate(lines[:LINES_MAX], 1):
        try:
            if pair := _pair(line):
                entries[key(pair[0])] = value(pair[1])
        except ValueError as error:
            faults.append(f"line {number}: left out: {error}")
    return entries, faults


def _pair(line: bytes) -> tuple[str, str] | None:
    """The two sides of a line, None for an empty one."""
    try:
        text = line.decode().strip()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    if not text:
        return None
    left, mark, right = text.partition("|")
    if not mark or "|" in right:
        raise ValueError(f"must be two values with one | between them, got {_shown(text)}")
    return left.strip(), right.strip()


def _address(text: str) -> Address:
    try:
        return address_bytes(text)
    except ValueError:
        raise ValueError(f"not an IP address: {_shown(text)}") from None


def _mac(text: str) -> Mac:
    try:
        mac = mac_bytes(text)
    except ValueError:
        raise ValueError(f"not a MAC address: {_shown(text)}") from None
    if is_group_mac(mac):
        raise ValueError(f"the MAC address of a group and of no device: {_shown(text)}")
    return mac


def _name(text: str) -> str:
    """Empty for one that is a MAC."""
    name = clean(text)
    if not name:
        raise ValueError("there is no name")
    try:
        mac_bytes(name)
    except ValueError:
        return name
    return ""


def _shown(text: str) -> str:
    return repr(text[:60])
