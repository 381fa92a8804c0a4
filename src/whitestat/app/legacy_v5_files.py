"""Files that WhiteStat 5 made at its first start, made in its place: its configuration and its map files."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from whitestat.config import legacy_v5
from whitestat.config.sections import Config

log = logging.getLogger("whitestat")

MODE = 0o600


def make_files(config: Config, environ: Mapping[str, str]) -> None:
    """Make the missing files in the folder `DATA_STORE`; a folder that cannot be written is logged, and no fault.

    The map files are empty: those of version 5 named devices of its author. A `whitestat.toml` needs none of them.
    """
    folder = environ.get("DATA_STORE")
    if not folder or (config.source and config.source != str(Path(folder) / legacy_v5.NAME)):
        return
    interval_s = next((point.interval_s for point in config.points if point.collector == legacy_v5.COLLECTOR), 30)
    texts = {legacy_v5.NAME: legacy_v5.first(environ, interval_s, config.store.flush_s)}
    texts |= dict.fromkeys(legacy_v5.MAP_FILES, "")
    names = []
    for name, text in texts.items():
        try:
            if _make(Path(folder) / name, text):
                names.append(name)
        except OSError as error:
            log.info("%s: is not made: %s", Path(folder) / name, (error.strerror or str(error)).lower())
    if names:
        log.info("%s: made for the first start, as WhiteStat 5 did: %s", folder, ", ".join(names))


def _make(path: Path, text: str) -> bool:
    """Make a file that belongs to the owner of its folder; False where there is anything of that name, a link too."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        opened.write(text)
        opened.flush()
        os.fsync(descriptor)
    return True
