"""Pins of others, links and open folders are not read; a BPF file system is not needed to look."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from whitestat.collectors.kernel import pins

pytestmark = pytest.mark.needs("mount")

SHAPE = b"shape"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with TemporaryDirectory() as name:
        monkeypatch.setattr(pins, "_bpf_file_system", lambda: Path(name))
        yield Path(name)


def pinned(ledger: Path = Path("/nowhere/whitestat.db")) -> Path | None:
    folder = pins.folder(ledger, SHAPE)
    if folder is None:
        return None
    folder.close()
    return folder.path


def test_a_folder_is_made_for_root_alone_and_found_again_with_its_maps(place: Path) -> None:
    folder = pinned()
    assert folder
    (folder / "state").touch()
    os.chown(folder, 60777, 60777)
    assert pinned() == folder
    assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (0, 0o700)
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == ["state"]


def test_links_among_the_maps_are_forgotten_and_not_followed(place: Path) -> None:
    folder = pinned()
    assert folder
    secret = place / "of-another-program"
    secret.write_text("a map")
    for make in (os.symlink, os.link):
        make(secret, folder / "state")
        (folder / "totals").touch()
        assert pinned() == folder
        assert list(folder.iterdir()) == []
        assert secret.read_text() == "a map"


def test_a_folder_that_is_a_link_or_anothers_or_open_is_not_used(place: Path) -> None:
    (place / "elsewhere").mkdir()
    (place / "whitestat").symlink_to(place / "elsewhere")
    assert pinned() is None
    (place / "whitestat").unlink()
    (place / "whitestat").mkdir()
    os.chown(place / "whitestat", 4321, 4321)
    assert pinned() is None
    os.chown(place / "whitestat", 0, 0)
    (place / "whitestat").chmod(0o777)
    assert pinned() is None
    (place / "whitestat").chmod(0o755)
    assert pinned()
    place.chmod(0o777)
    assert pinned() is None
    place.chmod(0o1777)  # the kernel's own default
    assert pinned()
    assert list((place / "elsewhere").iterdir()) == []


def test_after_a_clean_end_no_map_is_left_even_where_the_way_there_is_closed(place: Path) -> None:
    folder = pins.folder(Path("/nowhere/whitestat.db"), SHAPE)
    assert folder
    (folder.path / "state").touch()
    os.chown(folder.path, 60777, 60777)
    place.chmod(0o700)
    os.setegid(60777)
    os.seteuid(60777)
    try:
        folder.remove()
    finally:
        os.seteuid(0)
        os.setegid(0)
    assert list(folder.path.iterdir()) == []
    folder.close()
