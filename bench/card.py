"""A card of our own: an ext4 file system on a loop device, whose kernel statistics say what reached it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECTOR = 512
"""The unit of /sys/block/*/stat, whatever the device's own is."""


class NoCardError(Exception):
    """None can be made here; says why."""


class Card:
    """Mounted at `folder`."""

    def __init__(self, folder: Path, device: str) -> None:
        self.folder = folder
        self._stat = Path("/sys/block") / Path(device).name / "stat"

    def written(self) -> int:
        """Octets written since it was made, when all that is waiting has been."""
        os.sync()
        return int(self._stat.read_text().split()[6]) * SECTOR


@contextmanager
def card(folder: Path, megabytes: int = 512) -> Iterator[Card]:
    """A card in a folder, for the length of a block; nothing is laid out later in the background."""
    image, place = folder / "card.img", folder / "card"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    _run("mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image))
    device = _run("losetup", "--find", "--show", str(image)).strip()
    try:
        _run("mount", device, str(place))
        try:
            yield Card(place, device)
        finally:
            _run("umount", str(place))
    finally:
        _run("losetup", "--detach", device)
        image.unlink()


def _run(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NoCardError(f"{words[0]} is missing") from error
    if done.returncode:
        raise NoCardError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
