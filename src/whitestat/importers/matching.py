"""Which device an old host is: by its MAC, else by its address, else by its name; pure.

An address identifies a device only if one of the two has no MAC: two MACs at one address are two devices that had
it one after the other. A name identifies one only if no other device, old or known, has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from whitestat.attribution.devices.names import RANKS, ShownName
from whitestat.core.model import UNATTRIBUTED, Address, Episode, Mac
from whitestat.core.units import address_bytes, address_text
from whitestat.importers.history import HostSummary, ImportedHost
from whitestat.ledger.read.queries import DeviceRow
from whitestat.ledger.write.writer import DeviceRecord

_UNSPECIFIED = (address_bytes("0.0.0.0"), address_bytes("::"))  # noqa: S104 - no socket is bound
_GIVEN = RANKS["dns"]
"""Names weaker than these (vendor, MAC) are our own last resort and identify nothing."""


@dataclass(frozen=True, slots=True)
class Matched:
    """The episode of each host (0: unattributed), with the new devices and episodes."""

    episodes: dict[ImportedHost, int] = field(default_factory=dict)
    devices: dict[int, int] = field(default_factory=lambda: {UNATTRIBUTED: UNATTRIBUTED})
    new_devices: list[DeviceRecord] = field(default_factory=list)
    new_episodes: list[Episode] = field(default_factory=list)
    seen: dict[int, int] = field(default_factory=dict)
    addresses: dict[tuple[int, Address], int] = field(default_factory=dict)


def match(
    hosts: Mapping[ImportedHost, HostSummary],
    episodes: Sequence[Episode],
    devices: Sequence[DeviceRow],
    routers: frozenset[Mac] = frozenset(),
    *,
    now_s: int | None = None,
) -> Matched:
    """Find or begin an episode for each host; no sight is after `now_s`.

    Hosts of one MAC are one device, whatever addresses it had; several hosts behind one of the `routers` are
    separate devices by address.
    """
    if now_s is not None:
        hosts = {host: sight.until(now_s) for host, sight in hosts.items()}
    known = _Known(episodes, devices)
    matched = Matched()
    groups = _groups(hosts, routers)
    names = Counter(_key(sight.name) for _, sight in groups.values())
    for identity, (members, sight) in groups.items():
        telling = sight if names[_key(sight.name)] == 1 else sight._replace(name=None)
        episode = _episode(known, matched, identity, members, telling)
        matched.episodes.update(dict.fromkeys(members, episode.id))
        matched.devices[episode.id] = episode.device
        matched.seen[episode.id] = sight.last_s * 1000
        for member in members:
            if member.address is not None and member.address not in _UNSPECIFIED:
                matched.addresses[episode.id, member.address] = hosts[member].last_s * 1000
    matched.episodes.update(dict.fromkeys(set(hosts) - set(matched.episodes), UNATTRIBUTED))
    return matched


class _Known:
    """Episodes and devices of the ledger by identity, address and name; open episodes go before ended ones."""

    def __init__(self, episodes: Sequence[Episode], devices: Sequence[DeviceRow]) -> None:
        ordered = sorted(episodes, key=lambda episode: (episode.end_ms is None, episode.id))
        self.by_identity = {
            ImportedHost(episode.mac, None if episode.mac else episode.address): episode for episode in ordered
        }
        self.by_address = _unique((address, device) for device in devices for address in device.addresses)
        self.by_name = _unique(
            (device.name.casefold(), device)
            for device in devices
            if device.name and RANKS.get(device.name_source or "", 0) >= _GIVEN
        )
        self.next = 1 + max((max(episode.id, episode.device) for episode in episodes), default=0)
        self.next = max(self.next, 1 + max((device.id for device in devices), default=0))


def _unique(pairs: Iterable[tuple[str, DeviceRow]]) -> dict[str, DeviceRow]:
    """Return the devices by the keys that only one device has."""
    devices_by_key: dict[str, list[DeviceRow]] = {}
    for key, device in pairs:
        devices_by_key.setdefault(key, []).append(device)
    return {key: devices[0] for key, devices in devices_by_key.items() if len(devices) == 1}


def _groups(
    hosts: Mapping[ImportedHost, HostSummary], routers: frozenset[Mac]
) -> dict[ImportedHost, tuple[list[ImportedHost], HostSummary]]:
    """Group the hosts of one device, by MAC or else by address, with their combined summary."""
    carried = Counter(host.mac for host in hosts if host.address not in _UNSPECIFIED)
    groups: dict[ImportedHost, tuple[list[ImportedHost], HostSummary]] = {}
    for host, sight in hosts.items():
        behind = host.mac in routers and carried[host.mac] > 1
        mac = None if behind else host.mac
        identity = ImportedHost(mac, None if mac else host.address)
        if identity.mac is None and identity.address in (None, *_UNSPECIFIED):
            continue
        members, before = groups.get(identity, ([], sight))
        groups[identity] = [*members, host], _together(before, sight)
    return groups


def _together(one: HostSummary, other: HostSummary) -> HostSummary:
    later, earlier = (one, other) if one.last_s >= other.last_s else (other, one)
    return HostSummary(later.name or earlier.name, min(one.first_s, other.first_s), later.last_s)


def _episode(
    known: _Known, matched: Matched, identity: ImportedHost, members: list[ImportedHost], sight: HostSummary
) -> Episode:
    """Return the existing episode; else a new one, of a known device or of a new one."""
    if known_episode := known.by_identity.get(identity):
        return known_episode
    number = known.next + len(matched.new_episodes)
    device = _device(known, identity, members, sight.name)
    if device is None:
        matched.new_devices.append(DeviceRecord(number, *(sight.name or (None, None))))
    # A device that shows its MAC by now is not found by an address that belongs to another device tomorrow.
    ended_ms = sight.last_s * 1000 if device and identity.mac is None else None
    episode = Episode(number, device or number, identity.mac, identity.address, sight.first_s * 1000, ended_ms)
    matched.new_episodes.append(episode)
    return episode


def _device(known: _Known, identity: ImportedHost, members: list[ImportedHost], name: ShownName | None) -> int | None:
    for member in members:
        at_address = known.by_address.get(address_text(member.address)) if member.address else None
        if at_address and None in (identity.mac, at_address.mac):
            return at_address.id
    by_name = known.by_name.get(_key(name) or "")
    return by_name.id if by_name else None


def _key(name: ShownName | None) -> str | None:
    return name.text.casefold() if name else None
