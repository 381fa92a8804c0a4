"""The devices that are known, as the running service has them: their episodes, what each is called, when it was seen.

What changed is kept until the ledger has it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from whitestat.attribution.attribute import Attributor
from whitestat.attribution.devices.names import RANKS, ShownName, by_address, configured, in_dns, stronger
from whitestat.attribution.map_files import MapFiles
from whitestat.attribution.maps import Maps
from whitestat.core.model import UNATTRIBUTED, Address, Episode, Mac
from whitestat.core.units import address_text, mac_text
from whitestat.ledger.tables.unflushed import with_sighting
from whitestat.ledger.usage_query import DeviceRow
from whitestat.ledger.write.writer import DeviceRecord

log = logging.getLogger("whitestat")

FORGOTTEN = "forgotten device"


class DeviceRegistry:
    """Names devices by the strongest source there is, and finds them by address, episode or number."""

    def __init__(
        self,
        attributor: Attributor,
        records: Iterable[DeviceRecord],
        *,
        names: Mapping[Mac, str],
        people: Mapping[Mac, str],
        vendor: Callable[[str], str | None],
        host_name: str,
        maps: MapFiles | None = None,
    ) -> None:
        """`records` are what the ledger has, `names` and `people` what the configuration says."""
        self._attributor = attributor
        self._configured = self._names = names
        self._map_files = maps or MapFiles()
        self._maps = Maps()
        self._maps_told: frozenset[str] = frozenset()
        self._people = people
        self._vendor = vendor
        self._host_name = host_name
        self._records = {record.id: record for record in records}
        self._changed_records: dict[int, DeviceRecord] = {}
        self._seen: dict[int, int] = {}
        self.follow_maps()
        for episode in attributor.devices.episodes():
            self._name(episode)

    @property
    def notices(self) -> tuple[str, ...]:
        """What is wrong with map files."""
        return self._map_files.notices

    def follow_maps(self) -> None:
        """Map files that changed hold from now on; what is booked stays. A name that a file takes back is forgotten."""
        maps, before = self._map_files.look(), self._configured
        for notice in self._map_files.notices:
            if notice not in self._maps_told:
                log.warning("%s", notice)
        self._maps_told = frozenset(self._map_files.notices)
        if maps is self._maps:
            return
        self._maps = maps
        self._attributor.follow(maps)
        self._configured = {**maps.names, **self._names}
        for episode in self._attributor.devices.episodes():
            record, had = self._records.get(episode.device), configured(before, episode.mac)
            gone = had is not None and had != configured(self._configured, episode.mac)
            if had and gone and record and (record.name, record.name_source) == had:
                self._keep(DeviceRecord(record.id, None, None, record.person))
            self._name(episode)

    def hear(self, names: Iterable[tuple[Mac | None, Address, str]]) -> None:
        """Names that another program has from the DNS, for devices that our own DNS did not name."""
        for mac, address, text in names:
            episode = self._attributor.devices.episode_of(self._maps.mac(mac, address), address)
            name = in_dns(text)
            if episode and name:
                record = self._records.get(episode.device) or self._name(episode)
                if record.name_source != name.source:
                    self.rename(episode.device, name)

    def unnamed(self) -> list[tuple[int, Address]]:
        """(device, an address of it) where the DNS may know a better name than ours."""
        devices, pairs = self._attributor.devices, []
        for episode in devices.episodes():
            record = self._records.get(episode.device)
            addresses = devices.addresses(episode.id)
            if addresses and (record is None or record.name_source in ("vendor", "mac", "dns", None)):
                pairs.append((episode.device, addresses[0]))
        return pairs

    def rename(self, device: int, name: ShownName) -> None:
        """Give the device a name from a source at least as strong as that of the one it has, or of what it could have.

        A router may tell a name before the device was given its first: what the configuration says is asked then.
        """
        record = self._records.get(device, DeviceRecord(device, None, None, None))
        old = ShownName(record.name, record.name_source) if record.name and record.name_source else None
        if not stronger(name, old):
            return
        episodes = self._attributor.devices.ever(device)
        claimed = [self._said_of(episode) for episode in episodes if episode.mac or episode.address]
        best = max([name, *claimed], key=lambda shown: RANKS.get(shown.source, 0))
        owners = [self._people[episode.mac] for episode in episodes if episode.mac and episode.mac in self._people]
        person = owners[0] if owners else record.person
        if stronger(best, old):
            self._keep(DeviceRecord(device, best.text, best.source, person))

    def call(self, device: int, text: str | None, *, afresh: bool = True) -> None:
        """The user's name for a device; None takes it away, and the best of the others holds.

        Not `afresh`, a name that is not the user's stays unless an address of the device has a stronger one.
        """
        old = self._records.get(device, DeviceRecord(device, None, None, None))
        if text is not None:
            self._keep(DeviceRecord(device, text, "user", old.person))
            return
        if afresh or old.name_source == "user":
            self._keep(DeviceRecord(device, None, None, old.person))
        # An address that was handed on names nobody while there is another.
        for episode in sorted(self._attributor.devices.ever(device), key=lambda life: (life.end_ms is None, -life.id)):
            if episode.mac or episode.address:
                self._name(episode)

    def forget(self, device: int, episodes: Iterable[int]) -> None:
        """The device keeps its usage and nothing that identifies it."""
        self._attributor.devices.forget(episodes)
        self._attributor.judge_again()
        self._keep(DeviceRecord(device, FORGOTTEN, "user", None))

    def drop(self, episodes: Iterable[int]) -> None:
        """These, each all that its device is, are no devices any more."""
        dropped = set(episodes)
        for episode in dropped:
            device = self.device_of(episode)
            self._records.pop(device, None)
            self._changed_records.pop(device, None)
            self._seen.pop(episode, None)
        self._attributor.devices.drop(dropped)
        self._attributor.judge_again()

    @property
    def limit(self) -> int:
        """How many addresses are devices at most."""
        return self._attributor.devices.limit

    @property
    def room(self) -> int:
        """How many more addresses can be devices."""
        return self.limit - len(self._attributor.devices)

    def nameless(self) -> list[Episode]:
        """The running episodes that are all of their device, which neither the configuration nor this machine names.

        What devices say of themselves is no name here, since it can be forged. The newest is not among them: its
        number tells the next process which were given.
        """
        devices = self._attributor.devices
        every = devices.ever()
        newest = max((episode.id for episode in every), default=0)
        count = Counter(episode.device for episode in every)
        alone = (episode for episode in devices.episodes() if count[episode.device] == 1 and episode.id != newest)
        return [episode for episode in alone if self._is_nameless(episode)]

    def _is_nameless(self, episode: Episode) -> bool:
        record = self._records.get(episode.device) or DeviceRecord(episode.device)
        if record.person or record.name_source in ("user", "config", "host") or self.is_configured(episode.mac):
            return False
        return episode.mac is None or not self.stands_for_others(episode.mac)

    def found_at(self, episode: int, mac: Mac, *, is_new: bool) -> None:
        """Where an address alone is seen: the MAC that holds it names its device, by the configuration or its vendor.

        A private MAC is no better a name than the address, but where that was another device's until now.
        """
        name = configured(self._configured, mac) or by_address(mac, None, self._vendor)
        if is_new or name.source != "mac":
            self.rename(self.device_of(episode), name)

    def name_of(self, device: int) -> str:
        """As it is shown, empty where none is known."""
        record = self._records.get(device)
        return (record.name if record else None) or ""

    def called(self, episode: int) -> str:
        """What the device of an episode is called, from now on at the latest; empty for what is unattributed."""
        if episode == UNATTRIBUTED or not self.is_episode(episode):
            return ""
        known = self._attributor.devices.by_id(episode)
        return (self._records.get(known.device) or self._name(known)).name or ""

    def saw(self, seen: Mapping[int, int]) -> None:
        """When episodes were seen last."""
        self._seen.update(seen)

    def move(self, correct: Callable[[int], int]) -> None:
        """The clock was set: what is not written yet is moved to where it belongs."""
        self._attributor.devices.move(correct)
        self._seen = {episode: correct(at_ms) for episode, at_ms in self._seen.items()}

    def changes(self) -> tuple[list[Episode], dict[int, int], dict[tuple[int, Address], int]]:
        """As those of `Devices`; whatever is new has a name by then."""
        changes = self._attributor.devices.changes()
        for episode in changes[0]:
            if episode.device not in self._records:
                self._name(episode)
        return changes

    def sighted(self) -> dict[int, DeviceRow]:
        """Devices seen since the ledger was told, with what those sightings alone say of them."""
        unwritten, seen, addresses = self.changes()
        by_episode: dict[int, list[tuple[int, Address]]] = {}
        for (episode, address), at_ms in addresses.items():
            by_episode.setdefault(episode, []).append((-at_ms, address))
        began = {life.id: life.start_ms for life in unwritten}
        rows: dict[int, DeviceRow] = {}
        for episode in sorted({*began, *seen}, key=lambda number: (seen.get(number, 0), number)):
            if self.is_episode(episode):
                latest_first = [address for _, address in sorted(by_episode.get(episode, ()))]
                row = self._sighting(self.by_id(episode), latest_first, began.get(episode), seen.get(episode))
                before = rows.get(row.id)
                rows[row.id] = with_sighting(before, row) if before else row
        return rows

    def _sighting(
        self, episode: Episode, addresses: list[Address], first_ms: int | None, last_ms: int | None
    ) -> DeviceRow:
        record = self._records.get(episode.device) or DeviceRecord(episode.device, None, None, None)
        if episode.mac is None and episode.address is not None and not addresses:
            addresses = [episode.address]
        mac, texts = episode.mac, tuple(map(address_text, addresses))
        name = record.name, record.name_source
        last_ms = first_ms if last_ms is None else last_ms
        return DeviceRow(episode.device, *name, mac_text(mac) if mac else None, texts, record.person, first_ms, last_ms)

    @property
    def renamed(self) -> tuple[DeviceRecord, ...]:
        """Devices whose name or owner the ledger does not know yet."""
        return tuple(self._changed_records.values())

    def written(self, seen: Mapping[int, int]) -> None:
        """The ledger has the changes, of which these are when episodes were seen."""
        self.written_names()
        self.saw(seen)
        self._attributor.devices.forget_changes()

    def renew(self) -> None:
        """Another ledger goes on, which may know none of them."""
        self._changed_records.update(self._records)
        self._attributor.devices.renew()

    def written_names(self) -> None:
        """The ledger has what is `renamed`."""
        self._changed_records.clear()

    def is_configured(self, mac: Mac | None) -> bool:
        """Whether the configuration, or a map file, names the device of a link address."""
        return configured(self._configured, mac) is not None

    def last_seen_ms(self, episode: int) -> int:
        """When this process saw it last; 0 for never."""
        return self._seen.get(episode, 0)

    def episode_of(self, mac: Mac | None, address: Address | None) -> int | None:
        """The running episode of an address, None where no device has it."""
        episode = self._attributor.devices.episode_of(mac, address)
        return episode.id if episode else None

    def is_episode(self, episode: int) -> bool:
        """Whether there ever was one of that number."""
        return self._attributor.devices.is_episode(episode)

    def device_of(self, episode: int) -> int:
        return self._attributor.devices.by_id(episode).device

    def by_id(self, episode: int) -> Episode:
        return self._attributor.devices.by_id(episode)

    def episodes(self) -> list[Episode]:
        """The running ones."""
        return self._attributor.devices.episodes()

    def addressed(self, address: Address | None = None) -> list[Episode]:
        """The running episodes of addresses that are devices of their own: that of one address, or all."""
        return self._attributor.devices.by_address(address)

    def first_seen_ms(self) -> dict[int, int]:
        """When each device began, whether or not it still has that address."""
        return self._attributor.devices.first_seen_ms()

    def reassign(self, episode: int, device: int) -> None:
        """The episode is another device's: live figures and what is booked from now on follow."""
        self._attributor.devices.reassign(episode, device)
        if device not in self._records and self.is_episode(episode):
            self._name(self._attributor.devices.by_id(episode))

    def end(self, episode: int, at_ms: int) -> None:
        """Free an address; its next holder is determined anew."""
        self._attributor.devices.end(episode, at_ms)
        self._attributor.judge_again()

    @property
    def may_hand_on(self) -> bool:
        """Whether there is room for one more episode."""
        return not self._attributor.devices.is_full

    def hand_on(self, episode: int, device: int | None, at_ms: int) -> Episode:
        """The address of an episode is another device's from now on; returns the episode that begins.

        What the meters hold at that moment is booked to the next one.
        """
        begun = self._attributor.devices.hand_on(episode, device, at_ms)
        self._attributor.judge_again()
        return begun

    def stands_for_others(self, mac: Mac) -> bool:
        """Whether a MAC is this machine's or a router's, so that an address behind it is another device's."""
        routers = self._attributor.routers.learned
        return mac in self._attributor.locality.own_macs | self._attributor.locality.routers or mac in routers

    def _name(self, episode: Episode) -> DeviceRecord:
        """The best name known without a look-up, kept for the next flush when it is new."""
        old = self._records.get(episode.device)
        devices = self._attributor.devices
        first = devices.by_id(episode.device) if devices.is_episode(episode.device) else episode
        if first.device != episode.device or first.end_ms is not None:
            first = episode
        # Of equal names that of the device's own first address holds: who is merged into it does not rename it.
        name = max(self._said_of(first), self._said_of(episode), key=lambda shown: RANKS[shown.source])
        person = self._people.get(episode.mac) if episode.mac else None
        current = ShownName(old.name, old.name_source) if old and old.name and old.name_source else None
        if old and not stronger(name, current) and person in (None, old.person):
            return old
        best = name if stronger(name, current) or current is None else current
        return self._keep(DeviceRecord(episode.device, best.text, best.source, person or (old.person if old else None)))

    def _said_of(self, episode: Episode) -> ShownName:
        """What the configuration, this machine or the address calls it."""
        name = configured(self._configured, episode.mac)
        if name is None and episode.mac in self._attributor.locality.own_macs:
            name = ShownName(self._host_name, "host")
        return name or by_address(episode.mac, episode.address, self._vendor)

    def _keep(self, record: DeviceRecord) -> DeviceRecord:
        self._records[record.id] = self._changed_records[record.id] = record
        return record
