"""A capture file through the same attribution as live traffic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from whitestat.attribution.attribute import Attributor
from whitestat.attribution.devices import Devices
from whitestat.attribution.locality import PRIVATE, Locality
from whitestat.attribution.names import by_address, configured
from whitestat.attribution.vendors import vendor
from whitestat.collectors import pcap
from whitestat.errors import CaptureError
from whitestat.model import UNATTRIBUTED, Delta, UsageKey
from whitestat.reports import Line
from whitestat.settings import Config
from whitestat.units import mac_text


def replay(path: Path, config: Config) -> tuple[list[Line], str | None]:
    """Usage by device and scope, and where the file broke, if it did: what was readable is counted.

    Raises CaptureError when the file cannot be read at all.
    """
    devices = Devices()
    locality = Locality(config.lan.networks or (*PRIVATE, *config.lan.segments), routers=frozenset(config.lan.routers))
    attributor = Attributor(locality, devices)
    fault: list[str] = []
    try:
        with path.open("rb") as stream:
            usage = attributor.attribute(_readable(pcap.deltas(stream, path.name), fault), 0).counts()
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}") from None
    names = {device.mac: device.name for device in config.devices}
    lines = []
    for key, counts in usage.items():
        name, mac = _who(key, devices, names)
        lines.append(Line(name, mac, str(key.scope), counts))
    return lines, fault[0] if fault else None


def _readable(deltas: Iterator[Delta], fault: list[str]) -> Iterator[Delta]:
    try:
        yield from deltas
    except CaptureError as error:
        fault.append(str(error))


def _who(key: UsageKey, devices: Devices, names: dict[bytes, str]) -> tuple[str | None, str | None]:
    if key.episode == UNATTRIBUTED:
        return None, None
    episode = devices.by_id(key.episode)
    name = configured(names, episode.mac) or by_address(episode.mac, episode.address, vendor)
    return name.text, mac_text(episode.mac) if episode.mac else None
