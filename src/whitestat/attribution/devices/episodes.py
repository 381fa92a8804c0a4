"""The devices known, by the address a meter sees them under; pure, time comes in as an argument."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from whitestat.attribution.locality import is_ipv4
from whitestat.core.model import Address, Episode, Mac

DEVICES_MAX = 4096
EPISODES_MAX = 4 * DEVICES_MAX
"""Those that ended count too: addresses are handed on no more when there are so many."""
ADDRESSES_MAX = 16
"""Addresses remembered for one device; IPv6 gives ten at a time (RFC 8981)."""


def is_fleeting(episode: Episode) -> bool:
    """Whether it is an IPv6 address that is a device's own: one of those that hosts make anew each day (RFC 8981)."""
    return episode.mac is None and episode.address is not None and not is_ipv4(episode.address)


class EpisodeTable:
    """Finds the episode of an address, and begins a new one for an address never seen.

    A device is a MAC where one is seen, else an IP address. Beyond `limit` devices none is added: forged
    addresses cost detail, never memory. `changes` hands out what the ledger does not know yet.
    """

    def __init__(self, episodes: Iterable[Episode] = (), limit: int = DEVICES_MAX) -> None:
        self._limit = limit
        self._by_mac: dict[Mac, Episode] = {}
        self._by_address: dict[Address, Episode] = {}
        self._by_id: dict[int, Episode] = {}
        self._since: dict[int, int] = {}
        self._addresses: dict[int, dict[Address, int]] = {}
        self._new: set[int] = set()
        self._unwritten: dict[int, Episode] = {}
        self._seen: dict[int, int] = {}
        self._changed: dict[tuple[int, Address], int] = {}
        self._next = 1
        self.refused = 0
        for episode in episodes:
            self._note_beginning(episode)
            if episode.end_ms is None or not is_fleeting(episode):
                self._keep(episode)
            self._next = max(self._next, episode.id + 1, episode.device + 1)

    def __len__(self) -> int:
        return len(self._by_mac) + len(self._by_address)

    def episodes(self) -> list[Episode]:
        return [*self._by_mac.values(), *self._by_address.values()]

    def ever(self, device: int | None = None) -> list[Episode]:
        """All episodes, those that ended too, or those of one device."""
        return [episode for episode in self._by_id.values() if device in (None, episode.device)]

    def is_episode(self, episode: int) -> bool:
        return episode in self._by_id

    def by_id(self, episode: int) -> Episode:
        return self._by_id[episode]

    def find(self, mac: Mac | None, address: Address | None, at_ms: int, *, begin: bool = True) -> int | None:
        """The episode of `mac`, or of `address` where no MAC is seen; None when there is none and none begins."""
        if mac is not None:
            episode = self._by_mac.get(mac)
        elif address is not None:
            episode = self._by_address.get(address)
        else:
            return None
        if episode is None:
            if not begin:
                return None
            if len(self) >= self._limit:
                self.refused += 1
                return None
            episode = self._begin(self._next, mac, None if mac is not None else address, at_ms)
        return episode.id

    def is_known(self, address: Address) -> bool:
        """Whether the address is a device of its own."""
        return address in self._by_address

    def by_address(self, address: Address | None = None) -> list[Episode]:
        """The running episodes of addresses that are devices of their own: that of one address, or all."""
        if address is None:
            return list(self._by_address.values())
        return [self._by_address[address]] if address in self._by_address else []

    def first_seen_ms(self) -> dict[int, int]:
        """When each device began, whether or not it still has that address."""
        return dict(self._since)

    def end(self, episode: int, at_ms: int) -> None:
        """End the episodes of an address: its next device begins a new one. The ledger alone remembers it."""
        self._keep(replace(self._by_id[episode], end_ms=at_ms))
        self._unwritten[episode] = self._by_id.pop(episode)
        self._addresses.pop(episode, None)

    @property
    def limit(self) -> int:
        """How many addresses are devices at most."""
        return self._limit

    def drop(self, episodes: Iterable[int]) -> None:
        """These, each all that its device is, were never there; what has their addresses next is a new device."""
        gone = set(episodes)
        for number in gone:
            episode = self._by_id.pop(number)
            if episode.mac is not None and self._by_mac.get(episode.mac) == episode:
                del self._by_mac[episode.mac]
            if episode.address is not None and self._by_address.get(episode.address) == episode:
                del self._by_address[episode.address]
            self._since.pop(episode.device, None)
            for table in (self._unwritten, self._addresses, self._seen):
                table.pop(number, None)
        self._new -= gone
        self._changed = {key: at_ms for key, at_ms in self._changed.items() if key[0] not in gone}

    @property
    def is_full(self) -> bool:
        """Whether no address can be handed on, for want of room."""
        return len(self._by_id) >= EPISODES_MAX

    def hand_on(self, episode: int, device: int | None, at_ms: int) -> Episode:
        """Its address is another device's from now on: the episode ends, and the next one is returned.

        `device` None is one that was never seen.
        """
        ended = self._by_id[episode]
        self._keep(replace(ended, end_ms=at_ms))
        self._unwritten[episode] = self._by_id[episode]
        return self._begin(device or self._next, None, ended.address, at_ms)

    def _begin(self, device: int, mac: Mac | None, address: Address | None, at_ms: int) -> Episode:
        episode = Episode(self._next, device, mac, address, at_ms)
        self._keep(episode)
        self._note_beginning(episode)
        self._new.add(episode.id)
        self._unwritten[episode.id] = episode
        return episode

    def saw(self, episode: int, address: Address | None, at_ms: int) -> None:
        """Remember that the device itself sent from `address` (None: not an IP packet)."""
        self._seen[episode] = max(at_ms, self._seen.get(episode, 0))
        if address is None:
            return
        known = self._addresses.setdefault(episode, {})
        if address not in known and len(known) >= ADDRESSES_MAX:
            del known[min(known, key=lambda other: known[other])]
        known[address] = self._changed[episode, address] = max(at_ms, known.get(address, 0))

    def addresses(self, episode: int) -> list[Address]:
        """Addresses of the episode seen by this process, the latest first."""
        known = self._addresses.get(episode, {})
        return sorted(known, key=lambda address: -known[address])

    def changes(self) -> tuple[list[Episode], dict[int, int], dict[tuple[int, Address], int]]:
        """What was learned since `forget_changes`: episodes new or changed, last seen, addresses with their time."""
        kept = {key: at for key, at in self._changed.items() if key[1] in self._addresses.get(key[0], ())}
        return list(self._unwritten.values()), dict(self._seen), kept

    @property
    def has_news(self) -> bool:
        """Whether there is an episode that the ledger does not know as it is."""
        return bool(self._unwritten)

    def episode_of(self, mac: Mac | None, address: Address | None) -> Episode | None:
        """The running episode of a link address, or of an address that is a device of its own."""
        by_mac = self._by_mac.get(mac) if mac is not None else None
        return by_mac or (self._by_address.get(address) if address is not None else None)

    def reassign(self, episode: int, device: int) -> None:
        """The episode is another device's from now on, and was from its beginning."""
        if episode not in self._by_id:  # ended long ago: the ledger alone knows it
            return
        self._keep(replace(self._by_id[episode], device=device))
        self._note_beginning(self._by_id[episode])
        self._unwritten[episode] = self._by_id[episode]

    def forget(self, episodes: Iterable[int]) -> None:
        """Free the addresses of these episodes: their next holder is a new device."""
        for number in episodes:
            episode = self._by_id.get(number)
            if episode is None:
                continue
            if episode.mac is not None and self._by_mac.get(episode.mac) == episode:
                del self._by_mac[episode.mac]
            if episode.address is not None and self._by_address.get(episode.address) == episode:
                del self._by_address[episode.address]
            self._by_id[number] = replace(episode, mac=None, address=None)
            self._unwritten.pop(number, None)
            self._addresses.pop(number, None)
            self._seen.pop(number, None)
            self._changed = {key: at_ms for key, at_ms in self._changed.items() if key[0] != number}

    def renew(self) -> None:
        """The ledger may know none of them."""
        self._unwritten.update(self._by_id)

    def forget_changes(self) -> None:
        """The ledger has them."""
        self._new.clear()
        self._unwritten.clear()
        self._seen.clear()
        self._changed.clear()

    def move(self, correct: Callable[[int], int]) -> None:
        """The clock was set: instants that it said before are corrected."""
        self._seen = {number: correct(at_ms) for number, at_ms in self._seen.items()}
        self._changed = {key: correct(at_ms) for key, at_ms in self._changed.items()}
        for (number, address), at_ms in self._changed.items():
            self._addresses[number][address] = at_ms
        for episode in list(self._by_id.values()):
            start_ms = correct(episode.start_ms)
            if start_ms != episode.start_ms:
                self._keep(replace(episode, start_ms=start_ms))
                self._unwritten[episode.id] = self._by_id[episode.id]

    def _note_beginning(self, episode: Episode) -> None:
        self._since[episode.device] = min(episode.start_ms, self._since.get(episode.device, episode.start_ms))

    def _keep(self, episode: Episode) -> None:
        self._next = max(self._next, episode.id + 1, episode.device + 1)
        self._by_id[episode.id] = episode
        if episode.end_ms is not None:
            if episode.address is not None and self._by_address.get(episode.address, episode).id == episode.id:
                self._by_address.pop(episode.address, None)
            return
        if episode.mac is not None:
            self._by_mac[episode.mac] = episode
        elif episode.address is not None:
            self._by_address[episode.address] = episode
