"""Addresses that are devices of their own: whose each is by the MAC that holds it, and when it changed hands."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

from whitestat.attribution.devices.address_holders import AddressHolders
from whitestat.attribution.devices.episodes import is_fleeting
from whitestat.attribution.devices.registry import DeviceRegistry
from whitestat.attribution.evidence import Evidence
from whitestat.core.model import Episode, Mac

SETTLES_MS = 120_000
"""How long a new device is watched before it is told, so that its name, and whose address it is, are known."""
HOUR_MS = 3_600_000
HAND_ONS_MAX = 256
"""Addresses that change hands in an hour: all of a large home at once, as when its router begins anew."""
SILENT_MS = 14 * 86_400_000


class AddressOwnership:
    """Ends and begins episodes where a meter sees addresses alone; what it finds is an episode and its MAC."""

    def __init__(self, known: DeviceRegistry, is_untouched: Callable[[int], bool]) -> None:
        """`is_untouched` says of a device whether no user named it, gave it to a person or labelled it."""
        self._known = known
        self._is_untouched = is_untouched
        self._holders = AddressHolders()
        self._handed_on: deque[int] = deque(maxlen=HAND_ONS_MAX)

    def remember(self, episode: int, mac: Mac) -> None:
        """What a process before this one found; the latest last."""
        self._holders.note(episode, mac)

    def mac_of(self, episode: int) -> Mac | None:
        return self._holders.mac_of(episode)

    def latest_at(self, mac: Mac) -> int | None:
        return self._holders.latest_at(mac)

    def forget(self, episodes: set[int]) -> None:
        self._holders.forget(episodes)

    def hear(self, evidence: Evidence) -> list[tuple[int, Mac]]:
        """Take in the holder of an address."""
        self._holders.hear(evidence)
        running = self._known.addressed(evidence.address) if evidence.address is not None else ()
        return list(self._commit(running, evidence.at_ms))

    def follow(self, now_ms: int) -> list[tuple[int, Mac]]:
        """Addresses that began since the last call are those of their holders."""
        return list(self._commit(self._known.addressed(), now_ms))

    def wonders(self, now_ms: int) -> bool:
        """Whether an address began a moment ago, and its device is not known yet."""
        return any(
            now_ms - running.start_ms < SETTLES_MS and self._holders.mac_of(running.id) is None
            for running in self._known.addressed()
        )

    def retire(self, now_ms: int, last_seen: Mapping[int, int]) -> set[int]:
        """End IPv6 addresses that are devices of their own and silent for two weeks; returns them.

        Hosts make new ones every day, and keep none longer than that (RFC 8981, section 3.8). One that comes back finds
        its device by its MAC. `last_seen` is when episodes were seen by the processes before this one.
        """
        silent: set[int] = set()
        for running in filter(is_fleeting, self._known.addressed()):
            seen_ms = max(running.start_ms, self._known.last_seen_ms(running.id), last_seen.get(running.id, 0))
            if now_ms - seen_ms > SILENT_MS:
                self._known.end(running.id, seen_ms)
                silent.add(running.id)
        self._holders.forget(silent)
        return silent

    def _commit(self, running: Iterable[Episode], at_ms: int) -> Iterator[tuple[int, Mac]]:
        """An address that changed hands begins a new episode, of its present holder."""
        for current in running:
            mac = self._holders.news_of(current)
            if mac is None or self._known.stands_for_others(mac):
                continue
            before, whose, episode = self._holders.mac_of(current.id), self._whose(mac), current.id
            if before is not None and whose != current.device:
                if not self._may_hand_on(at_ms):
                    continue
                episode = self._known.hand_on(episode, whose, at_ms).id
            elif whose not in (None, current.device) and self._is_fresh(current, at_ms):
                self._known.reassign(episode, whose or 0)
            self._holders.note(episode, mac)
            self._known.found_at(episode, mac, is_new=episode != current.id and whose is None)
            yield episode, mac

    def _may_hand_on(self, at_ms: int) -> bool:
        """At most so many in an hour: forged leases make a few episodes; what is left waits for its turn."""
        recent = self._handed_on
        if not self._known.may_hand_on or (len(recent) == recent.maxlen and at_ms - recent[0] < HOUR_MS):
            return False
        recent.append(at_ms)
        return True

    def _whose(self, mac: Mac) -> int | None:
        """The device that was found at the MAC last."""
        episode = self._known.episode_of(mac, None) or self._holders.latest_at(mac)
        return None if episode is None else self._known.device_of(episode)

    def _is_fresh(self, episode: Episode, at_ms: int) -> bool:
        """Whether the device is nothing but this address, was just seen, and no user said anything of it."""
        if episode.device != episode.id or at_ms - episode.start_ms >= SETTLES_MS:
            return False
        if any(other.device == episode.device and other.id != episode.id for other in self._known.episodes()):
            return False
        return self._is_untouched(episode.device)
