"""Routers learned by what they carry: MACs that stand for several hosts behind them; pure.

The evidence: `HOSTS` local IPv4 addresses, none of them of a network that this machine is on, each of which was
sent from behind that MAC and answered to it within a day; or one, where it was a device of its own before the service
started again. Nobody answers ARP for such an address here, so a
phone with several addresses of this network, or with ten of IPv6, never looks like it; and a forged source gets
no answer.
"""

from __future__ import annotations

from whitestat.model import Address, Mac

HOSTS = 4
WINDOW_MS = 86_400_000
CANDIDATES_MAX = 64
ADDRESSES_MAX = 16
ROUTERS_MAX = 64


class Routers:
    """Learns which MACs are routers. A candidate that comes when there are too many takes the oldest's place."""

    def __init__(self) -> None:
        self.learned: dict[Mac, tuple[Address, ...]] = {}
        self._candidates: dict[Mac, dict[Address, list[int | None]]] = {}

    def saw(self, mac: Mac, address: Address, at_ms: int, *, sent: bool, known: bool) -> bool:
        """Note that `address` of another network sent from behind `mac`, or was sent to there; `known` as a device
        of its own. True when that made the MAC a router."""
        if mac in self.learned or len(self.learned) >= ROUTERS_MAX:
            return False
        hosts = self._hosts(mac)
        if address not in hosts and len(hosts) >= ADDRESSES_MAX:
            del hosts[next(iter(hosts))]
        hosts.setdefault(address, [None, None])[sent] = at_ms
        behind = [
            each for each, times in hosts.items() if all(at is not None and at_ms - at < WINDOW_MS for at in times)
        ]
        if len(behind) < HOSTS and not known:
            return False
        self.learned[mac] = tuple(behind) or (address,)
        del self._candidates[mac]
        return True

    def _hosts(self, mac: Mac) -> dict[Address, list[int | None]]:
        if mac not in self._candidates and len(self._candidates) >= CANDIDATES_MAX:
            del self._candidates[next(iter(self._candidates))]
        return self._candidates.setdefault(mac, {})
