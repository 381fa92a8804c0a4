"""A capture file through the same attribution as live traffic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from whitestat.app import build
from whitestat.app.local_network import configured_locality
from whitestat.attribution.devices.episodes import EpisodeTable
from whitestat.attribution.devices.names import by_address, configured
from whitestat.attribution.devices.vendors import vendor
from whitestat.attribution.judge import Learned
from whitestat.collectors.capture import pcap
from whitestat.collectors.link_addresses import completed
from whitestat.config.sections import Config
from whitestat.core.errors import CaptureError
from whitestat.core.model import UNATTRIBUTED, Delta, UsageKey
from whitestat.core.units import mac_text
from whitestat.query.tables import ReportRow

KINDS_MAX = 10
"""Link types named in a notice."""


class Replayed(NamedTuple):
    """Usage by device and scope; where the file broke, if it did; packets left out, by their link type."""

    lines: list[ReportRow]
    fault: str | None
    left_out: Counter[int]


def replay(path: Path, config: Config) -> Replayed:
    """Count what is readable of a capture file. Raises CaptureError where nothing is."""
    locality = configured_locality(config)
    learned = Learned()
    attributor = build.attributor(locality, learned=learned)
    fault: list[str] = []
    left_out = Counter[int]()
    try:
        with path.open("rb") as stream:
            if stream.seekable():  # what packets tell of routers holds for those before them too
                first = completed(_readable(pcap.deltas(stream, path.name, Counter()), []))
                build.attributor(locality, learned=learned).attribute(first, 0)
                stream.seek(0)
            deltas = completed(_readable(pcap.deltas(stream, path.name, left_out), fault))
            usage = attributor.attribute(deltas, 0).counts()
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}") from None
    if not usage and (reason := fault[0] if fault else _left_out(left_out)):
        raise CaptureError(f"{path}: {reason}")
    names = {device.mac: device.name for device in config.devices}
    lines = []
    for key, counts in usage.items():
        name, mac = _who(key, attributor.devices, names)
        lines.append(ReportRow(name, mac, str(key.scope), counts))
    return Replayed(lines, fault[0] if fault else None, left_out)


def notices(replayed: Replayed) -> list[str]:
    """What is to be said beside the usage."""
    return [notice for notice in (_left_out(replayed.left_out), replayed.fault) if notice]


def _left_out(packets: Counter[int]) -> str | None:
    if not packets:
        return None
    kinds = ", ".join(f"{count} of link type {kind}" for kind, count in sorted(packets.items())[:KINDS_MAX])
    more = "" if len(packets) <= KINDS_MAX else f" and {len(packets) - KINDS_MAX} others"
    return f"packets left out, of link types that are not read: {kinds}{more}"


def _readable(deltas: Iterator[Delta], fault: list[str]) -> Iterator[Delta]:
    try:
        yield from deltas
    except CaptureError as error:
        fault.append(str(error))


def _who(key: UsageKey, devices: EpisodeTable, names: dict[bytes, str]) -> tuple[str | None, str | None]:
    if key.episode == UNATTRIBUTED:
        return None, None
    episode = devices.by_id(key.episode)
    name = configured(names, episode.mac) or by_address(episode.mac, episode.address, vendor)
    return name.text, mac_text(episode.mac) if episode.mac else None
