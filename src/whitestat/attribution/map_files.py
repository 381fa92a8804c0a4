"""Follows WhiteStat 5's map files: a change takes effect at the next look, and what is wrong in one is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from whitestat.attribution import maps
from whitestat.attribution.maps import Maps

OCTETS_MAX = 1024 * 1024
"""More than the lines that are read have."""
FAULTS_TOLD = 8
"""Bad lines of one file that are told; of more there is only the number."""

K = TypeVar("K")
V = TypeVar("V")
Parse = Callable[[bytes], tuple[dict[K, V], list[str]]]


class MapFile(NamedTuple):
    """Where a map is; one that is not `named` in the configuration may be missing."""

    path: Path
    named: bool = False


class MapFiles:
    """The three files, None for none of that kind. `notices` are sentences on what is wrong with them now."""

    def __init__(
        self, ip_mac: MapFile | None = None, mac_mac: MapFile | None = None, mac_host: MapFile | None = None
    ) -> None:
        self._by_address = _Followed(ip_mac, maps.ip_mac)
        self._by_mac = _Followed(mac_mac, maps.mac_mac)
        self._names = _Followed(mac_host, maps.mac_host)
        self._now = Maps()

    def look(self) -> Maps:
        """What the files say now; the same object again when none of them changed."""
        changed = [file.look() for file in self._files()]
        if any(changed):
            self._now = Maps(self._by_address.entries, self._by_mac.entries, self._names.entries)
        return self._now

    @property
    def notices(self) -> tuple[str, ...]:
        return tuple(notice for file in self._files() for notice in file.notices)

    def _files(self) -> Iterable[_Followed[Any, Any]]:
        return self._by_address, self._by_mac, self._names


class _Followed(Generic[K, V]):
    """One file and what it held when it was read last."""

    def __init__(self, file: MapFile | None, parse: Parse[K, V]) -> None:
        self._file = file
        self._parse = parse
        self._stamp: tuple[int, int, int] | None = None
        self.entries: dict[K, V] = {}
        self.notices: list[str] = []

    def look(self) -> bool:
        """Read the file if it changed; whether its entries are new. They stay when it cannot be read."""
        if self._file is None:
            return False
        path = self._file.path
        try:
            content = self._content(path)
        except FileNotFoundError:
            self._stamp, content = None, b""
            self.notices = [f"{path}: there is no such file"] if self._file.named else []
        except OSError as error:
            self._stamp = None
            self.notices = [f"{path}: cannot be read: {(error.strerror or str(error)).lower()}"]
            return False
        else:
            if content is None:
                return False
            self.notices = []
        before = self.entries
        self.entries, faults = self._parse(content)
        self.notices += _told(path, faults)
        return self.entries != before

    def _content(self, path: Path) -> bytes | None:
        """None where it is as it was when it was read last; of a file that is too large the first lines."""
        state = path.stat()
        stamp = state.st_mtime_ns, state.st_size, state.st_ino
        if stamp == self._stamp:
            return None
        with path.open("rb") as opened:
            content = opened.read(OCTETS_MAX)
        self._stamp = stamp
        return content if len(content) < OCTETS_MAX else content.rpartition(b"\n")[0]


def _told(path: Path, faults: list[str]) -> Iterator[str]:
    yield from (f"{path}: {fault}" for fault in faults[:FAULTS_TOLD])
    if len(faults) > FAULTS_TOLD:
        yield f"{path}: {len(faults) - FAULTS_TOLD} more lines are left out"
