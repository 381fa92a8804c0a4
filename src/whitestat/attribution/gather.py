"""Gathers evidence about devices, politely: what they say, the neighbour table, lease files that changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv6Network
from itertools import islice
from pathlib import Path
from subprocess import SubprocessError

from whitestat.attribution.evidence import Evidence, Prefix, leases, neighbours
from whitestat.attribution.evidence.listen import Listener
from whitestat.core.model import Address, Mac
from whitestat.core.system import children

KNOWN_LEASES = (
    Path("/var/lib/misc/dnsmasq.leases"),
    Path("/tmp/dhcp.leases"),  # noqa: S108 - where OpenWrt keeps dnsmasq's
    Path("/var/lib/dhcp/dhcpd.leases"),
    Path("/var/lib/kea/kea-leases4.csv"),
    Path("/var/lib/kea/kea-leases6.csv"),
    Path("/var/lib/misc/udhcpd.leases"),
    Path("/etc/pihole/dhcp.leases"),
    Path("/var/lib/systemd/network/dhcp-server-lease"),
    Path("/run/systemd/netif/dhcp-server-lease"),
)
"""Where the servers keep their leases on Debian, its kin and OpenWrt; systemd's has a folder with one for each link."""

LOOK_EVERY_MS = 30_000
LOOK_SOON_MS = 5_000
REPEAT_MS = 600_000
"""The same statement is handed on again after this long."""
REMEMBERED_MAX = 8192
PREFIXES_MAX = 16
FOLDER_MAX = 32
"""Lease files looked at in one folder."""


def neighbour_table() -> bytes:
    """What `ip -j neigh show` answers; empty where it does not."""
    try:
        answer = children.run("ip", "-j", "neigh", "show", timeout_s=10)
    except (OSError, SubprocessError):
        return b""
    return b"" if answer.returncode else answer.stdout


class EvidenceGatherer:
    """Hands on each statement once, and again when it was long ago; all calls come from one thread at a time.

    `files` are lease files or folders of them, those that are missing are none. `faults` says why a file cannot be
    read.
    """

    def __init__(
        self, listener: Listener | None, files: Iterable[Path], *, table: Callable[[], bytes] = neighbour_table
    ) -> None:
        self._listener = listener
        self._files = tuple(files)
        self._table = table
        self._looked_ms: int | None = None
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._told: dict[Evidence, int] = {}
        self._held_by: dict[tuple[str, Address], Mac] = {}
        self._prefixes: dict[IPv6Network, int] = {}
        self.faults: dict[Path, str] = {}

    def gather(self, at_ms: int, ticks_ms: int, *, eager: bool = False) -> list[Evidence]:
        """What is new since the last call; `at_ms` labels it (UTC), `ticks_ms` is a monotonic clock.

        Tables and files are looked into every half a minute, and every five seconds while `eager`.
        """
        evidence: list[Evidence] = []
        if self._listener:
            self._listener.follow()
            for item in self._listener.hear(at_ms):
                if isinstance(item, Prefix):
                    self._take(item, ticks_ms)
                else:
                    evidence.append(item)
        every_ms = LOOK_SOON_MS if eager else LOOK_EVERY_MS
        if self._looked_ms is None or ticks_ms - self._looked_ms >= every_ms:
            self._looked_ms = ticks_ms
            evidence += neighbours.read(self._table(), at_ms)
            for file in self._all_files():
                evidence += self._leases(file, at_ms)
        return [item for item in evidence if self._is_news(item, ticks_ms)]

    def networks(self, ticks_ms: int) -> tuple[IPv6Network, ...]:
        """Networks that routers advertise for the links that are listened on."""
        return tuple(sorted(network for network, until_ms in self._prefixes.items() if until_ms > ticks_ms))

    def _take(self, prefix: Prefix, ticks_ms: int) -> None:
        if prefix.network in self._prefixes or len(self._prefixes) < PREFIXES_MAX:
            self._prefixes[prefix.network] = ticks_ms + prefix.lifetime_s * 1000
        if not prefix.lifetime_s:
            self._prefixes.pop(prefix.network, None)

    def close(self) -> None:
        if self._listener:
            self._listener.close()

    def _all_files(self) -> Iterator[Path]:
        for file in self._files:
            try:
                with os.scandir(file) as folder:
                    yield from sorted(file / entry.name for entry in islice(folder, FOLDER_MAX))
            except OSError:
                yield file

    def _leases(self, file: Path, at_ms: int) -> list[Evidence]:
        try:
            state = file.stat()
            stamp = state.st_mtime_ns, state.st_size
            if self._stamps.get(file) == stamp:
                return []
            with file.open("rb") as opened:
                evidence = leases.read(opened.read(leases.FILE_OCTETS_MAX), at_ms)
        except FileNotFoundError:
            self._stamps.pop(file, None)
            self.faults.pop(file, None)
            return []
        except (OSError, ValueError) as error:
            self.faults[file] = f"{file}: {error.strerror if isinstance(error, OSError) else error}"
            return []
        self._stamps[file] = stamp
        self.faults.pop(file, None)
        return evidence

    def _changed_hands(self, claim: Evidence) -> bool:
        """Whether the address was another MAC's by the latest word of that source."""
        if claim.mac is None or claim.address is None:
            return False
        return self._held_by.get((claim.source, claim.address), claim.mac) != claim.mac

    def _is_news(self, claim: Evidence, ticks_ms: int) -> bool:
        statement = claim._replace(at_ms=0, until_ms=None)
        told_ms = self._told.get(statement)
        if told_ms is not None and ticks_ms - told_ms < REPEAT_MS and not self._changed_hands(claim):
            return False
        if len(self._told) >= REMEMBERED_MAX:
            self._told.clear()
            self._held_by.clear()
        if claim.mac is not None and claim.address is not None:
            self._held_by[claim.source, claim.address] = claim.mac
        self._told[statement] = ticks_ms
        return True
