"""The folder of a WhiteStat 5: its database and its map files, under the names that its configuration gives them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path

from whitestat.attribution.map_files import MapFile, MapFiles
from whitestat.core.errors import ImportFault
from whitestat.core.model import Address
from whitestat.importers import whitestat
from whitestat.importers.history import ImportedHistory
from whitestat.importers.source import ImportSource

CONFIG = "WhiteStatConfig.json"
CONFIG_MOST_OCTETS = 1024 * 1024
_NAMES = {
    "DBFile": "WhiteStat.db",
    "IP_MAC_REWRITE": "IP_MAC.txt",
    "MAC_MAC_REWRITE": "MAC_MAC.txt",
    "MAC_HOST_MAP": "MAC_HOST.txt",
}
"""What its files are called unless the configuration says otherwise."""


def read_source(source: ImportSource) -> ImportedHistory:
    """Return `read` of the source's database or folder."""
    return read(source.path, source.zone, source.is_local)


def read(path: Path, zone: tzinfo, is_local: Callable[[Address], bool]) -> ImportedHistory:
    """A database, or that of a folder with what its map files say. ImportFault as `whitestat.read`."""
    if not path.is_dir():
        return whitestat.read(path, zone, is_local)
    database, *maps = (path / name for name in _names(path / CONFIG))
    if not database.is_file():
        raise ImportFault(f"{path}: there is no {database.name} in it")
    files = MapFiles(*map(MapFile, maps))
    return whitestat.read(database, zone, is_local, files.look(), files.notices)


def _names(config: Path) -> list[str]:
    """Return the names of the database and the three map files."""
    try:
        with config.open("rb") as opened:
            document = json.loads(opened.read(CONFIG_MOST_OCTETS).decode("utf-8-sig", "replace"))
    except FileNotFoundError:
        document = {}
    except OSError as error:
        raise ImportFault(f"{config}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, RecursionError) as fault:
        raise ImportFault(f"{config}: {fault}; nothing is imported") from None
    given = document if isinstance(document, dict) else {}
    return [str(given.get(key) or name) for key, name in _NAMES.items()]
