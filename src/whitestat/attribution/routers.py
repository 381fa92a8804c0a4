"""What is learned of routers from the packets they carry; it expires, and can be contradicted; pure.

`Routers` are MACs that stand for several hosts behind them. The evidence: `HOSTS` local IPv4 addresses, none of them of
a network that this machine is on, each of which was sent from behind that MAC and answered to it within a day; or one,
where it was a device of its own before the service started again. No host answers ARP for such an address here, so a
phone with several addresses of this network, or with ten of IPv6, never looks like it; and a forged source gets
no answer. An address that is answered behind another MAC is evidence no more, and neither is one that was silent for a
day.

`Carriers` are MACs that stand for outside addresses, opposite to a local one. That an address is not known to be local
is no proof of it: one that exchanges packets with a link-local address is on the link (RFC 4291, section 2.5.6).
"""

from __future__ import annotations

from collections.abc import Mapping

from whitestat.core.model import Address, Mac

HOSTS = 4
WINDOW_MS = 86_400_000
CANDIDATES_MAX = 64
ADDRESSES_MAX = 16
ROUTERS_MAX = 64
CARRIERS_MAX = 64
CARRIED_MAX = 4
"""Outside addresses remembered of one carrier: what is left when some of them turn out to be on the link."""
NEIGHBOURS_MAX = 1024


class Routers:
    """Learns which MACs are routers. A candidate that comes when there are too many takes the oldest's place."""

    def __init__(self) -> None:
        self._learned: dict[Mac, dict[Address, int]] = {}
        self._candidates: dict[Mac, dict[Address, list[int | None]]] = {}

    @property
    def learned(self) -> Mapping[Mac, Mapping[Address, int]]:
        """Routers, with hosts behind them and when these were seen last."""
        return self._learned

    def saw(self, mac: Mac, address: Address, at_ms: int, *, sent: bool, known: bool) -> bool:
        """Note that `address` of another network sent from behind `mac`, or was sent to there; `known` as a device
        of its own. True when that changed which MACs are routers."""
        hosts = self._learned.get(mac)
        if hosts is not None:
            if address in hosts or len(hosts) < ADDRESSES_MAX:
                hosts[address] = at_ms
            return False
        behind = self._answered(mac, address, at_ms, sent=sent)
        lost = address in behind and self._moved(address)
        elsewhere = any(address in prefixes for prefixes in self._learned.values())
        if len(self._learned) >= ROUTERS_MAX or (len(behind) < HOSTS and (elsewhere or not known)):
            return lost
        self._learned[mac] = dict.fromkeys(behind or (address,), at_ms)
        del self._candidates[mac]
        return True

    def expire(self, at_ms: int) -> bool:
        """Forget what was not seen for a day; true when a MAC is a router no more."""
        silent = [mac for mac, hosts in self._learned.items() if not any(_recent(at, at_ms) for at in hosts.values())]
        for mac in silent:
            del self._learned[mac]
        return bool(silent)

    def _answered(self, mac: Mac, address: Address, at_ms: int, *, sent: bool) -> list[Address]:
        """The addresses that sent from behind the MAC and were answered."""
        hosts = self._hosts(mac)
        if address not in hosts and len(hosts) >= ADDRESSES_MAX:
            del hosts[next(iter(hosts))]
        hosts.setdefault(address, [None, None])[sent] = at_ms
        return [host for host, times in hosts.items() if all(at is not None and _recent(at, at_ms) for at in times)]

    def _moved(self, address: Address) -> bool:
        """The address is answered behind another MAC: evidence of it against the others; true when one is lost."""
        others = [mac for mac, hosts in self._learned.items() if hosts.pop(address, None) is not None]
        silent = [mac for mac in others if not self._learned[mac]]
        for mac in silent:
            del self._learned[mac]
        return bool(silent)

    def _hosts(self, mac: Mac) -> dict[Address, list[int | None]]:
        if mac not in self._candidates and len(self._candidates) >= CANDIDATES_MAX:
            del self._candidates[next(iter(self._candidates))]
        return self._candidates.setdefault(mac, {})


class Carriers:
    """MACs that carry the outside, by outside addresses that they stood for; the oldest goes where there is no room."""

    def __init__(self) -> None:
        self._carried: dict[Mac, dict[Address, int]] = {}
        self._neighbours: dict[tuple[Mac, Address], int] = {}

    def __contains__(self, mac: object) -> bool:
        return mac in self._carried

    def saw(self, mac: Mac, address: Address, at_ms: int) -> None:
        """The MAC stood for an outside address, opposite to a local one that is not link-local."""
        if (mac, address) in self._neighbours:
            return
        carried = self._carried.pop(mac, {})
        if len(self._carried) >= CARRIERS_MAX:
            del self._carried[next(iter(self._carried))]
        carried.pop(address, None)
        if len(carried) >= CARRIED_MAX:
            del carried[next(iter(carried))]
        carried[address] = at_ms
        self._carried[mac] = carried

    def saw_neighbour(self, mac: Mac, address: Address, at_ms: int) -> None:
        """The address sent from that MAC to a link-local one: it is the MAC's own, and no evidence against it."""
        self._neighbours.pop((mac, address), None)
        if len(self._neighbours) >= NEIGHBOURS_MAX:
            del self._neighbours[next(iter(self._neighbours))]
        self._neighbours[mac, address] = at_ms
        carried = self._carried.get(mac)
        if carried:
            carried.pop(address, None)
            if not carried:
                del self._carried[mac]

    def is_neighbour(self, mac: Mac | None, address: Address) -> bool:
        """Whether the address is known to be the MAC's own."""
        return (mac, address) in self._neighbours

    def expire(self, at_ms: int) -> None:
        """Forget what was not seen for a day."""
        carried = {
            mac: {address: at for address, at in times.items() if _recent(at, at_ms)}
            for mac, times in self._carried.items()
        }
        self._carried = {mac: times for mac, times in carried.items() if times}
        self._neighbours = {neighbour: at for neighbour, at in self._neighbours.items() if _recent(at, at_ms)}


def _recent(then_ms: int, at_ms: int) -> bool:
    """Within a day, either way: a clock may have been set back."""
    return abs(at_ms - then_ms) < WINDOW_MS
