"""Link addresses that a capture leaves out, taken from other packets of the same host; pure.

A cooked capture has the sender's link address alone, one of IP alone has none. Attribution tells devices apart by
link address: without this a host would be two devices, one that sends and one that receives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from whitestat.core.model import Address, Counts, Delta, FlowKey, Mac
from whitestat.core.units import MAPPED_IPV4

HOSTS_MAX = 65_536
WAITING_MAX = 16_384
"""Flow keys held until their hosts are known."""
HANDED_ON_MS = 300_000
"""An address that was silent for longer may be another host's: DHCP. Until then a second sender only forwards."""

_TO_ALL = b"\xff" * 6
_NO_MAC = bytes(6)
_UNSPECIFIED = (MAPPED_IPV4 + bytes(4), bytes(16))
_LOOPBACK, _LOOPBACK_6 = MAPPED_IPV4 + b"\x7f\0\0\1", bytes(15) + b"\1"


def completed(deltas: Iterable[Delta]) -> Iterator[Delta]:
    """The deltas with the link address of each side, where a packet from there has it.

    A flow with a host that has not sent yet is held back, and comes at the end under the first minute it was seen in.
    """
    hosts = _Hosts()
    waiting: dict[FlowKey, Delta] = {}
    for delta in deltas:
        key = _told(delta.key)
        hosts.learn(key, delta.start_ms)
        key = hosts.fill(key)
        if _is_whole(key):
            yield delta._replace(key=key)
            continue
        waiting_delta = waiting.get(key)
        counts = (
            Counts(*map(sum, zip(waiting_delta.counts, delta.counts, strict=True))) if waiting_delta else delta.counts
        )
        waiting[key] = (waiting_delta or delta)._replace(key=key, counts=counts)
        if len(waiting) >= WAITING_MAX:
            yield from hosts.settled(waiting)
            waiting.clear()
    yield from hosts.settled(waiting)


class _Hosts:
    """The link address that an IP address sent with, and when it last did."""

    def __init__(self) -> None:
        self._known: dict[Address, tuple[Mac, int]] = {}
        self._broadcasts: set[Address] = set()

    def learn(self, key: FlowKey, at_ms: int) -> None:
        if key.address is None:
            return
        if key.mac is not None and not key.mac[0] & 1:
            sighting = self._known.get(key.address)
            if sighting is None and len(self._known) >= HOSTS_MAX:
                return
            if sighting is None or sighting[0] == key.mac or at_ms - sighting[1] > HANDED_ON_MS:
                self._known[key.address] = key.mac, at_ms
        if key.peer_mac == _TO_ALL and key.peer is not None and len(self._broadcasts) < HOSTS_MAX:
            self._broadcasts.add(key.peer)

    def fill(self, key: FlowKey) -> FlowKey:
        if _is_whole(key):
            return key
        mac, peer_mac = key.mac, key.peer_mac
        if mac is None and key.address in self._known:
            mac = self._known[key.address][0]
        if peer_mac is None and key.peer in self._known:
            peer_mac = self._known[key.peer][0]
        return key._replace(mac=mac, peer_mac=peer_mac)

    def settled(self, waiting: dict[FlowKey, Delta]) -> Iterator[Delta]:
        """What is known now of the hosts waited for; a broadcast address is none (RFC 919, section 7)."""
        senders = {key.address for key in waiting}
        for delta in waiting.values():
            key = self.fill(delta.key)
            if key.peer is not None and key.peer_mac is None and self._is_broadcast(key.peer, senders):
                key = key._replace(peer_mac=_TO_ALL)
            yield delta._replace(key=key)

    def _is_broadcast(self, address: Address, senders: set[Address | None]) -> bool:
        """Whether packets came to it as broadcasts, or it never sends and ends as that of a network of 24 bits does."""
        if address in self._broadcasts or address in _UNSPECIFIED:
            return True
        return address not in senders and address.startswith(MAPPED_IPV4) and address[15] == 255


def _told(key: FlowKey) -> FlowKey:
    """Without what tells nothing: loopback's link address, an unspecified sender; 127.0.0.0/8 and ::1 are one host."""
    mac = None if key.mac == _NO_MAC else key.mac
    peer_mac = None if key.peer_mac == _NO_MAC else key.peer_mac
    if mac is not None and peer_mac is not None:
        return key
    address = _host(key.address) if mac is None else key.address
    if mac is None and address in _UNSPECIFIED:
        address = None
    peer = _host(key.peer) if peer_mac is None else key.peer
    return key._replace(mac=mac, peer_mac=peer_mac, address=address, peer=peer)


def _host(address: Address | None) -> Address | None:
    if address is None:
        return None
    if address == _LOOPBACK_6 or address[:13] == _LOOPBACK[:13]:
        return _LOOPBACK
    return address


def _is_whole(key: FlowKey) -> bool:
    """Whether nothing can be filled in."""
    return (key.mac is not None or key.address is None) and (key.peer_mac is not None or key.peer is None)
