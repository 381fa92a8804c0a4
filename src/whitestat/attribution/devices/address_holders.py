"""Current holders of addresses, where a meter sees nothing but addresses: leases and neighbours name a MAC; pure.

A lease in force goes before the neighbour table: a repeater answers ARP with its own MAC, and the table lags behind.
What was said last of an address is kept, whether or not anything was metered there yet.
"""

from __future__ import annotations

from typing import NamedTuple

from whitestat.attribution.evidence import Evidence
from whitestat.core.model import Address, Episode, Mac

LEASE, NEIGHBOUR = "dhcp", "neighbour"
HOLDERS_MAX = 8192


class _Held(NamedTuple):
    mac: Mac
    leased: bool
    until_ms: int | None


class AddressHolders:
    """What was said of addresses, and which MAC each episode was found at."""

    def __init__(self) -> None:
        self._held: dict[Address, _Held] = {}
        self._mac_of: dict[int, Mac] = {}
        self._latest: dict[Mac, int] = {}

    def hear(self, evidence: Evidence) -> None:
        """Take in a lease or neighbour; other evidence is passed over. The oldest goes where there is no room."""
        if evidence.mac is None or evidence.address is None or evidence.source not in (LEASE, NEIGHBOUR):
            return
        holder = self._held.get(evidence.address)
        if holder and evidence.source == NEIGHBOUR and holder.leased and not _is_over(holder, evidence.at_ms):
            return
        self._held.pop(evidence.address, None)
        if len(self._held) >= HOLDERS_MAX:
            del self._held[next(iter(self._held))]
        self._held[evidence.address] = _Held(evidence.mac, evidence.source == LEASE, evidence.until_ms)

    def news_of(self, episode: Episode) -> Mac | None:
        """The MAC that holds the address of a running episode; None where none does, or where that is known."""
        holder = self._held.get(episode.address) if episode.address is not None else None
        return holder.mac if holder and holder.mac != self._mac_of.get(episode.id) else None

    def note(self, episode: int, mac: Mac) -> None:
        """The episode was found at that MAC."""
        self._mac_of[episode] = mac
        self._latest[mac] = episode

    def mac_of(self, episode: int) -> Mac | None:
        """Where the episode was found last."""
        return self._mac_of.get(episode)

    def latest_at(self, mac: Mac) -> int | None:
        """The episode that was found at the MAC last."""
        return self._latest.get(mac)

    def forget(self, episodes: set[int]) -> None:
        self._mac_of = {episode: mac for episode, mac in self._mac_of.items() if episode not in episodes}
        others = {mac: episode for episode, mac in self._mac_of.items()}
        self._latest = {
            mac: others[mac] if episode in episodes else episode
            for mac, episode in self._latest.items()
            if mac in others
        }


def _is_over(holder: _Held, at_ms: int) -> bool:
    return holder.until_ms is not None and holder.until_ms <= at_ms
